package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store/alertstore"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/alerts"
	"prumo.dev/prumo/internal/web/exceptions"
	"prumo.dev/prumo/internal/web/pages"
	"prumo.dev/prumo/internal/web/sources"
)

// pages adds the console to mux.
func (e *engine) pages(ctx context.Context, mux *http.ServeMux, d *door) error {
	act := console{e}
	log := deliveries{e}
	all := pages.All(pages.Config{
		Store: e.in.db, Log: log, Sources: act, Exceptions: act, Alerts: act,
		SetOwner: func(ctx context.Context, by, source, id, owner string) error {
			return shown(e.SetOwner(ctx, by, api.OwnerInput{Source: source, Fact: id, Owner: owner}))
		},
		SetDue: func(ctx context.Context, by, finding string, due time.Time) error {
			return shown(e.heard(e.mon.SetDue(ctx, finding, due, by)))
		},
		Silence: func(ctx context.Context, q monitor.SilenceRequest) error {
			_, err := e.Silence(ctx, q)
			return shown(err)
		},
		Feeds:     act,
		Speak:     func(ctx context.Context, by, id string) error { return shown(e.EndSilence(ctx, by, id)) },
		Catalogue: web.Catalogue{Checks: e.checks.Load, Library: e.library, Connectors: e.infos(), Manifest: e.manifest},
	})
	language := ""
	if l := e.file.Organisation.Languages; len(l) > 0 {
		language = l[0]
	}
	s, err := web.New(web.Config{
		Pages: all, Now: e.in.now, Log: e.log, Organisation: e.file.Organisation.Name, Language: language, Drill: e.birth.Drill,
		Secure: d.secure, SignIn: d.signIn, SignOut: d.signOut, RequestID: api.RequestID, Counts: pages.Counts(e.in.db),
	})
	if err != nil {
		return err
	}
	e.mon.Watch(e.live.turned)
	mux.Handle("GET /login", d.openLink(s))
	mux.Handle("POST /login", s.SignInHandler())
	mux.Handle("POST /logout", s.SignOutHandler())
	mux.HandleFunc("GET /calendar/{secret}", e.calendar)
	mux.Handle("GET /act/{token}", s.ActHandler(e.acting()))
	mux.Handle("POST /act/{token}", s.ActHandler(e.acting()))
	mux.Handle("GET /events", e.live.handler(ctx.Done()))
	mux.Handle("/", s)
	return nil
}

// openLink opens a session for a link from the terminal and goes on to the
// first page; a link that is used up or over is told as gone.
func (d *door) openLink(s *web.Server) http.Handler {
	over := s.LinkOverHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t := r.URL.Query().Get("token"); t != "" && access.From(r.Context()).Role == access.Nobody {
			switch err := d.signIn(w, r, t); {
			case err == nil:
				http.Redirect(w, r, "/", http.StatusSeeOther)
			case errors.Is(err, access.ErrDenied):
				over.ServeHTTP(w, r)
			default:
				s.Fail(w, r, err) //nolint:contextcheck // the request carries it
			}
			return
		}
		s.ServeHTTP(w, r)
	})
}

// console is what people set going on pages: the same actions as the API's,
// with errors that a form can show.
type console struct{ e *engine }

// shown turns an error that the person can put right into one that a form shows.
func shown(err error) error {
	if errors.Is(err, api.ErrInput) {
		return &web.Invalid{Text: api.Plain(err)}
	}
	if errors.Is(err, api.ErrNotFound) {
		return web.ErrNotFound
	}
	return err
}

func (c console) ReadSource(ctx context.Context, name string) error {
	return shown(c.e.ReadSource(ctx, name))
}

func (c console) SaveSource(ctx context.Context, _ string, d sources.Draft) error {
	in := api.SourceInput{Name: d.Name, Connector: d.Connector, Settings: d.Settings}
	if d.Every > 0 {
		in.Every = d.Every.String()
	}
	return shown(c.e.SaveSource(ctx, in))
}

func (c console) DeleteSource(ctx context.Context, _, name string) error {
	return shown(c.e.DeleteSource(ctx, name))
}

func (c console) RequestException(ctx context.Context, by string, r exceptions.Request) error {
	_, err := c.e.RequestException(ctx, by, api.ExceptionInput{
		Check: r.Check, Fact: r.Fact, Source: r.Source, Reason: r.Reason, Ends: r.Ends, Approver: r.Approver, Guard: r.Guard,
	})
	return shown(err)
}

