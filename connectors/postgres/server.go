package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// querySettings asks for what is judged. A setting that only few may see is
// missing from the answer, as is one that the release does not know.
const querySettings = `SELECT name, coalesce(setting, '') FROM pg_settings WHERE name IN (
 'server_version', 'cluster_name', 'listen_addresses', 'port', 'ssl', 'ssl_min_protocol_version', 'password_encryption',
 'log_connections', 'log_disconnections', 'log_statement', 'log_destination', 'logging_collector',
 'shared_preload_libraries', 'pgaudit.log', 'pgaudit.role', 'data_checksums', 'data_directory')
 ORDER BY name`

// queryState asks for what is no setting. The state of a replica is hidden from
// most, its row is not.
const queryState = `SELECT version(),
 (SELECT count(*) FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'),
 (SELECT count(*) FROM pg_stat_replication WHERE state IS NULL),
 (SELECT count(*) FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE c ~ '^pgaudit\.(log|role)=' AND c !~* '=(none)?$')`

const queryExtensions = `SELECT extname FROM pg_extension ORDER BY extname`

// A config holds the settings that the server showed.
type config map[string]string

func (c config) text(name string) fact.Opt[string] {
	v, ok := c[name]
	return fact.SomeIf(clean(v), ok)
}

func (c config) on(name string) fact.Opt[bool] {
	v, ok := c[name]
	return fact.SomeIf(v == "on", ok && (v == "on" || v == "off"))
}

// A state is what queryState answers.
type state struct {
	version          string
	replicas, hidden int64
	audited          int64 // databases and roles with audit settings of their own
}

func (r *reader) config(ctx context.Context) (config, error) {
	c := config{}
	err := r.s.ask(ctx, querySettings, func(rows pgx.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		c[name] = value
		return err
	})
	if err == nil && c["server_version"] == "" {
		err = fmt.Errorf("settings without a version: %w", connector.ErrFormat)
	}
	return c, err
}

func (r *reader) state(ctx context.Context) (state, error) {
	var s state
	n := 0
	err := r.s.ask(ctx, queryState, func(rows pgx.Rows) error {
		n++
		return rows.Scan(&s.version, &s.replicas, &s.hidden, &s.audited)
	})
	if err == nil && (n != 1 || !strings.HasPrefix(s.version, "PostgreSQL ")) {
		err = fmt.Errorf("the server is no PostgreSQL: %w", connector.ErrFormat)
	}
	return s, err
}

// server emits the database. Where an answer was lost on the way nothing is
// emitted, so that what was known of it stays; what was refused is unknown.
func (r *reader) server(ctx context.Context, y *tally) error {
	c, err := r.config(ctx)
	if y.add(err, "") {
		return nil
	}
	st, err := r.state(ctx)
	if y.add(err, "") {
		return nil
	}
	rules, err := r.rules(ctx)
	if y.add(err, grantHBA) && passing(err) {
		return nil
	}
	extensions, err := r.extensions(ctx)
	if y.add(err, "CONNECT on each of the databases") && passing(err) {
		return nil
	}
	if _, shown := c["shared_preload_libraries"]; !shown || st.hidden > 0 {
		y.lacks("some settings are hidden from the role", grantMonitor)
	}
	f := r.database(c, st)
	f.Extensions = extensions
	switch {
	case rules == nil:
	case rules.broken():
		y.note("pg_hba.conf has an error, so the rules in force are not those in the file")
		y.reading = fact.Partial
	default:
		rules.judge(&f, c)
	}
	return r.emit.Fact(scopeServer, r.target.ID(), f)
}

func (r *reader) database(c config, st state) fact.Database {
	f := fact.Database{
		Name:          known(c["cluster_name"]),
		Engine:        fact.Some("postgresql"),
		Version:       known(number(c["server_version"])),
		TLS:           c.on("ssl"),
		PasswordHash:  passwordHash(c),
		Audit:         audit(c, st.audited),
		Checksums:     c.on("data_checksums"),
		Replicas:      fact.SomeIf(st.replicas, st.hidden == 0),
		DataDirectory: c.text("data_directory"),
	}
	if !f.Name.Known() {
		f.Name = fact.Some(r.target.Name())
	}
	if end, ok := supportEnd(releases, major(c["server_version"])); ok {
		f.SupportEndsAt = fact.Some(end)
		f.Supported = fact.Some(r.run.Now().Before(end))
	}
	if f.TLS.Or(false) {
		f.TLSMinVersion = minVersion(c)
	}
	f.LogConnections = both(logsConnections(c), c.on("log_disconnections"))
	if host := r.run.Settings.Text("host"); host != "" {
		f.Host = fact.Some(fact.Ref(host))
	}
	if local(c) {
		f.Public = fact.Some(false)
	}
	return f
}

