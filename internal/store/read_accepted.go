package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

const dayMicros = 24 * 60 * 60 * 1_000_000

// A spell is a stretch of time, from the first instant until before the second.
type spell [2]int64

// endsIn says whether the spell holds at the end of a day, or at now on the last one.
func (s spell) endsIn(day, now int64) bool {
	end := min((day+1)*dayMicros-1, now)
	return s[0] <= end && end < s[1]
}

// covers says whether nothing of a day, from an instant to another, lies outside the spell.
func (s spell) covers(day, from, to int64) bool {
	return s[0] <= max(day*dayMicros, from) && min((day+1)*dayMicros-1, to) < s[1]
}

// A cover is an exception's span over one failing stretch of a fact.
type cover struct{ span, failing spell }

// ends says whether it covered a failure at the end of a day.
func (c cover) ends(day, now int64) bool {
	return c.span.endsIn(day, now) && c.failing.endsIn(day, now)
}

// all says whether the stretch reaches into the day and lay under it all the while.
func (c cover) all(day, now int64) bool {
	return c.failing[0] < (day+1)*dayMicros && c.failing[1] > day*dayMicros && c.span.covers(day, c.failing[0], min(c.failing[1]-1, now))
}

// accepted says what exceptions covered in the last days: all failures of a
// check (source ""), those of a source, and single ones by their bucket and fact.
type accepted struct {
	now    int64
	whole  map[int64]map[string][]spell
	single map[monitor.TallyKey]map[int64][]cover
}

// accepted reads the spans of exceptions that reach into the days.
func (tx *Tx) accepted(ctx context.Context, c *catalog, first, last int64) (*accepted, error) {
	a := &accepted{now: c.now, whole: map[int64]map[string][]spell{}, single: map[monitor.TallyKey]map[int64][]cover{}}
	const spans = ` FROM exception_span p JOIN exception e ON e.id = p.exception JOIN chk k ON k.name = e.chk `
	const reach = ` p.from_at < $1 AND (p.to_at IS NULL OR p.to_at > $2)`
	from, until := first*dayMicros, (last+1)*dayMicros
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var chk int64
		var source string
		var s spell
		if err := rows.Scan(&chk, &source, &s[0], &s[1]); err != nil {
			return err
		}
		if a.whole[chk] == nil {
			a.whole[chk] = map[string][]spell{}
		}
		a.whole[chk][source] = append(a.whole[chk][source], s)
		return nil
	}, "SELECT k.id, e.source, p.from_at, COALESCE(p.to_at, $1)"+spans+"WHERE e.fid = '' AND"+reach, until, from)
	if err != nil {
		return nil, fmt.Errorf("read what was accepted: %w", err)
	}
	// In this order, from the few exceptions on: a planner that knows no numbers would walk all verdicts.
	for _, which := range []string{"v.to_at IS NULL", "v.to_at IS NOT NULL AND v.to_at > $2"} {
		err := tx.each(ctx, func(rows *sql.Rows) error {
			var k monitor.TallyKey
			var fact int64
			var s, v spell
			if err := rows.Scan(&k.Check, &k.Scope, &k.Own, &fact, &s[0], &s[1], &v[0], &v[1]); err != nil {
				return err
			}
			k.Outcome = check.Fail
			if a.single[k] == nil {
				a.single[k] = map[int64][]cover{}
			}
			a.single[k][fact] = append(a.single[k][fact], cover{span: s, failing: v})
			return nil
		}, `SELECT v.chk, v.scope, v.own, v.fact, p.from_at, COALESCE(p.to_at, $1), v.from_at, COALESCE(v.to_at, $1)
			FROM exception e CROSS JOIN exception_span p CROSS JOIN chk k CROSS JOIN fact f CROSS JOIN verdict v CROSS JOIN source s
			WHERE p.exception = e.id AND k.name = e.chk AND f.kind = k.kind AND f.fid = e.fid AND s.id = f.source AND (e.source = '' OR e.source = s.name)
			AND v.fact = f.id AND v.chk = k.id AND v.outcome = $3 AND e.fid <> '' AND `+which+" AND"+reach, until, from, int64(check.Fail))
		if err != nil {
			return nil, fmt.Errorf("read which failures were accepted: %w", err)
		}
	}
	return a, nil
}

// of says how many of n failures of a bucket an exception covered at the end
// of a day, and whether it covered all that failed on it.
func (a *accepted) of(k monitor.TallyKey, source string, day, n, peak int64) (covered int64, all bool) {
	if k.Outcome != check.Fail {
		return 0, false
	}
	for _, name := range []string{"", source} {
		for _, s := range a.whole[k.Check][name] {
			if s.endsIn(day, a.now) {
				covered = n
			}
			all = all || s.covers(day, 0, a.now)
		}
	}
	throughout := int64(0)
	for _, covers := range a.single[k] {
		if slices.ContainsFunc(covers, func(c cover) bool { return c.ends(day, a.now) }) {
			covered++
		}
		if slices.ContainsFunc(covers, func(c cover) bool { return c.all(day, a.now) }) {
			throughout++
		}
	}
	return min(covered, n), all || peak > 0 && throughout >= peak
}

// fact says of one failing stretch of facts whether an exception covered it at
// the end of a day, and as long as it failed on that day.
func (a *accepted) fact(chk int64, source string, facts []int64, failing spell, day int64) (end, all bool) {
	take := func(c cover) {
		end, all = end || c.ends(day, a.now), all || c.all(day, a.now)
	}
	for _, name := range []string{"", source} {
		for _, s := range a.whole[chk][name] {
			take(cover{span: s, failing: failing})
		}
	}
	for k, by := range a.single {
		for id, covers := range by {
			if k.Check != chk || !slices.Contains(facts, id) {
				continue
			}
			for _, c := range covers {
				take(cover{span: c.span, failing: failing})
			}
		}
	}
	return end, all
}

// nameOf is the name of a scope's source.
func (c *catalog) nameOf(scope int64) string {
	if s := c.sources[c.sourceOf(scope)]; s != nil {
		return s.name
	}
	return ""
}

func staleAt(spans [][2]int64, us int64) bool {
	return slices.ContainsFunc(spans, func(s [2]int64) bool { return s[0] <= us && us < s[1] })
}
