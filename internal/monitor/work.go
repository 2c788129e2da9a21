package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/ledger"
)

// ErrInput is wrapped by errors about what a person asked for; their text is
// for that person.
var ErrInput = errors.New("not possible")

// SetChecks puts checks into force. New, edited and removed ones are worked
// off by Tick in batches; until then what they said before stands.
func (m *Monitor) SetChecks(ctx context.Context, set *check.Set) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.leads {
		m.set, m.loaded = set, false
		return m.ready(ctx)
	}
	if err := m.takeChecks(ctx, set); err != nil {
		m.loaded = false // it may be stored though its answer was lost
		return err
	}
	m.set, m.loaded = set, true
	return m.ready(ctx)
}

// takeChecks compares the checks with what is stored and notes what remains to
// be done. The caller holds mu.
func (m *Monitor) takeChecks(ctx context.Context, set *check.Set) error {
	var all []*check.Check
	if set != nil {
		all = set.All()
	}
	live := map[int64]*liveCheck{}
	now := micros(m.now())
	err := m.heart(ctx, func(tx Tx) error {
		rows, err := tx.Checks(ctx)
		if err != nil {
			return err
		}
		byName := map[string]*CheckRow{}
		for i := range rows {
			byName[rows[i].Name] = &rows[i]
		}
		var contents []Content
		for _, c := range all {
			row := byName[c.ID]
			delete(byName, c.ID)
			lc, edited, err := m.takeCheck(ctx, tx, c, row, now)
			if err != nil {
				return fmt.Errorf("take check %s: %w", c.ID, err)
			}
			if edited {
				contents = append(contents, setting("check", c.ID, lc.row.Version, c.Digest, lc.row.Params, now))
			}
			if lc.row.Work != WorkRemove {
				live[lc.row.ID] = lc
			}
		}
		for _, name := range sortedKeys(byName) {
			row := byName[name]
			if row.Removed {
				continue
			}
			row.Removed, row.Work, row.WorkFrom = true, WorkRemove, math.MinInt64
			if err := m.beginWork(ctx, tx, row, now); err != nil {
				return err
			}
			contents = append(contents, setting("check removed", name, now))
		}
		if len(contents) == 0 {
			return nil
		}
		_, err = tx.Log(ctx, now, contents)
		return err
	})
	if err != nil {
		return err
	}
	m.other = ""
	m.install(live)
	return nil
}

func setting(parts ...any) Content {
	c := newChanges(0, 0)
	c.content(ledger.Setting, parts...)
	return c.contents[0]
}

// takeCheck brings the row of one check to its file and parameters.
func (m *Monitor) takeCheck(ctx context.Context, tx Tx, c *check.Check, row *CheckRow, now int64) (lc *liveCheck, edited bool, err error) {
	params := ""
	if row != nil {
		params = row.Params
	}
	if over, ok := m.settings.Params[c.ID]; ok {
		b, err := json.Marshal(over)
		if err != nil {
			return nil, false, err
		}
		params = string(b)
	}
	lc = &liveCheck{Check: c}
	if lc.params, err = paramsOf(params); err != nil {
		return nil, false, err
	}
	if err := c.CheckParams(lc.params); err != nil {
		return nil, false, err
	}
	lc.derive()
	next := CheckRow{
		Name: c.ID, Version: c.Version, Digest: c.Digest, Kind: c.Kind, Severity: c.Severity, Each: c.Each,
		Fresh: c.Fresh.Microseconds(), Params: params, Controls: c.Controls, Work: WorkJudge, WorkFirst: true,
	}
	if row != nil {
		ended := row.Digest == "" && row.Work == WorkNone // what it said of other facts was ended just now
		next.ID, next.Owner, next.WorkFirst = row.ID, row.Owner, row.WorkFirst && row.Work == WorkJudge || row.Removed || ended
		if row.Digest == next.Digest && row.Params == next.Params && !row.Removed {
			lc.row = *row
			return lc, false, nil
		}
		other := row.Kind != next.Kind || row.Each != next.Each
		if other && !ended || row.Removed && row.Work == WorkRemove {
			// What it said of other facts ends first; then it is new.
			row.Removed, row.Work, row.WorkFrom, row.Digest = false, WorkRemove, math.MinInt64, ""
			lc.row = *row
			return lc, true, m.beginWork(ctx, tx, &lc.row, now)
		}
	}
	has, err := tx.HasFacts(ctx, c.Kind)
	if err != nil {
		return nil, false, err
	}
	if !has {
		next.Work, next.WorkFirst = WorkNone, false
	}
	lc.row = next
	return lc, true, m.beginWork(ctx, tx, &lc.row, now)
}

