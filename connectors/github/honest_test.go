package github

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A moving run is one whose clock the test turns, with a memory over readings.
func movingRun(t *testing.T, change func(connector.Settings), prepare func(*world)) (*world, connector.Run, *time.Time) {
	t.Helper()
	now := testNow
	clock := func() time.Time { return now }
	w := newWorldAt(clock)
	if prepare != nil {
		prepare(w)
	}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	run := runAt(srv.URL, clock, change)
	run.Memo = connector.NewMemo(32<<20, clock)
	return w, run, &now
}

func TestAReadingWithoutChangesCostsNothingOfTheLimit(t *testing.T) {
	w, run, now := movingRun(t, nil, nil)
	w.acme.Audit = nil
	first := collect(t, run)
	a := w.Reset()
	*now = now.Add(5 * time.Minute)
	second := collect(t, run)
	b := w.Reset()
	if b.Unchanged == 0 || b.REST > 1 { // of the empty repository GitHub says 404, which it counts
		t.Errorf("second reading: %d in full, %d unchanged; the first %d", b.REST, b.Unchanged, a.REST)
	}
	if d := cmp.Diff(texts(first), texts(second)); d != "" {
		t.Errorf("the second reading differs:\n%s", d)
	}
	w.Do(func() { w.web.Classic["main"].Approvals = 0; w.acme.Rulesets[0].Rules = nil })
	third := collect(t, run)
	p, _ := data[fact.Repository](t, third, "repository", "github/acme/web").Protection.Get()
	if p.Approvals.Or(9) != 0 {
		t.Errorf("approvals %v after the change, want 0", p.Approvals)
	}
}

func texts(m *connector.Memory) map[string]string {
	out := map[string]string{}
	for _, f := range m.Facts() {
		out[f.Kind+" "+f.ID] = string(f.Data)
	}
	return out
}

// A pull request that was merged since is read without the others.
func TestHistoryIsReadOn(t *testing.T) {
	w, run, now := movingRun(t, nil, nil)
	collect(t, run)
	*now = now.Add(48 * time.Hour)
	collect(t, run)
	*now = now.Add(time.Hour)
	var p *githubtest.Pull
	w.Do(func() {
		p = w.Merge(w.web, "new", w.bob, *now, githubtest.Review{State: "APPROVED", By: w.alice, At: *now})
	})
	*now = now.Add(time.Hour)
	m := collect(t, run)
	if f := data[fact.Change](t, m, "change", "github/acme/web#5"); len(f.OtherApprovers.Or(nil)) != 1 {
		t.Errorf("the new change has approvers %v", f.OtherApprovers)
	}
	if !strings.Contains(strings.Join(ids(m, "change"), " "), "web#1") || strings.Contains(strings.Join(ids(m, "commit"), " "), p.Merge) {
		t.Errorf("changes %v, commits %v", ids(m, "change"), ids(m, "commit"))
	}
	// Its checks may still come in: they are read anew for a day.
	w.Do(func() { p.Checks = []githubtest.Check{{Name: "test", Result: "FAILURE"}} })
	m = collect(t, run)
	if f := data[fact.Change](t, m, "change", "github/acme/web#5"); f.ChecksPassed.Or(true) {
		t.Error("a check that failed after the merge is not seen")
	}
}

