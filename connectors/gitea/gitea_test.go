package gitea

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/connectortest"
	"prumo.dev/prumo/internal/fact"
)

func testSettings(address string) connector.Settings {
	return connector.Settings{
		"url": address, "token": fakeToken, "webhook_secret": fakeHook, "days": int64(90), "bots": []string{"carol"},
		"production": map[string][]string{"acme/web": {"main"}},
		"jobs":       map[string][]string{"test": {"Unit tests"}, "code-scan": {"scan"}, "end-to-end": {"e2e"}},
	}
}

func TestExam(t *testing.T) {
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { return newFake() },
		Settings: testSettings,
		Targets:  []string{"repo:acme/web", "pull:acme/web#1", "history:acme/api", "accounts"},
		Now:      func() time.Time { return testNow },
	})
}

// testRun serves a fake and returns what a reading of it is given.
func testRun(t *testing.T, f http.Handler, change func(connector.Settings)) connector.Run {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	s := testSettings(srv.URL)
	if change != nil {
		change(s)
	}
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	now := func() time.Time { return testNow }
	client := connector.NewClient(connector.ClientConfig{Hosts: []string{srv.URL}, Dial: dial, Rate: -1, Attempts: 1, Now: now, Secrets: []string{fakeToken, fakeHook}})
	return connector.Run{Source: "code", Settings: s, HTTP: client, Dial: dial, Now: now}
}

