package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// CheckCounts counts the verdicts of each check and source by status, now or
// at an instant.
func (db *DB) CheckCounts(ctx context.Context, at time.Time) (out []monitor.CheckCount, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, at)
		if err != nil {
			return err
		}
		out, err = tx.checkCounts(ctx, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count verdicts: %w", err)
	}
	return out, nil
}

func (tx *Tx) checkCounts(ctx context.Context, c *catalog) ([]monitor.CheckCount, error) {
	tally, err := tx.buckets(ctx, c)
	if err != nil {
		return nil, err
	}
	sums := map[[2]string]*monitor.CheckCount{}
	for k, n := range tally {
		x, s := c.checks[k.Check], c.sources[c.sourceOf(k.Scope)]
		if x == nil || s == nil {
			continue
		}
		key := [2]string{x.name, s.name}
		if sums[key] == nil {
			sums[key] = &monitor.CheckCount{Check: x.name, Source: s.name}
		}
		c.add(&sums[key].Counts, k, n)
	}
	out := make([]monitor.CheckCount, 0, len(sums))
	for _, s := range sums {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b monitor.CheckCount) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Source, b.Source))
	})
	return out, nil
}

// Posture is everything that the first page says.
func (db *DB) Posture(ctx context.Context, at time.Time) (p monitor.Posture, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, at)
		if err != nil {
			return err
		}
		p.At = Time(c.now)
		if p.ByCheck, err = tx.checkCounts(ctx, c); err != nil {
			return err
		}
		for _, x := range p.ByCheck {
			p.Counts = p.Counts.Add(x.Counts)
		}
		if p.Sources, err = tx.sourceViews(ctx, c, p.ByCheck); err != nil {
			return err
		}
		if p.Open, p.Late, err = tx.openFindings(ctx, c); err != nil {
			return err
		}
		all, err := tx.latencies(ctx, c)
		if err != nil {
			return err
		}
		p.Latency = all[-1]
		days, err := tx.days(ctx, c, nil, "", 90)
		p.Trend = days[""]
		return err
	})
	if err != nil {
		return p, fmt.Errorf("read the posture: %w", err)
	}
	return p, nil
}

// openFindings counts the findings that are open at the catalog's instant, and
// those of them that are late.
func (tx *Tx) openFindings(ctx context.Context, c *catalog) (open, late int64, err error) {
	if !c.past {
		if err := tx.Row(ctx, []any{&open}, "SELECT COUNT(*) FROM finding WHERE closed_at IS NULL"); err != nil {
			return 0, 0, err
		}
		return open, late, tx.Row(ctx, []any{&late}, "SELECT COUNT(*) FROM finding WHERE closed_at IS NULL AND due_at < $1", c.now)
	}
	for _, which := range []string{"closed_at IS NULL", "closed_at > $3"} {
		var n, l int64
		args := []any{c.now, c.now, c.now}
		if which == "closed_at IS NULL" {
			args = args[:2]
		}
		err := tx.Row(ctx, []any{&n, &l}, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN due_at < $1 THEN 1 ELSE 0 END), 0) FROM finding WHERE opened_at <= $2 AND "+which, args...)
		if err != nil {
			return 0, 0, err
		}
		open, late = open+n, late+l
	}
	return open, late, nil
}

// Sources lists the connected systems and how they behave.
func (db *DB) Sources(ctx context.Context) (out []monitor.Source, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, time.Time{})
		if err != nil {
			return err
		}
		counts, err := tx.checkCounts(ctx, c)
		if err != nil {
			return err
		}
		out, err = tx.sourceViews(ctx, c, counts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return out, nil
}

