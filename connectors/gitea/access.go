package gitea

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"prumo.dev/prumo/internal/connector"
)

// writesCode reports whether a team may write code, and whether it administers.
func (t apiTeam) writesCode() (writes, admin bool) {
	admin = t.Permission == "admin" || t.Permission == "owner"
	return admin || mayWrite(t.UnitsMap["repo.code"]), admin
}

func mayWrite(permission string) bool {
	return permission == "write" || permission == "admin" || permission == "owner"
}

// A grant is one account's right to one repository.
type grant struct {
	user         apiUser
	write, admin bool
	direct       bool // as a collaborator, not through a team
}

// members reads a team's members once.
func (r *reader) members(ctx context.Context, team int64) ([]apiUser, error) {
	if m, ok := r.teams[team]; ok {
		return m.users, m.err
	}
	users, err := list[apiUser](ctx, r.api, fmt.Sprintf("/teams/%d/members", team))
	if err == nil {
		err = checkUsers(users)
	}
	r.teams[team] = teamMembers{users: users, err: err}
	return users, err
}

type teamMembers struct {
	users []apiUser
	err   error
}

// grants reads who may do what with a repository, once.
func (r *reader) grants(ctx context.Context, repo string) ([]grant, error) {
	if g, ok := r.rights[repo]; ok {
		return g.grants, g.err
	}
	g := r.readGrants(ctx, repo)
	r.rights[repo] = g
	return g.grants, g.err
}

type repoRights struct {
	grants []grant
	teams  []apiTeam
	err    error
}

func (r *reader) readGrants(ctx context.Context, repo string) repoRights {
	teams, err := whole[apiTeam](ctx, r.api, repoPath(repo)+"/teams")
	if err != nil {
		return repoRights{err: fmt.Errorf("teams of %s: %w", repo, err)}
	}
	out := repoRights{teams: teams}
	for _, t := range teams {
		if t.ID == 0 || t.Name == "" {
			return repoRights{err: fmt.Errorf("teams of %s: %w", repo, connector.ErrFormat)}
		}
		users, err := r.members(ctx, t.ID)
		if err != nil {
			return repoRights{err: fmt.Errorf("members of team %s: %w", t.Name, err)}
		}
		writes, admin := t.writesCode()
		for _, u := range users {
			out.grants = append(out.grants, grant{user: u, write: writes, admin: admin})
		}
	}
	people, err := list[apiUser](ctx, r.api, repoPath(repo)+"/collaborators")
	if err == nil {
		err = checkUsers(people)
	}
	if err != nil {
		return repoRights{err: fmt.Errorf("collaborators of %s: %w", repo, err)}
	}
	for _, u := range people {
		var p apiPermission
		if err := r.api.get(ctx, repoPath(repo)+"/collaborators/"+url.PathEscape(u.Login)+"/permission", &p); err != nil {
			return repoRights{err: fmt.Errorf("permission of a collaborator of %s: %w", repo, err)}
		}
		if p.Permission == "" {
			return repoRights{err: fmt.Errorf("permission of a collaborator of %s: %w", repo, connector.ErrFormat)}
		}
		out.grants = append(out.grants, grant{
			user: u, write: mayWrite(p.Permission), admin: p.Permission == "admin" || p.Permission == "owner", direct: true,
		})
	}
	return out
}

// access sums up who may write to a repository.
func (g repoRights) access(org string) access {
	a := access{known: g.err == nil}
	for _, x := range g.grants {
		if x.write {
			a.writers = append(a.writers, x.user.Login)
		}
		if x.admin && x.direct {
			a.admins = append(a.admins, x.user.Login)
		}
	}
	for _, t := range g.teams {
		if _, admin := t.writesCode(); admin {
			a.adminGroups = append(a.adminGroups, teamName(org, t.Name))
		}
	}
	return a
}

func checkUsers(users []apiUser) error {
	if slices.ContainsFunc(users, func(u apiUser) bool { return u.ID == 0 || u.Login == "" }) {
		return fmt.Errorf("an account without a name: %w", connector.ErrFormat)
	}
	return nil
}
