package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is what replicas listen to.
const channel = "prumo"

// A Topic says what a notice is about.
type Topic string

// The topics.
const (
	TopicTurned   Topic = "turned"   // verdicts changed
	TopicSettings Topic = "settings" // settings changed
	TopicErrand   Topic = "errand"   // the holder of the lease is asked for something
	TopicLease    Topic = "lease"    // the lease is free
	TopicMissed   Topic = "missed"   // the connection is new: anything may have happened
)

// Notify tells the other replicas when the transaction is committed. On the
// embedded database there is nobody to tell.
func (tx *Tx) Notify(ctx context.Context, t Topic) error {
	if !tx.db.Shared() {
		return nil
	}
	if _, err := tx.sql.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, string(t)+" "+tx.db.replica); err != nil {
		return fmt.Errorf("tell the other replicas: %w", err)
	}
	return nil
}

// Times of the connection that listens.
const (
	listenPing  = 5 * time.Second // silence after which it is asked whether it still stands
	listenAgain = time.Second     // rest before it is made anew
)

// Listen calls heard with each notice of another replica until ctx ends, and
// with TopicMissed each time that the connection was made anew. heard must be
// quick.
func (db *DB) Listen(ctx context.Context, heard func(Topic)) {
	for ctx.Err() == nil {
		if err := db.listen(ctx, heard); err != nil && ctx.Err() == nil {
			db.log.WarnContext(ctx, "not listening to the other replicas", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

func (db *DB) listen(ctx context.Context, heard func(Topic)) error {
	start, cancel := context.WithTimeout(ctx, 2*listenPing)
	defer cancel()
	conn, err := pgx.ConnectConfig(start, db.url.Copy())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(end) // it is given up in any case
	}()
	if _, err := conn.Exec(start, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	heard(TopicMissed)
	for {
		wait, cancel := context.WithTimeout(ctx, listenPing)
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			topic, from, _ := strings.Cut(n.Payload, " ")
			if from != db.replica {
				heard(Topic(topic))
			}
		case ctx.Err() != nil:
			return nil
		case wait.Err() == nil || conn.IsClosed():
			return fmt.Errorf("wait for a notice: %w", err)
		default:
			ask, cancel := context.WithTimeout(ctx, listenPing)
			err := conn.Ping(ask)
			cancel()
			if err != nil {
				return fmt.Errorf("ask whether the connection stands: %w", err)
			}
		}
	}
}
