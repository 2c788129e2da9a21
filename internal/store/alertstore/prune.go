package alertstore

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"prumo.dev/prumo/internal/store"
)

// How long things are kept. The queue's own rows hold ids only and are of no
// use once their work is done: the queue's cleaner removes them. What was told
// to whom answers an auditor, so it stays for three years.
const (
	keepJobs   = time.Hour
	keepFailed = 7 * 24 * time.Hour
	keepEvents = 3 * 366 * 24 * time.Hour
	pruneEvery = 6 * time.Hour
	prunePiece = 200
)

// pruneJob removes what is older than it is kept.
type pruneJob struct{}

// Kind names the job in the database; it never changes.
func (pruneJob) Kind() string { return "alert_prune" }

type pruneWorker struct {
	river.WorkerDefaults[pruneJob]
	store *Store
}

// Work prunes until nothing is left to prune or the job's time is up; the next
// one goes on.
func (w *pruneWorker) Work(ctx context.Context, _ *river.Job[pruneJob]) error {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout/2)
	defer cancel()
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = w.store.prune(ctx); err != nil {
			return err
		}
	}
	return nil
}

// periodic prunes once after a start and from then on several times a day, on
// one replica.
func periodic() []*river.PeriodicJob {
	return []*river.PeriodicJob{river.NewPeriodicJob(
		river.PeriodicInterval(pruneEvery),
		func() (river.JobArgs, *river.InsertOpts) {
			return pruneJob{}, &river.InsertOpts{Queue: queueName, Priority: 4, MaxAttempts: 1}
		},
		&river.PeriodicJobOpts{RunOnStart: true},
	)}
}

// prune removes one piece of the events that are older than they are kept,
// each with its messages; one of which a message is still on its way stays.
// more says that there may be others.
func (s *Store) prune(ctx context.Context) (more bool, err error) {
	before := store.Micros(s.config.Now().Add(-s.config.Keep))
	err = s.db.Write(ctx, func(t *store.Tx) error {
		var rows []struct {
			Cause string `db:"cause"`
		}
		if err := t.Select(ctx, &rows, `SELECT e.cause FROM alert_event e WHERE e.sealed_at < $1
			AND NOT EXISTS (SELECT 1 FROM alert_delivery d WHERE d.cause = e.cause AND d.state = $2) ORDER BY e.sealed_at LIMIT $3`,
			before, string(Pending), prunePiece); err != nil {
			return err
		}
		for _, r := range rows {
			for _, q := range []string{dropNotes, "DELETE FROM alert_delivery WHERE cause = $1", "DELETE FROM alert_event WHERE cause = $1"} {
				if _, err := t.Exec(ctx, q, r.Cause); err != nil {
					return err
				}
			}
		}
		more = len(rows) == prunePiece
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("prune alerts: %w", err)
	}
	return more, nil
}
