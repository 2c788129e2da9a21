package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"prumo.dev/prumo/internal/demo"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

type demoCmd struct{}

// Run serves an instance of its own with an invented organisation. It is a
// drill for ever, and what it shows says so.
func (demoCmd) Run(ctx context.Context, p Process) (err error) {
	log := slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	lookup := p.LookupEnv
	p.LookupEnv = func(name string) (string, bool) {
		v, ok := lookup(name)
		switch {
		case name == "PRUMO_CLOCK_OFFSET" && v == "":
			return "0s", true
		case name == "PRUMO_DATA" && v == "":
			return "./demo-data", true
		}
		return v, ok
	}
	in, err := openInstance(ctx, p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	if b, err := in.born(ctx); err != nil || !b.Drill {
		return errors.Join(err, unless(b.Drill, errors.New("this data folder holds a real instance; set PRUMO_DATA to another folder for the demo")))
	}
	e, err := newEngine(ctx, in, "")
	if err != nil {
		return err
	}
	e.defaults = demoSources
	var done bool
	if _, err := in.get(ctx, areaInstance, "demo", &done); err != nil {
		return err
	}
	if !done {
		if _, err := fmt.Fprintln(p.Stdout, "Writing 90 days of an invented organisation; this takes a moment."); err != nil {
			return err
		}
		if err := e.seed(ctx); err != nil {
			return fmt.Errorf("write the invented organisation: %w", err)
		}
		if err := in.put(ctx, areaInstance, "demo", true); err != nil {
			return err
		}
	}
	return e.serve(ctx, p.Stdout)
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// demoSources are the organisation's systems, and Prumo itself.
func demoSources() []sourceRow {
	rows := []sourceRow{{Name: "self", Connector: "self", FromFile: true}}
	for _, s := range demo.Sources() {
		rows = append(rows, sourceRow{Name: s.Name, Connector: s.Connector, FromFile: true})
	}
	return rows
}

// seed lets the readings of the last 90 days happen, each at its own time.
// Nobody is told of them.
func (e *engine) seed(ctx context.Context) error {
	now := e.in.now()
	e.box.mute(true)
	defer func() {
		e.box.mute(false)
		e.in.stand(time.Time{})
	}()
	first := true
	for r := range demo.Readings(now) {
		e.in.stand(r.At)
		if first {
			first = false
			if err := e.saveSources(ctx, demoSources()); err != nil {
				return err
			}
		}
		if err := e.catchUp(ctx); err != nil {
			return err
		}
		if err := e.replay(ctx, r); err != nil {
			return fmt.Errorf("%s at %s: %w", r.Source, r.At.Format(time.RFC3339), err)
		}
	}
	e.in.stand(time.Time{})
	return e.catchUp(ctx)
}

// catchUp lets the timer do all that is due.
func (e *engine) catchUp(ctx context.Context) error {
	for {
		more, err := e.mon.Tick(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (e *engine) replay(ctx context.Context, r demo.Reading) error {
	run, err := e.mon.Begin(ctx, monitor.Begin{Source: r.Source, Trigger: monitor.TriggerSchedule})
	if err != nil {
		return err
	}
	if err := run.Open(ctx, r.Scope, r.Kinds); err != nil {
		return err
	}
	for facts := r.Facts; len(facts) > 0; {
		n := min(len(facts), monitor.MaxBatch)
		if _, err := run.Facts(ctx, r.Scope, facts[:n]); err != nil {
			return err
		}
		facts = facts[n:]
	}
	reading := fact.Partial
	if r.Complete {
		reading = fact.Complete
	}
	if err := run.Close(ctx, r.Scope, reading, monitor.ScopeDetail{Seen: len(r.Facts)}); err != nil {
		return err
	}
	return run.End(ctx)
}
