package github

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Names of scopes; those of one organisation or repository go on with its name.
const (
	scopeOrganisations = "organisations"
	scopeTenant        = "organisation "
	scopeFactors       = "second factors "
	scopeAudit         = "audit log "
	scopeApps          = "apps "
	scopeTokens        = "tokens "
	scopeAccounts      = "accounts"
	scopeRepositories  = "repositories "
	scopeKeys          = "keys "
	scopePipelines     = "pipelines "
	scopeEnvironments  = "environments "
	scopeChanges       = "changes "
	scopeCommits       = "commits "
)

// A reader is one reading: it asks each thing once.
type reader struct {
	run     connector.Run
	emit    connector.Emit
	api     *api
	since   time.Time
	orgs    map[string]*org // what is known of each organisation
	rights  map[string]rights
	rules   map[int64]rulesetAnswer
	views   map[string]overview
	guarded map[string]guard
}

// An org is what one reading learnt about an organisation.
type org struct {
	name  string
	about organisation
	err   error // of about
	sight sight
	apps  []installation
	appEr error
	named []team
	nameE error
	teams []teamAnswer
	teamE error
	users []member
	userE error
}

func newReader(run connector.Run, emit connector.Emit) (*reader, error) {
	if run.HTTP == nil {
		return nil, fmt.Errorf("%w: no HTTP client", connector.ErrSettings)
	}
	days := run.Settings.Int("days")
	if days <= 0 {
		days = defaultDays
	}
	a, err := newAPI(run)
	if err != nil {
		return nil, err
	}
	return &reader{
		run: run, emit: emit, api: a, since: run.Now().AddDate(0, 0, -int(days)),
		orgs: map[string]*org{}, rights: map[string]rights{}, rules: map[int64]rulesetAnswer{},
		views: map[string]overview{}, guarded: map[string]guard{},
	}, nil
}

// Collect implements connector.Connector.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	names, lists, err := r.organisations(ctx)
	if err != nil {
		return err
	}
	var repos []repo
	for _, name := range names {
		found, err := r.organisation(ctx, name, &lists)
		if err != nil {
			return err
		}
		repos = append(repos, found...)
	}
	if err := r.accounts(ctx, names, repos, lists); err != nil {
		return err
	}
	if err := r.histories(ctx, repos); err != nil {
		return err
	}
	return ctx.Err()
}

// organisation emits all of an organisation but its accounts and history, and
// returns its repositories.
func (r *reader) organisation(ctx context.Context, name string, lists *connector.Tally) ([]repo, error) {
	if err := r.tenant(ctx, name); err != nil {
		return nil, err
	}
	if err := r.auditLog(ctx, name); err != nil {
		return nil, err
	}
	if err := r.tokens(ctx, name); err != nil {
		return nil, err
	}
	repos, err := r.repositories(ctx, name, lists)
	if err != nil {
		return nil, err
	}
	return repos, r.alerts(ctx, name)
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
	reading, d := y.Result()
	return r.emit.Close(name, reading, d)
}

// organisations returns the organisations to read. Where the settings name
// none it asks, and a scope of its own tells how that went, as does the tally.
func (r *reader) organisations(ctx context.Context) (found []string, met connector.Tally, err error) {
	if named := r.run.Settings.List("organisations"); len(named) > 0 {
		return sorted(named), met, nil
	}
	err = r.scoped(scopeOrganisations, []string{"tenant", "repository", "account"}, func(y *connector.Tally) error {
		var err error
		if found, err = r.ownOrganisations(ctx); y.Add(err) {
			met = *y
			return nil
		}
		if len(found) == 0 {
			y.Missing(hidden("/user/orgs"), "membership of an organisation")
		}
		met = *y
		return nil
	})
	return sorted(found), met, err
}

func (r *reader) ownOrganisations(ctx context.Context) ([]string, error) {
	if r.api.auth.isApp() {
		return r.api.auth.installed(ctx, r.api)
	}
	users, err := list[user](ctx, r.api, "", "/user/orgs")
	var found []string
	for _, u := range users {
		if u.Login == "" {
			return nil, fmt.Errorf("an organisation without a name: %w", connector.ErrFormat)
		}
		found = append(found, u.Login)
	}
	return found, err
}

