package gitea

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
)

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestWebhookSignature(t *testing.T) {
	const body = `{"repository":{"full_name":"acme/web","default_branch":"main"},"ref":"refs/heads/main"}`
	run := connector.Run{Settings: connector.Settings{"webhook_secret": fakeHook}}
	none := connector.Run{Settings: connector.Settings{}}
	good := sign(fakeHook, body)
	for _, tt := range []struct {
		name string
		run  connector.Run
		h    http.Header
		body string
		ok   bool
	}{
		{"hub", run, http.Header{"X-Hub-Signature-256": {"sha256=" + good}}, body, true},
		{"gitea", run, http.Header{"X-Gitea-Signature": {good}}, body, true},
		{"none", run, http.Header{}, body, false},
		{"empty", run, http.Header{"X-Gitea-Signature": {""}}, body, false},
		{"other secret", run, http.Header{"X-Gitea-Signature": {sign("x", body)}}, body, false},
		{"other body", run, http.Header{"X-Gitea-Signature": {good}}, body + " ", false},
		{"half", run, http.Header{"X-Gitea-Signature": {good[:32]}}, body, false},
		{"not hexadecimal", run, http.Header{"X-Gitea-Signature": {"zz"}}, body, false},
		{"old and weak", run, http.Header{"X-Hub-Signature": {"sha1=" + good}}, body, false},
		{"bad beats good", run, http.Header{"X-Hub-Signature-256": {"sha256=00"}, "X-Gitea-Signature": {good}}, body, false},
		{"no secret is set, and it is signed with none", none, http.Header{"X-Gitea-Signature": {sign("", body)}}, body, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := (Connector{}).Webhook(t.Context(), tt.run, tt.h, []byte(tt.body))
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, connector.ErrSignature) {
				t.Errorf("got %v, want taken %v", err, tt.ok)
			}
			if err != nil && (len(ev.Targets) > 0 || strings.Contains(err.Error(), fakeHook)) {
				t.Errorf("a refused message names %v and says %v", ev.Targets, err)
			}
		})
	}
}

func TestWebhookTargets(t *testing.T) {
	const repo = `"repository":{"full_name":"acme/web","default_branch":"main"},"sender":{"login":"bob"}`
	for _, tt := range []struct {
		event, body string
		want        []string
	}{
		{"push", `{"ref":"refs/heads/main",` + repo + `}`, []string{"repo:acme/web", "history:acme/web"}},
		{"push", `{"ref":"refs/heads/other",` + repo + `}`, nil},
		{"pull_request", `{"action":"closed","pull_request":{"number":3,"merged":true,"merged_at":"2026-01-01T00:00:00Z"},` + repo + `}`, []string{"history:acme/web"}},
		{"pull_request", `{"action":"opened","pull_request":{"number":3},` + repo + `}`, nil},
		{"pull_request_review_approved", `{"pull_request":{"number":3,"merged":true},` + repo + `}`, []string{"pull:acme/web#3"}},
		{"repository", `{"action":"created",` + repo + `}`, []string{"repo:acme/web", "history:acme/web"}},
		{"repository", `{"action":"deleted",` + repo + `}`, []string{"repositories:acme"}},
		{"repository", `{"action":"deleted","repository":{"full_name":"../admin"}}`, nil},
		{"push", `{"ref":"refs/heads/main","repository":{"full_name":"acme/../../x","default_branch":"main"}}`, nil},
		{"issues", `{` + repo + `}`, nil},
		{"", `{}`, nil},
	} {
		ev, err := parseEvent(http.Header{"X-Gitea-Event-Type": {tt.event}, "X-Gitea-Delivery": {"id-1"}}, []byte(tt.body))
		if err != nil || ev.ID != "id-1" {
			t.Errorf("%s: %v, id %q", tt.body, err, ev.ID)
		}
		if d := cmp.Diff(tt.want, ev.Targets); d != "" {
			t.Errorf("%s %s\n%s", tt.event, tt.body, d)
		}
	}
	if _, err := parseEvent(nil, []byte("not json")); !errors.Is(err, connector.ErrFormat) {
		t.Errorf("got %v, want ErrFormat", err)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add("push", []byte(`{"ref":"refs/heads/main","repository":{"full_name":"acme/web","default_branch":"main"}}`))
	f.Add("pull_request", []byte(`{"pull_request":{"number":3,"merged":true,"base":null},"repository":{"full_name":"acme/web"}}`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		ev, err := parseEvent(http.Header{"X-Gitea-Event-Type": {event}}, body)
		if err != nil {
			return
		}
		for _, target := range ev.Targets {
			if strings.Contains(target, "..") && !strings.Contains(string(body), "..") || strings.Count(target, "/") > 1 {
				t.Errorf("target %q leads elsewhere", target)
			}
		}
	})
}

func FuzzParseWorkflow(f *testing.F) {
	f.Add([]byte(fakeWorkflow))
	f.Add([]byte("on: [push, pull_request]\njobs: {a: {uses: acme/x/.gitea/workflows/y.yml@main}}"))
	f.Add([]byte("a: &a [*a]\njobs: {}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, ok := parseWorkflow(b)
		if ok && len(w.ids) == 0 {
			t.Error("a workflow without jobs was understood")
		}
	})
}

func TestParseWorkflow(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok, onPull bool
		unpinned   []string
	}{
		{"list", "on: [push, pull_request]\njobs: {a: {steps: []}}", true, true, nil},
		{"word", "on: push\njobs: {a: {steps: [{uses: ./local}]}}", true, false, nil},
		{"map", "on:\n  pull_request_target:\njobs: {a: {uses: 'x/y/z.yml@main'}}", true, true, []string{"x/y/z.yml@main"}},
		{"image", "on: push\njobs: {a: {steps: [{uses: 'docker://alpine:3'}, {uses: 'docker://alpine@sha256:00'}]}}", true, false, []string{"docker://alpine:3"}},
		{"no jobs", "on: push", false, false, nil},
		{"not yaml", "\t{", false, false, nil},
		{"another shape", "jobs: [a, b]", false, false, nil},
	} {
		w, ok := parseWorkflow([]byte(tt.text))
		if ok != tt.ok || w.onPull != tt.onPull {
			t.Errorf("%s: understood %v, on pull request %v; want %v, %v", tt.name, ok, w.onPull, tt.ok, tt.onPull)
		}
		if d := cmp.Diff(tt.unpinned, w.unpinned); d != "" {
			t.Errorf("%s\n%s", tt.name, d)
		}
	}
}
