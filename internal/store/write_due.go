package store

import (
	"context"
	"fmt"
	"time"
)

// SetDue says by when an open finding must be mended; it returns ErrNotFound
// where there is none that is open.
func (db *DB) SetDue(ctx context.Context, finding string, due time.Time) error {
	err := db.Write(ctx, func(tx *Tx) error {
		if err := tx.Lock(ctx, LockHeart); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, "UPDATE finding SET due_at = $1 WHERE ext = $2 AND closed_at IS NULL", Micros(due), finding)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set the due date of finding %s: %w", finding, err)
	}
	return nil
}
