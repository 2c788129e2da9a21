package monitor

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// An incoming fact is on its way into the store.
type incoming struct {
	*fact.Fact
	at   int64 // observed
	hash [32]byte
	id   int64 // of its row, once known
}

// intake is a batch that was looked at.
type intake struct {
	facts  []incoming
	result BatchResult
}

// accept refuses facts that cannot be held.
func (m *Monitor) accept(facts []fact.Fact, source string) *intake {
	in := &intake{facts: make([]incoming, 0, len(facts))}
	latest := m.now().Add(fact.MaxFuture)
	seen := make(map[[2]string]bool, len(facts))
	for i := range facts {
		f := facts[i]
		f.Source = source
		if why := m.refuse(&f, latest, seen); why != "" {
			in.result.Refused = append(in.result.Refused, Refused{Index: i, Key: f.Key(), Why: why})
			continue
		}
		in.facts = append(in.facts, incoming{Fact: &f, at: micros(f.ObservedAt), hash: sha256.Sum256(f.Data)})
	}
	return in
}

func (m *Monitor) refuse(f *fact.Fact, latest time.Time, seen map[[2]string]bool) string {
	key := [2]string{f.Kind, f.ID}
	switch _, known := m.kinds[f.Kind]; {
	case !known:
		return "kind " + f.Kind + " does not exist"
	case fact.CheckID(f.ID) != nil:
		return fact.CheckID(f.ID).Error()
	case len(f.Data) == 0 || len(f.Data) > fact.MaxLine:
		return "its data must be 1 byte to 1 MB"
	case f.ObservedAt.IsZero() || micros(f.ObservedAt) <= 0:
		return "it has no time of observation"
	case f.ObservedAt.After(latest):
		return "its observation lies more than 5 minutes in the future"
	case seen[key]:
		return "it was already given in this batch"
	}
	seen[key] = true
	return ""
}

// A batch is one transaction of the monitor.
type batch struct {
	m     *Monitor
	tx    Tx
	run   RunRow
	now   int64
	c     *Changes
	cache lookups
	told  []Transition
	after []func() // once it is committed

	sources map[int64]SourceRow
	scopes  map[int64]ScopeRow
	sets    map[int64]*liveCheck // set checks that a change touched
	causes  map[CauseKey]*CauseRow
	opened  []*CauseRow // those that are new, in order
	first   bool        // the run is the first that brings facts of its source
	work    *liveCheck
	force   bool // judge counted sets now
}

func (m *Monitor) newBatch(tx Tx, run RunRow) *batch {
	now := micros(m.now())
	return &batch{
		m: m, tx: tx, run: run, now: now, c: newChanges(now, run.ID), cache: lookups{},
		sources: map[int64]SourceRow{}, scopes: map[int64]ScopeRow{}, sets: map[int64]*liveCheck{}, causes: map[CauseKey]*CauseRow{},
	}
}

// take compares facts with what is held, stores the differences and judges
// what they touch.
func (b *batch) take(ctx context.Context, r *Run, rd *reading, in *intake) error {
	if len(in.facts) == 0 {
		return nil
	}
	held, err := b.held(ctx, r.source.ID, in.facts)
	if err != nil {
		return err
	}
	b.scopes[rd.scope.ID] = rd.scope
	if err := b.loadScopes(ctx, held); err != nil {
		return err
	}
	in.result = BatchResult{Refused: in.result.Refused}
	var judge, touched []*FactRow
	var fresh []*incoming
	for i := range in.facts {
		f := &in.facts[i]
		row := held[[2]string{f.Kind, f.ID}]
		if row == nil {
			fresh = append(fresh, f)
			continue
		}
		f.id = row.ID
		if changed, moved := b.compare(rd, f, row, &in.result); changed {
			judge = append(judge, row)
		} else if moved {
			touched = append(touched, row)
		}
	}
	rows := b.add(r, rd, fresh, &in.result)
	for _, row := range rows {
		if row.GoneAt == 0 {
			judge = append(judge, row)
		}
	}
	if len(judge)+len(touched)+len(b.c.Versions)+len(b.c.NewFacts) == 0 {
		return nil
	}
	if r.source.FirstRun == 0 {
		if err := b.tx.SetFirstRun(ctx, r.source.ID, r.row.ID); err != nil {
			return err
		}
		b.after = append(b.after, func() { r.source.FirstRun = r.row.ID })
	}
	b.first = r.source.FirstRun == 0 || r.source.FirstRun == r.row.ID
	if err := b.flush(ctx); err != nil {
		return err
	}
	for i, f := range fresh {
		f.id = rows[i].ID
	}
	if err := b.addKinds(ctx, rd, rows, judge, touched); err != nil {
		return err
	}
	if err := b.judge(ctx, judge, everyCheck); err != nil {
		return err
	}
	if err := b.moveScope(ctx, touched); err != nil {
		return err
	}
	return b.judgeReferring(ctx, judge)
}

