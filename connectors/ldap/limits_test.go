package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// A directory that gives at most so many entries is never read whole.
func TestRealSizeLimit(t *testing.T) {
	w := newWorld(t, testkit.LDAPConfig{Database: []string{"sizelimit size.soft=3 size.hard=3 size.prtotal=3"}})
	for _, s := range w.collect(nil).Scopes() {
		if s.Reading != fact.Partial || s.Detail.Of != 0 || !strings.Contains(s.Detail.Why, "less than") {
			t.Errorf("scope %+v, want it partial without a number", s)
		}
	}
	if h, err := (Connector{}).Tripwire(t.Context(), w.run(nil)); err == nil {
		t.Errorf("the tripwire gave %d hashes and no error", len(h))
	}
}

// More accounts than a page holds are read page by page.
func TestRealPages(t *testing.T) {
	w := newWorld(t, testkit.LDAPConfig{Database: []string{"sizelimit size.soft=3 size.hard=3 size.prtotal=unlimited size.pr=unlimited"}})
	var ldif strings.Builder
	for i := range 1200 {
		ldif.WriteString(person(fmt.Sprintf("u%04d", i), 100+i) + "\n")
	}
	w.Change(ldif.String())
	m := w.collect(nil)
	complete(t, m)
	if got := len(m.Facts()); got != 1205 {
		t.Errorf("%d facts, want 1,204 accounts and the tenant", got)
	}
	run := w.run(func(s map[string]any) { s["tripwire_requests"] = 1 })
	h, err := (Connector{}).Tripwire(t.Context(), run)
	if err != nil || len(h) != pageSize+1 {
		t.Errorf("the tripwire with one request saw %d, %v; want one page and the groups", len(h), err)
	}
}

// A directory that wants encryption says so; its strangers get nothing.
func TestRealEncryptionDemanded(t *testing.T) {
	w := newWorld(t, testkit.LDAPConfig{Global: []string{"security ssf=128"}, Database: []string{"access to dn.subtree=\"dc=acme,dc=test\" attrs=userPassword by anonymous auth by * none", "access to * by users read by * none"}})
	m := w.collect(func(s map[string]any) { s["url"] = "ldap://" + w.Addr })
	complete(t, m)
	checkJSON(t, "tenant", []any{tenant(t, m).EncryptedTransport, tenant(t, m).AnonymousAccess}, `[true, false]`)
	for _, s := range w.collect(func(s map[string]any) { s["url"], s["plain"] = "ldap://"+w.Addr, true }).Scopes() {
		if s.Reading != fact.Forbidden {
			t.Errorf("without encryption: scope %+v, want it forbidden", s)
		}
	}
	if tn := tenant(t, w.collect(nil)); tn.EncryptedTransport.Known() {
		t.Error("over ldaps nothing is known of the plain port, and yet it is said")
	}
	for _, s := range w.collect(func(s map[string]any) { delete(s, "bind_dn") }).Scopes() {
		if s.Scope.Name == scopeAccounts && s.Reading == fact.Complete {
			t.Errorf("a stranger's reading is complete: %+v", s)
		}
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	base := func() connector.Settings { return connector.Settings{"url": "ldaps://d.acme.test", "base": "dc=acme"} }
	for name, change := range map[string]func(connector.Settings){
		"web address": func(s connector.Settings) { s["url"] = "https://d.acme.test" }, "no password": func(s connector.Settings) { s["bind_dn"] = "cn=x" },
		"base": func(s connector.Settings) { s["base"] = "acme" }, "authority": func(s connector.Settings) { s["ca"] = "x" },
		"filter": func(s connector.Settings) { s["user_filter"] = "(uid=*" }, "services": func(s connector.Settings) { s["service_filter"] = "x)(" },
	} {
		s := base()
		change(s)
		run := connector.Run{Settings: s, Dial: connector.NewDialer(connector.NetworkPolicy{}), Now: time.Now}
		if err := New().Collect(t.Context(), run, connector.Record()); !errors.Is(err, connector.ErrSettings) {
			t.Errorf("%s: %v, want an error about settings", name, err)
		}
	}
}

// stranger serves bytes to whoever connects.
func stranger(t *testing.T, answer func(net.Conn)) connector.Run {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); answer(c) }()
		}
	}()
	return connector.Run{
		Settings: connector.Settings{"url": "ldap://" + l.Addr().String(), "plain": true, "base": "dc=acme", "patience": int64(2)},
		Dial:     connector.NewDialer(connector.NetworkPolicy{AllowAll: true}), Now: time.Now,
	}
}

// Whatever answers in place of a directory, no scope is complete and nothing hangs.
func TestHostileServers(t *testing.T) {
	flood := func(c net.Conn) {
		_, _ = c.Write([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xf0})
		b := make([]byte, 1<<20)
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	for name, answer := range map[string]func(net.Conn){
		"nothing": func(net.Conn) {}, "a web page": func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		"flood": flood, "silence": func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); time.Sleep(4 * time.Second) },
		"an empty message": func(c net.Conn) { _, _ = c.Write([]byte{0x30, 0x00}) },
		"done without an entry": func(c net.Conn) {
			for id := byte(1); id < 9; id++ {
				b := make([]byte, 512)
				if _, err := c.Read(b); err != nil {
					return
				}
				_, _ = c.Write([]byte{0x30, 0x0c, 0x02, 0x01, id, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
			}
		},
	} {
		run := stranger(t, answer)
		m := connector.Record()
		start := time.Now()
		if err := New().Collect(t.Context(), run, m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		for _, s := range m.Scopes() {
			if s.Reading == fact.Complete || s.Detail.Why == "" {
				t.Errorf("%s: scope %+v, want it partial", name, s)
			}
		}
	}
}

// A directory without encryption is left before the password is sent.
func TestNoEncryptionOffered(t *testing.T) {
	said := make(chan string, 10)
	run := stranger(t, func(c net.Conn) {
		b := make([]byte, 512)
		n, _ := c.Read(b)
		_, _ = c.Write([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x02, 0x04, 0x00, 0x04, 0x00})
		more, _ := c.Read(b[n:])
		said <- string(b[:n+more])
	})
	run.Settings["plain"], run.Settings["bind_dn"], run.Settings["password"] = false, "cn=prumo", "secret-of-one-test"
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Partial || s.Detail.Why != errNoTLS.Error() {
			t.Errorf("scope %+v", s)
		}
	}
	if got := <-said; strings.Contains(got, "secret-of-one-test") {
		t.Error("the password was sent without encryption")
	}
}

// A cancelled reading ends at once.
func TestCancelled(t *testing.T) {
	run := stranger(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); time.Sleep(3 * time.Second) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := New().Collect(ctx, run, connector.Record())
	if took := time.Since(start); took > time.Second || err == nil {
		t.Errorf("took %v, %v", took, err)
	}
}
