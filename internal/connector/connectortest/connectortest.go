// Package connectortest is the exam that every connector which speaks HTTP
// takes. It is given a fake upstream that answers well; it breaks each of the
// connector's requests in every way that real systems break, and sees whether
// the connector stays honest: whatever it closes as complete was delivered
// whole, whatever it says is true or left unknown, and no secret gets out.
//
// Start at Run; faults.go lists the ways of breaking.
package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Case is what a connector is examined with.
type Case struct {
	// Upstream returns a fake system that answers well. It is called once for
	// each reading, so that it may keep state.
	Upstream func() http.Handler
	// Settings returns settings that lead to the fake system at the address.
	Settings func(address string) connector.Settings
	// Secrets must appear in no error, log, detail or fact. Those of the
	// connector's secret settings are added.
	Secrets []string
	// Absent reports that 404 is a true answer for the path: there is no such
	// thing. Without it every 404 hides something that the exam knows to exist.
	Absent func(path string) bool
	// Targets are read again with Reread, where the connector can.
	Targets []string
	// Now is the connector's clock; nil: the first of January 2026.
	Now func() time.Time
	// Limit is how long one reading may take; 0: 10 s.
	Limit time.Duration
}

// Run examines a connector and reports every problem.
func Run(t *testing.T, c connector.Connector, k Case) {
	t.Helper()
	for _, p := range Examine(t.Context(), c, k) {
		t.Error(p)
	}
}

// Examine examines a connector and returns the problems that it found.
func Examine(ctx context.Context, c connector.Connector, k Case) []string {
	e := newExam(c, k)
	defer e.server.Close()
	defer e.elsewhere.Close()
	e.part("collect", func(ctx context.Context, run connector.Run, emit connector.Emit) error {
		return c.Collect(ctx, run, emit)
	}).examine(ctx)
	if r, ok := c.(connector.Rereader); ok && len(k.Targets) > 0 {
		e.part("reread", func(ctx context.Context, run connector.Run, emit connector.Emit) error {
			return r.Reread(ctx, run, k.Targets, emit)
		}).examine(ctx)
	}
	if w, ok := c.(connector.Tripwirer); ok {
		e.part("tripwire", tripwire(w)).examine(ctx)
	}
	return e.problems
}

// tripwire makes hashes into facts, so that they are held to the same rules:
// under a fault a target has its good hash or none.
func tripwire(w connector.Tripwirer) reading {
	return func(ctx context.Context, run connector.Run, emit connector.Emit) error {
		hashes, err := w.Tripwire(ctx, run)
		if err != nil {
			return nil //nolint:nilerr // a tripwire that could not look says so with its error, and loses nothing
		}
		if err := emit.Open(connector.Scope{Name: "tripwire", Kinds: []string{"item"}}); err != nil {
			return err
		}
		for target, h := range hashes {
			item := fact.Item{Object: fmt.Appendf(nil, `{"hash":%q}`, h)}
			if err := emit.Fact("tripwire", target, item); err != nil {
				return err
			}
		}
		got := fact.Complete
		if ctx.Value(faulty{}) != nil {
			got = fact.Partial // a target without a hash is looked at the next time
		}
		return emit.Close("tripwire", got, connector.Detail{Why: "tripwire"})
	}
}

type (
	faulty  struct{}
	reading func(context.Context, connector.Run, connector.Emit) error
)

// An exam holds the fake system and what is wrong with it now.
type exam struct {
	c         connector.Connector
	k         Case
	secrets   []string
	server    *httptest.Server
	elsewhere *httptest.Server
	problems  []string

	mu       sync.Mutex // guards what follows
	upstream http.Handler
	fault    *fault
	broken   string // key of the request that the fault meets
	hits     int    // how often it did
	strayed  int    // requests that reached the other host
	seen     []request
	cancel   context.CancelFunc
}

// A request is one that the good reading made, with what matters of its answer.
type request struct {
	key, path string
	header    http.Header
	body      []byte
}

func newExam(c connector.Connector, k Case) *exam {
	if k.Now == nil {
		k.Now = func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	}
	if k.Absent == nil {
		k.Absent = func(string) bool { return false }
	}
	if k.Limit == 0 {
		k.Limit = 10 * time.Second
	}
	e := &exam{c: c, k: k}
	e.elsewhere = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		e.mu.Lock()
		e.strayed++
		e.mu.Unlock()
		fmt.Fprint(w, "[]")
	}))
	e.server = httptest.NewServer(http.HandlerFunc(e.serve))
	e.secrets = append(slices.Clone(k.Secrets), connector.SecretsOf(c.Info(), k.Settings(e.server.URL))...)
	return e
}

