package github

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func TestCollectIsComplete(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s (%s, %s), want complete", s.Scope.Name, s.Reading, s.Detail.Why, s.Detail.Permission)
		}
	}
}

func TestCollectTenantAndAudit(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	checkJSON(t, "acme", data[fact.Tenant](t, m, "tenant", "github/acme"), `{
		"name": "acme", "system": "github", "url": "https://github.com/acme", "mfa_required": true, "self_registration": false, "base_permission": "read",
		"members_create": true, "members_create_public": false, "members_delete": false, "members_invite_outside": false, "members": 4,
		"admins": ["alice", "prumo"], "outside": ["eve"], "apps": ["deployer"], "actions_allowed": "selected", "actions_pinned": true, "token_read_only": true,
		"actions_approve": false, "audit_log": "github/acme/audit-log"
	}`)
	checkJSON(t, "audit log", data[fact.LogSource](t, m, "log_source", "github/acme/audit-log"), `{
		"name": "audit log of acme", "system": "github", "enabled": true, "immutable": true, "kept_days": 180, "last_event_at": "2026-03-01T11:59:00Z"
	}`)
	w := newWorld()
	w.acme.Plan = "team"
	m = collect(t, testRun(t, w, nil))
	if ids(m, "log_source") != nil || data[fact.Tenant](t, m, "tenant", "github/acme").AuditLog.Known() {
		t.Error("an organisation without Enterprise Cloud has an audit log")
	}
}

func TestCollectRepositories(t *testing.T) {
	w := newWorld()
	m := collect(t, testRun(t, w, nil))
	checkJSON(t, "acme/old", data[fact.Repository](t, m, "repository", "github/acme/old"), `{
		"name": "acme/old", "url": "https://github.com/acme/old", "archived": true, "empty": false, "fork": false, "mirror": false, "public": false, "production": false,
		"default_branch": "main", "runs_tests": false, "runs_code_scan": false, "runs_end_to_end": false, "head_commit": "`+w.old.Commits[0].OID+`", "secret_scanning": true,
		"push_protection": false, "dependency_alerts": true, "pushed_at": "2025-05-01T12:00:00Z", "writers": [], "non_human_writers": []
	}`)
	w.old.Archived = false
	m = collect(t, testRun(t, w, nil))
	web := data[fact.Repository](t, m, "repository", "github/acme/web")
	checkJSON(t, "acme/web's protection", web.Protection, `{
		"enabled": true, "pull_request": true, "approvals": 2, "author_can_approve": false, "dismiss_stale": true, "code_owners": true,
		"required_checks": ["lint", "test"], "checks_required": true, "up_to_date": true, "force_push": false, "deletion": false, "admins": false,
		"bypass_actors": ["app deployer", "deploy keys", "role admin", "team acme/devs"], "push_actors": ["app deployer", "deploy keys", "role admin"],
		"merge_actors": ["alice", "bob", "eve", "helper[bot]", "prumo"], "signed_commits": false, "conversations_done": false
	}`)
	web.Protection = fact.Opt[fact.Protection]{}
	checkJSON(t, "acme/web", web, `{
		"name": "acme/web", "url": "https://github.com/acme/web", "archived": false, "empty": false, "fork": false, "mirror": false, "public": false, "production": true,
		"default_branch": "main", "code_owners": true, "security_policy": true, "runs_tests": true, "runs_code_scan": true, "runs_end_to_end": false, "head_commit": "d1rect",
		"writers": ["alice", "bob", "eve", "helper[bot]", "prumo"], "non_human_writers": ["app deployer", "deploy key deployer", "helper[bot]"],
		"token_read_only": true, "actions_allowed": "all", "actions_pinned": false, "secret_scanning": true, "push_protection": false, "dependency_alerts": true,
		"code_scanned_at": "2026-02-28T12:00:00Z", "pushed_at": "2026-02-28T12:00:00Z"
	}`)
	old := data[fact.Repository](t, m, "repository", "github/acme/old")
	checkJSON(t, "acme/old's protection", old.Protection, `{
		"enabled": false, "pull_request": false, "approvals": 0, "author_can_approve": false, "dismiss_stale": false, "code_owners": false, "required_checks": [],
		"checks_required": false, "up_to_date": false, "force_push": true, "deletion": true, "admins": false, "bypass_actors": ["alice", "prumo"],
		"push_actors": ["alice", "prumo"], "merge_actors": ["alice", "prumo"], "signed_commits": false, "conversations_done": false
	}`)
	if docs := data[fact.Repository](t, m, "repository", "github/acme/docs"); !docs.Empty.Or(false) || docs.Protection.Known() {
		t.Error("an empty repository is not empty, or has a protection")
	}
	if v, ok := data[fact.Repository](t, m, "repository", "github/acme/api").PrivateReporting.Get(); !v || !ok {
		t.Error("acme/api takes private reports, which is not told")
	}
}

