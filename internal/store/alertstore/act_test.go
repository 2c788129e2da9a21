package alertstore

import (
	"context"
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/testkit"
)

// TestLinkOfAMessage holds that the link in a message names its cause and
// receiver, and that a forged, changed or old one does nothing.
func TestLinkOfAMessage(t *testing.T) {
	ctx := context.Background()
	box, clock, key := testkit.Mailpit(t), &turned{}, testBox(t)
	f, s := open(t, "", t.TempDir(), func(c *Config) {
		c.Email, c.Now, c.Seal, c.Acts = email.Config{URL: box.SMTPURL}, clock.now, key, true
	})
	route(t, s, `{name: all, to: {email: [ops@acme.test]}}`)
	f.begin(t, 1)
	f.end(t, 1)
	f.fail(t, "c1", 1, "", 1)
	text := box.Wait(1, 5*time.Second)[0].Text
	_, rest, found := strings.Cut(text, "Acknowledge: ")
	if !found {
		t.Fatalf("no link in\n%s", text)
	}
	u, err := url.Parse(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	token := path.Base(u.Path)
	q, err := s.ActRequest(ctx, token)
	if err != nil || q.Cause != "c1" || q.By != "ops@acme.test" || q.Via != "link" || len(q.Parts) != 0 {
		t.Errorf("the link asks for %+v, %v", q, err)
	}
	if v, err := s.Act(ctx, token); err != nil || !strings.Contains(v.Subject, "second factor") {
		t.Errorf("the page shows %+v, %v", v, err)
	}
	parts := strings.Split(token, ".")
	for _, bad := range []string{
		"", ".", "..", parts[0], parts[0] + ".zzzzzzz." + parts[2], "alert_other." + parts[1] + "." + parts[2],
		parts[0] + "." + parts[1] + ".", strings.Repeat("a", 400), token + "a",
	} {
		if _, err := s.ActRequest(ctx, bad); !errors.Is(err, ErrLink) {
			t.Errorf("%q: got %v, want that it is not valid", bad, err)
		}
	}
	clock.turn(15 * 24 * time.Hour)
	if _, err := s.ActRequest(ctx, token); !errors.Is(err, ErrLink) {
		t.Errorf("an old link: got %v", err)
	}
}
