// Package teams sends alerts to Microsoft Teams: an Adaptive Card to the
// address of a workflow ("When a Teams webhook request is received"). The
// address is a password: it is never shown, logged or returned. Names from
// outside are text runs, which know no markup. Start at Channel.Send.
package teams

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
const Name = "teams"

// Config says how messages leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL string `json:"url"`
}

// Channel sends cards.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{{Name: "url", Secret: true}, {Name: "name", Optional: true}}
}

// Target reads {url, name}, or a list of them.
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
		r, err := channel.NewReceiver(channel.Label(u.Host, m["name"]), Settings{URL: m["url"]}, m["url"])
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// Send posts one card.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's teams settings cannot be read; save the route again", Err: err}
	}
	body, err := compose(d.Message)
	if err != nil {
		return err
	}
	answer, err := ch.caller.Do(ctx, channel.Call{Method: http.MethodPost, URL: s.URL, Body: body, Now: d.Now})
	if err != nil {
		return err
	}
	if answer.OK() {
		return nil
	}
	return answer.Refused(reason(answer, s.URL))
}

// reason is what the workflow said.
func reason(a channel.Answer, address string) string {
	var said struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(a.Body, &said) != nil {
		return ""
	}
	secrets := []string{address}
	if u, err := url.Parse(address); err == nil {
		secrets = append(secrets, u.Path, u.RawQuery)
		for _, values := range u.Query() {
			secrets = append(secrets, values...)
		}
		secrets = append(secrets, strings.Split(u.Path, "/")...)
	}
	return channel.Reason(said.Error.Code+" "+said.Error.Message, secrets...)
}
