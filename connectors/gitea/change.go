package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A pull is a pull request that was merged into the default branch, with what
// Gitea tells about it in further answers.
type pull struct {
	apiPull
	detail   pullDetail
	err      error // of the detail
	statuses []fact.StatusCheck
	stErr    error // of the statuses
}

// pullDetail changes only when the pull request is updated.
type pullDetail struct {
	MergedBy string
	Reviews  []apiReview
	Commits  []apiCommit
}

func (p *apiPull) check() error {
	if p.Number == 0 || p.Updated == nil || p.Base == nil || p.Head == nil || p.Merged && p.MergedAt == nil {
		return fmt.Errorf("pull request %d: %w", p.Number, connector.ErrFormat)
	}
	return nil
}

// mergedPulls lists what was merged into the default branch since a time. The
// list is asked newest update first and read until it is older: nothing is
// merged after its last update.
func (r *reader) mergedPulls(ctx context.Context, repo apiRepo, since time.Time) ([]apiPull, error) {
	if repo.HasPulls != nil && !*repo.HasPulls {
		return nil, nil // pull requests are turned off
	}
	seen := map[int64]bool{}
	var out []apiPull
	err := each(ctx, r.api, repoPath(repo.FullName)+"/pulls?state=closed&sort=recentupdate", func(page []apiPull) (bool, error) {
		for i := range page {
			p := page[i]
			if err := p.check(); err != nil {
				return false, err
			}
			if p.Merged && !seen[p.Number] && p.Base.Ref == repo.DefaultBranch && !p.MergedAt.Before(since) {
				seen[p.Number] = true
				out = append(out, p)
			}
		}
		return !endsBefore(page, since), nil
	})
	if err != nil {
		return nil, fmt.Errorf("pull requests of %s: %w", repo.FullName, err)
	}
	return out, nil
}

// endsBefore reports that a page is in falling order of update and ends before the time.
func endsBefore(page []apiPull, t time.Time) bool {
	falling := slices.IsSortedFunc(page, func(a, b apiPull) int { return b.Updated.Compare(*a.Updated) })
	return len(page) > 0 && falling && page[len(page)-1].Updated.Before(t)
}

// pull reads what the list leaves out. Gitea's list has no merged_by.
func (r *reader) pull(ctx context.Context, repo apiRepo, p apiPull) pull {
	out := pull{apiPull: p}
	key := fmt.Sprintf("pull %s %d %d %s", repo.FullName, p.Number, p.Updated.UnixMicro(), p.Head.Sha)
	if b, ok := r.recall(key); !ok || json.Unmarshal(b, &out.detail) != nil {
		out.detail, out.err = r.pullDetail(ctx, repo, p.Number)
		if out.err == nil {
			r.keep(key, out.detail)
		}
	}
	out.statuses, out.stErr = r.settledStatuses(ctx, repo, p)
	return out
}

func (r *reader) pullDetail(ctx context.Context, repo apiRepo, n int64) (pullDetail, error) {
	path := repoPath(repo.FullName) + "/pulls/" + strconv.FormatInt(n, 10)
	var whole apiPull
	if err := r.api.get(ctx, path, &whole); err != nil {
		return pullDetail{}, fmt.Errorf("pull request %d of %s: %w", n, repo.FullName, err)
	}
	if whole.Number != n {
		return pullDetail{}, fmt.Errorf("pull request %d of %s: %w", n, repo.FullName, connector.ErrFormat)
	}
	reviews, err := list[apiReview](ctx, r.api, path+"/reviews")
	if err != nil {
		return pullDetail{}, fmt.Errorf("reviews of %s#%d: %w", repo.FullName, n, err)
	}
	commits, err := list[apiCommit](ctx, r.api, path+"/commits?verification=false&files=false")
	if err == nil && slices.ContainsFunc(commits, func(c apiCommit) bool { return c.SHA == "" || c.Commit == nil }) {
		err = connector.ErrFormat
	}
	if err != nil {
		return pullDetail{}, fmt.Errorf("commits of %s#%d: %w", repo.FullName, n, err)
	}
	d := pullDetail{Reviews: reviews, Commits: commits}
	if whole.MergedBy != nil {
		d.MergedBy = whole.MergedBy.Login
	}
	return d, nil
}

// settled is how long after a merge the results of its checks are read anew.
const settled = 24 * time.Hour

func (r *reader) settledStatuses(ctx context.Context, repo apiRepo, p apiPull) ([]fact.StatusCheck, error) {
	key := "statuses " + repo.FullName + " " + p.Head.Sha
	old := r.run.Now().Sub(*p.MergedAt) > settled
	var out []fact.StatusCheck
	if b, ok := r.recall(key); old && ok && json.Unmarshal(b, &out) == nil {
		return out, nil
	}
	out, err := r.statuses(ctx, repo, p.Head.Sha)
	if err == nil && old {
		r.keep(key, out)
	}
	return out, err
}

