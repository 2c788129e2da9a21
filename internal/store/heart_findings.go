package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// Findings implements monitor.Tx.
func (h *heart) Findings(ctx context.Context, ids []int64) ([]monitor.FindingRow, error) {
	text := func(in string) string {
		return "SELECT id, ext, chk, fact, scope, source, version, severity, owner, opened_at FROM finding WHERE id IN " + in
	}
	out, err := gather(ctx, h.Tx, nil, ids, text, func(rows *sql.Rows) (f monitor.FindingRow, err error) {
		return f, rows.Scan(&f.ID, &f.Ext, &f.Check, &f.Fact, &f.Scope, &f.Source, &f.Version, &f.Severity, &f.Owner, &f.OpenedAt)
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return out, nil
}

// Cause implements monitor.Tx.
func (h *heart) Cause(ctx context.Context, k monitor.CauseKey) (c monitor.CauseRow, found bool, err error) {
	c.Key = k
	err = h.Row(ctx, []any{&c.ID, &c.Ext, &c.Severity, &c.Part, &c.OpenedAt, &c.EventAt, &c.Count, &c.Sealed},
		`SELECT id, ext, severity, part, opened_at, COALESCE(event_at, 0), n, sealed_at IS NOT NULL FROM cause
		WHERE run = $1 AND kind = $2 AND first = $3 AND chk = $4 AND source = $5 AND owner = $6 ORDER BY part DESC LIMIT 1`,
		k.Run, string(k.Kind), flag(k.First), k.Check, k.Source, k.Owner)
	if errors.Is(err, ErrNotFound) {
		return c, false, nil
	}
	return c, err == nil, err
}

// SaveCause implements monitor.Tx.
func (h *heart) SaveCause(ctx context.Context, c *monitor.CauseRow) error {
	if c.ID != 0 {
		_, err := h.Exec(ctx, "UPDATE cause SET n = $1, severity = $2 WHERE id = $3", c.Count, int64(c.Severity), c.ID)
		return err
	}
	id, err := h.nextID(ctx, "cause")
	if err != nil {
		return err
	}
	c.ID = id
	_, err = h.Exec(ctx, `INSERT INTO cause (id, ext, kind, first, chk, source, owner, severity, run, part, opened_at, event_at, n)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		id, c.Ext, string(c.Key.Kind), flag(c.Key.First), c.Key.Check, c.Key.Source, c.Key.Owner, int64(c.Severity),
		c.Key.Run, c.Part, c.OpenedAt, orNull(c.EventAt), c.Count)
	if err != nil {
		return fmt.Errorf("add a cause: %w", err)
	}
	return nil
}

// Latency implements monitor.Tx.
func (h *heart) Latency(ctx context.Context, kind string, source, at, us int64) error {
	return h.latency(ctx, kind, source, at, us)
}

func (tx *Tx) latency(ctx context.Context, kind string, source, at, us int64) error {
	_, err := tx.Exec(ctx, "INSERT INTO latency (id, kind, source, at, us) SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM latency",
		kind, source, at, us)
	if err != nil {
		return fmt.Errorf("note how long it took to %s: %w", kind, err)
	}
	return nil
}

// ownerNow is who answers for a finding f of the check c and the source s on the fact t.
const ownerNow = `CASE WHEN t.owner_set <> '' THEN t.owner_set WHEN t.owner_said <> '' THEN t.owner_said
	WHEN c.owner <> '' THEN c.owner WHEN s.owner <> '' THEN s.owner ELSE CAST($1 AS TEXT) END`

// Reassign implements monitor.Tx.
func (h *heart) Reassign(ctx context.Context, what monitor.Owned, source, id, fallback string) error {
	where, args := "", []any{fallback}
	switch what {
	case monitor.OwnCheck:
		where, args = "chk = (SELECT id FROM chk WHERE name = $2)", append(args, id)
	case monitor.OwnSource:
		where, args = "source = (SELECT id FROM source WHERE name = $2)", append(args, id)
	default:
		where = "fact IN (SELECT id FROM fact WHERE fid = $2 AND kind IN (SELECT kind FROM scope_kind) AND source = (SELECT id FROM source WHERE name = $3))"
		args = append(args, id, source)
	}
	_, err := h.Exec(ctx, `UPDATE finding SET owner = (SELECT `+ownerNow+` FROM fact t, chk c, source s
		WHERE t.id = finding.fact AND c.id = finding.chk AND s.id = finding.source) WHERE closed_at IS NULL AND `+where, args...)
	if err != nil {
		return fmt.Errorf("bring findings to their owner: %w", err)
	}
	return nil
}

const exceptionColumns = `e.id, e.ext, e.chk, e.kind, e.fid, e.source, e.reason, e.requester, e.approver, e.solo, e.created_at, COALESCE(e.approved_at, 0),
	e.ends_at, e.guard, e.guard_ok, COALESCE(e.revoked_at, 0), COALESCE(e.ended_at, 0),
	EXISTS (SELECT 1 FROM exception_span p WHERE p.exception = e.id AND p.to_at IS NULL)`

func scanException(rows *sql.Rows) (e monitor.ExceptionRow, err error) {
	var solo, ok int64
	err = rows.Scan(&e.ID, &e.Ext, &e.Check, &e.Kind, &e.Fact, &e.Source, &e.Reason, &e.Requester, &e.Approver, &solo, &e.CreatedAt, &e.ApprovedAt,
		&e.EndsAt, &e.Guard, &ok, &e.RevokedAt, &e.EndedAt, &e.Active)
	e.Solo, e.GuardOK = solo == 1, ok == 1
	return e, err
}

// ExceptionRow implements monitor.Tx.
func (h *heart) ExceptionRow(ctx context.Context, ext string) (monitor.ExceptionRow, bool, error) {
	rows, err := h.Query(ctx, "SELECT "+exceptionColumns+" FROM exception e WHERE e.ext = $1", ext)
	found, err := scanAll(rows, err, scanException)
	if err != nil || len(found) == 0 {
		return monitor.ExceptionRow{}, false, err
	}
	return found[0], true, nil
}

// LiveExceptions implements monitor.Tx.
func (h *heart) LiveExceptions(ctx context.Context) ([]monitor.ExceptionRow, error) {
	rows, err := h.Query(ctx, "SELECT "+exceptionColumns+" FROM exception e WHERE e.ended_at IS NULL AND e.approved_at IS NOT NULL ORDER BY e.id")
	return scanAll(rows, err, scanException)
}

// SaveException implements monitor.Tx.
func (h *heart) SaveException(ctx context.Context, e *monitor.ExceptionRow) error {
	if e.ID == 0 {
		id, err := h.nextID(ctx, "exception")
		if err != nil {
			return err
		}
		e.ID = id
		_, err = h.Exec(ctx, `INSERT INTO exception (id, ext, chk, kind, fid, source, reason, requester, created_at, ends_at, guard)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			id, e.Ext, e.Check, e.Kind, e.Fact, e.Source, e.Reason, e.Requester, e.CreatedAt, e.EndsAt, e.Guard)
		if err != nil {
			return fmt.Errorf("add an exception: %w", err)
		}
	}
	_, err := h.Exec(ctx, `UPDATE exception SET approver = $1, solo = $2, approved_at = $3, guard_ok = $4, revoked_at = $5, ended_at = $6 WHERE id = $7`,
		e.Approver, flag(e.Solo), orNull(e.ApprovedAt), flag(e.GuardOK), orNull(e.RevokedAt), orNull(e.EndedAt), e.ID)
	return err
}

// Cover implements monitor.Tx.
func (h *heart) Cover(ctx context.Context, exception, now int64, on bool) error {
	if !on {
		_, err := h.Exec(ctx, "UPDATE exception_span SET to_at = $1 WHERE exception = $2 AND to_at IS NULL", now, exception)
		return err
	}
	id, err := h.nextID(ctx, "exception_span")
	if err != nil {
		return err
	}
	_, err = h.Exec(ctx, "INSERT INTO exception_span (id, exception, from_at) VALUES ($1, $2, $3)", id, exception, now)
	return err
}

// Covered implements monitor.Tx: the failing verdicts are those with an open finding that still fail.
func (h *heart) Covered(ctx context.Context, e monitor.ExceptionRow) ([]monitor.CoveredRow, error) {
	where, args := "", []any{e.Check, int64(check.Fail)}
	if e.Fact != "" {
		args = append(args, e.Fact)
		where += fmt.Sprintf(" AND f.fid = $%d", len(args))
	}
	if e.Source != "" {
		args = append(args, e.Source)
		where += fmt.Sprintf(" AND s.name = $%d", len(args))
	}
	rows, err := h.Query(ctx, `SELECT c.id, s.id, CASE WHEN f.owner_set <> '' THEN f.owner_set WHEN f.owner_said <> '' THEN f.owner_said
			WHEN c.owner <> '' THEN c.owner ELSE s.owner END AS who, COUNT(*)
		FROM chk c JOIN verdict v ON v.chk = c.id AND v.to_at IS NULL JOIN fact f ON f.id = v.fact JOIN source s ON s.id = f.source
		WHERE c.name = $1 AND v.outcome = $2`+where+` GROUP BY c.id, s.id, who ORDER BY c.id, s.id, who`, args...)
	return scanAll(rows, err, func(rows *sql.Rows) (r monitor.CoveredRow, err error) {
		return r, rows.Scan(&r.Check, &r.Source, &r.Owner, &r.Count)
	})
}
