// Package ntfy publishes alerts to a topic of ntfy, on ntfy.sh or a server of
// one's own. Whoever knows a topic's name can read it where it is not guarded:
// the name is kept like a password. Start at Channel.Send.
package ntfy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// Name is the channel's name in a route.
const Name = "ntfy"

// Limits: a message of more than 4,096 bytes becomes an attachment; there are
// at most three actions.
const (
	maxMessage = 4096
	maxTitle   = 250
	maxActions = 3
)

// topics are the names that ntfy takes.
var topics = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)

// Config says how messages leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy
	Timeout time.Duration // of one call; 0: 15 s
}

// Settings is what a route says of one receiver.
type Settings struct {
	URL   string `json:"url"` // of the server
	Topic string `json:"topic"`
	Token string `json:"token,omitempty"`
}

// Channel publishes messages.
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Fields are the settings of a receiver.
func (ch *Channel) Fields() []channel.Field {
	return []channel.Field{{Name: "url", Secret: true}, {Name: "token", Secret: true, Optional: true}, {Name: "name", Optional: true}}
}

// Target reads {url, token, name}, or a list of them. The last part of the
// address is the topic.
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
		at := strings.LastIndexByte(u.Path, '/')
		if at < 0 || !topics.MatchString(u.Path[at+1:]) || u.RawQuery != "" {
			return channel.Target{}, errors.New("url does not end with a topic of letters, digits, - and _; write it as https://ntfy.sh/topic")
		}
		s := Settings{Topic: u.Path[at+1:], Token: m["token"]}
		s.URL = u.Scheme + "://" + u.Host + u.Path[:at]
		r, err := channel.NewReceiver(channel.Label(u.Host, m["name"]), s, s.URL, s.Topic)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// A message is what is published.
type message struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"`
	Tags     []string `json:"tags"`
	Click    string   `json:"click"`
	Actions  []action `json:"actions,omitempty"`
}

type action struct {
	Action string `json:"action"`
	Label  string `json:"label"`
	URL    string `json:"url"`
}

// Send publishes one message.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's ntfy settings cannot be read; save the route again", Err: err}
	}
	body, err := json.Marshal(compose(d.Message, s.Topic))
	if err != nil {
		return err
	}
	call := channel.Call{Method: http.MethodPost, URL: s.URL + "/", Body: body, Now: d.Now, Header: map[string]string{}}
	if s.Token != "" {
		call.Header["Authorization"] = "Bearer " + s.Token
	}
	answer, err := ch.caller.Do(ctx, call)
	if err != nil {
		return err
	}
	if answer.OK() {
		return nil
	}
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer.Body, &said) != nil {
		said.Error = ""
	}
	return answer.Refused(channel.Reason(said.Error, s.Token, s.Topic))
}

func compose(m channel.Message, topic string) message {
	c := m.Card
	out := message{
		Topic: topic, Title: channel.Clip(c.Title, maxTitle, channel.Bytes), Priority: priority(m), Tags: []string{tag(c.Status)}, Click: c.Link.URL,
		Message: channel.Fit(c, maxMessage, channel.Bytes, channel.Markup{Bullet: "- ", Indent: "  "}.Write),
	}
	for _, l := range append([]channel.Link{c.Link}, c.Acts...) {
		if len(out.Actions) < maxActions {
			out.Actions = append(out.Actions, action{Action: "view", Label: l.Text, URL: l.URL})
		}
	}
	return out
}

// priority is how loud a message is: 5 is the loudest.
func priority(m channel.Message) int {
	if m.Kind == channel.KindRecovered || m.Kind == channel.KindTest {
		return 3
	}
	switch m.Worst {
	case "critical":
		return 5
	case "high":
		return 4
	case "low":
		return 2
	default:
		return 3
	}
}

// tag names the sign that ntfy shows before the title.
func tag(status string) string {
	switch status {
	case "fail":
		return "rotating_light"
	case "pass":
		return "white_check_mark"
	case "unknown":
		return "grey_question"
	default:
		return "information_source"
	}
}
