package githubtest

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Classic is classic branch protection.
type Classic struct {
	Reviews      bool
	Approvals    int
	Stale        bool
	CodeOwners   bool
	Checks       []string // nil: none asked for
	Strict       bool
	Admins       bool
	ForcePush    bool
	Deletion     bool
	Signatures   bool
	Conversation bool
	Restricted   bool
	Users        []*User // who alone may push
	Teams        []*Team
	BypassUsers  []*User
	BypassTeams  []*Team
}

// A Ruleset is some rules for some branches, of a repository or an organisation.
type Ruleset struct {
	ID          int64
	Name        string
	Enforcement string   // active, evaluate or disabled
	Include     []string // of ref names: ~DEFAULT_BRANCH, ~ALL or patterns
	Exclude     []string
	Repos       []string // patterns of names, of an organisation's ruleset
	Bypass      []Bypass
	Rules       []Rule
	Updated     time.Time
}

// A Bypass is who may pass a ruleset.
type Bypass struct {
	ID   int64
	Type string
	Mode string
}

// A Rule is one rule of a ruleset.
type Rule struct {
	Type       string
	Parameters map[string]any
}

// PullRequest is the rule that changes arrive by pull request.
func PullRequest(approvals int, stale, owners bool) Rule {
	return Rule{"pull_request", object{
		"required_approving_review_count": approvals, "dismiss_stale_reviews_on_push": stale, "require_code_owner_review": owners,
		"require_last_push_approval": false, "required_review_thread_resolution": false, "allowed_merge_methods": []string{"squash"},
	}}
}

// StatusChecks is the rule that checks must pass.
func StatusChecks(strict bool, names ...string) Rule {
	list := []object{}
	for _, n := range names {
		list = append(list, object{"context": n})
	}
	return Rule{"required_status_checks", object{"strict_required_status_checks_policy": strict, "required_status_checks": list}}
}

// applies reports that a ruleset is in force on a branch of a repository.
func (s *Ruleset) applies(r *Repo, branch string) bool {
	if s.Enforcement != "active" || s.Repos != nil && !anyMatches(s.Repos, r.Name) {
		return false
	}
	fits := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool {
			return p == "~ALL" || p == "~DEFAULT_BRANCH" && branch == r.Branch || matches(p, "refs/heads/"+branch)
		})
	}
	return fits(s.Include) && !fits(s.Exclude)
}

func anyMatches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "~ALL" || matches(p, name) })
}