func (tx *Tx) sourceViews(ctx context.Context, c *catalog, counts []monitor.CheckCount) ([]monitor.Source, error) {
	rows, err := tx.Query(ctx, `SELECT id, name, connector, every_us, enabled, from_file, owner, created_at, last_read_at, last_result, last_why,
		next_read_at, reading_since IS NOT NULL FROM source WHERE id > 0 AND (connector <> '' OR enabled = 1) ORDER BY name`)
	ids := []int64{}
	out, err := scanAll(rows, err, func(rows *sql.Rows) (s monitor.Source, err error) {
		var id, every, enabled, file, created int64
		var last, next sql.NullInt64
		err = rows.Scan(&id, &s.Name, &s.Connector, &every, &enabled, &file, &s.Owner, &created, &last, &s.LastResult, &s.LastWhy, &next, &s.Reading)
		s.Every, s.Enabled, s.FromFile, s.CreatedAt = time.Duration(every)*time.Microsecond, enabled == 1, file == 1, Time(created)
		s.LastReadAt, s.NextReadAt = TimePtr(last), TimePtr(next)
		if s.NextReadAt == nil && s.LastReadAt != nil && s.Enabled && s.Every > 0 {
			t := s.LastReadAt.Add(s.Every)
			s.NextReadAt = &t
		}
		ids = append(ids, id)
		return s, err
	})
	if err != nil {
		return nil, err
	}
	scopes, facts, err := tx.scopeStates(ctx)
	if err != nil {
		return nil, err
	}
	slow, err := tx.latencies(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := range out {
		s := &out[i]
		s.Scopes, s.Facts, s.Latency = scopes[ids[i]], facts[ids[i]], slow[ids[i]]
		for _, x := range counts {
			if x.Source == s.Name {
				s.Counts = s.Counts.Add(x.Counts)
			}
		}
	}
	return out, nil
}

// scopeStates reads the scopes of each source, and how many facts their last
// readings held.
func (tx *Tx) scopeStates(ctx context.Context) (map[int64][]monitor.ScopeState, map[int64]int64, error) {
	kinds := map[int64][]string{}
	if err := tx.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var k string
		err := rows.Scan(&id, &k)
		kinds[id] = append(kinds[id], k)
		return err
	}, "SELECT scope, kind FROM scope_kind ORDER BY scope, kind"); err != nil {
		return nil, nil, err
	}
	out, facts := map[int64][]monitor.ScopeState{}, map[int64]int64{}
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var s monitor.ScopeState
		var id, source, complete int64
		var last, whole sql.NullInt64
		err := rows.Scan(&id, &source, &s.Name, &last, (*string)(&s.LastResult), &whole, &s.Seen, &s.Of, &s.Forbidden, &s.Why, &s.Permission, &complete)
		s.Kinds, s.LastAt, s.LastCompleteAt = kinds[id], Time(last.Int64), TimePtr(whole)
		out[source] = append(out[source], s)
		facts[source] += max(complete, s.Seen)
		return err
	}, `SELECT p.id, p.source, p.name, p.last_at, p.last_result, p.last_complete_at, p.seen, p.of_count, p.forbidden, p.why, p.permission,
		COALESCE((SELECT r.seen FROM receipt r WHERE r.scope = p.id AND r.result = 'complete' ORDER BY r.id DESC LIMIT 1), 0)
		FROM scope p WHERE p.id > 0 ORDER BY p.source, p.name`)
	return out, facts, err
}

// latencies reads how long it took over 30 days, by source; -1 is all of them.
func (tx *Tx) latencies(ctx context.Context, c *catalog) (map[int64]monitor.Latency, error) {
	samples := map[int64]map[string][]int64{-1: {}}
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var kind string
		var source, us int64
		err := rows.Scan(&source, &kind, &us)
		if samples[source] == nil {
			samples[source] = map[string][]int64{}
		}
		for _, s := range []int64{source, -1} {
			samples[s][kind] = append(samples[s][kind], us)
		}
		return err
	}, "SELECT source, kind, us FROM (SELECT id, source, kind, us, at FROM latency ORDER BY id DESC LIMIT 5000) x WHERE at > $1 AND at <= $2", c.now-30*24*time.Hour.Microseconds(), c.now)
	if err != nil {
		return nil, fmt.Errorf("read latencies: %w", err)
	}
	out := map[int64]monitor.Latency{}
	for source, by := range samples {
		var l monitor.Latency
		l.DetectP50, l.DetectP95 = quantiles(by["detect"])
		l.AlertP50, l.AlertP95 = quantiles(by["alert"])
		l.FixP50, l.FixP95 = quantiles(by["fix"])
		l.Samples = int64(len(by["detect"]) + len(by["alert"]) + len(by["fix"]))
		out[source] = l
	}
	return out, nil
}

func quantiles(us []int64) (p50, p95 time.Duration) {
	if len(us) == 0 {
		return 0, 0
	}
	slices.Sort(us)
	at := func(q int) time.Duration { return time.Duration(us[min(len(us)-1, len(us)*q/100)]) * time.Microsecond }
	return at(50), at(95)
}

// Strip gives the last days of checks: the worst status that held on each, and
// the counts at its end. With a fact it is that fact's own.
func (db *DB) Strip(ctx context.Context, checks []string, source, fact string, days int) (out map[string][]monitor.Day, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, time.Time{})
		if err != nil {
			return err
		}
		if fact != "" {
			out, err = tx.factDays(ctx, c, checks, source, fact, days)
			return err
		}
		all, err := tx.days(ctx, c, checks, source, days)
		delete(all, "")
		out = all
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the days of checks: %w", err)
	}
	return out, nil
}

// A dayCount is a number of verdicts at the end of a day, and its peak on it.
type dayCount struct{ n, peak int64 }

