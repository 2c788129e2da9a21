package gitea

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// whyTargeted is the reason of a scope in which only some things were read again.
const whyTargeted = "only what was announced was read again"

// Reread implements connector.Rereader. What a repository has alone (keys,
// pipelines, changes, commits) is read again as a whole; of an organisation's
// repositories only the named ones, so that scope stays partial.
func (Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	t := sortTargets(targets, run.Settings.List("organisations"))
	whole := map[string][]apiRepo{}
	var lists connector.Tally
	for _, org := range t.orgs {
		found, err := r.repositories(ctx, org, &lists)
		if err != nil {
			return err
		}
		whole[strings.ToLower(org)] = found
	}
	if err := r.rereadRepos(ctx, t, whole); err != nil {
		return err
	}
	if err := r.rereadHistories(ctx, t); err != nil {
		return err
	}
	if t.accounts {
		if err := r.rereadAccounts(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// targets are sorted by what they ask for.
type targets struct {
	orgs      []string           // whole lists of repositories
	repos     []string           // acme/web
	histories []string           // acme/web
	pulls     map[string][]int64 // acme/web → numbers, where the whole history is not asked for
	accounts  bool
}

// sortTargets leaves out what it does not know, and organisations that are not
// the source's: a webhook of the whole server tells of all.
func sortTargets(names, orgs []string) targets {
	t := targets{pulls: map[string][]int64{}}
	ours := func(org string) bool {
		return len(orgs) == 0 || slices.ContainsFunc(orgs, func(o string) bool { return strings.EqualFold(o, org) })
	}
	for _, n := range names {
		what, name, _ := strings.Cut(n, ":")
		if what == "repo" {
			name, _, _ = strings.Cut(name, ":") // a tripwire says after it what it looked at
		}
		owner, _, _ := strings.Cut(name, "/")
		if what != "accounts" && (!ours(owner) || !validName(owner)) {
			continue
		}
		switch {
		case what == "accounts":
			t.accounts = true
		case what == "repositories":
			t.orgs = append(t.orgs, name)
		case what == "repo" && validRepo(name):
			t.repos = append(t.repos, name)
		case what == "history" && validRepo(name):
			t.histories = append(t.histories, name)
		case what == "pull":
			repo, n, _ := strings.Cut(name, "#")
			if number, err := strconv.ParseInt(n, 10, 64); err == nil && validRepo(repo) {
				t.pulls[repo] = append(t.pulls[repo], number)
			}
		}
	}
	t.orgs, t.repos, t.histories = sorted(t.orgs), sorted(t.repos), sorted(t.histories)
	for _, h := range t.histories {
		delete(t.pulls, h)
	}
	return t
}

// rereadRepos reads named repositories again, organisation by organisation.
func (r *reader) rereadRepos(ctx context.Context, t targets, whole map[string][]apiRepo) error {
	byOrg := map[string][]string{}
	var orgs []string
	for _, name := range t.repos {
		org, _, _ := strings.Cut(name, "/")
		if _, done := whole[strings.ToLower(org)]; done {
			continue
		}
		if byOrg[org] == nil {
			orgs = append(orgs, org)
		}
		byOrg[org] = append(byOrg[org], name)
	}
	for _, org := range orgs {
		err := r.scoped(scopeRepositories+org, []string{"repository"}, func(y *connector.Tally) error {
			y.Targeted(whyTargeted)
			for _, name := range byOrg[org] {
				repo, err := r.oneRepo(ctx, name)
				if add(y, err) {
					continue
				}
				if err := r.repository(ctx, org, repo, y); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) oneRepo(ctx context.Context, name string) (apiRepo, error) {
	var repo apiRepo
	org, _, _ := strings.Cut(name, "/")
	if err := r.api.get(ctx, repoPath(name), &repo); err != nil {
		return repo, fmt.Errorf("repository %s: %w", name, err)
	}
	return repo, repo.check(org)
}

func (r *reader) rereadHistories(ctx context.Context, t targets) error {
	for _, name := range t.histories {
		repo, err := r.oneRepo(ctx, name)
		if err != nil {
			if err := r.refusedHistory(name, err); err != nil {
				return err
			}
			continue
		}
		if err := r.history(ctx, repo); err != nil {
			return err
		}
	}
	for name, numbers := range t.pulls {
		if err := r.rereadPulls(ctx, name, numbers); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) refusedHistory(name string, cause error) error {
	err := r.scoped(scopeChanges+name, []string{"change"}, func(y *connector.Tally) error { add(y, cause); return nil })
	if err != nil {
		return err
	}
	return r.scoped(scopeCommits+name, []string{"commit"}, func(y *connector.Tally) error { add(y, cause); return nil })
}

func (r *reader) rereadPulls(ctx context.Context, name string, numbers []int64) error {
	return r.scoped(scopeChanges+name, []string{"change"}, func(y *connector.Tally) error {
		y.Targeted(whyTargeted)
		repo, err := r.oneRepo(ctx, name)
		if add(y, err) {
			return nil
		}
		slices.Sort(numbers)
		var pulls []pull
		for _, n := range slices.Compact(numbers) {
			var p apiPull
			err := r.api.get(ctx, fmt.Sprintf("%s/pulls/%d", repoPath(name), n), &p)
			if err == nil {
				err = p.check()
			}
			if !add(y, err) && p.Merged && p.Base.Ref == repo.DefaultBranch && !p.MergedAt.Before(r.since) {
				pulls = append(pulls, r.pull(ctx, repo, p))
			}
		}
		return r.emitChanges(ctx, repo, pulls, y)
	})
}

// rereadAccounts needs the list of repositories, without reading any of them.
func (r *reader) rereadAccounts(ctx context.Context) error {
	orgs, lists, err := r.organisations(ctx)
	if err != nil {
		return err
	}
	var repos []apiRepo
	for _, org := range orgs {
		found, err := r.listRepos(ctx, org)
		if !add(&lists, err) {
			r.sees(ctx).allOf(org, &lists)
		}
		repos = append(repos, found...)
	}
	return r.accounts(ctx, orgs, repos, lists)
}
