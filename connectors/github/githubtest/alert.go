package githubtest

import (
	"fmt"
	"net/http"
	"strconv"
)

func (g *GitHub) alertRoutes() {
	for _, k := range []struct {
		path, need string
		list       func(*Org) []*Alert
		show       func(*Org, *Alert) object
		off        func(*Org) bool
	}{
		{"dependabot/alerts", "vulnerability_alerts", func(o *Org) []*Alert { return o.Dependabot }, dependabot, func(o *Org) bool { return o.DependabotDisabled }},
		{"code-scanning/alerts", "security_events", func(o *Org) []*Alert { return o.CodeAlerts }, codeAlert, nil},
		{"secret-scanning/alerts", "secret_scanning_alerts", func(o *Org) []*Alert { return o.SecretAlerts }, secretAlert, nil},
		{"security-advisories", "repository_advisories", func(o *Org) []*Alert { return o.Advisories }, advisory, nil},
	} {
		g.withOrg("GET /orgs/{org}/"+k.path, k.need, func(c *call, o *Org) {
			if k.off != nil && k.off(o) {
				c.forbidden()
				return
			}
			page(c, k.list(o), each(k.list(o), func(a *Alert) object {
				x := k.show(o, a)
				if k.path != "security-advisories" {
					x["repository"] = o.simpleRepo(a.Repo)
				}
				if k.path == "secret-scanning/alerts" && c.r.URL.Query().Get("hide_secret") == "true" {
					x["secret"] = ""
				}
				return x
			}))
		})
		g.withRepo("GET /"+k.path+"/{number}", k.need, func(c *call, o *Org, r *Repo) {
			for _, a := range k.list(o) {
				if n := c.r.PathValue("number"); a.Repo == r && (strconv.Itoa(a.Number) == n || a.Advisory == n) {
					x := k.show(o, a)
					if k.path == "secret-scanning/alerts" && c.r.URL.Query().Get("hide_secret") == "true" {
						x["secret"] = ""
					}
					c.answer(http.StatusOK, x)
					return
				}
			}
			c.notFound()
		})
	}
}

func alertObject(o *Org, a *Alert, path string) object {
	at := root + "/repos/" + o.full(a.Repo) + "/" + path + "/" + strconv.Itoa(a.Number)
	return object{
		"number": a.Number, "state": a.State, "url": at, "html_url": fmt.Sprintf("https://github.com/%s/security/%s/%d", o.full(a.Repo), path, a.Number),
		"created_at": stamp(a.Created), "updated_at": stamp(a.Created),
	}
}

// ended is the time under the name of the state that ended an alert.
func (a *Alert) ended(state string) any {
	if a.State != state {
		return nil
	}
	return stampOf(a.Ended)
}

func dependabot(o *Org, a *Alert) object {
	x := alertObject(o, a, "dependabot")
	pkg := object{"ecosystem": "npm", "name": a.Package}
	var fixed any
	if a.Fixed != "" {
		fixed = object{"identifier": a.Fixed}
	}
	vulnerability := object{"package": pkg, "severity": a.Severity, "vulnerable_version_range": "< 2", "first_patched_version": fixed}
	for k, v := range (object{
		"dependency": object{"package": pkg, "manifest_path": a.Path, "scope": "runtime"},
		"security_advisory": object{
			"ghsa_id": a.Advisory, "cve_id": nil, "summary": a.Title, "description": a.Title, "vulnerabilities": []object{vulnerability}, "severity": a.Severity,
			"cvss": object{"score": 0, "vector_string": nil}, "cwes": []object{}, "identifiers": []object{{"type": "GHSA", "value": a.Advisory}}, "references": []object{},
			"published_at": stamp(a.Created), "updated_at": stamp(a.Created), "withdrawn_at": nil,
		},
		"security_vulnerability": vulnerability, "dismissed_at": a.ended("dismissed"), "dismissed_by": nil, "dismissed_reason": nil, "dismissed_comment": nil, "fixed_at": a.ended("fixed"),
	}) {
		x[k] = v
	}
	return x
}

func codeAlert(o *Org, a *Alert) object {
	x := alertObject(o, a, "code-scanning")
	for k, v := range (object{
		"instances_url": root + "/x", "dismissed_by": nil, "dismissed_at": a.ended("dismissed"), "dismissed_reason": nil, "fixed_at": a.ended("fixed"),
		"rule": object{"id": a.Advisory, "name": a.Advisory, "severity": "error", "security_severity_level": a.Severity, "description": a.Title},
		"tool": object{"name": "CodeQL", "version": "2", "guid": nil},
		"most_recent_instance": object{
			"ref": "refs/heads/main", "analysis_key": "k", "environment": "{}", "state": a.State, "commit_sha": oid(a.Title),
			"location": object{"path": a.Path, "start_line": 1, "end_line": 1, "start_column": 1, "end_column": 2},
		},
	}) {
		x[k] = v
	}
	return x
}

func secretAlert(o *Org, a *Alert) object {
	x := alertObject(o, a, "secret-scanning")
	for k, v := range (object{
		"locations_url": root + "/x", "resolution": nil, "resolved_at": a.ended("resolved"), "resolved_by": nil, "secret_type": "aws", "secret_type_display_name": a.Title, "secret": a.Secret,
	}) {
		x[k] = v
	}
	return x
}

func advisory(o *Org, a *Alert) object {
	at := "https://github.com/" + o.full(a.Repo) + "/security/advisories/" + a.Advisory
	return object{
		"ghsa_id": a.Advisory, "cve_id": nil, "url": root + "/repos/" + o.full(a.Repo) + "/security-advisories/" + a.Advisory, "html_url": at, "summary": a.Title, "description": a.Title,
		"severity": a.Severity, "author": nil, "publisher": nil, "identifiers": []object{{"type": "GHSA", "value": a.Advisory}}, "state": a.State, "created_at": stamp(a.Created), "updated_at": stamp(a.Created),
		"published_at": a.ended("published"), "closed_at": a.ended("closed"), "withdrawn_at": nil, "submission": nil,
		"vulnerabilities": []object{{"package": object{"ecosystem": "npm", "name": a.Package}, "vulnerable_version_range": "< 2", "patched_versions": a.Fixed, "vulnerable_functions": []string{}}},
		"cvss":            nil, "cwes": nil, "cwe_ids": nil, "credits": nil, "credits_detailed": nil, "collaborating_users": nil, "collaborating_teams": nil, "private_fork": nil,
	}
}
