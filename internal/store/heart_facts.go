package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

const factColumns = `f.id, f.kind, f.fid, f.source, s.name, f.scope, f.name, f.owner_set, f.owner_said, f.origin,
	f.observed_at, f.first_seen, f.changed_at, COALESCE(f.gone_at, 0), f.hash, f.own, f.refs`

func scanFact(withData bool) func(*sql.Rows) (monitor.FactRow, error) {
	return func(rows *sql.Rows) (f monitor.FactRow, err error) {
		var hash, data []byte
		var own, refs int64
		dest := []any{
			&f.ID, &f.Key.Kind, &f.Key.ID, &f.Source, &f.Key.Source, &f.Scope, &f.Name, &f.OwnerSet, &f.OwnerSaid, &f.Origin,
			&f.ObservedAt, &f.FirstSeen, &f.ChangedAt, &f.GoneAt, &hash, &own, &refs,
		}
		if withData {
			dest = append(dest, &data)
		}
		err = rows.Scan(dest...)
		copy(f.Hash[:], hash)
		f.Own, f.Refs, f.Data = own == 1, refs == 1, data
		return f, err
	}
}

// FactsByKey implements monitor.Tx.
func (h *heart) FactsByKey(ctx context.Context, source int64, kind string, ids []string) ([]monitor.FactRow, error) {
	text := func(in string) string {
		return "SELECT " + factColumns + " FROM fact f JOIN source s ON s.id = f.source WHERE f.source = $1 AND f.kind = $2 AND f.fid IN " + in
	}
	out, err := gather(ctx, h.Tx, []any{source, kind}, ids, text, scanFact(false))
	if err != nil {
		return nil, fmt.Errorf("find facts by key: %w", err)
	}
	return out, nil
}