// hidden stands for an answer of 403: what came may be less than there is.
func hidden(path string) error { return &connector.StatusError{Status: 403, Path: path} }

// repositories emits an organisation's repositories, with their keys, pipelines
// and environments. What keeps the list from being whole is also noted in lists.
func (r *reader) repositories(ctx context.Context, name string, lists *connector.Tally) ([]repo, error) {
	var repos []repo
	err := r.scoped(scopeRepositories+name, []string{"repository"}, func(y *connector.Tally) error {
		var err error
		repos, err = r.listRepos(ctx, name)
		lists.Add(err)
		if !y.Add(err) {
			r.whole(ctx, name, len(repos), y)
			r.whole(ctx, name, len(repos), lists)
		}
		return r.eachRepository(ctx, name, repos, y)
	})
	return repos, err
}

func (r *reader) listRepos(ctx context.Context, name string) ([]repo, error) {
	seen := map[int64]bool{}
	var repos []repo
	err := pages(ctx, r.api, name, orgPath(name)+"/repos?type=all&sort=full_name", func(part []repo) (int, error) {
		for _, x := range part {
			if err := x.check(name); err != nil {
				return 0, err
			}
			if !seen[x.ID] {
				seen[x.ID] = true
				repos = append(repos, x)
			}
		}
		return len(part), nil
	})
	slices.SortFunc(repos, func(a, b repo) int { return strings.Compare(a.FullName, b.FullName) })
	return repos, err
}

// whole notes in the tally why a list of n repositories may not be all of them:
// GitHub gives whom may not see all a shorter list, not a refusal. Owners are
// told how many there are; an App knows whether it was let into all.
func (r *reader) whole(ctx context.Context, name string, n int, y *connector.Tally) {
	o := r.org(ctx, name)
	if r.api.auth.isApp() && o.sight.all {
		return
	}
	if o.err != nil {
		y.Add(o.err)
		return
	}
	if o.about.PrivateRepos == nil || o.about.PublicRepos == nil {
		y.Missing(hidden(orgPath(name)), ownerNeeded)
		return
	}
	total := int(*o.about.PublicRepos + *o.about.PrivateRepos)
	y.Of(max(total, n))
	if n < total {
		y.Missing(hidden(orgPath(name)+"/repos"), "all repositories of the organisation")
	}
}

// Ids of facts. GitHub's names hold no character that would make two alike;
// they are compared without regard to case, but written in one way.
func repoID(full string) string          { return "github/" + full }
func accountID(login string) string      { return "github/" + login }
func pullID(full string, n int64) string { return fmt.Sprintf("github/%s#%d", full, n) }

func refTo(full string) fact.Opt[fact.Ref] { return fact.Some(fact.Ref(repoID(full))) }

// passing reports an error that says nothing about the thing itself: the
// fact is then left as it was last seen.
func passing(err error) bool { return err != nil && !connector.Refused(err) }

// recall and keep are a memory over readings, where the run has one.
func (r *reader) recall(key string, v any) bool {
	if r.run.Memo == nil {
		return false
	}
	b, ok := r.run.Memo.Recall(key)
	return ok && json.Unmarshal(b, v) == nil
}

func (r *reader) keep(key string, v any) {
	if r.run.Memo == nil {
		return
	}
	if b, err := json.Marshal(v); err == nil {
		r.run.Memo.Keep(key, b)
	}
}

// sorted returns the texts in order, each once; never nil, since nobody is an answer too.
func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	out = slices.Compact(out)
	if out == nil {
		return []string{}
	}
	return out
}

func cutName(full string) (owner, name string, ok bool) {
	owner, name, ok = strings.Cut(full, "/")
	return owner, name, ok && owner != "" && name != ""
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// validRepo holds for owner/name as GitHub allows them.
func validRepo(full string) bool {
	owner, name, ok := strings.Cut(full, "/")
	return ok && validName(owner) && validName(name)
}

func validName(s string) bool {
	if s == "" || len(s) > 100 || s == "." || s == ".." {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.", c)
	}) < 0
}

// said turns what GitHub may leave out into what it said.
func opt[T any](p *T) fact.Opt[T] {
	if p == nil {
		return fact.Opt[T]{}
	}
	return fact.Some(*p)
}
