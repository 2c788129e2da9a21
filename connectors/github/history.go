package github

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A history is what a repository's default branch went through in the period.
// It is kept between readings, and read on from where it ended.
type history struct {
	Head   string    `json:"head"`
	Total  int       `json:"total"`  // merged pull requests, ever
	Newest time.Time `json:"newest"` // last update of one
	FullAt time.Time `json:"full"`   // when all of it was read
	Pulls  []pull    `json:"pulls"`
	Past   []commit  `json:"past"` // commits that came past review
}

const (
	// settled is how long after a merge the results of its checks are read anew.
	settled = 24 * time.Hour
	// historyLife is how long a history is believed before all of it is read anew.
	historyLife = 24 * time.Hour
	// historyRepos is how many repositories are read at a time; packSize is how many
	// changes one query asks for, and packRepos of how many repositories.
	historyRepos = 40
	packSize     = 50
	packRepos    = 10
)

// A strand is one repository's history being read.
type strand struct {
	repo
	org        string
	view       overview
	old        history
	known      bool // old is there
	pulls      []pull
	commits    []commit
	pullsDone  bool
	pullsAfter *string
	histDone   bool
	histAfter  *string
	size       int   // how many pull requests to ask for at once
	err        error // of all of it
	pullErr    error // of the pull requests
	checkErr   error // of the results of checks
	commitErr  error // of the commits
}

