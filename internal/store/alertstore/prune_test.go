package alertstore

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/store"
)

// TestOldIsPruned: what is older than it is kept goes, with its messages, also
// the queue's own rows; what is younger or on its way stays.
func TestOldIsPruned(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Keep = 100 * time.Hour })
		now := time.Now()
		f.write(t, func(ctx context.Context, tx *store.Tx) error {
			for i := range 3*prunePiece + 7 {
				if err := told(ctx, tx, fmt.Sprintf("old-%d", i), Sent, now.Add(-101*time.Hour)); err != nil {
					return err
				}
			}
			if err := told(ctx, tx, "waits", Pending, now.Add(-200*time.Hour)); err != nil {
				return err
			}
			return told(ctx, tx, "young", Dead, now.Add(-99*time.Hour))
		})
		left := func() (events, messages int64) {
			err := f.db.Read(context.Background(), func(tx *store.Tx) error {
				if err := tx.Row(context.Background(), []any{&events}, "SELECT COUNT(*) FROM alert_event"); err != nil {
					return err
				}
				return tx.Row(context.Background(), []any{&messages}, "SELECT COUNT(*) FROM alert_delivery")
			})
			if err != nil {
				t.Fatal(err)
			}
			return events, messages
		}
		eventually(t, 20*time.Second, "the old to be pruned", func() bool { e, _ := left(); return e == 2 })
		if _, m := left(); m != 2 {
			t.Errorf("%d messages are left, want 2", m)
		}
		for more := true; more; {
			var err error
			if more, err = s.prune(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if e, _ := left(); e != 2 {
			t.Errorf("pruning again leaves %d events, want 2", e)
		}
	})
}

// TestQueueIsCleaned: rows of jobs that are done leave the queue's table.
func TestQueueIsCleaned(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		f, s := open(t, url, t.TempDir(), nil)
		eventually(t, 20*time.Second, "the first pruning to be done", func() bool { return jobs(t, f, "kind = 'alert_prune' AND state = 'completed'") > 0 })
		if err := s.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		f.write(t, func(ctx context.Context, tx *store.Tx) error {
			past := time.Now().UTC().Add(-48 * time.Hour).Format("2006-01-02 15:04:05")
			_, err := tx.Exec(ctx, "UPDATE river_job SET finalized_at = $1, kind = 'old' WHERE state = 'completed'", past)
			return err
		})
		again, err := New(context.Background(), f.db, s.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := again.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		eventually(t, 60*time.Second, "the queue's table to be cleaned", func() bool { return jobs(t, f, "kind = 'old'") == 0 })
	})
}

func jobs(t *testing.T, f *seed, where string) (n int64) {
	t.Helper()
	err := f.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.Row(context.Background(), []any{&n}, "SELECT COUNT(*) FROM river_job WHERE "+where)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// told writes an event with one message.
func told(ctx context.Context, tx *store.Tx, cause string, state State, at time.Time) error {
	us := store.Micros(at)
	if _, err := tx.Exec(ctx, "INSERT INTO alert_event (cause, kind, sealed_at, letters, doc) VALUES ($1, 'failing', $2, 1, '{}')", cause, us); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO alert_delivery (id, cause, kind, route, channel, receiver_key, receiver, lang, detail, checks, parts, things,
		source, owner, severity, subject, message_id, thread, state, created_at, tried_from)
		VALUES ($1, $1, 'failing', 'r', 'email', 'k', 'k', 'en', 'full', '[]', '[]', 1, '', '', 1, '', $1, '[]', $2, $3, $3)`, cause, string(state), us)
	return err
}

// TestGoneReceiverIsLeftAlone: after a 410 nothing is sent there, and it is
// said; a test that arrives, or the route saved again, ends that.
func TestGoneReceiverIsLeftAlone(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		h := newHook(t, testSecret())
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.HTTP, c.Seal = http.DefaultClient, testBox(t) })
		text := fmt.Sprintf(`{name: bus, to: {webhook: {url: %q, secret: %q}}}`, h.URL, testSecret())
		route(t, s, text)
		h.answer(http.StatusGone)
		f.begin(t, 1)
		f.end(t, 1)
		state := func(cause string, want State, words string) {
			t.Helper()
			eventually(t, 5*time.Second, cause+" to be "+string(want), func() bool {
				p, err := s.Deliveries(context.Background(), Filter{Cause: cause})
				return err == nil && len(p.Items) == 1 && p.Items[0].State == want && strings.Contains(p.Items[0].LastError, words)
			})
		}
		f.fail(t, "first", 1, "ana@acme.test", 1)
		state("first", Dead, "answered 410")
		h.answer(http.StatusOK)
		f.fail(t, "second", 1, "ana@acme.test", 1)
		state("second", Dead, goneWords)
		if ids, _, _ := h.got(); len(ids) != 0 {
			t.Errorf("%d messages arrived at a receiver that is gone", len(ids))
		}
		if _, err := s.Test(context.Background(), "bus"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, "the test", func() bool { ids, _, _ := h.got(); return len(ids) == 1 })
		eventually(t, 5*time.Second, "the receiver to be back", func() bool {
			var n int64
			err := f.db.Read(context.Background(), func(tx *store.Tx) error {
				return tx.Row(context.Background(), []any{&n}, "SELECT COUNT(*) FROM alert_gone")
			})
			return err == nil && n == 0
		})
		f.fail(t, "third", 1, "ana@acme.test", 1)
		state("third", Sent, "")

		h.answer(http.StatusGone)
		f.fail(t, "fourth", 1, "ana@acme.test", 1)
		state("fourth", Dead, "answered 410")
		h.answer(http.StatusOK)
		route(t, s, text)
		f.fail(t, "fifth", 1, "ana@acme.test", 1)
		state("fifth", Sent, "")
	})
}
