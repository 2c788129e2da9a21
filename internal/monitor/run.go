package monitor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"prumo.dev/prumo/internal/fact"
)

// A Run brings facts: open a scope, give its facts, close it, end. It is not
// safe for concurrent use; several runs may go on at the same time.
type Run struct {
	m      *Monitor
	row    RunRow
	source SourceRow
	open   map[string]*reading
	result string // the worst of its scopes
	why    string
	ended  bool
}

// A reading is one reading of one scope while it is under way.
type reading struct {
	scope  ScopeRow
	seen   bitmap
	kept   bitmap // what other runs saw meanwhile
	marks  []mark // what this reading saw, in order
	count  int64
	newest int64 // newest observation
	digest hash.Hash
	kinds  map[string]bool // that the scope is known to carry
	broken string          // why it cannot be complete
}

// A mark is a fact that was seen, and when the source observed it.
type mark struct{ id, at int64 }

// ErrScope is returned where a scope is used that is not open.
var ErrScope = errors.New("the scope is not open")

// Begin starts a run.
func (m *Monitor) Begin(ctx context.Context, b Begin) (*Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	r := &Run{m: m, open: map[string]*reading{}}
	now := micros(m.now())
	err := m.heart(ctx, func(tx Tx) error {
		err := m.mayJudge()
		if err != nil {
			return err
		}
		if r.source, err = tx.Source(ctx, b.Source, now); err != nil {
			return err
		}
		r.row = RunRow{
			Source: r.source.ID, Trigger: b.Trigger, Actor: clean(b.Actor, 200),
			EventAt: micros(b.EventAt), ArrivedAt: micros(b.Arrived), StartedAt: now,
		}
		r.row.ID, err = tx.BeginRun(ctx, r.row)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin a run of %s: %w", b.Source, err)
	}
	return r, nil
}

// ID is the run's number.
func (r *Run) ID() int64 { return r.row.ID }

// Open begins to read a scope. kinds are those of the facts in it, as far as
// they are known before.
func (r *Run) Open(ctx context.Context, scope string, kinds []string) error {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.open[scope] != nil {
		return fmt.Errorf("open scope %s: it is open already", scope)
	}
	for _, k := range kinds {
		if _, ok := m.kinds[k]; !ok {
			return fmt.Errorf("open scope %s: there is no kind %s", scope, k)
		}
	}
	rd := &reading{digest: sha256.New(), kinds: map[string]bool{}}
	now := micros(m.now())
	var waiting []*liveCheck
	err := m.heart(ctx, func(tx Tx) error {
		s, err := tx.Scope(ctx, r.source.ID, clean(scope, 500), nil)
		if err != nil {
			return err
		}
		s.OpenedAt = now
		rd.scope = s
		if waiting, err = m.carry(ctx, tx, rd, kinds, now); err != nil {
			return err
		}
		if err := tx.OpenReading(ctx, s.ID, r.row.ID); err != nil {
			return err
		}
		return tx.SaveScope(ctx, s)
	})
	if err != nil {
		m.loaded = false
		return fmt.Errorf("open scope %s: %w", scope, err)
	}
	for _, lc := range waiting {
		lc.seq++
		lc.row.DirtyAt = max(lc.row.DirtyAt, now)
	}
	r.open[scope] = rd
	m.readings[rd.scope.ID] = append(m.readings[rd.scope.ID], rd)
	return nil
}

// carry notes the kinds of a scope. The sets of those that are new to it wait to
// be judged: they need one more scope from now on.
func (m *Monitor) carry(ctx context.Context, tx Tx, rd *reading, kinds []string, now int64) (waiting []*liveCheck, err error) {
	known, err := tx.ScopeKinds(ctx, rd.scope.ID)
	if err != nil {
		return nil, err
	}
	for _, k := range known[rd.scope.ID] {
		rd.kinds[k] = true
	}
	var added []string
	for _, k := range kinds {
		if !rd.kinds[k] {
			rd.kinds[k] = true
			added = append(added, k)
		}
	}
	if added == nil {
		return nil, nil
	}
	for _, k := range added {
		for _, lc := range m.byKind[k] {
			if lc.Each {
				continue
			}
			if err := tx.SetDirty(ctx, lc.row.ID, now); err != nil {
				return nil, err
			}
			waiting = append(waiting, lc)
		}
	}
	return waiting, tx.AddKinds(ctx, rd.scope.ID, added)
}

// Facts takes facts of an open scope, in transactions of at most MaxBatch. An
// error means that the batch in which it happened was not taken, and that the
// scope cannot be complete any more.
func (r *Run) Facts(ctx context.Context, scope string, facts []fact.Fact) (BatchResult, error) {
	var all BatchResult
	for from := 0; from < len(facts); from += MaxBatch {
		part := facts[from:min(from+MaxBatch, len(facts))]
		res, err := r.batch(ctx, scope, part)
		if err != nil {
			return all, fmt.Errorf("take facts of %s, scope %s: %w", r.source.Name, scope, err)
		}
		all.New, all.Changed, all.Same, all.Late = all.New+res.New, all.Changed+res.Changed, all.Same+res.Same, all.Late+res.Late
		for _, x := range res.Refused {
			x.Index += from
			all.Refused = append(all.Refused, x)
		}
	}
	return all, nil
}

func (r *Run) batch(ctx context.Context, scope string, facts []fact.Fact) (BatchResult, error) {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	rd := r.open[scope]
	if rd == nil {
		return BatchResult{}, ErrScope
	}
	in := m.accept(facts, r.source.Name)
	err := m.transact(ctx, r.row, func(ctx context.Context, b *batch) error {
		if err := b.take(ctx, r, rd, in); err != nil {
			return err
		}
		return b.tx.Saw(ctx, rd.scope.ID, r.row.ID, idsOf(in.facts))
	})
	if err != nil {
		rd.broken = "a batch of facts could not be stored"
		return BatchResult{}, err
	}
	for i := range in.facts {
		f := &in.facts[i]
		rd.see(f)
		for _, other := range m.readings[rd.scope.ID] {
			if other != rd { // it was there while that reading went on
				other.kept.add(f.id)
			}
		}
	}
	return in.result, nil
}

// see notes that the reading saw a fact.
func (rd *reading) see(f *incoming) {
	if !rd.seen.add(f.id) {
		return
	}
	rd.count++
	rd.newest = max(rd.newest, f.at)
	rd.marks = append(rd.marks, mark{f.id, f.at})
	io.WriteString(rd.digest, f.Kind+"\x00"+f.ID+"\x00") //nolint:errcheck // a hash returns none
	rd.digest.Write(f.hash[:])
}

// Close says what the reading covered of a scope. Only a complete one makes
// facts of it gone that it did not see.
func (r *Run) Close(ctx context.Context, scope string, result fact.Reading, d ScopeDetail) error {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	rd := r.open[scope]
	if rd == nil {
		return fmt.Errorf("close scope %s: %w", scope, ErrScope)
	}
	if rd.broken != "" && result == fact.Complete {
		result, d.Why = fact.Partial, rd.broken
	}
	d.Seen, d.Why, d.Permission = int(rd.count), clean(d.Why, 500), clean(d.Permission, 200)
	if err := m.closeReading(ctx, r.row, rd, result, d); err != nil {
		return fmt.Errorf("close scope %s: %w", scope, err)
	}
	delete(r.open, scope)
	m.forget(rd)
	r.note(result, d.Why)
	return nil
}

func (m *Monitor) forget(rd *reading) {
	id := rd.scope.ID
	m.readings[id] = slices.DeleteFunc(m.readings[id], func(x *reading) bool { return x == rd })
	if len(m.readings[id]) == 0 {
		delete(m.readings, id)
	}
}

// note keeps the worst result of the run's scopes.
func (r *Run) note(result fact.Reading, why string) {
	rank := map[string]int{"": 0, string(fact.Complete): 1, string(fact.Partial): 2, string(fact.Forbidden): 3}
	if rank[string(result)] > rank[r.result] {
		r.result, r.why = string(result), why
	}
}

// Fail says that the run could not read at all, for its source's page.
func (r *Run) Fail(why string) { r.result, r.why = "failed", clean(why, 500) }

// End ends the run. A scope that was not closed counts as partial.
func (r *Run) End(ctx context.Context) error {
	if r.ended {
		return nil
	}
	var errs []error
	names := make([]string, 0, len(r.open))
	for name := range r.open {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		errs = append(errs, r.Close(ctx, name, fact.Partial, ScopeDetail{Why: "the reading ended early"}))
	}
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rd := range r.open { // could not even be closed
		m.forget(rd)
	}
	now := micros(m.now())
	if r.result == "" {
		r.result = string(fact.Complete)
	}
	errs = append(errs, m.heart(ctx, func(tx Tx) error { return tx.EndRun(ctx, r.row, now, r.result, r.why) }))
	r.ended = true
	return errors.Join(errs...)
}

// A bitmap is a set of row ids that lie close to each other.
type bitmap struct {
	pages map[int64]*[64]uint64
}

// add puts id in and reports whether it was not there.
func (s *bitmap) add(id int64) bool {
	if s.pages == nil {
		s.pages = map[int64]*[64]uint64{}
	}
	p := s.pages[id>>12]
	if p == nil {
		p = new([64]uint64)
		s.pages[id>>12] = p
	}
	word, bit := &p[id>>6&63], uint64(1)<<(id&63)
	was := *word&bit != 0
	*word |= bit
	return !was
}

func (s *bitmap) has(id int64) bool {
	p := s.pages[id>>12]
	return p != nil && p[id>>6&63]&(1<<(id&63)) != 0
}
