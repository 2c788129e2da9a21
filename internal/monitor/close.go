package monitor

import (
	"bytes"
	"context"
	"encoding/hex"
	"slices"
	"time"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/ledger"
)

// step is how many facts one transaction of a closing scope takes.
const step = 500

// closeReading ends a reading of a scope: a complete one makes gone what it
// did not see and becomes the scope's clock; any other moves the clocks of the
// facts that it saw. The last transaction also closes the scope.
func (m *Monitor) closeReading(ctx context.Context, run RunRow, rd *reading, result fact.Reading, d ScopeDetail) error {
	rd.scope.Detail = d
	if result != fact.Complete {
		return m.closePartial(ctx, run, rd, result)
	}
	at := rd.newest
	if rd.count == 0 {
		at = rd.scope.OpenedAt
	}
	var gone, own []int64
	err := m.store.View(ctx, func(tx Tx) error {
		scopes, err := tx.ScopesOf(ctx, []int64{rd.scope.ID})
		if err != nil || len(scopes) == 0 || at < scopes[0].LastCompleteAt {
			at = 0 // older than what is known: it says nothing new
			return err
		}
		if gone, err = unseen(ctx, tx, rd, at); err != nil {
			return err
		}
		if own, err = ownUntil(ctx, tx, rd.scope.ID, at); err != nil {
			return err
		}
		own = slices.DeleteFunc(own, func(id int64) bool { _, leaves := slices.BinarySearch(gone, id); return leaves })
		return nil
	})
	if err != nil {
		return err
	}
	for len(gone)+len(own) > step {
		g, o := gone[:min(step, len(gone))], own[:0]
		if len(g) == 0 {
			o = own[:min(step, len(own))]
		}
		err := m.transact(ctx, run, func(ctx context.Context, b *batch) error {
			still, err := b.spare(ctx, rd, run.ID, g)
			if err != nil {
				return err
			}
			return b.settleScope(ctx, still, o)
		})
		if err != nil {
			return err
		}
		gone, own = gone[len(g):], own[len(o):]
	}
	return m.transact(ctx, run, func(ctx context.Context, b *batch) error { return b.complete(ctx, rd, at, gone, own) })
}

// unseen lists the facts of the scope that a complete reading did not see and
// that were not observed after it.
func unseen(ctx context.Context, tx Tx, rd *reading, at int64) ([]int64, error) {
	var out []int64
	err := eachOfScope(ctx, tx, rd.scope.ID, false, func(f *FactRow) {
		if !rd.seen.has(f.ID) && !rd.kept.has(f.ID) && f.ObservedAt <= at {
			out = append(out, f.ID)
		}
	})
	return out, err
}

func ownUntil(ctx context.Context, tx Tx, scope, at int64) ([]int64, error) {
	var out []int64
	err := eachOfScope(ctx, tx, scope, true, func(f *FactRow) {
		if f.ObservedAt <= at {
			out = append(out, f.ID)
		}
	})
	return out, err
}

func eachOfScope(ctx context.Context, tx Tx, scope int64, own bool, do func(*FactRow)) error {
	for after := int64(0); ; {
		rows, err := tx.FactsOfScope(ctx, scope, after, 5000, own)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			do(&rows[i])
		}
		after = rows[len(rows)-1].ID
	}
}

