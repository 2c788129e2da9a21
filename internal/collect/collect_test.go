package collect_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// A house is a small system whose state the test turns.
type house struct {
	mu     sync.Mutex
	things []string
	hash   string
	fail   error
	reread [][]string
}

func (h *house) Info() connector.Info {
	return connector.Info{ID: "house", Origin: fact.OriginAPI, Kinds: []string{"device"}, Every: time.Hour, Tripwire: 20 * time.Millisecond}
}

func (h *house) Collect(_ context.Context, _ connector.Run, emit connector.Emit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := emit.Open(connector.Scope{Name: "things", Kinds: []string{"device"}}); err != nil {
		return err
	}
	for _, t := range h.things {
		if err := emit.Fact("things", t, fact.Device{Name: fact.Some(t)}); err != nil {
			return err
		}
	}
	if h.fail != nil {
		return h.fail
	}
	return emit.Close("things", fact.Complete, connector.Detail{})
}

func (h *house) Reread(_ context.Context, _ connector.Run, targets []string, emit connector.Emit) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reread = append(h.reread, targets)
	if err := emit.Open(connector.Scope{Name: "one", Kinds: []string{"device"}}); err != nil {
		return err
	}
	return emit.Close("one", fact.Complete, connector.Detail{})
}

func (h *house) Tripwire(context.Context, connector.Run) (map[string]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return map[string]string{"door": h.hash}, nil
}

func (h *house) Webhook(_ context.Context, _ connector.Run, head http.Header, _ []byte) (connector.Event, error) {
	if head.Get("Secret") != "right" {
		return connector.Event{}, connector.ErrSignature
	}
	return connector.Event{Targets: []string{head.Get("Target")}, Actor: "eve", At: time.Unix(1, 0)}, nil
}

// A sink keeps what a run was given.
type sink struct {
	mu     *sync.Mutex
	begin  monitor.Begin
	facts  []fact.Fact
	closed map[string]fact.Reading
	ended  bool
}

func (s *sink) Open(context.Context, string, []string) error { return nil }

func (s *sink) Facts(_ context.Context, _ string, facts []fact.Fact) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts = append(s.facts, facts...)
	return nil
}

func (s *sink) Close(_ context.Context, scope string, r fact.Reading, _ connector.Detail) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed[scope] = r
	return nil
}

func (s *sink) End(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	return nil
}

type sinks struct {
	mu   sync.Mutex
	runs []*sink
}

func (s *sinks) begin(_ context.Context, b monitor.Begin) (collect.Sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &sink{mu: &s.mu, begin: b, closed: map[string]fact.Reading{}}
	s.runs = append(s.runs, k)
	return k, nil
}

// find returns an ended run of the trigger, or nil.
func (s *sinks) find(tr monitor.Trigger) *sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.runs {
		if k.begin.Trigger == tr && k.ended {
			return k
		}
	}
	return nil
}

func start(t *testing.T, h *house) (*collect.Collector, *sinks) {
	t.Helper()
	s := &sinks{}
	c := collect.New(collect.Config{Begin: s.begin, Now: time.Now, Log: slog.New(slog.DiscardHandler), Settle: 30 * time.Millisecond})
	c.Set([]collect.Source{{Name: "home", Connector: h, Every: time.Hour, Enabled: true}}, func(string) bool { return true })
	ctx, stop := context.WithCancel(t.Context())
	c.Start(ctx)
	t.Cleanup(func() { stop(); c.Wait() })
	return c, s
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not happen within 5 s", what)
}

