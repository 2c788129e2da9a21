package collect

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// A loop runs one source.
type loop struct {
	src   Source
	cfg   Config
	stop  context.CancelFunc
	asked chan struct{}
	wake  chan struct{} // something was announced

	mu      sync.Mutex
	st      State             // guarded by mu
	pending []connector.Event // guarded by mu
	arrived time.Time         // of the first pending event; guarded by mu
}

func newLoop(s Source, cfg Config) *loop {
	return &loop{
		src: s, cfg: cfg, asked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		st: State{Name: s.Name, Connector: s.Connector.Info().ID, Enabled: s.Enabled, Every: s.Every},
	}
}

func runOf(s Source, now func() time.Time, log *slog.Logger) connector.Run {
	return connector.Run{Source: s.Name, Settings: s.Settings, HTTP: s.HTTP, Dial: s.Dial, Memo: s.Memo, Now: now, Log: log}
}

func (l *loop) run() connector.Run {
	return runOf(l.src, l.cfg.Now, l.cfg.Log.With("source", l.src.Name))
}

func (l *loop) state() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.st
	for _, e := range l.pending {
		s.Announced += len(e.Targets)
	}
	return s
}

// schedule reads the whole source at once and then at its rhythm.
func (l *loop) schedule(ctx context.Context) {
	if l.src.Every == 0 { // facts are sent to it
		return
	}
	trigger := monitor.TriggerSchedule
	for {
		l.readAll(ctx, trigger)
		l.mu.Lock()
		l.st.Next = l.cfg.Now().Add(l.src.Every)
		l.mu.Unlock()
		if l.cfg.Changed != nil && ctx.Err() == nil {
			l.cfg.Changed(ctx, l.src.Name)
		}
		t := time.NewTimer(l.src.Every)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			trigger = monitor.TriggerSchedule
		case <-l.asked:
			t.Stop()
			trigger = monitor.TriggerAsked
		}
	}
}

func (l *loop) readAll(ctx context.Context, trigger monitor.Trigger) {
	l.mu.Lock()
	l.st.Reading, l.st.Started = true, l.cfg.Now()
	l.mu.Unlock()
	e, err := l.read(ctx, monitor.Begin{Source: l.src.Name, Trigger: trigger}, func(ctx context.Context, e *emitter) error {
		if err := l.src.Connector.Collect(ctx, l.run(), e); err != nil {
			return err
		}
		return l.leave(ctx, e)
	})
	l.settle(e, err)
}

// leave empties the scopes that a whole and complete reading did not open: what
// they covered, such as a repository, is no longer there.
func (l *loop) leave(ctx context.Context, e *emitter) error {
	if result, _, _ := e.result(); l.cfg.Scopes == nil || result != string(fact.Complete) || len(e.open) > 0 {
		return nil
	}
	known, err := l.cfg.Scopes(ctx, l.src.Name)
	if err != nil {
		return err
	}
	for _, name := range known {
		if e.opened[name] {
			continue
		}
		if err := errors.Join(e.Open(connector.Scope{Name: name}), e.Close(name, fact.Complete, connector.Detail{})); err != nil {
			return err
		}
	}
	return nil
}

// read does one reading through do and ends its run whatever happened.
func (l *loop) read(ctx context.Context, b monitor.Begin, do func(context.Context, *emitter) error) (*emitter, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Deadline)
	defer cancel()
	sink, err := l.cfg.Begin(ctx, b)
	if err != nil {
		return nil, err
	}
	e := newEmitter(ctx, sink, l.src, l.cfg.Now)
	err = do(ctx, e)
	// What was read is kept even where the reading was cut off.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	return e, errors.Join(err, e.finish(end))
}

// settle notes how a whole reading went.
func (l *loop) settle(e *emitter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.st.Reading, l.st.Last = false, l.cfg.Now()
	l.st.LastResult, l.st.LastWhy = "failed", ""
	if e != nil {
		l.st.LastResult, l.st.LastWhy, l.st.Forbidden = e.result()
	}
	if err != nil {
		l.st.LastResult, l.st.LastWhy = "failed", why(err)
		l.cfg.Log.Warn("reading failed", "source", l.src.Name, "error", err)
	}
	if l.st.LastResult != string(fact.Complete) {
		l.st.Failures++
		return
	}
	l.st.Failures = 0
	if !l.st.Completed.IsZero() {
		l.st.Before = l.st.Facts
	}
	l.st.Facts, l.st.Completed = e.facts, l.st.Last
}

// why tells people what an error means; the log has its cause.
func why(err error) string {
	switch {
	case errors.Is(err, connector.ErrSettings):
		return err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the reading took longer than allowed"
	case errors.Is(err, context.Canceled):
		return "the reading was stopped"
	default:
		return "the reading failed; the log has the cause"
	}
}

// announce keeps an event until the events loop takes it.
func (l *loop) announce(ev connector.Event, now time.Time) {
	if len(ev.Targets) == 0 {
		return
	}
	l.mu.Lock()
	if len(l.pending) == 0 {
		l.arrived = now
	}
	l.pending = append(l.pending, ev)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// events reads announced changes again, gathered for a moment, and only them.
// It runs beside a whole reading, which may take minutes.
func (l *loop) events(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.cfg.Settle):
		}
		l.mu.Lock()
		evs, arrived := l.pending, l.arrived
		l.pending = nil
		l.mu.Unlock()
		b := monitor.Begin{Source: l.src.Name, Trigger: monitor.TriggerEvent, Arrived: arrived}
		var targets []string
		for _, e := range evs {
			targets = append(targets, e.Targets...)
			if e.Actor != "" {
				b.Actor = e.Actor
			}
			if b.EventAt.IsZero() || !e.At.IsZero() && e.At.Before(b.EventAt) {
				b.EventAt = e.At
			}
		}
		l.reread(ctx, b, targets)
	}
}

func (l *loop) reread(ctx context.Context, b monitor.Begin, targets []string) {
	slices.Sort(targets)
	targets = slices.Compact(targets)
	rr, ok := l.src.Connector.(connector.Rereader)
	if !ok || len(targets) == 0 {
		return
	}
	_, err := l.read(ctx, b, func(ctx context.Context, e *emitter) error {
		return rr.Reread(ctx, l.run(), targets, e)
	})
	if err != nil && ctx.Err() == nil {
		l.cfg.Log.Warn("targeted reading failed", "source", l.src.Name, "targets", len(targets), "error", err)
	}
}

// tripwire compares a few cheap answers with the last ones and reads again what differs.
func (l *loop) tripwire(ctx context.Context) {
	tw, ok := l.src.Connector.(connector.Tripwirer)
	every := l.src.Connector.Info().Tripwire
	if !ok || every == 0 {
		return
	}
	last := map[string]string{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		l.pull(ctx, tw, last)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pull asks the tripwire once; what it sees for the first time is only noted,
// since the whole reading covers it.
func (l *loop) pull(ctx context.Context, tw connector.Tripwirer, last map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, l.src.Connector.Info().Tripwire*4)
	defer cancel()
	now, err := tw.Tripwire(ctx, l.run())
	if err != nil {
		if ctx.Err() == nil {
			l.cfg.Log.Log(ctx, slog.LevelInfo, "tripwire could not look", "source", l.src.Name, "error", err)
		}
		return
	}
	var targets []string
	for t, h := range now {
		if old, seen := last[t]; seen && old != h {
			targets = append(targets, t)
		}
		last[t] = h
	}
	if len(targets) > 0 {
		l.reread(ctx, monitor.Begin{Source: l.src.Name, Trigger: monitor.TriggerTripwire, Arrived: l.cfg.Now()}, targets)
	}
}
