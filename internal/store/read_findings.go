package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

const findingColumns = `g.id, g.ext, g.chk, g.fact, g.scope, g.severity, g.owner, g.message, g.actor, g.opened_at, g.due_at, g.event_at,
	g.closed_at, g.closed_why, g.alerted_at, f.fid, f.name, f.kind, s.name, COALESCE(c.ext, ''), v.outcome, v.own, v.scope, v.reason`

const findingFrom = ` JOIN fact f ON f.id = g.fact JOIN source s ON s.id = g.source LEFT JOIN cause c ON c.id = g.cause
	LEFT JOIN verdict v ON v.fact = g.fact AND v.chk = g.chk AND v.to_at IS NULL `

// A foundRow is a finding with the keys by which lists go on.
type foundRow struct {
	id, severity, due, closed int64
	g                         monitor.Finding
}

func (c *catalog) scanFinding(rows *sql.Rows) (x foundRow, err error) {
	g := &x.g
	var chk, fact, scope, opened int64
	var event, closed, alerted, outcome, own, vscope sql.NullInt64
	var reason sql.NullString
	err = rows.Scan(&x.id, &g.ID, &chk, &fact, &scope, &x.severity, &g.Owner, &g.Message, &g.Actor, &opened, &x.due, &event,
		&closed, &g.ClosedWhy, &alerted, &g.Fact, &g.Name, &g.Kind, &g.Source, &g.Cause, &outcome, &own, &vscope, &reason)
	if err != nil {
		return x, err
	}
	if k := c.checks[chk]; k != nil {
		g.Check = k.name
	}
	x.closed = closed.Int64
	g.Severity, g.OpenedAt, g.DueAt = check.Severity(x.severity), Time(opened), Time(x.due) //nolint:gosec // stored by us, 1 to 4
	g.EventAt, g.ClosedAt, g.AlertedAt = TimePtr(event), TimePtr(closed), TimePtr(alerted)
	if closed.Valid && closed.Int64 > c.now {
		g.ClosedAt, g.ClosedWhy = nil, ""
	}
	g.Late = x.due < c.now && g.ClosedAt == nil
	g.Status, g.Reason = monitor.StatusUnknown, reason.String
	if outcome.Valid {
		k := monitor.TallyKey{Check: chk, Scope: vscope.Int64, Own: monitor.Own(own.Int64), Outcome: check.Outcome(outcome.Int64)} //nolint:gosec // stored by us, small
		g.Status, _ = c.status(k, c.excepted(chk, vscope.Int64, fact))
	}
	return x, nil
}

// A findingOrder is an order that an index gives.
type findingOrder struct {
	by   string // columns of g, the last its id
	key  func(foundRow) (a, b int64)
	down bool
	a, b string // columns of the key
}

func orderOf(f monitor.Filter) findingOrder {
	column, down := sortOf(f.Sort)
	switch {
	case f.ClosedOnly:
		return findingOrder{a: "g.closed_at", b: "g.id", down: true, key: func(x foundRow) (int64, int64) { return x.closed, x.id }}
	case column == "due" && f.OpenOnly:
		return findingOrder{a: "g.due_at", b: "g.id", down: down, key: func(x foundRow) (int64, int64) { return x.due, x.id }}
	case (column == "severity" || column == "") && f.OpenOnly:
		return findingOrder{a: "g.severity", b: "g.id", down: down || column == "", key: func(x foundRow) (int64, int64) { return x.severity, x.id }}
	case column == "opened":
		return findingOrder{a: "g.id", b: "g.id", down: down, key: func(x foundRow) (int64, int64) { return x.id, x.id }}
	}
	return findingOrder{a: "g.id", b: "g.id", down: true, key: func(x foundRow) (int64, int64) { return x.id, x.id }}
}

// Findings lists findings: the open ones by severity, the worst first, or by
// due date; the closed ones by when they were closed, the last first.
func (db *DB) Findings(ctx context.Context, f monitor.Filter) (page monitor.Page[monitor.Finding], err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, f.At)
		if err != nil {
			return err
		}
		page, err = tx.findings(ctx, c, f)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list findings: %w", err)
	}
	return page, nil
}

func (tx *Tx) findings(ctx context.Context, c *catalog, f monitor.Filter) (page monitor.Page[monitor.Finding], err error) {
	order := orderOf(f)
	cur, resumed, err := readCursor(f.Cursor, f.Sort)
	if err != nil {
		return page, err
	}
	w := tx.findingFilter(c, f)
	page.Total = -1
	if f.Text == "" && len(f.Status) == 0 && len(f.Kind) == 0 {
		if err := tx.Row(ctx, []any{&page.Total}, "SELECT COUNT(*) FROM (SELECT 1 FROM finding g WHERE "+w.text()+" LIMIT 10001) x", w.args...); err != nil {
			return page, err
		}
		if page.Total > 10000 {
			page.Total = -1
		}
	}
	limit, examined := pageSize(f), 0
	for {
		rows, err := tx.findingPiece(ctx, c, f, order, cur, resumed, 200)
		if err != nil {
			return page, err
		}
		for _, x := range rows {
			if len(page.Items) == limit || examined >= maxExamined/4 {
				page.Next = cur.text()
				return page, nil
			}
			a, b := order.key(x)
			cur, resumed = cursor{Sort: f.Sort, A: a, ID: b}, true
			examined++
			if anyOf(f.Status, x.g.Status) && anyOf(f.Kind, x.g.Kind) && has(f.Text, x.g.Check, x.g.Fact, x.g.Name, x.g.Owner) {
				page.Items = append(page.Items, x.g)
			}
		}
		if len(rows) < 200 {
			return page, nil
		}
	}
}

