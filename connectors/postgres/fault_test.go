package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/connectors/postgres"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// sameOrUnknown holds a broken reading to the good one, as connectortest does
// for HTTP: each field is as it was or unknown, and what is complete is whole.
func sameOrUnknown(t *testing.T, what string, whole, o outcome) {
	t.Helper()
	good := map[fact.Key]fact.Fact{}
	for _, f := range whole.mem.Facts() {
		good[f.Key()] = f
	}
	seen := map[fact.Key]bool{}
	for _, f := range o.mem.Facts() {
		seen[f.Key()] = true
		var a, b map[string]json.RawMessage
		if json.Unmarshal(f.Data, &a) != nil || json.Unmarshal(good[f.Key()].Data, &b) != nil {
			t.Fatalf("%s: %s %s is not in the good reading", what, f.Kind, f.ID)
		}
		for k, v := range a {
			if !bytes.Equal(v, b[k]) && k != "last_event_at" {
				t.Errorf("%s: %s says %s = %s, the good reading %s", what, f.ID, k, v, b[k])
			}
		}
	}
	for _, s := range o.mem.Scopes() {
		if !s.Closed && o.err == nil {
			t.Errorf("%s: scope %s was left open", what, s.Scope.Name)
		}
		if s.Reading != fact.Complete {
			if s.Closed && s.Detail.Why == "" {
				t.Errorf("%s: scope %s is %s without a reason", what, s.Scope.Name, s.Reading)
			}
			continue
		}
		for k, f := range good {
			if f.Scope == s.Scope.Name && !seen[k] {
				t.Errorf("%s: scope %s is complete without %s", what, s.Scope.Name, k.ID)
			}
		}
	}
	quiet(t, what, o)
}

func TestFaults(t *testing.T) {
	c := testkit.PostgresClusterWith(t)
	reader(t, c)
	proxy := testkit.Toxiproxy(t).Proxy(c.Addr())
	s := address(proxy.Addr, "prumo", "?sslmode=disable")
	whole := read(t.Context(), s)
	whole.wants(t, fact.Complete, fact.Complete, fact.Complete)

	t.Run("cut anywhere", func(t *testing.T) {
		broken := 0
		for n := 1; ; n += 97 {
			proxy.Cut(n)
			o := read(t.Context(), s)
			proxy.Mend()
			sameOrUnknown(t, "cut", whole, o)
			if len(o.mem.Facts()) == len(whole.mem.Facts()) && o.scope(t, "log").Reading == fact.Complete {
				break
			}
			broken++
		}
		if broken < 10 {
			t.Errorf("only %d readings were cut", broken)
		}
	})
	t.Run("reset", func(t *testing.T) {
		proxy.Reset()
		defer proxy.Mend()
		read(t.Context(), s).wants(t, fact.Partial, fact.Partial, fact.Partial)
	})
	t.Run("down", func(t *testing.T) {
		proxy.Down()
		defer proxy.Mend()
		o := read(t.Context(), s)
		o.wants(t, fact.Partial, fact.Partial, fact.Partial)
		if why := o.scope(t, "server").Detail.Why; why != "the system could not be reached" {
			t.Errorf("down says %q", why)
		}
		if _, err := postgres.New().(connector.Tripwirer).Tripwire(t.Context(), run(s, connector.NetworkPolicy{AllowAll: true}, nil)); err == nil {
			t.Error("the tripwire saw a server that is down")
		}
	})
	t.Run("slow", func(t *testing.T) {
		proxy.Slow(20 * time.Millisecond)
		defer proxy.Mend()
		read(t.Context(), s).wants(t, fact.Complete, fact.Complete, fact.Complete)
	})
	t.Run("hangs until the deadline", func(t *testing.T) {
		proxy.Hang()
		defer proxy.Mend()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		o := read(ctx, s)
		if !errors.Is(o.err, context.DeadlineExceeded) {
			t.Errorf("a reading that hung ended with %v", o.err)
		}
		sameOrUnknown(t, "hang", whole, o)
	})
	t.Run("cancelled", func(t *testing.T) {
		proxy.Slow(30 * time.Millisecond)
		defer proxy.Mend()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(400*time.Millisecond, cancel)
		start := time.Now()
		o := read(ctx, s)
		if !errors.Is(o.err, context.Canceled) || time.Since(start) > 5*time.Second {
			t.Errorf("cancelled: %v after %v", o.err, time.Since(start))
		}
		sameOrUnknown(t, "cancelled", whole, o)
	})
	t.Run("a password is not sent in the clear", func(t *testing.T) {
		c.Write(t, "pg_hba.conf", "host all postgres all trust\nhost all all all password\n")
		c.Exec(t, "SELECT pg_reload_conf()")
		time.Sleep(200 * time.Millisecond)
		for _, mode := range []string{"disable", "prefer", "allow"} {
			o := read(t.Context(), address(proxy.Addr, "prumo", "?sslmode="+mode))
			o.wants(t, fact.Partial, fact.Partial, fact.Partial)
			if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "was not sent") {
				t.Errorf("sslmode %s says %q", mode, why)
			}
		}
		o := read(t.Context(), address(proxy.Addr, "prumo", "?sslmode=require"))
		if why := o.scope(t, "server").Detail.Why; !strings.Contains(why, "no encryption") {
			t.Errorf("sslmode require says %q", why)
		}
		c.Write(t, "pg_hba.conf", "host all all all trust\n")
		c.Exec(t, "SELECT pg_reload_conf()")
	})
	t.Run("stopped while it is read", func(t *testing.T) {
		whole := settle(t, s)
		proxy.Slow(30 * time.Millisecond)
		defer proxy.Mend()
		done := make(chan outcome)
		go func() { done <- read(t.Context(), s) }()
		time.Sleep(500 * time.Millisecond)
		c.Stop(t)
		o := <-done
		sameOrUnknown(t, "stopped", whole, o)
		if r := o.scope(t, "log").Reading; r != fact.Partial {
			t.Errorf("the log's scope is %s after the server stopped", r)
		}
	})
}

// Nothing is taken from the environment or the files of the account that Prumo
// runs as: they are not the source's.
func TestEnvironmentIsNotAsked(t *testing.T) {
	c := testkit.PostgresClusterWith(t)
	reader(t, c)
	for k, v := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "ghost", "PGPASSWORD": "wrong-horse", "PGDATABASE": "nothing",
		"PGSSLMODE": "verify-full", "PGOPTIONS": "-c work_mem=1", "PGSSLROOTCERT": "/nothing", "PGCONNECT_TIMEOUT": "1",
	} {
		t.Setenv(k, v)
	}
	read(t.Context(), address(c.Addr(), "prumo", "")).wants(t, fact.Complete, fact.Complete, fact.Complete)
}
