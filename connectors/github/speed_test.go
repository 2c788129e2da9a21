package github

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"prumo.dev/prumo/connectors/github/githubtest"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A size is how large an organisation is.
type size struct{ repos, members, changes int }

// large makes an organisation as companies have them: people in teams, the
// default branch guarded by a ruleset of the organisation and, in every other
// repository, by classic protection too.
func large(now func() time.Time, n size) *githubtest.GitHub {
	g := githubtest.New(now)
	prumo := g.User("prumo")
	o := g.Org("acme", prumo)
	g.Tokens[testToken] = &githubtest.Credential{User: prumo}
	for i := range n.members - 1 {
		u := g.User(fmt.Sprintf("user%04d", i))
		o.Members = append(o.Members, u)
		if i%20 == 0 {
			o.Teams = append(o.Teams, &githubtest.Team{ID: g.ID(), Slug: fmt.Sprintf("team%d", i/20)})
		}
		t := o.Teams[len(o.Teams)-1]
		t.Members = append(t.Members, u)
	}
	o.Rulesets = []*githubtest.Ruleset{{
		ID: 501, Name: "every default branch", Enforcement: "active", Include: []string{"~DEFAULT_BRANCH"}, Repos: []string{"~ALL"}, Updated: ago(50),
		Rules: []githubtest.Rule{githubtest.PullRequest(1, true, false), {Type: "deletion"}, {Type: "non_fast_forward"}},
	}}
	for i := range n.repos {
		r := g.Repo(o, fmt.Sprintf("repo%04d", i))
		r.Files[".github/workflows/ci.yml"] = flowText
		t := o.Teams[i%len(o.Teams)]
		for _, u := range t.Members {
			r.Collaborators = append(r.Collaborators, githubtest.Collaborator{User: u, Role: "write"})
		}
		if i%2 == 0 {
			r.Classic["main"] = &githubtest.Classic{Reviews: true, Approvals: 1, Checks: []string{"test"}, Admins: true}
		}
		if i%4 == 0 {
			r.Environments = []*githubtest.Environment{{ID: int64(i + 1), Name: "production", Branches: []string{"main"}}}
		}
		for k := range n.changes / n.repos {
			a, b := t.Members[k%len(t.Members)], t.Members[(k+1)%len(t.Members)]
			at := now().Add(-48*time.Hour - time.Duration(k*n.repos+i)*(80*24*time.Hour/time.Duration(n.changes)))
			g.Merge(r, fmt.Sprintf("change %d", k), a, at, githubtest.Review{State: "APPROVED", By: b, At: at.Add(-time.Minute)})
		}
		for a, b := 0, len(r.Commits)-1; a < b; a, b = a+1, b-1 {
			r.Commits[a], r.Commits[b] = r.Commits[b], r.Commits[a] // the newest was merged first here
		}
	}
	return g
}

// budget is what a first reading may ask: 12 requests a repository and one for
// 50 merged changes.
func (n size) budget() int { return 12*n.repos + n.changes/50 }

// read makes a reading and says what it asked.
func read(tb testing.TB, run connector.Run, g *githubtest.GitHub) (githubtest.Tally, map[string]int) {
	tb.Helper()
	g.Reset()
	m := connector.Record()
	if err := New().Collect(tb.Context(), run, m); err != nil {
		tb.Fatal(err)
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			tb.Fatalf("%s is %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
	kinds := map[string]int{}
	for _, f := range m.Facts() {
		kinds[f.Kind]++
	}
	return g.Reset(), kinds
}

// A first reading keeps to its budget, and one without changes costs at most a
// twentieth of what the limits count.
func TestRequestsOfALargerOrganisation(t *testing.T) {
	n := size{repos: 100, members: 60, changes: 1000}
	clock := func() time.Time { return testNow }
	g := large(clock, n)
	g.Limit, g.GraphLimit, g.Burst = 5000, 5000, 0
	srv := httptest.NewServer(g)
	defer srv.Close()
	run := runAt(srv.URL, clock, nil)
	run.Memo = connector.NewMemo(32<<20, clock)
	first, kinds := read(t, run, g)
	if kinds["repository"] != n.repos || kinds["change"] != n.changes || kinds["account"] != n.members {
		t.Errorf("facts %v, want %+v", kinds, n)
	}
	if first.Counted() > n.budget() {
		t.Errorf("first reading: %d requests, %d are allowed", first.Counted(), n.budget())
	}
	if first.Points > 5000/2 {
		t.Errorf("first reading: %d points of GraphQL", first.Points)
	}
	second, _ := read(t, run, g)
	if second.Counted()*20 > first.Counted() {
		t.Errorf("second reading: %d requests counted, %d of them queries, more than 5 %% of the first's %d", second.Counted(), second.Graph, first.Counted())
	}
	t.Logf("first: %d requests and %d queries of %d points; second: %d, %d unchanged, %d queries", first.REST, first.Graph, first.Points, second.REST, second.Unchanged, second.Graph)
	if _, err := (Connector{}).Tripwire(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	g.Reset()
	if _, err := (Connector{}).Tripwire(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if tally := g.Reset(); tally.REST != 0 || tally.Points*120 > 5000/2 {
		t.Errorf("a quiet round of the tripwire costs %d requests and %d points", tally.REST, tally.Points)
	}
}

// BenchmarkFirstReading reads an organisation of 2,000 repositories, 500
// members and 20,000 merged changes, and then once more. It reports what was
// asked, so that it can be held to the budget.
func BenchmarkFirstReading(b *testing.B) {
	n := size{repos: 2000, members: 500, changes: 20000}
	clock := func() time.Time { return testNow }
	g := large(clock, n)
	srv := httptest.NewServer(g)
	defer srv.Close()
	for b.Loop() {
		run := runAt(srv.URL, clock, nil)
		run.Memo = connector.NewMemo(32<<20, clock)
		before := heap()
		first, second, most := measure(b, run, g)
		b.ReportMetric(float64(first.Counted()), "first-requests")
		b.ReportMetric(float64(first.Counted())/float64(n.budget()), "of-budget")
		b.ReportMetric(float64(first.Points), "first-points")
		b.ReportMetric(100*float64(second.Counted())/float64(first.Counted()), "second-%")
		b.ReportMetric(float64(most-before)/(1<<20), "MB")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// measure reads twice into an Emit that keeps nothing, and watches the memory.
func measure(b *testing.B, run connector.Run, g *githubtest.GitHub) (first, second githubtest.Tally, most uint64) {
	b.Helper()
	for i := range 2 {
		g.Reset()
		e := &sink{}
		if err := New().Collect(b.Context(), run, e); err != nil {
			b.Fatal(err)
		}
		if e.incomplete != "" {
			b.Fatal(e.incomplete)
		}
		most = max(most, e.most)
		if i == 0 {
			first = g.Reset()
		} else {
			second = g.Reset()
		}
	}
	return first, second, most
}

// A sink is an Emit that keeps nothing; now and then it looks at the memory.
type sink struct {
	n          int
	most       uint64
	incomplete string
}

func (s *sink) Open(connector.Scope) error { return nil }
func (s *sink) Fact(string, string, fact.Data) error {
	if s.n++; s.n%5000 == 0 {
		s.most = max(s.most, heap())
	}
	return nil
}

func (s *sink) Close(scope string, r fact.Reading, d connector.Detail) error {
	if r != fact.Complete {
		s.incomplete = scope + ": " + d.Why
	}
	return nil
}
