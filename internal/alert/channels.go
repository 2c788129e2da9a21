package alert

import (
	"net/http"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/alert/gitea"
	"prumo.dev/prumo/internal/alert/github"
	"prumo.dev/prumo/internal/alert/gitlab"
	"prumo.dev/prumo/internal/alert/jira"
	"prumo.dev/prumo/internal/alert/ntfy"
	"prumo.dev/prumo/internal/alert/opsgenie"
	"prumo.dev/prumo/internal/alert/pagerduty"
	"prumo.dev/prumo/internal/alert/slack"
	"prumo.dev/prumo/internal/alert/teams"
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
		teams.New(teams.Config{HTTP: c.HTTP}),
		pagerduty.New(pagerduty.Config{HTTP: c.HTTP}),
		opsgenie.New(opsgenie.Config{HTTP: c.HTTP}),
		ntfy.New(ntfy.Config{HTTP: c.HTTP}),
		github.New(github.Config{HTTP: c.HTTP}),
		gitea.New(gitea.Config{HTTP: c.HTTP}),
		gitlab.New(gitlab.Config{HTTP: c.HTTP}),
		jira.New(jira.Config{HTTP: c.HTTP}),
	}, nil
}

// A ChannelConfig is what the channels need from outside.
type ChannelConfig struct {
	Email email.Config
	HTTP  *http.Client // with the network policy in it; nil: nothing leaves over HTTP
}