// complete is the last transaction of a complete reading.
func (b *batch) complete(ctx context.Context, rd *reading, at int64, gone, own []int64) error {
	s, err := b.latest(ctx, rd)
	if err != nil {
		return err
	}
	first := s.LastCompleteAt == 0
	s.Detail = rd.scope.Detail
	s.OpenedAt, s.LastAt, s.LastResult = b.m.stillOpen(rd), b.now, fact.Complete
	s.LastCompleteAt = max(s.LastCompleteAt, at)
	if gone, err = b.spare(ctx, rd, b.run.ID, gone); err != nil {
		return err
	}
	if err := b.tx.CloseReading(ctx, s.ID, b.run.ID); err != nil {
		return err
	}
	if err := b.tx.SaveScope(ctx, s); err != nil {
		return err
	}
	b.scopes[s.ID] = s
	if err := b.settleScope(ctx, gone, own); err != nil {
		return err
	}
	if first {
		kinds, err := b.tx.ScopeKinds(ctx, s.ID)
		if err != nil {
			return err
		}
		for _, lc := range b.m.live {
			if !lc.Each && slices.Contains(kinds[s.ID], lc.Kind) {
				b.sets[lc.row.ID] = lc
			}
		}
	}
	if err := b.freshen(ctx, s); err != nil {
		return err
	}
	b.after = append(b.after, func() {
		b.m.staleAt = 0
		for _, other := range b.m.readings[s.ID] {
			other.scope.LastCompleteAt = s.LastCompleteAt
		}
	})
	return b.receipt(ctx, rd, fact.Complete)
}

// stillOpen is when the scope's other reading under way was opened, or 0.
func (m *Monitor) stillOpen(rd *reading) int64 {
	for _, other := range m.readings[rd.scope.ID] {
		if other != rd {
			return other.scope.OpenedAt
		}
	}
	return 0
}

// freshen ends the staleness of a scope that was read in time.
func (b *batch) freshen(ctx context.Context, s ScopeRow) error {
	open, err := b.tx.Overlays(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, k := range sortedOverlays(open) {
		if k.Fact == 0 && s.LastCompleteAt+k.Fresh > b.now {
			b.c.Fresh = append(b.c.Fresh, k)
		}
	}
	return nil
}

// settleScope takes out what is gone and gives facts back to their scope's clock.
func (b *batch) settleScope(ctx context.Context, gone, own []int64) error {
	facts, err := b.tx.FactsByID(ctx, gone, false)
	if err != nil {
		return err
	}
	rows := make([]*FactRow, 0, len(facts))
	for i := range facts {
		if facts[i].GoneAt == 0 {
			rows = append(rows, &facts[i])
		}
	}
	if err := b.leave(ctx, rows, closedGone); err != nil {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	if err := b.judgeReferring(ctx, rows); err != nil {
		return err
	}
	back, err := b.tx.FactsByID(ctx, own, false)
	if err != nil {
		return err
	}
	return b.setOwn(ctx, back, false)
}

// leave marks facts as gone and ends everything that was said of them.
func (b *batch) leave(ctx context.Context, facts []*FactRow, why string) error {
	if len(facts) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(facts))
	byID := make(map[int64]*FactRow, len(facts))
	for _, f := range facts {
		ids = append(ids, f.ID)
		byID[f.ID] = f
		b.c.Versions = append(b.c.Versions, VersionRow{Fact: f.ID, From: f.ChangedAt, To: b.now, ObservedAt: f.ObservedAt, Hash: f.Hash})
		f.GoneAt, f.Own = b.now, false
		if f.Refs {
			b.c.Unref = append(b.c.Unref, f.ID)
		}
		b.c.Facts = append(b.c.Facts, f)
		b.c.absence(f)
	}
	slices.Sort(ids)
	open, err := b.tx.VerdictsOf(ctx, ids)
	if err != nil {
		return err
	}
	for i := range open {
		b.end(&open[i], byID[open[i].Fact], why)
	}
	stale, err := b.tx.OverlaysOfFacts(ctx, ids)
	if err != nil {
		return err
	}
	b.c.Fresh = append(b.c.Fresh, stale...)
	return b.leaveSets(ctx, facts)
}

// end ends a verdict without another behind it.
func (b *batch) end(v *VerdictRow, f *FactRow, why string) {
	b.c.Closed = append(b.c.Closed, v.ID)
	b.c.count(v, -1)
	name := ""
	if lc := b.m.live[v.Check]; lc != nil {
		name = lc.ID
	} else if b.work != nil {
		name = b.work.row.Name
	}
	b.c.ended(name, f, v.Outcome, why)
	if v.Finding != 0 {
		b.closeFinding(v.Finding, why)
	}
}

// setOwn gives facts a clock of their own, or takes it from them.
func (b *batch) setOwn(ctx context.Context, facts []FactRow, own bool) error {
	if len(facts) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(facts))
	byID := make(map[int64]*FactRow, len(facts))
	for i := range facts {
		f := &facts[i]
		f.Own = own
		ids = append(ids, f.ID)
		byID[f.ID] = f
		b.c.Facts = append(b.c.Facts, f)
	}
	slices.Sort(ids)
	open, err := b.tx.VerdictsOf(ctx, ids)
	if err != nil {
		return err
	}
	for i := range open {
		old, f := &open[i], byID[open[i].Fact]
		fresh := int64(0)
		if lc := b.m.live[old.Check]; lc != nil {
			fresh = lc.row.Fresh
		}
		v := *old
		v.Own, v.StaleAt = OwnNo, 0
		if own {
			v.Own, v.StaleAt = OwnFresh, f.ObservedAt+fresh
		}
		if old.Own == OwnStale {
			b.c.Fresh = append(b.c.Fresh, OverlayKey{Scope: old.Scope, Fact: f.ID, Fresh: fresh})
		}
		b.move(old, &v)
	}
	return nil
}

