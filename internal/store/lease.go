package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrFenced is returned where a transaction was begun under a lease that
// another replica took over since.
var ErrFenced = errors.New("another replica has taken over")

type epochKey struct{}

// Fenced marks ctx as work of the holder of a lease: no transaction of the
// monitor under it commits once another replica took the lease over.
func Fenced(ctx context.Context, epoch int64) context.Context {
	return context.WithValue(ctx, epochKey{}, epoch)
}

// epochOf is the epoch that ctx works under; 0: it needs no lease.
func epochOf(ctx context.Context) int64 {
	e, _ := ctx.Value(epochKey{}).(int64)
	return e
}

// Shared says whether several processes may serve from this database.
func (db *DB) Shared() bool { return db.dialect == Postgres }

// Replica is this process's name for the others; empty where there are none.
func (db *DB) Replica() string { return db.replica }

// TakeLease takes the lease that is free or ran out by the database's clock,
// and gives its epoch; 0: somebody else holds it. Whatever its last holder
// still has open is ended first, so that a process that was stopped in the
// middle of a transaction holds nobody up.
func (db *DB) TakeLease(ctx context.Context, ttl time.Duration) (epoch int64, err error) {
	var holder string
	var free bool
	row := db.side.QueryRowContext(ctx, "SELECT holder, until_at < "+db.dialect.clock()+" FROM lease WHERE one = 1")
	if err := row.Scan(&holder, &free); err != nil {
		return 0, fmt.Errorf("look at the lease: %w", err)
	}
	if !free {
		return 0, nil
	}
	if holder != "" && holder != db.replica {
		if _, err := db.side.ExecContext(ctx, db.dialect.disconnect(), holder); err != nil {
			return 0, fmt.Errorf("end the connections of the lease's last holder: %w", err)
		}
	}
	// Behind this lock no transaction of another epoch is between its look at
	// the lease and its commit.
	err = db.run(ctx, db.side, nil, true, func(tx *Tx) error {
		if err := tx.Lock(ctx, LockHeart); err != nil {
			return err
		}
		clock := db.dialect.clock()
		err := tx.Row(ctx, []any{&epoch}, "UPDATE lease SET holder = $1, epoch = epoch + 1, until_at = "+clock+" + $2 WHERE one = 1 AND until_at < "+clock+" RETURNING epoch",
			db.replica, ttl.Microseconds())
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take the lease: %w", err)
	}
	return epoch, nil
}

// KeepLease lengthens the lease. held is false where another replica took it.
func (db *DB) KeepLease(ctx context.Context, epoch int64, ttl time.Duration) (held bool, err error) {
	res, err := db.side.ExecContext(ctx, "UPDATE lease SET until_at = "+db.dialect.clock()+" + $1 WHERE one = 1 AND holder = $2 AND epoch = $3",
		ttl.Microseconds(), db.replica, epoch)
	if err != nil {
		return false, fmt.Errorf("keep the lease: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// GiveLease frees the lease at once, and tells the others.
func (db *DB) GiveLease(ctx context.Context, epoch int64) error {
	err := db.run(ctx, db.side, nil, true, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE lease SET holder = '', until_at = 0 WHERE one = 1 AND holder = $1 AND epoch = $2", db.replica, epoch); err != nil {
			return err
		}
		return tx.Notify(ctx, TopicLease)
	})
	if err != nil {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return nil
}

// A LeaseView is who collects.
type LeaseView struct {
	Holder   string // the name that its process gave
	Replica  string // its random id
	Epoch    int64
	Replicas int64 // processes that serve now
}

// Lease reads who collects.
func (db *DB) Lease(ctx context.Context) (v LeaseView, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		clock := db.dialect.clock()
		return tx.Row(ctx, []any{&v.Replica, &v.Epoch, &v.Holder, &v.Replicas}, `SELECT l.holder, l.epoch, COALESCE(r.name, ''),
			(SELECT COUNT(*) FROM replica WHERE until_at >= `+clock+`) FROM lease l LEFT JOIN replica r ON r.id = l.holder WHERE l.one = 1`)
	})
	if err != nil {
		return v, fmt.Errorf("read the lease: %w", err)
	}
	return v, nil
}

// Beat says that this process serves, for ttl from now, and forgets those that
// have said nothing for a day.
func (db *DB) Beat(ctx context.Context, name string, ttl time.Duration) error {
	clock := db.dialect.clock()
	_, err := db.side.ExecContext(ctx, `INSERT INTO replica (id, name, started_at, until_at) VALUES ($1, $2, $3, `+clock+` + $4)
		ON CONFLICT (id) DO UPDATE SET until_at = excluded.until_at`, db.replica, name, Micros(db.now()), ttl.Microseconds())
	if err == nil {
		_, err = db.side.ExecContext(ctx, "DELETE FROM replica WHERE until_at < "+clock+" - $1", (24 * time.Hour).Microseconds())
	}
	if err != nil {
		return fmt.Errorf("say that this replica serves: %w", err)
	}
	return nil
}

// Leave takes this process out of those that serve.
func (db *DB) Leave(ctx context.Context) error {
	_, err := db.side.ExecContext(ctx, "UPDATE replica SET until_at = 0 WHERE id = $1", db.replica)
	if err != nil {
		return fmt.Errorf("say that this replica stops: %w", err)
	}
	return nil
}

// turn looks, once the monitor's lock is held, whether the lease that ctx works
// under still holds, and whether another process wrote since this one did.
func (h *heart) turn(ctx context.Context) error {
	if !h.db.Shared() {
		return nil
	}
	var epoch int64
	var writer string
	if err := h.Row(ctx, []any{&epoch, &writer}, "SELECT l.epoch, t.writer FROM lease l, heart_turn t WHERE l.one = 1 AND t.one = 1"); err != nil {
		return fmt.Errorf("look at the lease: %w", err)
	}
	if mine := epochOf(ctx); mine != 0 && mine != epoch {
		return ErrFenced
	}
	if h.turned = writer != h.db.replica; !h.turned {
		return nil
	}
	if _, err := h.Exec(ctx, "UPDATE heart_turn SET writer = $1 WHERE one = 1", h.db.replica); err != nil {
		return fmt.Errorf("note who writes: %w", err)
	}
	return nil
}

// Turned implements monitor.Tx.
func (h *heart) Turned() bool { return h.turned }

// Behind implements monitor.Store.
func (db *DB) Behind(ctx context.Context) (behind bool, err error) {
	if !db.Shared() {
		return false, nil
	}
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, []any{&behind}, "SELECT writer <> $1 FROM heart_turn WHERE one = 1", db.replica)
	})
	if err != nil {
		return false, fmt.Errorf("look who wrote last: %w", err)
	}
	return behind, nil
}

