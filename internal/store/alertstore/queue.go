package alertstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// tx is a transaction as the queue knows it, on both databases.
type tx = *sql.Tx

// Limits of one job. A message that takes longer than jobTimeout counts as not
// accepted; a job whose process died is taken up as alive.go says, and after
// rescueAfter in any case.
const (
	queueName   = "alerts"
	jobTimeout  = 40 * time.Second
	rescueAfter = 60 * time.Second
	maxAttempts = 10000 // giving up is decided by the delivery's age, not by the queue
)

// lockQueue is held while the queue's tables are made.
const lockQueue store.Lock = 0x7072756d41

// causeJob settles one cause: its argument is an id only.
type causeJob struct {
	Cause string `json:"cause"`
	Run   int64  `json:"run,omitempty"`
}

// Kind names the job in the database; it never changes.
func (causeJob) Kind() string { return "alert_cause" }

// letterJob sends one message: its argument is an id only.
type letterJob struct {
	Letter string `json:"letter"`
}

// Kind names the job in the database; it never changes.
func (letterJob) Kind() string { return "alert_letter" }

// openQueue makes the queue's tables and its client. On SQLite the queue
// shares the one writing connection: a second one would meet "database is
// locked" under load, while Go's pool lets both wait their turn.
func (s *Store) openQueue(ctx context.Context) error {
	driver := s.driver()
	if err := s.migrate(ctx, driver); err != nil {
		return fmt.Errorf("make the tables of the job queue: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &causeWorker{store: s})
	river.AddWorker(workers, &letterWorker{store: s})
	river.AddWorker(workers, &pruneWorker{store: s})
	client, err := river.NewClient(driver, &river.Config{
		ID:                          s.alive.name,
		Logger:                      slog.New(quiet{s.log.Handler()}),
		Workers:                     workers,
		Queues:                      map[string]river.QueueConfig{queueName: {MaxWorkers: s.config.Workers}},
		FetchCooldown:               min(50*time.Millisecond, s.config.Clock.Poll),
		FetchPollInterval:           s.config.Clock.Poll,
		PollOnly:                    true,
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		MaxAttempts:                 maxAttempts,
		RetryPolicy:                 retry{},
		CompletedJobRetentionPeriod: keepJobs,
		CancelledJobRetentionPeriod: keepFailed,
		DiscardedJobRetentionPeriod: keepFailed,
		PeriodicJobs:                periodic(),
	})
	if err != nil {
		return fmt.Errorf("open the job queue: %w", err)
	}
	s.queue = client
	return nil
}

func (s *Store) driver() riverdriver.Driver[tx] {
	if s.db.Dialect() == store.SQLite {
		return riversqlite.New(s.db.Pool())
	}
	return riverdatabasesql.New(s.db.Pool())
}

// migrate brings the queue's tables to this release, one replica at a time.
func (s *Store) migrate(ctx context.Context, driver riverdriver.Driver[tx]) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(quiet{s.log.Handler()})})
	if err != nil {
		return err
	}
	up := func() error {
		_, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	if s.db.Dialect() == store.SQLite {
		return up()
	}
	return s.db.Write(ctx, func(t *store.Tx) error {
		if err := t.Lock(ctx, lockQueue); err != nil {
			return err
		}
		return up() // on other connections: some of its steps can't share a transaction
	})
}

// Enqueue takes a cause in the monitor's transaction: if that is committed,
// the cause will be told.
func (s *Store) Enqueue(ctx context.Context, t *store.Tx, c monitor.Cause) error {
	if err := s.insert(ctx, t, causeJob{Cause: c.ID, Run: c.Run}, 1); err != nil {
		return fmt.Errorf("queue the alert of cause %s: %w", c.ID, err)
	}
	return nil
}

// insert adds a job in the transaction; priority 1 goes before 2.
func (s *Store) insert(ctx context.Context, t *store.Tx, args river.JobArgs, priority int) error {
	_, err := s.queue.InsertTx(ctx, t.Raw(), args, &river.InsertOpts{Queue: queueName, Priority: priority, MaxAttempts: maxAttempts})
	return err
}

// complete ends the job in the same transaction as its work. A job that
// another process took over meanwhile is not there: the work stands, and the
// other finds it done.
func complete[A river.JobArgs](ctx context.Context, s *Store, t *store.Tx, job *river.Job[A]) error {
	var err error
	if s.db.Dialect() == store.SQLite {
		_, err = river.JobCompleteTx[*riversqlite.Driver](ctx, t.Raw(), job)
	} else {
		_, err = river.JobCompleteTx[*riverdatabasesql.Driver](ctx, t.Raw(), job)
	}
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}

// retry spaces the attempts of jobs that ended in an error of ours, such as a
// database that does not answer.
type retry struct{}

// NextRetry doubles from one second to a minute.
func (retry) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(min(time.Minute, time.Second<<min(len(job.Errors), 6)))
}

// quiet passes the queue's warnings and errors on, and not its chatter.
type quiet struct{ slog.Handler }

// Enabled says whether a level is worth a line.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// WithAttrs keeps the filter.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

// WithGroup keeps the filter.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
