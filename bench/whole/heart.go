package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// A heart is a monitor over a data folder in this process, with a clock that is
// turned by hand and a watch on the writer.
type heart struct {
	*store.DB

	ctx   context.Context //nolint:containedctx // of the whole run
	m     *monitor.Monitor
	facts inventory

	mu   sync.Mutex
	now  time.Time     // guarded by mu
	held time.Duration // the longest transaction since it was last taken; guarded by mu
}

// Heart implements monitor.Store and notes how long the writer was held: from
// the transaction's beginning to the end of its commit.
func (h *heart) Heart(ctx context.Context, fn func(monitor.Tx) error) error {
	var begun time.Time
	err := h.DB.Heart(ctx, func(tx monitor.Tx) error {
		begun = time.Now()
		return fn(tx)
	})
	h.mu.Lock()
	h.held = max(h.held, time.Since(begun))
	h.mu.Unlock()
	return err
}

func (h *heart) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *heart) turn(d time.Duration) {
	h.mu.Lock()
	h.now = h.now.Add(d)
	h.mu.Unlock()
}

// took gives the longest hold of the writer and begins to watch anew.
func (h *heart) took() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.held
	h.held = 0
	return d
}

// open opens a data folder with the checks of the product and that of the set.
func (h *house) open(dir string) (*heart, error) {
	set, problems := check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()}, check.NamedFS{Name: "own", FS: os.DirFS(filepath.Join(h.dir, "checks"))})
	if len(problems) > 0 {
		return nil, problems[0]
	}
	x := &heart{ctx: h.ctx, facts: h.facts, now: time.Now().UTC().Round(time.Microsecond)}
	var err error
	if x.DB, err = store.Open(h.ctx, store.Config{Dir: dir, Now: x.clock}); err != nil {
		return nil, err
	}
	x.m = monitor.New(monitor.Config{Store: x, Checks: set, Now: x.clock, Settings: monitor.Settings{Owner: "lead@acme.test"}})
	return x, x.tick()
}

func (h *heart) tick() error {
	for {
		more, err := h.m.Tick(h.ctx)
		if err != nil || !more {
			return err
		}
	}
}

// bring reads n accounts of a source completely.
func (h *heart) bring(source string, n int) error {
	run, err := h.m.Begin(h.ctx, monitor.Begin{Source: source, Trigger: monitor.TriggerPush})
	if err != nil {
		return err
	}
	if err := run.Open(h.ctx, "facts", []string{"account"}); err != nil {
		return err
	}
	r := fact.NewLineReader(h.facts.lines(source, n, h.clock()), h.clock())
	var batch []fact.Fact
	for {
		f, refusal, err := r.Next()
		if refusal != nil {
			return errors.New(refusal.Error)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err == nil {
			batch = append(batch, f)
		}
		if len(batch) == monitor.MaxBatch || err != nil {
			if _, err := run.Facts(h.ctx, "facts", batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if err != nil {
			break
		}
	}
	return errors.Join(run.Close(h.ctx, "facts", fact.Complete, monitor.ScopeDetail{}), run.End(h.ctx))
}

// one changes one account and returns how long it took until that was committed.
func (h *heart) one(i int, mfa bool) (time.Duration, error) {
	h.turn(2 * time.Second)
	line := h.facts.account("fleet", i, mfa, h.clock())
	f, refusal, err := fact.NewLineReader(strings.NewReader(line), h.clock()).Next()
	if err != nil || refusal != nil {
		return 0, fmt.Errorf("read a fact line: %v %w", refusal, err)
	}
	run, err := h.m.Begin(h.ctx, monitor.Begin{Source: "fleet", Trigger: monitor.TriggerEvent})
	if err != nil {
		return 0, err
	}
	if err := run.Open(h.ctx, "facts", []string{"account"}); err != nil {
		return 0, err
	}
	begun := time.Now()
	res, err := run.Facts(h.ctx, "facts", []fact.Fact{f})
	took := time.Since(begun)
	if err == nil && res.Changed != 1 {
		err = fmt.Errorf("account %d did not change: %+v", i, res)
	}
	return took, errors.Join(err, run.Close(h.ctx, "facts", fact.Partial, monitor.ScopeDetail{Targeted: true}), run.End(h.ctx))
}

// change commits one changed fact at a time, by turns over few facts and over
// all that are stored, with the checks of the product and a set check over their kind.
func (h *house) change() (err error) {
	few, err := h.open(filepath.Join(h.dir, "small"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, few.Close()) }()
	if err := few.bring("fleet", h.plan.small); err != nil {
		return err
	}
	many, err := h.open(h.data())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, many.Close()) }()
	for i := range h.plan.changes / 5 { // caches fill
		n := h.plan.small - 1 - i
		if _, err := few.one(n, !enrolled(n)); err != nil {
			return err
		}
		if _, err := many.one(n, !enrolled(n)); err != nil {
			return err
		}
	}
	var small, large, ratio []float64
	for r := range h.plan.rounds {
		var a, b []time.Duration
		for i := range h.plan.changes {
			n := r/2*h.plan.changes + i // what a round breaks the next one mends
			s, l := n*17%h.plan.small, n*1697%h.plan.facts
			x, err := few.one(s, enrolled(s) == (r%2 == 1))
			if err != nil {
				return err
			}
			y, err := many.one(l, enrolled(l) == (r%2 == 1))
			if err != nil {
				return err
			}
			a, b = append(a, x), append(b, y)
		}
		small, large = append(small, ms(p95(a))), append(large, ms(p95(b)))
		ratio = append(ratio, ms(p95(b))/ms(p95(a)))
	}
	h.out.note(fmt.Sprintf("one changed fact at %d facts, p95 (median of %d rounds)", h.plan.small, h.plan.rounds), "ms", median(small))
	h.out.most(fmt.Sprintf("one changed fact at %d facts, p95 (the same)", h.plan.facts), "ms", 5, median(large))
	h.out.most("  as a multiple of the former (the same)", "times", 1.5, median(ratio))
	return nil
}

// silence lets a source fall silent, then come back with what it said before.
func (h *house) silence() (err error) {
	x, err := h.open(h.data())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	x.turn(time.Hour)
	if err := x.tick(); err != nil {
		return err
	}
	x.took()
	x.turn(30 * 24 * time.Hour)
	if err := x.tick(); err != nil {
		return err
	}
	h.out.most(fmt.Sprintf("longest hold of the writer: %d facts fall silent", h.plan.quiet), "ms", 100, ms(x.took()))
	if err := x.bring("quiet", h.plan.quiet); err != nil {
		return err
	}
	h.out.most(fmt.Sprintf("longest hold of the writer: %d facts come back", h.plan.quiet), "ms", 100, ms(x.took()))
	return nil
}