// closePartial ends a reading that was cut short or refused. What it did see
// was observed: those facts have a clock of their own from now on.
func (m *Monitor) closePartial(ctx context.Context, run RunRow, rd *reading, result fact.Reading) error {
	marks := rd.marks
	if rd.broken != "" { // a batch may be stored whose answer was lost
		if err := m.ownNewer(ctx, run, rd.scope.ID); err != nil {
			return err
		}
	}
	for len(marks) > step {
		part := marks[:step]
		if err := m.transact(ctx, run, func(ctx context.Context, b *batch) error { return b.touch(ctx, part) }); err != nil {
			return err
		}
		marks = marks[step:]
	}
	return m.transact(ctx, run, func(ctx context.Context, b *batch) error {
		if err := b.touch(ctx, marks); err != nil {
			return err
		}
		s, err := b.latest(ctx, rd)
		if err != nil {
			return err
		}
		if err := b.tx.CloseReading(ctx, s.ID, run.ID); err != nil {
			return err
		}
		s.OpenedAt, s.LastAt = m.stillOpen(rd), b.now
		if !rd.scope.Detail.Targeted || s.LastResult == "" {
			s.LastResult, s.Detail = result, rd.scope.Detail
		}
		if err := b.tx.SaveScope(ctx, s); err != nil {
			return err
		}
		return b.receipt(ctx, rd, result)
	})
}

// latest is the scope as it is stored now: another run may have closed it.
func (b *batch) latest(ctx context.Context, rd *reading) (ScopeRow, error) {
	rows, err := b.tx.ScopesOf(ctx, []int64{rd.scope.ID})
	if err != nil || len(rows) == 0 {
		return rd.scope, err
	}
	return rows[0], nil
}

// touch moves the observations of facts that were seen unchanged, and gives
// them a clock of their own where it is newer than their scope's.
func (b *batch) touch(ctx context.Context, marks []mark) error {
	if len(marks) == 0 {
		return nil
	}
	at := make(map[int64]int64, len(marks))
	ids := make([]int64, 0, len(marks))
	for _, k := range marks {
		at[k.id] = k.at
		ids = append(ids, k.id)
	}
	slices.Sort(ids)
	rows, err := b.tx.FactsByID(ctx, ids, false)
	if err != nil {
		return err
	}
	held := make(map[[2]string]*FactRow, len(rows))
	for i := range rows {
		held[[2]string{rows[i].Key.Kind, rows[i].Key.ID}] = &rows[i]
	}
	if err := b.loadScopes(ctx, held); err != nil {
		return err
	}
	var own []FactRow
	for _, f := range rows {
		seen := at[f.ID]
		effective := max(f.ObservedAt, b.scopes[f.Scope].LastCompleteAt)
		if f.GoneAt != 0 || seen < effective || seen <= b.scopes[f.Scope].LastCompleteAt || f.Own && seen == f.ObservedAt {
			continue
		}
		f.ObservedAt = seen
		own = append(own, f)
	}
	return b.setOwn(ctx, own, true)
}

