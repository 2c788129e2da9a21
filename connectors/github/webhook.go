package github

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// maxHook is GitHub's own bound of a webhook's body.
const maxHook = 25 << 20

// Webhook implements connector.Webhooker. The targets are those of sortTargets.
func (Connector) Webhook(_ context.Context, run connector.Run, h http.Header, body []byte) (connector.Event, error) {
	if err := verify(run.Settings.Text("webhook_secret"), h, body); err != nil {
		return connector.Event{}, err
	}
	return parseEvent(h, body)
}

// verify checks the signature over the body, in constant time. Without a
// secret no message is the system's.
func verify(secret string, h http.Header, body []byte) error {
	if secret == "" || len(body) > maxHook {
		return fmt.Errorf("no webhook_secret is set, or the message is too long: %w", connector.ErrSignature)
	}
	given, ok := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	sum, err := hex.DecodeString(given)
	if !ok || err != nil {
		return fmt.Errorf("no X-Hub-Signature-256: %w", connector.ErrSignature)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	if !hmac.Equal(sum, mac.Sum(nil)) {
		return fmt.Errorf("of the webhook: %w", connector.ErrSignature)
	}
	return nil
}

type hookMessage struct {
	Action     string `json:"action"`
	Ref        string `json:"ref"`
	Repository *struct {
		FullName      string `json:"full_name"`
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`
	Organization *user `json:"organization"`
	Sender       *user `json:"sender"`
	Installation *struct {
		Account *user `json:"account"`
	} `json:"installation"`
	PullRequest *struct {
		Number   int64      `json:"number"`
		MergedAt *time.Time `json:"merged_at"`
		Base     *struct {
			Ref string `json:"ref"`
		} `json:"base"`
	} `json:"pull_request"`
	Alert *struct {
		Number int64 `json:"number"`
	} `json:"alert"`
	Advisory *struct {
		GHSA string `json:"ghsa_id"`
	} `json:"repository_advisory"`
}

func parseEvent(h http.Header, body []byte) (connector.Event, error) {
	what := h.Get("X-GitHub-Event")
	ev := connector.Event{What: what, ID: h.Get("X-GitHub-Delivery")}
	var m hookMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return connector.Event{}, fmt.Errorf("webhook %s: %w", what, connector.ErrFormat)
	}
	if m.Action != "" {
		ev.What = what + "." + m.Action
	}
	if m.Sender != nil {
		ev.Actor = m.Sender.Login
	}
	ev.Targets = m.touches(what)
	if p := m.PullRequest; p != nil && p.MergedAt != nil && m.Action == "closed" {
		ev.At = p.MergedAt.UTC()
	}
	return ev, nil
}

// org is the organisation that a message is about, or "".
func (m hookMessage) org() string {
	switch {
	case m.Organization != nil && validName(m.Organization.Login):
		return m.Organization.Login
	case m.Installation != nil && m.Installation.Account != nil && validName(m.Installation.Account.Login):
		return m.Installation.Account.Login
	}
	if full := m.repo(); full != "" {
		owner, _, _ := cutName(full)
		return owner
	}
	return ""
}

func (m hookMessage) repo() string {
	if m.Repository == nil || !validRepo(m.Repository.FullName) {
		return ""
	}
	return m.Repository.FullName
}

// touches names what to read again.
func (m hookMessage) touches(what string) []string {
	org, repo := m.org(), m.repo()
	if org == "" {
		return nil
	}
	switch what {
	case "organization", "installation", "installation_repositories", "installation_target":
		return []string{"tenant:" + org, "accounts"}
	case "member", "membership", "team", "team_add":
		if repo != "" {
			return []string{"accounts", "repo:" + repo}
		}
		return []string{"accounts"}
	case "personal_access_token_request", "org_block":
		return []string{"tokens:" + org}
	case "repository_ruleset":
		if repo == "" {
			return []string{"repositories:" + org}
		}
		return []string{"repo:" + repo}
	}
	if repo == "" {
		return nil
	}
	return m.touchesRepo(what, org, repo)
}

// touchesRepo names what to read again after an event of one repository.
func (m hookMessage) touchesRepo(what, org, repo string) []string {
	switch what {
	case "push":
		if m.Ref != "refs/heads/"+m.Repository.DefaultBranch {
			return nil
		}
		return []string{"repo:" + repo, "history:" + repo}
	case "pull_request", "pull_request_review":
		p := m.PullRequest
		if p == nil || p.MergedAt == nil || p.Base != nil && p.Base.Ref != m.Repository.DefaultBranch {
			return nil
		}
		return []string{"history:" + repo}
	case "branch_protection_rule", "branch_protection_configuration", "deploy_key", "security_and_analysis", "public", "create":
		if what == "create" && m.Ref != m.Repository.DefaultBranch {
			return nil
		}
		return []string{"repo:" + repo}
	case "repository":
		switch m.Action {
		case "deleted", "transferred", "renamed":
			return []string{"repositories:" + org}
		case "created":
			return []string{"repo:" + repo, "history:" + repo}
		}
		return []string{"repo:" + repo}
	case "dependabot_alert", "code_scanning_alert", "secret_scanning_alert":
		if m.Alert == nil || m.Alert.Number == 0 {
			return nil
		}
		kind := strings.ReplaceAll(strings.TrimSuffix(what, "_alert"), "_", "-")
		return []string{fmt.Sprintf("alert:%s:%s#%d", kind, repo, m.Alert.Number)}
	case "repository_advisory":
		if m.Advisory == nil || !validName(m.Advisory.GHSA) {
			return nil
		}
		return []string{"alert:advisory:" + repo + "#" + m.Advisory.GHSA}
	}
	return nil
}
