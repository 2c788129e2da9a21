package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"prumo.dev/prumo/internal/fact"
)

// queryLastEvent asks when the newest file of the log was written to.
const queryLastEvent = `SELECT extract(epoch FROM max(modification))::bigint FROM pg_ls_logdir()`

// log emits the server's log as a source of events.
func (r *reader) log(ctx context.Context, y *tally) error {
	c, err := r.config(ctx)
	if y.add(err, "") {
		return nil
	}
	f := fact.LogSource{
		Name:     fact.Some("log of " + r.target.Name()),
		System:   fact.Some("postgresql"),
		Enabled:  enabled(c),
		Database: fact.Some(fact.Ref(r.target.ID())),
	}
	if host := r.run.Settings.Text("host"); host != "" {
		f.Host = fact.Some(fact.Ref(host))
	}
	if c.on("logging_collector").Or(false) {
		var last *int64
		err := r.s.ask(ctx, queryLastEvent, func(rows pgx.Rows) error { return rows.Scan(&last) })
		var pe *pgconn.PgError
		if errors.As(err, &pe) && strings.HasPrefix(pe.Code, "58") {
			err = nil // the folder is not there: no event was ever written
		}
		if y.add(err, grantMonitor) && passing(err) {
			return nil
		}
		if last != nil {
			f.LastEventAt = fact.Some(time.Unix(*last, 0).UTC())
		}
	}
	return r.emit.Fact(scopeLog, r.target.ID()+"/log", f)
}

// enabled says whether events are kept. What goes to standard error without the
// server's own collector may be kept by somebody else, or by nobody.
func enabled(c config) fact.Opt[bool] {
	to, ok := c["log_destination"]
	if !ok {
		return fact.Opt[bool]{}
	}
	if strings.TrimSpace(to) == "" {
		return fact.Some(false)
	}
	if strings.Contains(to, "syslog") || strings.Contains(to, "eventlog") || c.on("logging_collector").Or(false) {
		return fact.Some(true)
	}
	return fact.Opt[bool]{}
}