// local reports that the server listens on this machine only. What it does not
// say is taken for listening.
func local(c config) bool {
	addresses, ok := c["listen_addresses"]
	if !ok {
		return false
	}
	for a := range strings.SplitSeq(addresses, ",") {
		switch strings.TrimSpace(a) {
		case "", "localhost", "127.0.0.1", "::1":
		default:
			return false
		}
	}
	return true
}

func minVersion(c config) fact.Opt[string] {
	v, ok := c["ssl_min_protocol_version"]
	if !ok {
		return fact.Opt[string]{}
	}
	switch v {
	case "", "TLSv1":
		return fact.Some("1.0")
	case "TLSv1.1", "TLSv1.2", "TLSv1.3":
		return fact.Some(strings.TrimPrefix(v, "TLSv"))
	}
	return fact.Opt[string]{}
}

// passwordHash says how new passwords are kept. Before release 10 the setting
// was a switch for md5.
func passwordHash(c config) fact.Opt[string] {
	switch v := c["password_encryption"]; v {
	case "on", "md5":
		return fact.Some("md5")
	case "off":
		return fact.Some("none")
	default:
		return known(v)
	}
}

// logsConnections reads log_connections, which since release 18 is a list of
// the steps that are logged.
func logsConnections(c config) fact.Opt[bool] {
	v, ok := c["log_connections"]
	if !ok {
		return fact.Opt[bool]{}
	}
	for step := range strings.SplitSeq(v, ",") {
		switch strings.ToLower(strings.TrimSpace(step)) {
		case "on", "all", "authorization", "true", "yes", "1":
			return fact.Some(true)
		}
	}
	return fact.Some(false)
}

// audit says whether the audit extension is loaded and told to write anything,
// for everybody or for some database or role.
func audit(c config, own int64) fact.Opt[bool] {
	libraries, ok := c["shared_preload_libraries"]
	if !ok {
		return fact.Opt[bool]{}
	}
	loaded := slices.ContainsFunc(strings.Split(libraries, ","), func(l string) bool {
		l = strings.Trim(strings.TrimSpace(l), `"`)
		return l[strings.LastIndex(l, "/")+1:] == "pgaudit"
	})
	classes := strings.ToLower(strings.TrimSpace(c["pgaudit.log"]))
	writes := classes != "" && classes != "none" || c["pgaudit.role"] != "" || own > 0
	return fact.Some(loaded && writes)
}

// both is the and of two answers: false if one is false, whatever the other.
func both(a, b fact.Opt[bool]) fact.Opt[bool] {
	x, xok := a.Get()
	y, yok := b.Get()
	return fact.SomeIf(x && y, xok && yok || xok && !x || yok && !y)
}

// extensions lists what is installed in any of the databases. If one of them
// cannot be read the list says nothing, since what is missing could be anywhere.
func (r *reader) extensions(ctx context.Context) (fact.Opt[[]string], error) {
	names := []string{}
	list := func(s *session) error {
		return s.ask(ctx, queryExtensions, func(rows pgx.Rows) error {
			var name string
			err := rows.Scan(&name)
			names = append(names, clean(name))
			return err
		})
	}
	databases := r.run.Settings.List("databases")
	if len(databases) == 0 || slices.Contains(databases, r.target.Database) {
		if err := list(r.s); err != nil {
			return fact.Opt[[]string]{}, err
		}
	}
	for _, d := range databases {
		if d == r.target.Database {
			continue
		}
		t := r.target
		t.Database = d
		s, err := connect(ctx, r.run, t)
		if err != nil {
			return fact.Opt[[]string]{}, err
		}
		err = list(s)
		s.Close(ctx)
		if err != nil {
			return fact.Opt[[]string]{}, err
		}
	}
	slices.Sort(names)
	return fact.Some(slices.Compact(names)), nil
}
