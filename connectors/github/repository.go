package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// eachRepository emits repositories, with what GraphQL tells about some at once.
func (r *reader) eachRepository(ctx context.Context, org string, repos []repo, y *connector.Tally) error {
	for part := range slices.Chunk(repos, overviewSize) {
		views := r.overviews(ctx, org, part)
		for _, x := range part {
			if err := r.repository(ctx, org, x, views[x.FullName], y); err != nil {
				return err
			}
			r.views[x.FullName] = views[x.FullName].light()
		}
	}
	return nil
}

// repository emits one repository, with its keys, pipelines and environments in
// scopes of their own. A part that GitHub refuses is left unknown; where a part
// fails for a passing reason the fact is not emitted, and so stays as last seen.
func (r *reader) repository(ctx context.Context, org string, x repo, v overview, y *connector.Tally) error {
	keys, keysErr, err := r.keys(ctx, org, x.FullName)
	if err != nil {
		return err
	}
	if x.archived() {
		return r.archivedRepository(ctx, org, x, v, y)
	}
	actions := r.actions(ctx, org, x.FullName)
	files, err := r.pipelines(ctx, x, v, actions)
	if err != nil {
		return err
	}
	if err := r.environments(ctx, org, x.FullName); err != nil {
		return err
	}
	g := r.grants(ctx, x.FullName)
	guard := r.guards(ctx, org, x, v, g.access())
	r.guarded[x.FullName] = guard
	scanned, scanErr := r.scanned(ctx, org, x.FullName, v)
	reporting, reportErr := r.reporting(ctx, org, x)
	whole := true
	for _, e := range []struct {
		err        error
		permission string
	}{
		{g.err, "Metadata: read"},
		{keysErr, "Administration: read"},
		{v.err, "Contents: read"},
		{actions.err, "Administration: read"},
		{guard.classicErr, "Administration: read"},
		{guard.rulesErr, "Metadata: read"},
		{scanErr, "Code scanning alerts: read"},
		{reportErr, "Administration: read"},
	} {
		y.Missing(e.err, e.permission)
		whole = whole && !passing(e.err)
	}
	if !whole || ctx.Err() != nil {
		return nil
	}
	f := r.repositoryFact(x, v, files)
	if !v.empty() {
		f.Protection = guard.protection
	}
	f.Writers = g.access().writersKnown()
	f.NonHumanWriters = r.programs(ctx, org, g, keys, keysErr)
	f.TokenReadOnly, f.ActionsAllowed, f.ActionsPinned = actions.readOnly, actions.allowed, actions.pinned
	f.CodeScannedAt, f.PrivateReporting = scanned, reporting
	return r.emit.Fact(scopeRepositories+org, repoID(x.FullName), f)
}

// archivedRepository emits a repository that takes no change for ever: nobody
// writes to it, nothing runs, and what guarded it is not asked for.
func (r *reader) archivedRepository(ctx context.Context, org string, x repo, v overview, y *connector.Tally) error {
	nothing := func(*connector.Tally) error { return nil }
	for name, kind := range map[string]string{scopePipelines: "pipeline", scopeEnvironments: "environment"} {
		if err := r.scoped(name+x.FullName, []string{kind}, nothing); err != nil {
			return err
		}
	}
	if y.Missing(v.err, "Contents: read"); passing(v.err) || ctx.Err() != nil {
		return nil
	}
	f := r.repositoryFact(x, v, repoFiles{known: true})
	f.Writers, f.NonHumanWriters = fact.Some([]string{}), fact.Some([]string{})
	return r.emit.Fact(scopeRepositories+org, repoID(x.FullName), f)
}