// Once the primary limit is used up nothing is sent until it is renewed, and
// what was not read is partial; the next reading goes on where this one ended.
func TestThePrimaryLimitIsHonoured(t *testing.T) {
	w, run, now := movingRun(t, nil, func(w *world) { w.Limit, w.GraphLimit = 25, 1000 })
	m := collect(t, run)
	tally := w.Reset()
	if tally.REST != 25 || tally.Refused != 0 {
		t.Errorf("%d requests of 25, %d were refused", tally.REST, tally.Refused)
	}
	partial := 0
	for _, s := range m.Scopes() {
		if s.Reading == fact.Partial {
			partial++
			if s.Detail.RetryAfter <= 0 || s.Detail.RetryAfter > time.Hour || s.Detail.Status != http.StatusTooManyRequests {
				t.Errorf("%s: status %d, again in %v", s.Scope.Name, s.Detail.Status, s.Detail.RetryAfter)
			}
		}
		if s.Reading == fact.Forbidden {
			t.Errorf("%s is forbidden, want partial", s.Scope.Name)
		}
	}
	if partial == 0 {
		t.Error("no scope is partial")
	}
	collect(t, run)
	if tally := w.Reset(); tally.REST+tally.Refused != 0 {
		t.Errorf("%d requests, %d of them refused, while the limit was used up", tally.REST+tally.Refused, tally.Refused)
	}
	for range 6 {
		*now = now.Add(61 * time.Minute)
		m = collect(t, run)
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("after six hours %s is %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

func TestTheSecondaryLimitIsHonoured(t *testing.T) {
	w, run, now := movingRun(t, nil, func(w *world) { w.Burst = 20 })
	m := collect(t, run)
	tally := w.Reset()
	if tally.Refused != 1 {
		t.Errorf("%d requests were refused, want the one that told", tally.Refused)
	}
	if s := scopeNamed(t, m, "accounts"); s.Reading != fact.Partial || s.Detail.RetryAfter <= 0 {
		t.Errorf("accounts: %s, again in %v", s.Reading, s.Detail.RetryAfter)
	}
	for range 12 {
		*now = now.Add(2 * time.Minute)
		m = collect(t, run)
	}
	_ = m
	if tally := w.Reset(); tally.Refused > 12 {
		t.Errorf("%d requests were refused in 12 readings", tally.Refused)
	}
}

func TestGraphLimitIsHonoured(t *testing.T) {
	w, run, _ := movingRun(t, nil, func(w *world) { w.Limit, w.GraphLimit = 1000, 1 })
	m := collect(t, run)
	if tally := w.Reset(); tally.Refused != 0 {
		t.Errorf("%d queries were refused", tally.Refused)
	}
	if s := scopeNamed(t, m, "changes acme/web"); s.Reading != fact.Partial || s.Detail.RetryAfter <= 0 {
		t.Errorf("changes: %s, again in %v", s.Reading, s.Detail.RetryAfter)
	}
}

// An App's token lives an hour; it is made anew, and kept sealed in between.
func TestAnAppRenewsItsToken(t *testing.T) {
	text, key := keyText(t)
	w, run, now := movingRun(t, nil, func(w *world) { w.withApp(key, needed()) })
	run.Settings = appSettings(run.Settings.Text("url"), text)
	memo := &watchedMemo{Memo: run.Memo}
	run.Memo = memo
	made := func() (n int) {
		for _, p := range w.Reset().Paths {
			if strings.HasSuffix(p, "/access_tokens") {
				n++
			}
		}
		return n
	}
	m := collect(t, run)
	if n := made(); n != 1 {
		t.Errorf("%d tokens for one reading, want 1", n)
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("%s is %s (%s, %s)", s.Scope.Name, s.Reading, s.Detail.Why, s.Detail.Permission)
		}
	}
	*now = now.Add(30 * time.Minute)
	collect(t, run)
	if n := made(); n != 0 {
		t.Errorf("%d tokens after half an hour, want 0", n)
	}
	*now = now.Add(26 * time.Minute) // less than five minutes are left
	collect(t, run)
	if n := made(); n != 1 {
		t.Errorf("%d tokens after nearly an hour, want 1", n)
	}
	for _, v := range memo.kept {
		if strings.Contains(v, "ghs_") || strings.Contains(v, "PRIVATE KEY") {
			t.Error("the memo holds a token or the key in the clear")
		}
	}
}

type watchedMemo struct {
	connector.Memo
	kept []string
}

func (m *watchedMemo) Keep(key string, value []byte) {
	m.kept = append(m.kept, key+" "+string(value))
	m.Memo.Keep(key, value)
}

// An App that was not let into all repositories is given a shorter list.
func TestAnAppWithSomeRepositoriesIsNotComplete(t *testing.T) {
	text, key := keyText(t)
	w := newWorld()
	i := w.withApp(key, needed())
	i.Selection = "selected"
	delete(i.Permissions, "organization_administration")
	run := testRun(t, w, nil)
	run.Settings = appSettings(run.Settings.Text("url"), text)
	m := collect(t, run)
	if s := scopeNamed(t, m, "repositories acme"); s.Reading != fact.Forbidden || s.Detail.Permission == "" {
		t.Errorf("repositories: %s, permission %q", s.Reading, s.Detail.Permission)
	}
	if s := scopeNamed(t, m, "tokens acme"); s.Reading != fact.Complete {
		t.Errorf("tokens: %s", s.Reading)
	}
}

func TestFineGrainedTokensAreSecrets(t *testing.T) {
	text, key := keyText(t)
	w := newWorld()
	w.withApp(key, needed())
	end := ago(-30)
	w.acme.AccessTokens = []*githubtest.AccessToken{{ID: 3, Owner: w.bob, Name: "laptop", Ends: &end, Granted: ago(5), Repo: map[string]string{"contents": "write", "metadata": "read"}}}
	run := testRun(t, w, nil)
	run.Settings = appSettings(run.Settings.Text("url"), text)
	m := collect(t, run)
	checkJSON(t, "token", data[fact.Secret](t, m, "secret", "github/acme/token/3"), `{
		"name": "laptop", "type": "token", "active": true, "write": true, "scopes": ["contents: write", "metadata: read"], "account": "github/bob", "created_at": "2026-02-24T12:00:00Z",
		"expires_at": "2026-03-31T12:00:00Z", "never_ends": false
	}`)
}

func TestIdentify(t *testing.T) {
	w := newWorld()
	id, err := Connector{}.Identify(t.Context(), testRun(t, w, nil))
	if err != nil {
		t.Fatal(err)
	}
	checkJSON(t, "a fine-grained token of an owner", []any{id.Name, id.System, id.ReadOnly, id.Missing, id.Excess}, `["prumo", "GitHub", null, [], null]`)
	w.Tokens[testToken].User = w.bob
	if id, err = (Connector{}).Identify(t.Context(), testRun(t, w, nil)); err != nil || len(id.Missing) < 4 {
		t.Errorf("a member's token: %v, missing %v", err, id.Missing)
	}
	scopes := "repo, read:org, delete_repo"
	w.Tokens[testToken] = &githubtest.Credential{User: w.prumo, Scopes: &scopes}
	if id, err = (Connector{}).Identify(t.Context(), testRun(t, w, nil)); err != nil {
		t.Fatal(err)
	}
	checkJSON(t, "a classic token", []any{id.ReadOnly, id.Missing, id.Excess}, `[false, [], ["delete_repo"]]`)
	text, key := keyText(t)
	p := needed()
	p["contents"], p["issues"] = "write", "read"
	delete(p, "members")
	w.withApp(key, p)
	run := testRun(t, w, nil)
	run.Settings = appSettings(run.Settings.Text("url"), text)
	if id, err = (Connector{}).Identify(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	checkJSON(t, "an App", []any{id.Name, id.ReadOnly, id.Missing, id.Excess}, `["app prumo-reader", false, ["Members: read"], ["contents: write", "issues: read"]]`)
}

func TestRereadIsTargeted(t *testing.T) {
	w := newWorld()
	run := testRun(t, w, nil)
	m := connector.Record()
	targets := []string{"repo:acme/web", "repo:acme/web:rulesets", "alert:dependabot:acme/web#1", "alert:dependabot:acme/web#1", "repo:other/x/../y", "alert:x:acme/web#1", "history:../acme", "nonsense"}
	if err := (Connector{}).Reread(t.Context(), run, targets, m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"repositories acme", "dependabot alerts acme"} {
		if s := scopeNamed(t, m, name); s.Reading != fact.Partial || !s.Detail.Targeted || s.Detail.Why == "" {
			t.Errorf("%s: %s %+v; want partial since targeted", name, s.Reading, s.Detail)
		}
	}
	if d := cmp.Diff([]string{"github/acme/web"}, ids(m, "repository")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"github/acme/web/dependabot/1"}, ids(m, "vulnerability")); d != "" {
		t.Error(d)
	}
	for _, a := range w.Reset().Paths {
		if strings.Contains(a, "acme/api") {
			t.Errorf("asked %s, which was no target", a)
		}
	}
	run = testRun(t, w, func(s connector.Settings) { s["organisations"] = []string{"other"} })
	if err := (Connector{}).Reread(t.Context(), run, append(examTargets()[:3], "repositories:acme", "tokens:acme"), connector.Record()); err != nil {
		t.Fatal(err)
	}
	if p := w.Reset().Paths; len(p) != 0 {
		t.Errorf("asked %v of an organisation that is not the source's", p)
	}
}

func TestTripwireSeesWhatMatters(t *testing.T) {
	w, run, now := movingRun(t, nil, nil)
	look := func() map[string]string {
		t.Helper()
		h, err := Connector{}.Tripwire(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		*now = now.Add(tripwireEvery)
		return h
	}
	before := look()
	w.Reset()
	w.Do(func() { w.Push(w.web, &githubtest.Commit{OID: "f1", Message: "push", At: *now, Author: w.bob}) })
	if d := differing(before, look()); d != nil {
		t.Errorf("a push trips %v", d)
	}
	if tally := w.Reset(); tally.REST > 1 || tally.Graph != 1 { // the list of repositories carries the time of the push
		t.Errorf("a quiet round costs %d requests and %d queries, want 1 and 1", tally.REST, tally.Graph)
	}
	for _, tt := range []struct {
		what   string
		change func()
		want   string
	}{
		{"classic protection", func() { w.web.Classic["main"].Approvals = 0 }, "repo:acme/web:defaultBranchRef"},
		{"a ruleset", func() { w.web.Rulesets[0].Updated = *now }, "repo:acme/web:rulesets"},
		{"a ruleset of the organisation", func() { w.acme.Rulesets[0].Enforcement = "disabled" }, "repositories:acme:rulesets"},
		{"visibility", func() { w.web.Private = false }, "repo:acme/web:settings"},
		{"a key", func() { w.web.Keys = w.web.Keys[:1] }, "repo:acme/web:deployKeys"},
		{"a member", func() { w.acme.Members = w.acme.Members[:3] }, "accounts:acme members"},
		{"an owner", func() { w.acme.Owners = append(w.acme.Owners, w.bob) }, "accounts:acme owners"},
		{"an owner, for the organisation", func() { w.acme.Owners = w.acme.Owners[:2] }, "tenant:acme:owners"},
		{"a second factor", func() { w.bob.TwoFactor = false }, "accounts:acme members without a second factor"},
		{"an outsider", func() { w.acme.Outside = nil }, "accounts:acme outside collaborators"},
		{"two-factor requirement", func() { w.acme.TwoFactorRequired = false }, "tenant:acme:settings"},
		{"an App", func() { w.acme.Installs = nil }, "tenant:acme:apps"},
		{"actions", func() { w.acme.AllowedActions = "all" }, "tenant:acme:actions"},
		{"a repository", func() { w.acme.Repos = w.acme.Repos[:2] }, "repositories:acme:names"},
	} {
		before := look()
		w.Do(tt.change)
		if d := differing(before, look()); !strings.Contains("\n"+strings.Join(d, "\n")+"\n", "\n"+tt.want+"\n") {
			t.Errorf("%s: tripped %v, want %s", tt.what, d, tt.want)
		}
	}
	for target := range look() {
		if s := sortTargets([]string{target}, nil); len(s.orgs)+len(s.repos)+len(s.tenants) == 0 && !s.accounts {
			t.Errorf("target %s leads nowhere", target)
		}
	}
}

func differing(a, b map[string]string) []string {
	var out []string
	for k, v := range b {
		if a[k] != v {
			out = append(out, k)
		}
	}
	return out
}

// An owner's token that was made for some repositories is given a shorter list
// with 200; the organisation says how many there are.
func TestATokenForSomeRepositoriesIsNotComplete(t *testing.T) {
	w := newWorld()
	w.Tokens[testToken].Only = []string{"web"}
	m := collect(t, testRun(t, w, nil))
	s := scopeNamed(t, m, "repositories acme")
	if s.Reading != fact.Forbidden || s.Detail.Of != 4 || s.Detail.Permission != "all repositories of the organisation" {
		t.Errorf("repositories: %s, %d of %d, permission %q", s.Reading, s.Detail.Seen, s.Detail.Of, s.Detail.Permission)
	}
	if a := scopeNamed(t, m, "accounts"); a.Reading == fact.Complete {
		t.Error("accounts are complete although writers of some repositories are not known")
	}
	if f := data[fact.Account](t, m, "account", "github/bob"); f.WritesTo.Known() {
		t.Error("it is known where bob writes although some repositories are hidden")
	}
}

// Without the permission to read members an App is shown the public ones.
func TestMembersThatAreHiddenAreNotNobody(t *testing.T) {
	text, key := keyText(t)
	w := newWorld()
	p := needed()
	delete(p, "members")
	w.withApp(key, p)
	run := testRun(t, w, nil)
	run.Settings = appSettings(run.Settings.Text("url"), text)
	m := collect(t, run)
	if s := scopeNamed(t, m, "accounts"); s.Reading != fact.Forbidden || s.Detail.Permission != "Members: read" {
		t.Errorf("accounts: %s, permission %q", s.Reading, s.Detail.Permission)
	}
	if f := data[fact.Tenant](t, m, "tenant", "github/acme"); f.Members.Known() || f.Admins.Known() || f.Outside.Known() {
		t.Error("the organisation's members are known without the permission")
	}
}

// Histories longer than a page are read to the end of the period.
func TestLongHistories(t *testing.T) {
	w := newWorld()
	for i := range 130 {
		w.Merge(w.api, fmt.Sprintf("change %d", i), w.bob, ago(80).Add(time.Duration(i)*time.Hour), githubtest.Review{State: "APPROVED", By: w.alice, At: ago(80)})
	}
	for i := range 120 {
		w.Push(w.api, &githubtest.Commit{OID: fmt.Sprintf("p%d", i), Message: "push", At: ago(20).Add(time.Duration(i) * time.Hour)})
	}
	m := collect(t, testRun(t, w, nil))
	changes, commits := 0, 0
	for _, f := range m.Facts() {
		if strings.HasPrefix(f.ID, "github/acme/api") && f.Kind == "change" {
			changes++
		}
		if strings.HasPrefix(f.ID, "github/acme/api") && f.Kind == "commit" {
			commits++
		}
	}
	if changes != 131 || commits != 121 {
		t.Errorf("%d changes and %d commits past review, want 131 and 121", changes, commits)
	}
}

// The branch moves first and the pull request is marked a moment later: a merge
// under way is no push past review, not even once it was taken for one.
func TestAMergeUnderWayIsNoDirectPush(t *testing.T) {
	w, run, now := movingRun(t, nil, nil)
	c := &githubtest.Commit{OID: "c0ffee", Message: "new (#9)", At: *now, Author: w.bob}
	w.Do(func() { w.Push(w.web, c) })
	if m := collect(t, run); !slices.Contains(ids(m, "commit"), "github/acme/web@c0ffee") {
		t.Error("a commit without a pull request is not told")
	}
	*now = now.Add(30 * time.Second)
	w.Do(func() {
		p := &githubtest.Pull{Number: 9, Title: "new", Base: "main", Author: w.bob, Created: ago(1), Updated: ago(0), MergedAt: ago(0), Merge: "c0ffee"}
		w.web.Pulls, c.Pulls = append(w.web.Pulls, p), []*githubtest.Pull{p}
	})
	if m := collect(t, run); slices.Contains(ids(m, "commit"), "github/acme/web@c0ffee") {
		t.Error("a merge that was noted late is still told as a push past review")
	}
}

// A scanner that is off has nothing to say, which is no refusal; anything else is.
func TestAScannerThatIsOff(t *testing.T) {
	for body, want := range map[string]fact.Reading{
		`{"message":"Secret scanning is disabled on this organization."}`: fact.Complete,
		`{"message":"Not Found"}`: fact.Forbidden,
	} {
		w := newWorld()
		srv := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/orgs/acme/secret-scanning/alerts" {
				out.WriteHeader(http.StatusNotFound)
				_, _ = out.Write([]byte(body))
				return
			}
			w.ServeHTTP(out, r)
		}))
		m := collect(t, runAt(srv.URL, func() time.Time { return testNow }, nil))
		srv.Close()
		if s := scopeNamed(t, m, "secret scanning alerts acme"); s.Reading != want {
			t.Errorf("%s: %s, want %s", body, s.Reading, want)
		}
	}
}

// Whether anything runs a workflow hangs on the repository's settings.
func TestWorkflowsWithoutActions(t *testing.T) {
	w := newWorld()
	w.web.ActionsOff = true
	m := collect(t, testRun(t, w, nil))
	web := data[fact.Repository](t, m, "repository", "github/acme/web")
	if ids(m, "pipeline") != nil || web.RunsTests.Or(true) || web.ActionsAllowed.Or("") != "none" {
		t.Errorf("pipelines %v, runs tests %v, actions %v", ids(m, "pipeline"), web.RunsTests, web.ActionsAllowed)
	}
	w.Tokens[testToken].User = w.bob // who may not see the settings
	m = collect(t, testRun(t, w, nil))
	if s := scopeNamed(t, m, "pipelines acme/web"); s.Reading != fact.Forbidden || ids(m, "pipeline") != nil {
		t.Errorf("pipelines: %s, %v", s.Reading, ids(m, "pipeline"))
	}
}
