package alertstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/seal"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// both runs a test on both databases.
func both(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, testkit.Postgres(t)) })
}

func eventually(t testing.TB, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// only returns the single delivery that the filter finds.
func only(t testing.TB, s *Store, f Filter) Delivery {
	t.Helper()
	p, err := s.Deliveries(context.Background(), f)
	if err != nil {
		t.Fatalf("list deliveries: %v", err)
	}
	if len(p.Items) != 1 {
		t.Fatalf("deliveries: got %d, want 1: %+v", len(p.Items), p.Items)
	}
	return p.Items[0]
}

func TestStormIsOneMessage(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box := testkit.Mailpit(t)
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
		route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
		f.begin(t, 1)
		start := time.Now()
		f.fail(t, "storm", 1, "", 1000)
		time.Sleep(400 * time.Millisecond) // the run goes on: nothing may leave yet
		if n := box.Count(); n != 0 {
			t.Fatalf("the run is open and %d mails left", n)
		}
		f.end(t, 1)
		mails := box.Wait(1, 5*time.Second)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the storm took %s, want at most 5 s", took)
		}
		time.Sleep(300 * time.Millisecond)
		if n := box.Count(); n != 1 {
			t.Errorf("got %d mails for one cause, want 1", n)
		}
		if !strings.Contains(mails[0].Subject, "1,000 things fail") {
			t.Errorf("subject: got %q", mails[0].Subject)
		}
		if n := strings.Count(mails[0].Text, "signs in with a password alone"); n != 20 {
			t.Errorf("the mail names %d things, want 20", n)
		}
		if !strings.Contains(mails[0].Text, "and 980 more") {
			t.Errorf("the mail does not count the rest:\n%s", mails[0].Text)
		}
	})
}

func TestRunThatDoesNotEndIsToldAfterSettling(t *testing.T) {
	box := testkit.Mailpit(t)
	f, s := open(t, "", t.TempDir(), func(c *Config) {
		c.Email, c.Settle = email.Config{URL: box.SMTPURL}, 500*time.Millisecond
	})
	route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
	f.begin(t, 1)
	start := time.Now()
	f.fail(t, "slow", 1, "", 3)
	box.Wait(1, 5*time.Second)
	if took := time.Since(start); took < 450*time.Millisecond {
		t.Errorf("told after %s, before the run had its time", took)
	}
}

func TestMailServerThatRefusesForAWhile(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box := testkit.Mailpit(t)
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
		route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
		box.Fail("Recipient", 451)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c", 1, "", 1)
		eventually(t, 10*time.Second, "a second attempt", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{Cause: "c", State: []State{Pending}})
			if err != nil || len(p.Items) == 0 {
				return false
			}
			d := p.Items[0]
			return d.Attempts >= 2 && d.LastError == "the mail server refused it with 451 at the receiver" && d.NextAt != nil
		})
		n, err := s.Numbers(context.Background())
		if err != nil || n.Pending != 1 || n.Dead != 0 || n.OldestPending.IsZero() {
			t.Errorf("numbers: got %+v, %v", n, err)
		}
		box.Mend()
		box.Wait(1, 10*time.Second)
		eventually(t, 3*time.Second, "the record", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
			return err == nil && len(p.Items) == 1
		})
		d := only(t, s, Filter{Cause: "c"})
		if d.LastError != "" || d.SentAt == nil || d.NextAt != nil {
			t.Errorf("after it arrived: got %+v", d)
		}
		time.Sleep(700 * time.Millisecond)
		if n := box.Count(); n != 1 {
			t.Errorf("got %d mails, want 1", n)
		}
	})
}