func (r *reader) repositoryFact(x repo, v overview, files repoFiles) fact.Repository {
	f := fact.Repository{
		Name: fact.Some(x.FullName), URL: fact.SomeIf(x.HTMLURL, x.HTMLURL != ""), Archived: fact.Some(x.archived()),
		Fork: fact.Some(x.Fork), Mirror: fact.Some(x.mirror()), Public: fact.Some(!x.Private), DefaultBranch: fact.Some(x.DefaultBranch),
		Production: production(r.run.Settings.Map("production"), x), CodeOwners: files.codeOwners, SecurityPolicy: files.securityPolicy,
	}
	if x.PushedAt != nil {
		f.PushedAt = fact.Some(x.PushedAt.UTC())
	}
	if s := x.Security; s != nil {
		f.SecretScanning, f.PushProtection = switched(s.SecretScanning), switched(s.PushProtection)
	}
	if v.err == nil {
		f.Empty, f.DependencyAlerts = fact.Some(v.empty()), opt(v.Alerts)
		if !v.empty() {
			f.HeadCommit = fact.Some(v.head())
		}
	}
	jobs := r.run.Settings.Map("jobs")
	f.RunsTests = files.runs(jobs, "test")
	f.RunsCodeScan = files.runs(jobs, "code-scan")
	f.RunsDependencyScan = files.runs(jobs, "dependency-scan")
	f.RunsSecretScan = files.runs(jobs, "secret-scan")
	f.RunsEndToEnd = files.runs(jobs, "end-to-end")
	return f
}

func switched(s *status) fact.Opt[bool] {
	if s == nil {
		return fact.Opt[bool]{}
	}
	return fact.SomeIf(s.Status == "enabled", s.Status == "enabled" || s.Status == "disabled")
}

// production says whether the default branch reaches production, once anybody
// has said which branches do.
func production(branches map[string][]string, x repo) fact.Opt[bool] {
	if len(branches) == 0 {
		return fact.Opt[bool]{}
	}
	for name, list := range branches {
		if sameName(name, x.FullName) {
			return fact.Some(slices.Contains(list, x.DefaultBranch))
		}
	}
	return fact.Some(false)
}

// rights are the accounts that may write to a repository.
type rights struct {
	all []collaborator
	err error
}

// grants reads who may write to a repository, through whatever gives the right, once.
func (r *reader) grants(ctx context.Context, full string) rights {
	if g, ok := r.rights[full]; ok {
		return g
	}
	org, _, _ := cutName(full)
	var g rights
	g.all, g.err = list[collaborator](ctx, r.api, org, repoPath(full)+"/collaborators?"+query("affiliation", "all", "permission", "push"))
	if g.err == nil && slices.ContainsFunc(g.all, func(c collaborator) bool { return c.ID == 0 || c.Login == "" || c.Permissions == nil }) {
		g = rights{err: fmt.Errorf("collaborators of %s: %w", full, connector.ErrFormat)}
	}
	r.rights[full] = g
	return g
}

func (g rights) access() access {
	a := access{known: g.err == nil}
	for _, c := range g.all {
		if c.Permissions.Push {
			a.writers = append(a.writers, c.Login)
		}
		if c.Permissions.Admin {
			a.admins = append(a.admins, c.Login)
		}
	}
	return a
}

// programs lists what is not a person and may write: keys, bots, and Apps. An
// App that was let into some repositories, which GitHub does not name, makes
// the list unknown.
func (r *reader) programs(ctx context.Context, org string, g rights, keys []deployKey, keysErr error) fact.Opt[[]string] {
	o := r.org(ctx, org)
	if g.err != nil || keysErr != nil || o.appEr != nil {
		return fact.Opt[[]string]{}
	}
	var out []string
	for _, k := range keys {
		if !*k.ReadOnly {
			out = append(out, "deploy key "+k.Title)
		}
	}
	for _, c := range g.all {
		if c.Type == "Bot" || r.isBot(c.Login) {
			out = append(out, c.Login)
		}
	}
	for _, i := range o.apps {
		if i.Permissions["contents"] != "write" || i.SuspendedAt != nil {
			continue
		}
		if i.Selection != "all" {
			return fact.Opt[[]string]{}
		}
		out = append(out, appName(i.AppSlug))
	}
	return fact.Some(sorted(out))
}

