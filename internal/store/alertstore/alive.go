package alertstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/store"
)

// aliveEvery is how often a replica looks for jobs of dead ones.
const aliveEvery = 4 * time.Second

// alive proves on PostgreSQL that this process lives: it holds an advisory
// lock under the name that the queue writes into the jobs it runs. The lock
// falls with the connection, so a killed process loses it at once, and any
// other frees its jobs. On SQLite there is one process, and none of this.
type alive struct {
	store *Store
	name  string
	conn  *sql.Conn // belongs to watch once that runs
	stop  context.CancelFunc
	ended chan struct{}
}

// clientName is new for each process.
func clientName(prefix string) string {
	if prefix == "" {
		prefix = "prumo"
	}
	return prefix + "-" + rand.Text()
}

// lockOf is the advisory lock that belongs to a name.
func lockOf(name string) int64 {
	sum := sha256.Sum256([]byte("prumo alerts alive " + name))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

// start takes the lock, frees what dead processes left, and goes on doing so.
func (a *alive) start(ctx context.Context) error {
	if a.store.db.Dialect() == store.SQLite {
		return a.store.db.Write(ctx, func(t *store.Tx) error {
			_, err := t.Exec(ctx, "UPDATE river_job SET state = 'available' WHERE state = 'running' AND queue = $1", queueName)
			return err
		})
	}
	if err := a.hold(ctx); err != nil {
		return err
	}
	if err := a.free(ctx); err != nil {
		return errors.Join(err, a.conn.Close())
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.ended = make(chan struct{})
	go a.watch(ctx)
	return nil
}

// close ends the watch and gives the lock back.
func (a *alive) close() {
	if a.stop == nil {
		return
	}
	a.stop()
	<-a.ended
	a.stop = nil
}

// watch keeps the lock through a lost connection and looks for dead processes.
func (a *alive) watch(ctx context.Context) {
	defer close(a.ended)
	defer func() { _ = a.conn.Close() }()
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = a.conn.ExecContext(end, "SELECT pg_advisory_unlock($1)", lockOf(a.name)) // falls with the connection in any case
			return
		case <-tick.C:
			if err := a.round(ctx); err != nil && ctx.Err() == nil {
				a.store.log.WarnContext(ctx, "alerts of dead processes are not looked for", "error", err)
			}
		}
	}
}

func (a *alive) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, aliveEvery)
	defer cancel()
	if err := a.conn.PingContext(ctx); err != nil {
		_ = a.conn.Close()
		if err := a.hold(ctx); err != nil {
			return err
		}
	}
	return a.free(ctx)
}

// hold takes the lock on a connection of its own.
func (a *alive) hold(ctx context.Context) error {
	conn, err := a.store.db.Pool().Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	a.conn = conn
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockOf(a.name)); err != nil {
		return errors.Join(fmt.Errorf("take the lock of this process: %w", err), conn.Close())
	}
	return nil
}

// free makes the jobs of processes that live no more available again.
func (a *alive) free(ctx context.Context) error {
	return a.store.db.Write(ctx, func(t *store.Tx) error {
		var rows []struct {
			Name string `db:"name"`
		}
		err := t.Select(ctx, &rows, `SELECT DISTINCT attempted_by[array_length(attempted_by, 1)] AS name FROM river_job
			WHERE state = 'running' AND queue = $1 AND attempted_by IS NOT NULL`, queueName)
		if err != nil {
			return err
		}
		for _, r := range rows {
			var dead bool
			if r.Name == a.name {
				continue
			}
			if err := t.Row(ctx, []any{&dead}, "SELECT pg_try_advisory_xact_lock($1)", lockOf(r.Name)); err != nil {
				return err
			}
			if !dead {
				continue
			}
			if _, err := t.Exec(ctx, `UPDATE river_job SET state = 'available'
				WHERE state = 'running' AND queue = $1 AND attempted_by[array_length(attempted_by, 1)] = $2`, queueName, r.Name); err != nil {
				return err
			}
		}
		return nil
	})
}
