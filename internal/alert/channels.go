package alert

import (
	"net/http"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/alert/pagerduty"
	"prumo.dev/prumo/internal/alert/slack"
	"prumo.dev/prumo/internal/alert/webhook"
)

// Channels returns every way out, one line each.
func Channels(c ChannelConfig) ([]channel.Channel, error) {
	mail, err := email.New(c.Email)
	if err != nil {
		return nil, err
	}
	return []channel.Channel{
		mail,
		webhook.New(webhook.Config{HTTP: c.HTTP}),
		slack.New(slack.Config{HTTP: c.HTTP}),
		pagerduty.New(pagerduty.Config{HTTP: c.HTTP}),
	}, nil
}

// A ChannelConfig is what the channels need from outside.
type ChannelConfig struct {
	Email email.Config
	HTTP  *http.Client // with the network policy in it; nil: nothing leaves over HTTP
}