// keys emits a repository's deploy keys. met says what was met on the way.
func (r *reader) keys(ctx context.Context, org, full string) (found []deployKey, met, err error) {
	err = r.scoped(scopeKeys+full, []string{"secret"}, func(y *connector.Tally) error {
		found, met = list[deployKey](ctx, r.api, org, repoPath(full)+"/keys")
		if met == nil && slices.ContainsFunc(found, func(k deployKey) bool { return k.ID == 0 || k.ReadOnly == nil }) {
			met = fmt.Errorf("keys of %s: %w", full, connector.ErrFormat)
		}
		if y.Missing(met, "Administration: read") {
			found = nil
			return nil
		}
		for _, k := range found {
			f := fact.Secret{
				Name: fact.Some(k.Title), Type: fact.Some("deploy-key"), Active: fact.Some(k.Enabled == nil || *k.Enabled), Write: fact.Some(!*k.ReadOnly),
				CreatedAt: fact.SomeIf(k.CreatedAt.UTC(), !k.CreatedAt.IsZero()), NeverEnds: fact.Some(true), Repository: refTo(full),
			}
			if k.LastUsed != nil {
				f.LastUsedAt = fact.Some(k.LastUsed.UTC())
			}
			if k.AddedBy != nil && *k.AddedBy != "" {
				f.Account = fact.Some(fact.Ref(accountID(*k.AddedBy)))
			}
			if err := r.emit.Fact(scopeKeys+full, fmt.Sprintf("%s/key/%d", repoID(full), k.ID), f); err != nil {
				return err
			}
		}
		return nil
	})
	return found, met, err
}

// actionsSettings are what a repository lets automations do.
type actionsSettings struct {
	readOnly, pinned fact.Opt[bool]
	allowed          fact.Opt[string]
	err              error
}

func (r *reader) actions(ctx context.Context, org, full string) actionsSettings {
	var s actionsSettings
	p, err := get[actionsPermissions](ctx, r.api, org, repoPath(full)+"/actions/permissions")
	if err == nil && p.Enabled == nil {
		err = connector.ErrFormat
	}
	if err != nil {
		return actionsSettings{err: fmt.Errorf("actions of %s: %w", full, err)}
	}
	s.allowed, s.pinned = allowed(p), opt(p.Pinned)
	w, err := get[workflowPermissions](ctx, r.api, org, repoPath(full)+"/actions/permissions/workflow")
	if err == nil && w.Default == nil {
		err = connector.ErrFormat
	}
	if s.err = err; err == nil {
		s.readOnly = fact.Some(*w.Default == "read")
	}
	return s
}

// scanned reads when a code scanner last reported. Where code scanning is off
// or nothing ever reported, GitHub says so in words.
func (r *reader) scanned(ctx context.Context, org, full string, v overview) (fact.Opt[time.Time], error) {
	key := "not scanned " + full + " " + v.head()
	if none := false; r.recall(key, &none) && none {
		return fact.Opt[time.Time]{}, nil // until the next commit, or for a day
	}
	found, err := get[[]analysis](ctx, r.api, org, repoPath(full)+"/code-scanning/analyses?per_page=1")
	switch {
	case switchedOff(err):
		r.keep(key, true)
		return fact.Opt[time.Time]{}, nil
	case err != nil:
		return fact.Opt[time.Time]{}, fmt.Errorf("code scanning of %s: %w", full, err)
	case len(found) == 0:
		return fact.Opt[time.Time]{}, nil
	case found[0].CreatedAt == nil:
		return fact.Opt[time.Time]{}, fmt.Errorf("code scanning of %s: %w", full, connector.ErrFormat)
	}
	return fact.Some(found[0].CreatedAt.UTC()), nil
}

// switchedOff reports that GitHub says in words that a scanner is off or never
// ran. That is no refusal: there is nothing to see.
func switchedOff(err error) bool {
	status, words := said(err)
	words = strings.ToLower(words)
	if status != http.StatusNotFound && status != http.StatusForbidden {
		return false
	}
	return strings.HasPrefix(words, "no analysis found") || slices.ContainsFunc(
		[]string{"must be enabled for this", "is not enabled for this", "is disabled on this", "is disabled for this"},
		func(w string) bool { return len(words) < 200 && strings.Contains(words, w) },
	)
}