// An Errand is something that the holder of the lease is to do for a source.
type Errand struct {
	ID     string
	Source string
	Body   string
}

// PutErrand leaves an errand for the holder of the lease and wakes it.
func (db *DB) PutErrand(ctx context.Context, e Errand) error {
	err := db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO errand (id, source, body, at) VALUES ($1, $2, $3, $4)", e.ID, e.Source, e.Body, Micros(db.now())); err != nil {
			return err
		}
		return tx.Notify(ctx, TopicErrand)
	})
	if err != nil {
		return fmt.Errorf("hand source %s to the replica that collects: %w", e.Source, err)
	}
	return nil
}

// TakeErrands gives the errands that wait, to the holder of the lease only. One
// that dies with errands in hand loses nothing: its successor begins by
// reading every source.
func (db *DB) TakeErrands(ctx context.Context) (out []Errand, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		var n int64
		if err := tx.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM errand"); err != nil || n == 0 {
			return err
		}
		if err := tx.Lock(ctx, LockHeart); err != nil {
			return err
		}
		var epoch int64
		if err := tx.Row(ctx, []any{&epoch}, "SELECT epoch FROM lease WHERE one = 1"); err != nil {
			return err
		}
		if epoch != epochOf(ctx) {
			return ErrFenced
		}
		rows, err := tx.Query(ctx, "DELETE FROM errand RETURNING id, source, body")
		out, err = scanAll(rows, err, scanErrand)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take errands: %w", err)
	}
	return out, nil
}

func scanErrand(rows *sql.Rows) (e Errand, err error) {
	err = rows.Scan(&e.ID, &e.Source, &e.Body)
	return e, err
}
