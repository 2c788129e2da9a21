// Package webhook sends alerts as signed JSON by the Standard Webhooks scheme:
// webhook-id, webhook-timestamp and webhook-signature, an HMAC-SHA256 over id,
// timestamp and body. It follows no redirect and keeps nothing of the answer.
// Start at Channel.Send.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// Name is the channel's name in a route.
const Name = "webhook"

// secretPrefix marks a signing secret.
const secretPrefix = "whsec_"

// maxAnswer is how much of an answer is read, so that the connection can be used again.
const maxAnswer = 4 << 10

// maxRetryAfter is the longest rest in seconds that is read; the store of
// alerts bounds it further.
const maxRetryAfter = 24 * 60 * 60

// A Config says how webhooks leave.
type Config struct {
	HTTP    *http.Client  // carries the network policy; nil: nothing leaves and every attempt says so
	Timeout time.Duration // of one attempt; 0: 15 s
}

// A Settings is what a route says of one receiver.
type Settings struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

// Channel sends webhooks.
type Channel struct {
	client  *http.Client
	timeout time.Duration
}

// New returns the channel. The client is copied: this one follows no redirect.
func New(c Config) *Channel {
	ch := &Channel{timeout: c.Timeout}
	if ch.timeout == 0 {
		ch.timeout = 15 * time.Second
	}
	if c.HTTP != nil {
		client := *c.HTTP
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		client.Jar = nil
		ch.client = &client
	}
	return ch
}

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error {
	if ch.client != nil {
		ch.client.CloseIdleConnections()
	}
	return nil
}

// Target reads {url, secret}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	nodes := []*yaml.Node{to}
	if to.Kind == yaml.SequenceNode {
		nodes = to.Content
	}
	if len(nodes) > 20 {
		return channel.Target{}, errors.New("names more than 20 receivers")
	}
	var t channel.Target
	for _, n := range nodes {
		s, err := settings(n, secret)
		if err != nil {
			return channel.Target{}, err
		}
		r, err := Receiver(s)
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

func settings(n *yaml.Node, secret channel.Secret) (Settings, error) {
	var s Settings
	if n.Kind != yaml.MappingNode {
		return s, errors.New("is not a mapping; write {url: …, secret: …}")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if seen[key] {
			return s, fmt.Errorf("writes %s twice", key)
		}
		seen[key] = true
		text, err := secret(value)
		if err != nil {
			return s, fmt.Errorf("%s %w", key, err)
		}
		switch key {
		case "url":
			s.URL = strings.TrimSpace(text)
		case "secret":
			s.Secret = strings.TrimSpace(text)
		default:
			return s, errors.New("has a key that is not known; use url and secret")
		}
	}
	return s, nil
}

// Receiver checks the settings and makes a receiver of them. Its label shows
// the host only: the rest of an address is often a password.
func Receiver(s Settings) (channel.Receiver, error) {
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "":
		return channel.Receiver{}, errors.New("has no url; write the address that receives the message")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(s.URL) > 2000:
		return channel.Receiver{}, errors.New("url is not an address that starts with https:// or http://")
	case u.User != nil || u.Fragment != "":
		return channel.Receiver{}, errors.New("url holds a user or a #; the signature proves who sent it, leave them out")
	}
	if _, err := key(s.Secret); err != nil {
		return channel.Receiver{}, err
	}
	config, err := json.Marshal(s)
	if err != nil {
		return channel.Receiver{}, err
	}
	sum := sha256.Sum256([]byte(s.URL))
	return channel.Receiver{Key: hex.EncodeToString(sum[:16]), Label: u.Scheme + "://" + u.Host, Config: config}, nil
}

// key decodes a signing secret.
func key(secret string) ([]byte, error) {
	text := strings.TrimPrefix(secret, secretPrefix)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < 16 || len(raw) > 128 {
		return nil, errors.New("secret is not a signing secret; write whsec_ and 24 to 64 random bytes in base64, as `openssl rand -base64 32` prints them")
	}
	return raw, nil
}

// Send posts one message and returns nil when it was answered with 2xx.
func (ch *Channel) Send(ctx context.Context, d channel.Dispatch) error {
	if ch.client == nil {
		return &channel.Failure{Plain: "this instance sends no webhooks", Temporary: true}
	}
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's webhook settings cannot be read; save the route again", Err: err}
	}
	secret, err := key(s.Secret)
	if err != nil {
		return &channel.Failure{Plain: "the route's " + err.Error(), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, ch.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(d.Message.Payload))
	if err != nil {
		return &channel.Failure{Plain: "the route's url is not an address", Err: err}
	}
	stamp := strconv.FormatInt(d.Now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Prumo")
	req.Header.Set("Webhook-Id", d.ID)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", sign(secret, d.ID, stamp, d.Message.Payload))
	if d.Message.Drill {
		req.Header.Set("Prumo-Drill", "true")
	}
	res, err := ch.client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer func() { _ = res.Body.Close() }()
	// The answer says nothing that we need; reading a little of it lets the connection live.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return answer(res.StatusCode, retryAfter(res.Header.Get("Retry-After"), d.Now))
}

// sign returns the value of webhook-signature.
func sign(secret []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// answer turns a status into an error. A receiver may be mended within the
// day, so almost everything is worth another attempt; only 410 says "never",
// and nothing more is to be sent there. after is the rest that it asked for.
func answer(status int, after time.Duration) error {
	switch {
	case status >= 200 && status <= 299:
		return nil
	case status == http.StatusGone:
		return &channel.Failure{Plain: "the receiver answered 410: it is gone for good", Gone: true}
	case status >= 300 && status <= 399:
		return &channel.Failure{Plain: fmt.Sprintf("the receiver answered %d, a redirect; redirects are not followed, write the final address", status), Temporary: true, After: after}
	default:
		return &channel.Failure{Plain: fmt.Sprintf("the receiver answered %d", status), Temporary: true, After: after}
	}
}

// retryAfter reads a Retry-After header: seconds, or a date. What is neither,
// or lies in the past, asks for nothing.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(n, maxRetryAfter)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter*time.Second)
	}
	return 0
}

// plain says in words why nothing was answered. The address stays out of them.
func plain(err error) *channel.Failure {
	f := &channel.Failure{Temporary: true}
	var dns *net.DNSError
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which may hold a token
	}
	f.Err = err
	switch {
	case errors.As(err, &dns):
		f.Plain = "the receiver's name is not found"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		f.Plain = "the receiver gave no answer in time"
	case strings.Contains(err.Error(), "certificate"):
		f.Plain = "the receiver's certificate is not trusted or does not carry its name"
	default:
		f.Plain = "the receiver could not be reached"
	}
	return f
}
