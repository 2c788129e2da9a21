package alertstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// turned is a clock that a test turns forward while real time goes on.
type turned struct{ by atomic.Int64 }

func (c *turned) now() time.Time       { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *turned) turn(d time.Duration) { c.by.Add(int64(d)) }

func tick(t testing.TB, s *Store) {
	t.Helper()
	for {
		more, err := s.Tick(context.Background())
		if err != nil {
			t.Fatalf("tick: %v", err)
		}
		if !more {
			return
		}
	}
}

// silence writes an act as the monitor does.
func (f *seed) silence(t testing.TB, kind, cause string, until time.Time) {
	t.Helper()
	us := int64(0)
	if !until.IsZero() {
		us = store.Micros(until)
	}
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO silence (id, ext, kind, cause, reason, who, via, created_at, until_at)
			SELECT COALESCE(MAX(s.id), 0) + 1, CAST($1 AS TEXT), CAST($2 AS TEXT), (SELECT id FROM cause WHERE ext = $3), 'why', 'ann', 'api', CAST($4 AS BIGINT), CAST($5 AS BIGINT) FROM silence s`,
			"s-"+cause+kind, kind, cause, store.Micros(f.s.config.Now()), us)
		return err
	})
}

// TestRepeatsAndEscalationEnd walks a failure through reminder, escalation,
// acknowledgement and recovery.
func TestRepeatsAndEscalationEnd(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box, clock := testkit.Mailpit(t), &turned{}
		f, s := open(t, url, t.TempDir(), func(c *Config) {
			c.Email, c.Now = email.Config{URL: box.SMTPURL}, clock.now
		})
		route(t, s, `{name: all, to: {email: [ops@acme.test]}, repeat: 4h, escalate: [{after: 30m, severity: [critical], to: {email: nobody@acme.test}}, {after: 2h, to: {email: boss@acme.test}}]}`)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c1", 1, "", 2)
		box.Wait(1, 5*time.Second)
		tick(t, s)
		clock.turn(2*time.Hour + time.Minute)
		tick(t, s)
		tick(t, s)
		boss := box.Wait(2, 5*time.Second)[1]
		if !strings.Contains(boss.Text, "Nobody has acknowledged this for 2 hours") && !strings.Contains(box.Messages()[0].Text, "Nobody has acknowledged this for 2 hours") {
			t.Errorf("the step says %s", boss.Text)
		}
		clock.turn(2 * time.Hour)
		tick(t, s)
		box.Wait(3, 5*time.Second)
		f.silence(t, "acknowledge", "c1", time.Time{})
		clock.turn(5 * time.Hour)
		tick(t, s)
		time.Sleep(300 * time.Millisecond)
		if n := box.Count(); n != 3 {
			t.Errorf("%d mails after it was acknowledged, want 3", n)
		}
		f.recover(t, "c2", "c1", 1, "")
		box.Wait(5, 5*time.Second) // both who were told of the failure
		clock.turn(5 * time.Hour)
		tick(t, s)
		p, err := s.Deliveries(context.Background(), Filter{Cause: "c1"})
		if err != nil || len(p.Items) != 3 {
			t.Errorf("deliveries about the cause: %d, %v; want the first, the step and the reminder", len(p.Items), err)
		}
		f.write(t, func(ctx context.Context, tx *store.Tx) error {
			var n int
			if err := tx.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM alert_due"); err != nil || n != 0 {
				return fmt.Errorf("%d due after the end, %w", n, err)
			}
			return nil
		})
	})
}

// TestMuteSilencesAndItsEndTells holds that a mute silences what fails anew
// under it, and that its end is told if it fails still.
func TestMuteSilencesAndItsEndTells(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box, clock := testkit.Mailpit(t), &turned{}
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email, c.Now = email.Config{URL: box.SMTPURL}, clock.now })
		route(t, s, `{name: all, to: {email: [ops@acme.test]}, repeat: 1h}`)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c1", 1, "", 1)
		box.Wait(1, 5*time.Second)
		f.silence(t, "mute", "c1", clock.now().Add(150*time.Minute))
		clock.turn(2 * time.Hour)
		tick(t, s)
		time.Sleep(300 * time.Millisecond)
		if n := box.Count(); n != 1 {
			t.Fatalf("%d mails under the mute, want 1", n)
		}
		clock.turn(31 * time.Minute)
		tick(t, s)
		if got := fmt.Sprint(box.Wait(2, 5*time.Second)); !strings.Contains(got, "mute ended") {
			t.Errorf("the end of the mute was not told: %s", got)
		}
	})
}

// TestQuietHoursMakeOneDigest holds messages and tells them in one.
func TestQuietHoursMakeOneDigest(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box, clock := testkit.Mailpit(t), &turned{}
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email, c.Now = email.Config{URL: box.SMTPURL}, clock.now })
		from, to := time.Now().UTC().Add(-2*time.Hour).Format("15:04"), time.Now().UTC().Add(2*time.Hour).Format("15:04")
		route(t, s, fmt.Sprintf(`{name: all, to: {email: [ops@acme.test]}, quiet: {from: %q, to: %q}}`, from, to))
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c1", 1, "", 1)
		f.fail(t, "c2", 1, "", 2)
		eventually(t, 5*time.Second, "both to be held", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Waiting}})
			return err == nil && len(p.Items) == 2
		})
		f.recover(t, "c3", "c1", 1, "")
		eventually(t, 5*time.Second, "the recovery to be held", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Waiting}})
			return err == nil && len(p.Items) == 3
		})
		if box.Count() != 0 {
			t.Fatal("a message left while it was quiet")
		}
		clock.turn(2*time.Hour + time.Minute)
		tick(t, s)
		text := box.Wait(1, 5*time.Second)[0].Text
		if !strings.Contains(text, "3 messages were held") || !strings.Contains(text, "recovered in the meantime") || !strings.Contains(text, "Still fails") {
			t.Errorf("the digest says\n%s", text)
		}
		eventually(t, 5*time.Second, "all to count as told", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
			return err == nil && len(p.Items) == 4
		})
	})
}
