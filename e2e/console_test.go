package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/testkit"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/pages"
	"prumo.dev/prumo/internal/web/webtest"
)

// A console is the pages over an invented organisation, with a stream of
// changes that the test sends.
type console struct {
	url     string
	changed chan struct{}
}

func start(t *testing.T, s *webtest.Store) *console {
	t.Helper()
	c := &console{changed: make(chan struct{}, 8)}
	var lock sync.Mutex // over the store, whose double is not made for many readers
	srv, err := web.New(web.Config{
		Pages: pages.All(pages.Config{
			Store: s, Log: s, Sources: s, Exceptions: s, Alerts: s, SetOwner: s.SetOwner,
			Catalogue: web.Catalogue{Checks: func() *check.Set { return s.Set }, Library: s.Library, Connectors: webtest.Connectors()},
		}),
		Now: webtest.Now, Log: slog.New(slog.DiscardHandler), Organisation: "Aurora", Counts: pages.Counts(s),
		SignIn:  func(http.ResponseWriter, *http.Request, string) error { return access.ErrDenied },
		SignOut: func(http.ResponseWriter, *http.Request) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Handle("POST /login", srv.SignInHandler())
	srv.Handle("GET /events", http.HandlerFunc(c.events))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("nobody"); err != nil {
			r = r.WithContext(access.With(r.Context(), access.Principal{Name: "Ana Beatriz Figueiredo", Role: access.Owner}))
		}
		if r.URL.Path != "/events" {
			lock.Lock()
			defer lock.Unlock()
		}
		srv.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	c.url = web.URL
	return c
}

// events streams one "changed" for each that the test sends.
func (c *console) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-c.changed:
			fmt.Fprint(w, "event: changed\ndata: {}\n\n") // the browser has gone: the next flush says so
		}
	}
}

// A report is one thing that the browser script found.
type report struct {
	Page, What string
}

// drive runs a browser script; each line that it prints is a report.
func drive(t *testing.T, script string, job any) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := testkit.Node(t, script, string(in))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	done := false
	for lines.Scan() {
		var r report
		switch jerr := json.Unmarshal(lines.Bytes(), &r); {
		case jerr != nil:
			t.Errorf("the script printed %q", lines.Text())
		case r.What == "done":
			done = true
			t.Log(r.Page)
		default:
			t.Errorf("%s: %s", r.Page, r.What)
		}
	}
	if err != nil || !done {
		t.Fatalf("the script ended early: %v\n%s", err, stderr.String())
	}
}

// job is what the page script is asked.
type job struct {
	Base    string   `json:"base"`
	Paths   []string `json:"paths"`
	Widths  []int    `json:"widths"`
	Themes  []string `json:"themes"`
	Langs   []string `json:"langs"`
	Screens string   `json:"screens"`
	Name    string   `json:"name"`
}

// one of each kind of page; the exam of the pages visits all of them.
func chosen(s *webtest.Store) []string {
	seen := map[string]bool{}
	var out []string
	for _, p := range s.Paths() {
		path, query, _ := strings.Cut(p, "?")
		parts := strings.Split(strings.Trim(path, "/"), "/")
		key := parts[0]
		if len(parts) > 1 {
			key += "/x"
			if parts[1] == "new" {
				key += "new" + query
			}
		}
		if strings.Contains(query, "at=") || strings.Contains(query, "zzzz") || strings.Contains(query, "view=") {
			key += query
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, p)
		}
	}
	return out
}

func TestPagesInTheBrowser(t *testing.T) {
	both := []string{"light", "dark"}
	for _, c := range []struct {
		name   string
		make   func() (*webtest.Store, error)
		langs  []string
		themes []string
	}{
		{"full", webtest.Full, []string{"en"}, both},
		{"empty", webtest.New, []string{"es"}, both},
		{"hostile", webtest.Hostile, []string{"pt-BR"}, []string{"light"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.make()
			if err != nil {
				t.Fatal(err)
			}
			drive(t, "console.cjs", job{
				Base: start(t, s).url, Paths: append(chosen(s), "/login", "/nowhere"), Widths: []int{320, 390, 1440},
				Themes: c.themes, Langs: c.langs, Screens: os.Getenv("PRUMO_SCREENS"), Name: c.name,
			})
		})
	}
}

func TestLiveAndWithoutScripts(t *testing.T) {
	s, err := webtest.Full()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	mux := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case c.changed <- struct{}{}:
		case <-ctx.Done():
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer mux.Close()
	drive(t, "live.cjs", map[string]string{"base": c.url, "change": mux.URL})
}
