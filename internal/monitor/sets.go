package monitor

import (
	"context"
	"iter"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// setRest is how long a set rests after it was judged.
const setRest = int64(time.Second / time.Microsecond)

// maxTold is the largest set whose message is filled while a transaction waits.
const maxTold = 2000

// count brings facts to their cells in the counted set checks, and notes which
// sets a change touched.
func (b *batch) count(ctx context.Context, facts []*FactRow, which func(*liveCheck) bool) error {
	ids := make([]int64, 0, len(facts))
	for _, f := range facts {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	rows, err := b.tx.Members(ctx, ids)
	if err != nil {
		return err
	}
	held := make(map[[2]int64]MemberRow, len(rows))
	for _, r := range rows {
		held[[2]int64{r.Check, r.Fact}] = r
	}
	for _, f := range facts {
		for _, lc := range b.m.byKind[f.Key.Kind] {
			if lc.Each || !which(lc) {
				continue
			}
			b.sets[lc.row.ID] = lc
			if !lc.counted {
				continue
			}
			old, had := held[[2]int64{lc.row.ID, f.ID}]
			m := lc.rule.Member(b.input(ctx, lc, f))
			uses := map[check.RefUse]bool{}
			for _, u := range m.Refs {
				uses[u] = true
			}
			b.refer(f, uses, false)
			b.member(old, had, MemberRow{Check: lc.row.ID, Fact: f.ID, Cell: m.Cell, DueAt: dueOf(check.Result{Due: m.Due}, b.now)})
		}
	}
	return b.cache.err
}

func (b *batch) member(old MemberRow, had bool, m MemberRow) {
	if had && old == m || !had && m.Cell < 0 && m.DueAt == 0 {
		return
	}
	if had && old.Cell >= 0 {
		b.c.MemberSum[[2]int64{m.Check, int64(old.Cell)}]--
	}
	if m.Cell >= 0 {
		b.c.MemberSum[[2]int64{m.Check, int64(m.Cell)}]++
	}
	m.Gone = m.Cell < 0 && m.DueAt == 0
	b.c.Members = append(b.c.Members, m)
}

// leaveSets takes facts that are gone out of their sets.
func (b *batch) leaveSets(ctx context.Context, facts []*FactRow) error {
	var ids []int64
	for _, f := range facts {
		for _, lc := range b.m.byKind[f.Key.Kind] {
			if !lc.Each {
				b.sets[lc.row.ID] = lc
				ids = append(ids, f.ID)
			}
		}
	}
	if ids == nil {
		return nil
	}
	slices.Sort(ids)
	rows, err := b.tx.Members(ctx, slices.Compact(ids))
	for _, r := range rows {
		b.member(r, true, MemberRow{Check: r.Check, Fact: r.Fact, Cell: -1})
	}
	return err
}

// judgeSets judges the counted sets that the transaction touched, unless they
// were judged within the last second; the others wait for the timer.
func (b *batch) judgeSets(ctx context.Context) error {
	if len(b.c.Members) > 0 {
		part := newChanges(b.c.At, b.c.Run)
		part.Members, part.MemberSum = b.c.Members, b.c.MemberSum
		if err := b.tx.Save(ctx, part); err != nil {
			return err
		}
		b.c.Members, b.c.MemberSum = nil, map[[2]int64]int64{}
	}
	for _, id := range sortedIDs(b.sets) {
		lc := b.sets[id]
		if lc.row.Work == WorkJudge {
			continue // not every member is known yet
		}
		if lc.counted && (b.force || b.now-lc.judged >= setRest || b.now < lc.judged) {
			if err := b.judgeCounted(ctx, lc); err != nil {
				return err
			}
			continue
		}
		if lc.row.DirtyAt == 0 {
			if err := b.tx.SetDirty(ctx, id, b.now); err != nil {
				return err
			}
		}
		b.after = append(b.after, func() { lc.seq++; lc.row.DirtyAt = max(lc.row.DirtyAt, b.now) })
	}
	return nil
}

// judgeCounted judges a set from how many members are in each cell.
func (b *batch) judgeCounted(ctx context.Context, lc *liveCheck) error {
	res, any, err := b.readable(ctx, lc)
	if err != nil || !any {
		return err
	}
	if res == nil {
		totals, err := b.tx.MemberTotals(ctx, lc.row.ID, lc.rule.Cells())
		if err != nil {
			return err
		}
		r := lc.rule.Fold(totals, lc.params)
		due, err := b.tx.MemberNextDue(ctx, lc.row.ID)
		if err != nil {
			return err
		}
		r.Due = timeOf(due)
		if r.Outcome == check.Fail {
			if r.Reason, err = b.tellCounted(ctx, lc, totals); err != nil {
				return err
			}
		}
		res = &r
	}
	return b.settleSet(ctx, lc, *res)
}

// tellCounted fills the message of a counted set that fails. A large set says
// its title: nobody waits while a million facts are read for a sentence.
func (b *batch) tellCounted(ctx context.Context, lc *liveCheck, totals []int64) (string, error) {
	n := int64(0)
	for _, t := range totals {
		n += t
	}
	if n > maxTold {
		return lc.Title.In("en"), nil
	}
	rows, err := b.tx.FactsOfKind(ctx, lc.Kind, 0, maxTold*2)
	if err != nil {
		return "", err
	}
	facts := make([]*FactRow, len(rows))
	for i := range rows {
		facts[i] = &rows[i]
	}
	if err := b.prefetch(ctx, facts); err != nil {
		return "", err
	}
	members := func(yield func(*fact.Fact) bool) {
		for _, f := range facts {
			if !yield(f.fact()) {
				return
			}
		}
	}
	in := check.SetInput{Members: members, Now: timeOf(b.now), Params: lc.params, Lookup: b.lookup(ctx), Size: len(rows)}
	return lc.SetMessage(in, "message", "en"), b.cache.err
}

// readable says whether a set can be judged: any is false where no source
// carries its kind; a result is given where a scope was never read completely.
func (b *batch) readable(ctx context.Context, lc *liveCheck) (res *check.Result, any bool, err error) {
	scopes, err := b.tx.Scopes(ctx, lc.Kind)
	if err != nil || len(scopes) == 0 {
		return nil, false, err
	}
	for _, s := range scopes {
		if s.LastCompleteAt != 0 {
			continue
		}
		src, err := b.source(ctx, s.Source)
		if err != nil {
			return nil, false, err
		}
		return &check.Result{Reason: "source " + src.Name + " was not yet read completely: " + s.Name}, true, nil
	}
	return nil, true, nil
}

// settleSet brings the stored verdict of a set to a result.
func (b *batch) settleSet(ctx context.Context, lc *liveCheck, res check.Result) error {
	f, err := b.tx.Set(ctx, lc.Kind, b.now)
	if err != nil {
		return err
	}
	rows, err := b.tx.VerdictsOf(ctx, []int64{f.ID})
	if err != nil {
		return err
	}
	var old *VerdictRow
	for i := range rows {
		if rows[i].Check == lc.row.ID {
			old = &rows[i]
		}
	}
	res.Refs = nil
	if err := b.settle(ctx, &f, lc, res, old); err != nil {
		return err
	}
	if lc.row.DirtyAt != 0 {
		if err := b.tx.SetDirty(ctx, lc.row.ID, 0); err != nil {
			return err
		}
	}
	b.after = append(b.after, func() { lc.judged, lc.row.DirtyAt = b.now, 0 })
	return nil
}

// judgeDirty judges one set that waits and that is not counted, or whose rest
// is over. more says that another waits. The caller does not hold mu: a large
// set is read on a snapshot while batches go on.
func (m *Monitor) judgeDirty(ctx context.Context) (more bool, err error) {
	m.mu.Lock()
	now := micros(m.now())
	var lc *liveCheck
	for _, id := range sortedIDs(m.live) {
		if c := m.live[id]; c.row.DirtyAt != 0 && c.row.Work == WorkNone && now >= c.restsUntil() {
			lc = c
			break
		}
	}
	if lc == nil {
		m.mu.Unlock()
		return false, nil
	}
	if lc.counted {
		defer m.mu.Unlock()
		run := RunRow{Trigger: TriggerTimer, StartedAt: now}
		return true, m.own(ctx, run, func(_ context.Context, b *batch) error {
			b.sets[lc.row.ID] = lc
			b.force = true
			return nil
		})
	}
	seq := lc.seq
	m.mu.Unlock()
	res, any, err := m.judgeListed(ctx, lc)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lc.cost = max(0, micros(m.now())-now)
	if m.live[lc.row.ID] != lc {
		return true, nil // it was edited meanwhile
	}
	err = m.own(ctx, RunRow{Trigger: TriggerTimer, StartedAt: now}, func(ctx context.Context, b *batch) error {
		if !any {
			b.after = append(b.after, func() { lc.judged, lc.row.DirtyAt = b.now, 0 })
			return b.tx.SetDirty(ctx, lc.row.ID, 0)
		}
		return b.settleSet(ctx, lc, res)
	})
	if err == nil && lc.seq != seq { // facts changed meanwhile
		lc.row.DirtyAt = now
		err = m.heart(ctx, func(tx Tx) error { return tx.SetDirty(ctx, lc.row.ID, now) })
	}
	return true, err
}

// restsUntil is when a set may be judged again: after a second, or ten times
// as long as it took.
func (lc *liveCheck) restsUntil() int64 {
	if lc.judged == 0 {
		return 0
	}
	return lc.judged + max(setRest, 10*lc.cost)
}

// judgeListed judges a set over the list of all its facts, on a snapshot.
func (m *Monitor) judgeListed(ctx context.Context, lc *liveCheck) (res check.Result, any bool, err error) {
	err = m.store.View(ctx, func(tx Tx) error {
		b := m.newBatch(tx, RunRow{})
		r, ok, err := b.readable(ctx, lc)
		if any = ok; err != nil || !ok {
			return err
		}
		if r != nil {
			res = *r
			return nil
		}
		var failed error
		in := check.SetInput{Members: b.listed(ctx, lc, &failed), Now: timeOf(b.now), Params: lc.params, Lookup: b.lookup(ctx)}
		res = lc.JudgeSet(in)
		if failed == nil {
			failed = b.cache.err
		}
		return failed
	})
	return res, any, err
}

func (b *batch) listed(ctx context.Context, lc *liveCheck, failed *error) iter.Seq[*fact.Fact] {
	return func(yield func(*fact.Fact) bool) {
		for after := int64(0); ; {
			rows, err := b.tx.FactsOfKind(ctx, lc.Kind, after, MaxBatch)
			if err != nil || len(rows) == 0 {
				*failed = err
				return
			}
			facts := make([]*FactRow, len(rows))
			for i := range rows {
				facts[i] = &rows[i]
			}
			if err := b.prefetch(ctx, facts); err != nil {
				*failed = err
				return
			}
			for _, f := range facts {
				if !yield(f.fact()) {
					return
				}
			}
			after = rows[len(rows)-1].ID
		}
	}
}
