package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Commits is how many writing transactions there were since the start.
func (db *DB) Commits() int64 { return db.commits.Load() }

// Shrink gives back the memory in which the embedded database keeps pages of
// its file. It is for a time of rest: what is asked next is read anew.
func (db *DB) Shrink(ctx context.Context) error {
	if db.dialect != SQLite {
		return nil
	}
	readers := max(1, db.reader.Stats().Idle)
	return errors.Join(shrink(ctx, db.writer, 1), shrink(ctx, db.reader, readers))
}

// shrink takes n connections of a pool at once, so that each is another one.
func shrink(ctx context.Context, pool *sql.DB, n int) error {
	var errs []error
	for range n {
		c, err := pool.Conn(ctx)
		if err != nil {
			return fmt.Errorf("give memory back: %w", errors.Join(append(errs, err)...))
		}
		defer func() { _ = c.Close() }() // it goes back to the pool
		_, err = c.ExecContext(ctx, "PRAGMA shrink_memory")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