func TestRefusedForGoodIsDeadAndCanBeSentAgain(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		ctx := context.Background()
		box := testkit.Mailpit(t)
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
		route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
		box.Fail("Recipient", 550)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c", 1, "", 1)
		eventually(t, 5*time.Second, "the message to be given up", func() bool {
			n, err := s.Numbers(ctx)
			return err == nil && n.Dead == 1
		})
		dead := only(t, s, Filter{State: []State{Dead}})
		box.Mend()
		if err := s.Resend(ctx, dead.ID); err != nil {
			t.Fatalf("send it again: %v", err)
		}
		mails := box.Wait(1, 5*time.Second)
		if mails[0].MessageID != dead.MessageID {
			t.Errorf("sent again as %s, want its first id %s", mails[0].MessageID, dead.MessageID)
		}
		eventually(t, 3*time.Second, "the record", func() bool { return only(t, s, Filter{ID: dead.ID}).State == Sent })
		if err := s.Resend(ctx, dead.ID); !errors.Is(err, ErrNotDead) {
			t.Errorf("send what arrived again: got %v, want ErrNotDead", err)
		}
		if err := s.Resend(ctx, "alert_nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("send what never was: got %v, want not found", err)
		}
	})
}

func TestGivenUpAfterItsWindow(t *testing.T) {
	f, s := open(t, "", t.TempDir(), func(c *Config) {
		c.Clock.Window = time.Second // no mail server is set at all
	})
	route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
	f.begin(t, 1)
	f.end(t, 1)
	f.fail(t, "c", 1, "", 1)
	eventually(t, 8*time.Second, "the message to be given up", func() bool {
		p, err := s.Deliveries(context.Background(), Filter{State: []State{Dead}})
		return err == nil && len(p.Items) == 1
	})
	d := only(t, s, Filter{Cause: "c"})
	if d.Attempts < 2 || !strings.Contains(d.LastError, "PRUMO_SMTP_URL") {
		t.Errorf("given up as %+v", d)
	}
}

// A hook is a real HTTP receiver that verifies what it gets.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	ids    []string
	bodies [][]byte
	errs   []error
	status int
}

func newHook(t testing.TB, secret string) *hook {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	h := &hook{status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err == nil {
			err = wh.Verify(body, r.Header)
		}
		if err != nil {
			h.errs = append(h.errs, err)
		}
		if h.status == 200 {
			h.ids = append(h.ids, r.Header.Get("Webhook-Id"))
			h.bodies = append(h.bodies, body)
		}
		if h.status >= 300 && h.status < 400 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) answer(status int) { h.mu.Lock(); h.status = status; h.mu.Unlock() }

func (h *hook) got() ([]string, [][]byte, []error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.ids...), append([][]byte(nil), h.bodies...), append([]error(nil), h.errs...)
}

func testSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
}

func testBox(t testing.TB) *seal.Box {
	t.Helper()
	b, err := seal.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return b
}

func TestWebhookIsSignedAndItsSecretIsSealed(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		h := newHook(t, testSecret())
		f, s := open(t, url, t.TempDir(), func(c *Config) {
			c.HTTP, c.Seal, c.Drill = http.DefaultClient, testBox(t), true
		})
		route(t, s, fmt.Sprintf(`{name: bus, to: {webhook: {url: %q, secret: %q}}}`, h.URL+"/token-in-path", testSecret()))
		h.answer(302)
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c", 1, "ana@acme.test", 2)
		eventually(t, 5*time.Second, "the redirect to be refused", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{Cause: "c"})
			return err == nil && len(p.Items) == 1 && strings.Contains(p.Items[0].LastError, "302, a redirect")
		})
		h.answer(200)
		eventually(t, 5*time.Second, "the webhook", func() bool { ids, _, _ := h.got(); return len(ids) == 1 })
		ids, bodies, errs := h.got()
		if len(errs) > 0 {
			t.Fatalf("the receiver could not verify it: %v", errs)
		}
		d := only(t, s, Filter{Cause: "c"})
		if ids[0] != d.ID {
			t.Errorf("webhook-id: got %s, want %s", ids[0], d.ID)
		}
		if strings.Contains(d.Receiver, "token-in-path") {
			t.Errorf("the list shows the whole address: %s", d.Receiver)
		}
		var body struct {
			Type string
			Data struct {
				Count int
				Drill bool
				Owner string
			}
		}
		if err := json.Unmarshal(bodies[0], &body); err != nil || body.Type != "prumo.finding.failing" || body.Data.Count != 2 || !body.Data.Drill || body.Data.Owner != "ana@acme.test" {
			t.Errorf("payload: %v in %s", err, bodies[0])
		}
		var docs []struct {
			Doc string `db:"doc"`
		}
		err := f.db.Read(context.Background(), func(tx *store.Tx) error {
			return tx.Select(context.Background(), &docs, "SELECT doc FROM alert_route")
		})
		if err != nil || strings.Contains(docs[0].Doc, "whsec_") || strings.Contains(docs[0].Doc, "token-in-path") {
			t.Errorf("the stored route holds a secret: %s, %v", docs[0].Doc, err)
		}
		if err := s.DeleteRoute(context.Background(), "bus"); err != nil {
			t.Fatalf("delete the route: %v", err)
		}
	})
}

