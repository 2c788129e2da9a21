package github

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	testToken = "github_pat_0123456789abcdef"
	testHook  = "hook-secret-0123456789"
)

func ago(days int) time.Time { return testNow.AddDate(0, 0, -days) }

// A world is the organisation acme on a GitHub in memory.
type world struct {
	*githubtest.GitHub
	acme                                 *githubtest.Org
	alice, bob, carol, eve, prumo, robot *githubtest.User
	web, api, docs, old                  *githubtest.Repo
	app                                  *githubtest.App
	install                              *githubtest.Install
}

const flowText = `name: CI
on: {pull_request: {}, push: {branches: [main]}}
permissions: read-all
jobs:
  unit:
    name: Unit tests
    steps:
      - uses: actions/checkout@v4
      - uses: acme/tool@0123456789012345678901234567890123456789
  scan:
    steps: [{run: ./scan}]
`

func newWorld() *world { return newWorldAt(func() time.Time { return testNow }) }

func newWorldAt(now func() time.Time) *world {
	g := githubtest.New(now)
	w := &world{GitHub: g}
	w.alice, w.bob, w.carol, w.eve, w.prumo = g.User("alice"), g.User("bob"), g.User("carol"), g.User("eve"), g.User("prumo")
	w.robot = &githubtest.User{ID: g.ID(), Login: "helper[bot]", Bot: true, Created: ago(300)}
	w.alice.Email, w.alice.Name, w.carol.TwoFactor, w.eve.TwoFactor = "alice@acme.test", "Alice", false, false
	w.acme = g.Org("acme", w.alice, w.prumo)
	w.acme.Members = append(w.acme.Members, w.bob, w.carol)
	w.acme.Outside = []*githubtest.User{w.eve}
	w.acme.Teams = []*githubtest.Team{{ID: g.ID(), Slug: "devs", Members: []*githubtest.User{w.alice, w.bob}}, {ID: g.ID(), Slug: "readers"}}
	w.acme.Plan, w.acme.Audit = "enterprise", []time.Time{ago(0).Add(-time.Minute)}
	w.app = &githubtest.App{ID: 77, Slug: "deployer"}
	w.install = &githubtest.Install{ID: g.ID(), App: w.app, Selection: "all", Created: ago(100), Permissions: map[string]string{"contents": "write", "metadata": "read"}}
	w.acme.Installs = []*githubtest.Install{w.install}
	g.Tokens[testToken] = &githubtest.Credential{User: w.prumo}
	w.seedRepos()
	w.seedHistory()
	w.seedAlerts()
	return w
}