// beginWork saves a check with a run in which its work happens.
func (m *Monitor) beginWork(ctx context.Context, tx Tx, row *CheckRow, now int64) error {
	if row.Work != WorkNone {
		id, err := tx.BeginRun(ctx, RunRow{Trigger: TriggerCheck, StartedAt: now})
		if err != nil {
			return err
		}
		row.WorkRun = id
	}
	return tx.SaveCheck(ctx, row)
}

// install puts checks into force in memory.
func (m *Monitor) install(live map[int64]*liveCheck) {
	m.live, m.staleAt, m.idle = live, 0, false
	m.byName, m.byKind = map[string]*liveCheck{}, map[string][]*liveCheck{}
	m.targets, m.paths = map[string]bool{}, map[string][]check.RefPath{}
	for _, id := range sortedIDs(live) {
		lc := live[id]
		m.byName[lc.ID] = lc
		m.byKind[lc.Kind] = append(m.byKind[lc.Kind], lc)
		for _, p := range lc.Refs() {
			m.targets[p.Kind] = true
			if !slices.Contains(m.paths[p.On], p) {
				m.paths[p.On] = append(m.paths[p.On], p)
			}
		}
	}
}

// tickWork does one batch of the work that edited checks left.
func (m *Monitor) tickWork(ctx context.Context) (bool, error) {
	var row *CheckRow
	err := m.store.View(ctx, func(tx Tx) error {
		if !m.mayWork() {
			return nil
		}
		rows, err := tx.Checks(ctx)
		for i := range rows {
			if rows[i].Work != WorkNone {
				row = &rows[i]
				break
			}
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if row == nil {
		m.idle = true
		return false, nil
	}
	lc := m.live[row.ID]
	if lc == nil {
		lc = &liveCheck{}
	}
	lc.row = *row
	run := RunRow{ID: row.WorkRun, Trigger: TriggerCheck, StartedAt: micros(m.now())}
	done := false
	err = m.transact(ctx, run, func(ctx context.Context, b *batch) error {
		b.work = lc
		if now := m.live[row.ID]; now != nil {
			row.Owner = now.row.Owner // another replica may have set it
		}
		var err error
		if row.Work == WorkRemove {
			done, err = b.workRemove(ctx, row)
		} else {
			done, err = b.workJudge(ctx, lc, row)
		}
		if err != nil {
			return err
		}
		if done {
			if err := b.tx.EndRun(ctx, run, b.now, "", ""); err != nil {
				return err
			}
		}
		return b.tx.SaveCheck(ctx, row)
	})
	if err != nil {
		return false, fmt.Errorf("check %s: %w", row.Name, err)
	}
	row.DirtyAt = lc.row.DirtyAt // its set may wait since this transaction
	again := row.Work == WorkRemove && done && !row.Removed
	lc.row = *row
	if done {
		m.staleAt = 0
		row.Work, lc.row.Work = WorkNone, WorkNone
		if err := m.endWork(ctx, row, again); err != nil {
			return false, err
		}
	}
	return true, nil
}

// mayWork reports whether there may be work.
func (m *Monitor) mayWork() bool { return !m.idle }

// endWork saves that a check's work is done. A check that ended for its old
// kind begins with its new one.
func (m *Monitor) endWork(ctx context.Context, row *CheckRow, again bool) error {
	err := m.heart(ctx, func(tx Tx) error {
		if now := m.live[row.ID]; now != nil {
			row.Owner = now.row.Owner
		}
		return tx.SaveCheck(ctx, row)
	})
	if err != nil {
		return err
	}
	if !again {
		return nil
	}
	return m.takeChecks(ctx, m.set)
}

func (b *batch) workJudge(ctx context.Context, lc *liveCheck, row *CheckRow) (done bool, err error) {
	rows, err := b.tx.FactsOfKind(ctx, row.Kind, max(0, row.WorkFrom), MaxBatch)
	if err != nil {
		return false, err
	}
	if len(rows) > 0 {
		row.WorkFrom = rows[len(rows)-1].ID
	}
	if err := b.judge(ctx, pointers(rows), func(x *liveCheck) bool { return x == lc }); err != nil {
		return false, err
	}
	if done = len(rows) < MaxBatch; done {
		row.Work, lc.row.Work = WorkNone, WorkNone
		if !row.Each {
			b.sets[row.ID], b.force = lc, true
		}
	}
	return done, nil
}

func (b *batch) workRemove(ctx context.Context, row *CheckRow) (done bool, err error) {
	open, err := b.tx.VerdictsOfCheck(ctx, row.ID, row.WorkFrom, MaxBatch)
	if err != nil {
		return false, err
	}
	ids := make([]int64, 0, len(open))
	for _, v := range open {
		ids = append(ids, v.Fact)
		row.WorkFrom = v.Fact
	}
	facts, err := b.tx.FactsByID(ctx, ids, false)
	if err != nil {
		return false, err
	}
	byID := map[int64]*FactRow{}
	for i := range facts {
		byID[facts[i].ID] = &facts[i]
	}
	for i := range open {
		b.end(&open[i], byID[open[i].Fact], closedRemoved)
	}
	if done = len(open) < MaxBatch; done {
		return true, b.tx.DropMembers(ctx, row.ID)
	}
	return false, nil
}

// SetParams overrides parameters of a check, for the whole instance.
func (m *Monitor) SetParams(ctx context.Context, name string, params map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	lc := m.byName[name]
	if lc == nil {
		return fmt.Errorf("%w: there is no check %s", ErrInput, name)
	}
	if err := lc.CheckParams(params); err != nil {
		return fmt.Errorf("%w: %w", ErrInput, err)
	}
	next := map[string]map[string]any{}
	for k, v := range m.settings.Params {
		next[k] = v
	}
	next[name] = params
	m.settings.Params = next
	return m.takeChecks(ctx, m.set)
}

// Owned says what an owner answers for.
type Owned string

// What can be owned.
const (
	OwnFact   Owned = "fact"
	OwnCheck  Owned = "check"
	OwnSource Owned = "source"
)

// SetOwner says who answers for a check, a source, or a fact of a source; an
// empty owner takes it back. Open findings follow.
func (m *Monitor) SetOwner(ctx context.Context, what Owned, source, id, owner string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	owner = clean(owner, 200)
	now := micros(m.now())
	return m.heart(ctx, func(tx Tx) error {
		n := int64(0)
		var err error
		switch what {
		case OwnFact:
			n, err = tx.SetFactOwner(ctx, source, id, owner)
		case OwnSource:
			n, err = tx.SetSourceOwner(ctx, id, owner)
		case OwnCheck:
			if lc := m.byName[id]; lc != nil {
				if n = 1; lc.row.Owner == owner {
					return nil
				}
				lc.row.Owner = owner
				err = tx.SaveCheck(ctx, &lc.row)
			}
		}
		if err != nil {
			return fmt.Errorf("set the owner of %s %s: %w", what, id, err)
		}
		if n == 0 {
			return fmt.Errorf("%w: there is no %s %s", ErrInput, what, id)
		}
		if err := tx.Reassign(ctx, what, source, id, m.settings.Owner); err != nil {
			return err
		}
		_, err = tx.Log(ctx, now, []Content{setting("owner", what, source, id, owner, now)})
		return err
	})
}

// SaveSource keeps what is known of a source's settings.
func (m *Monitor) SaveSource(ctx context.Context, s Source) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := micros(m.now())
	return m.heart(ctx, func(tx Tx) error { return tx.SaveSource(ctx, s, now) })
}

// RemoveSource takes a source's facts out and forgets it; what was said of
// them stays in the history.
func (m *Monitor) RemoveSource(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	now := micros(m.now())
	var src SourceRow
	var gone []int64
	err := m.heart(ctx, func(tx Tx) error {
		var err error
		if src, err = tx.Source(ctx, name, now); err != nil {
			return err
		}
		scopes, err := tx.ScopesOfSource(ctx, src.ID)
		if err != nil {
			return err
		}
		for _, s := range scopes {
			if err := eachOfScope(ctx, tx, s.ID, false, func(f *FactRow) { gone = append(gone, f.ID) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove source %s: %w", name, err)
	}
	for part := range slices.Chunk(gone, step) {
		run := RunRow{Source: src.ID, Trigger: TriggerAsked, StartedAt: now}
		if err := m.own(ctx, run, func(ctx context.Context, b *batch) error { return b.settleScope(ctx, part, nil) }); err != nil {
			return fmt.Errorf("remove source %s: %w", name, err)
		}
	}
	m.staleAt = 0
	return m.heart(ctx, func(tx Tx) error { return tx.DropSource(ctx, src.ID) })
}