func collect(t *testing.T, f http.Handler, change func(connector.Settings)) *connector.Memory {
	t.Helper()
	m := connector.Record()
	if err := New().Collect(t.Context(), testRun(t, f, change), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// data decodes the fact with the id.
func data[T any](t *testing.T, m *connector.Memory, kind, id string) T {
	t.Helper()
	var v T
	for _, f := range m.Facts() {
		if f.Kind == kind && f.ID == id {
			if err := json.Unmarshal(f.Data, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s %s among %d facts", kind, id, len(m.Facts()))
	return v
}

func scopeNamed(t *testing.T, m *connector.Memory, name string) connector.ScopeResult {
	t.Helper()
	for _, s := range m.Scopes() {
		if s.Scope.Name == name {
			return s
		}
	}
	t.Fatalf("no scope %q", name)
	return connector.ScopeResult{}
}

func ids(m *connector.Memory, kind string) []string {
	var out []string
	for _, f := range m.Facts() {
		if f.Kind == kind {
			out = append(out, f.ID)
		}
	}
	slices.Sort(out)
	return out
}

// checkJSON compares a value as JSON, so that unknown fields are left out.
func checkJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var g, w any
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestCollectRepository(t *testing.T) {
	m := collect(t, newFake(), nil)
	checkJSON(t, "acme/web", data[fact.Repository](t, m, "repository", "gitea/acme/web"), `{
		"name": "acme/web", "url": "https://git.acme.test/acme/web", "archived": false, "empty": false, "fork": false, "mirror": false,
		"public": false, "production": true, "default_branch": "main", "code_owners": true, "security_policy": true, "head_commit": "m4",
		"runs_tests": true, "runs_code_scan": true, "runs_end_to_end": false,
		"writers": ["alice", "bob", "eve", "prumo"], "non_human_writers": ["deploy key deployer"], "webhook": true,
		"protection": {
			"enabled": true, "pull_request": true, "approvals": 1, "author_can_approve": false, "dismiss_stale": true, "code_owners": false,
			"required_checks": ["ci/*"], "checks_required": true, "up_to_date": false, "force_push": false, "deletion": false, "admins": true,
			"bypass_actors": [], "push_actors": [], "merge_actors": ["alice", "bob", "eve", "prumo"], "signed_commits": false, "conversations_done": true
		}
	}`)
	api := data[fact.Repository](t, m, "repository", "gitea/acme/api")
	p, _ := api.Protection.Get()
	checkJSON(t, "acme/api's protection", p, `{
		"enabled": false, "pull_request": false, "approvals": 0, "author_can_approve": false, "dismiss_stale": false, "code_owners": false,
		"required_checks": [], "checks_required": false, "up_to_date": false, "force_push": true, "deletion": false, "admins": false,
		"bypass_actors": ["alice", "bob", "prumo"], "push_actors": ["alice", "bob", "prumo"], "merge_actors": ["alice", "bob", "prumo"],
		"signed_commits": false, "conversations_done": false
	}`)
	docs := data[fact.Repository](t, m, "repository", "gitea/acme/docs")
	if empty, _ := docs.Empty.Get(); !empty || docs.Protection.Known() {
		t.Errorf("an empty repository: empty %v, protection known %v; want true and unknown", empty, docs.Protection.Known())
	}
}

func TestCollectAccountsKeysPipelines(t *testing.T) {
	m := collect(t, newFake(), nil)
	checkJSON(t, "bob", data[fact.Account](t, m, "account", "gitea/bob"), `{
		"login": "bob", "email": "bob@acme.test", "system": "gitea", "type": "human", "external": false, "created_at": "2025-01-25T12:00:00Z",
		"groups": ["acme/devs"], "roles": ["member"], "writes_to": ["gitea/acme/api", "gitea/acme/docs", "gitea/acme/web"]
	}`)
	checkJSON(t, "eve", data[fact.Account](t, m, "account", "gitea/eve"), `{
		"login": "eve", "email": "eve@acme.test", "system": "gitea", "type": "human", "external": true, "created_at": "2025-01-25T12:00:00Z",
		"groups": [], "roles": ["collaborator"], "writes_to": ["gitea/acme/web"]
	}`)
	alice := data[fact.Account](t, m, "account", "gitea/alice")
	if admin, ok := alice.Admin.Get(); !admin || !ok || alice.Active.Known() || alice.MFA.Known() {
		t.Errorf("alice: admin %v, active known %v, second factor known %v; want true, false, false", alice.Admin, alice.Active.Known(), alice.MFA.Known())
	}
	if k, _ := data[fact.Account](t, m, "account", "gitea/carol").Type.Get(); k != "service" {
		t.Errorf("carol is %q, want service as the settings say", k)
	}
	checkJSON(t, "key", data[fact.Secret](t, m, "secret", "gitea/acme/web/key/7"), `{
		"name": "deployer", "type": "deploy-key", "active": true, "write": true, "created_at": "2025-08-13T12:00:00Z", "never_ends": true,
		"repository": "gitea/acme/web"
	}`)
	checkJSON(t, "pipeline", data[fact.Pipeline](t, m, "pipeline", "gitea/acme/web/.gitea/workflows/ci.yaml"), `{
		"last_status": "failure", "last_run_at": "2026-02-28T12:00:00Z",
		"repository": "gitea/acme/web", "name": "CI", "file": ".gitea/workflows/ci.yaml", "engine": "gitea-actions", "jobs": ["scan", "unit"],
		"covers": ["code-scan", "test"], "on_pull_request": true, "pinned_actions": false, "unpinned": ["actions/checkout@v4"]
	}`)
}

func TestASiteAdministratorIsToldMore(t *testing.T) {
	f := newFake()
	f.self["is_admin"] = true
	f.isOwner = true
	f.members[1]["active"], f.members[1]["last_login"] = true, ago(3)
	m := collect(t, f, nil)
	bob := data[fact.Account](t, m, "account", "gitea/bob")
	active, _ := bob.Active.Get()
	never, _ := bob.NeverSignedIn.Get()
	admin, known := bob.Admin.Get()
	if !active || never || !bob.LastSignIn.Known() || admin || !known {
		t.Errorf("bob: active %v, never signed in %v, admin %v (known %v); want true, false, false", active, never, admin, known)
	}
	carol := data[fact.Account](t, m, "account", "gitea/carol")
	if never, _ := carol.NeverSignedIn.Get(); !never {
		t.Error("carol signed in, want never")
	}
}

func TestCollectChanges(t *testing.T) {
	m := collect(t, newFake(), nil)
	if d := cmp.Diff([]string{"gitea/acme/web#1", "gitea/acme/web#2", "gitea/acme/web#3"}, ids(m, "change")); d != "" {
		t.Error(d)
	}
	checkJSON(t, "#1", data[fact.Change](t, m, "change", "gitea/acme/web#1"), `{
		"repository": "gitea/acme/web", "number": 1, "title": "feature", "url": "https://git.acme.test/acme/web/pulls/1", "base": "main",
		"author": "bob", "author_is_bot": false, "committers": ["bob"], "approvers": ["alice", "carol"], "other_approvers": ["alice", "carol"],
		"merged_by": "alice", "merged_at": "2026-02-25T12:00:00Z", "created_at": "2026-02-24T12:00:00Z", "commit": "m0",
		"checks": [{"name": "ci/unit", "status": "success"}, {"name": "lint", "status": "skipped"}, {"name": "style", "status": "success"}], "checks_passed": true
	}`)
	two := data[fact.Change](t, m, "change", "gitea/acme/web#2")
	checkJSON(t, "#2: the author's own approval", []any{two.Approvers, two.OtherApprovers, two.ChecksPassed}, `[["bob"], [], false]`)
	three := data[fact.Change](t, m, "change", "gitea/acme/web#3")
	checkJSON(t, "#3: a stale approval, no checks", []any{three.Approvers, three.ChecksPassed}, `[[], false]`)
	if d := cmp.Diff([]string{"gitea/acme/api@a1", "gitea/acme/web@m4"}, ids(m, "commit")); d != "" {
		t.Error(d)
	}
	checkJSON(t, "direct push", data[fact.Commit](t, m, "commit", "gitea/acme/web@m4"), `{
		"pusher": "mallory",
		"repository": "gitea/acme/web", "sha": "m4", "title": "direct", "author": "bob", "at": "2026-02-28T12:00:00Z", "reviewed": false,
		"signed": false, "url": "https://git.acme.test/c/m4"
	}`)
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s (%s), want complete", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

// A credential that may see only a part is given a shorter list with 200.
func TestAShortListIsNotComplete(t *testing.T) {
	f := newFake()
	f.isOwner = false
	m := collect(t, f, nil)
	s := scopeNamed(t, m, "repositories acme")
	if s.Reading != fact.Forbidden || s.Detail.Permission == "" {
		t.Errorf("repositories: %s, permission %q; want forbidden with the permission", s.Reading, s.Detail.Permission)
	}
	web := data[fact.Repository](t, m, "repository", "gitea/acme/web")
	p, _ := web.Protection.Get()
	checkJSON(t, "what a reader is told", p, `{
		"enabled": true, "approvals": 1, "author_can_approve": false, "checks_required": true, "required_checks": ["ci/*"], "deletion": false
	}`)
	if web.NonHumanWriters.Known() {
		t.Error("non-human writers are known without the keys")
	}
	if s := scopeNamed(t, m, "keys acme/web"); s.Reading != fact.Forbidden || s.Detail.Permission != "owner of the organisation" {
		t.Errorf("keys: %s, permission %q", s.Reading, s.Detail.Permission)
	}
}

func TestMissingScopesAreNamed(t *testing.T) {
	f := newFake()
	f.scopes = []string{"read:user", "read:organization"}
	m := collect(t, f, func(s connector.Settings) { s["organisations"] = []string{"acme"} })
	s := scopeNamed(t, m, "keys acme/web")
	if s.Reading != fact.Forbidden || s.Detail.Permission != "read:repository" || s.Detail.Status != 403 {
		t.Errorf("keys: %s %+v; want forbidden for want of read:repository", s.Reading, s.Detail)
	}
	f = newFake()
	f.scopes = []string{"read:user"}
	m = collect(t, f, nil)
	s = scopeNamed(t, m, "organisations")
	if s.Reading != fact.Forbidden || s.Detail.Permission != "read:organization" {
		t.Errorf("organisations: %s %+v; want forbidden for want of read:organization", s.Reading, s.Detail)
	}
	if s := scopeNamed(t, m, "accounts"); s.Reading == fact.Complete {
		t.Error("accounts are complete though no organisation was read")
	}
}

func TestABadTokenLosesNothing(t *testing.T) {
	m := collect(t, newFake(), func(s connector.Settings) { s["token"] = "wrong" })
	if len(m.Facts()) != 0 || len(m.Scopes()) == 0 {
		t.Errorf("%d facts in %d scopes, want none in some", len(m.Facts()), len(m.Scopes()))
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Forbidden || s.Detail.Status != 401 {
			t.Errorf("%s: %s with status %d, want forbidden with 401", s.Scope.Name, s.Reading, s.Detail.Status)
		}
	}
}

func TestRereadIsTargeted(t *testing.T) {
	f := newFake()
	run := testRun(t, f, nil)
	m := connector.Record()
	if err := (Connector{}).Reread(t.Context(), run, []string{"repo:acme/web", "repo:acme/web:keys", "pull:acme/web#1", "repo:other/x/../y", "nonsense"}, m); err != nil {
		t.Fatal(err)
	}
	s := scopeNamed(t, m, "repositories acme")
	if s.Reading != fact.Partial || !s.Detail.Targeted || s.Detail.Why == "" {
		t.Errorf("repositories: %s %+v; want partial since targeted", s.Reading, s.Detail)
	}
	if d := cmp.Diff([]string{"gitea/acme/web"}, ids(m, "repository")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"gitea/acme/web#1"}, ids(m, "change")); d != "" {
		t.Error(d)
	}
	if s := scopeNamed(t, m, "keys acme/web"); s.Reading != fact.Complete {
		t.Errorf("keys: %s, want complete", s.Reading)
	}
	for _, a := range f.asked {
		if strings.Contains(a, "acme/api") {
			t.Errorf("asked %s, which was no target", a)
		}
	}
}

func TestRereadKeepsToItsOrganisations(t *testing.T) {
	f := newFake()
	run := testRun(t, f, func(s connector.Settings) { s["organisations"] = []string{"other"} })
	m := connector.Record()
	if err := (Connector{}).Reread(t.Context(), run, []string{"repo:acme/web", "history:acme/web", "repositories:acme"}, m); err != nil {
		t.Fatal(err)
	}
	if len(f.asked) != 0 {
		t.Errorf("asked %v of an organisation that is not the source's", f.asked)
	}
}

func TestTheMemoSparesRequests(t *testing.T) {
	f := newFake()
	run := testRun(t, f, nil)
	run.Memo = connector.NewMemo(1<<20, run.Now)
	count := func() (n int, m *connector.Memory) {
		f.asked = nil
		m = connector.Record()
		if err := New().Collect(t.Context(), run, m); err != nil {
			t.Fatal(err)
		}
		return len(f.asked), m
	}
	first, a := count()
	second, b := count()
	if second >= first {
		t.Errorf("the second reading asked %d times, the first %d", second, first)
	}
	if d := cmp.Diff(a.Facts(), b.Facts()); d != "" && len(a.Facts()) != len(b.Facts()) {
		t.Errorf("the second reading differs:\n%s", d)
	}
	f.pulls["acme/web"][2]["updated_at"] = ago(0)
	f.reviews["acme/web#1"] = nil
	_, c := count()
	if got, _ := data[fact.Change](t, c, "change", "gitea/acme/web#1").Approvers.Get(); len(got) != 0 {
		t.Errorf("an updated pull request still has approvers %v", got)
	}
}
