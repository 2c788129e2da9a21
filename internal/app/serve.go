package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/store/alertstore"
)

type serveCmd struct {
	Config string `help:"A prumo.yaml to put into force at the start." type:"path"`
}

// Run serves until it is told to stop.
func (c serveCmd) Run(ctx context.Context, p Process) (err error) {
	log := slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	in, err := openInstance(ctx, p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if c.Config != "" {
		if _, err := in.born(ctx); err != nil {
			return err
		}
		if _, _, err := in.apply(ctx, p, c.Config); err != nil {
			return err
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the folder that this was started in: %w", err)
	}
	e, err := newEngine(ctx, in, dir)
	if err != nil {
		return err
	}
	return e.serve(ctx, p.Stdout)
}

// serve listens, prints where, and runs until ctx ends.
func (e *engine) serve(ctx context.Context, out io.Writer) (err error) {
	release, err := e.in.onlyServer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.in.env.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; set PRUMO_ADDR to another address", e.in.env.Addr, err)
	}
	e.in.env.Addr = l.Addr().String()
	if err := errors.Join(e.join(ctx), e.reload(ctx)); err != nil {
		return errors.Join(err, l.Close())
	}
	h, err := e.handler(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
	}
	if err := e.greet(ctx, out); err != nil {
		return errors.Join(err, l.Close())
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.run(gctx) })
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close() // streams of live pages end here
		}
		return nil
	})
	return g.Wait()
}

// greet prints where to go.
func (e *engine) greet(ctx context.Context, out io.Writer) error {
	link, err := e.in.loginLink(ctx)
	if err != nil {
		return err
	}
	drill := ""
	if e.birth.Drill {
		drill = "This instance is a drill: its clock can be turned, so it proves nothing.\n"
	}
	_, err = fmt.Fprintf(out, "Prumo %s runs at %s\n%sOpen this link to sign in (it works once, for ten minutes; `prumo login-link` prints another):\n\n  %s\n\n",
		Version, e.in.baseURL(), drill, link)
	return err
}

// reachable turns an address to listen on into one to open.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// handler is everything that answers, behind the door.
func (e *engine) handler(ctx context.Context) (http.Handler, error) {
	d := &door{
		keeper: e.in.keeper, hosts: hostNames(e.in.env.Addr, e.in.env.PublicURL), drill: e.birth.Drill, log: e.log,
		secure: strings.HasPrefix(e.in.env.PublicURL, "https://"),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, e.in.db.Ping(r.Context()) == nil) })
	mux.Handle("GET /metrics", localOrToken(e.metricsHandler()))
	mux.HandleFunc("POST /hooks/{source}", e.hook)
	mux.Handle("POST /ingest/v1/facts", api.Ingest(api.IngestConfig{
		Begin: e.beginPush, Batch: monitor.MaxBatch, Fail: e.failAPI,
		Lines: func(r io.Reader) *fact.LineReader { return fact.NewLineReader(r, e.in.now()) },
	}))
	api.New(mux, api.Config{ //nolint:contextcheck // it is called with each request and takes the context from there
		Reader: e.in.db, Actions: e, Checks: e.checks.Load, Library: e.library, Connectors: e.infos(), Now: e.in.now, Log: e.log, Version: Version,
		BadCursor: func(err error) bool {
			return errors.Is(err, store.ErrCursor) || errors.Is(err, alertstore.ErrCursor)
		},
	})
	if err := e.pages(ctx, mux, d); err != nil {
		return nil, err
	}
	return e.metrics.timed(d.wrap(mux)), nil
}

// answer says yes or no and nothing else.
func answer(w http.ResponseWriter, yes bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !yes {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "no\n") // the client is gone; nothing to do about it
		return
	}
	_, _ = io.WriteString(w, "yes\n") // the client is gone; nothing to do about it
}

// localOrToken lets whoever asks over loopback pass, and whoever may read.
func localOrToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		local := err == nil && net.ParseIP(host).IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
		if !local && !access.From(r.Context()).May(access.Auditor) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			api.Problem(w, http.StatusUnauthorized, "send a token as Authorization: Bearer, or ask over loopback")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (e *engine) infos() []connector.Info {
	var out []connector.Info
	for _, name := range names(e.connectors) {
		out = append(out, e.connectors[name].Info())
	}
	return out
}

// failAPI answers an error of a plain handler as the JSON interface does.
func (e *engine) failAPI(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, api.ErrInput):
		api.Problem(w, http.StatusUnprocessableEntity, strings.TrimPrefix(err.Error(), "input: "))
	case errors.Is(err, api.ErrNotFound):
		api.Problem(w, http.StatusNotFound, "there is no such thing")
	case errors.Is(err, monitor.ErrOtherChecks):
		e.log.WarnContext(r.Context(), "facts refused", "error", err)
		w.Header().Set("Retry-After", "5")
		api.Problem(w, http.StatusServiceUnavailable, "this replica is not up to date with the others; send it again in a few seconds")
	default:
		id := api.RequestID(r.Context())
		e.log.ErrorContext(r.Context(), "request failed", "request", id, "error", err)
		api.Problem(w, http.StatusInternalServerError, "something went wrong here, not with your request; try again, and name request "+id+" if it stays")
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		api.Problem(w, http.StatusRequestEntityTooLarge, "the message is larger than 1 MB, or broke off")
		return nil, false
	}
	return b, true
}

func isSignature(err error) bool { return errors.Is(err, connector.ErrSignature) }
