// Package web is the console: it turns what is stored into pages. It decides
// nothing about controls and writes no database; reading is done through small
// interfaces of the area's folder, and what a person sets going through
// actions that the application gives. Errors are shown to people here and
// nowhere else.
//
// Start at Page; the shared pieces are in folder ui, all pages in folder pages.
package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/a-h/templ"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/web/ui"
)

// A Page is one address of the console.
type Page struct {
	Pattern string      // as http.ServeMux takes it, with its method
	Title   string      // key of its title
	Nav     string      // item of the navigation that it belongs to
	Role    access.Role // the least that may open it; Nobody: anybody
	Live    bool        // is refreshed when something changed
	Load    func(ctx context.Context, r *Request) (View, error)
}

// A View is what a page answers.
type View struct {
	Title    string // of the page; empty: the text of Page.Title
	Crumbs   []ui.Crumb
	Body     templ.Component
	Status   int    // 0: 200
	Redirect string // a path to go on at instead of Body, after something was done
	Bare     bool   // without navigation
	Download *Download
}

// A Download is a file instead of a page. It is written piece by piece; where
// that breaks off the connection does too, so that nobody takes a part for the
// whole.
type Download struct {
	Name  string // of letters, digits, hyphens and a dot
	Type  string
	Write func(w io.Writer) error
}

// A Request is what a page is asked.
type Request struct {
	*http.Request
	*ui.Env
	Who access.Principal
	w   http.ResponseWriter
}

// writer takes the cookies of an answer.
func (r *Request) writer() http.ResponseWriter { return r.w }

// ErrNotFound says that there is no such thing.
var ErrNotFound = errors.New("not found")

// An Invalid is something that the person can put right. Its text is shown.
type Invalid struct {
	Field string // name of the form's field; empty: the whole
	Text  string // a sentence in the reader's language
}

// Error returns the sentence.
func (i *Invalid) Error() string { return i.Text }

// Config is what the console is given.
type Config struct {
	Pages        []Page
	Now          func() time.Time
	Log          *slog.Logger
	Organisation string
	Language     string         // for a reader who asks for none that we have; empty: English
	Zone         *time.Location // of the times on pages; nil: UTC
	Drill        bool           // an instance with a turned clock says so on every page
	Secure       bool           // cookies only over TLS
	SignIn       func(w http.ResponseWriter, r *http.Request, link string) error
	SignOut      func(w http.ResponseWriter, r *http.Request) error
	RequestID    func(ctx context.Context) string
	Counts       func(ctx context.Context) (map[string]int64, error) // numbers beside the navigation; nil: none
}

// A Server serves the console.
type Server struct {
	cfg    Config
	words  *ui.Words
	assets *ui.Assets
	mux    *http.ServeMux
}

// New makes the console. It fails only where a part that was built in is broken.
func New(cfg Config) (*Server, error) {
	words, err := ui.LoadWords()
	if err != nil {
		return nil, err
	}
	assets, err := ui.NewAssets()
	if err != nil {
		return nil, err
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	s := &Server{cfg: cfg, words: words, assets: assets, mux: http.NewServeMux()}
	s.mux.Handle("GET /assets/", assets)
	s.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, assets.URL("favicon.svg"), http.StatusFound)
	})
	for _, p := range append(s.own(), cfg.Pages...) {
		s.mux.Handle(p.Pattern, s.page(p))
	}
	s.mux.Handle("/", s.page(Page{Pattern: "/", Title: "error.notfound.title", Load: func(context.Context, *Request) (View, error) {
		return View{}, ErrNotFound
	}}))
	return s, nil
}

// ServeHTTP answers every request that is for people.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// page makes a handler of a page: who asks, may they, what do they see.
func (s *Server) page(p Page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := s.request(r, p)
		req.w = w
		s.headers(w, req)
		switch {
		case !s.may(req, p) && req.Who.Role == access.Nobody:
			s.askSignIn(w, r)
			return
		case !s.may(req, p):
			s.fail(w, req, errForbidden)
			return
		}
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		}
		view, err := p.Load(r.Context(), req)
		if err != nil && r.Method == http.MethodGet && req.Query.Has("cursor") && !errors.Is(err, ErrNotFound) {
			// A place in a list that no list gave out, or an old one: the list begins anew.
			http.Redirect(w, r, req.Cursor(""), http.StatusSeeOther)
			return
		}
		if err != nil {
			s.fail(w, req, err)
			return
		}
		if view.Redirect != "" {
			http.Redirect(w, r, view.Redirect, http.StatusSeeOther)
			return
		}
		if view.Download != nil {
			s.download(w, req, view.Download)
			return
		}
		s.render(w, req, p, view)
	})
}

func (s *Server) download(w http.ResponseWriter, r *Request, d *Download) {
	w.Header().Set("Content-Type", d.Type)
	w.Header().Set("Content-Disposition", `attachment; filename="`+d.Name+`"`)
	if err := d.Write(w); err != nil {
		if r.Context().Err() == nil {
			s.cfg.Log.ErrorContext(r.Context(), "download broke off", "request", s.cfg.RequestID(r.Context()), "path", r.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) may(r *Request, p Page) bool {
	return p.Role == access.Nobody || r.Who.May(p.Role)
}

// askSignIn leads whoever has no session to the sign-in page, and back
// afterwards. A refused form or fragment gets no detour.
func (s *Server) askSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/login"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// request gathers what a page needs to know about who asks and how.
func (s *Server) request(r *http.Request, p Page) *Request {
	who := access.From(r.Context())
	lang := s.words.Choose(cookie(r, langCookie), r.Header.Get("Accept-Language"))
	if cookie(r, langCookie) == "" && r.Header.Get("Accept-Language") == "" && s.cfg.Language != "" {
		lang = s.words.Choose(s.cfg.Language, "")
	}
	env := &ui.Env{
		Lang: s.words.In(lang), Assets: s.assets, Now: s.cfg.Now(), Zone: s.cfg.Zone, Nonce: nonce(),
		Path: r.URL.EscapedPath(), Query: r.URL.Query(), Drill: s.cfg.Drill, Org: s.cfg.Organisation,
		User: who.Name, Nav: p.Nav, Live: p.Live && r.Method == http.MethodGet,
	}
	if t := cookie(r, themeCookie); slices.Contains(themes(), t) {
		env.Theme = t
	}
	env.At = past(env.Query.Get("at"), env.Now, s.cfg.Zone)
	env.Act = who.May(access.Manager) && !env.Past()
	env.Own = who.May(access.ControlOwner) && !env.Past()
	env.Live = env.Live && !env.Past()
	if s.cfg.Counts != nil && who.May(access.Auditor) && r.Method == http.MethodGet {
		counts, err := s.cfg.Counts(r.Context())
		if err != nil {
			s.cfg.Log.WarnContext(r.Context(), "numbers of the navigation", "error", err)
		}
		env.Counts = counts
	}
	return &Request{Request: r, Env: env, Who: who}
}

// past reads the instant that a page shows; what is no instant, or not past, is now.
func past(s string, now time.Time, zone *time.Location) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil && t.Before(now) {
			return t.UTC()
		}
	}
	return time.Time{}
}

func cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}
