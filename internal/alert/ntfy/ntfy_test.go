package ntfy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const (
	topic = "acme-topsecret"
	token = "tk_topsecret"
)

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url string) string { return fmt.Sprintf("{url: %q, token: %s}", url+"/"+topic, token) }

func accept(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"id":"xE73Iyuabi","time":1673542291,"event":"message"}`)
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{New: fresh, Words: words, Secrets: []string{topic, token}, Accept: accept})
}

// published sends a card and reads what arrived, held against the fields and
// limits of "Publish as JSON" in ntfy's documentation.
func published(t *testing.T, kind, worst string, c channel.Card) message {
	t.Helper()
	v := channeltest.NewVendor(t, accept)
	ch := fresh(v.Client)
	d := channeltest.Dispatch(channeltest.Receiver(t, ch, words(v.URL)), kind, 1, &channeltest.Notes{})
	d.Message.Card, d.Message.Worst = c, worst
	if err := ch.Send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	seen := v.Seen()
	if len(seen) != 1 || seen[0].Path != "/" || seen[0].Header.Get("Authorization") != "Bearer "+token {
		t.Fatalf("got %+v", seen)
	}
	var m message
	dec := json.NewDecoder(strings.NewReader(string(seen[0].Body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m.Topic != topic || m.Message == "" || len(m.Message) > 4096 || m.Priority < 1 || m.Priority > 5 || len(m.Actions) > 3 || len(m.Title) > 250 {
		t.Errorf("not as documented: %+v", m)
	}
	for _, a := range m.Actions {
		if a.Action != "view" || a.Label == "" || !strings.HasPrefix(a.URL, "https://prumo.acme.test/") {
			t.Errorf("action: %+v", a)
		}
	}
	return m
}

func TestSaysWhatIsAsked(t *testing.T) {
	m := published(t, channel.KindFailing, "critical", channeltest.Card())
	for _, want := range channeltest.Said() {
		if !strings.Contains(m.Message, want) {
			t.Errorf("does not say %q:\n%s", want, m.Message)
		}
	}
	if m.Priority != 5 || !slices.Equal(m.Tags, []string{"rotating_light"}) || m.Click != channeltest.Card().Link.URL || len(m.Actions) != 2 {
		t.Errorf("got %+v", m)
	}
}

func TestManyThingsAreCounted(t *testing.T) {
	for _, name := range append(channeltest.Hostile(), strings.Repeat("日本", 40)) {
		if m := published(t, channel.KindFailing, "low", channeltest.Many([]string{name}, 1000, 1)); !strings.Contains(m.Message, "more") || m.Priority != 2 {
			t.Errorf("%q: got %+v", name, m)
		}
	}
}

func TestTopics(t *testing.T) {
	for _, url := range []string{"https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a b", "https://ntfy.sh/x?auth=1", "https://ntfy.sh/" + strings.Repeat("a", 65)} {
		if _, err := channeltest.Target(fresh(nil), fmt.Sprintf("{url: %q}", url)); err == nil {
			t.Errorf("accepted %s", url)
		}
	}
	if r := channeltest.Receiver(t, fresh(nil), "{url: https://push.acme.test/ntfy/"+topic+"}"); r.Label != "push.acme.test" || !strings.Contains(string(r.Config), `"https://push.acme.test/ntfy"`) {
		t.Errorf("got %q %s", r.Label, r.Config)
	}
}
