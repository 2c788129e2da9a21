package pages_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/BurntSushi/toml"
	"golang.org/x/net/html"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/locales"
	"prumo.dev/prumo/internal/web/pages"
	"prumo.dev/prumo/internal/web/ui"
	"prumo.dev/prumo/internal/web/webtest"
)

// serve makes the console over a store, as the application does.
func serve(t *testing.T, s *webtest.Store, role access.Role) http.Handler {
	t.Helper()
	infos := webtest.Connectors()
	all := pages.All(pages.Config{
		Store: s, Log: s, Sources: s, Exceptions: s, Alerts: s, SetOwner: s.SetOwner, SetDue: s.SetDue, Silence: s.Silence, Speak: s.Speak, Feeds: s,
		Catalogue: web.Catalogue{Checks: func() *check.Set { return s.Set }, Library: s.Library, Connectors: infos},
	})
	srv, err := web.New(web.Config{
		Pages: all, Now: webtest.Now, Log: slog.New(slog.DiscardHandler), Organisation: "Aurora", Counts: pages.Counts(s),
		SignIn:    func(http.ResponseWriter, *http.Request, string) error { return access.ErrDenied },
		SignOut:   func(http.ResponseWriter, *http.Request) error { return nil },
		RequestID: func(context.Context) string { return "r-1" },
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Handle("POST /login", srv.SignInHandler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if role != access.Nobody {
			r = r.WithContext(access.With(r.Context(), access.Principal{Name: "Ana Beatriz Figueiredo", Role: role}))
		}
		srv.ServeHTTP(w, r)
	})
}

func stores(t *testing.T) map[string]*webtest.Store {
	t.Helper()
	out := map[string]*webtest.Store{}
	for name, make := range map[string]func() (*webtest.Store, error){"empty": webtest.New, "full": webtest.Full, "hostile": webtest.Hostile} {
		s, err := make()
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

// get asks for a page in a language.
func get(h http.Handler, path, lang string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.AddCookie(&http.Cookie{Name: "prumo-lang", Value: lang})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryPage(t *testing.T) {
	for name, s := range stores(t) {
		for _, role := range []access.Role{access.Auditor, access.Owner} {
			h := serve(t, s, role)
			for _, path := range s.Paths() {
				for _, lang := range ui.Languages() {
					t.Run(fmt.Sprintf("%s/%s/%s%s", name, role, lang, path), func(t *testing.T) {
						w := get(h, path, lang)
						want := http.StatusOK
						if webtest.Acts(path) && role == access.Auditor {
							want = http.StatusForbidden
						}
						if w.Code != want {
							t.Fatalf("GET %s: got %d, want %d: %s", path, w.Code, want, w.Body)
						}
						examine(t, w, lang)
					})
				}
			}
		}
	}
}

func TestErrorPages(t *testing.T) {
	s := stores(t)["full"]
	h := serve(t, s, access.Viewer)
	for path, want := range map[string]int{
		"/nowhere": 404, "/controls/none": 404, "/checks/none": 404, "/findings/none": 404, "/frameworks/none": 404,
		"/things/none/none": 404, "/sources/none": 404, "/sources/new": 403,
	} {
		for _, lang := range ui.Languages() {
			w := get(h, path, lang)
			if w.Code != want {
				t.Errorf("GET %s: got %d, want %d", path, w.Code, want)
			}
			if !strings.Contains(w.Body.String(), "r-1") {
				t.Errorf("GET %s: the request's id is not shown", path)
			}
			examine(t, w, lang)
		}
	}
}

func TestInternalErrorHidesItsCause(t *testing.T) {
	srv, err := web.New(web.Config{
		Now: webtest.Now, Log: slog.New(slog.DiscardHandler), RequestID: func(context.Context) string { return "r-9" },
		Pages: []web.Page{{Pattern: "GET /broken", Load: func(context.Context, *web.Request) (web.View, error) {
			return web.View{}, errors.New("database password is hunter2")
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := get(srv, "/broken", "en")
	if w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(w.Body.String(), "r-9") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	examine(t, w, "en")
}

func TestSignIn(t *testing.T) {
	h := serve(t, stores(t)["full"], access.Nobody)
	w := get(h, "/findings?severity=high", "en")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/login?next="+url.QueryEscape("/findings?severity=high") {
		t.Errorf("without a session: got %d to %q", w.Code, to)
	}
	for _, lang := range ui.Languages() {
		examine(t, get(h, "/login?token=%3Cscript%3E&next=//evil.example", lang), lang)
	}
	if w := get(h, "/login?next=//evil.example", "en"); strings.Contains(w.Body.String(), `name="next" value="//evil`) || !strings.Contains(w.Body.String(), `name="next" value="/"`) {
		t.Error("the form leads to another host")
	}
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader("token=used"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("a used link: got %d, want 401", w.Code)
	}
	examine(t, w, "en")
}

func TestUnknownOrderIsTold(t *testing.T) {
	h := serve(t, stores(t)["full"], access.Owner)
	for _, path := range []string{"/findings", "/things", "/exceptions", "/checks", "/checks/account-has-mfa"} {
		for _, lang := range ui.Languages() {
			w := get(h, path+"?sort=%3Cb%3Ecolour", lang)
			examine(t, w, lang)
			if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `class="note unknown"`) || !strings.Contains(body, "&lt;b&gt;colour") {
				t.Errorf("%s in %s: an unknown order is not told", path, lang)
			}
		}
		if strings.Contains(get(h, path, "en").Body.String(), "cannot be sorted") {
			t.Errorf("%s: told without need", path)
		}
	}
}

// examine is what must hold of every page.
func examine(t *testing.T, w *httptest.ResponseRecorder, lang string) {
	t.Helper()
	policy := w.Header().Get("Content-Security-Policy")
	m := regexp.MustCompile(`script-src 'nonce-([^']+)'`).FindStringSubmatch(policy)
	if m == nil || strings.Contains(policy, "unsafe") {
		t.Fatalf("policy %q", policy)
	}
	body := w.Body.String()
	wellFormed(t, body)
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	x := exam{t: t, nonce: m[1], ids: map[string]int{}, labels: map[string]bool{}}
	x.walk(doc)
	x.finish(lang)
	if strings.Contains(body, "<no value>") {
		t.Error("a text lacks a value")
	}
}

// wellFormed finds elements that are not closed, or closed in another's place.
func wellFormed(t *testing.T, body string) {
	t.Helper()
	void := []string{"meta", "link", "input", "br", "img", "hr", "col"}
	var open []string
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return
		case html.StartTagToken:
			name, _ := z.TagName()
			if !slices.Contains(void, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

type exam struct {
	t      *testing.T
	nonce  string
	h1     int
	main   int
	lang   string
	ids    map[string]int
	labels map[string]bool // ids that a label names
	inputs []*html.Node
}

// keys matches what has the form of a key and begins like one of ours.
var keys = sync.OnceValue(func() *regexp.Regexp {
	var all map[string]any
	raw, err := fs.ReadFile(locales.Files(), "en.toml")
	if err == nil {
		err = toml.Unmarshal(raw, &all)
	}
	if err != nil {
		panic(err)
	}
	first := map[string]bool{}
	for key := range all {
		if f, _, dotted := strings.Cut(key, "."); dotted {
			first[f] = true
		}
	}
	return regexp.MustCompile(`^(` + strings.Join(slices.Sorted(maps.Keys(first)), "|") + `)(\.[a-z0-9_]+)+$`)
})

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func (x *exam) walk(n *html.Node) {
	if n.Type == html.ElementNode {
		x.element(n)
	}
	if n.Type == html.TextNode && n.Parent.Data != "code" && keys().MatchString(strings.TrimSpace(n.Data)) {
		x.t.Errorf("a key is shown instead of its text: %s", n.Data)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		x.walk(c)
	}
}

func (x *exam) element(n *html.Node) {
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			x.t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
		}
		if a.Key == "href" || a.Key == "action" || a.Key == "src" {
			if u := strings.TrimSpace(strings.ToLower(a.Val)); strings.HasPrefix(u, "javascript:") || strings.HasPrefix(u, "data:") || strings.HasPrefix(u, "http") || strings.HasPrefix(u, "//") {
				x.t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		if a.Key == "id" {
			x.ids[a.Val]++
		}
		if strings.HasPrefix(a.Key, "hx-") && a.Key != "hx-nonce" {
			if v, _ := attr(n, "hx-nonce"); v != x.nonce {
				x.t.Errorf("<%s %s> lacks the nonce", n.Data, a.Key)
			}
		}
	}
	switch n.Data {
	case "h1":
		x.h1++
	case "main":
		x.main++
	case "html":
		x.lang, _ = attr(n, "lang")
	case "style":
		x.t.Error("a <style> stands in the page")
	case "script":
		if v, _ := attr(n, "nonce"); v != x.nonce || n.FirstChild != nil {
			x.t.Error("a <script> stands in the page or lacks the nonce")
		}
	case "label":
		if v, ok := attr(n, "for"); ok {
			x.labels[v] = true
		}
	case "input", "select", "textarea":
		if v, _ := attr(n, "type"); v != "hidden" {
			x.inputs = append(x.inputs, n)
		}
	case "button":
		if v, _ := attr(n, "aria-label"); v == "" && strings.TrimSpace(text(n)) == "" {
			x.t.Error("a button has no name")
		}
	case "a":
		if v, _ := attr(n, "aria-label"); v == "" && strings.TrimSpace(text(n)) == "" && !hasLabel(n) {
			h, _ := attr(n, "href")
			x.t.Errorf("a link to %q has no name", h)
		}
	}
}

func hasLabel(n *html.Node) bool {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if v, _ := attr(c, "aria-label"); c.Type == html.ElementNode && v != "" || hasLabel(c) {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(text(c))
	}
	return b.String()
}

func (x *exam) finish(lang string) {
	if x.h1 != 1 || x.main != 1 {
		x.t.Errorf("%d h1 and %d main, want one of each", x.h1, x.main)
	}
	if x.lang != lang {
		x.t.Errorf("lang %q, want %q", x.lang, lang)
	}
	for id, n := range x.ids {
		if n > 1 {
			x.t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, n := range x.inputs {
		id, _ := attr(n, "id")
		name, _ := attr(n, "name")
		if !x.labels[id] && (n.Parent == nil || n.Parent.Data != "label") {
			x.t.Errorf("%s %q has no label", n.Data, name)
		}
	}
}
