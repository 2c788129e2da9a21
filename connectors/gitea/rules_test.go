package gitea

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/fact"
)

func ptr[T any](v T) *T { return &v }

// guarded is a rule as it should be; each case loosens it.
func guarded() rule {
	return rule{
		Name: "main", RequiredApprovals: 1, EnableStatusCheck: true, StatusContexts: []string{"ci"}, BlockOnRejected: true, DismissStale: true,
		EnableForcePush: ptr(false), IgnoreStale: ptr(false), BlockAdminOverride: ptr(true),
	}
}

func TestProtection(t *testing.T) {
	who := access{writers: []string{"alice", "bob"}, admins: []string{"mallory"}, adminGroups: []string{"team acme/Owners"}, known: true}
	for _, tt := range []struct {
		name   string
		change func(*rule)
		want   string // pull_request, force_push, admins, push_actors, bypass_actors
	}{
		{"guarded", func(*rule) {}, `[true, false, true, [], []]`},
		{"every writer pushes", func(r *rule) { r.EnablePush = true }, `[false, false, true, ["alice","bob"], ["alice","bob"]]`},
		{"a whitelist of nobody", func(r *rule) { r.EnablePush, r.EnablePushWhitelist = true, true }, `[true, false, true, [], []]`},
		{"a whitelist that is switched off with pushing", func(r *rule) { r.EnablePushWhitelist, r.PushUsers = true, []string{"bob"} }, `[true, false, true, [], []]`},
		{"one who pushes", func(r *rule) { r.EnablePush, r.EnablePushWhitelist, r.PushUsers = true, true, []string{"bob"} }, `[false, false, true, ["bob"], ["bob"]]`},
		{"a team that pushes", func(r *rule) { r.EnablePush, r.EnablePushWhitelist, r.PushTeams = true, true, []string{"ops"} }, `[false, false, true, ["team acme/ops"], ["team acme/ops"]]`},
		{"deploy keys push", func(r *rule) { r.EnablePush, r.EnablePushWhitelist, r.PushDeployKeys = true, true, true }, `[false, false, true, ["deploy keys"], ["deploy keys"]]`},
		{"files anybody may push", func(r *rule) { r.UnprotectedFiles = "*.md; " }, `[false, false, true, ["every writer, for *.md"], ["every writer, for *.md"]]`},
		{"administrators pass", func(r *rule) { r.BlockAdminOverride = ptr(false) }, `[true, false, false, [], ["mallory","team acme/Owners"]]`},
		{"a server too old to bind administrators", func(r *rule) { r.BlockAdminOverride = nil }, `[true, false, null, [], null]`},
		{"force push without the right to push", func(r *rule) { r.EnableForcePush = ptr(true) }, `[true, false, true, [], []]`},
		{"force push", func(r *rule) { r.EnablePush, r.EnableForcePush = true, ptr(true) }, `[false, true, true, ["alice","bob"], ["alice","bob"]]`},
		{"force push of nobody", func(r *rule) { r.EnablePush, r.EnableForcePush, r.EnableForceAllowlist = true, ptr(true), true }, `[false, false, true, ["alice","bob"], ["alice","bob"]]`},
		{"force push of deploy keys", func(r *rule) {
			r.EnablePush, r.EnableForcePush, r.EnableForceAllowlist, r.ForceDeployKeys = true, ptr(true), true, true
		}, `[false, true, true, ["alice","bob"], ["alice","bob"]]`},
		{"a server too old for force push", func(r *rule) { r.EnablePush, r.EnableForcePush = true, nil }, `[false, null, true, ["alice","bob"], ["alice","bob"]]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := guarded()
			tt.change(&r)
			p := r.protection("acme", who, fact.Some(true))
			checkJSON(t, "rule", []any{p.PullRequest, p.ForcePush, p.Admins, p.PushActors, p.BypassActors}, tt.want)
		})
	}
}

func TestProtectionWithoutTheWriters(t *testing.T) {
	r := guarded()
	r.EnablePush = true
	r.BlockAdminOverride = ptr(false)
	p := r.protection("acme", access{}, fact.Opt[bool]{})
	checkJSON(t, "rule", []any{p.PullRequest, p.PushActors, p.BypassActors, p.MergeActors, p.CodeOwners}, `[false, null, null, null, false]`)
	r.BlockOnReviewRequests = true
	if p := r.protection("acme", access{}, fact.Opt[bool]{}); p.CodeOwners.Known() {
		t.Error("code owners are known though nobody saw whether there is such a file")
	}
	if p := r.protection("acme", access{}, fact.Some(true)); !p.CodeOwners.Or(false) {
		t.Error("code owners are not asked, want that they are")
	}
}

func TestProtectionStaleApprovals(t *testing.T) {
	for _, tt := range []struct {
		dismiss bool
		ignore  *bool
		want    string
	}{{true, nil, "true"}, {false, ptr(true), "true"}, {false, ptr(false), "false"}, {false, nil, "null"}} {
		r := guarded()
		r.DismissStale, r.IgnoreStale = tt.dismiss, tt.ignore
		checkJSON(t, "stale", r.protection("acme", access{}, fact.Some(true)).DismissStale, tt.want)
	}
}

func TestStanding(t *testing.T) {
	merged := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	review := func(id int64, login, state string, before time.Duration, change func(*apiReview)) apiReview {
		r := apiReview{ID: id, User: &apiUser{Login: login}, State: state, Official: true, Submitted: merged.Add(-before), Updated: merged.Add(-before)}
		if change != nil {
			change(&r)
		}
		return r
	}
	for _, tt := range []struct {
		name    string
		reviews []apiReview
		want    []string
		certain bool
	}{
		{"none", nil, []string{}, true},
		{"approved", []apiReview{review(1, "a", "APPROVED", time.Hour, nil)}, []string{"a"}, true},
		{"a comment", []apiReview{review(1, "a", "COMMENT", time.Hour, nil)}, []string{}, true},
		{"rejected later", []apiReview{review(1, "a", "APPROVED", 2*time.Hour, nil), review(2, "a", "REQUEST_CHANGES", time.Hour, nil)}, []string{}, true},
		{"approved in the end, in the same second", []apiReview{review(2, "a", "APPROVED", time.Hour, nil), review(1, "a", "REQUEST_CHANGES", time.Hour, nil)}, []string{"a"}, true},
		{"not official", []apiReview{review(1, "a", "APPROVED", time.Hour, func(r *apiReview) { r.Official = false })}, []string{}, true},
		{"stale", []apiReview{review(1, "a", "APPROVED", time.Hour, func(r *apiReview) { r.Stale = true })}, []string{}, true},
		{"dismissed before", []apiReview{review(1, "a", "APPROVED", time.Hour, func(r *apiReview) { r.Dismissed = true })}, []string{}, true},
		{"dismissed after", []apiReview{review(1, "a", "APPROVED", time.Hour, func(r *apiReview) { r.Dismissed, r.Updated = true, merged.Add(time.Minute) })}, []string{"a"}, true},
		{"dismissed in the second of the merge", []apiReview{review(1, "a", "APPROVED", time.Hour, func(r *apiReview) { r.Dismissed, r.Updated = true, merged })}, []string{}, false},
		{"after the merge", []apiReview{review(1, "a", "APPROVED", -time.Hour, nil)}, []string{}, true},
		{"of a deleted account", []apiReview{{State: "APPROVED", Official: true}}, []string{}, true},
	} {
		got, certain := standing(tt.reviews, merged)
		if d := cmp.Diff(tt.want, got); d != "" || certain != tt.certain {
			t.Errorf("%s: certain %v, want %v\n%s", tt.name, certain, tt.certain, d)
		}
	}
}

func TestOthers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		approvers  []string
		author     fact.Opt[string]
		committers []string
		linked     bool
		want       string
	}{
		{"somebody else", []string{"carol"}, fact.Some("bob"), []string{"bob"}, true, `["carol"]`},
		{"the author", []string{"bob"}, fact.Some("bob"), nil, true, `[]`},
		{"a committer", []string{"carol"}, fact.Some("bob"), []string{"bob", "carol"}, true, `[]`},
		{"a commit of nobody's account", []string{"carol"}, fact.Some("bob"), []string{}, false, `null`},
		{"nobody approved, whoever wrote it", nil, fact.Some("bob"), []string{}, false, `[]`},
		{"a deleted author", []string{"carol"}, fact.Opt[string]{}, []string{}, true, `null`},
	} {
		checkJSON(t, tt.name, others(tt.approvers, tt.author, tt.committers, tt.linked), tt.want)
	}
}

func TestPassed(t *testing.T) {
	ok := []fact.StatusCheck{{Name: "ci/unit", Status: "success"}, {Name: "lint", Status: "skipped"}}
	for _, tt := range []struct {
		name     string
		checks   []fact.StatusCheck
		required fact.Opt[[]string]
		want     string
	}{
		{"none", nil, fact.Some([]string{}), "false"},
		{"good", ok, fact.Some([]string{"ci/*"}), "true"},
		{"missing", ok, fact.Some([]string{"security/*"}), "false"},
		{"nobody knows what is required", ok, fact.Opt[[]string]{}, "null"},
		{"failed", append(ok, fact.StatusCheck{Name: "x", Status: "failure"}), fact.Opt[[]string]{}, "false"},
		{"pending", append(ok, fact.StatusCheck{Name: "x", Status: "pending"}), fact.Some([]string{}), "false"},
	} {
		checkJSON(t, tt.name, passed(tt.checks, tt.required), tt.want)
	}
}

// work is a commit whose author, time and message are those of the text.
func work(sha, what string, parents ...string) apiCommit {
	var c apiCommit
	c.SHA = sha
	c.Commit = ptr(struct {
		Message      string    `json:"message"`
		Author       apiPerson `json:"author"`
		Committer    apiPerson `json:"committer"`
		Verification *struct {
			Signature string `json:"signature"`
		} `json:"verification"`
	}{Message: what, Author: apiPerson{Name: what, Date: what}, Committer: apiPerson{Date: "2026-01-01T00:00:00Z"}})
	for _, p := range parents {
		c.Parents = append(c.Parents, struct {
			SHA string `json:"sha"`
		}{p})
	}
	return c
}

func mergedPull(sha string, commits ...apiCommit) pull {
	return pull{apiPull: apiPull{MergeSHA: sha}, detail: pullDetail{Commits: commits}}
}

func TestPast(t *testing.T) {
	base := work("base", "base", "x")
	for _, tt := range []struct {
		name   string
		branch []apiCommit
		pulls  []pull
		want   string
	}{
		{"direct", []apiCommit{work("d", "d", "base"), base}, nil, "d base"},
		{"merge", []apiCommit{work("m", "m", "base", "f"), work("f", "f", "base")}, []pull{mergedPull("m", work("f", "f", "base"))}, ""},
		{"squash of two", []apiCommit{work("m", "m", "base"), base}, []pull{mergedPull("m", work("f2", "f2", "f1"), work("f1", "f1", "base"))}, "base"},
		{"rebase of two", []apiCommit{work("m2", "2", "m1"), work("m1", "1", "base"), base}, []pull{mergedPull("m2", work("f2", "2", "f1"), work("f1", "1", "base"))}, "base"},
		{"rebase with a merge commit", []apiCommit{work("m", "m", "base", "r2"), work("r2", "2", "r1"), work("r1", "1", "base")}, []pull{mergedPull("m", work("f2", "2", "f1"), work("f1", "1", "base"))}, ""},
		{"rebase that dropped a merge", []apiCommit{work("m2", "2", "m1"), work("m1", "1", "base")}, []pull{mergedPull("m2", work("f2", "2", "x"), work("x", "merge main", "f1", "main"), work("f1", "1", "base"))}, ""},
		{"a copy of a reviewed commit, pushed later", []apiCommit{work("again", "1", "m1"), work("m1", "1", "base")}, []pull{mergedPull("m1", work("f1", "1", "base"))}, "again"},
		{"a copy of a reviewed commit, pushed before", []apiCommit{work("m1", "1", "copy"), work("copy", "1", "base")}, []pull{mergedPull("m1", work("f1", "1", "base"))}, "copy"},
		{"a push between the rebased ones", []apiCommit{work("m2", "2", "evil"), work("evil", "evil", "m1"), work("m1", "1", "base")}, []pull{mergedPull("m2", work("f2", "2", "f1"), work("f1", "1", "base"))}, "evil m1"},
	} {
		var got []string
		for _, c := range past(tt.branch, tt.pulls, apiRepo{}) {
			got = append(got, c.SHA)
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: past review %q, want %q", tt.name, g, tt.want)
		}
	}
}

func TestTheFoundingCommit(t *testing.T) {
	c := work("root", "initial")
	made := c.date()
	if !c.founds(apiRepo{CreatedAt: made}) {
		t.Error("the commit that made the repository is a push past review")
	}
	if c.founds(apiRepo{CreatedAt: made.AddDate(-1, 0, 0)}) {
		t.Error("a history that was put in the place of an old one is the founding commit")
	}
}

func TestMatchGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"ci", "ci", true},
		{"ci", "ci2", false},
		{"ci/*", "ci/unit/linux", true},
		{"ci/?", "ci/a", true},
		{"ci/{unit,e2e}", "ci/e2e", true},
		{"ci/{unit,e2e}", "ci/scan", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{"a.b", "axb", false},
		{"[", "[", true},
		{"[", "x", false},
		{"CI / test (pull_request)", "CI / test (pull_request)", true},
		{"CI / * (pull_request)", "CI / test (pull_request)", true},
	} {
		if got := matchGlob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("matchGlob(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

func FuzzMatchGlob(f *testing.F) {
	f.Add("ci/{a,b}*[!x]\\?", "ci/a")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !matchGlob(pattern, pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
		matchGlob(pattern, name)
	})
}
