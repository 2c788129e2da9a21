package githubtest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// handle adds a route. Its handler finds the call, whose path values are the request's.
func (g *GitHub) handle(pattern string, f func(*call)) {
	g.mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(callKey{}).(*call)
		c.r = r
		if c.cred == nil && !strings.HasPrefix(r.URL.Path, "/app") && !strings.HasSuffix(r.URL.Path, "/installation") {
			c.answer(http.StatusUnauthorized, object{"message": "Bad credentials", "documentation_url": docs})
			return
		}
		f(c)
	})
}

func (g *GitHub) routes() {
	g.mux = http.NewServeMux()
	g.orgRoutes()
	g.repoRoutes()
	g.protectRoutes()
	g.alertRoutes()
	g.appRoutes()
}

// withOrg finds the organisation and asks for a permission.
func (g *GitHub) withOrg(pattern, need string, f func(*call, *Org)) {
	g.handle(pattern, func(c *call) {
		if o := c.org(); o != nil && (need == "" || c.may(o, need)) {
			f(c, o)
		}
	})
}

func (g *GitHub) orgRoutes() {
	g.handle("GET /user", func(c *call) {
		if c.cred.User == nil {
			c.forbidden()
			return
		}
		if c.cred.Scopes != nil {
			c.w.Header().Set("X-OAuth-Scopes", *c.cred.Scopes)
		}
		u := userObject(c.cred.User)
		for k, v := range (object{
			"name": c.cred.User.Name, "company": nil, "blog": nil, "location": nil, "email": nil, "hireable": nil, "bio": nil, "public_repos": 0, "public_gists": 0,
			"followers": 0, "following": 0, "created_at": stamp(c.cred.User.Created), "updated_at": stamp(c.cred.User.Created),
		}) {
			u[k] = v
		}
		c.answer(http.StatusOK, u)
	})
	g.handle("GET /user/orgs", func(c *call) {
		var mine []*Org
		for _, o := range c.Orgs {
			if o.isMember(c.cred.User) {
				mine = append(mine, o)
			}
		}
		page(c, mine, each(mine, (*Org).simple))
	})
	g.withOrg("GET /user/memberships/orgs/{org}", "", func(c *call, o *Org) {
		if !o.isMember(c.cred.User) {
			c.notFound()
			return
		}
		role := "member"
		if o.isOwner(c.cred.User) {
			role = "admin"
		}
		c.answer(http.StatusOK, object{
			"url": root + "/orgs/" + o.Login + "/memberships", "state": "active", "role": role, "organization_url": root + "/orgs/" + o.Login,
			"organization": o.simple(), "user": userObject(c.cred.User),
		})
	})
	g.withOrg("GET /orgs/{org}", "", func(c *call, o *Org) {
		c.answer(http.StatusOK, o.whole(o.isOwner(c.cred.User) || c.cred.Permissions["organization_administration"] != ""))
	})
	g.withOrg("GET /orgs/{org}/teams", "members", func(c *call, o *Org) {
		page(c, o.Teams, each(o.Teams, func(t *Team) object { return t.object(o) }))
	})
	g.withOrg("GET /orgs/{org}/teams/{team_slug}/members", "members", func(c *call, o *Org) {
		for _, t := range o.Teams {
			if t.Slug == c.r.PathValue("team_slug") {
				page(c, t.Members, each(t.Members, userObject))
				return
			}
		}
		c.notFound()
	})
	g.memberRoutes()
	g.settingRoutes()
}

func (g *GitHub) memberRoutes() {
	g.withOrg("GET /orgs/{org}/members", "", func(c *call, o *Org) {
		owner := o.isOwner(c.cred.User) || c.cred.Permissions["organization_administration"] != ""
		all := slices.Clone(o.Members)
		if c.cred.Permissions["members"] == "" && !o.isMember(c.cred.User) {
			all = nil // nobody is a public member here
		}
		switch c.r.URL.Query().Get("filter") {
		case "2fa_disabled":
			if !owner {
				c.answer(http.StatusUnprocessableEntity, object{"message": "Only owners can use this filter.", "documentation_url": docs})
				return
			}
			all = slices.DeleteFunc(all, func(u *User) bool { return u.TwoFactor })
		}
		switch c.r.URL.Query().Get("role") {
		case "admin":
			all = slices.DeleteFunc(all, func(u *User) bool { return !o.isOwner(u) })
		case "member":
			all = slices.DeleteFunc(all, o.isOwner)
		}
		page(c, all, each(all, userObject))
	})
	g.withOrg("GET /orgs/{org}/outside_collaborators", "members", func(c *call, o *Org) {
		all := slices.Clone(o.Outside)
		if c.r.URL.Query().Get("filter") == "2fa_disabled" {
			if c.cred.Permissions == nil && !o.isOwner(c.cred.User) {
				c.answer(http.StatusUnprocessableEntity, object{"message": "Only owners can use this filter.", "documentation_url": docs})
				return
			}
			all = slices.DeleteFunc(all, func(u *User) bool { return u.TwoFactor })
		}
		page(c, all, each(all, userObject))
	})
	g.withOrg("GET /orgs/{org}/installations", "organization_administration", func(c *call, o *Org) {
		page(c, o.Installs, func(part []*Install) any {
			return object{"total_count": len(o.Installs), "installations": each(part, func(i *Install) object { return i.object(o) })(part)}
		})
	})
	g.withOrg("GET /orgs/{org}/personal-access-tokens", "", func(c *call, o *Org) {
		if c.cred.Permissions["organization_personal_access_tokens"] == "" {
			c.forbidden()
			return
		}
		page(c, o.AccessTokens, each(o.AccessTokens, (*AccessToken).object))
	})
}