// matches is fnmatch, in which ** crosses slashes.
func matches(pattern, name string) bool {
	if head, tail, deep := strings.Cut(pattern, "**"); deep {
		return strings.HasPrefix(name, head) && strings.HasSuffix(name, strings.TrimPrefix(tail, "/"))
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func (s *Ruleset) object(source, kind string, writes bool) object {
	x := object{
		"id": s.ID, "name": s.Name, "target": "branch", "source_type": kind, "source": source, "enforcement": s.Enforcement, "node_id": "RRS_" + strconv.FormatInt(s.ID, 10),
		"created_at": stamp(s.Updated), "updated_at": stamp(s.Updated), "_links": object{"self": object{"href": root + "/x"}},
		"current_user_can_bypass": "never", "rules": each(s.Rules, Rule.object)(s.Rules),
	}
	ref := object{"include": list(s.Include), "exclude": list(s.Exclude)}
	if kind == "Organization" {
		x["conditions"] = object{"ref_name": ref, "repository_name": object{"include": list(s.Repos), "exclude": []string{}, "protected": false}}
	} else {
		x["conditions"] = object{"ref_name": ref}
	}
	if writes { // GitHub shows the bypass list to whom may change the ruleset
		who := []object{}
		for _, b := range s.Bypass {
			var id any = b.ID
			if b.ID == 0 {
				id = nil
			}
			who = append(who, object{"actor_id": id, "actor_type": b.Type, "bypass_mode": b.Mode})
		}
		x["bypass_actors"] = who
	}
	return x
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (r Rule) object() object {
	x := object{"type": r.Type}
	if r.Parameters != nil {
		x["parameters"] = r.Parameters
	}
	return x
}

// changes reports whether a credential could change rulesets.
func (c *call) changes(o *Org) bool {
	return o.isOwner(c.cred.User) || c.cred.Permissions["organization_administration"] == "write" || c.cred.Permissions["administration"] == "write"
}

func (g *GitHub) protectRoutes() {
	g.withRepo("GET /rules/branches/{branch}", "metadata", func(c *call, o *Org, r *Repo) {
		var all []object
		add := func(s *Ruleset, kind, source string) {
			if !s.applies(r, c.r.PathValue("branch")) {
				return
			}
			for _, x := range s.Rules {
				one := x.object()
				one["ruleset_id"], one["ruleset_source_type"], one["ruleset_source"] = s.ID, kind, source
				all = append(all, one)
			}
		}
		for _, s := range r.Rulesets {
			add(s, "Repository", o.full(r))
		}
		for _, s := range o.Rulesets {
			add(s, "Organization", o.Login)
		}
		page(c, all, func(part []object) any { return part })
	})
	g.withOrg("GET /orgs/{org}/rulesets", "organization_administration", func(c *call, o *Org) {
		page(c, o.Rulesets, each(o.Rulesets, func(s *Ruleset) object {
			x := s.object(o.Login, "Organization", false)
			delete(x, "rules")
			delete(x, "conditions")
			return x
		}))
	})
	g.withOrg("GET /orgs/{org}/rulesets/{id}", "organization_administration", func(c *call, o *Org) {
		c.ruleset(o.Rulesets, o.Login, "Organization", c.changes(o))
	})
	g.withRepo("GET /rulesets/{id}", "metadata", func(c *call, o *Org, r *Repo) {
		c.ruleset(r.Rulesets, o.full(r), "Repository", c.changes(o))
	})
	g.withRepo("POST /rulesets", "administration", func(c *call, o *Org, r *Repo) {
		if s := c.newRuleset(); s != nil {
			r.Rulesets = append(r.Rulesets, s)
			c.answer(http.StatusCreated, s.object(o.full(r), "Repository", true))
		}
	})
	g.withOrg("POST /orgs/{org}/rulesets", "organization_administration", func(c *call, o *Org) {
		if s := c.newRuleset(); s != nil {
			o.Rulesets = append(o.Rulesets, s)
			c.answer(http.StatusCreated, s.object(o.Login, "Organization", true))
		}
	})
	g.classicRoutes()
}

func (c *call) ruleset(all []*Ruleset, source, kind string, writes bool) {
	for _, s := range all {
		if strconv.FormatInt(s.ID, 10) == c.r.PathValue("id") {
			c.answer(http.StatusOK, s.object(source, kind, writes))
			return
		}
	}
	c.notFound()
}

func (c *call) newRuleset() *Ruleset {
	var in struct {
		Name, Enforcement string
		Conditions        struct {
			RefName struct{ Include, Exclude []string }  `json:"ref_name"`
			Repos   *struct{ Include, Exclude []string } `json:"repository_name"`
		}
		Rules  []Rule
		Bypass []struct {
			ID   int64  `json:"actor_id"`
			Type string `json:"actor_type"`
			Mode string `json:"bypass_mode"`
		} `json:"bypass_actors"`
	}
	if !c.read(&in) {
		return nil
	}
	s := &Ruleset{ID: c.ID(), Name: in.Name, Enforcement: in.Enforcement, Include: in.Conditions.RefName.Include, Exclude: in.Conditions.RefName.Exclude, Rules: in.Rules, Updated: c.Now()}
	if in.Conditions.Repos != nil {
		s.Repos = in.Conditions.Repos.Include
	}
	for _, b := range in.Bypass {
		s.Bypass = append(s.Bypass, Bypass{b.ID, b.Type, b.Mode})
	}
	return s
}

func (g *GitHub) classicRoutes() {
	g.withRepo("GET /branches/{branch}/protection", "administration", func(c *call, o *Org, r *Repo) {
		p, ok := r.Classic[c.r.PathValue("branch")]
		switch {
		case len(r.Commits) == 0:
			c.answer(http.StatusNotFound, object{"message": "Branch not found", "documentation_url": docs})
		case !ok:
			c.answer(http.StatusNotFound, object{"message": "Branch not protected", "documentation_url": docs})
		default:
			c.answer(http.StatusOK, p.object(o, r, c.r.PathValue("branch")))
		}
	})
	g.withRepo("DELETE /branches/{branch}/protection", "administration", func(c *call, _ *Org, r *Repo) {
		delete(r.Classic, c.r.PathValue("branch"))
		c.answer(http.StatusNoContent, nil)
	})
	g.withRepo("PUT /branches/{branch}/protection", "administration", func(c *call, o *Org, r *Repo) {
		var in struct {
			Checks *struct {
				Strict   bool
				Contexts []string
				Checks   []struct{ Context string }
			} `json:"required_status_checks"`
			Reviews *struct {
				Stale      bool `json:"dismiss_stale_reviews"`
				CodeOwners bool `json:"require_code_owner_reviews"`
				Approvals  *int `json:"required_approving_review_count"`
			} `json:"required_pull_request_reviews"`
			Restrictions *struct {
				Users, Teams, Apps []string
			}
			Admins    *bool `json:"enforce_admins"`
			ForcePush *bool `json:"allow_force_pushes"`
			Deletion  *bool `json:"allow_deletions"`
		}
		if !c.read(&in) {
			return
		}
		p := &Classic{Admins: yes(in.Admins), ForcePush: yes(in.ForcePush), Deletion: yes(in.Deletion)}
		if in.Checks != nil {
			p.Checks, p.Strict = list(in.Checks.Contexts), in.Checks.Strict
			for _, x := range in.Checks.Checks {
				if !slices.Contains(p.Checks, x.Context) {
					p.Checks = append(p.Checks, x.Context)
				}
			}
		}
		if in.Reviews != nil {
			p.Reviews, p.Stale, p.CodeOwners, p.Approvals = true, in.Reviews.Stale, in.Reviews.CodeOwners, 1
			if in.Reviews.Approvals != nil {
				p.Approvals = *in.Reviews.Approvals
			}
		}
		if in.Restrictions != nil {
			p.Restricted = true
			for _, u := range o.Members {
				if slices.Contains(in.Restrictions.Users, u.Login) {
					p.Users = append(p.Users, u)
				}
			}
			for _, t := range o.Teams {
				if slices.Contains(in.Restrictions.Teams, t.Slug) {
					p.Teams = append(p.Teams, t)
				}
			}
		}
		r.Classic[c.r.PathValue("branch")] = p
		c.answer(http.StatusOK, p.object(o, r, c.r.PathValue("branch")))
	})
}

func yes(b *bool) bool { return b != nil && *b }

func (p *Classic) object(o *Org, r *Repo, branch string) object {
	at := root + "/repos/" + o.full(r) + "/branches/" + branch + "/protection"
	on := func(b bool) object { return object{"enabled": b} }
	x := object{
		"url": at, "enforce_admins": object{"url": at + "/enforce_admins", "enabled": p.Admins}, "required_signatures": object{"url": at + "/required_signatures", "enabled": p.Signatures},
		"required_linear_history": on(false), "allow_force_pushes": on(p.ForcePush), "allow_deletions": on(p.Deletion), "block_creations": on(false),
		"required_conversation_resolution": on(p.Conversation), "lock_branch": on(false), "allow_fork_syncing": on(false),
	}
	if p.Checks != nil {
		checks := []object{}
		for _, n := range p.Checks {
			checks = append(checks, object{"context": n, "app_id": nil})
		}
		x["required_status_checks"] = object{"url": at + "/required_status_checks", "strict": p.Strict, "contexts": p.Checks, "contexts_url": at + "/required_status_checks/contexts", "checks": checks}
	}
	teams := func(all []*Team) any { return each(all, func(t *Team) object { return t.object(o) })(all) }
	if p.Reviews {
		v := object{
			"url": at + "/required_pull_request_reviews", "dismiss_stale_reviews": p.Stale, "require_code_owner_reviews": p.CodeOwners,
			"required_approving_review_count": p.Approvals, "require_last_push_approval": false,
		}
		if len(p.BypassUsers)+len(p.BypassTeams) > 0 {
			v["bypass_pull_request_allowances"] = object{"users": each(p.BypassUsers, userObject)(p.BypassUsers), "teams": teams(p.BypassTeams), "apps": []object{}}
		}
		x["required_pull_request_reviews"] = v
	}
	if p.Restricted {
		x["restrictions"] = object{
			"url": at + "/restrictions", "users_url": at + "/restrictions/users", "teams_url": at + "/restrictions/teams", "apps_url": at + "/restrictions/apps",
			"users": each(p.Users, userObject)(p.Users), "teams": teams(p.Teams), "apps": []object{},
		}
	}
	return x
}

// UnmarshalJSON reads a rule as GitHub takes it.
func (r *Rule) UnmarshalJSON(b []byte) error {
	var in struct {
		Type       string         `json:"type"`
		Parameters map[string]any `json:"parameters"`
	}
	err := json.Unmarshal(b, &in)
	r.Type, r.Parameters = in.Type, in.Parameters
	return err
}
