package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// A Config says which database to open.
type Config struct {
	URL string           // of PostgreSQL; empty: the embedded database in Dir
	Dir string           // data folder, for the embedded database
	Now func() time.Time // the clock; nil: the machine's
	Log *slog.Logger     // nil: none
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	writer  *sql.DB
	reader  *sql.DB
	now     func() time.Time
	log     *slog.Logger
	replica string          // this process's name for the others; empty on SQLite
	side    *sql.DB         // of the lease; nil on SQLite
	url     *pgx.ConnConfig // for the connection that listens; nil on SQLite

	mu    sync.Mutex           // guards stmts
	stmts map[string]*sql.Stmt // of the writing connection, by text

	commits atomic.Int64 // writing transactions

	trace func(query string, args []any) // of reads; for tests of their plans
}

// Open opens the database and brings its tables to this release.
func Open(ctx context.Context, c Config) (*DB, error) {
	db := &DB{dialect: SQLite, now: c.Now, log: c.Log, stmts: map[string]*sql.Stmt{}}
	if c.URL != "" {
		db.dialect, db.replica = Postgres, "prumo-"+rand.Text()
	} else if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	if db.now == nil {
		db.now = time.Now
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if err := db.open(c); err != nil {
		return nil, fmt.Errorf("open the %s database: %w", db.dialect, err)
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close closes the database.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var errs []error
	for _, s := range db.stmts {
		errs = append(errs, s.Close())
	}
	clear(db.stmts)
	errs = append(errs, db.writer.Close())
	if db.reader != db.writer {
		errs = append(errs, db.reader.Close())
	}
	if db.side != nil {
		errs = append(errs, db.side.Close())
	}
	return errors.Join(errs...)
}

// Dialect says which database it is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Now is the time by the injected clock.
func (db *DB) Now() time.Time { return db.now() }

// Pool gives the writing pool to the job queue, which has statements of its
// own. Nobody else may use it.
func (db *DB) Pool() *sql.DB { return db.writer }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.reader.PingContext(ctx) }

func (db *DB) migrate(ctx context.Context) error {
	migrations, err := db.migrations()
	if err != nil {
		return err
	}
	dialect, opts, err := db.dialect.goose()
	if err != nil {
		return err
	}
	opts = append(opts, goose.WithGoMigrations(migrations...), goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
	p, err := goose.NewProvider(dialect, db.writer, nil, opts...)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the database to this release: %w", err)
	}
	return nil
}

func (db *DB) migrations() ([]*goose.Migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []*goose.Migration
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must start with a number", name)
		}
		raw, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		text := db.dialect.migrationText(string(raw))
		up := func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, text)
			return err
		}
		out = append(out, goose.NewGoMigration(version, &goose.GoFunc{RunTx: up}, nil))
	}
	return out, nil
}
