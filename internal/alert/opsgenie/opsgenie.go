// Package opsgenie creates and closes alerts by Opsgenie's Alert API: one a
// case, whose alias follows from the cause and the receiver, so that a repeat
// never creates a second one. Start at Channel.Send.
package opsgenie

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// Name is the channel's name in a route.
const Name = "opsgenie"

// Where the API is.
const (
	hostUS = "https://api.opsgenie.com"
	hostEU = "https://api.eu.opsgenie.com"
)

// Limits as published for the Alert API, in characters.
const (
	maxMessage     = 130
	maxDescription = 15000
	maxSource      = 100
	maxNote        = 25000
	maxEntity      = 512
)

// Config says how alerts leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	Key  string `json:"key"`
	URL  string `json:"url"`
	Team string `json:"team,omitempty"`
}

// Channel creates and closes alerts.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Keeps says that a recovery closes what a failure created.
func (ch *Channel) Keeps() bool { return true }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{
		{Name: "key", Secret: true},
		{Name: "region", Optional: true, Options: []string{"us", "eu"}},
		{Name: "team", Optional: true},
		{Name: "url", Optional: true},
		{Name: "name", Optional: true},
	}
}

// Target reads {key, region, team, url, name}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{Key: m["key"], URL: hostUS, Team: m["team"]}
		if m["region"] == "eu" {
			s.URL = hostEU
		}
		if m["url"] != "" {
			s.URL = m["url"]
		}
		s.URL = strings.TrimRight(s.URL, "/")
		u, err := channel.Address(s.URL)
		if err != nil {
			return channel.Target{}, err
		}
		r, err := channel.NewReceiver(channel.Label(u.Host, m["name"]), s, s.URL, s.Key, s.Team)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// An alert is the body that creates one.
type alert struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description,omitempty"`
	Responders  []responder       `json:"responders,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Details     map[string]string `json:"details,omitempty"`
	Entity      string            `json:"entity,omitempty"`
	Source      string            `json:"source,omitempty"`
	Priority    string            `json:"priority"`
}

type responder struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// A note is the body of a note, or of what closes an alert.
type note struct {
	Note   string `json:"note"`
	Source string `json:"source"`
}

// Send creates an alert for each case that fails, notes what recovers, and
// closes each case of which nothing is open any more.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's opsgenie settings cannot be read; save the route again", Err: err}
	}
	return channel.EachCase(ctx, d, func(ctx context.Context, c channel.Case) (string, error) {
		at := "/v2/alerts/" + url.PathEscape(c.Key)
		said := note{Note: describe(d.Message.Card, maxNote), Source: "Prumo"}
		if d.Message.Kind != channel.KindRecovered {
			if err := ch.post(ctx, s, "/v2/alerts", create(d.Message, c, s), d.Now); err != nil {
				return "", err
			}
		} else if !channel.Closes(d, c) {
			return "", ch.post(ctx, s, at+"/notes?identifierType=alias", said, d.Now)
		}
		if channel.Closes(d, c) {
			return "", ch.post(ctx, s, at+"/close?identifierType=alias", said, d.Now)
		}
		return "", nil
	})
}

func create(m channel.Message, c channel.Case, s Settings) alert {
	a := alert{
		Message: channel.Clip(m.Card.Title, maxMessage, channel.Units), Alias: c.Key, Description: describe(m.Card, maxDescription),
		Tags: []string{"prumo", m.Kind}, Source: channel.Clip("Prumo", maxSource, channel.Units), Priority: priority(m),
		Details: map[string]string{"link": m.Card.Link.URL},
	}
	if s.Team != "" {
		a.Responders = []responder{{Name: s.Team, Type: "team"}}
	}
	if len(m.Card.Blocks) == 1 && len(m.Card.Blocks[0].Items) == 1 {
		a.Entity = channel.Clip(m.Card.Blocks[0].Items[0].Name, maxEntity, channel.Units)
	}
	return a
}

// describe writes the message as plain text. Opsgenie shows a description as
// HTML where it holds tags, so that < and > are written as quotation marks.
func describe(c channel.Card, limit int) string {
	plain := func(s string) string { return strings.NewReplacer("<", "‹", ">", "›").Replace(channel.Defuse(s)) }
	m := channel.Markup{Escape: plain, Bullet: "- ", Indent: "  "}
	return channel.Fit(c, limit, channel.Units, m.Write)
}

// priority is how Opsgenie calls our severities.
func priority(m channel.Message) string {
	if m.Kind == channel.KindTest {
		return "P5"
	}
	switch m.Worst {
	case "critical":
		return "P1"
	case "high":
		return "P2"
	case "low":
		return "P4"
	default: // medium; and a silent source, which has none
		return "P3"
	}
}

func (ch *Channel) post(ctx context.Context, s Settings, path string, body any, now time.Time) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := ch.caller.Do(ctx, channel.Call{
		Method: http.MethodPost, URL: s.URL + path, Body: raw, Now: now, Header: map[string]string{"Authorization": "GenieKey " + s.Key},
	})
	if err != nil {
		return err
	}
	if answer.OK() {
		return nil
	}
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(answer.Body, &said) != nil {
		said.Message = ""
	}
	return answer.Refused(channel.Reason(said.Message, s.Key))
}
