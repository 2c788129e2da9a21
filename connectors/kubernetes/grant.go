package kubernetes

import (
	"context"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A subject is who holds a right.
type subject struct {
	kind string // user, group, service or everybody
	name string // of a service: namespace/name
}

const accountPrefix = "system:serviceaccount:"

// subjectOf reads a binding's subject. A user with the name of a ServiceAccount
// is that ServiceAccount.
func subjectOf(s apiSubject, namespace string) (subject, bool) {
	if s.Name == "" {
		return subject{}, false
	}
	switch s.Kind {
	case "ServiceAccount":
		if s.Namespace != "" {
			namespace = s.Namespace
		}
		return subject{"service", namespace + "/" + s.Name}, namespace != ""
	case "User":
		if rest, ok := strings.CutPrefix(s.Name, accountPrefix); ok && strings.Count(rest, ":") == 1 {
			return subject{"service", strings.Replace(rest, ":", "/", 1)}, true
		}
		if s.Name == "system:anonymous" {
			return subject{"everybody", s.Name}, true
		}
		return subject{"user", s.Name}, true
	case "Group":
		if s.Name == "system:unauthenticated" || s.Name == "system:authenticated" {
			return subject{"everybody", s.Name}, true
		}
		return subject{"group", s.Name}, true
	}
	return subject{}, false
}

// A right is a binding to one subject, with what its role allows.
type right struct {
	binding apiBinding
	subject subject
	known   bool // the role could be read, or is known not to be there
	powers  powers
}

// Powers are what matters of a role's rules.
type powers struct {
	admin    bool // everything, or the means to get everything
	wildcard bool
	secrets  bool
}

func has(list []string, any ...string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(any, s) })
}

// powersOf sums up rules. Who may give rights away, write roles past his own
// (escalate, bind) or speak as another (impersonate) administers, and is counted
// as an administrator, as is whoever may do everything.
func powersOf(rules []apiRule) powers {
	var p powers
	for _, r := range rules {
		all := has(r.Verbs, "*")
		anything := has(r.Resources, "*", "*/*")
		p.wildcard = p.wildcard || all || anything
		if has(r.Groups, "", "*") && has(r.Resources, "secrets", "*", "*/*") && has(r.Verbs, "*", "get", "list", "watch") {
			p.secrets = true
		}
		if len(r.Names) > 0 {
			continue // over named things only
		}
		switch {
		case all && anything && has(r.Groups, "*"):
			p.admin = true
		case has(r.Groups, groupRBAC, "*") && (anything || has(r.Resources, "roles", "clusterroles")) && has(r.Verbs, "*", "escalate", "bind"):
			p.admin = true
		case has(r.Groups, groupRBAC, "*") && has(r.Resources, "rolebindings", "clusterrolebindings") && has(r.Verbs, "*", "create", "update", "patch"):
			p.admin = true
		case has(r.Groups, "", "*") && (anything || has(r.Resources, "users", "groups")) && has(r.Verbs, "*", "impersonate"):
			p.admin = true
		}
	}
	return p
}

// rights reads every binding with its role. The errors are in the tally; known
// says that every binding was read.
func (r *reader) rights(ctx context.Context, y *connector.Tally) (rights []right, known bool) {
	clusterRoles, errC := r.listRoles(ctx, y, &r.clusterRoles, "clusterroles")
	roles, errR := r.listRoles(ctx, y, &r.roles, "roles")
	clusterBinds, errCB := r.listBindings(ctx, y, &r.clusterBinds, "clusterrolebindings")
	binds, errB := r.listBindings(ctx, y, &r.namespaceBinds, "rolebindings")
	of := map[string]powers{}
	for _, x := range slices.Concat(clusterRoles, roles) {
		of[x.Meta.full()] = powersOf(x.Rules)
	}
	for _, b := range slices.Concat(clusterBinds, binds) {
		name, err := b.Role.Name, errC
		if b.Role.Kind == "Role" {
			name, err = b.Meta.Namespace+"/"+b.Role.Name, errR
		}
		p, found := of[name]
		for _, s := range b.Subjects {
			who, ok := subjectOf(s, b.Meta.Namespace)
			if !ok {
				y.Add(wrapFormat("a subject without kind or name"))
				continue
			}
			x := right{binding: b, subject: who, powers: p, known: found || err == nil}
			if x.known || !passing(err) {
				rights = append(rights, x)
			}
		}
	}
	return rights, errCB == nil && errB == nil
}