// FactsByID implements monitor.Tx.
func (h *heart) FactsByID(ctx context.Context, ids []int64, data bool) ([]monitor.FactRow, error) {
	text := func(in string) string {
		if data {
			return "SELECT " + factColumns + ", d.data FROM fact f JOIN source s ON s.id = f.source JOIN fact_data d ON d.fact = f.id WHERE f.id IN " + in
		}
		return "SELECT " + factColumns + " FROM fact f JOIN source s ON s.id = f.source WHERE f.id IN " + in
	}
	out, err := gather(ctx, h.Tx, nil, ids, text, scanFact(data))
	if err != nil {
		return nil, fmt.Errorf("find facts by id: %w", err)
	}
	slices.SortFunc(out, func(a, b monitor.FactRow) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return out, nil
}

// FactsNamed implements monitor.Tx.
func (h *heart) FactsNamed(ctx context.Context, kind string, ids []string) ([]monitor.FactRow, error) {
	text := func(in string) string {
		return "SELECT " + factColumns + `, d.data FROM fact f JOIN source s ON s.id = f.source JOIN fact_data d ON d.fact = f.id
			WHERE f.kind = $1 AND f.gone_at IS NULL AND f.fid IN ` + in
	}
	out, err := gather(ctx, h.Tx, []any{kind}, ids, text, scanFact(true))
	if err != nil {
		return nil, fmt.Errorf("find facts by name: %w", err)
	}
	slices.SortFunc(out, func(a, b monitor.FactRow) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return slices.CompactFunc(out, func(a, b monitor.FactRow) bool { return a.ID == b.ID }), nil
}

// FactsOfKind implements monitor.Tx.
func (h *heart) FactsOfKind(ctx context.Context, kind string, after int64, limit int) ([]monitor.FactRow, error) {
	rows, err := h.Query(ctx, "SELECT "+factColumns+`, d.data FROM fact f JOIN source s ON s.id = f.source JOIN fact_data d ON d.fact = f.id
		WHERE f.kind = $1 AND f.id > $2 AND f.gone_at IS NULL ORDER BY f.id LIMIT $3`, kind, max(0, after), limit)
	out, err := scanAll(rows, err, scanFact(true))
	if err != nil {
		return nil, fmt.Errorf("list facts of kind %s: %w", kind, err)
	}
	return out, nil
}

// HasFacts implements monitor.Tx.
func (h *heart) HasFacts(ctx context.Context, kind string) (bool, error) {
	var n int64
	err := h.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM fact WHERE kind = $1 AND id > 0 LIMIT 1) x", kind)
	return n > 0, err
}

// FactsOfScope implements monitor.Tx.
func (h *heart) FactsOfScope(ctx context.Context, scope, after int64, limit int, own bool) ([]monitor.FactRow, error) {
	which := ""
	if own {
		which = " AND own = 1"
	}
	rows, err := h.Query(ctx, "SELECT id, observed_at, own FROM fact WHERE scope = $1 AND id > $2 AND gone_at IS NULL"+which+" ORDER BY id LIMIT $3",
		scope, max(0, after), limit)
	out, err := scanAll(rows, err, func(rows *sql.Rows) (f monitor.FactRow, err error) {
		var own int64
		err = rows.Scan(&f.ID, &f.ObservedAt, &own)
		f.Own = own == 1
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("list facts of a scope: %w", err)
	}
	return out, nil
}

// RefsTo implements monitor.Tx.
func (h *heart) RefsTo(ctx context.Context, kind string, ids []string) ([]int64, error) {
	text := func(in string) string { return "SELECT fact FROM fact_ref WHERE to_kind = $1 AND to_id IN " + in }
	out, err := gather(ctx, h.Tx, []any{kind}, ids, text, func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("read the reverse index: %w", err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// RefsOf implements monitor.Tx.
func (h *heart) RefsOf(ctx context.Context, facts []int64) ([]monitor.RefRow, error) {
	text := func(in string) string { return "SELECT to_kind, to_id, fact FROM fact_ref WHERE fact IN " + in }
	return gather(ctx, h.Tx, nil, facts, text, func(rows *sql.Rows) (r monitor.RefRow, err error) {
		return r, rows.Scan(&r.Kind, &r.ID, &r.Fact)
	})
}

// SetFactOwner implements monitor.Tx.
func (h *heart) SetFactOwner(ctx context.Context, source, id, owner string) (int64, error) {
	return h.Exec(ctx, "UPDATE fact SET owner_set = $1 WHERE fid = $2 AND id > 0 AND source = (SELECT id FROM source WHERE name = $3) AND kind IN (SELECT kind FROM scope_kind)",
		owner, id, source)
}

// Set implements monitor.Tx.
func (h *heart) Set(ctx context.Context, kind string, now int64) (monitor.FactRow, error) {
	rows, err := h.Query(ctx, "SELECT "+factColumns+" FROM fact f JOIN source s ON s.id = f.source WHERE f.kind = $1 AND f.fid = $2 AND f.source = 0", kind, "set:"+kind)
	found, err := scanAll(rows, err, scanFact(false))
	if err != nil {
		return monitor.FactRow{}, fmt.Errorf("find the set of %s: %w", kind, err)
	}
	if len(found) > 0 {
		return found[0], nil
	}
	f := monitor.FactRow{Key: fact.Key{Kind: kind, ID: "set:" + kind}, Name: "set:" + kind, FirstSeen: now, ChangedAt: now, ObservedAt: now}
	if err := h.Row(ctx, []any{&f.ID}, "SELECT COALESCE(MIN(id), 0) - 1 FROM fact WHERE id < 0"); err != nil {
		return f, err
	}
	_, err = h.Exec(ctx, `INSERT INTO fact (id, kind, fid, source, scope, name, observed_at, first_seen, changed_at, hash)
		VALUES ($1, $2, $3, 0, 0, $4, $5, $6, $7, $8)`, f.ID, kind, f.Key.ID, f.Name, now, now, now, []byte{})
	if err != nil {
		return f, fmt.Errorf("make the set of %s: %w", kind, err)
	}
	return f, nil
}

// FactIs implements monitor.Tx.
func (h *heart) FactIs(ctx context.Context, chk, source, id string) ([]string, error) {
	where, args := "", []any{chk, id}
	if source != "" {
		where, args = " AND s.name = $3", append(args, source)
	}
	rows, err := h.Query(ctx, `SELECT CASE WHEN f.owner_set <> '' THEN f.owner_set ELSE f.owner_said END
		FROM chk c JOIN fact f ON f.kind = c.kind AND f.fid = $2 JOIN source s ON s.id = f.source
		WHERE c.name = $1`+where+" ORDER BY f.id", args...)
	out, err := scanAll(rows, err, func(rows *sql.Rows) (o string, err error) { return o, rows.Scan(&o) })
	if err == nil && len(out) == 0 && strings.HasPrefix(id, "set:") {
		return []string{""}, nil
	}
	return out, err
}
