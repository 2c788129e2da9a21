// Package gitlab opens and closes issues on GitLab by its REST API: one a
// case. Start at Channel.Send.
package gitlab

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/ticket"
)

// Name is the channel's name in a route.
const Name = "gitlab"

// base is where GitLab is, unless a route says otherwise.
const base = "https://gitlab.com"

// Limits of an issue, in characters, and of a page.
const (
	maxTitle = 255
	maxBody  = 1000000 // published: 1,048,576
	pageSize = 100
)

// Config says how calls leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL     string   `json:"url"`
	Project string   `json:"project"`
	Token   string   `json:"token"`
	Labels  []string `json:"labels,omitempty"`
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
		{Name: "project"},
		{Name: "token", Secret: true},
		{Name: "labels", Optional: true},
		{Name: "url", Optional: true},
	}
}

// Target reads {project, token, labels, url}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, ch.Fields())
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		s := Settings{URL: base, Project: strings.Trim(m["project"], "/"), Token: m["token"], Labels: ticket.Labels(m["labels"])}
		if m["url"] != "" {
			s.URL = strings.TrimRight(m["url"], "/")
		}
		u, err := channel.Address(s.URL)
		if err != nil {
			return channel.Target{}, err
		}
		if s.Project == "" || len(s.Project) > 300 || strings.ContainsAny(s.Project, " ?#%") {
			return channel.Target{}, errors.New("project is not a path such as acme/security, nor a number")
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
		return &channel.Failure{Plain: "the route's gitlab settings cannot be read; save the route again", Err: err}
	}
	return ticket.Send(ctx, d, system{
		REST: ticket.REST{
			Caller: ch.caller, Base: s.URL + "/api/v4/projects/" + url.PathEscape(s.Project), Now: d.Now, Secrets: []string{s.Token},
			Header: map[string]string{"PRIVATE-TOKEN": s.Token},
		},
		labels: s.Labels,
	})
}

// A system is a project's issues. Their numbers are those within the project.
type system struct {
	ticket.REST
	labels []string
}

type issue struct {
	Number      int64  `json:"iid"`
	Description string `json:"description"`
}

// Find lists what was opened since then, oldest first.
func (s system) Find(ctx context.Context, mark string, since time.Time) (string, error) {
	for page := 1; page <= ticket.MaxPages; page++ {
		q := url.Values{
			"scope": {"all"}, "state": {"all"}, "created_after": {since.UTC().Format(time.RFC3339)}, "order_by": {"created_at"}, "sort": {"asc"},
			"per_page": {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(page)},
		}
		var list []issue
		if err := s.Do(ctx, http.MethodGet, "/issues?"+q.Encode(), nil, &list); err != nil {
			return "", err
		}
		for _, i := range list {
			if ticket.Marked(i.Description, mark) {
				return strconv.FormatInt(i.Number, 10), nil
			}
		}
		if len(list) < pageSize {
			break
		}
	}
	return "", nil
}

// Open opens an issue.
func (s system) Open(ctx context.Context, mark string, c channel.Card) (string, error) {
	in := map[string]any{"title": channel.Clip(c.Title, maxTitle, channel.Units), "description": ticket.Markdown(c, mark, maxBody)}
	if len(s.labels) > 0 {
		in["labels"] = strings.Join(s.labels, ",")
	}
	var out issue
	if err := s.Do(ctx, http.MethodPost, "/issues", in, &out); err != nil {
		return "", err
	}
	if out.Number <= 0 {
		return "", &channel.Failure{Plain: "the receiver opened an issue and did not say its number", Temporary: true}
	}
	return strconv.FormatInt(out.Number, 10), nil
}

// Comment adds a note unless one with the mark is there.
func (s system) Comment(ctx context.Context, number, mark string, _ time.Time, c channel.Card) error {
	at := "/issues/" + url.PathEscape(number) + "/notes"
	var list []struct {
		Body string `json:"body"`
	}
	q := url.Values{"order_by": {"created_at"}, "sort": {"desc"}, "per_page": {strconv.Itoa(pageSize)}}
	if err := s.Do(ctx, http.MethodGet, at+"?"+q.Encode(), nil, &list); err != nil {
		return ticket.Deleted(err)
	}
	for _, one := range list {
		if ticket.Marked(one.Body, mark) {
			return nil
		}
	}
	return ticket.Deleted(s.Do(ctx, http.MethodPost, at, map[string]any{"body": ticket.Markdown(c, mark, maxBody)}, nil))
}

// SetOpen opens or closes an issue. GitLab refuses neither on an issue that is
// so already.
func (s system) SetOpen(ctx context.Context, number string, open bool) error {
	event := "close"
	if open {
		event = "reopen"
	}
	return ticket.Deleted(s.Do(ctx, http.MethodPut, "/issues/"+url.PathEscape(number), map[string]any{"state_event": event}, nil))
}
