package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
)

func signed(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestWebhookSignature(t *testing.T) {
	body := []byte(`{"ref":"refs/heads/main","repository":{"full_name":"acme/web","default_branch":"main"}}`)
	run := connector.Run{Settings: connector.Settings{"webhook_secret": testHook}}
	header := func(sig string) http.Header {
		h := http.Header{}
		h.Set("X-GitHub-Event", "push")
		h.Set("X-GitHub-Delivery", "d-1")
		if sig != "" {
			h.Set("X-Hub-Signature-256", sig)
		}
		return h
	}
	ev, err := Connector{}.Webhook(t.Context(), run, header(signed(testHook, body)), body)
	if err != nil || ev.ID != "d-1" || ev.What != "push" || len(ev.Targets) != 2 {
		t.Errorf("a good message: %+v, %v", ev, err)
	}
	for name, sig := range map[string]string{
		"none": "", "another secret's": signed("other", body), "another body's": signed(testHook, []byte("{}")), "not hexadecimal": "sha256=zz",
		"without its name": strings.TrimPrefix(signed(testHook, body), "sha256="), "SHA-1": "sha1=00",
	} {
		if _, err := (Connector{}).Webhook(t.Context(), run, header(sig), body); !errors.Is(err, connector.ErrSignature) {
			t.Errorf("signature %s: %v, want ErrSignature", name, err)
		}
	}
	empty := connector.Run{Settings: connector.Settings{}}
	if _, err := (Connector{}).Webhook(t.Context(), empty, header(signed("", body)), body); !errors.Is(err, connector.ErrSignature) {
		t.Errorf("without a secret: %v, want ErrSignature", err)
	}
}

func TestParseEvent(t *testing.T) {
	const repo = `"repository":{"full_name":"acme/web","default_branch":"main"},"organization":{"login":"acme"},"sender":{"login":"bob"}`
	for _, tt := range []struct {
		event, body string
		want        []string
	}{
		{"push", `{"ref":"refs/heads/main",` + repo + `}`, []string{"repo:acme/web", "history:acme/web"}},
		{"push", `{"ref":"refs/heads/other",` + repo + `}`, nil},
		{"pull_request", `{"action":"closed","pull_request":{"number":3,"merged_at":"2026-01-01T00:00:00Z","base":{"ref":"main"}},` + repo + `}`, []string{"history:acme/web"}},
		{"pull_request", `{"action":"closed","pull_request":{"number":3,"merged_at":"2026-01-01T00:00:00Z","base":{"ref":"other"}},` + repo + `}`, nil},
		{"pull_request", `{"action":"opened","pull_request":{"number":3,"merged_at":null},` + repo + `}`, nil},
		{"pull_request_review", `{"action":"dismissed","pull_request":{"number":3,"merged_at":"2026-01-01T00:00:00Z"},` + repo + `}`, []string{"history:acme/web"}},
		{"branch_protection_rule", `{"action":"deleted",` + repo + `}`, []string{"repo:acme/web"}},
		{"repository_ruleset", `{"action":"edited",` + repo + `}`, []string{"repo:acme/web"}},
		{"repository_ruleset", `{"action":"edited","organization":{"login":"acme"}}`, []string{"repositories:acme"}},
		{"organization", `{"action":"member_removed","organization":{"login":"acme"}}`, []string{"tenant:acme", "accounts"}},
		{"member", `{"action":"added",` + repo + `}`, []string{"accounts", "repo:acme/web"}},
		{"membership", `{"action":"added","organization":{"login":"acme"}}`, []string{"accounts"}},
		{"team", `{"action":"edited","organization":{"login":"acme"}}`, []string{"accounts"}},
		{"installation", `{"action":"created","installation":{"account":{"login":"acme"}}}`, []string{"tenant:acme", "accounts"}},
		{"deploy_key", `{"action":"created",` + repo + `}`, []string{"repo:acme/web"}},
		{"dependabot_alert", `{"action":"created","alert":{"number":7},` + repo + `}`, []string{"alert:dependabot:acme/web#7"}},
		{"code_scanning_alert", `{"action":"fixed","alert":{"number":8},` + repo + `}`, []string{"alert:code-scanning:acme/web#8"}},
		{"secret_scanning_alert", `{"action":"created","alert":{"number":9},` + repo + `}`, []string{"alert:secret-scanning:acme/web#9"}},
		{"repository_advisory", `{"action":"reported","repository_advisory":{"ghsa_id":"GHSA-a-b-c"},` + repo + `}`, []string{"alert:advisory:acme/web#GHSA-a-b-c"}},
		{"repository_advisory", `{"action":"reported","repository_advisory":{"ghsa_id":"../x"},` + repo + `}`, nil},
		{"repository", `{"action":"publicized",` + repo + `}`, []string{"repo:acme/web"}},
		{"repository", `{"action":"deleted",` + repo + `}`, []string{"repositories:acme"}},
		{"repository", `{"action":"deleted","repository":{"full_name":"../admin"}}`, nil},
		{"push", `{"ref":"refs/heads/main","repository":{"full_name":"acme/../../x","default_branch":"main"}}`, nil},
		{"issues", `{` + repo + `}`, nil},
		{"", `{}`, nil},
	} {
		h := http.Header{}
		h.Set("X-GitHub-Event", tt.event)
		ev, err := parseEvent(h, []byte(tt.body))
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
		}
		if d := cmp.Diff(tt.want, ev.Targets); d != "" {
			t.Errorf("%s %s\n%s", tt.event, tt.body, d)
		}
	}
	if _, err := parseEvent(nil, []byte("not json")); !errors.Is(err, connector.ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
}

// Each example that GitHub publishes is parsed, and whatever it touches is a
// target that Reread knows.
func TestPublishedWebhooks(t *testing.T) {
	b, err := os.ReadFile("githubtest/testdata/webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name     string
		Examples []json.RawMessage
	}
	if err := json.Unmarshal(b, &all); err != nil || len(all) < 50 {
		t.Fatalf("%d events: %v", len(all), err)
	}
	touched := map[string]int{}
	for _, e := range all {
		for i, body := range e.Examples {
			h := http.Header{}
			h.Set("X-GitHub-Event", e.Name)
			ev, err := parseEvent(h, body)
			if err != nil {
				t.Errorf("%s, example %d: %v", e.Name, i, err)
			}
			for _, target := range ev.Targets {
				s := sortTargets([]string{target}, nil)
				if len(s.tenants)+len(s.tokens)+len(s.orgs)+len(s.repos)+len(s.histories)+len(s.alerts) == 0 && !s.accounts {
					t.Errorf("%s, example %d: target %q leads nowhere", e.Name, i, target)
				}
				touched[e.Name]++
			}
		}
	}
	for _, name := range []string{"push", "branch_protection_rule", "code_scanning_alert", "dependabot_alert", "deploy_key", "installation", "member", "membership", "organization", "repository", "team"} {
		if touched[name] == 0 {
			t.Errorf("no example of %s touches anything", name)
		}
	}
	for _, name := range []string{"issues", "star", "watch", "fork"} {
		if touched[name] != 0 {
			t.Errorf("%s touches something", name)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add("push", []byte(`{"ref":"refs/heads/main","repository":{"full_name":"acme/web","default_branch":"main"}}`))
	f.Add("pull_request", []byte(`{"pull_request":{"number":3,"merged_at":"2026-01-01T00:00:00Z","base":null},"repository":{"full_name":"acme/web"}}`))
	f.Add("repository_advisory", []byte(`{"repository_advisory":{"ghsa_id":"a#b"},"repository":{"full_name":"acme/web"}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		h := http.Header{}
		h.Set("X-GitHub-Event", event)
		ev, err := parseEvent(h, body)
		if err != nil {
			return
		}
		for _, target := range ev.Targets {
			if strings.Count(target, "/") > 1 || strings.Contains(target, "/..") {
				t.Errorf("target %q leads elsewhere", target)
			}
		}
	})
}

// FuzzAnswers feeds any bytes to what reads GitHub's answers: nothing panics,
// and what is no answer gives no layer, no change and no alert.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`[{"type":"pull_request","ruleset_id":1,"parameters":{"required_approving_review_count":2}}]`))
	f.Add([]byte(`{"number":1,"createdAt":"2026-01-01T00:00:00Z","reviews":{"nodes":[{"author":null}]}}`))
	f.Add([]byte(`[{"type":"workflows","ruleset_id":1,"parameters":{"workflows":[{}]}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rules []rule
		if json.Unmarshal(b, &rules) == nil {
			if layers, err := rulesLayers(rules, nil); err == nil {
				p := protect(layers, anyOf(layers, func(l layer) optBool { return l.pull }), access{})
				if p.BypassActors.Known() && len(rules) > 0 {
					t.Error("bypasses are known although nobody told")
				}
			}
		}
		var n changeNode
		if json.Unmarshal(b, &n) == nil {
			if p, err := n.pull(false); err == nil && p.MergedAt.IsZero() && n.MergedAt == nil {
				t.Error("a change that was never merged")
			}
		}
		var s stepNode
		if json.Unmarshal(b, &s) == nil {
			_, _ = s.commit("acme/web", "main")
		}
		var a alert
		if json.Unmarshal(b, &a) == nil {
			for _, w := range watches() {
				if id, full, err := a.id(w, "acme"); err == nil && (!validRepo(full) || strings.Contains(id, "..")) {
					t.Errorf("id %q", id)
				}
				_ = a.fact(w, "acme/web")
			}
		}
	})
}

func TestTurn(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6}
	seen := map[int]bool{}
	for i := range 3 {
		for _, x := range turn(all, 3, time.Unix(int64(i)*30, 0)) {
			seen[x] = true
		}
	}
	if len(seen) != len(all) {
		t.Errorf("three turns saw %d of %d", len(seen), len(all))
	}
}
