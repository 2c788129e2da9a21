package demo

import (
	"fmt"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// A repo is a repository with what leans about it.
type repo struct {
	name      string
	id        fact.Ref
	live      bool // takes changes
	bare      span // without protection
	noReview  span
	noChecks  span
	forced    bool
	bypass    []string
	exposed   span // a secret lies in it
	unlocked  []string
	owners    bool
	engineers []*worker
}

func repoNames() []string {
	return strings.Fields(`booking-api booking-web calendar-sync checkout ledger-core invoices payouts fraud-rules identity-edge
		mobile-app mobile-kit design-tokens docs-site status-page data-lake event-bus feature-flags search-index mail-relay
		notifier reports admin-console support-desk partner-api public-sdk infra-live infra-modules ci-images runbooks
		security-tools old-monolith old-widgets font-fork mirror-protocols scratch`)
}

// code invents the forge: repositories with their protection, deploy keys and pipelines.
func (w *world) code() {
	var engineers []*worker
	for _, p := range w.staff {
		if p.engineer && p.started.Before(w.ago(60*day)) {
			engineers = append(engineers, p)
		}
	}
	for i, name := range repoNames() {
		r := &repo{name: "quillwort/" + name, id: fact.Ref("forge/quillwort/" + name), live: i < 30, owners: i%4 != 3}
		for range 6 {
			r.engineers = append(r.engineers, one(w, engineers))
		}
		w.leanings(i, r)
		w.repos = append(w.repos, r)
		w.repository(i, r)
		w.key(i, r)
		if r.live {
			w.pipeline(i, r)
		}
	}
}

// leanings says what is wrong with a repository and since when.
func (w *world) leanings(i int, r *repo) {
	switch i {
	case 4: // somebody removed the protection for two days to push a fix
		r.bare = w.trouble("forge", 23, 2)
	case 12: // and of another one three hours ago
		r.bare = w.trouble("forge", 0.125, 0)
	case 28:
		r.bare = w.trouble("forge", 300, 0) // never had any
	case 7:
		r.noReview = w.trouble("forge", 41, 9)
	case 20:
		r.noReview = w.trouble("forge", 200, 0)
	case 9, 17:
		r.noChecks = w.trouble("forge", float64(60-i*2), 12)
	case 26:
		r.noChecks = w.trouble("forge", 150, 0)
	case 15:
		r.forced = true
	case 1:
		r.bypass = []string{"release-robot"}
	case 25:
		r.bypass = []string{w.staff[0].login, w.staff[3].login}
	case 18:
		r.exposed = w.trouble("forge", 5, 0)
	case 2:
		r.exposed = w.trouble("forge", 66, 3)
	case 11, 24:
		r.unlocked = []string{"tools/package.json"}
	}
}

func (w *world) repository(i int, r *repo) {
	covers := func(shift, fails, silent int) fact.Opt[bool] {
		return unless((i+shift)%silent == silent-1, (i+shift)%fails != fails-1)
	}
	tests, code, deps, secrets, e2e := covers(0, 16, 19), covers(3, 9, 13), covers(5, 8, 17), covers(7, 7, 15), covers(2, 5, 11)
	owner := r.engineers[0].id
	share := float64(40+w.rng.IntN(60)) / 100
	w.vary("forge", "repositories", string(r.id), func(at time.Time) fact.Data {
		f := fact.Repository{
			Name: some(r.name), URL: some("https://forge.quillwort.example/" + r.name), DefaultBranch: some("main"), Production: some(r.live && i < 24),
			Archived: some(i == 30 || i == 31), Fork: some(i == 32), Mirror: some(i == 33), Empty: some(i == 34), Public: some(i == 12 || i == 24),
			Owner: some(owner), Webhook: some(true),
		}
		if i == 34 {
			return f
		}
		f.CodeOwners, f.SecurityPolicy, f.LockFiles = some(r.owners), some(i != 24), some(len(r.unlocked) == 0)
		f.UnlockedManifests = some(append([]string{}, r.unlocked...))
		f.RunsTests, f.RunsCodeScan, f.RunsDependencyScan, f.RunsSecretScan, f.RunsEndToEnd = tests, code, deps, secrets, e2e
		f.SecretsFound, f.SecretLocations = some[int64](0), some([]string{})
		if r.exposed.holds(at) {
			f.SecretsFound, f.SecretLocations = some[int64](1), some([]string{"deploy/settings.env:7 (generic-api-key)"})
		}
		f.SignedShare, f.NonHumanWriters = some(share), some([]string{})
		if len(r.bypass) == 1 {
			f.NonHumanWriters = some(r.bypass)
		}
		if i != 22 { // of one the forge does not show the rules
			f.Protection = some(r.protection(at))
		}
		return f
	})
}

func (r *repo) protection(at time.Time) fact.Protection {
	if r.bare.holds(at) {
		writers := []string{}
		for _, p := range r.engineers[:3] {
			writers = append(writers, p.login)
		}
		return fact.Protection{
			Enabled: some(false), PullRequest: some(false), Approvals: some[int64](0), AuthorCanApprove: some(false), ChecksRequired: some(false),
			RequiredChecks: some([]string{}), ForcePush: some(true), Deletion: some(false), Admins: some(false), PushActors: some(writers),
			BypassActors: some(writers), DismissStale: some(false), CodeOwners: some(false),
		}
	}
	p := fact.Protection{
		Enabled: some(true), PullRequest: some(true), Approvals: some[int64](1), AuthorCanApprove: some(false), DismissStale: some(len(r.name)%9 != 0),
		CodeOwners: some(r.owners && len(r.name)%5 != 0), ChecksRequired: some(true), RequiredChecks: some([]string{"scan", "test"}), UpToDate: some(true),
		ForcePush: some(r.forced), Deletion: some(false), Admins: some(len(r.bypass) < 2), BypassActors: some(append([]string{}, r.bypass...)),
		PushActors: some([]string{}), SignedCommits: some(false), ConversationsDone: some(true),
	}
	if r.noReview.holds(at) {
		p.Approvals = some[int64](0)
	}
	if r.noChecks.holds(at) {
		p.ChecksRequired, p.RequiredChecks = some(false), some([]string{})
	}
	return p
}

// key is the deploy key of every other repository; two may write, and some
// grow old within the quarter.
func (w *world) key(i int, r *repo) {
	if i%2 == 1 || i > 29 {
		return
	}
	w.add("forge", "keys", string(r.id)+"/key/1", fact.Secret{
		Name: some(fmt.Sprintf("deploy-%02d", i)), Type: some("deploy-key"), Active: some(true), Write: some(i == 6 || i == 20),
		CreatedAt: some(w.ago(time.Duration(10+i*7) * day)), NeverEnds: some(true), Repository: some(r.id), Owner: some(r.engineers[1].id),
	})
}

func (w *world) pipeline(i int, r *repo) {
	loose := []string{}
	if i%3 == 1 {
		loose = []string{"tools/setup@v3"}
	}
	f := fact.Pipeline{
		Repository: some(r.id), Name: some("build"), File: some(".forge/workflows/build.yml"), Engine: some("gitea-actions"),
		Jobs: some([]string{"build", "scan", "test"}), Covers: some([]string{"code-scan", "test"}), OnPullRequest: some(true),
		LastStatus: some("success"), LastRunAt: some(w.when(9, 1)),
	}
	if i != 14 { // its file could not be read
		f.PinnedActions, f.Unpinned = some(len(loose) == 0), some(loose)
	}
	w.add("forge", "pipelines", string(r.id)+"/.forge/workflows/build.yml", f)
	if i%5 != 0 {
		return
	}
	w.add("forge", "pipelines", string(r.id)+"/.github/workflows/publish.yml", fact.Pipeline{
		Repository: some(r.id), Name: some("publish"), File: some(".github/workflows/publish.yml"), Engine: some("github-actions"),
		Jobs: some([]string{"publish"}), OnPullRequest: some(false), PinnedActions: some(true), Unpinned: some([]string{}),
		TokenReadOnly: unless(i == 10, i != 5), Environment: some("production"), NeedsReviewer: some(i != 15),
	})
}

// merges invents the quarter's merged changes and the few commits that came past review.
func (w *world) merges() {
	subjects := strings.Fields(`rounding retries timezones pagination webhooks exports caching translations limits permissions
		onboarding refunds search avatars reminders imports audit-trail rate-limits migrations accessibility`)
	verbs := strings.Fields("Add Fix Simplify Remove Speed-up Test Document")
	for i := range 420 {
		r := w.repos[w.rng.IntN(30)]
		author, approver := one(w, r.engineers), one(w, r.engineers)
		for approver == author {
			approver = one(w, w.staff[:60])
		}
		merged := w.when(Days-2, 0)
		number := int64(1000 + i)
		f := fact.Change{
			Repository: some(r.id), Number: some(number), Title: some(one(w, verbs) + " " + one(w, subjects)), Base: some("main"),
			URL: some(fmt.Sprintf("https://forge.quillwort.example/%s/pulls/%d", r.name, number)), Author: some(author.login), AuthorIsBot: some(false),
			Committers: some([]string{author.login}), MergedBy: some(author.login), MergedAt: some(merged), CreatedAt: some(merged.Add(-30 * time.Hour)),
			Commit: some(w.hash()), ChecksPassed: some(true),
			Checks:    some([]fact.StatusCheck{{Name: "test", Status: "success"}, {Name: "scan", Status: "success"}}),
			Approvers: some([]string{approver.login}), OtherApprovers: some([]string{approver.login}),
		}
		switch {
		case r.noReview.holds(merged) && i%2 == 0 || i%97 == 50:
			f.Approvers, f.OtherApprovers = some([]string{}), some([]string{})
		case i%149 == 20: // a commit of an address that no account has
			f.Committers, f.OtherApprovers = fact.Opt[[]string]{}, fact.Opt[[]string]{}
		}
		if r.noChecks.holds(merged) && i%3 == 0 || i%120 == 60 {
			f.ChecksPassed, f.Checks = some(false), some([]fact.StatusCheck{{Name: "test", Status: "failure"}, {Name: "scan", Status: "success"}})
		}
		id := fmt.Sprintf("%s#%d", r.id, number)
		w.add("forge", "changes", id, f)
		w.things[len(w.things)-1].born = merged
	}
	for i, n := range []int{4, 4, 28, 12, 15} {
		w.pushPast(i, w.repos[n])
	}
}

func (w *world) pushPast(i int, r *repo) {
	author := r.engineers[i%6]
	at := []time.Time{w.ago(22 * day), w.ago(22*day - 3*time.Hour), w.ago(50 * day), w.ago(2 * time.Hour), w.ago(9 * day)}[i]
	sha := w.hash()
	w.turns["forge"] = append(w.turns["forge"], at.Add(time.Minute))
	w.add("forge", "commits", string(r.id)+"@"+sha, fact.Commit{
		Repository: some(r.id), SHA: some(sha), Title: some("Hotfix straight to main"), Author: some(author.login), Pusher: some(author.login),
		At: some(at), Reviewed: some(false), Signed: some(i%2 == 0), URL: some("https://forge.quillwort.example/" + r.name + "/commit/" + sha),
	})
	w.things[len(w.things)-1].born = at
}

func (w *world) hash() string {
	return fmt.Sprintf("%016x%016x%08x", w.rng.Uint64(), w.rng.Uint64(), w.rng.Uint32())
}
