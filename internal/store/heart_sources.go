package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
)

// Source implements monitor.Tx.
func (h *heart) Source(ctx context.Context, name string, now int64) (monitor.SourceRow, error) {
	s, err := h.sourceWhere(ctx, "name = $1", name)
	if !errors.Is(err, ErrNotFound) {
		return s, err
	}
	id, err := h.nextID(ctx, "source")
	if err != nil {
		return s, err
	}
	if _, err := h.Exec(ctx, "INSERT INTO source (id, name, created_at) VALUES ($1, $2, $3)", id, name, now); err != nil {
		return s, fmt.Errorf("add source %s: %w", name, err)
	}
	return monitor.SourceRow{ID: id, Name: name, Enabled: true}, nil
}

// SourceByID implements monitor.Tx.
func (h *heart) SourceByID(ctx context.Context, id int64) (monitor.SourceRow, error) {
	return h.sourceWhere(ctx, "id = $1", id)
}

func (h *heart) sourceWhere(ctx context.Context, where string, arg any) (s monitor.SourceRow, err error) {
	var enabled int64
	err = h.Row(ctx, []any{&s.ID, &s.Name, &s.Owner, &enabled, &s.FirstRun},
		"SELECT id, name, owner, enabled, COALESCE(first_run, 0) FROM source WHERE "+where, arg)
	s.Enabled = enabled == 1
	return s, err
}

// SaveSource implements monitor.Tx.
func (h *heart) SaveSource(ctx context.Context, s monitor.Source, now int64) error {
	old, err := h.Source(ctx, s.Name, now)
	if err != nil {
		return err
	}
	_, err = h.Exec(ctx, `UPDATE source SET connector = $1, every_us = $2, enabled = $3, from_file = $4, owner = CASE WHEN $5 <> '' THEN $5 ELSE owner END,
		next_read_at = $6 WHERE id = $7`,
		s.Connector, s.Every.Microseconds(), flag(s.Enabled), flag(s.FromFile), s.Owner, next(s), old.ID)
	if err != nil {
		return fmt.Errorf("save source %s: %w", s.Name, err)
	}
	return nil
}

func next(s monitor.Source) any {
	if s.NextReadAt == nil {
		return nil
	}
	return orNull(Micros(*s.NextReadAt))
}

// SetSourceOwner implements monitor.Tx.
func (h *heart) SetSourceOwner(ctx context.Context, name, owner string) (int64, error) {
	return h.Exec(ctx, "UPDATE source SET owner = $1 WHERE name = $2 AND id > 0", owner, name)
}

// SetFirstRun implements monitor.Tx.
func (h *heart) SetFirstRun(ctx context.Context, source, run int64) error {
	_, err := h.Exec(ctx, "UPDATE source SET first_run = $1 WHERE id = $2 AND first_run IS NULL", run, source)
	return err
}

// DropSource implements monitor.Tx: the row stays for the history, under a
// name that no source can have, and its scopes go.
func (h *heart) DropSource(ctx context.Context, source int64) error {
	for _, q := range []string{
		"DELETE FROM scope_kind WHERE scope IN (SELECT id FROM scope WHERE source = $1)",
		"UPDATE source SET enabled = 0, first_run = NULL WHERE id = $1",
		"UPDATE scope SET last_complete_at = NULL, opened_at = NULL WHERE source = $1",
	} {
		if _, err := h.Exec(ctx, q, source); err != nil {
			return fmt.Errorf("drop a source: %w", err)
		}
	}
	_, err := h.Exec(ctx, "UPDATE source SET connector = '' WHERE id = $1", source)
	return err
}

const scopeColumns = `id, source, name, COALESCE(opened_at, 0), COALESCE(last_at, 0), last_result, COALESCE(last_complete_at, 0),
	seen, of_count, forbidden, status, why, permission`

func scanScope(rows *sql.Rows) (s monitor.ScopeRow, err error) {
	d := &s.Detail
	err = rows.Scan(&s.ID, &s.Source, &s.Name, &s.OpenedAt, &s.LastAt, &s.LastResult, &s.LastCompleteAt,
		&d.Seen, &d.Of, &d.Forbidden, &d.Status, &d.Why, &d.Permission)
	return s, err
}

