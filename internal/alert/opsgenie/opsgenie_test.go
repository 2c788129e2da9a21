package opsgenie

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const key = "topsecret-genie-key"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url string) string { return fmt.Sprintf("{key: %s, url: %q, team: Platform}", key, url) }

func accept(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"result":"Request will be processed","took":0.1,"requestId":"43a29c5c"}`)
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{New: fresh, Words: words, Secrets: []string{key}, Accept: accept})
}

// follows holds a request against Opsgenie's published description
// (opsgenie/opsgenie-oas, definitions/alert.yaml: CreateAlertPayload,
// AddNoteToAlertPayload, CloseAlertPayload) and the lengths in the
// documentation of the Alert API. It answers what was asked for.
func follows(t *testing.T, s channeltest.Seen) string {
	t.Helper()
	if s.Method != http.MethodPost || s.Header.Get("Authorization") != "GenieKey "+key {
		t.Errorf("%s %s: %v", s.Method, s.Path, s.Header)
	}
	var in map[string]any
	if err := json.Unmarshal(s.Body, &in); err != nil {
		t.Fatal(err)
	}
	limits := map[string]int{"note": 25000, "source": 100, "user": 100}
	what := strings.TrimPrefix(s.Path, "/v2/alerts")
	if what == "" {
		what = "create"
		limits = map[string]int{"message": 130, "alias": 512, "description": 15000, "entity": 512, "source": 100, "priority": 2, "tags": 0, "details": 0, "responders": 0}
		if in["message"] == "" || in["alias"] == "" || !strings.Contains("P1P2P3P4P5", in["priority"].(string)) {
			t.Errorf("create: %v", in)
		}
	} else if s.Query != "identifierType=alias" {
		t.Errorf("%s: query %q", what, s.Query)
	}
	for k, v := range in {
		limit, known := limits[k]
		if text, is := v.(string); !known || is && channel.Units(text) > limit {
			t.Errorf("%s: %s is not a field, or has more than %d characters: %v", what, k, limit, v)
		}
	}
	return strings.TrimPrefix(what, "/")
}

func TestStory(t *testing.T) {
	v := channeltest.NewVendor(t, accept)
	ch, notes := fresh(v.Client), &channeltest.Notes{}
	to := channeltest.Receiver(t, ch, words(v.URL))
	for i, step := range []struct {
		kind string
		left int
		want string
	}{
		{channel.KindFailing, 3, "create"},
		{channel.KindFailing, 3, ""}, // done already
		{channel.KindRecovered, 1, "alert_case/notes"},
		{channel.KindExcepted, 1, "create"},
		{channel.KindRecovered, 0, "alert_case/close"},
		{channel.KindTest, 0, "create alert_case/close"},
		{channel.KindFailing, 0, "create alert_case/close"},
	} {
		if err := ch.Send(t.Context(), channeltest.Dispatch(to, step.kind, step.left, notes)); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		var got []string
		for _, s := range v.Seen() {
			got = append(got, follows(t, s))
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("%d, %s with %d left: got %v, want %s", i, step.kind, step.left, got, step.want)
		}
	}
}

func TestSaysWhatIsAskedWithinItsLimits(t *testing.T) {
	v := channeltest.NewVendor(t, accept)
	ch := fresh(v.Client)
	to := channeltest.Receiver(t, ch, words(v.URL))
	send := func(c channel.Card) string {
		d := channeltest.Dispatch(to, channel.KindFailing, 1, &channeltest.Notes{})
		d.Message.Card = c
		if err := ch.Send(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		s := v.Seen()[0]
		follows(t, s)
		var a alert
		if err := json.Unmarshal(s.Body, &a); err != nil {
			t.Fatal(err)
		}
		return a.Message + "\n" + a.Description
	}
	said := send(channeltest.Card())
	for _, want := range append(channeltest.Said()[:7], "Acknowledge") {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
	for _, name := range channeltest.Hostile() {
		said := send(channeltest.Many([]string{name}, 1000, 1))
		if strings.Contains(said, "<") && !strings.HasPrefix(said, "<") || !strings.Contains(said, "more") {
			t.Errorf("%q: tags, or no count:\n%.500s", name, said)
		}
	}
}

func TestPriorities(t *testing.T) {
	for worst, want := range map[string]string{"critical": "P1", "high": "P2", "medium": "P3", "low": "P4", "": "P3"} {
		if got := priority(channel.Message{Kind: channel.KindFailing, Worst: worst}); got != want {
			t.Errorf("%s: got %s, want %s", worst, got, want)
		}
	}
	eu := channeltest.Receiver(t, fresh(nil), "{key: "+key+", region: eu}")
	if eu.Label != "api.eu.opsgenie.com" {
		t.Errorf("label: got %q", eu.Label)
	}
}
