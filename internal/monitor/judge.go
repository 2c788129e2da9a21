package monitor

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// everyCheck takes every check of a kind.
func everyCheck(*liveCheck) bool { return true }

// judge judges facts with the checks of their kinds that which takes, and
// settles what came of it.
func (b *batch) judge(ctx context.Context, facts []*FactRow, which func(*liveCheck) bool) error {
	if len(facts) == 0 {
		return nil
	}
	open, err := b.openVerdicts(ctx, facts)
	if err != nil {
		return err
	}
	if err := b.prefetch(ctx, facts); err != nil {
		return err
	}
	var members []*FactRow
	for _, f := range facts {
		uses := map[check.RefUse]bool{}
		whole := true
		set := false
		for _, lc := range b.m.byKind[f.Key.Kind] {
			if !which(lc) {
				whole = false
				continue
			}
			if !lc.Each {
				set = true
				continue
			}
			res := lc.Judge(b.input(ctx, lc, f))
			for _, u := range res.Refs {
				uses[u] = true
			}
			if err := b.settle(ctx, f, lc, res, open[[2]int64{f.ID, lc.row.ID}]); err != nil {
				return err
			}
		}
		if set {
			members = append(members, f)
		}
		b.refer(f, uses, whole)
	}
	if len(members) > 0 {
		return b.count(ctx, members, which)
	}
	return b.cache.err
}

// input is what a check sees of a fact.
func (b *batch) input(ctx context.Context, lc *liveCheck, f *FactRow) check.Input {
	return check.Input{Fact: f.fact(), Now: timeOf(b.now), Params: lc.params, Lookup: b.lookup(ctx)}
}

