package gitea

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
)

func TestTurn(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6}
	var seen []int
	for i := range 3 {
		got := turn(all, 3, int64(i))
		if len(got) > 3 {
			t.Errorf("turn %d gave %d of 3", i, len(got))
		}
		seen = append(seen, got...)
	}
	slices.Sort(seen)
	if d := cmp.Diff(all, seen); d != "" {
		t.Errorf("three turns leave something out\n%s", d)
	}
	if got := turn(all, 7, 5); len(got) != 7 {
		t.Errorf("what fits at once takes turns: %v", got)
	}
	if got := turn(all, -1, 5); got != nil {
		t.Errorf("without a budget: %v", got)
	}
}

// With more repositories than requests, the tripwire stays within its bound and
// gets round to every one, also where a look takes as long as several intervals.
func TestTripwireIsBounded(t *testing.T) {
	t.Run("in time", func(t *testing.T) { boundedTripwire(t, tripwireEvery, nil) })
	t.Run("late", func(t *testing.T) {
		boundedTripwire(t, 4*tripwireEvery, connector.NewMemo(1<<20, func() time.Time { return testNow }))
	})
}

func boundedTripwire(t *testing.T, every time.Duration, memo connector.Memo) {
	t.Helper()
	f := newFake()
	f.repos = nil
	for i := range 100 {
		f.repos = append(f.repos, fakeRepo(i+1, fmt.Sprintf("r%02d", i)))
	}
	run := testRun(t, f, func(s connector.Settings) { s["tripwire_requests"] = int64(40) })
	run.Memo = memo
	seen := map[string]bool{}
	now := testNow
	run.Now = func() time.Time { return now }
	for range 40 {
		f.asked = nil
		hashes, err := (Connector{}).Tripwire(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		for _, a := range f.asked {
			if strings.Contains(a, "/branch_protections") || strings.Contains(a, "/collaborators") || strings.Contains(a, "/keys") {
				asked++
			}
		}
		if asked > 40 {
			t.Errorf("asked %d times, want at most 40", asked)
		}
		for k := range hashes {
			seen[k] = true
		}
		now = now.Add(every)
	}
	for i := range 100 {
		for _, target := range []string{fmt.Sprintf("repo:acme/r%02d", i), fmt.Sprintf("accounts:collaborators acme/r%02d", i), fmt.Sprintf("repo:acme/r%02d:keys", i)} {
			if !seen[target] {
				t.Errorf("%s had no turn", target)
			}
		}
	}
}

func TestTripwireSeesOnlyWhatMatters(t *testing.T) {
	f := newFake()
	run := testRun(t, f, nil)
	look := func() map[string]string {
		t.Helper()
		h, err := (Connector{}).Tripwire(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	before := look()
	f.members[0]["last_login"], f.repos[1]["updated_at"] = ago(0), ago(0)
	if d := differing(before, look()); d != nil {
		t.Errorf("a sign-in and a push trip %v", d)
	}
	for _, tt := range []struct {
		what   string
		change func()
		want   string
	}{
		{"rule", func() { f.rules["acme/web"][1]["required_approvals"] = 0 }, "repo:acme/web"},
		{"visibility", func() { f.repos[0]["private"] = false }, "repo:acme/api"},
		{"member", func() { f.members = f.members[1:] }, "accounts:members acme"},
		{"team", func() { f.teams[2]["permission"] = "admin" }, "accounts:teams acme"},
		{"team member", func() { f.inTeam[3] = nil }, "accounts:team 3"},
		{"key", func() { f.keys["acme/web"][1]["read_only"] = false }, "repo:acme/web:keys"},
		{"repository", func() { f.repos = f.repos[:2] }, "repositories:acme"},
	} {
		before := look()
		tt.change()
		if d := differing(before, look()); !slices.Contains(d, tt.want) {
			t.Errorf("%s: tripped %v, want %s", tt.what, d, tt.want)
		}
	}
}

// Gitea moves the branch first and marks the pull request a moment later: in
// between a merge looks like a push past review.
func TestAMergeUnderWayIsNoDirectPush(t *testing.T) {
	f := newFake()
	f.commits["acme/web"] = append([]object{fakeCommit("m5", "Merge pull request #4", "alice", 0, "m4", "n1"), fakeCommit("n1", "new", "bob", 0, "m4")}, f.commits["acme/web"]...)
	asked := 0
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/repos/acme/web/pulls" {
			if asked++; asked > 2 { // the first reading of the list took two pages
				f.mu.Lock()
				if len(f.prCommit["acme/web#4"]) == 0 {
					f.pull(4, "new", "bob", 0, "m5", "n1", fakeCommit("n1", "new", "bob", 0, "m4"))
				}
				f.mu.Unlock()
			}
		}
		f.ServeHTTP(w, r)
	})
	m := collect(t, late, nil)
	if d := cmp.Diff([]string{"gitea/acme/api@a1", "gitea/acme/web@m4"}, ids(m, "commit")); d != "" {
		t.Errorf("commits past review:\n%s", d)
	}
	if !slices.Contains(ids(m, "change"), "gitea/acme/web#4") {
		t.Error("the merge that was under way is missing")
	}
}

// A commit with an invented old date stands before younger ones.
func TestABackdatedPushIsSeen(t *testing.T) {
	f := newFake()
	f.commits["acme/web"] = append([]object{fakeCommit("evil", "backdated", "bob", 4000, "m4")}, f.commits["acme/web"]...)
	m := collect(t, f, nil)
	if !slices.Contains(ids(m, "commit"), "gitea/acme/web@evil") {
		t.Errorf("commits past review: %v, want the backdated one too", ids(m, "commit"))
	}
}

func TestIdentify(t *testing.T) {
	f := newFake()
	f.scopes = []string{"read:user", "read:repository", "write:organization"}
	id, err := (Connector{}).Identify(t.Context(), testRun(t, f, nil))
	if err != nil {
		t.Fatal(err)
	}
	checkJSON(t, "identity", []any{id.Name, id.System, id.ReadOnly, id.Missing, id.Excess}, `["prumo", "Gitea 1.26.0", false, null, ["write:organization"]]`)
	f.scopes = nil
	id, err = (Connector{}).Identify(t.Context(), testRun(t, f, nil))
	if err != nil || id.ReadOnly.Known() {
		t.Errorf("a token with every scope: %v, read-only known %v; want unknown", err, id.ReadOnly.Known())
	}
}

// The figures of docs/connectors/gitea.md: how many looks it takes until every
// repository's rules were seen.
func TestTripwireLooksAsOftenAsDeclared(t *testing.T) {
	for _, tt := range []struct{ repos, requests, looks int }{{60, 200, 1}, {150, 200, 1}, {300, 200, 2}, {300, 1000, 1}} {
		f := newFake()
		f.repos = nil
		for i := range tt.repos {
			f.repos = append(f.repos, fakeRepo(i+1, fmt.Sprintf("r%03d", i)))
		}
		run := testRun(t, f, func(s connector.Settings) { s["tripwire_requests"] = int64(tt.requests) })
		run.Memo = connector.NewMemo(1<<20, func() time.Time { return testNow })
		seen := map[string]bool{}
		for range tt.looks {
			hashes, err := (Connector{}).Tripwire(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			for k := range hashes {
				if strings.HasPrefix(k, "repo:") && strings.Count(k, ":") == 1 {
					seen[k] = true
				}
			}
		}
		if len(seen) != tt.repos {
			t.Errorf("%d repositories, %d requests: the rules of %d were seen in %d looks, want all", tt.repos, tt.requests, len(seen), tt.looks)
		}
	}
}
