package alertstore

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// open makes a started store over a real database.
func open(t testing.TB, url, dir string, change func(*Config)) (*seed, *Store) {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{URL: url, Dir: dir})
	if err != nil {
		t.Fatalf("open the database: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	set := testChecks(t)
	c := Config{
		Causes: testHeart{db: db}, Checks: func() *check.Set { return set }, BaseURL: "https://prumo.acme.test", Organisation: "Acme",
		Control: func(_, lang string) string {
			return map[string]string{"en": "Second factor", "pt-BR": "Segundo fator", "es": "Segundo factor"}[lang]
		},
		Clock: Clock{Poll: 50 * time.Millisecond, Backoff: func(int) time.Duration { return 300 * time.Millisecond }},
	}
	if os.Getenv("ALERT_LOG") != "" {
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if change != nil {
		change(&c)
	}
	s, err := New(ctx, db, c)
	if err != nil {
		t.Fatalf("open alerts: %v", err)
	}
	if err := s.Start(ctx); err != nil {
		t.Fatalf("start alerts: %v", err)
	}
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(stop); err != nil {
			t.Errorf("stop alerts: %v", err)
		}
	})
	return &seed{db: db, s: s}, s
}

// route parses and saves a route.
func route(t testing.TB, s *Store, text string) {
	t.Helper()
	r, err := alert.Parser{Channels: s.Channels()}.Parse([]byte(text))
	if err != nil {
		t.Fatalf("parse the route: %v", err)
	}
	if err := s.SaveRoute(context.Background(), r); err != nil {
		t.Fatalf("save the route: %v", err)
	}
}

func TestMailArrivesAndRecoveryAnswersIt(t *testing.T) {
	box := testkit.Mailpit(t)
	f, s := open(t, "", t.TempDir(), func(c *Config) { c.Email = email.Config{URL: box.SMTPURL} })
	route(t, s, `{name: security, when: {severity: [high]}, to: {email: [security@acme.test, owner]}, language: pt-BR}`)
	f.begin(t, 1)
	start := time.Now()
	f.fail(t, "c1", 1, "ana@acme.test", 1)
	f.end(t, 1)
	box.Wait(2, 5*time.Second)
	t.Logf("arrived after %s", time.Since(start))
	f.recover(t, "c2", "c1", 1, "ana@acme.test")
	mails := box.Wait(4, 5*time.Second)
	first := map[string]string{}
	for _, m := range mails[:2] {
		full := m
		first[m.To[0]] = full.MessageID
		for _, want := range []string{"Toda conta tem um segundo fator", "c1-0 entra só com senha", "account.mfa = false", "Segundo fator (mfa)", "ana@acme.test", "https://prumo.acme.test/findings/f-c1-0", "Peça a c1-0"} {
			if !strings.Contains(full.Text, want) {
				t.Errorf("mail to %s: no %q in\n%s", m.To[0], want, full.Text)
			}
		}
		if got := full.Header["Auto-Submitted"]; len(got) != 1 || got[0] != "auto-generated" {
			t.Errorf("Auto-Submitted: got %q", got)
		}
	}
	for _, m := range mails[2:] {
		full := m
		if got := full.Header["In-Reply-To"]; len(got) != 1 || got[0] != "<"+first[m.To[0]]+">" {
			t.Errorf("recovery to %s answers %q, want %q", m.To[0], got, first[m.To[0]])
		}
		if !strings.HasPrefix(full.Subject, "Re: [Alta]") {
			t.Errorf("recovery's subject: got %q", full.Subject)
		}
		if !strings.Contains(full.Text, "Normalizado") {
			t.Errorf("recovery says\n%s", full.Text)
		}
	}
}