func TestRouteTestGoesTheSameWay(t *testing.T) {
	box := testkit.Mailpit(t)
	_, s := open(t, "", t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
	route(t, s, `{name: sec, when: {severity: [critical]}, to: {email: [a@acme.test, b@acme.test]}, language: es}`)
	ids, err := s.Test(context.Background(), "sec")
	if err != nil || len(ids) != 2 {
		t.Fatalf("test the route: got %v, %v", ids, err)
	}
	for _, m := range box.Wait(2, 5*time.Second) {
		if m.Subject != "Prueba de la ruta sec" || !strings.Contains(m.Text, "las alertas llegan") {
			t.Errorf("got %q\n%s", m.Subject, m.Text)
		}
	}
	if _, err := s.Test(context.Background(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("test a route that is not there: got %v", err)
	}
}

func TestNoRouteTellsNobodyAndSaysSo(t *testing.T) {
	f, s := open(t, "", t.TempDir(), nil)
	f.begin(t, 1)
	f.end(t, 1)
	f.fail(t, "c", 1, "", 1)
	eventually(t, 5*time.Second, "the cause to be settled", func() bool {
		n, err := s.Numbers(context.Background())
		return err == nil && n.Untold == 1 && n.Routes == 0
	})
}

func TestFileRoutesAreNotChangedElsewhere(t *testing.T) {
	ctx := context.Background()
	_, s := open(t, "", t.TempDir(), nil)
	route(t, s, `{name: mine, to: {email: [a@acme.test]}}`)
	all, err := s.Routes(ctx)
	if err != nil || len(all) != 1 || all[0].FromFile {
		t.Fatalf("routes: got %+v, %v", all, err)
	}
	file := all[0]
	file.Name = "file"
	if err := s.ApplyRoutes(ctx, append(all[:0:0], file)); err != nil {
		t.Fatalf("apply the file: %v", err)
	}
	if err := s.SaveRoute(ctx, file); !errors.Is(err, ErrFromFile) {
		t.Errorf("save over the file's route: got %v", err)
	}
	if err := s.DeleteRoute(ctx, "file"); !errors.Is(err, ErrFromFile) {
		t.Errorf("delete the file's route: got %v", err)
	}
	if err := s.ApplyRoutes(ctx, nil); err != nil {
		t.Fatalf("apply an empty file: %v", err)
	}
	if all, err = s.Routes(ctx); err != nil || len(all) != 1 || all[0].Name != "mine" {
		t.Errorf("after the file was emptied: got %+v, %v", all, err)
	}
}

func TestDeliveriesPage(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		ctx := context.Background()
		f, s := open(t, url, t.TempDir(), nil)
		route(t, s, `{name: all, to: {email: [a@acme.test, b@acme.test, c@acme.test]}}`)
		f.begin(t, 1)
		f.end(t, 1)
		for i := range 3 {
			f.fail(t, fmt.Sprintf("c%d", i), 1, "ana@acme.test", 1)
		}
		eventually(t, 8*time.Second, "nine deliveries", func() bool {
			p, err := s.Deliveries(ctx, Filter{})
			return err == nil && len(p.Items) == 9
		})
		seen, cursor := map[string]bool{}, ""
		for range 5 {
			p, err := s.Deliveries(ctx, Filter{Filter: monitor.Filter{Limit: 2, Cursor: cursor}})
			if err != nil {
				t.Fatalf("page: %v", err)
			}
			for _, d := range p.Items {
				seen[d.ID] = true
			}
			cursor = p.Next
		}
		if len(seen) != 9 || cursor != "" {
			t.Errorf("paged through %d deliveries, cursor %q; want 9 and the end", len(seen), cursor)
		}
		for text, want := range map[string]int{"C1": 0, "c1": 3, "B@acme": 3, "second factor": 9, "%": 0} {
			p, err := s.Deliveries(ctx, Filter{Filter: monitor.Filter{Text: text}})
			if err != nil || len(p.Items) != want && text != "C1" {
				t.Errorf("search %q: got %d, %v; want %d", text, len(p.Items), err, want)
			}
		}
		p, err := s.Deliveries(ctx, Filter{Filter: monitor.Filter{Check: []string{checkMFA}, Status: []monitor.Status{"pending"}}})
		if err != nil || len(p.Items) != 9 {
			t.Errorf("by check and state: got %d, %v", len(p.Items), err)
		}
		if _, err := s.Deliveries(ctx, Filter{Filter: monitor.Filter{Cursor: "x"}}); !errors.Is(err, ErrCursor) {
			t.Errorf("a made-up cursor: got %v", err)
		}
	})
}

