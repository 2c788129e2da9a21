package pagerduty

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const key = "e93facc04764012d7bfb002500d5d1a6"

func accept(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"x"}`)
}

func words(url string) string { return fmt.Sprintf("{key: %s, url: %q}", key, url) }

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{
		New:   func(c *http.Client) channel.Channel { return New(Config{HTTP: c}) },
		Words: words, Secrets: []string{key}, Accept: accept,
	})
}

// described reads the event as PagerDuty's published OpenAPI description says
// it (PagerDuty/api-schema, reference/events-v2/openapiv3.json), with the
// lengths that its documentation adds.
func described(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file, err := os.Open("testdata/event.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func follows(t *testing.T, s *jsonschema.Schema, body []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("the event is not as described: %v\n%.2000s", err, body)
	}
	if len(body) > 512<<10 {
		t.Errorf("an event of %d bytes, PagerDuty takes 512 kB", len(body))
	}
}

// TestStory triggers, repeats, keeps open while a part recovers, and resolves.
func TestStory(t *testing.T) {
	v := channeltest.NewVendor(t, accept)
	ch := New(Config{HTTP: v.Client})
	to := channeltest.Receiver(t, ch, words(v.URL))
	schema, notes := described(t), &channeltest.Notes{}
	step := func(kind string, left int, want ...string) []event {
		t.Helper()
		if err := ch.Send(context.Background(), channeltest.Dispatch(to, kind, left, notes)); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		var got []event
		var actions []string
		for _, s := range v.Seen() {
			follows(t, schema, s.Body)
			var e event
			if err := json.Unmarshal(s.Body, &e); err != nil {
				t.Fatal(err)
			}
			if s.Path != "/v2/enqueue" || e.RoutingKey != key || e.DedupKey != "alert_case" {
				t.Errorf("%s: %s %+v", kind, s.Path, e)
			}
			got, actions = append(got, e), append(actions, e.Action)
		}
		if strings.Join(actions, " ") != strings.Join(want, " ") {
			t.Errorf("%s with %d left: got %v, want %v", kind, left, actions, want)
		}
		return got
	}
	e := step(channel.KindFailing, 3, "trigger")[0]
	if e.Payload.Severity != "error" || e.Payload.Source != "code" || e.Payload.Timestamp != "2026-11-23T14:32:05Z" {
		t.Errorf("payload: %+v", e.Payload)
	}
	step(channel.KindFailing, 3) // the record was written, the process died before it said so
	notes.Forget()               // the record is lost
	if again := step(channel.KindFailing, 3, "trigger"); again[0].DedupKey != e.DedupKey {
		t.Error("the repeat has another key")
	}
	step(channel.KindRecovered, 1)
	notes.Forget() // the rest comes by a message of its own
	step(channel.KindRecovered, 0, "resolve")
	notes.Forget() // as above
	step(channel.KindExcepted, 1, "trigger")
	notes.Forget() // as above
	step(channel.KindTest, 0, "trigger", "resolve")
	notes.Forget() // as above
	// A failure that was mended before it could be told is not left open.
	step(channel.KindFailing, 0, "trigger", "resolve")
}

func TestSaysWhatIsAsked(t *testing.T) {
	e := trigger(channeltest.Dispatch(channel.Receiver{}, channel.KindFailing, 1, &channeltest.Notes{}), channel.Case{Key: "k"}, key)
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(channeltest.Said(), "Acknowledge", "1 thing fails") {
		if !strings.Contains(string(raw), want) {
			t.Errorf("does not say %q: %s", want, raw)
		}
	}
}

func TestLimits(t *testing.T) {
	schema := described(t)
	for _, name := range channeltest.Hostile() {
		for _, shape := range [][2]int{{1000, 1}, {3, 20}} {
			d := channeltest.Dispatch(channel.Receiver{}, channel.KindFailing, 1, &channeltest.Notes{})
			d.Message.Card = channeltest.Many([]string{name, strings.Repeat("日", 100)}, shape[0], shape[1])
			raw, err := json.Marshal(trigger(d, channel.Case{Key: "k"}, key))
			if err != nil {
				t.Fatal(err)
			}
			follows(t, schema, raw)
			if !strings.Contains(string(raw), "more") {
				t.Errorf("%q %v: what was left out is not counted", name, shape)
			}
		}
	}
}

func TestSeverities(t *testing.T) {
	for worst, want := range map[string]string{"critical": "critical", "high": "error", "medium": "warning", "low": "info", "": "warning"} {
		if got := severity(channel.Message{Kind: channel.KindFailing, Worst: worst}); got != want {
			t.Errorf("%s: got %s, want %s", worst, got, want)
		}
	}
	if got := severity(channel.Message{Kind: channel.KindTest, Worst: "critical"}); got != "info" {
		t.Errorf("test: got %s, want info", got)
	}
}

func TestRegion(t *testing.T) {
	ch := New(Config{})
	us, eu := channeltest.Receiver(t, ch, "{key: "+key+"}"), channeltest.Receiver(t, ch, "{key: "+key+", region: eu, name: Platform}")
	if us.Label != "events.pagerduty.com" || eu.Label != "Platform (events.eu.pagerduty.com)" || us.Key == eu.Key {
		t.Errorf("got %q and %q", us.Label, eu.Label)
	}
	if _, err := channeltest.Target(ch, "{key: "+key+", region: moon}"); err == nil || strings.Contains(err.Error(), "moon") {
		t.Errorf("an unknown region: %v", err)
	}
}
