package github

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A sight says what the credential sees of an organisation.
type sight struct {
	owner   bool // an owner's token
	member  bool // a member's, or an App that may read members
	all     bool // an App that was let into all repositories
	refused bool // nobody of the organisation
	err     error
}

// org reads what an organisation says of itself, once.
func (r *reader) org(ctx context.Context, name string) *org {
	key := strings.ToLower(name)
	if o, ok := r.orgs[key]; ok {
		return o
	}
	o := &org{name: name}
	r.orgs[key] = o
	o.about, o.err = get[organisation](ctx, r.api, name, orgPath(name))
	if o.err == nil && (!sameName(o.about.Login, name) || o.about.HTMLURL == "") {
		o.err = fmt.Errorf("organisation %s: %w", name, connector.ErrFormat)
	}
	o.sight = r.sees(ctx, name)
	var found installations
	o.apps, o.appEr = r.installations(ctx, name, &found)
	return o
}

func (r *reader) sees(ctx context.Context, name string) sight {
	if r.api.auth.isApp() {
		g, err := r.api.auth.grant(ctx, r.api, name)
		return sight{all: g.Install.Selection == "all", member: g.Install.Permissions["members"] != "", err: err}
	}
	m, err := get[membership](ctx, r.api, name, "/user/memberships/orgs/"+escape(name))
	if err == nil && m.Role == "" {
		err = fmt.Errorf("membership in %s: %w", name, connector.ErrFormat)
	}
	if connector.Refused(err) {
		return sight{refused: true, err: err}
	}
	return sight{owner: m.Role == "admin" && m.State == "active", member: m.State == "active", err: err}
}

// installations lists the Apps that are installed in an organisation.
func (r *reader) installations(ctx context.Context, name string, found *installations) ([]installation, error) {
	err := pages(ctx, r.api, name, orgPath(name)+"/installations", func(part installations) (int, error) {
		for _, i := range part.Items {
			if i.ID == 0 || i.AppSlug == "" {
				return 0, fmt.Errorf("installed Apps of %s: %w", name, connector.ErrFormat)
			}
		}
		if part.Total == nil {
			return 0, fmt.Errorf("installed Apps of %s: %w", name, connector.ErrFormat)
		}
		found.Total = part.Total
		found.Items = append(found.Items, part.Items...)
		return len(part.Items), nil
	})
	if err == nil && len(found.Items) < *found.Total {
		err = connector.ErrCapped
	}
	return found.Items, err
}

// tenant emits the organisation itself.
func (r *reader) tenant(ctx context.Context, name string) error {
	return r.scoped(scopeTenant+name, []string{"tenant"}, func(y *connector.Tally) error {
		o := r.org(ctx, name)
		if y.Add(o.err) {
			return nil
		}
		actions, actErr := get[actionsPermissions](ctx, r.api, name, orgPath(name)+"/actions/permissions")
		if actErr == nil && actions.Repos == nil {
			actErr = fmt.Errorf("actions of %s: %w", name, connector.ErrFormat)
		}
		flow, flowErr := get[workflowPermissions](ctx, r.api, name, orgPath(name)+"/actions/permissions/workflow")
		if flowErr == nil && flow.Default == nil {
			flowErr = fmt.Errorf("actions of %s: %w", name, connector.ErrFormat)
		}
		users, userErr := r.members(ctx, name)
		outside, outErr := r.outside(ctx, name)
		for _, e := range []error{o.appEr, actErr, flowErr} {
			y.Missing(e, "Organization administration: read")
		}
		y.Missing(userErr, "Members: read")
		y.Missing(outErr, "Members: read")
		for _, e := range []error{o.appEr, actErr, flowErr, userErr, outErr} {
			if passing(e) {
				return nil
			}
		}
		f := tenantFact(o)
		if actErr == nil {
			f.ActionsAllowed = allowed(actions)
			f.ActionsPinned = opt(actions.Pinned)
		}
		if flowErr == nil {
			f.TokenReadOnly, f.ActionsApprove = fact.Some(*flow.Default == "read"), opt(flow.Approve)
		}
		if userErr == nil {
			f.Members, f.Admins = fact.Some(int64(len(users))), fact.Some(owners(users))
		}
		if outErr == nil {
			f.Outside = fact.Some(sorted(logins(outside)))
		}
		return r.emit.Fact(scopeTenant+name, "github/"+name, f)
	})
}

// tenantFact says what the organisation says of itself, its Apps included.
func tenantFact(o *org) fact.Tenant {
	a := o.about
	f := fact.Tenant{
		Name: fact.Some(a.Login), System: fact.Some("github"), URL: fact.Some(a.HTMLURL),
		MFARequired: opt(a.TwoFactor), SelfRegistration: fact.Some(false),
		MembersCreate: opt(a.CreateRepos), MembersCreatePublic: opt(a.CreatePublic), MembersDelete: opt(a.DeleteRepos),
		MembersInviteOutside: opt(a.InviteOutside),
	}
	if p := a.BasePermission; p != nil && (*p == "none" || *p == "read" || *p == "write" || *p == "admin") {
		f.BasePermission = fact.Some(*p)
	}
	if o.appEr == nil {
		slugs := []string{}
		for _, i := range o.apps {
			slugs = append(slugs, i.AppSlug)
		}
		f.Apps = fact.Some(sorted(slugs))
	}
	if a.Plan != nil && a.Plan.Name == "enterprise" {
		f.AuditLog = fact.Some(fact.Ref("github/" + o.name + "/audit-log"))
	}
	return f
}

