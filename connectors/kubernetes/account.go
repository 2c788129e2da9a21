package kubernetes

import (
	"context"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A holder sums up what a subject was given.
type holder struct {
	roles        []string
	admin, known bool
}

// people emits the accounts of programs, and the users that bindings name:
// Kubernetes keeps no users of its own. Groups are no accounts; who is in them
// only the sign-in system knows.
func (r *reader) people(ctx context.Context, y *connector.Tally) error {
	services, errS := r.listAccounts(ctx, y)
	rights, known := r.rights(ctx, y)
	if r.rightsPassing() {
		return nil // they stay as they were last seen
	}
	all := holders(rights)
	if errS == nil {
		for _, s := range services {
			if err := r.service(y, s, all[subject{"service", s.Meta.full()}], known); err != nil {
				return err
			}
		}
	}
	bots := r.run.Settings.List("bots")
	for _, x := range sortedSubjects(all) {
		if x.kind != "user" || strings.HasPrefix(x.name, "system:") {
			continue
		}
		h := all[x]
		a := fact.Account{
			Login: fact.Some(x.name), System: fact.Some(system), Type: fact.Some("human"),
			Roles: fact.SomeIf(unique(h.roles), known), Admin: fact.SomeIf(h.admin, known && h.known),
		}
		if slices.Contains(bots, x.name) {
			a.Type = fact.Some("service")
		}
		if strings.Contains(x.name, "@") {
			a.Email = fact.Some(x.name)
		}
		if known || h.admin {
			if err := r.put(y, scopeAccounts, r.id("user", x.name), a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) service(y *connector.Tally, s apiObject, h *holder, known bool) error {
	if h == nil {
		h = &holder{known: true}
	}
	a := fact.Account{
		Login: fact.Some(s.Meta.full()), Name: fact.Some(s.Meta.Name), System: fact.Some(system), Type: fact.Some("service"),
		Active: fact.Some(true), Interactive: fact.Some(false),
		Groups: fact.Some([]string{"system:serviceaccounts", "system:serviceaccounts:" + s.Meta.Namespace}),
		Roles:  fact.SomeIf(unique(h.roles), known), Admin: fact.SomeIf(h.admin, known && h.known),
		CreatedAt: fact.SomeIf(s.Meta.Created, !s.Meta.Created.IsZero()),
	}
	return r.put(y, scopeAccounts, r.id("serviceaccount", s.Meta.full()), a)
}

// holders gathers rights by subject. An administrator is who administers the
// whole cluster; rights that come through a group are the group's.
func holders(rights []right) map[subject]*holder {
	all := map[subject]*holder{}
	for _, x := range rights {
		h := all[x.subject]
		if h == nil {
			h = &holder{known: true}
			all[x.subject] = h
		}
		name := roleName(x.binding)
		if x.binding.Meta.Namespace != "" && x.binding.Role.Kind != "Role" {
			name += " in " + x.binding.Meta.Namespace
		}
		h.roles = append(h.roles, name)
		h.known = h.known && x.known
		h.admin = h.admin || x.powers.admin && x.binding.Meta.Namespace == ""
	}
	return all
}

func sortedSubjects(all map[subject]*holder) []subject {
	var out []subject
	for s := range all {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b subject) int { return strings.Compare(a.kind+" "+a.name, b.kind+" "+b.name) })
	return out
}