func (g *GitHub) settingRoutes() {
	g.withOrg("GET /orgs/{org}/actions/permissions", "organization_administration", func(c *call, o *Org) {
		c.answer(http.StatusOK, object{"enabled_repositories": "all", "allowed_actions": o.AllowedActions, "sha_pinning_required": o.Pinned})
	})
	g.withOrg("GET /orgs/{org}/actions/permissions/workflow", "organization_administration", func(c *call, o *Org) {
		c.answer(http.StatusOK, object{"default_workflow_permissions": o.TokenDefault, "can_approve_pull_request_reviews": o.ActionsApprove})
	})
	g.withOrg("GET /orgs/{org}/audit-log", "organization_administration", func(c *call, o *Org) {
		if o.Plan != "enterprise" {
			c.notFound()
			return
		}
		page(c, o.Audit, each(o.Audit, func(t time.Time) object {
			return object{"@timestamp": t.UnixMilli(), "created_at": t.UnixMilli(), "action": "org.update_member", "org": o.Login}
		}))
	})
	g.withOrg("GET /orgs/{org}/repos", "metadata", func(c *call, o *Org) {
		var all []*Repo
		for _, r := range o.Repos {
			if o.sees(c.cred, r) {
				all = append(all, r)
			}
		}
		admin := o.isOwner(c.cred.User) || c.cred.Permissions["administration"] != ""
		page(c, all, each(all, func(r *Repo) object { return o.repo(r, admin) }))
	})
	g.withOrg("POST /orgs/{org}/repos", "administration", func(c *call, o *Org) {
		var in struct {
			Name    string
			Private bool
		}
		if !c.read(&in) {
			return
		}
		r := c.Repo(o, in.Name)
		r.Private, r.Created, r.Commits = in.Private, c.Now(), nil
		c.answer(http.StatusCreated, o.repo(r, true))
	})
}

func (g *GitHub) appRoutes() {
	g.handle("GET /app", func(c *call) {
		if a := c.jwtApp(); a != nil {
			c.answer(http.StatusOK, a.object())
			return
		}
		c.answer(http.StatusUnauthorized, object{"message": "A JSON web token could not be decoded", "documentation_url": docs})
	})
	g.handle("GET /app/installations", func(c *call) {
		a := c.jwtApp()
		var found []object
		for _, o := range c.Orgs {
			for _, i := range o.Installs {
				if i.App == a {
					found = append(found, i.object(o))
				}
			}
		}
		page(c, found, func(part []object) any { return part })
	})
	g.handle("GET /orgs/{org}/installation", func(c *call) {
		a := c.jwtApp()
		for _, o := range c.Orgs {
			for _, i := range o.Installs {
				if a != nil && i.App == a && strings.EqualFold(o.Login, c.r.PathValue("org")) {
					c.answer(http.StatusOK, i.object(o))
					return
				}
			}
		}
		c.notFound()
	})
	g.handle("POST /app/installations/{id}/access_tokens", func(c *call) {
		a := c.jwtApp()
		for _, o := range c.Orgs {
			for _, i := range o.Installs {
				if a == nil || i.App != a || strconv.FormatInt(i.ID, 10) != c.r.PathValue("id") {
					continue
				}
				token := "ghs_" + oid(strconv.FormatInt(c.ID(), 10))
				c.Tokens[token] = &Credential{Permissions: i.Permissions, Org: o.Login, Ends: c.Now().Add(time.Hour)}
				c.answer(http.StatusCreated, object{"token": token, "expires_at": stamp(c.Now().Add(time.Hour)), "permissions": i.Permissions, "repository_selection": i.Selection})
				return
			}
		}
		c.notFound()
	})
}
