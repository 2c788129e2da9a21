// Package pagerduty opens and resolves incidents by PagerDuty's Events API v2:
// one alert a case, whose dedup_key follows from the cause and the receiver, so
// that a repeat never opens a second one. Start at Channel.Send.
package pagerduty

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// Name is the channel's name in a route.
const Name = "pagerduty"

// Where events go.
const (
	hostUS = "https://events.pagerduty.com"
	hostEU = "https://events.eu.pagerduty.com"
)

// Config says how events leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	Key string `json:"key"` // the integration key
	URL string `json:"url"` // without a path
}

// Channel sends events.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Keeps says that a recovery resolves what a failure triggered.
func (ch *Channel) Keeps() bool { return true }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{
		{Name: "key", Secret: true},
		{Name: "region", Optional: true, Options: []string{"us", "eu"}},
		{Name: "url", Optional: true},
		{Name: "name", Optional: true},
	}
}

// Target reads {key, region, url, name}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{Key: m["key"], URL: hostUS}
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
		r, err := channel.NewReceiver(channel.Label(u.Host, m["name"]), s, s.URL, s.Key)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// Send triggers an alert for each case that fails, and resolves each whose last
// finding is closed. A recovery of a part changes nothing at the other side.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's pagerduty settings cannot be read; save the route again", Err: err}
	}
	return channel.EachCase(ctx, d, func(ctx context.Context, c channel.Case) (string, error) {
		if d.Message.Kind != channel.KindRecovered {
			if err := ch.post(ctx, s, trigger(d, c, s.Key), d.Now); err != nil {
				return "", err
			}
		}
		if channel.Closes(d, c) {
			return "", ch.post(ctx, s, event{RoutingKey: s.Key, Action: "resolve", DedupKey: c.Key}, d.Now)
		}
		return "", nil
	})
}

func (ch *Channel) post(ctx context.Context, s Settings, e event, now time.Time) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	answer, err := ch.caller.Do(ctx, channel.Call{Method: http.MethodPost, URL: s.URL + "/v2/enqueue", Body: body, Now: now})
	if err != nil {
		return err
	}
	if answer.OK() {
		return nil
	}
	var said struct {
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	words := ""
	if json.Unmarshal(answer.Body, &said) == nil {
		words = strings.Join(append([]string{said.Message}, said.Errors...), "; ")
	}
	return answer.Refused(channel.Reason(words, s.Key))
}