// rightsPassing reports that something about rights could not be read for a
// passing reason, so that what anybody holds in sum is not known now.
func (r *reader) rightsPassing() bool {
	return passing(r.clusterBinds.err) || passing(r.namespaceBinds.err) || passing(r.clusterRoles.err) || passing(r.roles.err)
}

// grants emits one fact for each binding and subject.
func (r *reader) grants(ctx context.Context, y *connector.Tally) error {
	rights, _ := r.rights(ctx, y)
	told := map[string]bool{}
	for _, x := range rights {
		b := x.binding
		id := r.id("grant", bindingName(b), x.subject.kind, x.subject.name)
		if told[id] {
			continue // a binding may name a subject twice
		}
		told[id] = true
		g := fact.Grant{
			Name: fact.Some(b.Meta.full()), System: fact.Some(system), Subject: fact.Some(x.subject.name), SubjectType: fact.Some(x.subject.kind),
			Role: fact.Some(roleName(b)), Scope: fact.Some("cluster"), Everywhere: fact.Some(b.Meta.Namespace == ""),
			Admin: fact.SomeIf(x.powers.admin, x.known), Wildcard: fact.SomeIf(x.powers.wildcard, x.known), ReadSecrets: fact.SomeIf(x.powers.secrets, x.known),
			Builtin: fact.Some(builtin(x)), CreatedAt: fact.SomeIf(b.Meta.Created, b.Meta.untouched()), Cluster: r.ref(),
		}
		if b.Meta.Namespace != "" {
			g.Scope = fact.Some(b.Meta.Namespace)
		}
		switch x.subject.kind {
		case "service":
			g.Account = r.ref("serviceaccount", x.subject.name)
		case "user":
			if !strings.HasPrefix(x.subject.name, "system:") {
				g.Account = r.ref("user", x.subject.name)
			}
		}
		if err := r.put(y, scopeGrants, id, g); err != nil {
			return err
		}
	}
	return nil
}

func bindingName(b apiBinding) string {
	if b.Meta.Namespace == "" {
		return "cluster/" + b.Meta.Name
	}
	return "namespace/" + b.Meta.Namespace + "/" + b.Meta.Name
}

// roleName is the name of a ClusterRole, or namespace/name of a Role.
func roleName(b apiBinding) string {
	if b.Role.Kind == "Role" {
		return b.Meta.Namespace + "/" + b.Role.Name
	}
	return b.Role.Name
}

const labelDefaults = "kubernetes.io/bootstrapping"

// builtin reports a right that came with Kubernetes. The label alone does not
// prove it, since whoever makes a binding may set it: Kubernetes' own bindings
// bear their role's name and give to itself only, and to everybody three roles
// that show no more than versions and one's own rights.
func builtin(x right) bool {
	m, role := x.binding.Meta, x.binding.Role.Name
	if m.Labels[labelDefaults] != "rbac-defaults" || m.Name != role && m.Name != "system::"+role {
		return false
	}
	if m.Name != "cluster-admin" && !strings.HasPrefix(m.Name, "system:") {
		return false
	}
	switch x.subject.kind {
	case "everybody":
		return slices.Contains([]string{"system:basic-user", "system:discovery", "system:public-info-viewer"}, role)
	case "service":
		return strings.HasPrefix(x.subject.name, "kube-system/")
	case "group":
		return x.subject.name == "system:masters" || x.subject.name == "system:monitoring" ||
			x.subject.name == "system:serviceaccounts" && (role == "system:service-account-issuer-discovery" || role == "system:cluster-trust-bundle-discovery")
	default:
		return strings.HasPrefix(x.subject.name, "system:kube-")
	}
}
