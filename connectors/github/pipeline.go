package github

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/workflow"
	"prumo.dev/prumo/internal/fact"
)

// repoFiles is what the files of a repository's default branch tell.
type repoFiles struct {
	codeOwners, securityPolicy fact.Opt[bool]
	flows                      []workflow.Workflow
	known                      bool // every workflow was read and understood
}

// runs says whether a pipeline has a job that is mapped to the class; what
// nobody mapped is unknown.
func (f repoFiles) runs(jobs map[string][]string, class string) fact.Opt[bool] {
	names, mapped := jobs[class]
	if !mapped {
		return fact.Opt[bool]{}
	}
	some := slices.ContainsFunc(f.flows, func(w workflow.Workflow) bool { return w.Covers(names) })
	return fact.SomeIf(some, some || f.known)
}

// pipelines emits the workflows of GitHub Actions and looks for other telling
// files. The overview brought all of them.
func (r *reader) pipelines(ctx context.Context, x repo, v overview, actions actionsSettings) (repoFiles, error) {
	var f repoFiles
	err := r.scoped(scopePipelines+x.FullName, []string{"pipeline"}, func(y *connector.Tally) error {
		if y.Missing(firstOf(v.err, ctx.Err()), "Contents: read") {
			return nil
		}
		owners := has(v.Root, "CODEOWNERS") || has(v.Hidden, "CODEOWNERS") || has(v.Docs, "CODEOWNERS")
		policy := has(v.Root, "SECURITY.md") || has(v.Hidden, "SECURITY.md") || has(v.Docs, "SECURITY.md")
		f.codeOwners, f.securityPolicy = fact.Some(owners), fact.Some(policy)
		if y.Missing(actions.err, "Administration: read") {
			return nil // whether anything runs them is not known
		}
		f.known = true
		if allowed, _ := actions.allowed.Get(); allowed == "none" || v.Workflows == nil {
			return nil // the files are there and nothing runs them, or there are none
		}
		for _, e := range v.Workflows.Entries {
			if e.Type != "blob" || !strings.HasSuffix(e.Name, ".yml") && !strings.HasSuffix(e.Name, ".yaml") {
				continue
			}
			w, ok, err := e.parse(x.DefaultBranch)
			if y.Add(err) {
				f.known = false
				continue
			}
			f.known = f.known && ok && !w.Open
			f.flows = append(f.flows, w)
			path := ".github/workflows/" + e.Name
			p := r.pipelineFact(x, path, w, ok, actions)
			y.Missing(v.runsErr, "Checks: read")
			if last := v.lastRun(path); last != nil {
				result := checkResult{Status: last.Status, Conclusion: last.Conclusion}.check()
				p.LastStatus, p.LastRunAt = fact.Some(result.Status), fact.Some(last.UpdatedAt.UTC())
			}
			if err := r.emit.Fact(scopePipelines+x.FullName, repoID(x.FullName)+"/"+path, p); err != nil {
				return err
			}
		}
		return nil
	})
	return f, err
}

func has(t *tree, name string) bool {
	return t != nil && slices.ContainsFunc(t.Entries, func(e entry) bool { return e.Type == "blob" && strings.EqualFold(e.Name, name) })
}

// parse reads a workflow's text. A text that GitHub cut is an error; one that
// is no workflow is not ok.
func (e entry) parse(branch string) (workflow.Workflow, bool, error) {
	if e.Object == nil || e.Object.Text == nil || e.Object.Truncated {
		return workflow.Workflow{}, false, fmt.Errorf("workflow %s: %w", e.Name, connector.ErrCapped)
	}
	w, err := workflow.Parse([]byte(*e.Object.Text), branch)
	return w, err == nil, nil //nolint:nilerr // what is no workflow is told as one of which nothing is known
}

func (r *reader) pipelineFact(x repo, path string, w workflow.Workflow, ok bool, actions actionsSettings) fact.Pipeline {
	p := fact.Pipeline{
		Repository: refTo(x.FullName), File: fact.Some(path), Engine: fact.Some("github-actions"), Name: fact.Some(path[strings.LastIndexByte(path, '/')+1:]),
	}
	if !ok {
		return p
	}
	if w.Name != "" {
		p.Name = fact.Some(w.Name)
	}
	p.Jobs = fact.SomeIf(w.JobNames(), !w.Open)
	p.OnPullRequest, p.PinnedActions, p.Unpinned = fact.Some(w.OnPullRequest), fact.Some(len(w.Unpinned) == 0), fact.Some(sorted(w.Unpinned))
	p.TokenReadOnly = w.TokenReadOnly
	if !p.TokenReadOnly.Known() {
		p.TokenReadOnly = actions.readOnly // without a word of its own it has what the settings give
	}
	if len(w.Environments) > 0 {
		p.Environment = fact.Some(w.Environments[0])
	}
	if jobs := r.run.Settings.Map("jobs"); len(jobs) > 0 {
		var covers []string
		for _, class := range slices.Sorted(maps.Keys(jobs)) {
			if w.Covers(jobs[class]) {
				covers = append(covers, class)
			}
		}
		p.Covers = fact.Some(sorted(covers))
	}
	return p
}