// histories emits the merged changes of repositories and the commits that came
// past them. A mirror takes no change of its own and has neither.
func (r *reader) histories(ctx context.Context, repos []repo) error {
	for part := range slices.Chunk(repos, historyRepos) {
		var all []*strand
		for _, x := range part {
			if !x.mirror() {
				org, _, _ := cutName(x.FullName)
				all = append(all, &strand{repo: x, org: org})
			}
		}
		r.readHistories(ctx, all)
		for _, s := range all {
			if err := r.emitHistory(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) readHistories(ctx context.Context, all []*strand) {
	r.begin(ctx, all)
	r.drain(ctx, all)
	var again []*strand
	for _, s := range all {
		if s.err == nil && slices.ContainsFunc(s.past(), func(c commit) bool { return r.run.Now().Sub(c.At) < fresh }) {
			again = append(again, s)
		}
	}
	if len(again) == 0 || pause(ctx, secondLook) != nil {
		return
	}
	for _, s := range again {
		s.pulls, s.commits, s.pullsDone, s.histDone, s.pullsAfter, s.histAfter = nil, nil, false, false, nil, nil
	}
	r.drain(ctx, again)
}

// fresh is how new a commit is for GitHub perhaps not to have noted its merge:
// the branch moves first, the pull request is marked a moment later.
const (
	fresh      = time.Minute
	secondLook = 500 * time.Millisecond
)

// begin finds out what changed since the last reading.
func (r *reader) begin(ctx context.Context, all []*strand) {
	byOrg := map[string][]*strand{}
	for _, s := range all {
		byOrg[s.org] = append(byOrg[s.org], s)
	}
	for org, list := range byOrg {
		for part := range slices.Chunk(list, overviewSize) {
			var repos []repo
			for _, s := range part {
				repos = append(repos, s.repo)
			}
			views := r.seen(ctx, org, repos)
			for _, s := range part {
				r.start(s, views[s.FullName])
			}
		}
	}
}

// start decides how much of a strand is to be read.
func (r *reader) start(s *strand, v overview) {
	s.view = v
	if s.err = v.err; s.err != nil || v.empty() {
		s.pullsDone, s.histDone = true, true
		return
	}
	s.size = min(max(v.Merged.Total, 1), packSize)
	s.known = r.recall("history "+s.FullName, &s.old) && r.run.Now().Sub(s.old.FullAt) < historyLife
	if !s.known {
		s.old = history{}
	}
	newest := v.Merged.newest()
	unsettled := slices.ContainsFunc(s.old.Pulls, func(p pull) bool { return r.run.Now().Sub(p.MergedAt) < settled })
	s.pullsDone = newest.Before(r.since) || s.known && !unsettled && newest.Equal(s.old.Newest) && v.Merged.Total == s.old.Total
	s.histDone = s.known && s.old.Head == v.head()
}

func (l *latest) newest() time.Time {
	if l == nil || len(l.Nodes) == 0 {
		return time.Time{}
	}
	return l.Nodes[0].UpdatedAt
}

// drain asks for what is left, several repositories in one query, until
// nothing is.
func (r *reader) drain(ctx context.Context, all []*strand) {
	for range maxPages {
		var pack []*strand
		weight := 0
		for _, s := range all {
			if s.err != nil || s.pullsDone && s.histDone || len(pack) > 0 && s.org != pack[0].org {
				continue
			}
			w := 1
			if !s.pullsDone {
				w = s.size
			}
			if len(pack) > 0 && weight+w > packSize || len(pack) == packRepos {
				continue
			}
			pack, weight = append(pack, s), weight+w
		}
		if len(pack) == 0 || ctx.Err() != nil {
			break
		}
		r.ask(ctx, pack)
	}
	for _, s := range all {
		if s.err == nil && !(s.pullsDone && s.histDone) {
			s.err = connector.ErrCapped
			if ctx.Err() != nil {
				s.err = ctx.Err()
			}
		}
	}
}

// ask sends one query about the next page of each strand.
func (r *reader) ask(ctx context.Context, pack []*strand) {
	var heads, body strings.Builder
	vars := map[string]any{}
	set := func(name, kind string, i int, v any) {
		fmt.Fprintf(&heads, "$%s%d: %s, ", name, i, kind)
		vars[fmt.Sprintf("%s%d", name, i)] = v
	}
	for i, s := range pack {
		owner, name, _ := cutName(s.FullName)
		set("o", "String!", i, owner)
		set("n", "String!", i, name)
		fmt.Fprintf(&body, "  r%d: repository(owner: $o%d, name: $n%d) {\n    databaseId\n", i, i, i)
		if !s.pullsDone {
			set("b", "String!", i, s.DefaultBranch)
			set("p", "String", i, s.pullsAfter)
			set("f", "Int!", i, s.size)
			fmt.Fprintf(&body, "    pullRequests(states: [MERGED], baseRefName: $b%d, first: $f%d, after: $p%d, orderBy: {field: UPDATED_AT, direction: DESC}) { pageInfo { hasNextPage endCursor } nodes { ...change } }\n", i, i, i)
		}
		if !s.histDone {
			set("h", "String", i, s.histAfter)
			fmt.Fprintf(&body, "    defaultBranchRef { name target { ... on Commit { oid history(first: %d, after: $h%d) { pageInfo { hasNextPage endCursor } nodes { ...step } } } } }\n", historySize(len(pack)), i)
		}
		body.WriteString("  }\n")
	}
	text := "query(" + strings.TrimSuffix(heads.String(), ", ") + ") {\n" + body.String() + "}"
	if strings.Contains(text, "...change") {
		text += changeFields
	}
	if strings.Contains(text, "...step") {
		text += stepFields
	}
	var answers map[string]*historyAnswer
	denied, err := r.api.query(ctx, pack[0].org, text, vars, &answers)
	for i, s := range pack {
		alias := fmt.Sprintf("r%d", i)
		s.take(answers[alias], denied, alias, err, r.since)
	}
}

func historySize(repos int) int {
	if repos == 1 {
		return 100
	}
	return 50
}

type historyAnswer struct {
	ID    int64 `json:"databaseId"`
	Pulls *struct {
		PageInfo pageInfo     `json:"pageInfo"`
		Nodes    []changeNode `json:"nodes"`
	} `json:"pullRequests"`
	Branch *struct {
		Name   string `json:"name"`
		Target *struct {
			OID     string `json:"oid"`
			History *struct {
				PageInfo pageInfo   `json:"pageInfo"`
				Nodes    []stepNode `json:"nodes"`
			} `json:"history"`
		} `json:"target"`
	} `json:"defaultBranchRef"`
}

// take adds what came for a strand. Whatever was asked and did not come ends it.
func (s *strand) take(a *historyAnswer, denied denials, alias string, err error, since time.Time) {
	if err == nil {
		err = denied.of(alias, "")
	}
	if err == nil && (a == nil || a.ID != s.ID) {
		err = connector.ErrFormat
	}
	if err != nil {
		s.err = fmt.Errorf("history of %s: %w", s.FullName, err)
		return
	}
	if !s.pullsDone {
		s.takePulls(a, denied, alias, since)
	}
	if !s.histDone {
		s.takeHistory(a, denied, alias, since)
	}
}

func (s *strand) takePulls(a *historyAnswer, denied denials, alias string, since time.Time) {
	for _, field := range []string{"pullRequests", "reviews", "commits"} {
		if e := denied.of(alias, field); e != nil {
			s.pullErr, s.pullsDone = e, true
			return
		}
	}
	s.checkErr = firstOf(s.checkErr, denied.of(alias, "statusCheckRollup"))
	if a.Pulls == nil {
		s.err = fmt.Errorf("pull requests of %s: %w", s.FullName, connector.ErrFormat)
		return
	}
	for _, n := range a.Pulls.Nodes {
		p, err := n.pull(s.Private)
		if err != nil {
			s.err = fmt.Errorf("pull requests of %s: %w", s.FullName, err)
			return
		}
		if s.checkErr != nil {
			p.Checks, p.Checked = nil, false
		}
		if !p.MergedAt.Before(since) && !slices.ContainsFunc(s.pulls, func(q pull) bool { return q.Number == p.Number }) {
			s.pulls = append(s.pulls, p)
		}
		if p.UpdatedAt.Before(since) || s.known && p.UpdatedAt.Before(s.old.Newest.Add(-settled)) {
			s.pullsDone = true // nothing is merged after its last update
		}
	}
	s.pullsDone = s.pullsDone || !a.Pulls.PageInfo.HasNextPage
	s.pullsAfter = &a.Pulls.PageInfo.EndCursor
	s.size = packSize
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (s *strand) takeHistory(a *historyAnswer, denied denials, alias string, since time.Time) {
	for _, field := range []string{"defaultBranchRef", "associatedPullRequests"} {
		if e := denied.of(alias, field); e != nil {
			s.commitErr, s.histDone = e, true
			return
		}
	}
	if a.Branch == nil || a.Branch.Target == nil || a.Branch.Target.History == nil {
		s.err = fmt.Errorf("commits of %s: %w", s.FullName, connector.ErrFormat)
		return
	}
	if s.histAfter == nil {
		s.view.Branch.Target.OID = a.Branch.Target.OID // it may have moved since it was looked at
	}
	h := a.Branch.Target.History
	young := false
	for _, n := range h.Nodes {
		c, err := n.commit(s.FullName, s.DefaultBranch)
		if err != nil {
			s.err = fmt.Errorf("commits of %s: %w", s.FullName, err)
			return
		}
		young = young || !c.At.Before(since)
		s.commits = append(s.commits, c)
	}
	// A commit with an invented old date stands before younger ones: only a whole
	// page of old ones ends it.
	s.histDone = !young || !h.PageInfo.HasNextPage
	s.histAfter = &h.PageInfo.EndCursor
	if s.histDone {
		last := 0
		for i, c := range s.commits {
			if !c.At.Before(since) {
				last = i + 1
			}
		}
		s.commits = s.commits[:last]
	}
}

// whole puts together what was read now and what is known from before.
func (s *strand) whole(since time.Time) []pull {
	out := slices.Clone(s.pulls)
	for _, p := range s.old.Pulls {
		if s.checkErr != nil {
			p.Checks, p.Checked = nil, false
		}
		if !p.MergedAt.Before(since) && !slices.ContainsFunc(s.pulls, func(q pull) bool { return q.Number == p.Number }) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b pull) int { return int(a.Number - b.Number) })
	return out
}

// emitHistory emits a strand's changes and commits, and keeps it for the next reading.
func (r *reader) emitHistory(ctx context.Context, s *strand) error {
	pulls := s.whole(r.since)
	pullErr, commitErr := firstOf(s.err, s.pullErr), firstOf(s.err, s.commitErr)
	err := r.scoped(scopeChanges+s.FullName, []string{"change"}, func(y *connector.Tally) error {
		if y.Missing(pullErr, "Pull requests: read") || len(pulls) == 0 {
			return nil
		}
		y.Missing(s.checkErr, "Checks: read")
		required, err := r.required(ctx, s)
		if y.Missing(err, "Administration: read"); passing(err) {
			return nil
		}
		for _, p := range pulls {
			if err := r.emit.Fact(scopeChanges+s.FullName, pullID(s.FullName, p.Number), r.changeFact(s.FullName, p, required)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	past := s.past()
	err = r.scoped(scopeCommits+s.FullName, []string{"commit"}, func(y *connector.Tally) error {
		if y.Missing(commitErr, "Contents: read") || y.Missing(pullErr, "Pull requests: read") {
			return nil // without the pull requests every commit would look like one that came past them
		}
		for _, c := range past {
			if c.At.Before(r.since) && s.histKept() {
				continue
			}
			if err := r.emit.Fact(scopeCommits+s.FullName, repoID(s.FullName)+"@"+c.SHA, c.fact(s.FullName)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && pullErr == nil && commitErr == nil && s.checkErr == nil && !s.view.empty() {
		r.remember(s, pulls, past)
	}
	return err
}

// histKept reports that the commits are those of an earlier reading.
func (s *strand) histKept() bool { return s.known && s.old.Head == s.view.head() }

func (r *reader) remember(s *strand, pulls []pull, past []commit) {
	h := history{
		Head: s.view.head(), Total: s.view.Merged.Total, Newest: s.view.Merged.newest(), FullAt: r.run.Now(), Pulls: pulls, Past: past,
	}
	if slices.ContainsFunc(past, func(c commit) bool { return r.run.Now().Sub(c.At) < fresh }) {
		h.Head = "" // its merge may not be noted yet
	}
	if s.known {
		h.FullAt = s.old.FullAt
		if len(s.pulls) == 0 && s.histKept() && h.Newest.Equal(s.old.Newest) && h.Total == s.old.Total {
			return // nothing is new
		}
	}
	r.keep("history "+s.FullName, h)
}

// past returns the commits of the branch that came through no merged pull
// request. The commit that made the repository is not among them: there was
// nothing yet to ask a review of.
func (s *strand) past() []commit {
	commits := s.commits
	if s.histKept() && len(commits) == 0 {
		commits = s.old.Past
	}
	reviewed := map[string]bool{}
	for _, p := range append(slices.Clone(s.pulls), s.old.Pulls...) {
		reviewed[p.Commit] = true
		for _, sha := range p.Commits {
			reviewed[sha] = true
		}
	}
	var out []commit
	for _, c := range commits {
		if !c.Merged && !reviewed[c.SHA] && !c.founds(s.CreatedAt) {
			out = append(out, c)
		}
	}
	return out
}

// required lists the checks that the default branch asks for now.
func (r *reader) required(ctx context.Context, s *strand) (fact.Opt[[]string], error) {
	g, done := r.guarded[s.FullName]
	if !done {
		g = r.guards(ctx, s.org, s.repo, s.view, r.grants(ctx, s.FullName).access())
	}
	p, known := g.protection.Get()
	if err := firstOf(g.classicErr, g.rulesErr); err != nil || !known {
		return fact.Opt[[]string]{}, err
	}
	return p.RequiredChecks, nil
}
