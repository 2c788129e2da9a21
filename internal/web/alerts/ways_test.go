package alerts

import (
	"encoding/json"
	"net/url"
	"testing"

	"prumo.dev/prumo/internal/alert"
)

// TestWaysAreRoutes: what the form sends is a route that the parser reads, for
// every channel that describes its fields.
func TestWaysAreRoutes(t *testing.T) {
	typed := map[string]string{
		"url": "https://x.test/topic", "key": "e93facc04764012d7bfb002500d5d1a6", "token": "t", "repository": "acme/security", "project": "SEC",
	}
	channels, err := formers()
	if err != nil || len(channels) < 9 {
		t.Fatalf("got %d channels, %v", len(channels), err)
	}
	all, err := alert.Channels(alert.ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range channels {
		form := url.Values{"name": {"r"}}
		for _, f := range c.Fields() {
			if !f.Optional {
				form.Set(c.Name()+"."+f.Name, " "+typed[f.Name]+" ")
			}
		}
		to := map[string]any{}
		if err := addWays(to, form); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(map[string]any{"name": "r", "to": to})
		if err != nil {
			t.Fatal(err)
		}
		r, err := alert.Parser{Channels: all}.Parse(raw)
		if err != nil || len(r.To) != 1 || len(r.To[c.Name()].Receivers) != 1 {
			t.Errorf("%s: %s: got %+v, %v", c.Name(), raw, r.To, err)
		}
	}
	to := map[string]any{}
	if err := addWays(to, url.Values{"slack.url": {"  "}}); err != nil || len(to) != 0 {
		t.Errorf("nothing typed: got %v, %v", to, err)
	}
}
