package store

import (
	"context"
	"database/sql"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
)

// EndRuns implements monitor.Tx. On the embedded database whatever is open was
// left by a process that is no more. On PostgreSQL other replicas read too: a
// run was left if it began under an earlier lease, or, where it needed none,
// if its replica serves no longer.
func (h *heart) EndRuns(ctx context.Context, now int64) ([]monitor.ScopeRow, error) {
	if h.db.Shared() {
		return h.endLeft(ctx, now)
	}
	if _, err := h.Exec(ctx, "UPDATE run SET ended_at = $1 WHERE ended_at IS NULL AND cause <> $2", now, string(monitor.TriggerCheck)); err != nil {
		return nil, fmt.Errorf("end runs that were left open: %w", err)
	}
	if _, err := h.Exec(ctx, "UPDATE source SET reading_since = NULL WHERE reading_since IS NOT NULL"); err != nil {
		return nil, err
	}
	rows, err := h.Query(ctx, "SELECT "+scopeColumns+" FROM scope WHERE opened_at IS NOT NULL ORDER BY id")
	return scanAll(rows, err, scanScope)
}

func (h *heart) endLeft(ctx context.Context, now int64) ([]monitor.ScopeRow, error) {
	rows, err := h.Query(ctx, `SELECT id FROM run WHERE ended_at IS NULL AND cause <> $1 AND (epoch > 0 AND epoch < (SELECT epoch FROM lease WHERE one = 1)
		OR epoch = 0 AND replica NOT IN (SELECT id FROM replica WHERE until_at >= `+h.db.dialect.clock()+`)) ORDER BY id`, string(monitor.TriggerCheck))
	runs, err := scanAll(rows, err, scanID)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	open, err := gather(ctx, h.Tx, nil, runs, func(in string) string {
		return "SELECT " + scopeColumns + " FROM scope WHERE id IN (SELECT scope FROM reading WHERE run IN " + in + ") ORDER BY id"
	}, scanScope)
	if err != nil {
		return nil, err
	}
	err = inChunks(runs, func(part []int64) error {
		in := List(len(part), 1)
		for _, q := range []string{"DELETE FROM reading WHERE run IN " + in, "DELETE FROM reading_seen WHERE run IN " + in} {
			if _, err := h.Exec(ctx, q, anys(nil, part)...); err != nil {
				return err
			}
		}
		_, err := h.Exec(ctx, "UPDATE run SET ended_at = $1 WHERE id IN "+List(len(part), 2), anys([]any{now}, part)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end runs that were left open: %w", err)
	}
	_, err = h.Exec(ctx, "UPDATE source SET reading_since = NULL WHERE reading_since IS NOT NULL AND id NOT IN (SELECT source FROM run WHERE ended_at IS NULL)")
	return open, err
}

func scanID(rows *sql.Rows) (id int64, err error) {
	err = rows.Scan(&id)
	return id, err
}

// OpenReading implements monitor.Tx.
func (h *heart) OpenReading(ctx context.Context, scope, run int64) error {
	if !h.db.Shared() {
		return nil
	}
	if _, err := h.Exec(ctx, "INSERT INTO reading (scope, run) VALUES ($1, $2) ON CONFLICT DO NOTHING", scope, run); err != nil {
		return fmt.Errorf("note a reading: %w", err)
	}
	return nil
}

// CloseReading implements monitor.Tx.
func (h *heart) CloseReading(ctx context.Context, scope, run int64) error {
	if !h.db.Shared() {
		return nil
	}
	if _, err := h.Exec(ctx, "DELETE FROM reading WHERE scope = $1 AND run = $2", scope, run); err != nil {
		return fmt.Errorf("end a reading: %w", err)
	}
	_, err := h.Exec(ctx, "DELETE FROM reading_seen WHERE scope = $1 AND NOT EXISTS (SELECT 1 FROM reading r WHERE r.scope = reading_seen.scope)", scope)
	return err
}

// Saw implements monitor.Tx: it writes only where another replica reads the scope.
func (h *heart) Saw(ctx context.Context, scope, run int64, facts []int64) error {
	if !h.db.Shared() || len(facts) == 0 {
		return nil
	}
	var n int64
	err := h.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM reading d JOIN run r ON r.id = d.run WHERE d.scope = $1 AND r.replica <> $2", scope, h.db.replica)
	if err != nil || n == 0 {
		return err
	}
	rows := make([][]any, 0, len(facts))
	for _, f := range facts {
		rows = append(rows, []any{scope, f, run})
	}
	if err := h.Insert(ctx, "INSERT INTO reading_seen (scope, fact, run)", "ON CONFLICT DO NOTHING", rows); err != nil {
		return fmt.Errorf("note what another reading of the scope saw: %w", err)
	}
	return nil
}

// SeenElsewhere implements monitor.Tx.
func (h *heart) SeenElsewhere(ctx context.Context, scope, run int64) ([]int64, error) {
	if !h.db.Shared() {
		return nil, nil
	}
	rows, err := h.Query(ctx, "SELECT DISTINCT fact FROM reading_seen WHERE scope = $1 AND run <> $2 ORDER BY fact", scope, run)
	return scanAll(rows, err, scanID)
}
