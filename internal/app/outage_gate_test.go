package app_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"prumo.dev/prumo/internal/testkit"
)

// A trouble is one way in which an upstream fails. Every trouble has a source
// of its own, all of them before the same Gitea, so that they are lived
// through at once.
type trouble struct {
	name    string
	toxic   func(*testkit.Proxy) // what the network does
	answer  answerer             // what the server says
	why     string               // part of the reason that people are told; "": the source goes on being read
	refused bool                 // what is refused may turn to unknown; what fails may not
	pages   bool                 // lists come one thing a page
}

// An answerer gives a false answer and reports true, or leaves the request to Gitea.
type answerer func(w http.ResponseWriter, r *http.Request, g *gate) bool

// outages lists the troubles; epoch is the round of the erratic ones.
func outages() []trouble {
	return []trouble{
		{name: "well"},
		{name: "late", toxic: func(p *testkit.Proxy) { p.Slow(30 * time.Millisecond) }},
		{name: "slow", toxic: func(p *testkit.Proxy) { p.Slow(10 * time.Second) }, why: "did not answer in time"},
		{name: "trickle", toxic: func(p *testkit.Proxy) { p.Trickle(1) }, why: "did not answer in time"},
		{name: "hang", toxic: (*testkit.Proxy).Hang, why: "did not answer in time"},
		{name: "header-cut", toxic: func(p *testkit.Proxy) { p.Cut(60) }, why: "an answer was cut short|the connection broke|not in the documented form"},
		{name: "body-cut", toxic: func(p *testkit.Proxy) { p.Cut(1500) }, why: "an answer was cut short|the connection broke"},
		{name: "reset", toxic: (*testkit.Proxy).Reset, why: "the connection broke"},
		{name: "down", toxic: (*testkit.Proxy).Down, why: "could not be reached"},
		{name: "body-reset", answer: halfBody, why: "an answer was cut short|the connection broke"},
		{name: "unauthorised", answer: status(401), why: "refused the credential", refused: true},
		{name: "forbidden", answer: status(403), why: "may not see this", refused: true},
		{name: "hidden", answer: status(404), why: "hides this from the credential, or it is gone", refused: true},
		{name: "throttled", answer: status(429), why: "asks for fewer requests"},
		{name: "broken", answer: status(500), why: "failed with status 500"},
		{name: "unavailable", answer: status(503), why: "failed with status 503"},
		{name: "second-page", answer: secondPage(halfBody), why: "an answer was cut short|the connection broke", pages: true},
		{name: "short-list", answer: secondPage(text("application/json", "[]")), why: "gave less than it says there is", pages: true},
		{name: "nothing", answer: text("application/json", "[]"), why: "not in the documented form"},
		{name: "sign-in-page", answer: text("text/html", "<!doctype html><title>Sign in</title>"), why: "not in the documented form"},
		{name: "elsewhere", answer: elsewhere, why: "another host"},
		{name: "unsteady", answer: unsteady(halfBody, status(429), status(500)), why: "."},
		{name: "fickle", answer: unsteady(status(401), status(403), status(404)), why: ".", refused: true},
	}
}

func status(code int) answerer {
	return func(w http.ResponseWriter, _ *http.Request, _ *gate) bool {
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"message":"internal: dial tcp 10.0.0.7:5432: boom"}`)
		return true
	}
}

func text(kind, body string) answerer {
	return func(w http.ResponseWriter, _ *http.Request, g *gate) bool {
		w.Header().Set("Content-Type", kind)
		if g.pages {
			w.Header().Set("X-Total-Count", "3")
		}
		_, _ = io.WriteString(w, body)
		return true
	}
}

func elsewhere(w http.ResponseWriter, r *http.Request, _ *gate) bool {
	http.Redirect(w, r, "http://127.0.0.2:9/", http.StatusFound)
	return true
}

// halfBody says Gitea's own length, gives half of it, and resets the connection.
func halfBody(w http.ResponseWriter, r *http.Request, g *gate) bool {
	rec := httptest.NewRecorder()
	g.forward(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	c := http.NewResponseController(w)
	_ = c.Flush()
	if conn, _, err := c.Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	return true
}

func secondPage(a answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, g *gate) bool {
		return r.URL.Query().Get("page") == "2" && strings.HasSuffix(r.URL.Path, "/orgs/acme/repos") && a(w, r, g)
	}
}

// unsteady fails a third of the paths, others in every round, so that readings
// break off at every place. A repeated request fails again.
func unsteady(ways ...answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request, g *gate) bool {
		h := fnv.New32a()
		_, _ = fmt.Fprint(h, r.URL.String(), g.round.Load())
		n := int(h.Sum32() >> 3)
		return n%3 == 0 && ways[n/3%len(ways)](w, r, g)
	}
}

// A gate stands before Gitea and says what the trouble says while it is shut.
type gate struct {
	trouble
	gitea *url.URL
	shut  atomic.Bool
	round atomic.Int64
	proxy *testkit.Proxy
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.shut.Load() && g.answer != nil && g.answer(w, r, g) {
		return
	}
	g.forward(w, r)
}

func (g *gate) forward(w http.ResponseWriter, r *http.Request) {
	u := *r.URL
	u.Scheme, u.Host = g.gitea.Scheme, g.gitea.Host
	if q := u.Query(); g.pages && q.Has("limit") {
		q.Set("limit", "1")
		u.RawQuery = q.Encode()
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, u.String(), nil)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	req.Header = r.Header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, res.Body)
}

func (g *gate) fail() {
	g.shut.Store(true)
	if g.toxic != nil {
		g.toxic(g.proxy)
	}
}

func (g *gate) mend() {
	g.shut.Store(false)
	g.proxy.Mend()
}

// gates puts every trouble, still asleep, before Gitea.
func gates(t *testing.T, git *testkit.GiteaServer) []*gate {
	t.Helper()
	at, err := url.Parse(git.URL)
	if err != nil {
		t.Fatal(err)
	}
	toxi := testkit.Toxiproxy(t)
	var out []*gate
	for _, x := range outages() {
		g := &gate{trouble: x, gitea: at}
		front := httptest.NewServer(g)
		t.Cleanup(front.Close)
		g.proxy = toxi.Proxy(front.Listener.Addr().String())
		out = append(out, g)
	}
	return out
}
