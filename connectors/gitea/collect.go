package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Names of scopes; those of one organisation or repository go on with its name.
const (
	scopeOrganisations = "organisations"
	scopeAccounts      = "accounts"
	scopeRepositories  = "repositories "
	scopeKeys          = "keys "
	scopePipelines     = "pipelines "
	scopeChanges       = "changes "
	scopeCommits       = "commits "
)

// A reader is one reading: it asks each thing once.
type reader struct {
	run    connector.Run
	emit   connector.Emit
	api    api
	since  time.Time
	sight  *sight
	teams  map[int64]teamMembers
	rights map[string]repoRights
	heads  map[string]branchAnswer
	hooks  map[string]hookAnswer // by organisation
}

func newReader(run connector.Run, emit connector.Emit) (*reader, error) {
	if run.Settings.Text("url") == "" || run.HTTP == nil {
		return nil, fmt.Errorf("%w: url is missing; set the address of the server", connector.ErrSettings)
	}
	days := run.Settings.Int("days")
	if days <= 0 {
		days = defaultDays
	}
	return &reader{
		run: run, emit: emit, api: newAPI(run), since: run.Now().AddDate(0, 0, -int(days)),
		teams: map[int64]teamMembers{}, rights: map[string]repoRights{}, heads: map[string]branchAnswer{},
		hooks: map[string]hookAnswer{},
	}, nil
}