func TestCollectAccounts(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	for login, want := range map[string]string{
		"alice": `{"login": "alice", "name": "Alice", "email": "alice@acme.test", "system": "github", "type": "human", "active": true, "admin": true, "external": false, "mfa": true,
			"roles": ["owner"], "groups": ["acme/devs"], "created_at": "2024-03-01T12:00:00Z",
			"writes_to": ["github/acme/api", "github/acme/docs", "github/acme/web"]}`,
		"carol": `{"login": "carol", "system": "github", "type": "service", "active": true, "admin": false, "external": false, "mfa": false, "roles": ["member"], "groups": [],
			"created_at": "2024-03-01T12:00:00Z", "writes_to": []}`,
		"eve": `{"login": "eve", "system": "github", "type": "human", "active": true, "admin": false, "external": true, "mfa": false, "roles": ["outside collaborator"], "groups": [],
			"writes_to": ["github/acme/web"]}`,
		"deployer[bot]": `{"login": "deployer[bot]", "system": "github", "type": "service", "active": true, "interactive": false, "admin": false, "roles": ["contents: write", "metadata: read"],
			"groups": [], "created_at": "2025-11-21T12:00:00Z", "writes_to": ["github/acme/api", "github/acme/docs", "github/acme/web"]}`,
	} {
		checkJSON(t, login, data[fact.Account](t, m, "account", "github/"+login), want)
	}
}

func TestCollectKeysPipelinesEnvironments(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	checkJSON(t, "key", data[fact.Secret](t, m, "secret", "github/acme/web/key/7"), `{
		"name": "deployer", "type": "deploy-key", "active": true, "write": true, "created_at": "2025-08-13T12:00:00Z", "last_used_at": "2026-02-26T12:00:00Z",
		"never_ends": true, "repository": "github/acme/web", "account": "github/bob"
	}`)
	checkJSON(t, "pipeline", data[fact.Pipeline](t, m, "pipeline", "github/acme/web/.github/workflows/ci.yml"), `{
		"repository": "github/acme/web", "name": "CI", "file": ".github/workflows/ci.yml", "engine": "github-actions", "jobs": ["scan", "unit"], "covers": ["code-scan", "test"],
		"on_pull_request": true, "pinned_actions": false, "unpinned": ["actions/checkout@v4"], "token_read_only": true,
		"last_status": "success", "last_run_at": "2026-03-01T12:00:00Z"
	}`)
	checkJSON(t, "production", data[fact.Environment](t, m, "environment", "github/acme/web/environment/production"), `{
		"name": "production", "repository": "github/acme/web", "url": "https://github.com/environments/production", "production": true, "needs_reviewer": true, "self_review": false,
		"reviewers": ["alice", "team acme/devs"], "protected_branch": true, "admins_pass": false, "wait_minutes": 5, "deployment_branches": ["main", "release/*"]
	}`)
	preview := data[fact.Environment](t, m, "environment", "github/acme/web/environment/preview")
	checkJSON(t, "preview", []any{preview.Production, preview.NeedsReviewer, preview.ProtectedBranch, preview.AdminsPass}, `[false, false, false, true]`)
}

