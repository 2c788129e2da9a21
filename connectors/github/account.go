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

// A member is an account of an organisation, as GraphQL tells in one go.
type member struct {
	user
	Name      string
	Email     string
	CreatedAt time.Time
	Owner     bool
	TwoFactor *bool
}

const membersQuery = `query($org: String!, $after: String) {
  organization(login: $org) {
    membersWithRole(first: 100, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges {
        role
        hasTwoFactorEnabled
        node { login databaseId name email createdAt organizationVerifiedDomainEmails(login: $org) }
      }
    }
  }
}`

type pageInfo struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

type memberAnswer struct {
	Organization *struct {
		Members *struct {
			Total    int      `json:"totalCount"`
			PageInfo pageInfo `json:"pageInfo"`
			Edges    []struct {
				Role      string `json:"role"`
				TwoFactor *bool  `json:"hasTwoFactorEnabled"`
				Node      *struct {
					Login     string    `json:"login"`
					ID        int64     `json:"databaseId"`
					Name      string    `json:"name"`
					Email     string    `json:"email"`
					CreatedAt time.Time `json:"createdAt"`
					Verified  []string  `json:"organizationVerifiedDomainEmails"`
				} `json:"node"`
			} `json:"edges"`
		} `json:"membersWithRole"`
	} `json:"organization"`
}

// members lists an organisation's members, once. Whoever is nobody there is
// shown the public ones only, which counts as a refusal.
func (r *reader) members(ctx context.Context, name string) ([]member, error) {
	o := r.org(ctx, name)
	if o.users != nil || o.userE != nil {
		return o.users, o.userE
	}
	switch {
	case o.sight.err != nil:
		o.userE = o.sight.err
	case !o.sight.member:
		o.userE = hidden(orgPath(name) + "/members")
	default:
		o.users, o.userE = r.readMembers(ctx, name)
	}
	return o.users, o.userE
}

func (r *reader) readMembers(ctx context.Context, name string) ([]member, error) {
	all := []member{}
	vars := map[string]any{"org": name, "after": nil}
	for range maxPages {
		var a memberAnswer
		denied, err := r.api.query(ctx, name, membersQuery, vars, &a)
		if err == nil {
			err = denied.of("organization", "membersWithRole")
		}
		if err == nil && (a.Organization == nil || a.Organization.Members == nil) {
			err = connector.ErrFormat
		}
		if err != nil {
			return nil, fmt.Errorf("members of %s: %w", name, err)
		}
		m := a.Organization.Members
		for _, e := range m.Edges {
			if e.Node == nil || e.Node.Login == "" || e.Role == "" {
				return nil, fmt.Errorf("members of %s: %w", name, connector.ErrFormat)
			}
			n := e.Node
			x := member{user: user{ID: n.ID, Login: n.Login, Type: "User"}, Name: n.Name, Email: n.Email, CreatedAt: n.CreatedAt, Owner: e.Role == "ADMIN", TwoFactor: e.TwoFactor}
			if len(n.Verified) > 0 {
				x.Email = n.Verified[0]
			}
			all = append(all, x)
		}
		if !m.PageInfo.HasNextPage {
			if len(all) < m.Total {
				return nil, fmt.Errorf("members of %s: %w", name, connector.ErrCapped)
			}
			return all, nil
		}
		vars["after"] = m.PageInfo.EndCursor
	}
	return nil, connector.ErrCapped
}

func owners(users []member) []string {
	var out []string
	for _, m := range users {
		if m.Owner {
			out = append(out, m.Login)
		}
	}
	return sorted(out)
}

func logins(users []user) []string {
	var out []string
	for _, u := range users {
		out = append(out, u.Login)
	}
	return out
}

func (r *reader) outside(ctx context.Context, name string) ([]user, error) {
	return r.users(ctx, name, orgPath(name)+"/outside_collaborators")
}

func (r *reader) users(ctx context.Context, name, path string) ([]user, error) {
	all, err := list[user](ctx, r.api, name, path)
	if err == nil && slices.ContainsFunc(all, func(u user) bool { return u.ID == 0 || u.Login == "" }) {
		err = fmt.Errorf("%s: an account without a name: %w", path, connector.ErrFormat)
	}
	return all, err
}

// A teamAnswer is a team with its members.
type teamAnswer struct {
	team
	users []user
	err   error
}

// teams reads an organisation's teams and who is in them, once.
func (r *reader) teams(ctx context.Context, name string) ([]teamAnswer, error) {
	o := r.org(ctx, name)
	if o.teams != nil || o.teamE != nil {
		return o.teams, o.teamE
	}
	all, err := r.teamList(ctx, name)
	if o.teamE = err; err != nil {
		return nil, err
	}
	o.teams = []teamAnswer{}
	for _, t := range all {
		users, err := r.users(ctx, name, orgPath(name)+"/teams/"+escape(t.Slug)+"/members")
		o.teams = append(o.teams, teamAnswer{team: t, users: users, err: err})
	}
	return o.teams, nil
}