// Collect implements connector.Connector.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	orgs, lists, err := r.organisations(ctx)
	if err != nil {
		return err
	}
	var repos []apiRepo
	for _, org := range orgs {
		found, err := r.repositories(ctx, org, &lists)
		if err != nil {
			return err
		}
		repos = append(repos, found...)
	}
	if err := r.accounts(ctx, orgs, repos, lists); err != nil {
		return err
	}
	for _, repo := range repos {
		if err := r.history(ctx, repo); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// scoped opens a scope, lets f fill it and closes it with what f met.
func (r *reader) scoped(name string, kinds []string, f func(*connector.Tally) error) error {
	if err := r.emit.Open(connector.Scope{Name: name, Kinds: kinds}); err != nil {
		return err
	}
	var y connector.Tally
	if err := f(&y); err != nil {
		return err
	}
	return r.close(name, &y)
}

func (r *reader) close(name string, y *connector.Tally) error {
	reading, d := y.Result()
	return r.emit.Close(name, reading, d)
}

// add notes an error in a tally, with the permission that Gitea says is missing.
func add(y *connector.Tally, err error) bool { return y.Missing(err, missingScope(err)) }

// organisations returns the organisations to read. Where the settings name
// none it asks, and a scope of its own tells how that went, as does the tally.
func (r *reader) organisations(ctx context.Context) (names []string, met connector.Tally, err error) {
	if named := r.run.Settings.List("organisations"); len(named) > 0 {
		return sorted(named), met, nil
	}
	err = r.scoped(scopeOrganisations, []string{"repository", "account"}, func(y *connector.Tally) error {
		orgs, err := list[apiOrg](ctx, r.api, "/user/orgs")
		if err == nil && slices.ContainsFunc(orgs, func(o apiOrg) bool { return o.Name == "" }) {
			err = fmt.Errorf("an organisation without a name: %w", connector.ErrFormat)
		}
		if !add(y, err) && len(orgs) == 0 {
			y.Missing(errNoOrganisation, "membership of an organisation")
		}
		for _, o := range orgs {
			if o.Name != "" {
				names = append(names, o.Name)
			}
		}
		met = *y
		return nil
	})
	return sorted(names), met, err
}

// errNoOrganisation stands for an answer of 403: an account that belongs to no
// organisation is shown none.
var errNoOrganisation = &connector.StatusError{Status: 403, Path: "/api/v1/user/orgs"}

// A sight says what the credential sees: Gitea gives whom may not see all a
// shorter list, not a refusal.
type sight struct {
	user  apiUser
	teams []apiTeam
	err   error
}

// errSight stands for an answer of 403: the list that came may be short.
var errSight = &connector.StatusError{Status: 403, Path: "/api/v1/user/teams"}

const needsSight = "owner of the organisation, or a team with access to all its repositories"

func (r *reader) sees(ctx context.Context) *sight {
	if r.sight != nil {
		return r.sight
	}
	s := &sight{}
	r.sight = s
	if s.err = r.api.get(ctx, "/user", &s.user); s.err == nil && s.user.Login == "" {
		s.err = fmt.Errorf("account of the credential: %w", connector.ErrFormat)
	}
	if s.err == nil && !s.user.IsAdmin {
		s.teams, s.err = list[apiTeam](ctx, r.api, "/user/teams")
	}
	return s
}

// allOf notes why the credential may not see all of an organisation, if so.
func (s *sight) allOf(org string, y *connector.Tally) {
	if s.err != nil {
		add(y, s.err)
		return
	}
	if s.user.IsAdmin || slices.ContainsFunc(s.teams, func(t apiTeam) bool {
		return t.Organization != nil && strings.EqualFold(t.Organization.Name, org) && (t.Permission == "owner" || t.AllRepos)
	}) {
		return
	}
	y.Missing(errSight, needsSight)
}

// repositories emits an organisation's repositories, their keys and pipelines.
// What keeps the list of repositories from being whole is also noted in lists.
func (r *reader) repositories(ctx context.Context, org string, lists *connector.Tally) ([]apiRepo, error) {
	var repos []apiRepo
	err := r.scoped(scopeRepositories+org, []string{"repository"}, func(y *connector.Tally) error {
		var err error
		repos, err = r.listRepos(ctx, org)
		add(lists, err)
		if !add(y, err) {
			r.sees(ctx).allOf(org, y)
			r.sees(ctx).allOf(org, lists)
			y.Of(len(repos))
		}
		for _, repo := range repos {
			if err := r.repository(ctx, org, repo, y); err != nil {
				return err
			}
		}
		return nil
	})
	return repos, err
}

func (r *reader) listRepos(ctx context.Context, org string) ([]apiRepo, error) {
	seen := map[int64]apiRepo{}
	err := each(ctx, r.api, "/orgs/"+escape(org)+"/repos", func(page []apiRepo) (bool, error) {
		for _, repo := range page {
			if err := repo.check(org); err != nil {
				return false, err
			}
			seen[repo.ID] = repo
		}
		return true, nil
	})
	repos := slices.Collect(maps.Values(seen))
	slices.SortFunc(repos, func(a, b apiRepo) int { return strings.Compare(a.FullName, b.FullName) })
	return repos, err
}

// check refuses what is not a repository of the organisation.
func (a apiRepo) check(org string) error {
	owner, name, ok := strings.Cut(a.FullName, "/")
	if !ok || name == "" || a.ID == 0 || !strings.EqualFold(owner, org) {
		return fmt.Errorf("repository %q of %s: %w", a.FullName, org, connector.ErrFormat)
	}
	return nil
}

// Ids of facts. Gitea's names hold no character that would make two alike.
func repoID(full string) string          { return "gitea/" + full }
func accountID(login string) string      { return "gitea/" + login }
func pullID(full string, n int64) string { return fmt.Sprintf("gitea/%s#%d", full, n) }

// passing reports an error that says nothing about the thing itself: the
// fact is then left as it was last seen.
func passing(err error) bool { return err != nil && !connector.Refused(err) }

func refTo(full string) fact.Opt[fact.Ref] { return fact.Some(fact.Ref(repoID(full))) }

// recall and keep are a memory over readings, where the run has one.
func (r *reader) recall(key string) ([]byte, bool) {
	if r.run.Memo == nil {
		return nil, false
	}
	return r.run.Memo.Recall(key)
}

func (r *reader) keep(key string, v any) {
	if r.run.Memo == nil {
		return
	}
	if b, err := json.Marshal(v); err == nil {
		r.run.Memo.Keep(key, b)
	}
}
