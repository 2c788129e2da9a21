package github

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
	"prumo.dev/prumo/internal/alert/ticket/tickettest"
)

const token = "ghp_topsecret-token"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url string) string {
	return fmt.Sprintf(`{url: %q, repository: acme/security, token: %s, labels: "security, prumo"}`, url, token)
}

func forge() *tickettest.Forge {
	return &tickettest.Forge{Prefix: "", Auth: "Bearer " + token, Page: "per_page", MaxTitle: maxTitle, MaxBody: maxBody, Pulls: true}
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{New: fresh, Words: words, Secrets: []string{token}, Accept: forge().ServeHTTP})
}

func TestStory(t *testing.T) {
	f := forge()
	v := channeltest.NewVendor(t, f.ServeHTTP)
	channeltest.Tickets(t, fresh, channeltest.Tracker{Client: v.Client, Words: words(v.URL), Issues: f.All, Lose: f.Lose})
	for _, s := range v.Seen() {
		if s.Header.Get("X-GitHub-Api-Version") != "2022-11-28" || s.Header.Get("Accept") != "application/vnd.github+json" || s.Header.Get("User-Agent") == "" {
			t.Errorf("%s %s: headers %v", s.Method, s.Path, s.Header)
		}
	}
	if labels := f.Labels(1); strings.Join(labels, " ") != "security prumo" {
		t.Errorf("labels: got %v", labels)
	}
}

// TestManyPages finds the mark behind many newer issues and a pull request
// that pretends.
func TestManyPages(t *testing.T) {
	f := forge()
	v := channeltest.NewVendor(t, f.ServeHTTP)
	f.Fill(120)
	channeltest.Tickets(t, fresh, channeltest.Tracker{Client: v.Client, Words: words(v.URL), Issues: func() []channeltest.Issue { return f.All()[120:] }, Lose: f.Lose})
}

// TestRateLimit rests as long as GitHub says, by either of its ways.
func TestRateLimit(t *testing.T) {
	v := channeltest.NewVendor(t, nil)
	ch := fresh(v.Client)
	for name, header := range map[string]map[string]string{
		"primary":   {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(channeltest.At().Add(11 * time.Minute).Unix())},
		"secondary": {"Retry-After": "600"},
	} {
		v.Answer(func(w http.ResponseWriter, _ *http.Request) {
			for k, x := range header {
				w.Header().Set(k, x)
			}
			w.WriteHeader(http.StatusForbidden)
		})
		err := ch.Send(t.Context(), channeltest.Dispatch(channeltest.Receiver(t, ch, words(v.URL)), channel.KindFailing, 1, &channeltest.Notes{}))
		if after := channel.After(err); after != 10*time.Minute {
			t.Errorf("%s: rests %v, want 10 min", name, after)
		}
	}
}

// TestDeletedIssue has nothing to close, and nobody is given up for that.
func TestDeletedIssue(t *testing.T) {
	v := channeltest.NewVendor(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/issues") {
			forge().ServeHTTP(w, r)
			return
		}
		http.Error(w, `{"message":"This issue was deleted"}`, http.StatusGone)
	})
	ch, notes := fresh(v.Client), &channeltest.Notes{}
	d := channeltest.Dispatch(channeltest.Receiver(t, ch, words(v.URL)), channel.KindRecovered, 0, notes)
	d.Cases[0].Note = "17"
	if err := ch.Send(t.Context(), d); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestNamesOfRepositories(t *testing.T) {
	for _, name := range []string{"acme", "acme/", "/x", "../..", "a/b/c", "acme/x?y", "acme/..", `acme/x"`} {
		if _, err := channeltest.Target(New(Config{}), fmt.Sprintf("{repository: %q, token: x}", name)); err == nil {
			t.Errorf("accepted %q", name)
		}
	}
}