func (b *batch) openVerdicts(ctx context.Context, facts []*FactRow) (map[[2]int64]*VerdictRow, error) {
	var ids []int64
	for _, f := range facts {
		if !f.added { // one that was just added has none
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	out := make(map[[2]int64]*VerdictRow, len(ids))
	if ids == nil {
		return out, nil
	}
	rows, err := b.tx.VerdictsOf(ctx, ids)
	for i := range rows {
		out[[2]int64{rows[i].Fact, rows[i].Check}] = &rows[i]
	}
	return out, err
}

// settle brings the stored verdict to a result.
func (b *batch) settle(ctx context.Context, f *FactRow, lc *liveCheck, res check.Result, old *VerdictRow) error {
	v := &VerdictRow{
		Check: lc.row.ID, Fact: f.ID, Scope: f.Scope, Outcome: res.Outcome, Prev: -1, Known: res.Outcome, Version: lc.Version,
		Reason: clean(res.Reason, 2000), Missing: strings.Join(res.Missing, ","), Since: b.now, From: b.now, DueAt: dueOf(res, b.now), Run: b.run.ID,
	}
	if f.Own {
		v.Own, v.StaleAt = OwnFresh, f.ObservedAt+lc.row.Fresh
	}
	if old == nil {
		b.open(lc, f, v, nil)
		return b.finding(ctx, f, lc, v)
	}
	v.Finding = old.Finding
	if old.Own == OwnStale {
		b.c.Fresh = append(b.c.Fresh, OverlayKey{Scope: old.Scope, Fact: f.ID, Fresh: lc.row.Fresh})
	}
	if res.Outcome == old.Outcome && lc.Version == old.Version {
		b.move(old, v)
		return nil
	}
	if res.Outcome == old.Outcome {
		v.Since, v.Known = old.Since, old.Known
	} else {
		v.Prev = int(old.Outcome)
		if res.Outcome == check.Unknown {
			v.Known = old.Known
		}
		v.Drift = res.Outcome == check.Fail && old.Known == check.Pass
	}
	b.c.Closed = append(b.c.Closed, old.ID)
	b.c.count(old, -1)
	b.open(lc, f, v, old)
	return b.finding(ctx, f, lc, v)
}

func dueOf(res check.Result, now int64) int64 {
	if res.Due.IsZero() {
		return 0
	}
	due := micros(res.Due)
	if timeOf(due).Before(res.Due) {
		due++ // an instant within a microsecond is over at its end
	}
	return max(due, now+1)
}

func (b *batch) open(lc *liveCheck, f *FactRow, v, old *VerdictRow) {
	b.c.Opened = append(b.c.Opened, v)
	b.c.count(v, 1)
	t := Transition{
		Check: lc.ID, Version: lc.Version, Fact: f.Key, To: v.Outcome, First: old == nil, Drift: v.Drift, At: timeOf(b.now), Reason: v.Reason,
	}
	if old != nil {
		t.From = old.Outcome
	}
	b.c.transition(t)
}

// move keeps the interval and changes what else is known of it.
func (b *batch) move(old, v *VerdictRow) {
	if old.Reason == v.Reason && old.Missing == v.Missing && old.DueAt == v.DueAt && old.StaleAt == v.StaleAt && old.Own == v.Own && old.Scope == v.Scope {
		return
	}
	if old.Own != v.Own || old.Scope != v.Scope {
		b.c.count(old, -1)
		b.c.count(v, 1)
	}
	old.Reason, old.Missing, old.DueAt, old.StaleAt, old.Own, old.Scope = v.Reason, v.Missing, v.DueAt, v.StaleAt, v.Own, v.Scope
	b.c.Moved = append(b.c.Moved, old)
}

// moveScope brings the verdicts of facts to the scope in which they were seen.
func (b *batch) moveScope(ctx context.Context, facts []*FactRow) error {
	open, err := b.openVerdicts(ctx, facts)
	if err != nil {
		return err
	}
	for _, f := range facts {
		for _, lc := range b.m.byKind[f.Key.Kind] {
			old := open[[2]int64{f.ID, lc.row.ID}]
			if old == nil {
				continue
			}
			v := *old
			v.Scope, v.Own, v.StaleAt = f.Scope, OwnNo, 0
			if f.Own {
				v.Own, v.StaleAt = OwnFresh, f.ObservedAt+lc.row.Fresh
			}
			if old.Own == OwnStale {
				b.c.Fresh = append(b.c.Fresh, OverlayKey{Scope: old.Scope, Fact: f.ID, Fresh: lc.row.Fresh})
			}
			b.move(old, &v)
		}
	}
	return nil
}

// refer keeps the reverse index: which names were followed for a fact. whole
// says that every check of the kind was asked, so that uses is all of them.
func (b *batch) refer(f *FactRow, uses map[check.RefUse]bool, whole bool) {
	if len(uses) == 0 && !f.Refs {
		return
	}
	if whole && f.Refs {
		b.c.Unref = append(b.c.Unref, f.ID)
	}
	rows := make([]RefRow, 0, len(uses))
	for u := range uses {
		rows = append(rows, RefRow{Kind: u.Kind, ID: string(u.ID), Fact: f.ID})
	}
	slices.SortFunc(rows, func(a, b RefRow) int { return strings.Compare(a.Kind+"\x00"+a.ID, b.Kind+"\x00"+b.ID) })
	b.c.Refs = append(b.c.Refs, rows...)
	if !f.Refs {
		f.Refs = true
		b.c.Flagged = append(b.c.Flagged, f.ID)
	}
}

// judgeReferring judges again what was judged by reading one of the facts
// through its name.
func (b *batch) judgeReferring(ctx context.Context, changed []*FactRow) error {
	byKind := map[string][]string{}
	done := map[int64]bool{}
	for _, f := range changed {
		if b.m.targets[f.Key.Kind] {
			byKind[f.Key.Kind] = append(byKind[f.Key.Kind], f.Key.ID)
		}
		if f.ChangedAt == b.now && f.GoneAt == 0 {
			done[f.ID] = true // judged in this transaction, with the same facts to look at
		}
	}
	if len(byKind) == 0 {
		return nil
	}
	var ids []int64
	for _, kind := range sortedKeys(byKind) {
		slices.Sort(byKind[kind])
		facts, err := b.tx.RefsTo(ctx, kind, byKind[kind])
		if err != nil {
			return err
		}
		ids = append(ids, facts...)
		b.touchListed(kind)
	}
	slices.Sort(ids)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id int64) bool { return done[id] })
	for part := range slices.Chunk(ids, 500) {
		rows, err := b.tx.FactsByID(ctx, part, true)
		if err != nil {
			return err
		}
		var facts []*FactRow
		for i := range rows {
			if rows[i].GoneAt == 0 {
				facts = append(facts, &rows[i])
			}
		}
		if err := b.judge(ctx, facts, func(lc *liveCheck) bool { return lc.refs }); err != nil {
			return err
		}
	}
	return nil
}

