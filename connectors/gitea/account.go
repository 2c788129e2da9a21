package gitea

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A person is what the organisations and repositories say about one account.
type person struct {
	user   apiUser
	member bool
	roles  []string
	groups []string
	writes []string
	owner  bool
}

// A roster gathers people over all organisations; what it could not read makes
// fields unknown.
type roster struct {
	people                       map[string]*person // by login
	members, groups, repoMembers bool               // read whole
}

func (o *roster) of(u apiUser) *person {
	p, ok := o.people[u.Login]
	if !ok {
		p = &person{user: u}
		o.people[u.Login] = p
	}
	return p
}

// accounts emits the accounts of all organisations in one scope, since one
// account may belong to several: members and collaborators. A part that the
// server refuses leaves fields unknown; where a part fails for a passing reason
// no account is emitted, and so each stays as last seen.
func (r *reader) accounts(ctx context.Context, orgs []string, repos []apiRepo, lists connector.Tally) error {
	return r.scoped(scopeAccounts, []string{"account"}, func(y *connector.Tally) error {
		if reading, _ := lists.Result(); reading != fact.Complete {
			*y = lists
		}
		o := &roster{people: map[string]*person{}, members: true, groups: true, repoMembers: true}
		if reading, _ := lists.Result(); reading != fact.Complete || len(orgs) == 0 {
			o.repoMembers = false
		}
		for _, org := range orgs {
			r.organisation(ctx, org, o, y)
		}
		for _, repo := range repos {
			grants, err := r.grants(ctx, repo.FullName)
			if add(y, err) {
				o.repoMembers = false
				continue
			}
			for _, g := range grants {
				o.granted(repo.FullName, g)
			}
		}
		if reading, _ := y.Result(); reading == fact.Partial || ctx.Err() != nil {
			return nil // as last seen: half a roster would take from people what they still have
		}
		for login, p := range o.people {
			if err := r.emit.Fact(scopeAccounts, accountID(login), r.accountFact(o, p)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *roster) granted(repo string, g grant) {
	p := o.of(g.user)
	if g.write {
		p.writes = append(p.writes, repoID(repo))
	}
	if g.direct {
		p.roles = append(p.roles, "collaborator")
	}
}

// organisation adds an organisation's members and teams to the roster.
func (r *reader) organisation(ctx context.Context, org string, o *roster, y *connector.Tally) {
	users, err := list[apiUser](ctx, r.api, "/orgs/"+escape(org)+"/members")
	if err == nil {
		err = checkUsers(users)
	}
	if add(y, err) {
		o.members = false
	}
	for _, u := range users {
		if u.Login == "" {
			continue
		}
		p := o.of(u)
		p.member = true
		p.roles = append(p.roles, "member")
	}
	s := r.sees(ctx)
	if add(y, s.err) || !s.isMember(org, users) {
		o.members = false // whoever is not a member is shown the public ones only
		if s.err == nil {
			y.Missing(errSight, "membership of the organisation")
		}
	}
	teams, err := list[apiTeam](ctx, r.api, "/orgs/"+escape(org)+"/teams")
	if err == nil && slices.ContainsFunc(teams, func(t apiTeam) bool { return t.ID == 0 || t.Name == "" }) {
		err = fmt.Errorf("teams of %s: %w", org, connector.ErrFormat)
	}
	if add(y, err) {
		o.groups = false
		return
	}
	for _, t := range teams {
		users, err := r.members(ctx, t.ID)
		if add(y, err) {
			o.groups = false
			continue
		}
		for _, u := range users {
			p := o.of(u)
			p.member = true
			p.groups = append(p.groups, org+"/"+t.Name)
			if t.Permission == "owner" {
				p.owner = true
				p.roles = append(p.roles, "owner")
			}
		}
	}
}

func (s *sight) isMember(org string, users []apiUser) bool {
	if s.user.IsAdmin {
		return true
	}
	return slices.ContainsFunc(users, func(u apiUser) bool { return u.ID == s.user.ID }) ||
		slices.ContainsFunc(s.teams, func(t apiTeam) bool {
			return t.Organization != nil && strings.EqualFold(t.Organization.Name, org)
		})
}

// accountFact leaves the second factor unknown: no field of Gitea's API shows
// it. What only a site administrator is told stays unknown for others: they are
// given false and zero in its place.
func (r *reader) accountFact(o *roster, p *person) fact.Account {
	u := p.user
	told := r.sight != nil && r.sight.user.IsAdmin
	f := fact.Account{
		Login: fact.Some(u.Login), Name: fact.SomeIf(u.FullName, u.FullName != ""), System: fact.Some("gitea"),
		Email:     fact.SomeIf(u.Email, u.Email != "" && !strings.Contains(u.Email, "@noreply.")),
		CreatedAt: fact.SomeIf(u.Created.UTC(), u.Created.Year() > 1970),
		Active:    fact.SomeIf(u.Active && !u.ProhibitLogin, told),
		Locked:    fact.SomeIf(u.ProhibitLogin, told),
	}
	if told {
		never := u.LastLogin.Year() <= 1970
		f.NeverSignedIn = fact.Some(never)
		f.LastSignIn = fact.SomeIf(u.LastLogin.UTC(), !never)
	}
	f.Admin = fact.SomeIf(p.owner || u.IsAdmin && told, p.owner || u.IsAdmin && told || told && o.groups)
	f.External = fact.SomeIf(!p.member, p.member || o.members && o.groups)
	f.Groups = fact.SomeIf(sorted(p.groups), o.groups)
	f.Roles = fact.SomeIf(sorted(p.roles), o.groups && o.members && o.repoMembers)
	f.WritesTo = fact.SomeIf(sorted(p.writes), o.repoMembers)
	if bot, known := r.isBot(u.Login).Get(); known {
		f.Type = fact.Some("human")
		if bot {
			f.Type = fact.Some("service")
		}
	}
	return f
}

// isBot says whether an account is a program's. Gitea does not tell, but for
// the accounts that it makes itself; the settings can.
func (r *reader) isBot(login string) fact.Opt[bool] {
	if login == "gitea-actions" || strings.HasSuffix(login, "[bot]") {
		return fact.Some(true)
	}
	bots := r.run.Settings.List("bots")
	return fact.SomeIf(slices.ContainsFunc(bots, func(b string) bool { return strings.EqualFold(b, login) }), len(bots) > 0)
}