func (tx *Tx) findingPiece(ctx context.Context, c *catalog, f monitor.Filter, o findingOrder, cur cursor, resumed bool, n int) ([]foundRow, error) {
	w := tx.findingFilter(c, f)
	op, dir := ">", ""
	if o.down {
		op, dir = "<", " DESC"
	}
	if resumed && o.a == o.b {
		w.and(o.a+" "+op+" ?", cur.ID)
	} else if resumed {
		w.and("("+o.a+", "+o.b+") "+op+" (?, ?)", cur.A, cur.ID)
	}
	by := o.a + dir
	if o.b != o.a {
		by += ", " + o.b + dir
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT %s FROM finding g%sWHERE %s ORDER BY %s LIMIT %d", findingColumns, findingFrom, w.text(), by, n), w.args...)
	return scanAll(rows, err, c.scanFinding)
}

// findingFilter puts into SQL what columns of the finding can answer.
func (tx *Tx) findingFilter(c *catalog, f monitor.Filter) *where {
	w := &where{}
	switch {
	case c.past:
		w.and("g.opened_at <= ?", c.now)
		if f.OpenOnly {
			w.and("(g.closed_at IS NULL OR g.closed_at > ?)", c.now)
		}
		if f.ClosedOnly {
			w.and("g.closed_at <= ?", c.now)
		}
	case f.OpenOnly:
		w.and("g.closed_at IS NULL")
	case f.ClosedOnly:
		w.and("g.closed_at IS NOT NULL")
	}
	if len(f.Check)+len(f.Control) > 0 {
		var ids []int64
		for _, x := range c.checks {
			if c.takes(monitor.Filter{Check: f.Check, Control: f.Control}, x, 0) {
				ids = append(ids, x.id)
			}
		}
		slices.Sort(ids)
		in(w, "g.chk", ids)
	}
	if len(f.Source) > 0 {
		var ids []int64
		for _, s := range c.sources {
			if slices.Contains(f.Source, s.name) {
				ids = append(ids, s.id)
			}
		}
		slices.Sort(ids)
		in(w, "g.source", ids)
	}
	if len(f.Severity) > 0 {
		var ids []int64
		for _, s := range f.Severity {
			ids = append(ids, int64(s))
		}
		in(w, "g.severity", ids)
	}
	if len(f.Owner) > 0 {
		in(w, "g.owner", f.Owner)
	}
	if f.Fact != "" {
		w.and("g.fact IN (SELECT id FROM fact WHERE fid = ? AND kind IN (SELECT kind FROM scope_kind UNION SELECT kind FROM fact WHERE id < 0))", f.Fact)
	}
	return w
}

// Finding finds one finding by its id.
func (db *DB) Finding(ctx context.Context, id string) (g monitor.Finding, found bool, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, time.Time{})
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+findingColumns+" FROM finding g"+findingFrom+"WHERE g.ext = $1", id)
		all, err := scanAll(rows, err, c.scanFinding)
		if err != nil || len(all) == 0 {
			return err
		}
		g, found = all[0].g, true
		return nil
	})
	if err != nil {
		return g, false, fmt.Errorf("find finding %s: %w", id, err)
	}
	return g, found, nil
}

// RunOpen says whether a run may still find more.
func (db *DB) RunOpen(ctx context.Context, run int64) (open bool, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, []any{&open}, "SELECT ended_at IS NULL FROM run WHERE id = $1", run)
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return open, err
}

// Seal closes a cause in the transaction, and returns it with its last count:
// what its run finds later goes into its next part.
func (db *DB) Seal(ctx context.Context, tx *Tx, id string) (monitor.Cause, error) {
	c := monitor.Cause{ID: id}
	if _, err := tx.Exec(ctx, "UPDATE cause SET sealed_at = $1 WHERE ext = $2 AND sealed_at IS NULL", Micros(tx.Now()), id); err != nil {
		return c, fmt.Errorf("seal cause %s: %w", id, err)
	}
	var opened int64
	var event sql.NullInt64
	var first int64
	err := tx.Row(ctx, []any{&c.Kind, &first, &c.Check, &c.Source, &c.Owner, &c.Severity, &c.Run, &c.Part, &opened, &event, &c.Count},
		`SELECT a.kind, a.first, COALESCE(k.name, ''), COALESCE(s.name, ''), a.owner, a.severity, a.run, a.part, a.opened_at, a.event_at, a.n
		FROM cause a LEFT JOIN chk k ON k.id = a.chk LEFT JOIN source s ON s.id = a.source WHERE a.ext = $1`, id)
	if err != nil {
		return c, fmt.Errorf("read cause %s: %w", id, err)
	}
	c.First, c.OpenedAt, c.EventAt = first == 1, Time(opened), Time(event.Int64)
	return c, nil
}

// Delivered notes, in the transaction, that somebody was told of a cause for
// the first time, and how long that took from the change at the source.
func (db *DB) Delivered(ctx context.Context, tx *Tx, id string, at time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE finding SET alerted_at = $1 WHERE alerted_at IS NULL AND cause = (SELECT id FROM cause WHERE ext = $2)", Micros(at), id)
	if err != nil {
		return fmt.Errorf("note the delivery of cause %s: %w", id, err)
	}
	var source, since int64
	err = tx.Row(ctx, []any{&source, &since}, "SELECT source, COALESCE(event_at, opened_at) FROM cause WHERE ext = $1", id)
	if err != nil {
		return fmt.Errorf("read cause %s: %w", id, err)
	}
	return tx.latency(ctx, "alert", source, Micros(at), max(0, Micros(at)-since))
}