func TestCollectAlerts(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	want := []string{
		"github/acme/api/advisory/GHSA-ffff-bbbb-cccc", "github/acme/api/secret-scanning/5", "github/acme/web/code-scanning/4", "github/acme/web/dependabot/1", "github/acme/web/dependabot/2",
	}
	if d := cmp.Diff(want, ids(m, "vulnerability")); d != "" {
		t.Errorf("alerts that are open, or were closed in the period (-want +got):\n%s", d)
	}
	checkJSON(t, "dependency", data[fact.Vulnerability](t, m, "vulnerability", want[3]), `{
		"advisory": "GHSA-aaaa-bbbb-cccc", "title": "pads wrongly", "severity": "high", "type": "dependency", "open": true, "state": "open", "package": "left-pad", "fixed_in": "2.0.0",
		"path": "package-lock.json", "repository": "github/acme/web", "found_at": "2026-02-09T12:00:00Z", "url": "https://github.com/acme/web/security/dependabot/1"
	}`)
	checkJSON(t, "report", data[fact.Vulnerability](t, m, "vulnerability", want[0]), `{
		"advisory": "GHSA-ffff-bbbb-cccc", "title": "reported", "severity": "medium", "type": "report", "open": true, "state": "triage", "package": "api",
		"repository": "github/acme/api", "found_at": "2026-02-22T12:00:00Z", "url": "https://github.com/acme/api/security/advisories/GHSA-ffff-bbbb-cccc"
	}`)
	if f := data[fact.Vulnerability](t, m, "vulnerability", want[4]); f.Open.Or(true) || !f.FixedAt.Known() {
		t.Error("a fixed alert is open, or nobody knows since when it is not")
	}
}

func TestCollectChangesAndCommits(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), nil))
	if d := cmp.Diff([]string{"github/acme/api#1", "github/acme/web#1", "github/acme/web#2", "github/acme/web#3"}, ids(m, "change")); d != "" {
		t.Error(d)
	}
	one := data[fact.Change](t, m, "change", "github/acme/web#1")
	one.Commit = fact.Opt[string]{}
	checkJSON(t, "#1", one, `{
		"repository": "github/acme/web", "number": 1, "title": "feature", "url": "https://github.com/acme/web/pull/1", "base": "main", "author": "bob", "author_is_bot": false,
		"committers": ["bob"], "approvers": ["alice", "bob"], "other_approvers": ["alice"], "merged_by": "bob", "merged_at": "2026-02-25T12:00:00Z", "created_at": "2026-02-25T10:00:00Z",
		"checks": [{"name": "lint", "status": "success"}, {"name": "style", "status": "skipped"}, {"name": "test", "status": "success"}], "checks_passed": true
	}`)
	two := data[fact.Change](t, m, "change", "github/acme/web#2")
	checkJSON(t, "#2: the author's own approval; lint is missing", []any{two.Approvers, two.OtherApprovers, two.ChecksPassed}, `[["bob"], [], false]`)
	three := data[fact.Change](t, m, "change", "github/acme/web#3")
	checkJSON(t, "#3: the last word is no approval; no checks", []any{three.Approvers, three.Checks, three.ChecksPassed}, `[[], [], false]`)
	bot := data[fact.Change](t, m, "change", "github/acme/api#1")
	checkJSON(t, "in public, who may not push does not count", []any{bot.AuthorIsBot, bot.Approvers}, `[true, []]`)
	if d := cmp.Diff([]string{"github/acme/api@a1", "github/acme/web@d1rect"}, ids(m, "commit")); d != "" {
		t.Error(d)
	}
	checkJSON(t, "direct push", data[fact.Commit](t, m, "commit", "github/acme/web@d1rect"), `{
		"repository": "github/acme/web", "sha": "d1rect", "title": "direct", "author": "bob", "at": "2026-02-28T12:00:00Z", "reviewed": false, "signed": false,
		"url": "https://github.com/acme/web/commit/d1rect"
	}`)
}

// A dismissed review says no more what it was.
func TestAnApprovalDismissedAfterTheMergeIsUnknown(t *testing.T) {
	w := newWorld()
	p := w.web.Pulls[0]
	p.Reviews = []githubtest.Review{{State: "DISMISSED", By: w.alice, At: ago(5), Updated: ago(1)}}
	m := collect(t, testRun(t, w, nil))
	if f := data[fact.Change](t, m, "change", "github/acme/web#1"); f.Approvers.Known() || f.OtherApprovers.Known() {
		t.Error("approvers are known although one approval was dismissed after the merge")
	}
}

// A commit with an invented old date stands before younger ones.
func TestABackdatedPushIsSeen(t *testing.T) {
	w := newWorld()
	w.Push(w.web, &githubtest.Commit{OID: "e1", Message: "backdated", At: ago(4000)})
	w.Push(w.web, &githubtest.Commit{OID: "e2", Message: "young", At: ago(1)})
	m := collect(t, testRun(t, w, nil))
	if !slices.Contains(ids(m, "commit"), "github/acme/web@e1") {
		t.Errorf("commits past review: %v, want the backdated one too", ids(m, "commit"))
	}
}

