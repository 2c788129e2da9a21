package github

import (
	"context"
	"fmt"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A watch is one kind of alert: where GitHub lists it for an organisation, and
// one of a repository by its number.
type watch struct {
	scope, name, list, one, permission string
}

func watches() []watch {
	return []watch{
		{scope: "dependabot alerts ", name: "dependabot", list: "/dependabot/alerts?state=auto_dismissed,dismissed,fixed,open", one: "/dependabot/alerts/%s", permission: "Dependabot alerts: read"},
		{scope: "code scanning alerts ", name: "code-scanning", list: "/code-scanning/alerts", one: "/code-scanning/alerts/%s", permission: "Code scanning alerts: read"},
		// The secrets themselves are asked to be left out.
		{scope: "secret scanning alerts ", name: "secret-scanning", list: "/secret-scanning/alerts?hide_secret=true", one: "/secret-scanning/alerts/%s?hide_secret=true", permission: "Secret scanning alerts: read"},
		{scope: "advisories ", name: "advisory", list: "/security-advisories", one: "/security-advisories/%s", permission: "Repository security advisories: read"},
	}
}

// An alert is any of the four kinds; each has some of the fields.
type alert struct {
	Number     int64      `json:"number,omitempty"`
	State      string     `json:"state,omitempty"`
	HTMLURL    string     `json:"html_url,omitempty"`
	CreatedAt  *time.Time `json:"created_at,omitempty"`
	FixedAt    *time.Time `json:"fixed_at,omitempty"`
	Dismissed  *time.Time `json:"dismissed_at,omitempty"`
	AutoClosed *time.Time `json:"auto_dismissed_at,omitempty"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
	ClosedAt   *time.Time `json:"closed_at,omitempty"`
	Published  *time.Time `json:"published_at,omitempty"`
	Repository *struct {
		FullName string `json:"full_name"`
	} `json:"repository,omitempty"`
	// of dependencies
	Dependency *struct {
		Package  alertPackage `json:"package"`
		Manifest string       `json:"manifest_path"`
	} `json:"dependency,omitempty"`
	Advisory *struct {
		GHSA    string  `json:"ghsa_id"`
		CVE     *string `json:"cve_id"`
		Summary string  `json:"summary"`
	} `json:"security_advisory,omitempty"`
	Range *struct {
		Severity string `json:"severity"`
		Fixed    *struct {
			Identifier string `json:"identifier"`
		} `json:"first_patched_version"`
	} `json:"security_vulnerability,omitempty"`
	// of code
	Rule *struct {
		ID       *string `json:"id"`
		Text     string  `json:"description"`
		Security *string `json:"security_severity_level"`
	} `json:"rule,omitempty"`
	Instance *struct {
		Location *struct {
			Path string `json:"path"`
		} `json:"location"`
	} `json:"most_recent_instance,omitempty"`
	// of secrets
	SecretType string `json:"secret_type_display_name,omitempty"`
	// reports
	GHSA     string         `json:"ghsa_id,omitempty"`
	CVE      *string        `json:"cve_id,omitempty"`
	Summary  string         `json:"summary,omitempty"`
	Severity *string        `json:"severity,omitempty"`
	Affected []alertAffects `json:"vulnerabilities,omitempty"`
}

type alertPackage struct {
	Name string `json:"name"`
}

type alertAffects struct {
	Package *struct {
		Name *string `json:"name"`
	} `json:"package"`
	Patched *string `json:"patched_versions"`
}

// alerts emits what GitHub's scanners and reporters found, each kind in a scope
// of its own.
func (r *reader) alerts(ctx context.Context, org string) error {
	for _, w := range watches() {
		err := r.scoped(w.scope+org, []string{"vulnerability"}, func(y *connector.Tally) error {
			all, err := list[alert](ctx, r.api, org, orgPath(org)+w.list)
			if switchedOff(err) || y.Missing(err, w.permission) {
				return nil
			}
			seen := map[string]bool{} // pages may overlap while alerts come in
			for _, a := range all {
				id, full, err := a.id(w, org)
				if err != nil {
					y.Add(err)
					return nil
				}
				if seen[id] || a.longGone(r.since) {
					continue
				}
				seen[id] = true
				if err := r.emit.Fact(w.scope+org, id, a.fact(w, full)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// id names an alert, after the repository that it is in.
func (a alert) id(w watch, org string) (id, full string, err error) {
	if a.Repository != nil {
		full = a.Repository.FullName
	}
	if full == "" && w.name == "advisory" { // its repository stands in its address only
		full = repoOf(a.HTMLURL)
	}
	owner, _, _ := cutName(full)
	key := fmt.Sprint(a.Number)
	if w.name == "advisory" {
		key = a.GHSA
	}
	if !validRepo(full) || !sameName(owner, org) || a.State == "" || key == "" || key == "0" || !validName(key) {
		return "", "", fmt.Errorf("%s alert of %s: %w", w.name, org, connector.ErrFormat)
	}
	return repoID(full) + "/" + w.name + "/" + key, full, nil
}

// repoOf cuts owner/name out of the address of a page.
func repoOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	parts := strings.Split(rest, "/")
	if len(parts) < 3 {
		return ""
	}
	return parts[1] + "/" + parts[2]
}

// ended says when an alert was closed, in whatever way.
func (a alert) ended() *time.Time {
	for _, t := range []*time.Time{a.FixedAt, a.Dismissed, a.AutoClosed, a.ResolvedAt, a.ClosedAt, a.Published} {
		if t != nil {
			return t
		}
	}
	return nil
}

// open holds for what somebody must still look at.
func (a alert) open() bool { return a.State == "open" || a.State == "triage" || a.State == "draft" }

func (a alert) longGone(since time.Time) bool {
	at := a.ended()
	return !a.open() && at != nil && at.Before(since)
}

func (a alert) fact(w watch, full string) fact.Vulnerability {
	f := fact.Vulnerability{
		Open: fact.Some(a.open()), State: fact.Some(a.State), Repository: refTo(full), URL: fact.SomeIf(a.HTMLURL, a.HTMLURL != ""),
	}
	if a.CreatedAt != nil {
		f.FoundAt = fact.Some(a.CreatedAt.UTC())
	}
	if a.FixedAt != nil {
		f.FixedAt = fact.Some(a.FixedAt.UTC())
	}
	switch w.name {
	case "dependabot":
		f.Type = fact.Some("dependency")
		a.dependency(&f)
	case "code-scanning":
		f.Type = fact.Some("code")
		a.code(&f)
	case "secret-scanning":
		f.Type, f.Title = fact.Some("secret"), fact.SomeIf(a.SecretType, a.SecretType != "")
		f.Severity = fact.Some("critical") // a key in a repository opens something to whoever reads it
	case "advisory":
		f.Type = fact.Some("report")
		a.report(&f)
	}
	return f
}

func (a alert) dependency(f *fact.Vulnerability) {
	if d := a.Dependency; d != nil {
		f.Package, f.Path = fact.SomeIf(d.Package.Name, d.Package.Name != ""), fact.SomeIf(d.Manifest, d.Manifest != "")
	}
	if v := a.Advisory; v != nil {
		f.Advisory, f.Title = fact.SomeIf(v.GHSA, v.GHSA != ""), fact.SomeIf(v.Summary, v.Summary != "")
		if v.CVE != nil && *v.CVE != "" {
			f.Advisory = fact.Some(*v.CVE)
		}
	}
	if v := a.Range; v != nil {
		f.Severity = severity(v.Severity)
		if v.Fixed != nil && v.Fixed.Identifier != "" {
			f.FixedIn = fact.Some(v.Fixed.Identifier)
		}
	}
}

func (a alert) code(f *fact.Vulnerability) {
	if v := a.Rule; v != nil {
		f.Title = fact.SomeIf(v.Text, v.Text != "")
		if v.ID != nil {
			f.Advisory = fact.Some(*v.ID)
		}
		if v.Security != nil {
			f.Severity = severity(*v.Security)
		}
	}
	if v := a.Instance; v != nil && v.Location != nil && v.Location.Path != "" {
		f.Path = fact.Some(v.Location.Path)
	}
}

func (a alert) report(f *fact.Vulnerability) {
	f.Advisory, f.Title = fact.SomeIf(a.GHSA, a.GHSA != ""), fact.SomeIf(a.Summary, a.Summary != "")
	if a.CVE != nil && *a.CVE != "" {
		f.Advisory = fact.Some(*a.CVE)
	}
	if a.Severity != nil {
		f.Severity = severity(*a.Severity)
	}
	if a.Published != nil {
		f.FixedAt = fact.Some(a.Published.UTC())
	}
	if len(a.Affected) > 0 {
		if p := a.Affected[0].Package; p != nil && p.Name != nil {
			f.Package = fact.SomeIf(*p.Name, *p.Name != "")
		}
		if v := a.Affected[0].Patched; v != nil && *v != "" {
			f.FixedIn = fact.Some(*v)
		}
	}
}

func severity(s string) fact.Opt[string] {
	return fact.SomeIf(s, s == "low" || s == "medium" || s == "high" || s == "critical")
}
