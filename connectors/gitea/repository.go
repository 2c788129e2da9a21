package gitea

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func escape(s string) string { return url.PathEscape(s) }

// repository emits one repository, with its keys and pipelines in scopes of
// their own. A part that the server refuses is left unknown; where a part fails
// for a passing reason the fact is not emitted, and so stays as last seen.
func (r *reader) repository(ctx context.Context, org string, repo apiRepo, y *connector.Tally) error {
	keys, err := r.keys(ctx, repo.FullName)
	if err != nil {
		return err
	}
	files, err := r.pipelines(ctx, repo)
	if err != nil {
		return err
	}
	_, rightsErr := r.grants(ctx, repo.FullName)
	var branch apiBranch
	var rules []rule
	var branchErr error
	if !repo.Empty {
		branch, rules, branchErr = r.branch(ctx, repo)
	}
	announces, hookErr := r.announces(ctx, org, repo)
	whole := true
	for _, e := range []error{rightsErr, branchErr, keys.err, files.err, hookErr} {
		add(y, e)
		whole = whole && !passing(e)
	}
	if !whole || ctx.Err() != nil {
		return nil
	}
	f := r.repositoryFact(repo, keys, files)
	f.Protection = protectionOf(org, branch, rules, branchErr, r.rights[repo.FullName].access(org), f.CodeOwners)
	f.Webhook = announces
	if branch.Commit != nil {
		f.HeadCommit = fact.SomeIf(branch.Commit.ID, branch.Commit.ID != "")
	}
	return r.emit.Fact(scopeRepositories+org, repoID(repo.FullName), f)
}

func (r *reader) repositoryFact(repo apiRepo, keys repoKeys, files repoFiles) fact.Repository {
	a := r.rights[repo.FullName].access("")
	f := fact.Repository{
		Name: fact.Some(repo.FullName), URL: fact.SomeIf(repo.HTMLURL, repo.HTMLURL != ""), Archived: fact.Some(repo.Archived),
		Empty: fact.Some(repo.Empty), Fork: fact.Some(repo.Fork), Mirror: fact.Some(repo.Mirror),
		Public:        fact.Some(!repo.Private && !repo.Internal),
		DefaultBranch: fact.SomeIf(repo.DefaultBranch, repo.DefaultBranch != ""),
		Production:    production(r.run.Settings.Map("production"), repo),
		Writers:       a.writersKnown(), CodeOwners: files.codeOwners, SecurityPolicy: files.securityPolicy,
	}
	if keys.err == nil && a.known {
		names := keys.writers()
		for _, login := range a.writers {
			if r.isBot(login).Or(false) {
				names = append(names, login)
			}
		}
		f.NonHumanWriters = fact.Some(sorted(names))
	}
	jobs := r.run.Settings.Map("jobs")
	f.RunsTests = files.runs(jobs, "test")
	f.RunsCodeScan = files.runs(jobs, "code-scan")
	f.RunsDependencyScan = files.runs(jobs, "dependency-scan")
	f.RunsSecretScan = files.runs(jobs, "secret-scan")
	f.RunsEndToEnd = files.runs(jobs, "end-to-end")
	return f
}

// production says whether the default branch reaches production, once anybody
// has said which branches do.
func production(branches map[string][]string, repo apiRepo) fact.Opt[bool] {
	if len(branches) == 0 {
		return fact.Opt[bool]{}
	}
	for name, list := range branches {
		if strings.EqualFold(name, repo.FullName) {
			return fact.Some(slices.Contains(list, repo.DefaultBranch))
		}
	}
	return fact.Some(false)
}

type branchAnswer struct {
	branch apiBranch
	err    error
}

// defaultBranch reads the default branch once.
func (r *reader) defaultBranch(ctx context.Context, repo apiRepo) (apiBranch, error) {
	if a, ok := r.heads[repo.FullName]; ok {
		return a.branch, a.err
	}
	var a branchAnswer
	a.err = r.api.get(ctx, repoPath(repo.FullName)+"/branches/"+escapeBranch(repo.DefaultBranch), &a.branch)
	if a.err == nil && (a.branch.Name != repo.DefaultBranch || a.branch.Protected == nil) {
		a = branchAnswer{err: connector.ErrFormat}
	}
	if a.err != nil {
		a.err = fmt.Errorf("default branch of %s: %w", repo.FullName, a.err)
	}
	r.heads[repo.FullName] = a
	return a.branch, a.err
}