// days folds the counts by day; "" is all checks together.
func (tx *Tx) days(ctx context.Context, c *catalog, checks []string, source string, days int) (map[string][]monitor.Day, error) {
	last := dayOf(c.now)
	first := last - int64(days) + 1
	at := map[monitor.TallyKey]map[int64]dayCount{}
	start := map[monitor.TallyKey]int64{}
	takes := func(k monitor.TallyKey) bool {
		x, s := c.checks[k.Check], c.sources[c.sourceOf(k.Scope)]
		return x != nil && s != nil && anyOf(checks, x.name) && (source == "" || source == s.name || k.Scope == 0)
	}
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var k monitor.TallyKey
		var d int64
		var v dayCount
		if err := rows.Scan(&k.Check, &k.Scope, &k.Own, &k.Outcome, &d, &v.n, &v.peak); err != nil || !takes(k) {
			return err
		}
		if at[k] == nil {
			at[k] = map[int64]dayCount{}
		}
		at[k][d] = v
		return nil
	}, "SELECT chk, scope, own, outcome, day, n, peak FROM tally_day WHERE day >= $1 AND day <= $2", first, last)
	if err != nil {
		return nil, err
	}
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var k monitor.TallyKey
		var n int64
		if err := rows.Scan(&k.Check, &k.Scope, &k.Own, &k.Outcome, &n); err != nil || !takes(k) || n == 0 {
			return err
		}
		start[k] = n
		if at[k] == nil {
			at[k] = map[int64]dayCount{}
		}
		return nil
	}, `SELECT t.chk, t.scope, t.own, t.outcome, COALESCE((SELECT d.n FROM tally_day d WHERE d.chk = t.chk AND d.scope = t.scope AND d.own = t.own
		AND d.outcome = t.outcome AND d.day < $1 ORDER BY d.day DESC LIMIT 1), 0) FROM tally t`, first)
	if err != nil {
		return nil, err
	}
	stale, err := tx.staleDays(ctx, first, last)
	if err != nil {
		return nil, err
	}
	ok, err := tx.accepted(ctx, c, first, last)
	if err != nil {
		return nil, err
	}
	return c.foldDays(at, start, stale, ok, first, last), nil
}

// staleDays reads on which days a scope was stale under a limit, at its end.
func (tx *Tx) staleDays(ctx context.Context, first, last int64) (map[monitor.OverlayKey][][2]int64, error) {
	const dayUS = 24 * 60 * 60 * 1_000_000
	out := map[monitor.OverlayKey][][2]int64{}
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var k monitor.OverlayKey
		var from int64
		var to sql.NullInt64
		err := rows.Scan(&k.Scope, &k.Fact, &k.Fresh, &from, &to)
		end := (last + 1) * dayUS
		if to.Valid {
			end = to.Int64
		}
		out[k] = append(out[k], [2]int64{from, end})
		return err
	}, "SELECT scope, fact, fresh_us, from_at, to_at FROM overlay WHERE fact <= 0 AND from_at < $1 AND (to_at IS NULL OR to_at > $2)", (last+1)*dayUS, first*dayUS)
	return out, err
}

func (c *catalog) foldDays(at map[monitor.TallyKey]map[int64]dayCount, start map[monitor.TallyKey]int64,
	stale map[monitor.OverlayKey][][2]int64, ok *accepted, first, last int64,
) map[string][]monitor.Day {
	out := map[string][]monitor.Day{}
	slot := func(name string, d int64) *monitor.Day {
		if out[name] == nil {
			out[name] = make([]monitor.Day, last-first+1)
			for i := range out[name] {
				out[name][i].Date = time.Unix((first+int64(i))*24*60*60, 0).UTC().Format(time.DateOnly)
			}
		}
		return &out[name][d-first]
	}
	for k, days := range at {
		x := c.checks[k.Check]
		n := start[k]
		for d := first; d <= last; d++ {
			peak := n
			if v, ok := days[d]; ok {
				n, peak = v.n, max(v.peak, n)
			}
			if n == 0 && peak == 0 {
				continue
			}
			key := monitor.OverlayKey{Scope: k.Scope, Fresh: x.fresh}
			if k.Scope == 0 {
				key.Fact = c.sets[x.kind]
			}
			was := k.Own == monitor.OwnStale || k.Own == monitor.OwnNo && staleAt(stale[key], min((d+1)*24*60*60*1_000_000-1, c.now))
			s, isStale := statusWhen(k.Outcome, was)
			excepted, worst := int64(0), s
			if s == monitor.StatusFail {
				var all bool
				if excepted, all = ok.of(k, c.nameOf(k.Scope), d, n, peak); all {
					worst = monitor.StatusExcepted
				}
			}
			for _, name := range []string{x.name, ""} {
				day := slot(name, d)
				count(&day.Counts, s, isStale, n-excepted)
				count(&day.Counts, monitor.StatusExcepted, false, excepted)
				if peak > 0 && (day.Worst == "" || rank(worst) < rank(day.Worst)) {
					day.Worst = worst
				}
			}
		}
	}
	return out
}

