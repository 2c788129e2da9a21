package github

import (
	"context"
	"fmt"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A rulesetAnswer is a ruleset with who may pass it, read once.
type rulesetAnswer struct {
	passers
	err error
}

// passers are those who may pass a ruleset.
type passers struct {
	all, push fact.Opt[[]string] // push: not only when they merge
	admins    fact.Opt[bool]     // it binds administrators
}

// GitHub's numbers of the roles that every repository has.
const (
	roleMaintain = 2
	roleWrite    = 4
	roleAdmin    = 5
)

// passersOf reads who may pass each ruleset of a branch. Rulesets of an
// organisation are read once for all its repositories; those of an enterprise
// are shown to nobody here, and so their lists are unknown. The same is true of
// every list that GitHub keeps from whom may not change the ruleset.
func (r *reader) passersOf(ctx context.Context, org, full string, rules []rule) (map[int64]passers, error) {
	out := map[int64]passers{}
	for _, x := range rules {
		if _, done := out[x.RulesetID]; done {
			continue
		}
		a, known := r.rules[x.RulesetID]
		if !known {
			a = r.readRuleset(ctx, org, full, x)
			r.rules[x.RulesetID] = a
		}
		if passing(a.err) {
			return nil, a.err
		}
		out[x.RulesetID] = a.passers
	}
	return out, nil
}

func (r *reader) readRuleset(ctx context.Context, org, full string, x rule) rulesetAnswer {
	var path string
	switch x.SourceType {
	case "Organization":
		path = orgPath(org)
	case "Repository":
		path = repoPath(full)
	default:
		return rulesetAnswer{}
	}
	s, err := get[ruleset](ctx, r.api, org, fmt.Sprintf("%s/rulesets/%d", path, x.RulesetID))
	if err == nil && (s.ID != x.RulesetID || s.Enforcement == "") {
		err = connector.ErrFormat
	}
	if err != nil {
		return rulesetAnswer{err: fmt.Errorf("ruleset %d: %w", x.RulesetID, err)}
	}
	if s.Bypass == nil {
		return rulesetAnswer{}
	}
	p, err := r.passers(ctx, org, *s.Bypass)
	return rulesetAnswer{passers: p, err: err}
}

// passers names those on a bypass list. Where a name is hidden the list is unknown.
func (r *reader) passers(ctx context.Context, org string, list []bypass) (passers, error) {
	var all, push []string
	binds, known := true, true
	for _, b := range list {
		name, err := r.actor(ctx, org, b)
		if passing(err) {
			return passers{}, err
		}
		known = known && err == nil
		all = append(all, name)
		if b.Mode != "pull_request" {
			push = append(push, name)
		}
		if b.Type == "OrganizationAdmin" || b.Type == "RepositoryRole" && b.ActorID != nil && *b.ActorID == roleAdmin {
			binds = false
		}
	}
	return passers{
		all: fact.SomeIf(sorted(all), known), push: fact.SomeIf(sorted(push), known), admins: fact.Some(binds),
	}, nil
}

// actor names who a bypass is for.
func (r *reader) actor(ctx context.Context, org string, b bypass) (string, error) {
	var id int64
	if b.ActorID != nil {
		id = *b.ActorID
	}
	switch b.Type {
	case "Team":
		teams, err := r.teamList(ctx, org)
		for _, t := range teams {
			if t.ID == id {
				return teamName(org, t.Slug), nil
			}
		}
		return fmt.Sprintf("team %d", id), err
	case "Integration":
		for _, i := range r.org(ctx, org).apps {
			if i.AppID == id {
				return appName(i.AppSlug), nil
			}
		}
		return fmt.Sprintf("app %d", id), r.org(ctx, org).appEr
	case "User":
		users, err := r.members(ctx, org)
		for _, u := range users {
			if u.ID == id {
				return u.Login, nil
			}
		}
		return fmt.Sprintf("user %d", id), err
	case "RepositoryRole":
		return role(id), nil
	case "DeployKey":
		return "deploy keys", nil
	case "OrganizationAdmin":
		return "owners of the organisation", nil
	case "EnterpriseOwner":
		return "owners of the enterprise", nil
	default:
		return fmt.Sprintf("%s %d", strings.ToLower(b.Type), id), nil
	}
}

func role(id int64) string {
	switch id {
	case roleMaintain:
		return "role maintain"
	case roleWrite:
		return "role write"
	case roleAdmin:
		return "role admin"
	default:
		return fmt.Sprintf("role %d", id)
	}
}