// reporting reads whether outsiders may report a weakness in private, which
// public repositories alone can.
func (r *reader) reporting(ctx context.Context, org string, x repo) (fact.Opt[bool], error) {
	if x.Private {
		return fact.Opt[bool]{}, nil
	}
	p, err := get[privateReporting](ctx, r.api, org, repoPath(x.FullName)+"/private-vulnerability-reporting")
	if err == nil && p.Enabled == nil {
		err = connector.ErrFormat
	}
	if err != nil {
		return fact.Opt[bool]{}, fmt.Errorf("private reporting of %s: %w", x.FullName, err)
	}
	return opt(p.Enabled), nil
}

// A guard is what protects a default branch.
type guard struct {
	protection           fact.Opt[fact.Protection]
	classicErr, rulesErr error
}

// What GitHub says with 404 where nothing is hidden.
const (
	notProtected = "Branch not protected"
	noBranch     = "Branch not found"
)

// guards reads classic protection and the rules in force on the default branch.
func (r *reader) guards(ctx context.Context, org string, x repo, v overview, a access) guard {
	var g guard
	if v.err == nil && v.empty() {
		return g
	}
	branch := url.PathEscape(x.DefaultBranch)
	c, bare, err := r.classic(ctx, org, x, v)
	if errors.Is(err, errNoBranch) {
		return g
	}
	g.classicErr = err
	layers, err := r.ruleLayers(ctx, org, x.FullName, branch)
	g.rulesErr = err
	enabled := fact.SomeIf(len(layers) > 0, len(layers) > 0 || g.rulesErr == nil)
	switch {
	case g.classicErr != nil:
		layers = append(layers, layer{})
		enabled = fact.SomeIf(true, enabled.Or(false))
	case !bare:
		layers = append(layers, c.layer(org, a))
		enabled = fact.Some(true)
	}
	if g.rulesErr != nil {
		layers = append(layers, layer{})
	}
	g.protection = fact.SomeIf(protect(layers, enabled, a), g.classicErr == nil || g.rulesErr == nil)
	return g
}

// classic reads classic protection. Where it said that there is none, and
// GraphQL goes on saying so, it is not asked again for a day: GitHub counts an
// answer of 404 against the limit, however often it is the same.
func (r *reader) classic(ctx context.Context, org string, x repo, v overview) (c classic, bare bool, err error) {
	key := "bare " + x.FullName + " " + x.DefaultBranch
	if v.bare() && r.recall(key, &bare) && bare {
		return c, true, nil
	}
	c, err = get[classic](ctx, r.api, org, repoPath(x.FullName)+"/branches/"+url.PathEscape(x.DefaultBranch)+"/protection")
	switch status, words := said(err); {
	case status == http.StatusNotFound && words == noBranch:
		return c, false, errNoBranch
	case status == http.StatusNotFound && words == notProtected:
		if v.bare() {
			r.keep(key, true)
		}
		return c, true, nil
	case err != nil:
		return c, false, fmt.Errorf("protection of %s: %w", x.FullName, err)
	case c.Admins == nil || c.ForcePush == nil || c.Deletion == nil:
		return c, false, fmt.Errorf("protection of %s: %w", x.FullName, connector.ErrFormat)
	}
	return c, false, nil
}

func (r *reader) ruleLayers(ctx context.Context, org, full, branch string) ([]layer, error) {
	rules, err := list[rule](ctx, r.api, org, repoPath(full)+"/rules/branches/"+branch)
	if err != nil {
		return nil, fmt.Errorf("rules of %s: %w", full, err)
	}
	if slices.ContainsFunc(rules, func(x rule) bool { return x.Type == "" || x.RulesetID == 0 }) {
		return nil, fmt.Errorf("rules of %s: %w", full, connector.ErrFormat)
	}
	who, err := r.passersOf(ctx, org, full, rules)
	if err != nil {
		return nil, err
	}
	return rulesLayers(rules, who)
}

var (
	errNoOverview = errors.New("not among the answers")
	errNoBranch   = errors.New("the branch is not there")
)
