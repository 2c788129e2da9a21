package app

import (
	"context"
	"fmt"
	"net/http"

	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// A sink hands what a reading finds to the monitor.
type sink struct{ run *monitor.Run }

// begin opens a run for a reading.
func (e *engine) begin(ctx context.Context, b monitor.Begin) (collect.Sink, error) {
	run, err := e.mon.Begin(ctx, b)
	if err != nil {
		return nil, err
	}
	return sink{run}, nil
}

func (s sink) Open(ctx context.Context, scope string, kinds []string) error {
	return s.run.Open(ctx, scope, kinds)
}

func (s sink) Facts(ctx context.Context, scope string, facts []fact.Fact) error {
	_, err := s.run.Facts(ctx, scope, facts)
	return err
}

func (s sink) Close(ctx context.Context, scope string, r fact.Reading, d connector.Detail) error {
	return s.run.Close(ctx, scope, r, monitor.ScopeDetail{
		Seen: d.Seen, Of: d.Of, Forbidden: d.Forbidden, Status: d.Status, Why: d.Why, Permission: d.Permission,
		Targeted: d.Targeted,
	})
}

func (s sink) End(ctx context.Context) error { return s.run.End(ctx) }

// A push is one request of facts.
type push struct {
	run   *monitor.Run
	scope string
	seen  int
}

// beginPush opens a push to a source that takes facts.
func (e *engine) beginPush(ctx context.Context, source, scope string) (api.Push, error) {
	e.mu.Lock()
	row, ok := e.rows[source]
	e.mu.Unlock()
	if !ok || row.Connector != "push" || row.Disabled {
		return nil, fmt.Errorf("%w: %s is no push source; write it under sources with connector: push", api.ErrInput, source)
	}
	run, err := e.mon.Begin(ctx, monitor.Begin{Source: source, Trigger: monitor.TriggerPush, Arrived: e.in.now()})
	if err != nil {
		return nil, err
	}
	if err := run.Open(ctx, scope, nil); err != nil {
		return nil, err
	}
	return &push{run: run, scope: scope}, nil
}

// Facts implements api.Push.
func (p *push) Facts(ctx context.Context, facts []fact.Fact) (map[int]string, error) {
	res, err := p.run.Facts(ctx, p.scope, facts)
	if err != nil {
		return nil, err
	}
	p.seen += len(facts)
	refused := map[int]string{}
	for _, r := range res.Refused {
		refused[r.Index] = r.Why
	}
	return refused, nil
}

// End implements api.Push.
func (p *push) End(ctx context.Context, complete bool) error {
	r := fact.Partial
	if complete {
		r = fact.Complete
	}
	if err := p.run.Close(ctx, p.scope, r, monitor.ScopeDetail{Seen: p.seen}); err != nil {
		return err
	}
	return p.run.End(ctx)
}

// hook answers POST /hooks/{source}: an announcement of a source, which its
// connector verifies.
func (e *engine) hook(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	name := r.PathValue("source")
	ev, err := e.col.Verify(r.Context(), name, r.Header, body)
	if err == nil {
		err = e.announce(r.Context(), name, ev)
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case isSignature(err):
		api.Problem(w, http.StatusUnauthorized, "the signature is missing or wrong; give the source and the sender the same secret")
	default:
		// A stranger learns nothing about which sources there are.
		api.Problem(w, http.StatusNotFound, "no source takes messages here")
	}
}
