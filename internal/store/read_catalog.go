package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// A catalog is what every list needs to know first: few rows, whatever the
// number of facts.
type catalog struct {
	now     int64 // the instant that is asked about
	past    bool  // it is not the present
	checks  map[int64]*catCheck
	byName  map[string]*catCheck
	scopes  map[int64]*catScope
	sources map[int64]*catSource
	clocks  map[string]int64                      // of a kind's set: its oldest complete reading
	overlay map[monitor.OverlayKey]bool           // staleness, where the past is asked about
	sets    map[string]int64                      // facts that are the sets of kinds
	all     map[int64]string                      // checks whose failures are all excepted → exception
	source  map[[2]int64]string                   // check and source → exception
	fact    map[[2]int64]string                   // check and fact → exception
	rows    map[monitor.TallyKey]map[int64]string // buckets with excepted facts
}

type catCheck struct {
	id       int64
	name     string
	version  int
	kind     string
	severity check.Severity
	each     bool
	fresh    int64
	owner    string
	removed  bool
	controls []string
}

type catScope struct {
	id, source, opened, complete int64
	name                         string
	kinds                        []string
}

type catSource struct {
	id          int64
	name, owner string
}

// catalog reads it as of an instant; the zero time is now.
func (tx *Tx) catalog(ctx context.Context, at time.Time) (*catalog, error) {
	c := &catalog{
		now: Micros(tx.Now()), checks: map[int64]*catCheck{}, byName: map[string]*catCheck{}, scopes: map[int64]*catScope{},
		sources: map[int64]*catSource{}, clocks: map[string]int64{}, overlay: map[monitor.OverlayKey]bool{},
		all: map[int64]string{}, source: map[[2]int64]string{}, fact: map[[2]int64]string{}, rows: map[monitor.TallyKey]map[int64]string{},
	}
	if !at.IsZero() && Micros(at) < c.now {
		c.now, c.past = Micros(at), true
	}
	for _, f := range []func(context.Context, *catalog) error{tx.catChecks, tx.catScopes, tx.catOverlays, tx.catExceptions} {
		if err := f(ctx, c); err != nil {
			return nil, fmt.Errorf("read what lists need: %w", err)
		}
	}
	return c, nil
}

func (tx *Tx) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (tx *Tx) catChecks(ctx context.Context, c *catalog) error {
	err := tx.each(ctx, func(rows *sql.Rows) error {
		x := &catCheck{}
		var each int64
		if err := rows.Scan(&x.id, &x.name, &x.version, &x.kind, &x.severity, &each, &x.fresh, &x.owner, &x.removed); err != nil {
			return err
		}
		x.each = each == 1
		c.checks[x.id], c.byName[x.name] = x, x
		return nil
	}, "SELECT id, name, version, kind, severity, each_fact, fresh_us, owner, removed_at IS NOT NULL FROM chk")
	if err != nil {
		return err
	}
	return tx.each(ctx, func(rows *sql.Rows) error {
		var control string
		var id int64
		if err := rows.Scan(&control, &id); err != nil {
			return err
		}
		if x := c.checks[id]; x != nil {
			x.controls = append(x.controls, control)
		}
		return nil
	}, "SELECT control, chk FROM chk_control ORDER BY control")
}

func (tx *Tx) catScopes(ctx context.Context, c *catalog) error {
	if err := tx.each(ctx, func(rows *sql.Rows) error {
		s := &catSource{}
		err := rows.Scan(&s.id, &s.name, &s.owner)
		c.sources[s.id] = s
		return err
	}, "SELECT id, name, owner FROM source"); err != nil {
		return err
	}
	if err := tx.each(ctx, func(rows *sql.Rows) error {
		s := &catScope{}
		err := rows.Scan(&s.id, &s.source, &s.name, &s.opened, &s.complete)
		c.scopes[s.id] = s
		return err
	}, "SELECT id, source, name, COALESCE(opened_at, 0), COALESCE(last_complete_at, 0) FROM scope"); err != nil {
		return err
	}
	return tx.each(ctx, func(rows *sql.Rows) error {
		var kind string
		var id, enabled int64
		if err := rows.Scan(&kind, &id, &enabled); err != nil {
			return err
		}
		s := c.scopes[id]
		if s == nil {
			return nil
		}
		s.kinds = append(s.kinds, kind)
		if at, ok := c.clocks[kind]; enabled == 1 && s.complete != 0 && (!ok || s.complete < at) {
			c.clocks[kind] = s.complete
		}
		return nil
	}, "SELECT k.kind, k.scope, s.enabled FROM scope_kind k JOIN scope p ON p.id = k.scope JOIN source s ON s.id = p.source ORDER BY k.kind")
}

