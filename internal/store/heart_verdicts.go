package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

const verdictColumns = `id, chk, fact, scope, own, outcome, known, drift, version, reason, missing, since, from_at,
	COALESCE(due_at, 0), COALESCE(stale_at, 0), COALESCE(finding, 0), run`

func scanVerdict(rows *sql.Rows) (v monitor.VerdictRow, err error) {
	var drift int64
	err = rows.Scan(&v.ID, &v.Check, &v.Fact, &v.Scope, &v.Own, &v.Outcome, &v.Known, &drift, &v.Version, &v.Reason, &v.Missing,
		&v.Since, &v.From, &v.DueAt, &v.StaleAt, &v.Finding, &v.Run)
	v.Drift, v.Prev = drift == 1, -1
	return v, err
}

// VerdictsOf implements monitor.Tx.
func (h *heart) VerdictsOf(ctx context.Context, facts []int64) ([]monitor.VerdictRow, error) {
	text := func(in string) string {
		return "SELECT " + verdictColumns + " FROM verdict WHERE to_at IS NULL AND fact IN " + in
	}
	out, err := gather(ctx, h.Tx, nil, facts, text, scanVerdict)
	if err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	slices.SortFunc(out, func(a, b monitor.VerdictRow) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return out, nil
}

// VerdictsOfCheck implements monitor.Tx.
func (h *heart) VerdictsOfCheck(ctx context.Context, chk, after int64, limit int) ([]monitor.VerdictRow, error) {
	rows, err := h.Query(ctx, "SELECT "+verdictColumns+" FROM verdict WHERE chk = $1 AND fact > $2 AND to_at IS NULL ORDER BY fact LIMIT $3", chk, after, limit)
	return scanAll(rows, err, scanVerdict)
}

// Due implements monitor.Tx.
func (h *heart) Due(ctx context.Context, now int64, limit int) ([]monitor.VerdictRow, error) {
	rows, err := h.Query(ctx, "SELECT "+verdictColumns+` FROM verdict
		WHERE to_at IS NULL AND due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $2`, now, limit)
	return scanAll(rows, err, scanVerdict)
}

// Staling implements monitor.Tx.
func (h *heart) Staling(ctx context.Context, now int64, limit int) ([]monitor.VerdictRow, error) {
	rows, err := h.Query(ctx, "SELECT "+verdictColumns+` FROM verdict
		WHERE to_at IS NULL AND stale_at IS NOT NULL AND stale_at <= $1 ORDER BY stale_at, id LIMIT $2`, now, limit)
	return scanAll(rows, err, scanVerdict)
}

// NextInstant implements monitor.Tx.
func (h *heart) NextInstant(ctx context.Context) (int64, error) {
	var due, stale int64
	err := h.Row(ctx, []any{&due, &stale}, `SELECT
		(SELECT COALESCE(MIN(due_at), 0) FROM verdict WHERE to_at IS NULL AND due_at IS NOT NULL),
		(SELECT COALESCE(MIN(stale_at), 0) FROM verdict WHERE to_at IS NULL AND stale_at IS NOT NULL)`)
	if due == 0 || stale != 0 && stale < due {
		due = stale
	}
	return due, err
}

func scanTally(rows *sql.Rows) (map[monitor.TallyKey]int64, error) {
	defer rows.Close()
	out := map[monitor.TallyKey]int64{}
	for rows.Next() {
		var k monitor.TallyKey
		var n int64
		if err := rows.Scan(&k.Check, &k.Scope, &k.Own, &k.Outcome, &n); err != nil {
			return nil, err
		}
		if n != 0 {
			out[k] = n
		}
	}
	return out, rows.Err()
}

// Tally implements monitor.Tx.
func (h *heart) Tally(ctx context.Context) (map[monitor.TallyKey]int64, error) { return h.tally(ctx) }

func (tx *Tx) tally(ctx context.Context) (map[monitor.TallyKey]int64, error) {
	rows, err := tx.Query(ctx, "SELECT chk, scope, own, outcome, n FROM tally")
	if err != nil {
		return nil, fmt.Errorf("read the counts: %w", err)
	}
	return scanTally(rows)
}

// CountVerdicts implements monitor.Tx.
func (h *heart) CountVerdicts(ctx context.Context) (map[monitor.TallyKey]int64, error) {
	rows, err := h.Query(ctx, "SELECT chk, scope, own, outcome, COUNT(*) FROM verdict WHERE to_at IS NULL GROUP BY chk, scope, own, outcome")
	if err != nil {
		return nil, err
	}
	return scanTally(rows)
}

// SetTally implements monitor.Tx.
func (h *heart) SetTally(ctx context.Context, at int64, is map[monitor.TallyKey]int64) error {
	kept, err := h.tally(ctx)
	if err != nil {
		return err
	}
	c := &monitor.Changes{At: at, Tally: map[monitor.TallyKey]int64{}}
	for k, n := range is {
		c.Tally[k] = n - kept[k]
	}
	return h.saveTally(ctx, c)
}

// Overlays implements monitor.Tx.
func (h *heart) Overlays(ctx context.Context, scope int64) (map[monitor.OverlayKey]int64, error) {
	where, args := "", []any(nil)
	if scope >= 0 {
		where, args = " AND scope = $1 AND fact <= 0", []any{scope}
	}
	rows, err := h.Query(ctx, "SELECT scope, fact, fresh_us, from_at FROM overlay WHERE to_at IS NULL"+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[monitor.OverlayKey]int64{}
	for rows.Next() {
		var k monitor.OverlayKey
		var at int64
		if err := rows.Scan(&k.Scope, &k.Fact, &k.Fresh, &at); err != nil {
			return nil, err
		}
		out[k] = at
	}
	return out, rows.Err()
}

// OverlaysOfFacts implements monitor.Tx.
func (h *heart) OverlaysOfFacts(ctx context.Context, facts []int64) ([]monitor.OverlayKey, error) {
	text := func(in string) string {
		return "SELECT scope, fact, fresh_us FROM overlay WHERE to_at IS NULL AND fact IN " + in
	}
	out, err := gather(ctx, h.Tx, nil, facts, text, func(rows *sql.Rows) (k monitor.OverlayKey, err error) {
		return k, rows.Scan(&k.Scope, &k.Fact, &k.Fresh)
	})
	slices.SortFunc(out, func(a, b monitor.OverlayKey) int {
		return int(max(-1, min(1, (a.Fact-b.Fact)*2+max(-1, min(1, a.Fresh-b.Fresh)))))
	})
	return slices.Compact(out), err
}

func scanMember(rows *sql.Rows) (m monitor.MemberRow, err error) {
	return m, rows.Scan(&m.Check, &m.Fact, &m.Cell, &m.DueAt)
}

// Members implements monitor.Tx.
func (h *heart) Members(ctx context.Context, facts []int64) ([]monitor.MemberRow, error) {
	out, err := gather(ctx, h.Tx, nil, facts, func(in string) string {
		return "SELECT chk, fact, cell, COALESCE(due_at, 0) FROM member WHERE fact IN " + in
	}, scanMember)
	if err != nil {
		return nil, fmt.Errorf("read members of sets: %w", err)
	}
	seen := map[[2]int64]bool{}
	return slices.DeleteFunc(out, func(m monitor.MemberRow) bool {
		k := [2]int64{m.Check, m.Fact}
		dup := seen[k]
		seen[k] = true
		return dup
	}), nil
}

// MembersDue implements monitor.Tx.
func (h *heart) MembersDue(ctx context.Context, chk, now int64, limit int) ([]monitor.MemberRow, error) {
	rows, err := h.Query(ctx, "SELECT chk, fact, cell, due_at FROM member WHERE chk = $1 AND due_at IS NOT NULL AND due_at <= $2 ORDER BY due_at, fact LIMIT $3", chk, now, limit)
	return scanAll(rows, err, scanMember)
}

// MemberTotals implements monitor.Tx.
func (h *heart) MemberTotals(ctx context.Context, chk int64, cells int) ([]int64, error) {
	rows, err := h.Query(ctx, "SELECT cell, n FROM member_total WHERE chk = $1", chk)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]int64, cells)
	for rows.Next() {
		var cell, n int64
		if err := rows.Scan(&cell, &n); err != nil {
			return nil, err
		}
		if cell >= 0 && cell < int64(cells) {
			out[cell] = n
		}
	}
	return out, rows.Err()
}

