package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrOtherChecks is returned on a replica whose checks are not those in force:
// it runs another release, or was not told of an edit yet. What it was given
// is for another replica, or for a moment later.
var ErrOtherChecks = errors.New("the checks of this replica are not those in force")

// Lead makes this monitor the one that puts checks into force, ends what
// others left open, and works by the clock. ctx carries the lease, and so must
// that of everything which the leader does.
func (m *Monitor) Lead(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads, m.loaded, m.recovered = true, false, false
	if err := m.ready(ctx); err != nil {
		m.leads, m.loaded = false, false
		return fmt.Errorf("take over: %w", err)
	}
	return nil
}

// Follow makes this monitor one of several that take facts and decisions, and
// leave the rest to the leader.
func (m *Monitor) Follow() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leads, m.loaded = false, false
}

// Recover closes what replicas left open that serve no longer. The leader of
// several calls it from time to time.
func (m *Monitor) Recover(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.recover(ctx)
}

// heart runs fn in one transaction. Where another process wrote since this one
// did, what is held in memory is brought up to it first, behind the lock that
// lets these transactions come one after another. The caller holds mu.
func (m *Monitor) heart(ctx context.Context, fn func(Tx) error) error {
	err := m.store.Heart(ctx, func(tx Tx) error {
		if m.shared && (tx.Turned() || m.doubt) {
			if err := m.refresh(ctx, tx); err != nil {
				return fmt.Errorf("look at what another replica wrote: %w", err)
			}
		}
		return fn(tx)
	})
	m.doubt = err != nil // what was refreshed may be refreshed again; what was half done must
	return err
}

// catchUp brings memory up to what other processes wrote.
func (m *Monitor) catchUp(ctx context.Context) (bool, error) {
	if !m.shared {
		return false, nil
	}
	behind, err := m.store.Behind(ctx)
	if err != nil || !behind {
		return false, err
	}
	return false, m.heart(ctx, func(Tx) error { return nil })
}

// refresh reads again everything that is kept in memory and that another
// process may have changed. The caller holds mu.
func (m *Monitor) refresh(ctx context.Context, tx Tx) error {
	m.guarded, m.staleAt, m.idle = nil, 0, false
	if m.loaded {
		if err := m.adopt(ctx, tx); err != nil {
			return err
		}
	}
	if len(m.readings) == 0 {
		return nil
	}
	scopes, err := tx.ScopesOf(ctx, sortedIDs(m.readings))
	for _, s := range scopes {
		for _, rd := range m.readings[s.ID] {
			rd.scope.LastCompleteAt = s.LastCompleteAt
		}
	}
	return err
}

// adopt takes the checks as they are stored, and notes where ours are others.
// The caller holds mu.
func (m *Monitor) adopt(ctx context.Context, tx Tx) error {
	rows, err := tx.Checks(ctx)
	if err != nil {
		return err
	}
	byName := make(map[string]*CheckRow, len(rows))
	for i := range rows {
		if r := &rows[i]; !r.Removed {
			byName[r.Name] = r
		}
	}
	live := map[int64]*liveCheck{}
	m.other = ""
	if m.set != nil {
		for _, c := range m.set.All() {
			row := byName[c.ID]
			delete(byName, c.ID)
			lc, ok := m.adoptOne(row, liveCheck{Check: c})
			switch {
			case ok:
				live[row.ID] = lc
			case row == nil || row.Work != WorkRemove: // else it ends for an old kind and is judged by nobody
				m.other = c.ID
			}
		}
	}
	for name := range byName {
		m.other = name
	}
	m.install(live)
	return nil
}

func (m *Monitor) adoptOne(row *CheckRow, lc liveCheck) (*liveCheck, bool) {
	if row == nil || row.Digest != lc.Digest || row.Work == WorkRemove {
		return nil, false
	}
	if old := m.byName[lc.ID]; old != nil && old.Check == lc.Check && old.row.Params == row.Params {
		old.row = *row
		old.seq++ // its set may have changed meanwhile
		return old, true
	}
	var err error
	if lc.params, err = paramsOf(row.Params); err != nil || lc.CheckParams(lc.params) != nil {
		return nil, false
	}
	lc.derive()
	lc.row = *row
	return &lc, true
}

// derive notes how the check is judged.
func (lc *liveCheck) derive() {
	lc.rule, lc.counted = lc.Countable()
	lc.counted = lc.counted && !lc.Each
	lc.refs = len(lc.Refs()) > 0
}

// mayJudge refuses to judge where other checks are in force.
func (m *Monitor) mayJudge() error {
	if m.shared && m.other != "" {
		return fmt.Errorf("%w: %s differs", ErrOtherChecks, m.other)
	}
	return nil
}

// spare takes facts out that are not gone after all: another replica saw them
// while this reading went on.
func (b *batch) spare(ctx context.Context, rd *reading, run int64, gone []int64) ([]int64, error) {
	if rd == nil || len(gone) == 0 {
		return gone, nil
	}
	seen, err := b.tx.SeenElsewhere(ctx, rd.scope.ID, run)
	if err != nil || len(seen) == 0 {
		return gone, err
	}
	return slices.DeleteFunc(slices.Clone(gone), func(id int64) bool {
		_, kept := slices.BinarySearch(seen, id)
		return kept
	}), nil
}

func idsOf(facts []incoming) []int64 {
	out := make([]int64, 0, len(facts))
	for i := range facts {
		if facts[i].id != 0 {
			out = append(out, facts[i].id)
		}
	}
	return out
}