// catOverlays reads what was stale; of the present it follows from the clocks.
func (tx *Tx) catOverlays(ctx context.Context, c *catalog) error {
	c.sets = map[string]int64{}
	if err := tx.each(ctx, func(rows *sql.Rows) error {
		var kind string
		var id int64
		err := rows.Scan(&kind, &id)
		c.sets[kind] = id
		return err
	}, "SELECT kind, id FROM fact WHERE id < 0"); err != nil || !c.past {
		return err
	}
	return tx.each(ctx, func(rows *sql.Rows) error {
		var k monitor.OverlayKey
		err := rows.Scan(&k.Scope, &k.Fact, &k.Fresh)
		c.overlay[k] = true
		return err
	}, "SELECT scope, fact, fresh_us FROM overlay WHERE fact <= 0 AND from_at <= $1 AND (to_at IS NULL OR to_at > $1)", c.now)
}

// catExceptions reads which failures are excepted.
func (tx *Tx) catExceptions(ctx context.Context, c *catalog) error {
	type one struct{ ext, chk, fid, source string }
	var named []one
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var e one
		if err := rows.Scan(&e.ext, &e.chk, &e.fid, &e.source); err != nil {
			return err
		}
		x := c.byName[e.chk]
		switch {
		case x == nil:
		case e.fid != "":
			named = append(named, e)
		case e.source == "":
			c.all[x.id] = e.ext
		default:
			for _, s := range c.sources {
				if s.name == e.source {
					c.source[[2]int64{x.id, s.id}] = e.ext
				}
			}
		}
		return nil
	}, `SELECT e.ext, e.chk, e.fid, e.source FROM exception e JOIN exception_span p ON p.exception = e.id
		WHERE p.from_at <= $1 AND (p.to_at IS NULL OR p.to_at > $1) ORDER BY e.id`, c.now)
	if err != nil {
		return err
	}
	for _, e := range named {
		x := c.byName[e.chk]
		err := tx.each(ctx, func(rows *sql.Rows) error {
			var fact int64
			k := monitor.TallyKey{Check: x.id, Outcome: check.Fail}
			if err := rows.Scan(&fact, &k.Scope, &k.Own); err != nil {
				return err
			}
			if s := c.sources[c.sourceOf(k.Scope)]; e.source != "" && (s == nil || s.name != e.source) || c.whole(x.id, k.Scope) != "" {
				return nil
			}
			c.fact[[2]int64{x.id, fact}] = e.ext
			if c.rows[k] == nil {
				c.rows[k] = map[int64]string{}
			}
			c.rows[k][fact] = e.ext
			return nil
		}, `SELECT v.fact, v.scope, v.own FROM fact f JOIN verdict v ON v.fact = f.id AND v.chk = $1
			WHERE f.kind = $2 AND f.fid = $3 AND v.outcome = $4 AND v.from_at <= $5 AND (v.to_at IS NULL OR v.to_at > $5)`,
			x.id, x.kind, e.fid, int64(check.Fail), c.now)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *catalog) sourceOf(scope int64) int64 {
	if s := c.scopes[scope]; s != nil {
		return s.source
	}
	return 0
}

// whole gives the exception under which all failures of a check in a scope are.
func (c *catalog) whole(chk, scope int64) string {
	if e := c.all[chk]; e != "" {
		return e
	}
	return c.source[[2]int64{chk, c.sourceOf(scope)}]
}

