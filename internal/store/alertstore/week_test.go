package alertstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/testkit"
)

// TestWeekIsToldOnce tells each week once, in each route's language, with what
// the route asks for, also where the process slept over several.
func TestWeekIsToldOnce(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		box, clock := testkit.Mailpit(t), &turned{}
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Email, c.Now = email.Config{URL: box.SMTPURL}, clock.now })
		f.begin(t, 1)
		f.end(t, 1)
		f.fail(t, "c1", 1, "", 3)
		day := strings.ToLower(time.Now().UTC().AddDate(0, 0, 1).Weekday().String())
		for _, r := range []string{
			`{name: en, when: {cause: [stale]}, to: {email: en@acme.test}, weekly: ` + day + ` 00:00, language: en}`,
			`{name: pt, when: {cause: [stale]}, to: {email: pt@acme.test}, weekly: ` + day + ` 00:00, language: pt-BR}`,
			`{name: es, when: {cause: [stale], check: [host-disk-encrypted]}, to: {email: es@acme.test}, weekly: ` + day + ` 00:00, language: es}`,
		} {
			route(t, s, r)
			route(t, s, r) // saved again: one summary still
		}
		tick(t, s)
		if n := box.Count(); n != 0 {
			t.Fatalf("%d mails before the hour, want none", n)
		}
		clock.turn(24 * time.Hour)
		tick(t, s)
		tick(t, s)
		all := ""
		for _, m := range box.Wait(3, 5*time.Second) {
			all += m.Text + "\n"
		}
		for _, want := range []string{"Open now: 3", "3 achados em aberto", "Nada de lo que avisa esta ruta", checkMFA} {
			if !strings.Contains(all, want) {
				t.Errorf("no %q in %s", want, all)
			}
		}
		clock.turn(22 * 24 * time.Hour) // asleep over three weeks: the last one is told
		tick(t, s)
		box.Wait(6, 5*time.Second)
		if err := s.DeleteRoute(context.Background(), "en"); err != nil {
			t.Fatal(err)
		}
		clock.turn(7 * 24 * time.Hour)
		tick(t, s)
		box.Wait(8, 5*time.Second)
		time.Sleep(200 * time.Millisecond)
		if n := box.Count(); n != 8 {
			t.Errorf("%d mails after three rounds, the last without a route, want 8", n)
		}
	})
}
