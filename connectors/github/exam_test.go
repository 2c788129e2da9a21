package github

import (
	"net/http"
	"testing"
	"time"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/connectortest"
)

func examTargets() []string {
	return []string{
		"tenant:acme", "repo:acme/web", "history:acme/web", "accounts", "alert:dependabot:acme/web#1", "alert:secret-scanning:acme/web#5", "alert:advisory:acme/web#GHSA-ffff-bbbb-cccc",
	}
}

// examWorld is small: every request of it is broken in every way.
func examWorld() *world {
	w := newWorld()
	w.acme.Repos = []*githubtest.Repo{w.web, w.docs, w.old}
	w.docs.Private = false
	w.acme.SecretAlerts[0].Repo, w.acme.Advisories[0].Repo = w.web, w.web
	return w
}

func TestExam(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { return examWorld() },
		Settings: testSettings,
		Targets:  examTargets(),
		Now:      func() time.Time { return testNow },
		Secrets:  []string{"AKIASECRETSECRET"},
	})
}

// An App asks for its token first; no installation token and no part of the
// private key may get out.
func TestExamOfAnApp(t *testing.T) {
	t.Parallel()
	text, key := keyText(t)
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler {
			w := examWorld()
			w.acme.Repos = w.acme.Repos[:1]
			w.withApp(key, needed())
			return w
		},
		Settings: func(address string) connector.Settings { return appSettings(address, text) },
		Targets:  examTargets(),
		Now:      func() time.Time { return testNow },
		Secrets:  []string{"AKIASECRETSECRET", "ghs_", text[100:160]},
	})
}
