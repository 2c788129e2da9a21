package monitor

import (
	"context"
	"math"
	"slices"

	"prumo.dev/prumo/internal/check"
)

// never is an instant that does not come.
const never = int64(math.MaxInt64)

// A clock is something that turns stale as a whole: a scope, or a kind's set.
type clock struct {
	key  OverlayKey
	at   int64 // last complete reading
	n    int64 // verdicts that it turns
	sev  check.Severity
	told int64 // scope that names the source
}

// tickScopes turns scopes and sets stale whose limit has passed, and fresh
// again those whose limit was changed.
func (m *Monitor) tickScopes(ctx context.Context) (bool, error) {
	now := micros(m.now())
	if now < m.staleAt {
		return false, nil
	}
	var turn, back []clock
	next := never
	err := m.store.View(ctx, func(tx Tx) error {
		clocks, err := m.clocks(ctx, tx)
		if err != nil {
			return err
		}
		open, err := tx.Overlays(ctx, -1)
		if err != nil {
			return err
		}
		for _, c := range clocks {
			limit := c.at + c.key.Fresh
			_, is := open[c.key]
			delete(open, c.key)
			switch {
			case now >= limit && !is && c.n > 0:
				turn = append(turn, c)
			case now < limit && is:
				back = append(back, c)
			}
			if now < limit && c.n > 0 {
				next = min(next, limit)
			}
		}
		for _, k := range sortedOverlays(open) {
			if k.Fact <= 0 { // its limit is no check's any more
				back = append(back, clock{key: k})
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if len(turn)+len(back) > 0 {
		err = m.own(ctx, m.timer(), func(ctx context.Context, b *batch) error {
			for _, c := range back {
				b.c.Fresh = append(b.c.Fresh, c.key)
			}
			for _, c := range turn {
				b.c.Stale = append(b.c.Stale, c.key)
				if err := b.staleCause(ctx, c.told, c.sev, c.n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		m.staleAt = next
	}
	return false, err
}

// clocks lists what turns as a whole, in order.
func (m *Monitor) clocks(ctx context.Context, tx Tx) ([]clock, error) {
	scopes, err := tx.Scopes(ctx, "")
	if err != nil {
		return nil, err
	}
	tally, err := tx.Tally(ctx)
	if err != nil {
		return nil, err
	}
	held := map[[2]int64]int64{} // by check and scope, those on the scope's clock
	for k, n := range tally {
		if k.Own == OwnNo {
			held[[2]int64{k.Check, k.Scope}] += n
		}
	}
	kinds, err := tx.ScopeKinds(ctx, 0)
	if err != nil {
		return nil, err
	}
	var out []clock
	for _, s := range scopes {
		if s.LastCompleteAt == 0 {
			continue
		}
		byLimit := map[int64]*clock{}
		for _, id := range sortedIDs(m.live) {
			lc := m.live[id]
			if !lc.Each || !slices.Contains(kinds[s.ID], lc.Kind) {
				continue
			}
			c := byLimit[lc.row.Fresh]
			if c == nil {
				c = &clock{key: OverlayKey{Scope: s.ID, Fresh: lc.row.Fresh}, at: s.LastCompleteAt, told: s.ID}
				byLimit[lc.row.Fresh] = c
			}
			c.n += held[[2]int64{id, s.ID}]
			c.sev = max(c.sev, lc.Severity)
		}
		for _, limit := range sortedIDs(byLimit) {
			out = append(out, *byLimit[limit])
		}
	}
	sets, err := m.setClocks(ctx, tx, held)
	return append(out, sets...), err
}

// setClocks lists the sets: the clock of a set is the oldest of its scopes.
func (m *Monitor) setClocks(ctx context.Context, tx Tx, held map[[2]int64]int64) ([]clock, error) {
	var out []clock
	seen := map[OverlayKey]int{}
	for _, id := range sortedIDs(m.live) {
		lc := m.live[id]
		if lc.Each || held[[2]int64{id, 0}] == 0 {
			continue
		}
		scopes, err := tx.Scopes(ctx, lc.Kind)
		if err != nil {
			return nil, err
		}
		c := clock{key: OverlayKey{Fresh: lc.row.Fresh}, at: never, n: 1, sev: lc.Severity}
		for _, s := range scopes {
			if s.LastCompleteAt != 0 && s.LastCompleteAt < c.at {
				c.at, c.told = s.LastCompleteAt, s.ID
			}
		}
		if c.at == never {
			continue
		}
		set, err := tx.Set(ctx, lc.Kind, 0)
		if err != nil {
			return nil, err
		}
		c.key.Fact = set.ID
		if i, dup := seen[c.key]; dup {
			out[i].n++
			continue
		}
		seen[c.key] = len(out)
		out = append(out, c)
	}
	return out, nil
}
