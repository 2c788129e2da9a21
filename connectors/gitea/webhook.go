package gitea

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

// maxHook bounds a webhook's body; Gitea's largest are pushes of many commits.
const maxHook = 8 << 20

// Webhook implements connector.Webhooker. The targets are `repo:acme/web`,
// `history:acme/web`, `pull:acme/web#3` and `repositories:acme`.
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
	if !ok {
		given = h.Get("X-Gitea-Signature")
	}
	sum, err := hex.DecodeString(given)
	if err != nil {
		return fmt.Errorf("not hexadecimal: %w", connector.ErrSignature)
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
	Sender      *apiUser `json:"sender"`
	Pusher      *apiUser `json:"pusher"`
	PullRequest *apiPull `json:"pull_request"`
	HeadCommit  *struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"head_commit"`
}

func parseEvent(h http.Header, body []byte) (connector.Event, error) {
	what := h.Get("X-Gitea-Event-Type")
	if what == "" {
		what = h.Get("X-Gitea-Event")
	}
	ev := connector.Event{What: what, ID: h.Get("X-Gitea-Delivery")}
	var m hookMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return connector.Event{}, fmt.Errorf("webhook %s: %w", what, connector.ErrFormat)
	}
	if m.Pusher != nil {
		ev.Actor = m.Pusher.Login
	}
	if m.Sender != nil {
		ev.Actor = m.Sender.Login
	}
	if m.Repository == nil || !validRepo(m.Repository.FullName) {
		return ev, nil
	}
	ev.Targets, ev.At = m.touches(what)
	return ev, nil
}

// touches names what to read again, and when it happened where Gitea says so.
// The time of a push is not said: a commit's own can be years before.
func (m hookMessage) touches(what string) ([]string, time.Time) {
	repo := m.Repository.FullName
	owner, _, _ := strings.Cut(repo, "/")
	switch what {
	case "push":
		if m.Ref != "refs/heads/"+m.Repository.DefaultBranch {
			return nil, time.Time{}
		}
		return []string{"repo:" + repo, "history:" + repo}, time.Time{}
	case "pull_request", "pull_request_sync":
		if p := m.PullRequest; p != nil && p.Merged {
			if p.MergedAt != nil {
				return []string{"history:" + repo}, p.MergedAt.UTC()
			}
			return []string{"history:" + repo}, time.Time{}
		}
	case "pull_request_review_approved", "pull_request_review_rejected", "pull_request_approved", "pull_request_rejected":
		if p := m.PullRequest; p != nil && p.Merged && p.Number > 0 {
			return []string{fmt.Sprintf("pull:%s#%d", repo, p.Number)}, time.Time{}
		}
	case "repository":
		if m.Action == "created" {
			return []string{"repo:" + repo, "history:" + repo}, time.Time{}
		}
		return []string{"repositories:" + owner}, time.Time{}
	}
	return nil, time.Time{}
}

// validRepo holds for owner/name as Gitea allows them.
func validRepo(full string) bool {
	owner, name, ok := strings.Cut(full, "/")
	return ok && validName(owner) && validName(name)
}

func validName(s string) bool {
	if s == "" || len(s) > 100 || s == "." || s == ".." {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", c)
	}) < 0
}
