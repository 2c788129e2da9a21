package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/georgysavva/scany/v2/sqlscan"
)

// ErrNotFound is returned where a row that was asked for does not exist.
var ErrNotFound = errors.New("not found")

// A Tx is a transaction, or the snapshot of a read.
type Tx struct {
	db    *DB
	sql   *sql.Tx
	write bool
	fresh []string // statements met for the first time
	after []func()
}

// Write runs fn in one writing transaction and commits it if fn returns nil.
func (db *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, db.writer, nil, true, fn)
}

// Read runs fn on a snapshot that cannot be written.
func (db *DB) Read(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, db.reader, db.dialect.readOptions(), false, fn)
}

func (db *DB) run(ctx context.Context, pool *sql.DB, opts *sql.TxOptions, write bool, fn func(*Tx) error) error {
	raw, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	tx := &Tx{db: db, sql: raw, write: write}
	done := false
	defer func() {
		if !done {
			raw.Rollback()
		}
		db.prepare(ctx, tx.fresh)
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	done = true
	if write {
		db.commits.Add(1)
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}

// After runs f once the transaction has been committed.
func (tx *Tx) After(f func()) { tx.after = append(tx.after, f) }

// Raw gives the transaction to the job queue, which has statements of its own.
func (tx *Tx) Raw() *sql.Tx { return tx.sql }

// Now is the time by the injected clock.
func (tx *Tx) Now() time.Time { return tx.db.now() }

// Lock waits until no other transaction of any replica holds l; it ends with
// the transaction.
func (tx *Tx) Lock(ctx context.Context, l Lock) error {
	if err := tx.db.dialect.lock(ctx, tx.sql, l); err != nil {
		return fmt.Errorf("wait for a lock: %w", err)
	}
	return nil
}

// Exec runs a statement and says how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if s := tx.prepared(ctx, query); s != nil { //nolint:sqlclosecheck // kept for the life of the connection; DB.Close closes it
		res, err = s.ExecContext(ctx, args...)
	} else {
		res, err = tx.sql.ExecContext(ctx, tx.db.dialect.bind(query), args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query; the caller closes the rows.
func (tx *Tx) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	tx.traced(query, args)
	if s := tx.prepared(ctx, query); s != nil { //nolint:sqlclosecheck // kept for the life of the connection; DB.Close closes it
		return s.QueryContext(ctx, args...)
	}
	return tx.sql.QueryContext(ctx, tx.db.dialect.bind(query), args...)
}

// Row reads one row into dest, or returns ErrNotFound.
func (tx *Tx) Row(ctx context.Context, dest []any, query string, args ...any) error {
	tx.traced(query, args)
	var err error
	if s := tx.prepared(ctx, query); s != nil { //nolint:sqlclosecheck // kept for the life of the connection; DB.Close closes it
		err = s.QueryRowContext(ctx, args...).Scan(dest...)
	} else {
		err = tx.sql.QueryRowContext(ctx, tx.db.dialect.bind(query), args...).Scan(dest...)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

func (tx *Tx) traced(query string, args []any) {
	if tx.db.trace != nil && !tx.write {
		tx.db.trace(query, args)
	}
}

// Select reads all rows into dst, a pointer to a slice of structs whose
// fields carry `db:"column"`.
func (tx *Tx) Select(ctx context.Context, dst any, query string, args ...any) error {
	return sqlscan.Select(ctx, tx.sql, dst, query, args...)
}

// Get reads one row into dst, a pointer to such a struct, or returns ErrNotFound.
func (tx *Tx) Get(ctx context.Context, dst any, query string, args ...any) error {
	err := sqlscan.Get(ctx, tx.sql, dst, query, args...)
	if sqlscan.NotFound(err) {
		return ErrNotFound
	}
	return err
}

// maxPrepared bounds the statements that are kept prepared.
const maxPrepared = 400

// prepared gives the writing connection's prepared statement, or nil where the
// driver keeps its own, or where the text is new: the only connection is ours
// now, so it is prepared when the transaction has ended.
func (tx *Tx) prepared(ctx context.Context, query string) *sql.Stmt {
	if !tx.write || !tx.db.dialect.prepares() {
		return nil
	}
	tx.db.mu.Lock()
	s, ok := tx.db.stmts[query]
	tx.db.mu.Unlock()
	if ok {
		return tx.sql.StmtContext(ctx, s)
	}
	tx.fresh = append(tx.fresh, query)
	return nil
}

// prepare prepares statements that a transaction met for the first time.
func (db *DB) prepare(ctx context.Context, texts []string) {
	for _, text := range texts {
		db.mu.Lock()
		_, known := db.stmts[text]
		full := len(db.stmts) >= maxPrepared
		db.mu.Unlock()
		if known || full {
			continue
		}
		s, err := db.writer.PrepareContext(ctx, db.dialect.bind(text))
		if err != nil {
			return // it runs without
		}
		db.mu.Lock()
		if _, known := db.stmts[text]; known {
			_ = s.Close() //nolint:sqlclosecheck // another transaction prepared it first
		} else {
			db.stmts[text] = s
		}
		db.mu.Unlock()
	}
}

// Insert adds rows in as few statements as the databases allow. head is
// "INSERT INTO t (a, b)", tail what follows the values ("" or "ON CONFLICT …").
func (tx *Tx) Insert(ctx context.Context, head, tail string, rows [][]any) error {
	for len(rows) > 0 {
		n := chunk(len(rows))
		args := make([]any, 0, n*len(rows[0]))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if _, err := tx.Exec(ctx, head+" VALUES "+tuples(n, len(rows[0]), 1)+" "+tail, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// chunk gives how many of n things go into one statement: few sizes, so that
// few statements are prepared.
func chunk(n int) int {
	for _, size := range []int{100, 10} {
		if n >= size {
			return size
		}
	}
	return 1
}

// tuples writes "($1,$2),($3,$4)".
func tuples(rows, columns, from int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(from + r*columns + c))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// List writes "($3,$4,$5)" for n values from number from, for IN.
func List(n, from int) string { return tuples(1, n, from) }

// inChunks calls fn with pieces of keys that are padded to one of few sizes,
// so that few statements are prepared: the last key is repeated.
func inChunks[T any](keys []T, fn func([]T) error) error {
	for len(keys) > 0 {
		n, size := len(keys), 1
		switch {
		case n >= 250:
			n, size = min(n, 500), 500
		case n >= 24:
			size = 250
		case n > 4:
			size = 24
		case n > 1:
			size = 4
		}
		part := make([]T, size)
		copy(part, keys[:n])
		for i := n; i < size; i++ {
			part[i] = keys[n-1]
		}
		if err := fn(part); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// scanAll reads every row with scan.
func scanAll[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// Micros is a time as stored: microseconds since 1970, UTC. The zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is a stored time; 0 is the zero time.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// TimePtr is a stored time that may be NULL.
func TimePtr(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	t := time.UnixMicro(us.Int64).UTC()
	return &t
}

// orNull stores 0 as NULL.
func orNull(us int64) any {
	if us == 0 {
		return nil
	}
	return us
}