func TestManyCausesEachOnce(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		const causes = 150
		box := testkit.Mailpit(t)
		h := newHook(t, testSecret())
		f, s := open(t, url, t.TempDir(), func(c *Config) {
			c.Email, c.HTTP, c.Seal = email.Config{URL: box.SMTPURL}, http.DefaultClient, testBox(t)
			c.Clock.Poll = 0 // as in production
		})
		route(t, s, fmt.Sprintf(`{name: all, to: {email: [ops@acme.test], webhook: {url: %q, secret: %q}}}`, h.URL, testSecret()))
		f.begin(t, 1)
		f.end(t, 1)
		start := time.Now()
		for i := range causes {
			f.fail(t, fmt.Sprintf("m%d", i), 1, "", 1)
		}
		box.Wait(causes, 30*time.Second)
		t.Logf("%d causes, %d messages in %s", causes, 2*causes, time.Since(start))
		eventually(t, 10*time.Second, "the records", func() bool {
			n, err := s.Numbers(context.Background())
			return err == nil && n.Pending == 0
		})
		ids, _, _ := h.got()
		if n := box.Count(); n != causes || len(ids) != causes {
			t.Errorf("got %d mails and %d webhooks of %d causes, want one each", n, len(ids), causes)
		}
	})
}

func TestHeartThatFailsMakesNoRepeat(t *testing.T) {
	for _, failures := range []int{2, 1000} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			box := testkit.Mailpit(t)
			left := failures
			f, s := open(t, "", t.TempDir(), func(c *Config) {
				c.Email = email.Config{URL: box.SMTPURL}
				heart := c.Causes.(testHeart)
				heart.fails = func() bool { left--; return left >= 0 }
				c.Causes = heart
			})
			route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
			f.begin(t, 1)
			f.end(t, 1)
			f.fail(t, "c", 1, "", 1)
			box.Wait(1, 5*time.Second)
			eventually(t, 5*time.Second, "the record", func() bool {
				p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
				return err == nil && len(p.Items) == 1
			})
			time.Sleep(500 * time.Millisecond)
			if n := box.Count(); n != 1 {
				t.Errorf("got %d mails, want 1", n)
			}
		})
	}
}
