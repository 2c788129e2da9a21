// Package jira opens and closes issues in Jira by its REST API: version 3 with
// Atlassian's document format in the cloud, version 2 with plain text on a
// server of one's own. Each case is one issue, found again by a label of its
// own. Start at Channel.Send.
package jira

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/ticket"
)

// Name is the channel's name in a route.
const Name = "jira"

// projects are keys such as SEC.
var projects = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// Config says how calls leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL     string   `json:"url"`
	Project string   `json:"project"`
	User    string   `json:"user,omitempty"` // empty: the token is a personal access token of a server
	Token   string   `json:"token"`
	Type    string   `json:"type"`
	Done    string   `json:"done,omitempty"` // the transition that closes; empty: the first that leads to a status of the category done
	Labels  []string `json:"labels,omitempty"`
	API     string   `json:"api"`
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
		{Name: "project"},
		{Name: "user", Optional: true},
		{Name: "token", Secret: true},
		{Name: "type", Optional: true},
		{Name: "done", Optional: true},
		{Name: "labels", Optional: true},
		{Name: "api", Optional: true, Options: []string{"2", "3"}},
	}
}

// Target reads the settings of one receiver, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{
			URL: strings.TrimRight(m["url"], "/"), Project: m["project"], User: m["user"], Token: m["token"],
			Type: m["type"], Done: m["done"], Labels: ticket.Labels(m["labels"]), API: m["api"],
		}
		u, err := channel.Address(s.URL)
		if err != nil {
			return channel.Target{}, err
		}
		if !projects.MatchString(s.Project) {
			return channel.Target{}, errors.New("project is not a key such as SEC")
		}
		for _, l := range s.Labels {
			if strings.ContainsAny(l, " \t") {
				return channel.Target{}, errors.New("labels hold a space, which Jira refuses")
			}
		}
		if s.Type == "" {
			s.Type = "Task"
		}
		if s.API == "" {
			s.API = "2"
			if strings.HasSuffix(strings.ToLower(u.Hostname()), ".atlassian.net") {
				s.API = "3"
			}
		}
		r, err := channel.NewReceiver(s.Project+" ("+u.Host+")", s, s.URL, s.Project)
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
		return &channel.Failure{Plain: "the route's jira settings cannot be read; save the route again", Err: err}
	}
	auth, secrets := "Bearer "+s.Token, []string{s.Token}
	if s.User != "" {
		pair := base64.StdEncoding.EncodeToString([]byte(s.User + ":" + s.Token))
		auth, secrets = "Basic "+pair, append(secrets, pair)
	}
	return ticket.Send(ctx, d, system{settings: s, REST: ticket.REST{
		Caller: ch.caller, Base: s.URL + "/rest/api/" + s.API, Now: d.Now, Secrets: secrets,
		Header: map[string]string{"Authorization": auth, "Accept": "application/json"},
	}})
}
