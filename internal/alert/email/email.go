// Package email sends alerts by SMTP: one mail a receiver, as text and HTML,
// in one thread a finding, with an id that a repeat carries again. It never
// decides what is said. Start at Channel.Send.
package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// Name is the channel's name in a route.
const Name = "email"

// OwnerWord stands in a route for the owner of the finding.
const OwnerWord = "owner"

// A Config says how mail leaves.
type Config struct {
	URL      string        // PRUMO_SMTP_URL; empty: no mail leaves and every attempt says so
	From     string        // sender; empty: what the URL says, else its user, else prumo@Domain
	FromName string        // shown beside the sender
	Domain   string        // of the sender where none is set, and of the greeting; empty: localhost
	Timeout  time.Duration // of one exchange; 0: 15 s
	Sessions int           // connections kept at most; 0: 6
	Now      func() time.Time
	TLS      TLSConfig
}

// Channel sends mail.
type Channel struct {
	config Config
	from   mail.Address
	pool   *pool // nil: no server is set
}

// New returns the channel, or what is wrong with the server's address.
func New(c Config) (*Channel, error) {
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Sessions == 0 {
		c.Sessions = 6
	}
	if c.Domain == "" {
		c.Domain = "localhost"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	ch := &Channel{config: c}
	if c.URL == "" {
		return ch, nil
	}
	server, err := ParseURL(c.URL)
	if err != nil {
		return nil, err
	}
	if ch.from, err = sender(c, server); err != nil {
		return nil, err
	}
	ch.pool = newPool(server, c)
	return ch, nil
}

// sender finds the address that mail comes from.
func sender(c Config, s Server) (mail.Address, error) {
	if c.From != "" {
		a, err := Address(c.From)
		if err != nil {
			return mail.Address{}, fmt.Errorf("the sender of alerts: %w", err)
		}
		return mail.Address{Name: c.FromName, Address: a}, nil
	}
	for _, candidate := range []string{s.From, s.User} {
		if a, err := Address(candidate); err == nil {
			return mail.Address{Name: c.FromName, Address: a}, nil
		}
	}
	return mail.Address{Name: c.FromName, Address: "prumo@" + c.Domain}, nil
}

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Ready says whether a server is set.
func (ch *Channel) Ready() bool { return ch.pool != nil }

// Target reads an address, "owner", or a list of them.
func (ch *Channel) Target(to *yaml.Node, _ channel.Secret) (channel.Target, error) {
	nodes := []*yaml.Node{to}
	if to.Kind == yaml.SequenceNode {
		nodes = to.Content
	}
	if len(nodes) > 100 {
		return channel.Target{}, errors.New("names more than 100 receivers; use a list of the mail server")
	}
	var t channel.Target
	seen := map[string]bool{}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			return channel.Target{}, errors.New("is not a list of addresses; write [security@example.org] or owner")
		}
		if n.Value == OwnerWord {
			t.Owner = true
			continue
		}
		r, err := Receiver(n.Value)
		if err != nil {
			return channel.Target{}, err
		}
		if !seen[r.Key] {
			seen[r.Key] = true
			t.Receivers = append(t.Receivers, r)
		}
	}
	return t, nil
}

// Receiver makes a receiver of a mail address.
func Receiver(address string) (channel.Receiver, error) {
	a, err := Address(address)
	if err != nil {
		return channel.Receiver{}, err
	}
	return channel.Receiver{Key: a, Label: a}, nil
}

// Send hands one mail to the server.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	if ch.pool == nil {
		return &channel.Failure{Plain: "no mail server is set; set PRUMO_SMTP_URL and start again", Temporary: true}
	}
	msg, err := ch.compose(d)
	if err != nil {
		return &channel.Failure{Plain: "the receiver's address is not accepted", Err: err}
	}
	return ch.pool.send(ctx, msg)
}

// Close ends the connections that are kept.
func (ch *Channel) Close() error {
	if ch.pool != nil {
		ch.pool.close()
	}
	return nil
}

// compose makes the mail. Everything that comes from outside goes through
// line, so that no value can end a header and begin another.
func (ch *Channel) compose(d channel.Dispatch) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := ch.from
	from.Name = line(from.Name)
	m.FromMailAddress(&from)
	if err := m.To(d.Receiver.Key); err != nil {
		return nil, err
	}
	m.Subject(line(d.Message.Subject))
	m.SetDateWithValue(d.Now)
	m.SetMessageIDWithValue(line(d.MessageID))
	if n := len(d.Thread); n > 0 {
		refs := make([]string, 0, n)
		for _, id := range d.Thread {
			refs = append(refs, "<"+line(id)+">")
		}
		m.SetGenHeaderPreformatted(gomail.HeaderInReplyTo, refs[n-1])
		m.SetGenHeaderPreformatted(gomail.HeaderReferences, strings.Join(refs, "\r\n "))
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("Prumo-Delivery", line(d.ID))
	if d.Message.Lang != "" {
		m.SetGenHeader("Content-Language", line(d.Message.Lang))
	}
	if d.Message.Drill {
		m.SetGenHeader("Prumo-Drill", "true")
	}
	m.SetBodyString(gomail.TypeTextPlain, d.Message.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, d.Message.HTML)
	return m, nil
}

// line keeps a header value on one line.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// plain turns what the mail server or the network said into words for people.
// The server's own answer is kept short: it names no secret of ours.
func plain(err error) *channel.Failure {
	f := &channel.Failure{Temporary: true, Err: err}
	var dns *net.DNSError
	var op *net.OpError
	var send *gomail.SendError
	text := err.Error()
	switch {
	case errors.As(err, &send) && send.ErrorCode() >= 400:
		f.Plain = fmt.Sprintf("the mail server refused it with %d at %s", send.ErrorCode(), stage(send.Reason))
		f.Temporary = send.ErrorCode() < 500
	case errors.As(err, &dns):
		f.Plain = "the mail server's name is not found"
	case isTLS(err):
		f.Plain = "the mail server's certificate is not trusted or does not carry its name"
	case strings.Contains(text, "STARTTLS"):
		f.Plain = "the mail server offers no encryption, and it is required"
	case strings.Contains(text, "SMTP AUTH") || strings.HasPrefix(text, "535"):
		f.Plain = "the mail server did not accept our sign-in"
	case errors.As(err, &op) && op.Op == "dial" && !op.Timeout():
		f.Plain = "the mail server does not answer at its port"
	case isTimeout(err):
		f.Plain = "the mail server gave no answer in time"
	default:
		f.Plain = "the connection to the mail server broke"
	}
	return f
}

func stage(r gomail.SendErrReason) string {
	switch r {
	case gomail.ErrSMTPMailFrom:
		return "the sender"
	case gomail.ErrSMTPRcptTo:
		return "the receiver"
	default:
		return "the message"
	}
}
