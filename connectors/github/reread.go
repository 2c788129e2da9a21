package github

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// whyTargeted is the reason of a scope in which only some things were read again.
const whyTargeted = "only what was announced was read again"

// Reread implements connector.Rereader. What a repository has alone (keys,
// pipelines, environments, changes, commits) is read again as a whole; of an
// organisation's repositories and alerts only the named ones, so those scopes
// stay partial.
func (Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	t := sortTargets(targets, run.Settings.List("organisations"))
	for _, org := range t.tenants {
		if err := r.tenant(ctx, org); err != nil {
			return err
		}
	}
	for _, org := range t.tokens {
		if err := r.tokens(ctx, org); err != nil {
			return err
		}
	}
	var lists connector.Tally
	for _, org := range t.orgs {
		if _, err := r.repositories(ctx, org, &lists); err != nil {
			return err
		}
	}
	if err := r.rereadRepos(ctx, t); err != nil {
		return err
	}
	if err := r.rereadHistories(ctx, t.histories); err != nil {
		return err
	}
	if err := r.rereadAlerts(ctx, t.alerts); err != nil {
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
	tenants, tokens []string            // organisations
	orgs            []string            // whole lists of repositories
	repos           []string            // acme/web
	histories       []string            // acme/web
	alerts          map[string][]string // scope → kind, repository and number
	accounts        bool
	spell           func(org string) string // as the settings spell it, since scopes are named so
}

// sortTargets leaves out what it does not know, and organisations that are not
// the source's. The forms are tenant:ORG, tokens:ORG, repositories:ORG,
// repo:ORG/NAME, history:ORG/NAME, alert:KIND:ORG/NAME#NUMBER and accounts; a
// tripwire says after another colon what it looked at.
func sortTargets(names, orgs []string) targets {
	t := targets{alerts: map[string][]string{}}
	t.spell = func(org string) string {
		if i := slices.IndexFunc(orgs, func(o string) bool { return sameName(o, org) }); i >= 0 {
			return orgs[i]
		}
		return org
	}
	ours := func(org string) bool {
		return validName(org) && (len(orgs) == 0 || slices.ContainsFunc(orgs, func(o string) bool { return sameName(o, org) }))
	}
	for _, n := range names {
		what, name, _ := strings.Cut(n, ":")
		if what == "alert" {
			t.alert(name, ours)
			continue
		}
		name, _, _ = strings.Cut(name, ":")
		owner, _, _ := strings.Cut(name, "/")
		switch {
		case what == "accounts":
			t.accounts = true
		case !ours(owner):
		case what == "tenant" && validName(name):
			t.tenants = append(t.tenants, t.spell(name))
		case what == "tokens" && validName(name):
			t.tokens = append(t.tokens, t.spell(name))
		case what == "repositories" && validName(name):
			t.orgs = append(t.orgs, t.spell(name))
		case what == "repo" && validRepo(name):
			t.repos = append(t.repos, name)
		case what == "history" && validRepo(name):
			t.histories = append(t.histories, name)
		}
	}
	t.tenants, t.tokens, t.orgs, t.repos, t.histories = sorted(t.tenants), sorted(t.tokens), sorted(t.orgs), sorted(t.repos), sorted(t.histories)
	return t
}

func (t *targets) alert(name string, ours func(string) bool) {
	kind, rest, _ := strings.Cut(name, ":")
	full, number, _ := strings.Cut(rest, "#")
	owner, _, _ := cutName(full)
	if !validRepo(full) || !validName(number) || !ours(owner) {
		return
	}
	for _, w := range watches() {
		scope := w.scope + t.spell(owner)
		if w.name == kind && !slices.Contains(t.alerts[scope], name) {
			t.alerts[scope] = append(t.alerts[scope], name)
		}
	}
}

// rereadRepos reads named repositories again, organisation by organisation.
func (r *reader) rereadRepos(ctx context.Context, t targets) error {
	byOrg := map[string][]string{}
	for _, name := range t.repos {
		org, _, _ := cutName(name)
		if !slices.ContainsFunc(t.orgs, func(o string) bool { return sameName(o, org) }) {
			byOrg[t.spell(org)] = append(byOrg[t.spell(org)], name)
		}
	}
	for _, org := range slices.Sorted(maps.Keys(byOrg)) {
		err := r.scoped(scopeRepositories+org, []string{"repository"}, func(y *connector.Tally) error {
			y.Targeted(whyTargeted)
			var repos []repo
			for _, name := range byOrg[org] {
				x, err := r.oneRepo(ctx, name)
				if !y.Add(err) {
					repos = append(repos, x)
				}
			}
			return r.eachRepository(ctx, org, repos, y)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) oneRepo(ctx context.Context, name string) (repo, error) {
	org, _, _ := cutName(name)
	x, err := get[repo](ctx, r.api, org, repoPath(name))
	if err == nil {
		err = x.check(org)
	}
	if err == nil && !sameName(x.FullName, name) {
		err = connector.ErrFormat // it was renamed, and the list of repositories tells
	}
	if err != nil {
		return x, fmt.Errorf("repository %s: %w", name, err)
	}
	return x, nil
}

func (r *reader) rereadHistories(ctx context.Context, names []string) error {
	var repos []repo
	for _, name := range names {
		x, err := r.oneRepo(ctx, name)
		if err == nil {
			repos = append(repos, x)
			continue
		}
		for scope, kind := range map[string]string{scopeChanges: "change", scopeCommits: "commit"} {
			met := func(y *connector.Tally) error { y.Add(err); return nil }
			if err := r.scoped(scope+name, []string{kind}, met); err != nil {
				return err
			}
		}
	}
	return r.histories(ctx, repos)
}

// rereadAlerts reads single alerts again.
func (r *reader) rereadAlerts(ctx context.Context, scopes map[string][]string) error {
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		err := r.scoped(scope, []string{"vulnerability"}, func(y *connector.Tally) error {
			y.Targeted(whyTargeted)
			for _, name := range scopes[scope] {
				if err := r.oneAlert(ctx, scope, name, y); err != nil {
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

func (r *reader) oneAlert(ctx context.Context, scope, name string, y *connector.Tally) error {
	kind, rest, _ := strings.Cut(name, ":")
	full, number, _ := strings.Cut(rest, "#")
	org, _, _ := cutName(full)
	for _, w := range watches() {
		if w.name != kind {
			continue
		}
		a, err := get[alert](ctx, r.api, org, repoPath(full)+fmt.Sprintf(w.one, escape(number)))
		if y.Missing(err, w.permission) {
			return nil
		}
		a.Repository = &struct {
			FullName string `json:"full_name"`
		}{full} // which GitHub leaves out here
		id, _, err := a.id(w, org)
		if y.Add(err) {
			return nil
		}
		return r.emit.Fact(scope, id, a.fact(w, full))
	}
	return nil
}

// rereadAccounts needs the list of repositories, without reading all of them.
func (r *reader) rereadAccounts(ctx context.Context) error {
	names, lists, err := r.organisations(ctx)
	if err != nil {
		return err
	}
	var repos []repo
	for _, name := range names {
		found, err := r.listRepos(ctx, name)
		if !lists.Add(err) {
			r.whole(ctx, name, len(found), &lists)
		}
		repos = append(repos, found...)
	}
	return r.accounts(ctx, names, repos, lists)
}