// statusWhen is a status without exceptions.
func statusWhen(o check.Outcome, stale bool) (monitor.Status, bool) {
	switch {
	case o == check.NotApplicable:
		return monitor.StatusNotApplicable, false
	case stale:
		return monitor.StatusUnknown, true
	case o == check.Fail:
		return monitor.StatusFail, false
	case o == check.Pass:
		return monitor.StatusPass, false
	}
	return monitor.StatusUnknown, false
}

// factDays gives the days of one fact from its intervals.
func (tx *Tx) factDays(ctx context.Context, c *catalog, checks []string, source, fact string, days int) (map[string][]monitor.Day, error) {
	last := dayOf(c.now)
	first := last - int64(days) + 1
	const dayUS = 24 * 60 * 60 * 1_000_000
	out := map[string][]monitor.Day{}
	ids, err := tx.factIDs(ctx, fact)
	if err != nil || len(ids) == 0 {
		return out, err
	}
	ok, err := tx.accepted(ctx, c, first, last)
	if err != nil {
		return nil, err
	}
	w := &where{}
	in(w, "v.fact", ids)
	if source != "" {
		w.and("s.name = ?", source)
	}
	read := func(rows *sql.Rows) error {
		var chk, from int64
		var to sql.NullInt64
		var o check.Outcome
		if err := rows.Scan(&chk, &o, &from, &to); err != nil {
			return err
		}
		x := c.checks[chk]
		if x == nil || !anyOf(checks, x.name) {
			return nil
		}
		if out[x.name] == nil {
			out[x.name] = make([]monitor.Day, days)
			for i := range out[x.name] {
				out[x.name][i].Date = time.Unix((first+int64(i))*24*60*60, 0).UTC().Format(time.DateOnly)
			}
		}
		plain, _ := statusWhen(o, false)
		until := c.now
		if to.Valid {
			until = to.Int64 - 1
		}
		for d := max(first, dayOf(from)); d <= min(last, dayOf(until)); d++ {
			day := &out[x.name][d-first]
			s, worst := plain, plain
			if o == check.Fail {
				end, all := ok.fact(chk, source, ids, spell{from, until + 1}, d)
				if end {
					s = monitor.StatusExcepted
				}
				if all {
					worst = monitor.StatusExcepted
				}
			}
			if day.Worst == "" || rank(worst) < rank(day.Worst) {
				day.Worst = worst
			}
			if !to.Valid || to.Int64 >= (d+1)*dayUS {
				count(&day.Counts, s, false, 1)
			}
		}
		return nil
	}
	if err := tx.each(ctx, read, "SELECT v.chk, v.outcome, v.from_at, v.to_at"+listedFrom+"WHERE v.to_at IS NULL AND "+w.text(), w.args...); err != nil {
		return nil, err
	}
	w.and("v.to_at > ?", first*dayUS)
	return out, tx.each(ctx, read, "SELECT v.chk, v.outcome, v.from_at, v.to_at"+listedFrom+"WHERE v.to_at IS NOT NULL AND "+w.text(), w.args...)
}

// Changes lists what turned since an instant, the newest first; first sights
// are not among them.
func (db *DB) Changes(ctx context.Context, since time.Time, limit int) (out []monitor.Change, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, `SELECT c.name, v.version, f.kind, f.fid, s.name, v.prev, v.outcome, v.drift, v.from_at, v.reason, f.name, c.severity, r.actor
			FROM verdict v JOIN chk c ON c.id = v.chk JOIN fact f ON f.id = v.fact JOIN source s ON s.id = f.source LEFT JOIN run r ON r.id = v.run
			WHERE v.prev IS NOT NULL AND v.from_at >= $1 ORDER BY v.from_at DESC, v.id DESC LIMIT $2`, Micros(since), max(1, min(limit, 1000)))
		out, err = scanAll(rows, err, func(rows *sql.Rows) (x monitor.Change, err error) {
			var drift, at int64
			var actor sql.NullString
			err = rows.Scan(&x.Check, &x.Version, &x.Fact.Kind, &x.Fact.ID, &x.Fact.Source, &x.From, &x.To, &drift, &at, &x.Reason, &x.Name, &x.Severity, &actor)
			x.Drift, x.At, x.Actor = drift == 1, Time(at), actor.String
			return x, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	return out, nil
}
