package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Somebody breaks what GitHub announces to nobody; the tripwire sees it within
// one round, only what it concerns is read again, and so it is when it is mended.
func TestStoryOfATripwire(t *testing.T) {
	w, run, now := movingRun(t, nil, nil)
	collect(t, run)
	last, err := Connector{}.Tripwire(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	round := func() *connector.Memory {
		t.Helper()
		*now = now.Add(tripwireEvery)
		seen, err := Connector{}.Tripwire(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		targets := differing(last, seen)
		last = seen
		m := connector.Record()
		if len(targets) > 0 {
			if err := (Connector{}).Reread(t.Context(), run, targets, m); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	if m := round(); len(m.Facts()) != 0 {
		t.Errorf("a quiet round read %d facts", len(m.Facts()))
	}
	bob := func(m *connector.Memory) fact.Opt[bool] { return data[fact.Account](t, m, "account", "github/bob").MFA }
	approvals := func(m *connector.Memory) fact.Opt[int64] {
		p, _ := data[fact.Repository](t, m, "repository", "github/acme/web").Protection.Get()
		return p.Approvals
	}
	w.Do(func() { w.bob.TwoFactor = false })
	if got := bob(round()); got.Or(true) {
		t.Error("a second factor that was taken off is not seen")
	}
	w.Do(func() { w.bob.TwoFactor = true })
	if got := bob(round()); !got.Or(false) {
		t.Error("a second factor that came back is not seen")
	}
	w.Do(func() { w.acme.Rulesets[0].Enforcement = "evaluate" })
	if m := round(); approvals(m).Or(9) != 1 {
		t.Errorf("approvals %v once the ruleset is only evaluated, want classic protection's 1", approvals(m))
	}
	w.Do(func() { delete(w.web.Classic, "main") })
	if m := round(); approvals(m).Or(9) != 0 {
		t.Errorf("approvals %v without any rule, want 0", approvals(m))
	}
	w.Do(func() { w.web.Classic["main"] = &githubtest.Classic{Reviews: true, Approvals: 3, Admins: true} })
	m := round()
	if approvals(m).Or(9) != 3 {
		t.Errorf("approvals %v once it is mended, want 3", approvals(m))
	}
	if d := cmp.Diff([]string{"github/acme/web"}, ids(m, "repository")); d != "" {
		t.Errorf("more was read than was concerned:\n%s", d)
	}
}

// Scopes carry one name, however the settings and GitHub spell the organisation.
func TestOneSpelling(t *testing.T) {
	w := newWorld()
	run := testRun(t, w, func(s connector.Settings) { s["organisations"] = []string{"ACME"} })
	whole := map[string]string{}
	all := collect(t, run)
	for _, f := range all.Facts() {
		whole[f.Kind+" "+f.ID] = f.Scope
	}
	m := connector.Record()
	if err := (Connector{}).Reread(t.Context(), run, append(examTargets()[:4], "alert:dependabot:acme/web#1", "repositories:acme"), m); err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Facts() {
		if whole[f.Kind+" "+f.ID] != f.Scope {
			t.Errorf("%s %s is in scope %q after a target, in %q after a reading", f.Kind, f.ID, f.Scope, whole[f.Kind+" "+f.ID])
		}
	}
}

// A storm of deliveries names few targets: what is read again does not grow
// with the number of messages.
func TestAStormOfDeliveriesIsCoalesced(t *testing.T) {
	run := connector.Run{Settings: connector.Settings{"webhook_secret": testHook}}
	targets := map[string]bool{}
	for i := range 5000 {
		body := fmt.Appendf(nil, `{"ref":"refs/heads/main","after":"%d","repository":{"full_name":"acme/repo%d","default_branch":"main"}}`, i, i%40)
		h := http.Header{}
		h.Set("X-GitHub-Event", "push")
		h.Set("X-Hub-Signature-256", signed(testHook, body))
		ev, err := Connector{}.Webhook(t.Context(), run, h, body)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range ev.Targets {
			targets[x] = true
		}
	}
	if len(targets) != 80 {
		t.Errorf("%d targets of 40 repositories, want 80", len(targets))
	}
}

// What GitHub says in a way that is not documented is never taken for nothing.
func TestHostileAnswers(t *testing.T) {
	for path, body := range map[string]string{
		"/orgs/acme/repos":                         `[{"id":1,"full_name":"evil/web","archived":false,"default_branch":"main"}]`,
		"/repos/acme/web/rules/branches/main":      `[{"type":"pull_request"}]`,
		"/repos/acme/web/keys":                     `[{"id":1,"title":"x"}]`,
		"/repos/acme/web/environments":             `{"environments":[]}`,
		"/orgs/acme/dependabot/alerts":             `[{"number":1,"state":"open","repository":{"full_name":"acme/../x"}}]`,
		"/repos/acme/web/collaborators":            `[{"id":1,"login":"a"}]`,
		"/orgs/acme/installations":                 `{"installations":[]}`,
		"/repos/acme/web/actions/permissions":      `{}`,
		"/graphql":                                 `{"data":{}}`,
		"/orgs/acme/outside_collaborators":         `[{}]`,
		"/repos/acme/web/branches/main/protection": `{}`,
	} {
		w := newWorld()
		h := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				_, _ = out.Write([]byte(body))
				return
			}
			w.ServeHTTP(out, r)
		})
		srv := httptest.NewServer(h)
		m := collect(t, runAt(srv.URL, func() time.Time { return testNow }, nil))
		srv.Close()
		if !slices.ContainsFunc(m.Scopes(), func(s connector.ScopeResult) bool { return s.Reading == fact.Partial && s.Detail.Why != "" }) {
			t.Errorf("%s = %s: no scope is partial", path, body)
		}
		for _, f := range m.Facts() {
			if f.ID == "github/evil/web" {
				t.Error("a repository of another organisation was taken for ours")
			}
		}
	}
}