// teamList lists an organisation's teams, once.
func (r *reader) teamList(ctx context.Context, name string) ([]team, error) {
	o := r.org(ctx, name)
	if o.named != nil || o.nameE != nil {
		return o.named, o.nameE
	}
	all, err := list[team](ctx, r.api, name, orgPath(name)+"/teams")
	if err == nil && slices.ContainsFunc(all, func(t team) bool { return t.ID == 0 || t.Slug == "" }) {
		err = fmt.Errorf("teams of %s: %w", name, connector.ErrFormat)
	}
	if o.nameE = err; err == nil {
		o.named = append([]team{}, all...)
	}
	return o.named, err
}

// A person is what the organisations and repositories say about one account.
type person struct {
	member
	inside, outside bool
	roles           []string
	groups          []string
	writes          []string
	factor          fact.Opt[bool]
}

// A roster gathers people over all organisations; what it could not read makes
// fields unknown.
type roster struct {
	people                  map[string]*person // by login, lower case
	whole, groups, writes   bool               // members and outsiders, teams, collaborators read whole
	factors, outsideFactors map[string]bool    // who has none, by login
	blind                   error              // something failed for a passing reason
}

func (o *roster) miss(err error) {
	if o.blind == nil && passing(err) {
		o.blind = err
	}
}

func (o *roster) of(u user) *person {
	key := strings.ToLower(u.Login)
	p, ok := o.people[key]
	if !ok {
		p = &person{member: member{user: u}}
		o.people[key] = p
	}
	return p
}

// accounts emits the accounts of all organisations in one scope, since one
// account may belong to several: members, outside collaborators and Apps.
func (r *reader) accounts(ctx context.Context, names []string, repos []repo, lists connector.Tally) error {
	o := &roster{people: map[string]*person{}, whole: true, groups: true, writes: true}
	if reading, _ := lists.Result(); reading != fact.Complete || len(names) == 0 {
		o.writes = false
	}
	for _, name := range names {
		if err := r.factors(ctx, name, o); err != nil {
			return err
		}
	}
	return r.scoped(scopeAccounts, []string{"account"}, func(y *connector.Tally) error {
		if reading, _ := lists.Result(); reading != fact.Complete {
			*y = lists
		}
		for _, name := range names {
			r.fill(ctx, name, o, y)
		}
		for _, x := range repos {
			if x.archived() {
				continue // nobody writes to it
			}
			g := r.grants(ctx, x.FullName)
			if y.Missing(g.err, "Metadata: read") {
				o.writes = false
			}
			for _, c := range g.all {
				p := o.of(c.user)
				p.writes = append(p.writes, repoID(x.FullName))
			}
		}
		if y.Add(firstOf(o.blind, ctx.Err())) {
			return nil // a fact without the field would overwrite what is known
		}
		for _, p := range o.people {
			if err := r.emit.Fact(scopeAccounts, accountID(p.Login), r.accountFact(o, p)); err != nil {
				return err
			}
		}
		return r.appAccounts(ctx, names, repos, o, y)
	})
}

// factors asks who has no second factor. GitHub tells owners only, and answers
// others with 422; a scope of its own says how that went.
func (r *reader) factors(ctx context.Context, name string, o *roster) error {
	return r.scoped(scopeFactors+name, []string{"account"}, func(y *connector.Tally) error {
		for _, x := range []struct {
			path string
			who  *map[string]bool
		}{{"/members", &o.factors}, {"/outside_collaborators", &o.outsideFactors}} {
			users, err := r.users(ctx, name, orgPath(name)+x.path+"?filter=2fa_disabled")
			if status, _ := said(err); status == 422 {
				err = hidden(orgPath(name) + x.path)
			}
			if y.Missing(err, ownerNeeded) {
				o.miss(err)
				continue
			}
			if *x.who == nil {
				*x.who = map[string]bool{}
			}
			for _, u := range users {
				(*x.who)[strings.ToLower(name+"/"+u.Login)] = true
			}
			(*x.who)[strings.ToLower(name)] = true // this organisation was told
		}
		return nil
	})
}

// fill adds an organisation's members, teams and outside collaborators.
func (r *reader) fill(ctx context.Context, name string, o *roster, y *connector.Tally) {
	users, err := r.members(ctx, name)
	if y.Missing(err, "Members: read") {
		o.whole = false
		o.miss(err)
	}
	for _, m := range users {
		p := o.of(m.user)
		owner := p.Owner || m.Owner
		p.member = m
		p.inside, p.Owner = true, owner
		p.roles = append(p.roles, map[bool]string{true: "owner", false: "member"}[m.Owner])
		p.factor = lacks(o.factors, name, m.Login, p.factor)
	}
	outside, err := r.outside(ctx, name)
	if y.Missing(err, "Members: read") {
		o.whole = false
		o.miss(err)
	}
	for _, u := range outside {
		p := o.of(u)
		p.outside = true
		p.roles = append(p.roles, "outside collaborator")
		p.factor = lacks(o.outsideFactors, name, u.Login, p.factor)
	}
	teams, err := r.teams(ctx, name)
	if y.Missing(err, "Members: read") {
		o.groups = false
		o.miss(err)
	}
	for _, t := range teams {
		if y.Missing(t.err, "Members: read") {
			o.groups = false
			o.miss(t.err)
			continue
		}
		for _, u := range t.users {
			p := o.of(u)
			p.groups = append(p.groups, name+"/"+t.Slug)
		}
	}
}