// receiptHour is how long a receipt is lengthened before it becomes evidence.
const receiptHour = int64(time.Hour / time.Microsecond)

// receipt lengthens the scope's receipt where the reading said the same as the
// last, or ends that and begins another. What ended is evidence.
func (b *batch) receipt(ctx context.Context, rd *reading, result fact.Reading) error {
	sum := rd.digest.Sum(nil)
	old, found, err := b.tx.Receipt(ctx, rd.scope.ID)
	if err != nil {
		return err
	}
	if found && old.Result == result && bytes.Equal(old.Digest, sum) && b.now-old.FirstAt < receiptHour {
		old.LastAt, old.Readings = b.now, old.Readings+1
		return b.tx.SaveReceipt(ctx, old)
	}
	if found {
		old.EndedAt = b.now
		if err := b.tx.SaveReceipt(ctx, old); err != nil {
			return err
		}
		src, err := b.source(ctx, rd.scope.Source)
		if err != nil {
			return err
		}
		b.c.content(ledger.Reading, "reading", src.Name, rd.scope.Name, old.Result, old.FirstAt, old.LastAt, old.Readings, old.Seen, hex.EncodeToString(old.Digest))
	}
	return b.tx.SaveReceipt(ctx, ReceiptRow{
		Scope: rd.scope.ID, Result: result, FirstAt: b.now, LastAt: b.now, Readings: 1, Seen: rd.count, Digest: sum,
	})
}

// recover closes, as partial, what a crash left open.
func (m *Monitor) recover(ctx context.Context) error {
	now := micros(m.now())
	var open []ScopeRow
	err := m.heart(ctx, func(tx Tx) error {
		var err error
		open, err = tx.EndRuns(ctx, now)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range open {
		if err := m.recoverScope(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *Monitor) recoverScope(ctx context.Context, s ScopeRow) error {
	run := RunRow{Source: s.Source, Trigger: TriggerTimer, StartedAt: micros(m.now())}
	if err := m.ownNewer(ctx, run, s.ID); err != nil {
		return err
	}
	return m.own(ctx, run, func(ctx context.Context, b *batch) error {
		s.OpenedAt, s.LastAt, s.LastResult = 0, b.now, fact.Partial
		s.Detail.Why = "Prumo was stopped while it read"
		return b.tx.SaveScope(ctx, s)
	})
}

// ownNewer gives a clock of their own to facts that were stored after the last
// complete reading of their scope.
func (m *Monitor) ownNewer(ctx context.Context, run RunRow, scope int64) error {
	var newer []int64
	err := m.store.View(ctx, func(tx Tx) error {
		scopes, err := tx.ScopesOf(ctx, []int64{scope})
		if err != nil || len(scopes) == 0 {
			return err
		}
		return eachOfScope(ctx, tx, scope, false, func(f *FactRow) {
			if f.ObservedAt > scopes[0].LastCompleteAt && !f.Own {
				newer = append(newer, f.ID)
			}
		})
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(newer, step) {
		err := m.own(ctx, run, func(ctx context.Context, b *batch) error {
			rows, err := b.tx.FactsByID(ctx, part, false)
			if err != nil {
				return err
			}
			return b.setOwn(ctx, rows, true)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// own runs fn in a transaction of a run of our own, which begins and ends with it.
func (m *Monitor) own(ctx context.Context, run RunRow, fn func(context.Context, *batch) error) error {
	return m.transact(ctx, run, func(ctx context.Context, b *batch) error {
		id, err := b.tx.BeginRun(ctx, b.run)
		if err != nil {
			return err
		}
		b.run.ID, b.c.Run = id, id
		if err := fn(ctx, b); err != nil {
			return err
		}
		return b.tx.EndRun(ctx, b.run, b.now, "", "")
	})
}
