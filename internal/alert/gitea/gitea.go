// Package gitea opens and closes issues on Gitea and Forgejo by the REST API: one a
// case. Start at Channel.Send.
package gitea

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/ticket"
)

// Name is the channel's name in a route.
const Name = "gitea"

// Limits of an issue, in characters.
const (
	maxTitle = 255
	maxBody  = 65536
)

// Config says how calls leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL        string `json:"url"`
	Repository string `json:"repository"`
	Token      string `json:"token"`
}

// Channel opens and closes issues.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Keeps says that a recovery closes what a failure opened.
func (ch *Channel) Keeps() bool { return true }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{
		{Name: "url"},
		{Name: "repository"},
		{Name: "token", Secret: true},
	}
}

// Target reads {url, repository, token}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{URL: strings.TrimRight(m["url"], "/"), Repository: m["repository"], Token: m["token"]}
		u, err := channel.Address(s.URL)
		if err != nil {
			return channel.Target{}, err
		}
		if _, err := ticket.Repository(s.Repository); err != nil {
			return channel.Target{}, err
		}
		r, err := channel.NewReceiver(s.Repository+" ("+u.Host+")", s, s.URL, s.Repository)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// Send opens, comments and closes the issues of the message's cases.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's gitea settings cannot be read; save the route again", Err: err}
	}
	at, err := ticket.Repository(s.Repository)
	if err != nil {
		return &channel.Failure{Plain: "the route's " + err.Error()}
	}
	return ticket.Send(ctx, d, ticket.Forge{
		REST: ticket.REST{Caller: ch.caller, Base: s.URL + "/api/v1", Now: d.Now, Secrets: []string{s.Token}, Header: map[string]string{
			"Authorization": "token " + s.Token,
		}},
		Issues: at + "/issues", Page: "limit", Kinds: "issues", MaxTitle: maxTitle, MaxBody: maxBody,
	})
}
