package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/pg"
	"prumo.dev/prumo/internal/fact"
)

// Limits of one reading. They bound what we cost the server and what a hostile
// one can cost us.
const (
	readLimit = time.Minute
	maxRows   = 200_000
	maxAnswer = 64 << 20
)

// A session is one connection to the server.
type session struct{ *pg.Session }

// connect opens a connection as the target's mode says.
func connect(ctx context.Context, run connector.Run, t pg.Target) (*session, error) {
	s, err := pg.Connect(ctx, run, t)
	if err != nil {
		return nil, err
	}
	return &session{s}, nil
}

// guard finds only the system's own names and ends each question by itself.
const guard = `SET LOCAL search_path = pg_catalog;
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '30s';
SET LOCAL TimeZone = 'UTC'`

// ask runs one query and gives each row to scan.
func (s *session) ask(ctx context.Context, query string, scan func(pgx.Rows) error) error {
	return s.Ask(ctx, pg.Question{Text: query, Guard: guard, MaxRows: maxRows, MaxBytes: maxAnswer}, scan)
}

// honest says what an error means for a scope.
func honest(err error) (fact.Reading, connector.Detail) { return pg.Honest(err) }

// passing reports an error that says nothing about the thing itself.
func passing(err error) bool { return pg.Passing(err) }

// refused reports that the server refused to show something.
func refused(err error) bool { return pg.Refused(err) }

// clean makes text of the server fit to be kept: a database in SQL_ASCII may
// hold any bytes.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
