package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // the embedded database
)

// A Dialect is one of the two databases.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// fileName is the embedded database in the data folder.
const fileName = "prumo.db"

// sqliteURL names the embedded database with what each connection sets first.
func sqliteURL(dir string, writer bool) string {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"temp_store(MEMORY)", "wal_autocheckpoint(2000)", "journal_size_limit(67108864)",
	} {
		q.Add("_pragma", p)
	}
	if writer {
		q.Add("_pragma", "cache_size(-24000)")
		q.Set("_txlock", "immediate")
	} else {
		q.Add("_pragma", "cache_size(-4000)")
		q.Add("_pragma", "query_only(1)")
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, fileName)}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

// open gives the writing and the reading pool. On PostgreSQL both are one, and
// there is a second one for the lease, which never waits behind other work.
func (db *DB) open(c Config) (err error) {
	if db.dialect == SQLite {
		db.writer, db.reader, err = openFile(c)
		return err
	}
	if db.url, err = pgx.ParseConfig(c.URL); err != nil {
		return err
	}
	// By this name a successor finds the connections of a holder that is stuck.
	db.url.RuntimeParams["application_name"] = db.replica
	db.writer, db.side = stdlib.OpenDB(*db.url), stdlib.OpenDB(*db.url)
	db.reader = db.writer
	db.writer.SetMaxOpenConns(16)
	db.writer.SetMaxIdleConns(8)
	db.side.SetMaxOpenConns(2)
	return nil
}

func openFile(c Config) (writer, reader *sql.DB, err error) {
	if writer, err = sql.Open("sqlite", sqliteURL(c.Dir, true)); err != nil {
		return nil, nil, err
	}
	writer.SetMaxOpenConns(1)
	if reader, err = sql.Open("sqlite", sqliteURL(c.Dir, false)); err != nil {
		writer.Close()
		return nil, nil, err
	}
	reader.SetMaxOpenConns(4)
	reader.SetMaxIdleConns(2)
	return writer, reader, nil
}

// migrationText fills the few types that the databases call differently.
func (d Dialect) migrationText(text string) string {
	if d == Postgres {
		return strings.NewReplacer("{{id}}", "BIGINT PRIMARY KEY", "{{blob}}", "BYTEA").Replace(text)
	}
	return strings.NewReplacer("{{id}}", "INTEGER PRIMARY KEY", "{{blob}}", "BLOB").Replace(text)
}

// goose gives the migration tool's name of the dialect, and its lock.
func (d Dialect) goose() (goose.Dialect, []goose.ProviderOption, error) {
	if d == SQLite {
		return goose.DialectSQLite3, nil, nil
	}
	l, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return "", nil, fmt.Errorf("make the migration lock: %w", err)
	}
	return goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(l)}, nil
}

// A Lock is what Tx.Lock takes: one holder at a time over all replicas.
type Lock int64

// LockHeart lets the monitor's transactions come one after another.
const LockHeart Lock = 0x7072756d01

// stuck is how many milliseconds a process may be silent within a transaction
// of the monitor before PostgreSQL ends it, so that one that was stopped there
// doesn't hold up all others.
const stuck = "8000"

// lock waits for l until the transaction ends. SQLite has one writing
// connection and one writing process at a time, which is that lock already.
func (d Dialect) lock(ctx context.Context, tx *sql.Tx, l Lock) error {
	if d == SQLite {
		return nil
	}
	if l != LockHeart {
		_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(l))
		return err
	}
	_, err := tx.ExecContext(ctx, `SELECT set_config('idle_in_transaction_session_timeout', $1, true),
		set_config('tcp_user_timeout', $1, true), pg_advisory_xact_lock($2)`, stuck, int64(l))
	return err
}

// clock is the database's own time in microseconds, whatever the replicas' say.
func (d Dialect) clock() string {
	if d == SQLite {
		return "CAST(unixepoch('subsec') * 1000000 AS BIGINT)"
	}
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
}

// disconnect ends every connection of the replica $1 to this database.
func (d Dialect) disconnect() string {
	return `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = $1 AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()`
}

// readOptions gives the options of a snapshot; SQLite's reading pool is a
// snapshot by itself and refuses to write by query_only.
func (d Dialect) readOptions() *sql.TxOptions {
	if d == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return nil
}

// prepares reports whether statements are prepared once by us: pgx keeps its
// own cache on each connection.
func (d Dialect) prepares() bool { return d == SQLite }

// bind gives the text as the driver binds it fastest. SQLite looks a numbered
// placeholder up in a list, for each argument anew, which is quadratic; where
// the numbers only count up, a bare ? says the same.
func (d Dialect) bind(text string) string {
	if d == Postgres {
		return text
	}
	var b strings.Builder
	next := 1
	for i := 0; i < len(text); {
		if text[i] != '$' {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := i + 1
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		if text[i+1:end] != strconv.Itoa(next) {
			return text
		}
		next++
		b.WriteByte('?')
		i = end
	}
	return b.String()
}