func (e *exam) serve(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.RequestURI()
	e.mu.Lock()
	up, f, broken := e.upstream, e.fault, key == e.broken
	if broken {
		e.hits++
	}
	hit, cancel := e.hits, e.cancel
	e.mu.Unlock()
	rec := httptest.NewRecorder()
	up.ServeHTTP(rec, r)
	if f != nil && broken {
		f.serve(answer{w: w, r: r, good: rec, hit: hit, elsewhere: e.elsewhere.URL, secrets: e.secrets, cancel: cancel, patience: e.k.Limit + e.k.Limit/2})
		return
	}
	if f == nil {
		e.mu.Lock()
		e.seen = append(e.seen, request{key: key, path: r.URL.Path, header: rec.Header().Clone(), body: rec.Body.Bytes()})
		e.mu.Unlock()
	}
	send(w, rec.Code, rec.Header(), rec.Body.Bytes())
}

// An outcome is what one reading gave.
type outcome struct {
	mem     *connector.Memory
	err     error
	panic   any
	took    time.Duration
	log     string
	strayed int
	calls   int
}

// run makes one reading with a client that was changed for it.
func (e *exam) run(ctx context.Context, read reading, f *fault, key string, change func(*connector.ClientConfig)) outcome {
	ctx, cancel := context.WithTimeout(ctx, 2*e.k.Limit)
	defer cancel()
	e.mu.Lock()
	e.upstream, e.fault, e.broken, e.hits, e.strayed, e.seen, e.cancel = e.k.Upstream(), f, key, 0, 0, nil, cancel
	e.mu.Unlock()
	var log safeBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	calls := 0
	cfg := connector.ClientConfig{
		Hosts: []string{e.server.URL}, Dial: connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Rate: -1,
		MaxBody: maxBody, Deadline: e.k.Limit, Attempts: 2, Secrets: e.secrets, Log: logger, Now: e.k.Now,
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		OnCall: func(connector.Call) { e.mu.Lock(); calls++; e.mu.Unlock() },
	}
	if f != nil && f.hangs {
		cfg.Deadline = 50 * time.Millisecond
	}
	if change != nil {
		change(&cfg)
	}
	client := connector.NewClient(cfg)
	defer client.CloseIdleConnections()
	out := outcome{mem: connector.Record()}
	out.mem.Source, out.mem.Origin, out.mem.At = "exam", e.c.Info().Origin, e.k.Now()
	run := connector.Run{
		Source: "exam", Settings: e.k.Settings(e.server.URL), HTTP: client, Dial: cfg.Dial, Now: e.k.Now, Log: logger,
	}
	if f != nil {
		ctx = context.WithValue(ctx, faulty{}, true)
	}
	start := time.Now()
	func() {
		defer func() { out.panic = recover() }()
		out.err = read(ctx, run, out.mem)
	}()
	out.took = time.Since(start)
	out.log = log.String()
	e.mu.Lock()
	out.strayed, out.calls = e.strayed, calls
	e.mu.Unlock()
	return out
}

// A part is one way of reading under examination.
type part struct {
	*exam
	name string
	read reading
	good outcome
}

func (e *exam) part(name string, read reading) *part { return &part{exam: e, name: name, read: read} }

func (p *part) problem(format string, args ...any) {
	p.problems = append(p.problems, p.name+": "+fmt.Sprintf(format, args...))
}

func (p *part) examine(ctx context.Context) {
	p.good = p.run(ctx, p.read, nil, "", nil)
	if !p.judgeGood() {
		return
	}
	requests := p.requests()
	for i := range faults() {
		f := &faults()[i]
		for _, q := range requests {
			if f.status == http.StatusNotFound && p.k.Absent(q.path) || f.fits != nil && !f.fits(q) {
				continue
			}
			out := p.run(ctx, p.read, f, q.key, nil)
			p.judge(fmt.Sprintf("%s at %s", f.name, q.key), out, f)
		}
	}
	if n := p.good.calls; n < len(requests) {
		p.problem("%d requests reached the system, %d through the client that was given", len(requests), n)
		return
	}
	p.examineNetwork(ctx)
}

// requests lists the good reading's requests, each once.
func (p *part) requests() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []request
	for _, q := range p.seen {
		if !slices.ContainsFunc(out, func(o request) bool { return o.key == q.key }) {
			out = append(out, q)
		}
	}
	return out
}

// examineNetwork reads a target that may not be reached, and one that is down.
func (p *part) examineNetwork(ctx context.Context) {
	unreachable := &fault{name: "unreachable", whole: true}
	out := p.run(ctx, p.read, unreachable, "", func(c *connector.ClientConfig) {
		c.Dial = connector.NewDialer(connector.NetworkPolicy{})
	})
	p.judge("an address in a forbidden network", out, unreachable)
	out = p.run(ctx, p.read, unreachable, "", func(c *connector.ClientConfig) {
		c.Hosts = []string{"another.invalid"}
	})
	p.judge("a host that is not pinned", out, unreachable)
}

