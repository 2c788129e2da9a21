package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/ledger"
)

// Tick turns what an instant turns: verdicts that flip by themselves, what was
// not read in time, exceptions that end; it works off edited checks and judges
// sets that wait. Each call does a small piece of each; more says that there
// is more to do now.
func (m *Monitor) Tick(ctx context.Context) (more bool, err error) {
	for _, f := range []struct {
		what string
		do   func(context.Context) (bool, error)
	}{
		{"look at what other replicas wrote", m.locked(m.catchUp)},
		{"flip verdicts", m.locked(m.tickDue)},
		{"turn facts stale", m.locked(m.tickOwn)},
		{"turn scopes stale", m.locked(m.tickScopes)},
		{"end exceptions", m.locked(m.tickExceptions)},
		{"work off checks", m.locked(m.tickWork)},
		{"judge sets", m.judgeDirty},
	} {
		again, err := f.do(ctx)
		if err != nil {
			return false, fmt.Errorf("%s: %w", f.what, err)
		}
		more = more || again
	}
	return more, nil
}

func (m *Monitor) locked(f func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.ready(ctx); err != nil {
			return false, err
		}
		return f(ctx)
	}
}

// timer is a run of our own.
func (m *Monitor) timer() RunRow { return RunRow{Trigger: TriggerTimer, StartedAt: micros(m.now())} }

// tickDue judges again what flips by itself.
func (m *Monitor) tickDue(ctx context.Context) (bool, error) {
	now := micros(m.now())
	var due []VerdictRow
	err := m.store.View(ctx, func(tx Tx) error {
		var err error
		due, err = tx.Due(ctx, now, step)
		return err
	})
	if err != nil || len(due) == 0 {
		return false, err
	}
	err = m.own(ctx, m.timer(), func(ctx context.Context, b *batch) error {
		again, err := b.tx.Due(ctx, b.now, step)
		if err != nil {
			return err
		}
		return b.flip(ctx, again)
	})
	return len(due) == step, err
}

func (b *batch) flip(ctx context.Context, due []VerdictRow) error {
	byCheck := map[int64][]int64{}
	for i := range due {
		v := &due[i]
		lc := b.m.live[v.Check]
		switch {
		case lc == nil: // it is about to be removed
			v.DueAt = 0
			b.c.Moved = append(b.c.Moved, v)
		case v.Fact < 0:
			if err := b.flipSet(ctx, lc, v); err != nil {
				return err
			}
		default:
			byCheck[v.Check] = append(byCheck[v.Check], v.Fact)
		}
	}
	for _, id := range sortedIDs(byCheck) {
		facts := byCheck[id]
		slices.Sort(facts)
		rows, err := b.tx.FactsByID(ctx, facts, true)
		if err != nil {
			return err
		}
		if err := b.judge(ctx, pointers(rows), func(lc *liveCheck) bool { return lc.row.ID == id }); err != nil {
			return err
		}
	}
	return nil
}

func pointers(rows []FactRow) []*FactRow {
	out := make([]*FactRow, 0, len(rows))
	for i := range rows {
		out = append(out, &rows[i])
	}
	return out
}

// flipSet brings the members of a counted set that flip to their new cells. A
// set that is judged as a list waits for the timer's last step.
func (b *batch) flipSet(ctx context.Context, lc *liveCheck, v *VerdictRow) error {
	b.sets[lc.row.ID] = lc
	if !lc.counted {
		v.DueAt = 0
		b.c.Moved = append(b.c.Moved, v)
		return nil
	}
	b.force = true
	rows, err := b.tx.MembersDue(ctx, lc.row.ID, b.now, step)
	if err != nil {
		return err
	}
	var ids []int64
	for _, r := range rows {
		ids = append(ids, r.Fact)
	}
	slices.Sort(ids)
	facts, err := b.tx.FactsByID(ctx, ids, true)
	if err != nil {
		return err
	}
	return b.count(ctx, pointers(facts), func(x *liveCheck) bool { return x == lc })
}

