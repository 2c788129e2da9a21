package gitea

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// fresh is how new a commit is for Gitea perhaps not to have noted its merge:
// the branch moves first, the pull request is marked a moment later.
const (
	fresh      = time.Minute
	secondLook = 500 * time.Millisecond
)

// history emits a repository's merged changes and the commits that came past
// them. A mirror takes no change of its own and has neither.
func (r *reader) history(ctx context.Context, repo apiRepo) error {
	if repo.Mirror {
		return nil
	}
	return r.scoped(scopeChanges+repo.FullName, []string{"change"}, func(y *connector.Tally) error {
		return r.scoped(scopeCommits+repo.FullName, []string{"commit"}, func(z *connector.Tally) error {
			if repo.Empty {
				return nil
			}
			return r.fillHistory(ctx, repo, y, z)
		})
	})
}

// fillHistory reads the branch before the pull requests: what is merged in
// between must not look like a push past them.
func (r *reader) fillHistory(ctx context.Context, repo apiRepo, y, z *connector.Tally) error {
	commits, err := r.branchCommits(ctx, repo)
	add(z, err)
	pulls, listErr := r.pulls(ctx, repo, r.since, nil)
	if add(y, listErr) {
		add(z, listErr)
		return nil
	}
	direct := past(commits, pulls, repo)
	if slices.ContainsFunc(direct, func(c apiCommit) bool { return r.run.Now().Sub(c.date()) < fresh }) {
		if err := pause(ctx, secondLook); err == nil {
			pulls, listErr = r.pulls(ctx, repo, r.since, pulls)
			if add(y, listErr) {
				add(z, listErr)
				return nil
			}
			direct = past(commits, pulls, repo)
		}
	}
	if err := r.emitChanges(ctx, repo, pulls, y); err != nil {
		return err
	}
	return r.emitCommits(ctx, repo, direct, pulls, z)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pulls reads the merged pull requests with their details; those that are known stay.
func (r *reader) pulls(ctx context.Context, repo apiRepo, since time.Time, known []pull) ([]pull, error) {
	found, err := r.mergedPulls(ctx, repo, since)
	if err != nil {
		return known, err
	}
	out := slices.Clone(known)
	for _, p := range found {
		if !slices.ContainsFunc(known, func(k pull) bool { return k.Number == p.Number }) {
			out = append(out, r.pull(ctx, repo, p))
		}
	}
	return out, nil
}

func (r *reader) emitChanges(ctx context.Context, repo apiRepo, pulls []pull, y *connector.Tally) error {
	required := fact.Some([]string{})
	if len(pulls) > 0 {
		required = r.requiredChecks(ctx, repo, y)
	}
	for _, p := range pulls {
		add(y, p.err)
		add(y, p.stErr)
		if passing(p.err) || passing(p.stErr) || ctx.Err() != nil {
			continue
		}
		if err := r.emit.Fact(scopeChanges+repo.FullName, pullID(repo.FullName, p.Number), r.changeFact(repo, p, required)); err != nil {
			return err
		}
	}
	return nil
}

// requiredChecks lists the checks that the default branch asks for now.
func (r *reader) requiredChecks(ctx context.Context, repo apiRepo, y *connector.Tally) fact.Opt[[]string] {
	b, err := r.defaultBranch(ctx, repo)
	if add(y, err) {
		return fact.Opt[[]string]{}
	}
	if !b.EnableStatusCheck {
		return fact.Some([]string{})
	}
	return fact.Some(b.StatusContexts)
}

// emitCommits emits the commits that came past review. Where the commits of a
// merged pull request could not be read, any commit up to its merge might be
// one of them, and is left out.
func (r *reader) emitCommits(ctx context.Context, repo apiRepo, direct []apiCommit, pulls []pull, z *connector.Tally) error {
	var unclear time.Time
	for _, p := range pulls {
		if add(z, p.err) && p.MergedAt.After(unclear) {
			unclear = *p.MergedAt
		}
	}
	pushers, err := r.pushers(ctx, repo, direct)
	if add(z, err) && passing(err) {
		return nil // as last seen
	}
	for _, c := range direct {
		if !c.date().After(unclear) {
			continue
		}
		f := commitFact(repo, c)
		f.Pusher = fact.SomeIf(pushers[c.SHA], pushers[c.SHA] != "")
		if err := r.emit.Fact(scopeCommits+repo.FullName, repoID(repo.FullName)+"@"+c.SHA, f); err != nil {
			return err
		}
	}
	return nil
}

func commitFact(repo apiRepo, c apiCommit) fact.Commit {
	title, _, _ := strings.Cut(c.Commit.Message, "\n")
	author := c.Commit.Author.Name
	if c.Author != nil && c.Author.Login != "" {
		author = c.Author.Login
	}
	f := fact.Commit{
		Repository: refTo(repo.FullName), SHA: fact.Some(c.SHA), Title: fact.Some(title), Author: fact.SomeIf(author, author != ""),
		At: fact.SomeIf(c.date().UTC(), !c.date().IsZero()), Reviewed: fact.Some(false), URL: fact.SomeIf(c.HTMLURL, c.HTMLURL != ""),
	}
	if v := c.Commit.Verification; v != nil {
		f.Signed = fact.Some(v.Signature != "")
	}
	return f
}

func (c apiCommit) date() time.Time {
	t, err := time.Parse(time.RFC3339, c.Commit.Committer.Date)
	if err != nil {
		return time.Time{}
	}
	return t
}

// branchCommits reads the default branch's commits of the period, newest
// first. It goes on until a whole page is older, and keeps every commit that
// stands before the last one of the period: a commit with an invented old date
// is among them.
func (r *reader) branchCommits(ctx context.Context, repo apiRepo) ([]apiCommit, error) {
	var all []apiCommit
	path := repoPath(repo.FullName) + "/commits?stat=false&files=false&verification=true&sha=" + url.QueryEscape(repo.DefaultBranch)
	err := each(ctx, r.api, path, func(page []apiCommit) (bool, error) {
		young := len(page) == 0 // an empty page is no old one: its total is to be checked
		for _, c := range page {
			if c.SHA == "" || c.Commit == nil {
				return false, connector.ErrFormat
			}
			young = young || !c.date().Before(r.since)
		}
		all = append(all, page...)
		return young, nil
	})
	last := 0
	for i, c := range all {
		if !c.date().Before(r.since) {
			last = i + 1
		}
	}
	if err != nil {
		return all[:last], fmt.Errorf("commits of %s: %w", repo.FullName, err)
	}
	return all[:last], nil
}

// past returns the commits of the branch that came through none of the merged
// pull requests. The commit that made the repository is not among them: there
// was nothing yet to ask a review of.
func past(branch []apiCommit, pulls []pull, repo apiRepo) []apiCommit {
	byID := map[string]apiCommit{}
	for _, c := range branch {
		byID[c.SHA] = c
	}
	reviewed := map[string]bool{}
	for _, p := range pulls {
		reviewed[p.MergeSHA] = true
		for _, c := range p.detail.Commits {
			reviewed[c.SHA] = true
		}
		for _, sha := range rebased(p, byID) {
			reviewed[sha] = true
		}
	}
	var out []apiCommit
	for _, c := range branch {
		if !reviewed[c.SHA] && !c.founds(repo) {
			out = append(out, c)
		}
	}
	return out
}

// founds reports that a commit has no parent and was made as the repository was.
func (c apiCommit) founds(repo apiRepo) bool {
	d := c.date().Sub(repo.CreatedAt)
	return len(c.Parents) == 0 && d > -time.Minute && d < time.Hour
}

// rebased finds the commits that a rebase made anew from a pull request's. They
// end at the merge, or at its second parent, one for each of the pull
// request's commits, and keep author, time and message: whatever differs ends
// the row, so that no other commit hides among them.
func rebased(p pull, byID map[string]apiCommit) []string {
	tip, ok := byID[p.MergeSHA]
	if ok && len(tip.Parents) == 2 {
		tip, ok = byID[tip.Parents[1].SHA]
	}
	var out []string
	for _, want := range p.detail.Commits {
		if len(want.Parents) > 1 {
			continue // a rebase leaves merges out
		}
		if !ok || !sameWork(tip, want) {
			break
		}
		out = append(out, tip.SHA)
		if len(tip.Parents) != 1 {
			break
		}
		tip, ok = byID[tip.Parents[0].SHA]
	}
	return out
}

func sameWork(a, b apiCommit) bool {
	x, y := a.Commit, b.Commit
	return x.Author == y.Author && strings.TrimSpace(x.Message) == strings.TrimSpace(y.Message)
}

// matchGlob matches a Gitea pattern: * is any run, ? one character, [a-z] a
// class, {a,b} a choice, \ takes the next one as it is. A pattern that cannot
// be read matches itself only.
func matchGlob(pattern, name string) bool {
	if pattern == name {
		return true
	}
	re, err := regexp.Compile("^(?s:" + globToRegexp(pattern) + ")$")
	return err == nil && re.MatchString(name)
}

func globToRegexp(pattern string) string {
	var b strings.Builder
	depth, class := 0, false
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == '\\' && i+1 < len(runes):
			i++
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		case class:
			class = c != ']'
			b.WriteRune(c)
		case c == '[':
			class = true
			b.WriteRune('[')
			if i+1 < len(runes) && runes[i+1] == '!' {
				i++
				b.WriteByte('^')
			}
		case c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteByte('.')
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == '}' && depth > 0:
			depth--
			b.WriteByte(')')
		case c == ',' && depth > 0:
			b.WriteByte('|')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}
