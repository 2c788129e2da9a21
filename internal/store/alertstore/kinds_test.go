package alertstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// TestFirstLookTellsEachOwnerTheirOwn settles one cause whose findings have
// several owners: what a new source finds failing at first sight.
func TestFirstLookTellsEachOwnerTheirOwn(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box := testkit.Mailpit(t)
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
		route(t, s, `{name: owners, to: {email: owner}}`)
		route(t, s, `{name: bob, when: {owner: [bob@acme.test]}, to: {email: boss@acme.test}}`)
		route(t, s, `{name: all, to: {email: all@acme.test}}`)
		f.begin(t, 1)
		f.fail(t, "c", 1, "ana@acme.test", 5)
		f.write(t, func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE cause SET owner = '', first = 1, chk = 0 WHERE ext = 'c'"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE finding SET owner = 'bob@acme.test' WHERE ext IN ('f-c-3', 'f-c-4')")
			return err
		})
		f.end(t, 1)
		box.Wait(4, 5*time.Second)
		things := map[string]int{"ana@acme.test": 3, "bob@acme.test": 2, "boss@acme.test": 2, "all@acme.test": 5}
		for _, m := range box.Messages() {
			if n := strings.Count(m.Text, "signs in with a password alone"); n != things[m.To[0]] || n == 0 {
				t.Errorf("%s is told of %d things, want %d:\n%s", m.To[0], n, things[m.To[0]], m.Text)
			}
			if strings.Contains(m.Text, "bob@acme.test") != (m.To[0] != "ana@acme.test") {
				t.Errorf("%s reads\n%s", m.To[0], m.Text)
			}
		}
	})
}

// TestEndedExceptionNamesItsFailures tells that an exception ended; its cause
// has no finding of its own. Of the failures of its check it names those that
// the exception covered, and the check.
func TestEndedExceptionNamesItsFailures(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box := testkit.Mailpit(t)
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c", 1, "ana@acme.test", 2)
		eventually(t, 5*time.Second, "the failure to be settled", func() bool {
			n, err := s.Numbers(context.Background())
			return err == nil && n.Untold == 1
		})
		route(t, s, `{name: all, when: {cause: [excepted], check: [account-has-mfa]}, to: {email: owner}}`)
		for i, c := range []struct {
			cause, fact string
			n           int
		}{{"all", "", 2}, {"one", "code/c-1", 1}} {
			f.write(t, func(ctx context.Context, tx *store.Tx) error {
				if _, err := f.causeTx(ctx, tx, c.cause, "excepted", 1, "ana@acme.test", c.n); err != nil {
					return err
				}
				now := store.Micros(tx.Now())
				if _, err := tx.Exec(ctx, `INSERT INTO exception (id, ext, chk, fid, source, reason, requester, created_at, ends_at)
					VALUES ($1, $2, 'account-has-mfa', $3, '', 'r', 'a', $4, $4)`, i+1, c.cause, c.fact, now); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, "UPDATE exception_span SET to_at = 1"); err != nil { // the one before ended earlier
					return err
				}
				if _, err := tx.Exec(ctx, "INSERT INTO exception_span (id, exception, from_at, to_at) VALUES ($1, $1, 0, $2)", i+1, now); err != nil {
					return err
				}
				return s.Enqueue(ctx, tx, monitor.Cause{ID: c.cause, Run: 1})
			})
			all := box.Wait(i+1, 5*time.Second)
			m := all[0]
			for _, other := range all {
				if strings.Contains(other.Subject, "2 things fail again") == (c.n == 2) {
					m = other
				}
			}
			if !strings.Contains(m.Text, "c-1 signs in") || strings.Contains(m.Text, "c-0 signs in") != (c.n == 2) ||
				!strings.Contains(m.Subject, "An exception ended") || !strings.Contains(m.Text, "account-has-mfa") {
				t.Errorf("%s: got %q\n%s", c.cause, m.Subject, m.Text)
			}
		}
	})
}

func TestSilentSourceIsToldWhateverTheCondition(t *testing.T) {
	box := testkit.Mailpit(t)
	f, s := open(t, "", t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
	route(t, s, `{name: all, when: {severity: [critical]}, to: {email: a@acme.test}, language: pt-BR}`)
	f.begin(t, 1)
	f.end(t, 1)
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		if _, err := f.causeTx(ctx, tx, "s", "stale", 1, "", 7); err != nil {
			return err
		}
		read := store.Micros(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
		if _, err := tx.Exec(ctx, "UPDATE scope SET last_complete_at = $1 WHERE source = 1", read); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO overlay (id, scope, fact, fresh_us, from_at) SELECT 900, id, 0, 1, 1 FROM scope WHERE source = 1"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE source SET last_read_at = $1, last_why = 'the answer was 503' WHERE id = 1", read+1_000_000_000); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE cause SET chk = 0 WHERE ext = 's'"); err != nil {
			return err
		}
		return s.Enqueue(ctx, tx, monitor.Cause{ID: "s", Run: 1})
	})
	if m := box.Wait(1, 5*time.Second)[0]; m.Subject != "code não foi lida no prazo" ||
		!strings.Contains(m.Text, "Última leitura completa: 4 mar. 2026, 05h06min07s UTC") || !strings.Contains(m.Text, "the answer was 503") {
		t.Errorf("got %q\n%s", m.Subject, m.Text)
	}
}
