package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/connectors/postgres"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

const password = "correct-horse-17"

func clock() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// An outcome is what one reading gave.
type outcome struct {
	mem *connector.Memory
	err error
	log string
}

func run(s connector.Settings, policy connector.NetworkPolicy, log *bytes.Buffer) connector.Run {
	if log == nil {
		log = &bytes.Buffer{}
	}
	return connector.Run{
		Source: "db", Settings: s, Dial: connector.NewDialer(policy), Now: clock,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func read(ctx context.Context, s connector.Settings) outcome {
	return readWith(ctx, s, connector.NetworkPolicy{AllowAll: true})
}

func readWith(ctx context.Context, s connector.Settings, policy connector.NetworkPolicy) outcome {
	out := outcome{mem: connector.Record()}
	out.mem.Source, out.mem.Origin, out.mem.At = "db", fact.OriginAPI, clock()
	var log bytes.Buffer
	out.err = postgres.New().Collect(ctx, run(s, policy, &log), out.mem)
	out.log = log.String()
	return out
}

func (o outcome) scope(t *testing.T, name string) connector.ScopeResult {
	t.Helper()
	for _, s := range o.mem.Scopes() {
		if s.Scope.Name == name {
			if !s.Closed {
				t.Errorf("scope %s was left open", name)
			}
			return s
		}
	}
	t.Fatalf("no scope %s", name)
	return connector.ScopeResult{}
}

// wants compares how the scopes were closed.
func (o outcome) wants(t *testing.T, server, roles, log fact.Reading) {
	t.Helper()
	if o.err != nil {
		t.Fatal(o.err)
	}
	for name, want := range map[string]fact.Reading{"server": server, "roles": roles, "log": log} {
		if s := o.scope(t, name); s.Reading != want {
			t.Errorf("scope %s is %s (%s), want %s", name, s.Reading, s.Detail.Why, want)
		}
	}
}

// get decodes the fact of the kind whose id ends so.
func get[T fact.Data](t *testing.T, o outcome, suffix string) T {
	t.Helper()
	var v T
	for _, f := range o.mem.Facts() {
		if f.Kind == v.Kind() && strings.HasSuffix(f.ID, suffix) {
			if err := json.Unmarshal(f.Data, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s %q among %d facts", v.Kind(), suffix, len(o.mem.Facts()))
	return v
}

func is[T comparable](t *testing.T, what string, got fact.Opt[T], want T) {
	t.Helper()
	if v, ok := got.Get(); !ok || v != want {
		t.Errorf("%s = %v (said: %v), want %v", what, v, ok, want)
	}
}

func unknown[T any](t *testing.T, what string, got fact.Opt[T]) {
	t.Helper()
	if v, ok := got.Get(); ok {
		t.Errorf("%s = %v, want unknown", what, v)
	}
}

func lists(t *testing.T, what string, got fact.Opt[[]string], want ...string) {
	t.Helper()
	if v, ok := got.Get(); !ok || !slices.Equal(v, want) && len(v)+len(want) > 0 {
		t.Errorf("%s = %q (said: %v), want %q", what, v, ok, want)
	}
}

// reader makes the role that the manifest describes, and only that.
func reader(t *testing.T, c *testkit.Cluster) {
	t.Helper()
	m := connector.ManifestOf(postgres.New(), []string{"database", "database_role", "account", "log_source"})
	c.Exec(t, m.Text, fmt.Sprintf("ALTER ROLE prumo PASSWORD '%s'", password))
}

func address(addr, user, rest string) connector.Settings {
	return connector.Settings{"url": "postgres://" + user + ":" + password + "@" + addr + "/postgres" + rest}
}

// bad is a server as nobody should run it.
func bad(t *testing.T) *testkit.Cluster {
	t.Helper()
	c := testkit.PostgresClusterWith(t, "password_encryption=md5")
	c.Write(t, "pg_hba.conf", `local all all trust
host all all 127.0.0.1/32 trust
host all all 10.0.0.0 255.0.0.0 md5
hostssl all all 0.0.0.0/0 password
hostssl replication all ::/0 scram-sha-256
host app app samenet ident
`)
	c.Exec(t,
		"SELECT pg_reload_conf()",
		"CREATE ROLE intern LOGIN SUPERUSER PASSWORD 'x'",
		"CREATE ROLE maker LOGIN CREATEROLE BYPASSRLS VALID UNTIL '2027-01-01 00:00:00+00'",
		"CREATE ROLE team NOLOGIN", "GRANT intern TO team", "GRANT team TO maker",
		"CREATE ROLE dba LOGIN VALID UNTIL 'infinity'", "GRANT pg_execute_server_program TO dba",
		"CREATE ROLE \"<b>\nline\" LOGIN")
	reader(t, c)
	return c
}

func TestBadServer(t *testing.T) {
	c := bad(t)
	s := address(c.Addr(), "prumo", "")
	s["services"], s["people"], s["host"] = []string{"prumo"}, map[string][]string{"maker": {"people/ana"}}, "host/db1"
	o := read(t.Context(), s)
	o.wants(t, fact.Complete, fact.Complete, fact.Complete)
	d := get[fact.Database](t, o, c.Addr())
	is(t, "engine", d.Engine, "postgresql")
	is(t, "tls", d.TLS, false)
	unknown(t, "tls_min_version", d.TLSMinVersion)
	is(t, "tls_forced", d.TLSForced, true) // it listens on this machine only
	is(t, "password_hash", d.PasswordHash, "md5")
	// Line 4 can never match, since TLS is off.
	lists(t, "weak_auth_rules", d.WeakAuthRules, "line 1: local all all trust", "line 2: host all all 127.0.0.1/32 trust",
		"line 3: host all all 10.0.0.0/8 md5", "line 6: host app app samenet ident")
	lists(t, "plain_rules", d.PlainRules, "line 3: host all all 10.0.0.0/8 md5", "line 6: host app app samenet ident")
	is(t, "log_connections", d.LogConnections, false)
	is(t, "audit", d.Audit, false)
	is(t, "checksums", d.Checksums, false)
	is(t, "replicas", d.Replicas, 0)
	is(t, "public", d.Public, false)
	is(t, "host", d.Host, "host/db1")
	unknown(t, "encrypted", d.Encrypted)
	unknown(t, "backed_up_at", d.BackedUpAt)
	lists(t, "extensions", d.Extensions, "plpgsql")
	if d.DataDirectory.Or("") == "" || !d.Supported.Known() {
		t.Errorf("data_directory %v, supported %v: want both said", d.DataDirectory, d.Supported)
	}
	if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "not encrypted") {
		t.Errorf("the reading over plain TCP says %q, want that it is not encrypted", why)
	}

	intern := get[fact.DatabaseRole](t, o, "/intern")
	is(t, "superuser", intern.Superuser, true)
	is(t, "hash", intern.Hash, "md5")
	is(t, "no_expiry", intern.NoExpiry, true)
	is(t, "assigned", intern.Assigned, false)
	is(t, "service", intern.Service, false)
	lists(t, "members", intern.Members, "team")
	maker := get[fact.DatabaseRole](t, o, "/maker")
	is(t, "bypass_rls", maker.BypassRLS, true)
	is(t, "create_role", maker.CreateRole, true)
	is(t, "superuser", maker.Superuser, false)
	is(t, "expires_at", maker.ExpiresAt, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	is(t, "hash", maker.Hash, "none")
	is(t, "person", maker.Person, "people/ana")
	lists(t, "member_of", maker.MemberOf, "team")
	lists(t, "becomes_root", maker.BecomesRoot, "intern")
	lists(t, "becomes_root", get[fact.DatabaseRole](t, o, "/dba").BecomesRoot, "pg_execute_server_program")
	is(t, "a hostile name", get[fact.DatabaseRole](t, o, `/<b>\u000aline`).Name, "<b>\nline")
	is(t, "no_expiry of infinity", get[fact.DatabaseRole](t, o, "/dba").NoExpiry, true)
	is(t, "service", get[fact.DatabaseRole](t, o, "/prumo").Service, true)

	account := get[fact.Account](t, o, "/maker")
	is(t, "type", account.Type, "human")
	is(t, "admin", account.Admin, true)
	unknown(t, "mfa", account.MFA)
	n := 0
	for _, f := range o.mem.Facts() {
		if f.Kind == "account" {
			n++
		}
		if f.Kind == "database_role" && strings.Contains(f.ID, "/pg_") {
			t.Errorf("%s is one of PostgreSQL's own roles", f.ID)
		}
	}
	if n != 1 {
		t.Errorf("%d accounts, want one: only roles of people are accounts", n)
	}
	l := get[fact.LogSource](t, o, "/log")
	unknown(t, "enabled", l.Enabled) // to standard error, and who keeps that is not known
	is(t, "log's database", l.Database, fact.Ref("postgres/"+c.Addr()))
}