// touchListed notes the sets that are judged as lists and read facts of a
// kind through names.
func (b *batch) touchListed(kind string) {
	for id, lc := range b.m.live {
		if !lc.Each && !lc.counted && slices.ContainsFunc(lc.Refs(), func(p check.RefPath) bool { return p.Kind == kind }) {
			b.sets[id] = lc
		}
	}
}

// lookups are facts that names led to, by kind and id.
type lookups struct {
	rows map[[2]string][]*fact.Fact
	err  error
}

// lookup finds what a name leads to: a fact of the same source, or the only
// one of the others. What was not fetched before is asked for.
func (b *batch) lookup(ctx context.Context) check.Lookup {
	return func(kind string, id fact.Ref, from string) (*fact.Fact, bool) {
		key := [2]string{kind, string(id)}
		found, known := b.cache.rows[key]
		if !known {
			if err := b.fetch(ctx, kind, []string{string(id)}); err != nil {
				b.cache.err = err
				return nil, false
			}
			found = b.cache.rows[key]
		}
		for _, f := range found {
			if f.Source == from {
				return f, true
			}
		}
		if len(found) == 1 {
			return found[0], true
		}
		return nil, false
	}
}

func (b *batch) fetch(ctx context.Context, kind string, ids []string) error {
	if b.cache.rows == nil {
		b.cache.rows = map[[2]string][]*fact.Fact{}
	}
	rows, err := b.tx.FactsNamed(ctx, kind, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		b.cache.rows[[2]string{kind, id}] = nil
	}
	for i := range rows {
		key := [2]string{kind, rows[i].Key.ID}
		b.cache.rows[key] = append(b.cache.rows[key], rows[i].fact())
	}
	return nil
}

// prefetch fetches what the facts' names lead to, and what those lead to, with
// one query a kind and step.
func (b *batch) prefetch(ctx context.Context, facts []*FactRow) error {
	step := make([]*fact.Fact, 0, len(facts))
	for _, f := range facts {
		if b.m.follows(f.Key.Kind) {
			step = append(step, &fact.Fact{Kind: f.Key.Kind, Data: f.Data})
		}
	}
	for depth := 0; len(step) > 0 && depth < 5; depth++ {
		want := b.namesIn(step)
		step = nil
		for _, kind := range sortedKeys(want) {
			ids := want[kind]
			slices.Sort(ids)
			ids = slices.Compact(ids)
			if err := b.fetch(ctx, kind, ids); err != nil {
				return err
			}
			for _, id := range ids {
				step = append(step, b.cache.rows[[2]string{kind, id}]...)
			}
		}
	}
	return nil
}

// namesIn lists the ids that the facts name in fields that checks read
// through, by kind, as far as they were not fetched yet.
func (b *batch) namesIn(facts []*fact.Fact) map[string][]string {
	want := map[string][]string{}
	for _, f := range facts {
		fields := b.m.paths[f.Kind]
		if len(fields) == 0 {
			continue
		}
		var d map[string]json.RawMessage
		if json.Unmarshal(f.Data, &d) != nil {
			continue
		}
		for _, p := range fields {
			var id string
			if json.Unmarshal(d[p.Field], &id) != nil || id == "" {
				continue
			}
			if _, known := b.cache.rows[[2]string{p.Kind, id}]; !known {
				want[p.Kind] = append(want[p.Kind], id)
			}
		}
	}
	return want
}

// follows reports whether a check reads through a name of the kind's facts.
func (m *Monitor) follows(kind string) bool { return len(m.paths[kind]) > 0 }