// Scope implements monitor.Tx.
func (h *heart) Scope(ctx context.Context, source int64, name string, kinds []string) (monitor.ScopeRow, error) {
	rows, err := h.Query(ctx, "SELECT "+scopeColumns+" FROM scope WHERE source = $1 AND name = $2", source, name)
	found, err := scanAll(rows, err, scanScope)
	if err != nil {
		return monitor.ScopeRow{}, err
	}
	s := monitor.ScopeRow{Source: source, Name: name}
	if len(found) > 0 {
		s = found[0]
	} else {
		if s.ID, err = h.nextID(ctx, "scope"); err != nil {
			return s, err
		}
		if _, err := h.Exec(ctx, "INSERT INTO scope (id, source, name) VALUES ($1, $2, $3)", s.ID, source, name); err != nil {
			return s, fmt.Errorf("add scope %s: %w", name, err)
		}
	}
	return s, h.AddKinds(ctx, s.ID, kinds)
}

// AddKinds implements monitor.Tx.
func (h *heart) AddKinds(ctx context.Context, scope int64, kinds []string) error {
	for _, k := range kinds {
		if _, err := h.Exec(ctx, "INSERT INTO scope_kind (kind, scope) VALUES ($1, $2) ON CONFLICT DO NOTHING", k, scope); err != nil {
			return fmt.Errorf("add kind %s to a scope: %w", k, err)
		}
	}
	return nil
}

// ScopesOf implements monitor.Tx.
func (h *heart) ScopesOf(ctx context.Context, ids []int64) ([]monitor.ScopeRow, error) {
	return gather(ctx, h.Tx, nil, ids, func(in string) string { return "SELECT " + scopeColumns + " FROM scope WHERE id IN " + in }, scanScope)
}

// Scopes implements monitor.Tx.
func (h *heart) Scopes(ctx context.Context, kind string) ([]monitor.ScopeRow, error) {
	where, args := "id > 0", []any(nil)
	if kind != "" {
		where = "id IN (SELECT scope FROM scope_kind WHERE kind = $1) AND source IN (SELECT id FROM source WHERE enabled = 1)"
		args = []any{kind}
	}
	rows, err := h.Query(ctx, "SELECT "+scopeColumns+" FROM scope WHERE "+where+" ORDER BY id", args...)
	return scanAll(rows, err, scanScope)
}

// ScopesOfSource implements monitor.Tx.
func (h *heart) ScopesOfSource(ctx context.Context, source int64) ([]monitor.ScopeRow, error) {
	rows, err := h.Query(ctx, "SELECT "+scopeColumns+" FROM scope WHERE source = $1 ORDER BY id", source)
	return scanAll(rows, err, scanScope)
}

// ScopeKinds implements monitor.Tx.
func (h *heart) ScopeKinds(ctx context.Context, scope int64) (map[int64][]string, error) {
	where, args := "", []any(nil)
	if scope != 0 {
		where, args = " WHERE scope = $1", []any{scope}
	}
	rows, err := h.Query(ctx, "SELECT scope, kind FROM scope_kind"+where+" ORDER BY scope, kind", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64][]string{}
	for rows.Next() {
		var id int64
		var kind string
		if err := rows.Scan(&id, &kind); err != nil {
			return nil, err
		}
		out[id] = append(out[id], kind)
	}
	return out, rows.Err()
}

// SaveScope implements monitor.Tx.
func (h *heart) SaveScope(ctx context.Context, s monitor.ScopeRow) error {
	_, err := h.Exec(ctx, `UPDATE scope SET opened_at = $1, last_at = $2, last_result = $3, last_complete_at = $4, seen = $5, of_count = $6,
		forbidden = $7, status = $8, why = $9, permission = $10 WHERE id = $11`,
		orNull(s.OpenedAt), orNull(s.LastAt), string(s.LastResult), orNull(s.LastCompleteAt), s.Detail.Seen, s.Detail.Of,
		s.Detail.Forbidden, s.Detail.Status, s.Detail.Why, s.Detail.Permission, s.ID)
	if err != nil {
		return fmt.Errorf("save scope %s: %w", s.Name, err)
	}
	return nil
}