// MemberNextDue implements monitor.Tx.
func (h *heart) MemberNextDue(ctx context.Context, chk int64) (at int64, err error) {
	return at, h.Row(ctx, []any{&at}, "SELECT COALESCE(MIN(due_at), 0) FROM member WHERE chk = $1 AND due_at IS NOT NULL", chk)
}

// DropMembers implements monitor.Tx.
func (h *heart) DropMembers(ctx context.Context, chk int64) error {
	for _, q := range []string{"DELETE FROM member WHERE chk = $1", "DELETE FROM member_total WHERE chk = $1"} {
		if _, err := h.Exec(ctx, q, chk); err != nil {
			return err
		}
	}
	return nil
}

// Checks implements monitor.Tx.
func (h *heart) Checks(ctx context.Context) ([]monitor.CheckRow, error) {
	rows, err := h.Query(ctx, `SELECT id, name, version, digest, kind, severity, each_fact, fresh_us, owner, params, removed_at IS NOT NULL,
		work, work_from, work_run, work_first, COALESCE(dirty_at, 0) FROM chk ORDER BY id`)
	return scanAll(rows, err, func(rows *sql.Rows) (c monitor.CheckRow, err error) {
		var each, first int64
		err = rows.Scan(&c.ID, &c.Name, &c.Version, &c.Digest, &c.Kind, &c.Severity, &each, &c.Fresh, &c.Owner, &c.Params, &c.Removed,
			&c.Work, &c.WorkFrom, &c.WorkRun, &first, &c.DirtyAt)
		c.Each, c.WorkFirst = each == 1, first == 1
		return c, err
	})
}

