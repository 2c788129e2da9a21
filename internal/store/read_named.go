package store

import (
	"context"
	"database/sql"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
)

// NamedBy lists the facts that name a fact and were read with it when they
// were judged, the newest first; of each only its key and its name. A fact
// whose own source has one of that kind and id names that one instead.
func (db *DB) NamedBy(ctx context.Context, source, kind, id string, limit int) (out []monitor.FactView, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, `SELECT f.kind, f.fid, s.name, f.name FROM fact_ref r JOIN fact f ON f.id = r.fact JOIN source s ON s.id = f.source
			WHERE r.to_kind = $1 AND r.to_id = $2 AND f.gone_at IS NULL AND f.id > 0 AND (s.name = $3
				OR NOT EXISTS (SELECT 1 FROM fact o WHERE o.kind = $1 AND o.fid = $2 AND o.source = f.source AND o.gone_at IS NULL))
			ORDER BY r.fact DESC LIMIT $4`, kind, id, source, limit)
		out, err = scanAll(rows, err, func(rows *sql.Rows) (f monitor.FactView, err error) {
			return f, rows.Scan(&f.Kind, &f.ID, &f.Source, &f.Name)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what names a fact: %w", err)
	}
	return out, nil
}