// tickOwn turns verdicts stale whose fact has a clock of its own.
func (m *Monitor) tickOwn(ctx context.Context) (bool, error) {
	now := micros(m.now())
	var rows []VerdictRow
	err := m.store.View(ctx, func(tx Tx) error {
		var err error
		rows, err = tx.Staling(ctx, now, step)
		return err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	err = m.own(ctx, m.timer(), func(ctx context.Context, b *batch) error {
		rows, err := b.tx.Staling(ctx, b.now, step)
		if err != nil {
			return err
		}
		return b.turnOwn(ctx, rows)
	})
	return len(rows) == step, err
}

func (b *batch) turnOwn(ctx context.Context, rows []VerdictRow) error {
	seen := map[OverlayKey]bool{}
	for i := range rows {
		old := &rows[i]
		v := *old
		v.StaleAt = 0
		if lc := b.m.live[old.Check]; lc != nil {
			v.Own = OwnStale
			k := OverlayKey{Scope: old.Scope, Fact: old.Fact, Fresh: lc.row.Fresh}
			if !seen[k] {
				seen[k] = true
				open, err := b.tx.OverlaysOfFacts(ctx, []int64{old.Fact})
				if err != nil {
					return err
				}
				if !slices.Contains(open, k) {
					b.c.Stale = append(b.c.Stale, k)
				}
			}
			if err := b.staleCause(ctx, old.Scope, lc.Severity, 1); err != nil {
				return err
			}
		}
		b.move(old, &v)
	}
	return nil
}

// staleCause counts verdicts that turned stale into the message about their source.
func (b *batch) staleCause(ctx context.Context, scope int64, sev check.Severity, n int64) error {
	if _, ok := b.scopes[scope]; !ok {
		rows, err := b.tx.ScopesOf(ctx, []int64{scope})
		if err != nil {
			return err
		}
		for _, s := range rows {
			b.scopes[s.ID] = s
		}
	}
	source := b.scopes[scope].Source
	src, err := b.source(ctx, source)
	if err != nil {
		return err
	}
	owner := src.Owner
	if owner == "" {
		owner = b.m.settings.Owner
	}
	_, err = b.cause(ctx, CauseKey{Run: b.run.ID, Kind: CauseStale, Source: source, Owner: owner}, sev, n)
	return err
}

// NextDue is the next instant at which Tick has something to do; the zero time
// if there is none. An instant that has passed says how far the timer is behind.
func (m *Monitor) NextDue(ctx context.Context) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready(ctx) != nil {
		return m.now()
	}
	var at []int64
	err := m.store.View(ctx, func(tx Tx) error {
		next, err := tx.NextInstant(ctx)
		if err != nil {
			return err
		}
		at = append(at, next)
		live, err := tx.LiveExceptions(ctx)
		for _, e := range live {
			at = append(at, e.EndsAt)
		}
		return err
	})
	if err != nil {
		return m.now()
	}
	if m.staleAt != never {
		at = append(at, max(m.staleAt, 1))
	}
	for _, lc := range m.live {
		if lc.row.Work != WorkNone {
			return m.now()
		}
		if lc.row.DirtyAt != 0 {
			at = append(at, max(lc.row.DirtyAt, lc.restsUntil()))
		}
	}
	first := int64(0)
	for _, t := range at {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	if first == 1 {
		return m.now()
	}
	return timeOf(first)
}

// overlays notes staleness that began or ended for the ledger.
func (b *batch) overlays() {
	for _, k := range b.c.Stale {
		b.c.content(ledger.Overlay, "stale", k.Scope, k.Fact, k.Fresh, b.now)
	}
	for _, k := range b.c.Fresh {
		b.c.content(ledger.Overlay, "fresh", k.Scope, k.Fact, k.Fresh, b.now)
	}
}
