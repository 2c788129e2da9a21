package alertstore

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/testkit"
)

// slow is a receiver that takes its time; it says how often it was asked.
func slow(t testing.TB, takes time.Duration) (url string, asked func() int64, asking <-chan struct{}) {
	t.Helper()
	var n atomic.Int64
	began := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		n.Add(1)
		began <- struct{}{}
		time.Sleep(takes)
	}))
	t.Cleanup(s.Close)
	return s.URL, n.Load, began
}

func slowRoute(t testing.TB, s *Store, url string) {
	t.Helper()
	route(t, s, fmt.Sprintf(`{name: slow, to: {webhook: {url: %q, secret: %q}}}`, url, testSecret()))
}

// TestReplicaThatStartsTakesNothingFromOneThatLives starts a second process
// while the first is in the middle of a message.
func TestReplicaThatStartsTakesNothingFromOneThatLives(t *testing.T) {
	database := testkit.Postgres(t)
	box := testBox(t)
	with := func(c *Config) { c.HTTP, c.Seal = http.DefaultClient, box }
	f, s := open(t, database, "", with)
	url, asked, asking := slow(t, 1500*time.Millisecond)
	slowRoute(t, s, url)
	f.begin(t, 1)
	f.end(t, 1)
	f.fail(t, "c", 1, "", 1)
	<-asking
	_, second := open(t, database, "", with)
	eventually(t, 10*time.Second, "the record", func() bool {
		n, err := second.Numbers(context.Background())
		return err == nil && n.Pending == 0 && !n.LastSent.IsZero()
	})
	if n := asked(); n != 1 {
		t.Errorf("the receiver was asked %d times, want 1", n)
	}
}

// TestStopLetsAMessageArrive stops in the middle of a message; what the
// receiver said is recorded, and the next start repeats nothing.
func TestStopLetsAMessageArrive(t *testing.T) {
	both(t, func(t *testing.T, database string) {
		dir, box := t.TempDir(), testBox(t)
		with := func(c *Config) { c.HTTP, c.Seal = http.DefaultClient, box }
		f, s := open(t, database, dir, with)
		url, asked, asking := slow(t, 800*time.Millisecond)
		slowRoute(t, s, url)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c", 1, "", 1)
		<-asking
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Fatalf("stop: %v", err)
		}
		if d := only(t, s, Filter{Cause: "c"}); d.State != Sent {
			t.Errorf("after the stop it is %s", d.State)
		}
		_, again := open(t, database, dir, with)
		time.Sleep(500 * time.Millisecond)
		if n := asked(); n != 1 {
			t.Errorf("the receiver was asked %d times, want 1", n)
		}
		if err := again.Start(context.Background()); err == nil {
			t.Error("started twice")
		}
	})
}

// TestFromCauseToMailInTime measures our part of the way from a webhook's
// arrival to the mail that the server accepted.
func TestFromCauseToMailInTime(t *testing.T) {
	both(t, func(t *testing.T, database string) {
		box := testkit.Mailpit(t)
		f, s := open(t, database, t.TempDir(), func(c *Config) { c.Email, c.Clock = email.Config{URL: box.SMTPURL}, Clock{} })
		route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
		f.begin(t, 1)
		f.end(t, 1)
		var took []time.Duration
		for i := range 20 {
			start := time.Now()
			f.fail(t, fmt.Sprintf("l%d", i), 1, "", 1)
			box.Wait(i+1, 5*time.Second)
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		p50, p95 := took[10], took[18]
		t.Logf("p50 %s, p95 %s", p50, p95)
		if p95 > 2*time.Second {
			t.Errorf("p95 is %s, want at most 2 s", p95)
		}
	})
}