// addKinds notes kinds that the scope turns out to carry. Their sets are
// touched: they need this scope from now on.
func (b *batch) addKinds(ctx context.Context, rd *reading, taken ...[]*FactRow) error {
	kinds := map[string]bool{}
	for _, rows := range taken {
		for _, f := range rows {
			if !rd.kinds[f.Key.Kind] {
				kinds[f.Key.Kind] = true
			}
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	for kind := range kinds {
		for _, lc := range b.m.byKind[kind] {
			if !lc.Each {
				b.sets[lc.row.ID] = lc
			}
		}
	}
	b.after = append(b.after, func() { maps.Copy(rd.kinds, kinds) })
	return b.tx.AddKinds(ctx, rd.scope.ID, sortedKeys(kinds))
}

func (b *batch) held(ctx context.Context, source int64, facts []incoming) (map[[2]string]*FactRow, error) {
	byKind := map[string][]string{}
	for i := range facts {
		byKind[facts[i].Kind] = append(byKind[facts[i].Kind], facts[i].ID)
	}
	out := make(map[[2]string]*FactRow, len(facts))
	for _, kind := range sortedKeys(byKind) {
		ids := byKind[kind]
		slices.Sort(ids) // neighbours in the index
		rows, err := b.tx.FactsByKey(ctx, source, kind, ids)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			out[[2]string{kind, rows[i].Key.ID}] = &rows[i]
		}
	}
	return out, nil
}

func (b *batch) loadScopes(ctx context.Context, held map[[2]string]*FactRow) error {
	var need []int64
	for _, row := range held {
		if _, ok := b.scopes[row.Scope]; !ok && !slices.Contains(need, row.Scope) {
			need = append(need, row.Scope)
		}
	}
	if need == nil {
		return nil
	}
	rows, err := b.tx.ScopesOf(ctx, need)
	for _, s := range rows {
		b.scopes[s.ID] = s
	}
	return err
}

// compare brings a held fact to what was observed. changed: it must be judged
// again; moved: only its scope is another.
func (b *batch) compare(rd *reading, f *incoming, row *FactRow, res *BatchResult) (changed, moved bool) {
	effective := max(row.ObservedAt, b.scopes[row.Scope].LastCompleteAt)
	if f.at < effective {
		if f.hash != row.Hash {
			b.late(row, f)
		}
		res.Late++
		return false, false
	}
	if f.hash == row.Hash && row.GoneAt == 0 && row.Scope == rd.scope.ID && row.Origin == f.Origin {
		res.Same++
		return false, false
	}
	changed = f.hash != row.Hash || row.GoneAt != 0
	if changed {
		res.Changed++
		v := VersionRow{Fact: row.ID, From: row.ChangedAt, To: b.now, ObservedAt: row.ObservedAt, Hash: row.Hash}
		if row.GoneAt != 0 {
			v.From, v.Gone = row.GoneAt, true
			v.Data = []byte("{}")
		}
		b.c.Versions = append(b.c.Versions, v)
		row.Hash, row.GoneAt, row.ChangedAt, row.Data = f.hash, 0, b.now, f.Data
		row.Name, row.OwnerSaid = said(f.Fact)
	} else {
		res.Same++
	}
	row.Scope, row.Origin, row.ObservedAt = rd.scope.ID, f.Origin, f.at
	row.Own = row.Own && f.at > rd.scope.LastCompleteAt
	b.c.Facts = append(b.c.Facts, row)
	b.c.observation(row, rd.scope.Name)
	return changed, !changed
}

func (b *batch) late(row *FactRow, f *incoming) {
	b.c.Versions = append(b.c.Versions, VersionRow{
		Fact: row.ID, From: b.now, To: b.now, ObservedAt: f.at, Late: true, Hash: f.hash, Data: f.Data,
	})
}

// add makes rows for facts that are new, one each. One that a later complete
// reading of its scope did not see came too late: it is kept as gone.
func (b *batch) add(r *Run, rd *reading, fresh []*incoming, res *BatchResult) []*FactRow {
	rows := make([]*FactRow, 0, len(fresh))
	for _, f := range fresh {
		row := &FactRow{
			Key: f.Key(), Source: r.source.ID, Scope: rd.scope.ID, Origin: f.Origin, ObservedAt: f.at,
			FirstSeen: b.now, ChangedAt: b.now, Hash: f.hash, Data: f.Data, added: true,
		}
		row.Name, row.OwnerSaid = said(f.Fact)
		b.c.NewFacts = append(b.c.NewFacts, row)
		b.c.observation(row, rd.scope.Name)
		if f.at < rd.scope.LastCompleteAt {
			row.GoneAt = b.now
			res.Late++
		} else {
			res.New++
		}
		rows = append(rows, row)
	}
	return rows
}

// flush saves facts, so that names lead to what they are now.
func (b *batch) flush(ctx context.Context) error {
	c := b.c
	part := newChanges(c.At, c.Run)
	part.NewFacts, part.Facts, part.Versions = c.NewFacts, c.Facts, c.Versions
	if err := b.tx.Save(ctx, part); err != nil {
		return err
	}
	c.NewFacts, c.Facts, c.Versions = nil, nil, nil
	b.cache = lookups{}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
