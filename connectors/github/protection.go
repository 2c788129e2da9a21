package github

import (
	"encoding/json"
	"fmt"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// GitHub guards a branch with classic protection and with any number of
// rulesets, of the repository, the organisation and the enterprise, all at once.
// They combine rule by rule: the stricter wins, so a rule holds if one of them
// has it and as many approvals are needed as the highest number says. Who may
// pass one of them may pass something: the lists of bypasses unite.
//
// A layer is what one of them asks for. Unknown in one layer is unknown in the
// whole, unless another layer decides alone.
type layer struct {
	pull, stale, codeOwners, checks, upToDate fact.Opt[bool]
	noForce, noDelete, signed, conversation   fact.Opt[bool]
	admins                                    fact.Opt[bool] // it binds administrators
	approvals                                 fact.Opt[int64]
	contexts                                  fact.Opt[[]string]
	bypass                                    fact.Opt[[]string]
	push                                      fact.Opt[[]string] // of the bypasses, who may push and not only merge
	merge                                     fact.Opt[[]string] // who alone may merge; unknown here means that nobody is singled out
	restricts                                 bool               // merge says something
}

// access is who may write to a repository and who administers it.
type access struct {
	writers []string // logins
	admins  []string // logins
	known   bool
}

func (a access) writersKnown() fact.Opt[[]string] { return fact.SomeIf(sorted(a.writers), a.known) }
func (a access) adminsKnown() fact.Opt[[]string]  { return fact.SomeIf(sorted(a.admins), a.known) }

// protect merges the layers that guard a branch. A refused layer is an empty
// value, in which all is unknown.
func protect(layers []layer, enabled fact.Opt[bool], a access) fact.Protection {
	p := fact.Protection{
		Enabled: enabled, AuthorCanApprove: fact.Some(false), // GitHub never counts the author's own approval
		PullRequest:  anyOf(layers, func(l layer) fact.Opt[bool] { return l.pull }),
		DismissStale: anyOf(layers, func(l layer) fact.Opt[bool] { return l.stale }),
		CodeOwners:   anyOf(layers, func(l layer) fact.Opt[bool] { return l.codeOwners }),
		UpToDate:     anyOf(layers, func(l layer) fact.Opt[bool] { return l.upToDate }),
		ForcePush:    not(anyOf(layers, func(l layer) fact.Opt[bool] { return l.noForce })),
		Deletion:     not(anyOf(layers, func(l layer) fact.Opt[bool] { return l.noDelete })),

		ChecksRequired: anyOf(layers, func(l layer) fact.Opt[bool] { return l.checks }),
		SignedCommits:  anyOf(layers, func(l layer) fact.Opt[bool] { return l.signed }),

		ConversationsDone: anyOf(layers, func(l layer) fact.Opt[bool] { return l.conversation }),
		RequiredChecks:    union(layers, func(l layer) fact.Opt[[]string] { return l.contexts }),
		BypassActors:      union(layers, func(l layer) fact.Opt[[]string] { return l.bypass }),
		Approvals:         highest(layers),
		Admins:            bindsAdmins(layers),
	}
	if on, known := enabled.Get(); known && !on {
		p.BypassActors = a.writersKnown()
	}
	p.MergeActors = a.writersKnown()
	for _, l := range layers {
		if l.restricts {
			p.MergeActors = l.merge
		}
	}
	switch pull, known := p.PullRequest.Get(); {
	case known && pull:
		p.PushActors = union(layers, func(l layer) fact.Opt[[]string] { return l.push })
	case known:
		p.PushActors = p.MergeActors
	}
	return p
}

// anyOf is true if one layer says so, false if all say no.
func anyOf(layers []layer, f func(layer) fact.Opt[bool]) fact.Opt[bool] {
	all := true
	for _, l := range layers {
		v, known := f(l).Get()
		if known && v {
			return fact.Some(true)
		}
		all = all && known
	}
	return fact.SomeIf(false, all)
}

func not(o fact.Opt[bool]) fact.Opt[bool] {
	v, known := o.Get()
	return fact.SomeIf(!v, known)
}

// bindsAdmins is true if every layer that there is binds administrators too.
func bindsAdmins(layers []layer) fact.Opt[bool] {
	all := true
	for _, l := range layers {
		v, known := l.admins.Get()
		if known && !v {
			return fact.Some(false)
		}
		all = all && known
	}
	return fact.SomeIf(len(layers) > 0, all)
}

func union(layers []layer, f func(layer) fact.Opt[[]string]) fact.Opt[[]string] {
	var out []string
	for _, l := range layers {
		v, known := f(l).Get()
		if !known {
			return fact.Opt[[]string]{}
		}
		out = append(out, v...)
	}
	return fact.Some(sorted(out))
}

func highest(layers []layer) fact.Opt[int64] {
	var n int64
	for _, l := range layers {
		v, known := l.approvals.Get()
		if !known {
			return fact.Opt[int64]{}
		}
		n = max(n, v)
	}
	return fact.Some(n)
}

func on(e *enabled) bool { return e != nil && e.Enabled }

// layer says what classic protection asks for.
func (c classic) layer(org string, a access) layer {
	l := layer{
		pull: fact.Some(c.Reviews != nil || on(c.Lock)), stale: fact.Some(false), codeOwners: fact.Some(false),
		checks: fact.Some(false), upToDate: fact.Some(false), approvals: fact.Some[int64](0), contexts: fact.Some([]string{}),
		noForce: fact.Some(!on(c.ForcePush)), noDelete: fact.Some(!on(c.Deletion)), signed: fact.Some(on(c.Signatures)),
		conversation: fact.Some(on(c.Conversation)), admins: fact.Some(on(c.Admins)),
		bypass: fact.Some([]string{}), push: fact.Some([]string{}),
	}
	if v := c.Reviews; v != nil {
		l.stale, l.codeOwners, l.approvals = fact.Some(v.Stale), fact.Some(v.CodeOwners), fact.Some(v.Approvals)
		if v.Bypass != nil {
			l.bypass = fact.Some(v.Bypass.names(org))
		}
	}
	if v := c.Checks; v != nil {
		l.checks, l.upToDate, l.contexts = fact.Some(len(v.Contexts) > 0), fact.Some(v.Strict), fact.Some(sorted(v.Contexts))
	}
	if !on(c.Admins) {
		l.bypass = join(l.bypass, a.adminsKnown())
	}
	l.push = l.bypass
	if c.Restrictions != nil {
		l.restricts, l.merge = true, fact.Some(c.Restrictions.names(org))
		if !on(c.Admins) {
			l.merge = join(l.merge, a.adminsKnown())
		}
	}
	return l
}

func join(a, b fact.Opt[[]string]) fact.Opt[[]string] {
	x, ok := a.Get()
	y, also := b.Get()
	return fact.SomeIf(sorted(append(slices.Clone(x), y...)), ok && also)
}

func (a actors) names(org string) []string {
	out := logins(a.Users)
	for _, t := range a.Teams {
		out = append(out, teamName(org, t.Slug))
	}
	for _, x := range a.Apps {
		out = append(out, appName(x.Slug))
	}
	return sorted(out)
}

func teamName(org, slug string) string { return "team " + org + "/" + slug }
func appName(slug string) string       { return "app " + slug }

// rulesLayers turns the rules in force on a branch into a layer for each
// ruleset. GitHub itself says which rules those are: it leaves out rulesets
// that are off or only evaluated, and those whose conditions name other
// repositories or branches.
func rulesLayers(rules []rule, who map[int64]passers) ([]layer, error) {
	var ids []int64
	by := map[int64]*layer{}
	for _, x := range rules {
		l, ok := by[x.RulesetID]
		if !ok {
			l = &layer{
				pull: fact.Some(false), stale: fact.Some(false), codeOwners: fact.Some(false), checks: fact.Some(false),
				upToDate: fact.Some(false), noForce: fact.Some(false), noDelete: fact.Some(false), signed: fact.Some(false),
				conversation: fact.Some(false), approvals: fact.Some[int64](0), contexts: fact.Some([]string{}),
			}
			l.bypass, l.push, l.admins = who[x.RulesetID].all, who[x.RulesetID].push, who[x.RulesetID].admins
			by[x.RulesetID] = l
			ids = append(ids, x.RulesetID)
		}
		if err := l.add(x); err != nil {
			return nil, err
		}
	}
	var out []layer
	for _, id := range ids {
		out = append(out, *by[id])
	}
	return out, nil
}

// add puts one rule into a layer. Rules that say nothing about who may change
// the branch, such as patterns of messages, are left out.
func (l *layer) add(x rule) error {
	switch x.Type {
	case "pull_request":
		return l.addPull(x.Parameters)
	case "required_status_checks":
		return l.addChecks(x.Parameters)
	case "workflows":
		return l.addWorkflows(x.Parameters)
	case "update": // nobody changes the branch but who may pass the rule
		l.pull = fact.Some(true)
	case "deletion":
		l.noDelete = fact.Some(true)
	case "non_fast_forward":
		l.noForce = fact.Some(true)
	case "required_signatures":
		l.signed = fact.Some(true)
	}
	return nil
}

func (l *layer) addPull(raw json.RawMessage) error {
	var p struct {
		Approvals  *int64 `json:"required_approving_review_count"`
		Stale      bool   `json:"dismiss_stale_reviews_on_push"`
		CodeOwners bool   `json:"require_code_owner_review"`
		Threads    bool   `json:"required_review_thread_resolution"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Approvals == nil {
		return fmt.Errorf("rule pull_request: %w", connector.ErrFormat)
	}
	l.pull, l.stale, l.codeOwners = fact.Some(true), fact.Some(p.Stale), fact.Some(p.CodeOwners)
	l.conversation, l.approvals = fact.Some(p.Threads), fact.Some(*p.Approvals)
	return nil
}

func (l *layer) addChecks(raw json.RawMessage) error {
	var p struct {
		Strict bool `json:"strict_required_status_checks_policy"`
		Checks *[]struct {
			Context string `json:"context"`
		} `json:"required_status_checks"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Checks == nil {
		return fmt.Errorf("rule required_status_checks: %w", connector.ErrFormat)
	}
	var names []string
	for _, c := range *p.Checks {
		names = append(names, c.Context)
	}
	l.require(names)
	l.upToDate = fact.Some(p.Strict)
	return nil
}

func (l *layer) addWorkflows(raw json.RawMessage) error {
	var p struct {
		Workflows *[]struct {
			Path string `json:"path"`
		} `json:"workflows"`
	}
	if json.Unmarshal(raw, &p) != nil || p.Workflows == nil {
		return fmt.Errorf("rule workflows: %w", connector.ErrFormat)
	}
	l.checks = fact.Some(l.checks.Or(false) || len(*p.Workflows) > 0)
	return nil
}

func (l *layer) require(names []string) {
	all := append(slices.Clone(l.contexts.Or(nil)), names...)
	l.contexts, l.checks = fact.Some(sorted(all)), fact.Some(l.checks.Or(false) || len(names) > 0)
}