func (w *world) seedRepos() {
	w.web, w.api, w.docs, w.old = w.Repo(w.acme, "web"), w.Repo(w.acme, "api"), w.Repo(w.acme, "docs"), w.Repo(w.acme, "old")
	w.docs.Commits, w.docs.Files = nil, map[string]string{}
	w.old.Archived, w.api.Private, w.api.PrivateReporting = true, false, true
	w.web.Collaborators = append(w.web.Collaborators, githubtest.Collaborator{User: w.bob, Role: "write"}, githubtest.Collaborator{User: w.eve, Role: "write"}, githubtest.Collaborator{User: w.carol, Role: "read"}, githubtest.Collaborator{User: w.robot, Role: "write"})
	used := ago(3)
	w.web.Keys = []*githubtest.Key{{ID: 7, Title: "deployer", Created: ago(200), Used: &used, AddedBy: "bob"}, {ID: 8, Title: "reader", ReadOnly: true, Created: ago(200)}}
	w.web.Files = map[string]string{".github/workflows/ci.yml": flowText, ".github/CODEOWNERS": "* @acme/devs", "SECURITY.md": "write to us", "main.go": "package main"}
	w.web.Classic["main"] = &githubtest.Classic{Reviews: true, Approvals: 1, Stale: true, Checks: []string{"test"}, Admins: true}
	w.web.Environments = []*githubtest.Environment{
		{ID: 1, Name: "production", Wait: 5, Reviewers: []any{w.alice, w.acme.Teams[0]}, NoSelf: true, Branches: []string{"main", "release/*"}},
		{ID: 2, Name: "preview", AdminsPass: true},
	}
	w.web.Runs = []githubtest.Run{
		{Path: ".github/workflows/ci.yml", Event: "push", Result: "FAILURE", At: ago(1)},
		{Path: ".github/workflows/ci.yml", Event: "schedule", Result: "SUCCESS", At: ago(0)},
		{Path: ".github/workflows/ci.yml", Event: "pull_request", Result: "FAILURE", At: ago(0).Add(time.Minute)},
	}
	scanned := ago(1)
	w.web.Analysed = &scanned
	w.acme.Rulesets = []*githubtest.Ruleset{
		{
			ID: 501, Name: "every default branch", Enforcement: "active", Include: []string{"~DEFAULT_BRANCH"}, Repos: []string{"web", "api"}, Updated: ago(50),
			Rules: []githubtest.Rule{githubtest.PullRequest(2, false, true), {Type: "deletion"}, {Type: "non_fast_forward"}},
			Bypass: []githubtest.Bypass{
				{ID: w.acme.Teams[0].ID, Type: "Team", Mode: "pull_request"}, {ID: 77, Type: "Integration", Mode: "always"}, {ID: 5, Type: "RepositoryRole", Mode: "always"}, {Type: "DeployKey", Mode: "always"},
			},
		},
		{ID: 502, Name: "tried", Enforcement: "evaluate", Include: []string{"~ALL"}, Repos: []string{"~ALL"}, Updated: ago(50), Rules: []githubtest.Rule{{Type: "required_signatures"}}},
	}
	w.web.Rulesets = []*githubtest.Ruleset{
		{ID: 503, Name: "checks", Enforcement: "active", Include: []string{"refs/heads/ma*"}, Updated: ago(40), Rules: []githubtest.Rule{githubtest.StatusChecks(true, "lint", "test")}},
		{ID: 504, Name: "releases", Enforcement: "active", Include: []string{"refs/heads/release/**"}, Updated: ago(40), Rules: []githubtest.Rule{{Type: "required_signatures"}}},
	}
}

func (w *world) seedHistory() {
	approve := func(u *githubtest.User, at time.Time) githubtest.Review {
		return githubtest.Review{State: "APPROVED", By: u, At: at}
	}
	p := w.Merge(w.web, "feature", w.bob, ago(4), approve(w.alice, ago(5)), approve(w.bob, ago(5)))
	p.Checks = []githubtest.Check{{Name: "test", Result: "SUCCESS"}, {Name: "lint", Result: "SUCCESS", Status: true}, {Name: "style", Result: "SKIPPED"}}
	w.Merge(w.web, "own approval", w.bob, ago(3), approve(w.bob, ago(4)))
	p = w.Merge(w.web, "taken back", w.bob, ago(3), approve(w.alice, ago(5)), githubtest.Review{State: "CHANGES_REQUESTED", By: w.alice, At: ago(4)})
	p.Checks = nil
	w.Merge(w.web, "ancient", w.bob, ago(200), approve(w.alice, ago(201)))
	w.Push(w.web, &githubtest.Commit{OID: "d1rect", Message: "direct\n\nno review", At: ago(1), Author: w.bob})
	w.Push(w.api, &githubtest.Commit{OID: "a1", Message: "also direct", At: ago(2)})
	w.Merge(w.api, "by a bot", w.robot, ago(6), githubtest.Review{State: "APPROVED", By: w.carol, At: ago(7), NoPush: true})
}