// lacks says whether an account has a second factor, once its organisation told.
func lacks(none map[string]bool, name, login string, before fact.Opt[bool]) fact.Opt[bool] {
	if !none[strings.ToLower(name)] {
		return before
	}
	return fact.Some(!none[strings.ToLower(name+"/"+login)])
}

func (r *reader) accountFact(o *roster, p *person) fact.Account {
	f := fact.Account{
		Login: fact.Some(p.Login), Name: fact.SomeIf(p.Name, p.Name != ""), System: fact.Some("github"),
		Email: fact.SomeIf(p.Email, p.Email != ""), Type: fact.Some("human"), Active: fact.Some(true), MFA: p.factor,
		CreatedAt: fact.SomeIf(p.CreatedAt.UTC(), !p.CreatedAt.IsZero()),
		Admin:     fact.SomeIf(p.Owner, p.Owner || o.whole),
		External:  fact.SomeIf(!p.inside, p.inside || o.whole),
		Groups:    fact.SomeIf(sorted(p.groups), o.groups),
		Roles:     fact.SomeIf(sorted(p.roles), o.whole),
		WritesTo:  fact.SomeIf(sorted(p.writes), o.writes),
	}
	if p.Type == "Bot" || r.isBot(p.Login) {
		f.Type = fact.Some("service")
	}
	return f
}

// isBot says whether an account is a program's: GitHub marks those of Apps, the
// settings name the others.
func (r *reader) isBot(login string) bool {
	return strings.HasSuffix(login, "[bot]") || slices.ContainsFunc(r.run.Settings.List("bots"), func(b string) bool { return sameName(b, login) })
}

// appAccounts emits the installed Apps as accounts of programs.
func (r *reader) appAccounts(ctx context.Context, names []string, repos []repo, o *roster, y *connector.Tally) error {
	apps := map[string]*fact.Account{}
	for _, name := range names {
		g := r.org(ctx, name)
		if y.Missing(g.appEr, "Organization administration: read") {
			continue
		}
		for _, i := range g.apps {
			login := i.AppSlug + "[bot]"
			if _, is := o.people[strings.ToLower(login)]; is {
				continue // it is also a collaborator, and was told already
			}
			f := i.fact(login)
			f.WritesTo = i.writes(name, repos, o.writes)
			if before, ok := apps[login]; ok {
				f = joinApps(*before, f)
			}
			apps[login] = &f
		}
	}
	for login, f := range apps {
		if err := r.emit.Fact(scopeAccounts, accountID(login), *f); err != nil {
			return err
		}
	}
	return nil
}

func (i installation) fact(login string) fact.Account {
	roles, _ := rightsOf(i.Permissions)
	write := func(k string) bool { return i.Permissions[k] == "write" || i.Permissions[k] == "admin" }
	return fact.Account{
		Login: fact.Some(login), System: fact.Some("github"), Type: fact.Some("service"), Interactive: fact.Some(false),
		Active: fact.Some(i.SuspendedAt == nil), Roles: fact.Some(roles), Groups: fact.Some([]string{}),
		Admin:     fact.Some(write("administration") || write("organization_administration") || write("members")),
		CreatedAt: fact.SomeIf(i.CreatedAt.UTC(), !i.CreatedAt.IsZero()),
	}
}

// joinApps adds up what one App is in two organisations.
func joinApps(a, b fact.Account) fact.Account {
	a.Active = fact.Some(a.Active.Or(false) || b.Active.Or(false))
	a.Admin = fact.Some(a.Admin.Or(false) || b.Admin.Or(false))
	a.WritesTo = join(a.WritesTo, b.WritesTo)
	a.Roles = fact.Some(sorted(append(a.Roles.Or(nil), b.Roles.Or(nil)...)))
	if at, ok := b.CreatedAt.Get(); ok && at.Before(a.CreatedAt.Or(at.Add(1))) {
		a.CreatedAt = b.CreatedAt
	}
	return a
}

// writes lists what an App may write to: unknown where it was let into some
// repositories, which GitHub does not name.
func (i installation) writes(org string, repos []repo, whole bool) fact.Opt[[]string] {
	if i.Permissions["contents"] != "write" {
		return fact.Some([]string{})
	}
	var out []string
	for _, x := range repos {
		if owner, _, _ := cutName(x.FullName); sameName(owner, org) && !x.archived() {
			out = append(out, repoID(x.FullName))
		}
	}
	return fact.SomeIf(sorted(out), i.Selection == "all" && whole)
}