// BeginRun implements monitor.Tx.
func (h *heart) BeginRun(ctx context.Context, r monitor.RunRow) (int64, error) {
	id, err := h.nextID(ctx, "run")
	if err != nil {
		return 0, err
	}
	_, err = h.Exec(ctx, "INSERT INTO run (id, source, cause, actor, event_at, arrived_at, started_at, replica, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		id, r.Source, string(r.Trigger), r.Actor, orNull(r.EventAt), orNull(r.ArrivedAt), r.StartedAt, h.db.replica, epochOf(ctx))
	if err != nil {
		return 0, fmt.Errorf("add a run: %w", err)
	}
	if bySource(r.Trigger) {
		_, err = h.Exec(ctx, "UPDATE source SET reading_since = $1 WHERE id = $2", r.StartedAt, r.Source)
	}
	return id, err
}

func bySource(t monitor.Trigger) bool {
	return t != monitor.TriggerTimer && t != monitor.TriggerCheck && t != monitor.TriggerException
}

// EndRun implements monitor.Tx.
func (h *heart) EndRun(ctx context.Context, r monitor.RunRow, now int64, result, why string) error {
	if _, err := h.Exec(ctx, "UPDATE run SET ended_at = $1 WHERE id = $2", now, r.ID); err != nil {
		return fmt.Errorf("end a run: %w", err)
	}
	if h.db.Shared() && bySource(r.Trigger) {
		if _, err := h.Exec(ctx, "DELETE FROM reading WHERE run = $1", r.ID); err != nil {
			return fmt.Errorf("end the readings of a run: %w", err)
		}
	}
	switch {
	case result == "":
		return nil
	case r.Trigger == monitor.TriggerEvent || r.Trigger == monitor.TriggerTripwire:
		// What a few things answered says nothing about the source as a whole.
		_, err := h.Exec(ctx, "UPDATE source SET last_read_at = $1, reading_since = NULL WHERE id = $2", now, r.Source)
		return err
	}
	_, err := h.Exec(ctx, "UPDATE source SET last_read_at = $1, last_result = $2, last_why = $3, reading_since = NULL WHERE id = $4", now, result, why, r.Source)
	return err
}

// Receipt implements monitor.Tx.
func (h *heart) Receipt(ctx context.Context, scope int64) (r monitor.ReceiptRow, found bool, err error) {
	err = h.Row(ctx, []any{&r.ID, &r.Scope, &r.Result, &r.FirstAt, &r.LastAt, &r.Readings, &r.Seen, &r.Digest},
		"SELECT id, scope, result, first_at, last_at, readings, seen, digest FROM receipt WHERE scope = $1 AND ended_at IS NULL", scope)
	if errors.Is(err, ErrNotFound) {
		return r, false, nil
	}
	return r, err == nil, err
}

// SaveReceipt implements monitor.Tx.
func (h *heart) SaveReceipt(ctx context.Context, r monitor.ReceiptRow) error {
	if r.ID != 0 {
		leaf, err := h.nextLeaf(ctx)
		if err != nil || r.EndedAt == 0 {
			leaf = 0
		}
		_, err = h.Exec(ctx, "UPDATE receipt SET last_at = $1, readings = $2, ended_at = $3, leaf = $4 WHERE id = $5",
			r.LastAt, r.Readings, orNull(r.EndedAt), orNull(leaf), r.ID)
		return err
	}
	id, err := h.nextID(ctx, "receipt")
	if err != nil {
		return err
	}
	_, err = h.Exec(ctx, "INSERT INTO receipt (id, scope, result, first_at, last_at, readings, seen, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		id, r.Scope, string(r.Result), r.FirstAt, r.LastAt, r.Readings, r.Seen, r.Digest)
	if err != nil {
		return fmt.Errorf("save a receipt: %w", err)
	}
	return nil
}
