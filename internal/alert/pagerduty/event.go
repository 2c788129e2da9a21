package pagerduty

import (
	"encoding/json"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// Limits as published: a summary of 1,024 characters, an event of 512 kB.
const (
	maxSummary = 1024
	maxEvent   = 512 << 10
)

// An event is one call of the Events API v2.
type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Payload    *payload `json:"payload,omitempty"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
	Links      []link   `json:"links,omitempty"`
}

type payload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text,omitempty"`
}

// severity is how PagerDuty calls ours.
func severity(m channel.Message) string {
	if m.Kind == channel.KindTest {
		return "info"
	}
	switch m.Worst {
	case "critical":
		return "critical"
	case "high":
		return "error"
	case "low":
		return "info"
	default: // medium; and a silent source, which has none
		return "warning"
	}
}

// trigger is the event that opens the case.
func trigger(d channel.Dispatch, c channel.Case, key string) event {
	card := d.Message.Card
	e := event{
		RoutingKey: key, Action: "trigger", DedupKey: c.Key, Client: "Prumo", ClientURL: card.Link.URL,
		Links: []link{{Href: card.Link.URL, Text: card.Link.Text}},
		Payload: &payload{
			Summary: channel.Clip(card.Title, maxSummary, channel.Units), Source: source(d.Message),
			Severity: severity(d.Message), Timestamp: d.At.UTC().Format(time.RFC3339), Class: d.Message.Kind,
		},
	}
	for _, a := range card.Acts {
		e.Links = append(e.Links, link{Href: a.URL, Text: a.Text})
	}
	for {
		e.Payload.Details = details(card)
		raw, err := json.Marshal(e)
		smaller, ok := channel.Shrink(card)
		if err != nil || len(raw) <= maxEvent || !ok {
			return e
		}
		card = smaller
	}
}

// source is the system that the message is about, as its payload names it.
func source(m channel.Message) string {
	var p struct {
		Data struct {
			Source string `json:"source"`
		} `json:"data"`
	}
	if json.Unmarshal(m.Payload, &p) == nil && p.Data.Source != "" {
		return channel.Clip(p.Data.Source, 255, channel.Units)
	}
	return "Prumo"
}

// details are what the message says, in its words. PagerDuty shows them as a
// table, so every key is a label that people read.
func details(c channel.Card) map[string]any {
	out := map[string]any{c.Word: c.Head}
	if c.Drill != "" {
		out["Prumo"] = c.Drill
	}
	add(out, c.Facts)
	if len(c.Blocks) == 1 {
		block(out, c, c.Blocks[0])
	} else {
		for _, b := range c.Blocks {
			inner := map[string]any{}
			block(inner, c, b)
			out[b.Title] = inner
		}
	}
	var left []string
	if c.Dropped > 0 && c.Left != nil {
		left = append(left, c.Left(c.Dropped))
	}
	if c.MoreChecks != "" {
		left = append(left, c.MoreChecks)
	}
	if len(left) > 0 {
		out["…"] = left
	}
	return out
}

func add(out map[string]any, list []channel.Pair) {
	for _, p := range list {
		out[p.Label] = p.Value
	}
}

// block writes a check and its things, each under its name.
func block(out map[string]any, c channel.Card, b channel.Block) {
	add(out, b.Facts)
	if b.Fix != "" {
		out[c.Fix] = b.Fix
	}
	things := map[string]any{}
	for _, t := range b.Items {
		name := t.Name
		if t.ID != "" {
			name += " (" + t.ID + ")"
		}
		things[name] = thing(c, t)
	}
	if n := b.More(); n > 0 && c.Left != nil {
		things["…"] = c.Left(n)
	}
	out[b.Title] = things
}

func thing(c channel.Card, t channel.Thing) map[string]any {
	out := map[string]any{}
	if t.Message != "" {
		out[c.Word] = t.Message
	}
	if len(t.Evidence) > 0 {
		values := map[string]any{}
		add(values, t.Evidence)
		out[c.Evidence] = values
	}
	add(out, t.Facts)
	if t.Fix != "" {
		out[c.Fix] = t.Fix
	}
	if t.Link.URL != "" {
		out[t.Link.Text] = t.Link.URL
	}
	return out
}
