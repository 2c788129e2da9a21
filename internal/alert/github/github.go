// Package github opens and closes issues on GitHub, and GitHub Enterprise
// Server, by its REST API: one a case. Start at Channel.Send.
package github

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
const Name = "github"

// base is where the API is, unless a route says otherwise.
const base = "https://api.github.com"

// Limits of an issue, in characters.
const (
	maxTitle = 256
	maxBody  = 65536
)

// Config says how calls leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL        string   `json:"url"`
	Repository string   `json:"repository"`
	Token      string   `json:"token"`
	Labels     []string `json:"labels,omitempty"`
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
		{Name: "repository"},
		{Name: "token", Secret: true},
		{Name: "labels", Optional: true},
		{Name: "url", Optional: true},
	}
}

// Target reads {repository, token, labels, url}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{URL: base, Repository: m["repository"], Token: m["token"], Labels: ticket.Labels(m["labels"])}
		if m["url"] != "" {
			s.URL = strings.TrimRight(m["url"], "/")
		}
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
		return &channel.Failure{Plain: "the route's github settings cannot be read; save the route again", Err: err}
	}
	at, err := ticket.Repository(s.Repository)
	if err != nil {
		return &channel.Failure{Plain: "the route's " + err.Error()}
	}
	return ticket.Send(ctx, d, ticket.Forge{
		REST: ticket.REST{Caller: ch.caller, Base: s.URL, Now: d.Now, Secrets: []string{s.Token}, Header: map[string]string{
			"Authorization": "Bearer " + s.Token, "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28",
		}},
		Issues: at + "/issues", Labels: s.Labels, Page: "per_page", MaxTitle: maxTitle, MaxBody: maxBody,
	})
}