// judgeGood holds the good reading to what the others are compared with.
func (p *part) judgeGood() bool {
	before := len(p.problems)
	if p.good.err != nil || p.good.panic != nil {
		p.problem("the good reading failed: %v %v", p.good.err, p.good.panic)
		return false
	}
	if len(p.good.mem.Scopes()) == 0 || len(p.good.mem.Facts()) == 0 {
		p.problem("the good reading gave %d scopes and %d facts; the exam needs some of each", len(p.good.mem.Scopes()), len(p.good.mem.Facts()))
	}
	for _, s := range p.good.mem.Scopes() {
		if !s.Closed || s.Reading != fact.Complete && !(s.Reading == fact.Partial && s.Detail.Targeted) {
			p.problem("the good reading closed scope %q as %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
	for _, f := range p.good.mem.Facts() {
		p.checkFact(f)
	}
	p.checkSecrets("the good reading", p.good)
	return len(p.problems) == before
}

func (p *part) checkFact(f fact.Fact) {
	k, ok := fact.KindNamed(f.Kind)
	if p.name != "tripwire" && !slices.Contains(p.c.Info().Kinds, f.Kind) || !ok {
		p.problem("fact %s is of kind %s, which the connector does not declare", f.ID, f.Kind)
		return
	}
	if _, err := fact.Decode(k, f.Data); err != nil {
		p.problem("fact %s does not fit its kind: %v", f.ID, err)
	}
}

// judge holds one broken reading to the good one.
func (p *part) judge(at string, out outcome, f *fault) {
	if out.panic != nil {
		p.problem("%s: panic: %v", at, out.panic)
		return
	}
	if out.err != nil && !(f.cancels && errors.Is(out.err, context.Canceled)) {
		p.problem("%s: an error in place of scopes: %v", at, out.err)
	}
	if out.took > p.k.Limit {
		p.problem("%s: took %v, the limit is %v", at, out.took.Round(time.Millisecond), p.k.Limit)
	}
	if out.strayed > 0 {
		p.problem("%s: %d requests reached another host", at, out.strayed)
	}
	p.checkSecrets(at, out)
	p.checkScopes(at, out, f)
	p.checkFacts(at, out)
}

func (p *part) checkScopes(at string, out outcome, f *fault) {
	for _, s := range out.mem.Scopes() {
		if !s.Closed && out.err == nil {
			p.problem("%s: scope %q was left open", at, s.Scope.Name)
		}
		if s.Reading != fact.Complete && s.Closed && s.Detail.Why == "" {
			p.problem("%s: scope %q is %s without a reason", at, s.Scope.Name, s.Reading)
		}
		if s.Reading != fact.Complete {
			continue
		}
		if f.whole {
			p.problem("%s: scope %q is complete", at, s.Scope.Name)
		}
		if missing := p.missing(s.Scope.Name, out); len(missing) > 0 {
			p.problem("%s: scope %q is complete without %s", at, s.Scope.Name, strings.Join(missing, ", "))
		}
	}
	if f.heals && out.err == nil && len(out.mem.Facts()) != len(p.good.mem.Facts()) {
		p.problem("%s: %d facts after the fault passed, %d without it", at, len(out.mem.Facts()), len(p.good.mem.Facts()))
	}
}

// missing lists the facts of a scope's good reading that a reading lacks.
func (p *part) missing(scope string, out outcome) []string {
	var names []string
	for _, g := range p.good.mem.Facts() {
		if g.Scope == scope && find(out.mem.Facts(), g.Key()) == nil {
			names = append(names, g.Kind+" "+g.ID)
		}
	}
	return names
}

func (p *part) checkFacts(at string, out outcome) {
	for _, f := range out.mem.Facts() {
		g := find(p.good.mem.Facts(), f.Key())
		if g == nil {
			p.problem("%s: %s %s is not in the good reading", at, f.Kind, f.ID)
			continue
		}
		if f.Scope != g.Scope {
			p.problem("%s: %s %s moved from scope %q to %q", at, f.Kind, f.ID, g.Scope, f.Scope)
		}
		if field, got, want, differs := different(f.Data, g.Data); differs {
			p.problem("%s: %s %s says %s = %s, the good reading %s", at, f.Kind, f.ID, field, got, want)
		}
	}
}

func (p *part) checkSecrets(at string, out outcome) {
	texts := []string{out.log}
	if out.err != nil {
		texts = append(texts, out.err.Error())
	}
	for _, s := range out.mem.Scopes() {
		texts = append(texts, fmt.Sprintf("%+v", s))
	}
	for _, f := range out.mem.Facts() {
		texts = append(texts, f.ID+" "+string(f.Data))
	}
	for _, secret := range p.secrets {
		for _, text := range texts {
			if strings.Contains(text, secret) {
				p.problem("%s: a secret got out: %s", at, strings.ReplaceAll(text[:min(len(text), 300)], secret, "[secret]"))
				return
			}
		}
	}
}

func find(facts []fact.Fact, k fact.Key) *fact.Fact {
	for i := range facts {
		if facts[i].Key() == k {
			return &facts[i]
		}
	}
	return nil
}

// A safeBuffer is a log that several goroutines may write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
