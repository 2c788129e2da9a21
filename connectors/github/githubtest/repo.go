package githubtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// read decodes the body of a request.
func (c *call) read(v any) bool {
	if err := json.NewDecoder(c.r.Body).Decode(v); err != nil {
		c.answer(http.StatusBadRequest, object{"message": "Problems parsing JSON", "documentation_url": docs})
		return false
	}
	return true
}

// withRepo finds the repository and asks for a permission.
func (g *GitHub) withRepo(pattern, need string, f func(*call, *Org, *Repo)) {
	method, path, _ := strings.Cut(pattern, " ")
	g.handle(method+" /repos/{owner}/{repo}"+path, func(c *call) {
		if o, r := c.repo(); r != nil && c.may(o, need) {
			f(c, o, r)
		}
	})
}

func (g *GitHub) repoRoutes() {
	g.withRepo("GET ", "metadata", func(c *call, o *Org, r *Repo) {
		c.answer(http.StatusOK, o.repo(r, o.isOwner(c.cred.User) || c.cred.Permissions["administration"] != ""))
	})
	g.withRepo("GET /collaborators", "metadata", func(c *call, _ *Org, r *Repo) {
		all := slices.Clone(r.Collaborators)
		if c.r.URL.Query().Get("permission") == "push" {
			all = slices.DeleteFunc(all, func(x Collaborator) bool { return x.Role == "read" })
		}
		page(c, all, each(all, Collaborator.object))
	})
	g.withRepo("GET /keys", "administration", func(c *call, _ *Org, r *Repo) {
		page(c, r.Keys, each(r.Keys, (*Key).object))
	})
	g.withRepo("POST /keys", "administration", func(c *call, _ *Org, r *Repo) {
		var in struct {
			Title    string
			Key      string
			ReadOnly bool `json:"read_only"`
		}
		if c.read(&in) {
			k := &Key{ID: c.ID(), Title: in.Title, ReadOnly: in.ReadOnly, Created: c.Now()}
			r.Keys = append(r.Keys, k)
			c.answer(http.StatusCreated, k.object())
		}
	})
	g.withRepo("GET /environments", "actions", func(c *call, o *Org, r *Repo) {
		page(c, r.Environments, func(part []*Environment) any {
			return object{"total_count": len(r.Environments), "environments": each(part, func(e *Environment) object { return e.object(o) })(part)}
		})
	})
	g.withRepo("GET /environments/{name}/deployment-branch-policies", "actions", func(c *call, _ *Org, r *Repo) {
		for _, e := range r.Environments {
			if e.Name == c.r.PathValue("name") {
				page(c, e.Branches, func(part []string) any {
					return object{"total_count": len(e.Branches), "branch_policies": each(part, func(n string) object {
						return object{"id": 1, "node_id": "p", "name": n, "type": "branch"}
					})(part)}
				})
				return
			}
		}
		c.notFound()
	})
	g.actionRoutes()
}

func (g *GitHub) actionRoutes() {
	g.withRepo("GET /actions/permissions", "administration", func(c *call, _ *Org, r *Repo) {
		x := object{"enabled": !r.ActionsOff, "sha_pinning_required": r.Pinned}
		if !r.ActionsOff {
			x["allowed_actions"] = r.AllowedActions
		}
		c.answer(http.StatusOK, x)
	})
	g.withRepo("GET /actions/permissions/workflow", "administration", func(c *call, _ *Org, r *Repo) {
		c.answer(http.StatusOK, object{"default_workflow_permissions": r.TokenDefault, "can_approve_pull_request_reviews": false})
	})
	g.withRepo("GET /private-vulnerability-reporting", "metadata", func(c *call, _ *Org, r *Repo) {
		c.answer(http.StatusOK, object{"enabled": r.PrivateReporting})
	})
	g.withRepo("GET /code-scanning/analyses", "security_events", func(c *call, _ *Org, r *Repo) {
		if r.Analysed == nil {
			c.answer(http.StatusNotFound, object{"message": "no analysis found", "documentation_url": docs})
			return
		}
		c.answer(http.StatusOK, []object{{
			"ref": "refs/heads/" + r.Branch, "commit_sha": oid(r.Name), "analysis_key": "codeql", "environment": "{}", "error": "", "created_at": stamp(*r.Analysed),
			"results_count": 0, "rules_count": 1, "id": 1, "url": root + "/x", "sarif_id": "x", "tool": object{"name": "CodeQL", "version": "1", "guid": nil}, "deletable": true, "warning": "",
		}})
	})
	g.withRepo("PUT /contents/{path...}", "contents", func(c *call, o *Org, r *Repo) {
		var in struct{ Message, Content string }
		if !c.read(&in) {
			return
		}
		text, _ := base64.StdEncoding.DecodeString(in.Content)
		r.Files[c.r.PathValue("path")] = string(text)
		x := &Commit{OID: oid(in.Message + c.r.PathValue("path")), Message: in.Message, At: c.Now(), Root: len(r.Commits) == 0}
		c.Push(r, x)
		at := root + "/repos/" + o.full(r)
		c.answer(http.StatusCreated, object{
			"content": object{"name": c.r.PathValue("path"), "path": c.r.PathValue("path"), "sha": x.OID, "size": len(text), "url": at, "html_url": at, "git_url": at, "download_url": at, "type": "file", "_links": object{"self": at, "git": at, "html": at}},
			"commit":  object{"sha": x.OID, "message": in.Message},
		})
	})
	g.handle("PUT /teams/{id}/repos/{owner}/{repo}", func(c *call) {
		if _, r := c.repo(); r != nil {
			c.answer(http.StatusNoContent, nil)
		}
	})
}