func (w *world) seedAlerts() {
	done := ago(2)
	long := ago(400)
	w.acme.Dependabot = []*githubtest.Alert{
		{Number: 1, Repo: w.web, State: "open", Severity: "high", Package: "left-pad", Fixed: "2.0.0", Title: "pads wrongly", Path: "package-lock.json", Advisory: "GHSA-aaaa-bbbb-cccc", Created: ago(20)},
		{Number: 2, Repo: w.web, State: "fixed", Severity: "low", Package: "x", Title: "x", Path: "go.sum", Advisory: "GHSA-dddd-bbbb-cccc", Created: ago(30), Ended: &done},
		{Number: 3, Repo: w.web, State: "fixed", Severity: "low", Package: "x", Title: "x", Path: "go.sum", Advisory: "GHSA-eeee-bbbb-cccc", Created: ago(500), Ended: &long},
	}
	w.acme.CodeAlerts = []*githubtest.Alert{{Number: 4, Repo: w.web, State: "open", Severity: "critical", Title: "SQL injection", Path: "db.go", Advisory: "go/sql-injection", Created: ago(9)}}
	w.acme.SecretAlerts = []*githubtest.Alert{{Number: 5, Repo: w.api, State: "open", Title: "Amazon key", Secret: "AKIASECRETSECRET", Created: ago(8)}}
	w.acme.Advisories = []*githubtest.Alert{{Number: 6, Repo: w.api, State: "triage", Severity: "medium", Package: "api", Fixed: "", Title: "reported", Advisory: "GHSA-ffff-bbbb-cccc", Created: ago(7)}}
}

// needed are the permissions of an App that may read everything.
func needed() map[string]string {
	out := map[string]string{}
	for _, n := range needs() {
		out[n.key] = "read"
	}
	return out
}

// testKey is made once for all tests of a run.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func keyText(t *testing.T) (text string, key *rsa.PrivateKey) {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), key
}

// withApp installs Prumo's own App, with the permissions.
func (w *world) withApp(key *rsa.PrivateKey, permissions map[string]string) *githubtest.Install {
	app := &githubtest.App{ID: 99, Slug: "prumo-reader", Key: &key.PublicKey}
	w.Apps["99"] = app
	i := &githubtest.Install{ID: 9900, App: app, Selection: "all", Created: ago(10), Permissions: permissions}
	w.acme.Installs = append(w.acme.Installs, i)
	return i
}

func testSettings(address string) connector.Settings {
	return connector.Settings{
		"url": address, "token": testToken, "webhook_secret": testHook, "days": int64(90), "bots": []string{"carol"},
		"production": map[string][]string{"acme/web": {"main"}}, "environments": []string{"production"},
		"jobs": map[string][]string{"test": {"Unit tests"}, "code-scan": {"scan"}, "end-to-end": {"e2e"}},
	}
}

func appSettings(address, key string) connector.Settings {
	s := testSettings(address)
	delete(s, "token")
	s["app_id"], s["private_key"] = "99", key
	return s
}

// testRun serves a handler, watched by GitHub's description, and returns what a
// reading of it is given.
func testRun(t *testing.T, h http.Handler, change func(connector.Settings)) connector.Run {
	t.Helper()
	d, err := githubtest.Describe()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d.Watch(h))
	t.Cleanup(func() {
		srv.Close()
		for _, p := range d.Problems() {
			t.Error(p)
		}
	})
	return runAt(srv.URL, func() time.Time { return testNow }, change)
}

func runAt(address string, now func() time.Time, change func(connector.Settings)) connector.Run {
	s := testSettings(address)
	if change != nil {
		change(s)
	}
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	client := connector.NewClient(connector.ClientConfig{Hosts: []string{address}, Dial: dial, Rate: -1, Attempts: 1, Now: now, Secrets: []string{testToken, testHook}})
	return connector.Run{Source: "code", Settings: s, HTTP: client, Dial: dial, Now: now}
}

func collect(t *testing.T, run connector.Run) *connector.Memory {
	t.Helper()
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
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
	t.Fatalf("no %s %s among %v", kind, id, ids(m, kind))
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