// excepted gives the exception of one failure.
func (c *catalog) excepted(chk, scope, fact int64) string {
	if e := c.whole(chk, scope); e != "" {
		return e
	}
	return c.fact[[2]int64{chk, fact}]
}

// stale says whether a bucket of verdicts is shown as not read since.
func (c *catalog) stale(k monitor.TallyKey) bool {
	x := c.checks[k.Check]
	if x == nil {
		return false
	}
	switch {
	case k.Own == monitor.OwnStale:
		return true
	case k.Own == monitor.OwnFresh:
		return false
	case c.past && k.Scope == 0:
		return c.overlay[monitor.OverlayKey{Fact: c.sets[x.kind], Fresh: x.fresh}]
	case c.past:
		return c.overlay[monitor.OverlayKey{Scope: k.Scope, Fresh: x.fresh}]
	case k.Scope == 0:
		at, ok := c.clocks[x.kind]
		return ok && c.now >= at+x.fresh
	}
	s := c.scopes[k.Scope]
	if s == nil {
		return false
	}
	at := max(s.complete, s.opened)
	return at != 0 && c.now >= at+x.fresh
}

// status lays the overlays over an outcome.
func (c *catalog) status(k monitor.TallyKey, exception string) (s monitor.Status, stale bool) {
	stale = c.stale(k)
	switch {
	case k.Outcome == check.NotApplicable:
		return monitor.StatusNotApplicable, false
	case k.Outcome == check.Fail && exception != "":
		return monitor.StatusExcepted, stale
	case stale:
		return monitor.StatusUnknown, true
	case k.Outcome == check.Fail:
		return monitor.StatusFail, false
	case k.Outcome == check.Pass:
		return monitor.StatusPass, false
	}
	return monitor.StatusUnknown, false
}

// add counts n verdicts of a bucket, with its exceptions.
func (c *catalog) add(to *monitor.Counts, k monitor.TallyKey, n int64) {
	if k.Outcome == check.Fail {
		if c.whole(k.Check, k.Scope) != "" {
			to.Excepted += n
			return
		}
		ex := min(n, int64(len(c.rows[k])))
		to.Excepted += ex
		n -= ex
	}
	s, stale := c.status(k, "")
	count(to, s, stale, n)
}

func count(to *monitor.Counts, s monitor.Status, stale bool, n int64) {
	switch s {
	case monitor.StatusPass:
		to.Pass += n
	case monitor.StatusFail:
		to.Fail += n
	case monitor.StatusNotApplicable:
		to.NotApplicable += n
	case monitor.StatusExcepted:
		to.Excepted += n
	default:
		to.Unknown += n
		if stale {
			to.Stale += n
		}
	}
}

// buckets gives the counts as of the catalog's instant.
func (tx *Tx) buckets(ctx context.Context, c *catalog) (map[monitor.TallyKey]int64, error) {
	if !c.past {
		return tx.tally(ctx)
	}
	rows, err := tx.Query(ctx, `SELECT t.chk, t.scope, t.own, t.outcome, COALESCE((SELECT l.n FROM tally_log l WHERE l.chk = t.chk AND l.scope = t.scope
		AND l.own = t.own AND l.outcome = t.outcome AND l.at <= $1 ORDER BY l.at DESC LIMIT 1), 0) FROM tally t`, c.now)
	if err != nil {
		return nil, fmt.Errorf("read the counts of the past: %w", err)
	}
	return scanTally(rows)
}

func anyOf[T comparable](want []T, is T) bool { return len(want) == 0 || slices.Contains(want, is) }

// takes says whether a filter may take verdicts of a check in a scope.
func (c *catalog) takes(f monitor.Filter, x *catCheck, scope int64) bool {
	if x == nil || !anyOf(f.Check, x.name) || !anyOf(f.Kind, x.kind) || !anyOf(f.Severity, x.severity) {
		return false
	}
	if s := c.sources[c.sourceOf(scope)]; len(f.Source) > 0 && (s == nil || !slices.Contains(f.Source, s.name)) {
		return false
	}
	return len(f.Control) == 0 || slices.ContainsFunc(x.controls, func(id string) bool { return slices.Contains(f.Control, id) })
}
