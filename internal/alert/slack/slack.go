// Package slack sends alerts to incoming webhooks as Slack made them: Slack
// itself with blocks, and Mattermost, Rocket.Chat and Discord (its address
// with /slack at the end) with markdown. The address is a password: it is
// never shown, logged or returned. Start at Channel.Send.
package slack

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
const Name = "slack"

// The styles of a message.
const (
	styleSlack    = "slack"
	styleMarkdown = "markdown"
)

// Config says how messages leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL   string `json:"url"`
	Style string `json:"style"`
}

// Channel sends messages to Slack and what is compatible with it.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{
		{Name: "url", Secret: true},
		{Name: "style", Optional: true, Options: []string{styleSlack, styleMarkdown}},
		{Name: "name", Optional: true},
	}
}

// Target reads {url, style, name}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		u, err := channel.Address(m["url"])
		if err != nil {
			return channel.Target{}, err
		}
		s := Settings{URL: m["url"], Style: m["style"]}
		if s.Style == "" {
			s.Style = styleOf(u)
		}
		r, err := channel.NewReceiver(channel.Label(u.Host, m["name"]), s, s.URL)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// styleOf is blocks for Slack's own hosts and markdown for all others.
func styleOf(u *url.URL) string {
	if h := strings.ToLower(u.Hostname()); h == "hooks.slack.com" || h == "hooks.slack-gov.com" {
		return styleSlack
	}
	return styleMarkdown
}

// Send posts one message. Slack's blocks that are refused are sent once more
// as text alone: a message without its looks is better than none.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's slack settings cannot be read; save the route again", Err: err}
	}
	m := compose(d.Message.Card, s)
	answer, err := ch.post(ctx, s, m, d.Now)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusBadRequest && len(m.Blocks) > 0 {
		m.Blocks = nil
		if answer, err = ch.post(ctx, s, m, d.Now); err != nil {
			return err
		}
	}
	if answer.OK() {
		return nil
	}
	return answer.Refused(reason(answer, s.URL))
}

func (ch *Channel) post(ctx context.Context, s Settings, m message, now time.Time) (channel.Answer, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return channel.Answer{}, err
	}
	return ch.caller.Do(ctx, channel.Call{Method: http.MethodPost, URL: s.URL, Body: body, Now: now})
}

// reason is what the receiver said: Slack answers a word, others an object
// with a message.
func reason(a channel.Answer, address string) string {
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	words := string(a.Body)
	if json.Unmarshal(a.Body, &said) == nil {
		words = said.Message + " " + said.Error
	} else if strings.HasPrefix(strings.TrimSpace(words), "<") {
		return "" // a page
	}
	secrets := []string{address}
	if u, err := url.Parse(address); err == nil {
		secrets = append(secrets, u.Path)
		secrets = append(secrets, strings.Split(u.Path, "/")...)
	}
	return channel.Reason(words, secrets...)
}