func TestReadingThatFailsIsNeverComplete(t *testing.T) {
	h := &house{things: []string{"a", "b"}, fail: errors.New("cut")}
	c, s := start(t, h)
	eventually(t, "the first reading", func() bool { return s.find(monitor.TriggerSchedule) != nil })
	run := s.find(monitor.TriggerSchedule)
	if got := run.closed["things"]; got != fact.Partial {
		t.Errorf("scope closed %q after an error, want partial", got)
	}
	if len(run.facts) != 2 {
		t.Errorf("%d facts kept, want the two that were read before the error", len(run.facts))
	}
	eventually(t, "the failure in the state", func() bool { return c.States()[0].Failures == 1 })
	if got := c.States()[0].LastResult; got != "failed" {
		t.Errorf("result %q, want failed", got)
	}
}

func TestAnnouncedChangesAreGatheredAndReadOnce(t *testing.T) {
	h := &house{}
	c, s := start(t, h)
	for _, target := range []string{"x", "y", "x"} {
		if err := c.Webhook(t.Context(), "home", http.Header{"Secret": {"right"}, "Target": {target}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the targeted reading", func() bool { return s.find(monitor.TriggerEvent) != nil })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.reread) != 1 || !slices.Equal(h.reread[0], []string{"x", "y"}) {
		t.Errorf("read again %v, want x and y once", h.reread)
	}
	if b := s.find(monitor.TriggerEvent).begin; b.Actor != "eve" || b.EventAt.IsZero() || b.Arrived.IsZero() {
		t.Errorf("begin %+v does not say who and when", b)
	}
}

func TestForgedWebhookReadsNothing(t *testing.T) {
	h := &house{}
	c, s := start(t, h)
	if err := c.Webhook(t.Context(), "home", http.Header{"Target": {"x"}}, nil); !errors.Is(err, connector.ErrSignature) {
		t.Errorf("error %v, want ErrSignature", err)
	}
	if err := c.Webhook(t.Context(), "nobody", nil, nil); !errors.Is(err, collect.ErrNoSource) {
		t.Errorf("error %v, want ErrNoSource", err)
	}
	time.Sleep(80 * time.Millisecond)
	if s.find(monitor.TriggerEvent) != nil {
		t.Error("a forged webhook led to a reading")
	}
}

func TestTripwireReadsWhatDiffers(t *testing.T) {
	h := &house{hash: "one"}
	_, s := start(t, h)
	time.Sleep(100 * time.Millisecond)
	if s.find(monitor.TriggerTripwire) != nil {
		t.Fatal("the tripwire read although nothing differed")
	}
	h.mu.Lock()
	h.hash = "two"
	h.mu.Unlock()
	eventually(t, "the tripwire's reading", func() bool { return s.find(monitor.TriggerTripwire) != nil })
}

func TestSourceTakenAwayStops(t *testing.T) {
	h := &house{}
	c, s := start(t, h)
	eventually(t, "the first reading", func() bool { return s.find(monitor.TriggerSchedule) != nil })
	c.Set(nil, func(string) bool { return false })
	if err := c.Ask("home"); !errors.Is(err, collect.ErrNoSource) {
		t.Errorf("Ask after removal: %v, want ErrNoSource", err)
	}
}

func TestScopeThatIsNoLongerThereIsEmptied(t *testing.T) {
	for _, c := range []struct {
		fail error
		want fact.Reading
	}{{nil, fact.Complete}, {errors.New("cut"), ""}} {
		s := &sinks{}
		col := collect.New(collect.Config{
			Begin: s.begin, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Scopes: func(context.Context, string) ([]string, error) { return []string{"things", "deleted"}, nil },
		})
		h := &house{things: []string{"a"}, fail: c.fail}
		col.Set([]collect.Source{{Name: "home", Connector: h, Every: time.Hour, Enabled: true}}, func(string) bool { return true })
		ctx, stop := context.WithCancel(t.Context())
		col.Start(ctx)
		eventually(t, "the reading", func() bool { return s.find(monitor.TriggerSchedule) != nil })
		if got := s.find(monitor.TriggerSchedule).closed["deleted"]; got != c.want {
			t.Errorf("reading that ended with %v: the scope that was not opened is %q, want %q", c.fail, got, c.want)
		}
		stop()
		col.Wait()
	}
}