// SaveCheck implements monitor.Tx.
func (h *heart) SaveCheck(ctx context.Context, c *monitor.CheckRow) error {
	if c.ID == 0 {
		id, err := h.nextID(ctx, "chk")
		if err != nil {
			return err
		}
		c.ID = id
		_, err = h.Exec(ctx, "INSERT INTO chk (id, name, version, digest, kind, severity, each_fact, fresh_us) VALUES ($1, $2, 0, '', '', 1, 1, 0)", id, c.Name)
		if err != nil {
			return fmt.Errorf("add check %s: %w", c.Name, err)
		}
	}
	removed := any(nil)
	if c.Removed {
		removed = Micros(h.Now())
	}
	_, err := h.Exec(ctx, `UPDATE chk SET version = $1, digest = $2, kind = $3, severity = $4, each_fact = $5, fresh_us = $6, owner = $7, params = $8,
		removed_at = $9, work = $10, work_from = $11, work_run = $12, work_first = $13 WHERE id = $14`,
		c.Version, c.Digest, c.Kind, int64(c.Severity), flag(c.Each), c.Fresh, c.Owner, c.Params,
		removed, string(c.Work), c.WorkFrom, c.WorkRun, flag(c.WorkFirst), c.ID)
	if err != nil {
		return fmt.Errorf("save check %s: %w", c.Name, err)
	}
	if c.Controls == nil {
		return nil
	}
	if _, err := h.Exec(ctx, "DELETE FROM chk_control WHERE chk = $1", c.ID); err != nil {
		return err
	}
	var rows [][]any
	for _, id := range c.Controls {
		rows = append(rows, []any{id, c.ID})
	}
	return h.Insert(ctx, "INSERT INTO chk_control (control, chk)", "ON CONFLICT DO NOTHING", rows)
}

// SetDirty implements monitor.Tx.
func (h *heart) SetDirty(ctx context.Context, chk, since int64) error {
	_, err := h.Exec(ctx, "UPDATE chk SET dirty_at = $1 WHERE id = $2", orNull(since), chk)
	return err
}

// GuardOK implements monitor.Tx.
func (h *heart) GuardOK(ctx context.Context, e monitor.ExceptionRow, now int64) (bool, error) {
	var n int64
	err := h.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM chk c JOIN fact f ON f.kind = c.kind
			AND ((c.each_fact = 1 AND f.fid = $2) OR (c.each_fact = 0 AND f.id < 0))
		JOIN source s ON s.id = f.source JOIN verdict v ON v.chk = c.id AND v.fact = f.id AND v.to_at IS NULL
		JOIN scope sc ON sc.id = v.scope
		WHERE c.name = $1 AND ($3 = '' OR s.name = $3 OR f.id < 0) AND v.outcome = $4
			AND CASE WHEN f.id < 0 THEN NOT EXISTS (SELECT 1 FROM overlay o WHERE o.scope = 0 AND o.fact = f.id AND o.fresh_us = c.fresh_us AND o.to_at IS NULL)
			ELSE `+clockOf+` + c.fresh_us > $5 END`,
		e.Guard, e.Fact, e.Source, int64(check.Pass), now)
	return n > 0, err
}

// clockOf is the last observation that a verdict rests on: its fact's own, or
// its scope's complete reading.
const clockOf = "CASE WHEN COALESCE(sc.last_complete_at, 0) > f.observed_at THEN sc.last_complete_at ELSE f.observed_at END"
