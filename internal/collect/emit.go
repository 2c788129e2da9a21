package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// An emitter gathers a connector's facts into batches and hands them on.
type emitter struct {
	ctx    context.Context //nolint:containedctx // of one reading; connector.Emit takes none
	sink   Sink
	src    Source
	origin fact.Origin
	now    func() time.Time
	open   map[string]*scope
	opened map[string]bool
	closed map[fact.Reading]int
	facts  int
	why    string // of the worst scope
}

type scope struct {
	opened time.Time
	batch  []fact.Fact
	seen   int
}

var errScope = errors.New("connector misused its scopes")

func newEmitter(ctx context.Context, sink Sink, src Source, now func() time.Time) *emitter {
	return &emitter{
		ctx: ctx, sink: sink, src: src, origin: src.Connector.Info().Origin, now: now,
		open: map[string]*scope{}, opened: map[string]bool{}, closed: map[fact.Reading]int{},
	}
}

// Open implements connector.Emit.
func (e *emitter) Open(s connector.Scope) error {
	if e.open[s.Name] != nil {
		return fmt.Errorf("%w: %q opened twice", errScope, s.Name)
	}
	e.open[s.Name], e.opened[s.Name] = &scope{opened: e.now()}, true
	return e.sink.Open(e.ctx, s.Name, s.Kinds)
}

// Fact implements connector.Emit. A fact counts as observed when its scope was
// opened: no answer in it can be older.
func (e *emitter) Fact(name, id string, data fact.Data) error {
	s := e.open[name]
	if s == nil {
		return fmt.Errorf("%w: fact in %q, which is not open", errScope, name)
	}
	f, err := fact.New(id, data)
	if err != nil {
		return fmt.Errorf("write fact %s: %w", id, err)
	}
	f.Source, f.Scope, f.Origin, f.ObservedAt = e.src.Name, name, e.origin, s.opened
	s.batch = append(s.batch, f)
	s.seen++
	e.facts++
	if len(s.batch) < monitor.MaxBatch {
		return nil
	}
	return e.flush(e.ctx, name, s)
}

func (e *emitter) flush(ctx context.Context, name string, s *scope) error {
	if len(s.batch) == 0 {
		return nil
	}
	b := s.batch
	s.batch = nil
	return e.sink.Facts(ctx, name, b)
}

// Close implements connector.Emit.
func (e *emitter) Close(name string, reading fact.Reading, d connector.Detail) error {
	return e.shut(e.ctx, name, reading, d)
}

func (e *emitter) shut(ctx context.Context, name string, reading fact.Reading, d connector.Detail) error {
	s := e.open[name]
	if s == nil {
		return fmt.Errorf("%w: %q closed but not open", errScope, name)
	}
	delete(e.open, name)
	if err := e.flush(ctx, name, s); err != nil {
		return err
	}
	d.Seen = s.seen
	e.closed[reading]++
	if reading != fact.Complete && e.why == "" {
		e.why = d.Why
	}
	return e.sink.Close(ctx, name, reading, d)
}

// finish closes what the connector left open as partial, and ends the run.
func (e *emitter) finish(ctx context.Context) error {
	var errs []error
	for name := range e.open {
		errs = append(errs, e.shut(ctx, name, fact.Partial, connector.Detail{Why: "the reading stopped before its end"}))
	}
	return errors.Join(append(errs, e.sink.End(ctx))...)
}

// result sums the scopes up: complete only if all are.
func (e *emitter) result() (result, why string, forbidden int) {
	forbidden = e.closed[fact.Forbidden]
	switch {
	case e.closed[fact.Partial] > 0:
		return string(fact.Partial), e.why, forbidden
	case forbidden > 0:
		return string(fact.Forbidden), e.why, forbidden
	case e.closed[fact.Complete] > 0:
		return string(fact.Complete), "", 0
	default:
		return "failed", "the reading covered nothing", 0
	}
}
