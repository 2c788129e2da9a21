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

// A foundRow is a finding with its row.
type foundRow struct {
	id, severity, due int64
	g                 monitor.Finding
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

// A lightRow is what lists need to decide about a finding.
type lightRow struct {
	id, severity, due, closed, opened, chk, source, fact int64
	owner                                                string
}

// A findingOrder is an order that an index gives.
type findingOrder struct {
	key  func(lightRow) (a, b int64)
	down bool
	a, b string // columns of the key
}

func orderOf(f monitor.Filter) findingOrder {
	column, down := sortOf(f.Sort)
	switch {
	case f.ClosedOnly:
		return findingOrder{a: "closed_at", b: "id", down: true, key: func(x lightRow) (int64, int64) { return x.closed, x.id }}
	case column == "due" && f.OpenOnly:
		return findingOrder{a: "due_at", b: "id", down: down, key: func(x lightRow) (int64, int64) { return x.due, x.id }}
	case (column == "severity" || column == "") && f.OpenOnly:
		return findingOrder{a: "severity", b: "id", down: down || column == "", key: func(x lightRow) (int64, int64) { return x.severity, x.id }}
	case column == "opened":
		return findingOrder{a: "id", b: "id", down: down, key: func(x lightRow) (int64, int64) { return x.id, x.id }}
	}
	return findingOrder{a: "id", b: "id", down: true, key: func(x lightRow) (int64, int64) { return x.id, x.id }}
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

// findingPiece is how many rows are looked at in one go.
const findingPiece = 1000

func (tx *Tx) findings(ctx context.Context, c *catalog, f monitor.Filter) (page monitor.Page[monitor.Finding], err error) {
	l := &findingList{tx: tx, c: c, f: f, order: orderOf(f)}
	if err := l.prepare(ctx); err != nil {
		return page, err
	}
	cur, resumed, err := readCursor(f.Cursor, f.Sort)
	if err != nil {
		return page, err
	}
	limit, examined := pageSize(f), 0
	for {
		light, err := l.piece(ctx, cur, resumed)
		if err != nil {
			return page, err
		}
		var want []int64
		for _, x := range light {
			if l.takes(x) {
				want = append(want, x.id)
			}
		}
		full, err := l.full(ctx, want)
		if err != nil {
			return page, err
		}
		for _, x := range light {
			if len(page.Items) == limit {
				page.Next, page.Total = cur.text(), l.total
				return page, nil
			}
			a, b := l.order.key(x)
			cur, resumed = cursor{Sort: f.Sort, A: a, ID: b}, true
			if g, ok := full[x.id]; ok && anyOf(f.Status, g.Status) && anyOf(f.Kind, g.Kind) && has(f.Text, g.Check, g.Fact, g.Name, g.Owner) {
				page.Items = append(page.Items, g)
			}
		}
		examined += len(light)
		switch {
		case len(light) < findingPiece:
			page.Total = l.total
			if f.Cursor == "" {
				page.Total = int64(len(page.Items))
			}
			return page, nil
		case examined >= maxExamined:
			page.Next, page.Total = cur.text(), l.total
			return page, nil
		}
	}
}

type findingList struct {
	tx      *Tx
	c       *catalog
	f       monitor.Filter
	order   findingOrder
	facts   []int64 // where one id is asked for
	checks  map[int64]bool
	sources map[int64]bool
	total   int64
}

// prepare turns names into ids, and counts where that is quick.
func (l *findingList) prepare(ctx context.Context) error {
	f := l.f
	l.total, l.checks, l.sources = -1, map[int64]bool{}, map[int64]bool{}
	for _, x := range l.c.checks {
		l.checks[x.id] = l.c.takes(monitor.Filter{Check: f.Check, Control: f.Control}, x, 0)
	}
	for _, s := range l.c.sources {
		l.sources[s.id] = anyOf(f.Source, s.name)
	}
	if f.Fact != "" {
		var err error
		l.facts, err = l.tx.factIDs(ctx, f.Fact)
		return err
	}
	if f.OpenOnly && !l.c.past && len(f.Check)+len(f.Control)+len(f.Source)+len(f.Owner)+len(f.Severity)+len(f.Status)+len(f.Kind)+len(f.Text) == 0 {
		if err := l.tx.Row(ctx, []any{&l.total}, "SELECT COUNT(*) FROM (SELECT 1 FROM finding g WHERE g.closed_at IS NULL LIMIT 10001) x"); err != nil {
			return err
		}
		if l.total > 10000 {
			l.total = -1
		}
	}
	return nil
}

func (l *findingList) takes(x lightRow) bool {
	f := l.f
	now := l.c.now
	open := x.closed == 0 || l.c.past && x.closed > now
	return l.checks[x.chk] && l.sources[x.source] && anyOf(f.Owner, x.owner) && anyOf(f.Severity, check.Severity(x.severity)) && //nolint:gosec // stored by us, 1 to 4
		(!l.c.past || x.opened <= now) && (!f.OpenOnly || open) && (!f.ClosedOnly || !open)
}

// piece walks an index; it decides nothing that the index cannot.
func (l *findingList) piece(ctx context.Context, cur cursor, resumed bool) ([]lightRow, error) {
	w, o := &where{}, l.order
	if l.f.OpenOnly && !l.c.past {
		w.and("closed_at IS NULL")
	}
	if l.f.ClosedOnly {
		w.and("closed_at IS NOT NULL")
	}
	if l.f.Fact != "" {
		in(w, "fact", l.facts)
	}
	op, dir := ">", ""
	if o.down {
		op, dir = "<", " DESC"
	}
	by := o.a + dir
	if o.a != o.b {
		by += ", " + o.b + dir
	}
	if resumed && o.a == o.b {
		w.and(o.a+" "+op+" ?", cur.ID)
	} else if resumed {
		w.and("("+o.a+", "+o.b+") "+op+" (?, ?)", cur.A, cur.ID)
	}
	rows, err := l.tx.Query(ctx, fmt.Sprintf(`SELECT id, severity, due_at, COALESCE(closed_at, 0), opened_at, chk, source, fact, owner
		FROM finding WHERE %s ORDER BY %s LIMIT %d`, w.text(), by, findingPiece), w.args...)
	return scanAll(rows, err, func(rows *sql.Rows) (x lightRow, err error) {
		return x, rows.Scan(&x.id, &x.severity, &x.due, &x.closed, &x.opened, &x.chk, &x.source, &x.fact, &x.owner)
	})
}

// full reads findings with what is known of their facts and verdicts; only as
// many as a page shows, unless texts are searched.
func (l *findingList) full(ctx context.Context, ids []int64) (map[int64]monitor.Finding, error) {
	if n := pageSize(l.f); len(ids) > n && l.f.Text == "" && len(l.f.Status)+len(l.f.Kind) == 0 {
		ids = ids[:n]
	}
	rows, err := gather(ctx, l.tx, nil, ids, func(in string) string {
		return "SELECT " + findingColumns + " FROM finding g" + findingFrom + "WHERE g.id IN " + in
	}, l.c.scanFinding)
	if err != nil {
		return nil, err
	}
	var held map[int64][]monitor.Silence
	if !l.c.past && !l.f.ClosedOnly {
		if held, err = l.tx.silenced(ctx, l.c.now, ids); err != nil {
			return nil, err
		}
	}
	out := make(map[int64]monitor.Finding, len(rows))
	for _, x := range rows {
		x.g.Silences = held[x.id]
		out[x.id] = x.g
	}
	return out, nil
}

// factIDs finds the facts and sets that have an id, whatever their kind and source.
func (tx *Tx) factIDs(ctx context.Context, id string) ([]int64, error) {
	rows, err := tx.Query(ctx, "SELECT id FROM fact WHERE fid = $1 AND kind IN (SELECT kind FROM scope_kind UNION SELECT kind FROM chk) LIMIT 1000", id)
	ids, err := scanAll(rows, err, func(rows *sql.Rows) (x int64, err error) { return x, rows.Scan(&x) })
	slices.Sort(ids)
	return ids, err
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
		held, err := tx.silenced(ctx, c.now, []int64{all[0].id})
		g.Silences = held[all[0].id]
		return err
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