// branch reads the default branch and the rules. Gitea itself names the rule
// that guards the branch, so that its order of rules is not guessed at.
func (r *reader) branch(ctx context.Context, repo apiRepo) (apiBranch, []rule, error) {
	b, err := r.defaultBranch(ctx, repo)
	if err != nil || !*b.Protected {
		return b, nil, err
	}
	rules, err := whole[rule](ctx, r.api, repoPath(repo.FullName)+"/branch_protections")
	if err != nil {
		return b, nil, fmt.Errorf("protection of %s: %w", repo.FullName, err)
	}
	if !slices.ContainsFunc(rules, func(x rule) bool { return x.Name == b.Rule }) {
		return b, nil, fmt.Errorf("protection of %s changed while it was read: %w", repo.FullName, connector.ErrFormat)
	}
	return b, rules, nil
}

func protectionOf(org string, b apiBranch, rules []rule, err error, a access, owners fact.Opt[bool]) fact.Opt[fact.Protection] {
	if b.Protected == nil {
		return fact.Opt[fact.Protection]{}
	}
	if !*b.Protected {
		return fact.Some(unprotected(a))
	}
	if err != nil {
		return fact.Some(outline(b))
	}
	i := slices.IndexFunc(rules, func(x rule) bool { return x.Name == b.Rule })
	return fact.Some(rules[i].protection(org, a, owners))
}

// escapeBranch keeps the slashes, which Gitea takes as part of the name.
func escapeBranch(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}

// repoKeys are a repository's deploy keys.
type repoKeys struct {
	list []apiKey
	err  error
}

func (k repoKeys) writers() []string {
	var out []string
	for _, x := range k.list {
		if !*x.ReadOnly {
			out = append(out, "deploy key "+x.Title)
		}
	}
	return out
}

func (r *reader) keys(ctx context.Context, repo string) (repoKeys, error) {
	var k repoKeys
	err := r.scoped(scopeKeys+repo, []string{"secret"}, func(y *connector.Tally) error {
		k.list, k.err = list[apiKey](ctx, r.api, repoPath(repo)+"/keys")
		if k.err == nil && slices.ContainsFunc(k.list, func(x apiKey) bool { return x.ID == 0 || x.ReadOnly == nil }) {
			k.err = fmt.Errorf("keys of %s: %w", repo, connector.ErrFormat)
		}
		if add(y, k.err) {
			k.list = nil
			return nil
		}
		for _, x := range k.list {
			s := fact.Secret{
				Name: fact.Some(x.Title), Type: fact.Some("deploy-key"), Active: fact.Some(true), Write: fact.Some(!*x.ReadOnly),
				CreatedAt: fact.SomeIf(x.Created.UTC(), x.Created.Year() > 1970), NeverEnds: fact.Some(true), Repository: refTo(repo),
			}
			if err := r.emit.Fact(scopeKeys+repo, fmt.Sprintf("%s/key/%d", repoID(repo), x.ID), s); err != nil {
				return err
			}
		}
		return nil
	})
	return k, err
}

// dir lists a folder of the default branch.
func (r *reader) dir(ctx context.Context, repo apiRepo, path string) ([]apiEntry, error) {
	p := repoPath(repo.FullName) + "/contents"
	if path != "" {
		p += "/" + escapeBranch(path)
	}
	entries, err := whole[apiEntry](ctx, r.api, p+"?ref="+url.QueryEscape(repo.DefaultBranch))
	if err != nil {
		return nil, fmt.Errorf("folder %s of %s: %w", path, repo.FullName, err)
	}
	if slices.ContainsFunc(entries, func(e apiEntry) bool { return e.Name == "" || e.Type == "" }) {
		return nil, fmt.Errorf("folder %s of %s: %w", path, repo.FullName, connector.ErrFormat)
	}
	return entries, nil
}

const maxWorkflow = 1 << 20

// file reads a small file of the default branch.
func (r *reader) file(ctx context.Context, repo apiRepo, path string) ([]byte, error) {
	var e apiEntry
	err := r.api.get(ctx, repoPath(repo.FullName)+"/contents/"+escapeBranch(path)+"?ref="+url.QueryEscape(repo.DefaultBranch), &e)
	if err == nil && (e.Path != path || e.Content == nil || e.Size > maxWorkflow) {
		err = connector.ErrFormat
	}
	if err != nil {
		return nil, fmt.Errorf("file %s of %s: %w", path, repo.FullName, err)
	}
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(*e.Content, "\n", ""))
	if err != nil {
		return nil, fmt.Errorf("file %s of %s: %w", path, repo.FullName, connector.ErrFormat)
	}
	return b, nil
}