func (c console) ApproveException(ctx context.Context, by, id string) error {
	return shown(c.e.ApproveException(ctx, by, id))
}

func (c console) RevokeException(ctx context.Context, by, id string) error {
	return shown(c.e.RevokeException(ctx, by, id))
}

func (c console) Routes(ctx context.Context) ([]alert.Route, error) { return c.e.alerts.Routes(ctx) }

func (c console) SaveRoute(ctx context.Context, _ string, body map[string]any) error {
	name, _ := body["name"].(string)
	return shown(c.e.SaveRoute(ctx, name, body))
}

func (c console) DeleteRoute(ctx context.Context, _, name string) error {
	return shown(c.e.DeleteRoute(ctx, name))
}

func (c console) TestRoute(ctx context.Context, name, _ string) error {
	return shown(c.e.TestRoute(ctx, name))
}

func (c console) Resend(ctx context.Context, id string) error { return shown(c.e.Resend(ctx, id)) }

// acting answers the links in messages.
func (e *engine) acting() web.Acting {
	over := func(err error) error {
		if errors.Is(err, alertstore.ErrLink) {
			return web.ErrNotFound
		}
		return err
	}
	return web.Acting{
		Look: func(ctx context.Context, token string) (subject, receiver string, err error) {
			v, err := e.alerts.Act(ctx, token)
			return v.Subject, v.Receiver, over(err)
		},
		Do: func(ctx context.Context, token string, q monitor.SilenceRequest) error {
			known, err := e.alerts.ActRequest(ctx, token)
			if err != nil {
				return over(err)
			}
			known.Kind, known.Reason, known.Until = q.Kind, q.Reason, q.Until
			_, err = e.Silence(ctx, known)
			return shown(err)
		},
	}
}

// deliveries show who was told what and when.
type deliveries struct{ e *engine }

func (d deliveries) Deliveries(ctx context.Context, f monitor.Filter) (monitor.Page[alerts.Delivery], error) {
	af := alertstore.Filter{Filter: f}
	for _, s := range f.Status {
		af.State = append(af.State, alertstore.State(s))
	}
	p, err := d.e.alerts.Deliveries(ctx, af)
	if err != nil {
		return monitor.Page[alerts.Delivery]{}, err
	}
	out := monitor.Page[alerts.Delivery]{Next: p.Next, Total: p.Total}
	for _, it := range p.Items {
		out.Items = append(out.Items, alerts.Delivery{
			ID: it.ID, Route: it.Route, Channel: it.Channel, Receiver: it.Receiver, Cause: it.Cause, Attempts: it.Attempts,
			State: string(it.State), LastError: it.LastError, CreatedAt: it.CreatedAt, SentAt: it.SentAt,
		})
	}
	return out, nil
}

// A hub tells open pages that something turned, at most twice a second.
type hub struct {
	mu    sync.Mutex
	pages map[chan struct{}]bool // guarded by mu
}

func newHub() *hub { return &hub{pages: map[chan struct{}]bool{}} }

func (h *hub) turned([]monitor.Transition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.pages {
		select {
		case c <- struct{}{}:
		default: // it is told already
		}
	}
}

// handler streams server-sent events until the reader leaves or Prumo stops.
func (h *hub) handler(over <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !access.From(r.Context()).May(access.Auditor) {
			api.Problem(w, http.StatusUnauthorized, "sign in")
			return
		}
		c := make(chan struct{}, 1)
		h.mu.Lock()
		h.pages[c] = true
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			delete(h.pages, c)
			h.mu.Unlock()
		}()
		w.Header().Set("Content-Type", "text/event-stream")
		stream(over, w, r, c)
	})
}

func stream(over <-chan struct{}, w http.ResponseWriter, r *http.Request, turned <-chan struct{}) {
	ctl := http.NewResponseController(w)
	send := func(s string) bool {
		_, err := io.WriteString(w, s)
		return err == nil && ctl.Flush() == nil
	}
	beat := time.NewTicker(25 * time.Second)
	defer beat.Stop()
	ok := send(": open\n\n")
	for ok {
		select {
		case <-over:
			return
		case <-r.Context().Done():
			return
		case <-beat.C:
			ok = send(": still there\n\n")
		case <-turned:
			ok = send("event: changed\ndata: now\n\n") && sleep(r.Context(), 500*time.Millisecond)
		}
	}
}
