// Package webhook sends alerts as signed JSON by the Standard Webhooks scheme:
// webhook-id, webhook-timestamp and webhook-signature, an HMAC-SHA256 over id,
// timestamp and body. It follows no redirect and keeps nothing of the answer.
// Start at Channel.Send.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
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
type Channel struct{ caller *channel.Caller }

// New returns the channel.
func New(c Config) *Channel { return &Channel{channel.NewCaller(c.HTTP, c.Timeout)} }

// Name returns the channel's name.
func (ch *Channel) Name() string { return Name }

// Close frees idle connections.
func (ch *Channel) Close() error { return ch.caller.Close() }

// Target reads {url, secret}, or a list of them.
func (ch *Channel) Target(to *yaml.Node, secret channel.Secret) (channel.Target, error) {
	list, err := channel.Read(to, secret, []channel.Field{{Name: "url", Secret: true, Optional: true}, {Name: "secret", Secret: true, Optional: true}})
	if err != nil {
		return channel.Target{}, err
	}
	var t channel.Target
	for _, m := range list {
		r, err := Receiver(Settings{URL: m["url"], Secret: m["secret"]})
		if err != nil {
			return channel.Target{}, err
		}
		t.Receivers = append(t.Receivers, r)
	}
	return t, nil
}

// Receiver checks the settings and makes a receiver of them. Its label shows
// the host only: the rest of an address is often a password.
func Receiver(s Settings) (channel.Receiver, error) {
	if s.URL == "" {
		return channel.Receiver{}, errors.New("has no url; write the address that receives the message")
	}
	u, err := channel.Address(s.URL)
	if err != nil {
		return channel.Receiver{}, err
	}
	if _, err := key(s.Secret); err != nil {
		return channel.Receiver{}, err
	}
	return channel.NewReceiver(u.Scheme+"://"+u.Host, s, s.URL)
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
	var s Settings
	if err := json.Unmarshal(d.Receiver.Config, &s); err != nil {
		return &channel.Failure{Plain: "the route's webhook settings cannot be read; save the route again", Err: err}
	}
	secret, err := key(s.Secret)
	if err != nil {
		return &channel.Failure{Plain: "the route's " + err.Error(), Err: err}
	}
	stamp := strconv.FormatInt(d.Now.Unix(), 10)
	header := map[string]string{
		"Webhook-Id": d.ID, "Webhook-Timestamp": stamp, "Webhook-Signature": sign(secret, d.ID, stamp, d.Message.Payload),
	}
	if d.Message.Drill {
		header["Prumo-Drill"] = "true"
	}
	answer, err := ch.caller.Do(ctx, channel.Call{Method: http.MethodPost, URL: s.URL, Body: d.Message.Payload, Header: header, Now: d.Now})
	if err != nil {
		return err
	}
	if answer.OK() {
		return nil
	}
	return answer.Refused("") // the scheme gives the answer's body no meaning
}

// sign returns the value of webhook-signature.
func sign(secret []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