// A pull request that went into another branch does not review the default one.
func TestAMergeElsewhereIsNoReview(t *testing.T) {
	w := newWorld()
	p := w.Merge(w.web, "into another branch", w.bob, ago(2), githubtest.Review{State: "APPROVED", By: w.alice, At: ago(2)})
	p.Base = "develop"
	m := collect(t, testRun(t, w, nil))
	if !slices.Contains(ids(m, "commit"), "github/acme/web@"+p.Merge) || slices.Contains(ids(m, "change"), "github/acme/web#5") {
		t.Errorf("commits %v, changes %v", ids(m, "commit"), ids(m, "change"))
	}
}

// Whoever is no owner is told less, and told so: nothing is complete that may be short.
func TestAMemberSeesLessAndSaysSo(t *testing.T) {
	w := newWorld()
	w.Tokens[testToken].User = w.bob
	m := collect(t, testRun(t, w, nil))
	for name, permission := range map[string]string{
		"second factors acme": ownerNeeded, "repositories acme": ownerNeeded, "keys acme/web": "Administration: read", "dependabot alerts acme": "Dependabot alerts: read",
	} {
		if s := scopeNamed(t, m, name); s.Reading != fact.Forbidden || s.Detail.Permission != permission {
			t.Errorf("%s: %s, permission %q; want forbidden for want of %s", name, s.Reading, s.Detail.Permission, permission)
		}
	}
	if a := data[fact.Account](t, m, "account", "github/alice"); a.MFA.Known() || !a.Admin.Or(false) {
		t.Errorf("alice: second factor known %v, admin %v; want unknown and true", a.MFA.Known(), a.Admin)
	}
	if f := data[fact.Tenant](t, m, "tenant", "github/acme"); f.MFARequired.Known() {
		t.Error("whether a second factor is required is told to owners only")
	}
	web := data[fact.Repository](t, m, "repository", "github/acme/web")
	p, _ := web.Protection.Get()
	checkJSON(t, "what the rulesets alone tell", []any{p.Enabled, p.PullRequest, p.Deletion, p.ForcePush}, `[true, true, false, false]`)
	if p.Approvals.Known() || p.BypassActors.Known() || p.SignedCommits.Known() || p.DismissStale.Known() {
		t.Error("what classic protection might add is known without it")
	}
}

// The list of bypasses is shown to whom may change the ruleset.
func TestABypassListThatIsHiddenIsUnknown(t *testing.T) {
	text, key := keyText(t)
	w := newWorld()
	w.withApp(key, needed())
	run := testRun(t, w, nil)
	run.Settings = appSettings(run.Settings.Text("url"), text)
	m := collect(t, run)
	web := data[fact.Repository](t, m, "repository", "github/acme/web")
	p, _ := web.Protection.Get()
	if p.BypassActors.Known() || p.PushActors.Known() || p.Approvals.Or(0) != 2 {
		t.Errorf("an App that only reads: bypass known %v, approvals %v; want unknown and 2", p.BypassActors.Known(), p.Approvals)
	}
	if s := scopeNamed(t, m, "repositories acme"); s.Reading != fact.Complete {
		t.Errorf("repositories: %s (%s)", s.Reading, s.Detail.Why)
	}
}

func TestABadTokenLosesNothing(t *testing.T) {
	m := collect(t, testRun(t, newWorld(), func(s connector.Settings) { s["token"] = "wrong"; s["organisations"] = []string{"acme"} }))
	if len(m.Facts()) != 0 || len(m.Scopes()) == 0 {
		t.Errorf("%d facts in %d scopes, want none in some", len(m.Facts()), len(m.Scopes()))
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Forbidden || s.Detail.Status != http.StatusUnauthorized {
			t.Errorf("%s: %s with status %d, want forbidden with 401", s.Scope.Name, s.Reading, s.Detail.Status)
		}
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	for name, change := range map[string]func(connector.Settings){
		"no credential": func(s connector.Settings) { delete(s, "token") },
		"both":          func(s connector.Settings) { s["app_id"], s["private_key"] = "1", "x" },
		"no key":        func(s connector.Settings) { delete(s, "token"); s["app_id"], s["private_key"] = "1", "x" },
	} {
		err := New().Collect(t.Context(), runAt("http://127.0.0.1:1", func() time.Time { return testNow }, change), connector.Record())
		if err == nil || !strings.Contains(err.Error(), "settings") {
			t.Errorf("%s: %v, want an error about the settings", name, err)
		}
	}
}
