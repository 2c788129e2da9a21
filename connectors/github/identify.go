package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Identify implements connector.Identifier. An App's permissions and a classic
// token's scopes are told by GitHub. Those of a fine-grained token are told to
// nobody: there each thing is tried once, and whether it may change anything
// stays unknown.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	if r.api.auth.isApp() {
		return r.identifyApp(ctx)
	}
	h, err := r.api.auth.header(ctx, r.api, "")
	if err != nil {
		return connector.Identity{}, err
	}
	reply, err := r.api.send(ctx, http.MethodGet, r.api.base+"/user", h, nil)
	if err != nil {
		return connector.Identity{}, fmt.Errorf("account of the token: %w", err)
	}
	var u user
	if err := reply.Decode(&u); err != nil {
		return connector.Identity{}, err
	}
	id := connector.Identity{Name: u.Login, System: system(reply.Header)}
	if _, classic := reply.Header["X-Oauth-Scopes"]; classic {
		id.ReadOnly, id.Missing, id.Excess = judgeScopes(reply.Header.Get("X-OAuth-Scopes"))
	}
	orgs, err := r.silently(ctx)
	if err != nil {
		return id, err
	}
	for _, org := range orgs {
		lacks, err := r.try(ctx, org)
		if err != nil {
			return id, err
		}
		id.Missing = append(id.Missing, lacks...)
	}
	id.Missing = slices.Compact(sorted(id.Missing))
	return id, nil
}

func system(h http.Header) string {
	if v := h.Get("X-GitHub-Enterprise-Version"); v != "" {
		return "GitHub Enterprise Server " + v
	}
	return "GitHub"
}

// silently lists the organisations without a scope that tells of it.
func (r *reader) silently(ctx context.Context) ([]string, error) {
	if named := r.run.Settings.List("organisations"); len(named) > 0 {
		return sorted(named), nil
	}
	found, err := r.ownOrganisations(ctx)
	return sorted(found), err
}

// identifyApp compares what the App was granted where it is installed with what
// is needed.
func (r *reader) identifyApp(ctx context.Context) (connector.Identity, error) {
	jwt, err := r.api.auth.jwt()
	if err != nil {
		return connector.Identity{}, err
	}
	reply, err := r.api.send(ctx, http.MethodGet, r.api.base+"/app", bearer(jwt), nil)
	if err != nil {
		return connector.Identity{}, fmt.Errorf("the App: %w", err)
	}
	var app struct {
		Slug string `json:"slug"`
		Name string `json:"name"`
	}
	if err := reply.Decode(&app); err != nil {
		return connector.Identity{}, err
	}
	id := connector.Identity{Name: "app " + app.Slug, System: system(reply.Header), ReadOnly: fact.Some(true)}
	orgs, err := r.silently(ctx)
	if err != nil {
		return id, err
	}
	for _, org := range orgs {
		g, err := r.api.auth.grant(ctx, r.api, org)
		if connector.Refused(err) {
			id.Missing = append(id.Missing, "installation in "+org)
			continue
		}
		if err != nil {
			return id, err
		}
		missing, excess, reads := judgeApp(g.Install.Permissions)
		if g.Install.Selection != "all" {
			missing = append(missing, "all repositories of "+org)
		}
		id.Missing, id.Excess = append(id.Missing, missing...), append(id.Excess, excess...)
		id.ReadOnly = fact.Some(id.ReadOnly.Or(false) && reads)
	}
	id.Missing, id.Excess = sorted(id.Missing), sorted(id.Excess)
	return id, nil
}

// judgeApp compares an App's permissions with the needed ones.
func judgeApp(has map[string]string) (missing, excess []string, readOnly bool) {
	readOnly = true
	needed := map[string]bool{}
	for _, n := range needs() {
		needed[n.key] = true
		if has[n.key] == "" {
			missing = append(missing, n.name)
		}
	}
	for k, v := range has {
		if v != "read" {
			readOnly = false
		}
		if !needed[k] || v != "read" {
			excess = append(excess, k+": "+v)
		}
	}
	return missing, excess, readOnly
}

// judgeScopes compares a classic token's scopes with those that reading takes.
// There is no scope for reading private repositories only: repo also writes.
func judgeScopes(header string) (readOnly fact.Opt[bool], missing, excess []string) {
	reading := []string{"read:org", "read:user", "user:email", "read:audit_log", "read:enterprise", "read:project", "read:packages", "read:public_key", "read:gpg_key", "read:repo_hook"}
	allowed := []string{"repo", "read:org", "read:audit_log"}
	var scopes []string
	for s := range strings.SplitSeq(header, ",") {
		if s = strings.TrimSpace(s); s != "" {
			scopes = append(scopes, s)
		}
	}
	only := true
	for _, s := range scopes {
		only = only && slices.Contains(reading, s)
		if !slices.Contains(allowed, s) && s != "admin:org" {
			excess = append(excess, s)
		}
	}
	if !slices.Contains(scopes, "repo") {
		missing = append(missing, "repo")
	}
	if !slices.ContainsFunc(scopes, func(s string) bool { return s == "read:org" || s == "admin:org" || s == "write:org" }) {
		missing = append(missing, "read:org")
	}
	return fact.Some(only), missing, excess
}

// try asks once for each thing that a permission of the organisation opens.
func (r *reader) try(ctx context.Context, org string) (missing []string, err error) {
	for _, x := range []struct{ path, name string }{
		{"", "the organisation " + org},
		{"/members?filter=2fa_disabled&per_page=1", ownerNeeded},
		{"/teams?per_page=1", "Members: read"},
		{"/installations?per_page=1", "Organization administration: read"},
		{"/dependabot/alerts?per_page=1", "Dependabot alerts: read"},
		{"/code-scanning/alerts?per_page=1", "Code scanning alerts: read"},
		{"/secret-scanning/alerts?hide_secret=true&per_page=1", "Secret scanning alerts: read"},
		{"/security-advisories?per_page=1", "Repository security advisories: read"},
	} {
		h, err := r.api.auth.header(ctx, r.api, org)
		if err != nil {
			return nil, err
		}
		_, err = r.api.send(ctx, http.MethodGet, r.api.base+orgPath(org)+x.path, h, nil)
		if status, _ := said(err); connector.Refused(err) || status == http.StatusUnprocessableEntity {
			missing = append(missing, x.name)
		} else if err != nil {
			return nil, fmt.Errorf("try %s: %w", x.name, err)
		}
	}
	return missing, nil
}
