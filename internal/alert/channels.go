package alert

import (
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
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
		webhook.New(c.Webhook),
	}, nil
}

// A ChannelConfig is what the channels need from outside.
type ChannelConfig struct {
	Email   email.Config
	Webhook webhook.Config
}