// allowed says whose automations may run.
func allowed(p actionsPermissions) fact.Opt[string] {
	switch {
	case p.Enabled != nil && !*p.Enabled, p.Repos != nil && *p.Repos == "none":
		return fact.Some("none")
	case p.Allowed == nil:
		return fact.Opt[string]{}
	case *p.Allowed == "all" || *p.Allowed == "local_only" || *p.Allowed == "selected":
		return fact.Some(*p.Allowed)
	default:
		return fact.Opt[string]{}
	}
}

// auditDays is how long GitHub keeps the events of an organisation.
const auditDays = 180

// auditLog emits the organisation's audit log, which GitHub shows to Enterprise
// Cloud only. Where the plan is known to be another there is nothing to ask.
func (r *reader) auditLog(ctx context.Context, name string) error {
	o := r.org(ctx, name)
	if o.err == nil && o.about.Plan != nil && o.about.Plan.Name != "enterprise" {
		return nil
	}
	return r.scoped(scopeAudit+name, []string{"log_source"}, func(y *connector.Tally) error {
		events, err := get[[]auditEvent](ctx, r.api, name, orgPath(name)+"/audit-log?per_page=1&order=desc")
		if y.Missing(err, "Organization administration: read, on Enterprise Cloud") {
			return nil
		}
		f := fact.LogSource{
			Name: fact.Some("audit log of " + name), System: fact.Some("github"), Enabled: fact.Some(true),
			Immutable: fact.Some(true), KeptDays: fact.Some[int64](auditDays),
		}
		if len(events) > 0 {
			at := events[0].Timestamp
			if at == nil {
				at = events[0].CreatedAt
			}
			if at == nil {
				y.Add(fmt.Errorf("audit log of %s: %w", name, connector.ErrFormat))
				return nil
			}
			f.LastEventAt = fact.Some(time.UnixMilli(*at).UTC())
		}
		return r.emit.Fact(scopeAudit+name, "github/"+name+"/audit-log", f)
	})
}

// tokens emits the fine-grained personal tokens that may enter the
// organisation. GitHub tells Apps only; a token is not let see others.
func (r *reader) tokens(ctx context.Context, name string) error {
	if !r.api.auth.isApp() {
		return nil
	}
	return r.scoped(scopeTokens+name, []string{"secret"}, func(y *connector.Tally) error {
		grants, err := list[accessGrant](ctx, r.api, name, orgPath(name)+"/personal-access-tokens")
		if y.Missing(err, "Personal access tokens: read") {
			return nil
		}
		for _, g := range grants {
			if g.ID == 0 || g.Owner.Login == "" {
				y.Add(fmt.Errorf("tokens of %s: %w", name, connector.ErrFormat))
				return nil
			}
		}
		for _, g := range grants {
			id := fmt.Sprintf("github/%s/token/%d", name, g.ID)
			if err := r.emit.Fact(scopeTokens+name, id, g.fact()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (g accessGrant) fact() fact.Secret {
	f := fact.Secret{
		Name: fact.Some(g.Name), Type: fact.Some("token"), Active: fact.Some(!g.Expired),
		Account: fact.Some(fact.Ref(accountID(g.Owner.Login))), CreatedAt: when(g.GrantedAt),
		NeverEnds: fact.Some(g.ExpiresAt == nil),
	}
	if g.ExpiresAt != nil {
		f.ExpiresAt = when(*g.ExpiresAt)
	}
	if g.LastUsedAt != nil {
		f.LastUsedAt = when(*g.LastUsedAt)
	}
	scopes, writes := rightsOf(g.Permissions.Organization, g.Permissions.Repository)
	f.Scopes, f.Write = fact.Some(scopes), fact.Some(writes)
	return f
}

// rightsOf writes permissions as "contents: write", and whether one changes anything.
func rightsOf(all ...map[string]string) (out []string, writes bool) {
	for _, m := range all {
		for k, v := range m {
			out = append(out, k+": "+v)
			writes = writes || v != "read"
		}
	}
	return sorted(out), writes
}

// when reads a time as GitHub writes it in most places, or in some others.
func when(s string) fact.Opt[time.Time] {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05.000-07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST"} {
		if t, err := time.Parse(form, s); err == nil {
			return fact.Some(t.UTC())
		}
	}
	return fact.Opt[time.Time]{}
}

func query(values ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		q.Set(values[i], values[i+1])
	}
	return q.Encode()
}