// statuses reads the newest result of each check of a commit.
func (r *reader) statuses(ctx context.Context, repo apiRepo, sha string) ([]fact.StatusCheck, error) {
	out := []fact.StatusCheck{}
	for page := 1; page <= maxPages; page++ {
		reply, err := r.api.fetch(ctx, fmt.Sprintf("%s/commits/%s/status?limit=%d&page=%d", repoPath(repo.FullName), url.PathEscape(sha), pageSize, page))
		if err != nil {
			return nil, fmt.Errorf("checks of a commit of %s: %w", repo.FullName, err)
		}
		var s apiStatuses
		if err := reply.Decode(&s); err != nil {
			return nil, err
		}
		if s.SHA != sha {
			return nil, fmt.Errorf("checks of another commit of %s: %w", repo.FullName, connector.ErrFormat)
		}
		for _, x := range s.Statuses {
			out = append(out, fact.StatusCheck{Name: x.Context, Status: checkStatus(x.Status)})
		}
		if total := reply.Header.Get("X-Total-Count"); total != "" && total == strconv.Itoa(len(out)) {
			break
		}
		if len(s.Statuses) == 0 { // older servers give no total
			if err := checkTotal(reply, len(out)); err != nil {
				return nil, err
			}
			break
		}
	}
	slices.SortFunc(out, func(a, b fact.StatusCheck) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// checkStatus says a Gitea state in our words. A warning does not keep Gitea from merging.
func checkStatus(s string) string {
	switch s {
	case "success", "warning":
		return "success"
	case "skipped":
		return "skipped"
	case "pending":
		return "pending"
	default:
		return "failure"
	}
}

// changeFact says what a merged pull request was. A part that was refused is unknown.
func (r *reader) changeFact(repo apiRepo, p pull, required fact.Opt[[]string]) fact.Change {
	f := fact.Change{
		Repository: refTo(repo.FullName), Number: fact.Some(p.Number), Title: fact.Some(p.Title),
		URL: fact.SomeIf(p.HTMLURL, p.HTMLURL != ""), Base: fact.Some(p.Base.Ref), MergedAt: fact.Some(p.MergedAt.UTC()),
		Commit: fact.SomeIf(p.MergeSHA, p.MergeSHA != ""),
	}
	if p.Created != nil {
		f.CreatedAt = fact.Some(p.Created.UTC())
	}
	if p.User != nil && p.User.Login != "" {
		f.Author = fact.Some(p.User.Login)
		f.AuthorIsBot = r.isBot(p.User.Login)
	}
	if p.err == nil {
		approvers, certain := standing(p.detail.Reviews, *p.MergedAt)
		committers, linked := committers(p.detail.Commits)
		f.MergedBy = fact.SomeIf(p.detail.MergedBy, p.detail.MergedBy != "")
		f.Committers = fact.SomeIf(committers, linked)
		if certain {
			f.Approvers = fact.Some(approvers)
			f.OtherApprovers = others(approvers, f.Author, committers, linked)
		}
	}
	if p.stErr == nil {
		f.Checks = fact.Some(p.statuses)
		f.ChecksPassed = passed(p.statuses, required)
	}
	return f
}

// standing lists whose approval stood at the merge: the newest verdict of each
// reviewer, if it is an approval that counts and was neither taken back nor
// overtaken by a later push. Gitea's times are whole seconds: of an approval
// that was taken back in the second of the merge nobody can say which came first.
func standing(reviews []apiReview, merged time.Time) (logins []string, certain bool) {
	newest := map[string]apiReview{}
	for _, v := range reviews {
		if v.User == nil || v.State != "APPROVED" && v.State != "REQUEST_CHANGES" || v.Submitted.After(merged) {
			continue
		}
		if old, ok := newest[v.User.Login]; !ok || v.Submitted.After(old.Submitted) || v.Submitted.Equal(old.Submitted) && v.ID > old.ID {
			newest[v.User.Login] = v
		}
	}
	certain = true
	for login, v := range newest {
		if v.State != "APPROVED" || !v.Official || v.Stale {
			continue
		}
		switch {
		case !v.Dismissed, v.Updated.After(merged):
			logins = append(logins, login)
		case v.Updated.Equal(merged):
			certain = false
		}
	}
	return sorted(logins), certain
}

// committers lists the accounts that wrote or made the commits, and whether
// each commit's author has one: Gitea finds it by e-mail address.
func committers(commits []apiCommit) (logins []string, linked bool) {
	linked = true
	for _, c := range commits {
		if c.Author == nil || c.Author.Login == "" {
			linked = false
		} else {
			logins = append(logins, c.Author.Login)
		}
		if c.Committer != nil && c.Committer.Login != "" {
			logins = append(logins, c.Committer.Login)
		}
	}
	return sorted(logins), linked
}

// others lists the approvers who neither opened the change nor wrote a commit
// of it. Where a commit's author is nobody's account, any approver might have
// written it, and the answer is known only if nobody is left anyway.
func others(approvers []string, author fact.Opt[string], committers []string, linked bool) fact.Opt[[]string] {
	opened, known := author.Get()
	out := []string{}
	for _, a := range approvers {
		if a != opened && !slices.Contains(committers, a) {
			out = append(out, a)
		}
	}
	return fact.SomeIf(out, len(out) == 0 || known && linked)
}

// passed says whether at least one check reported and none failed, waits or,
// of those that the rule requires, is missing.
func passed(checks []fact.StatusCheck, required fact.Opt[[]string]) fact.Opt[bool] {
	if len(checks) == 0 {
		return fact.Some(false)
	}
	for _, c := range checks {
		if c.Status == "failure" || c.Status == "pending" {
			return fact.Some(false)
		}
	}
	patterns, known := required.Get()
	for _, p := range patterns {
		if !slices.ContainsFunc(checks, func(c fact.StatusCheck) bool { return matchGlob(p, c.Name) }) {
			return fact.Some(false)
		}
	}
	return fact.SomeIf(true, known)
}
