package github

import (
	"context"
	"fmt"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// environments emits the places that a repository deploys to.
func (r *reader) environments(ctx context.Context, org, full string) error {
	return r.scoped(scopeEnvironments+full, []string{"environment"}, func(y *connector.Tally) error {
		var all []environment
		total := 0
		err := pages(ctx, r.api, org, repoPath(full)+"/environments", func(part environments) (int, error) {
			if part.Total == nil || slices.ContainsFunc(part.Items, func(e environment) bool { return e.ID == 0 || e.Name == "" }) {
				return 0, fmt.Errorf("environments of %s: %w", full, connector.ErrFormat)
			}
			total = *part.Total
			all = append(all, part.Items...)
			return len(part.Items), nil
		})
		if err == nil && len(all) < total {
			err = connector.ErrCapped
		}
		if y.Missing(err, "Actions: read") {
			return nil
		}
		for _, e := range all {
			f, err := r.environmentFact(ctx, org, full, e)
			if y.Missing(err, "Actions: read"); passing(err) {
				continue
			}
			if err := r.emit.Fact(scopeEnvironments+full, repoID(full)+"/environment/"+e.Name, f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *reader) environmentFact(ctx context.Context, org, full string, e environment) (fact.Environment, error) {
	f := fact.Environment{
		Name: fact.Some(e.Name), Repository: refTo(full), URL: fact.SomeIf(e.HTMLURL, e.HTMLURL != ""), AdminsPass: opt(e.AdminsPass),
		NeedsReviewer: fact.Some(false), SelfReview: fact.Some(true), Reviewers: fact.Some([]string{}), WaitMinutes: fact.Some[int64](0),
		ProtectedBranch: fact.Some(e.Branches != nil),
	}
	if names := r.run.Settings.List("environments"); len(names) > 0 {
		f.Production = fact.Some(slices.ContainsFunc(names, func(n string) bool { return sameName(n, e.Name) }))
	}
	for _, x := range e.Rules {
		switch x.Type {
		case "wait_timer":
			f.WaitMinutes = fact.Some(x.Wait)
		case "required_reviewers":
			var who []string
			for _, v := range x.Reviewers {
				if v.Type == "Team" {
					who = append(who, teamName(org, v.Reviewer.Slug))
				} else {
					who = append(who, v.Reviewer.Login)
				}
			}
			f.NeedsReviewer, f.SelfReview, f.Reviewers = fact.Some(len(who) > 0), fact.Some(!x.NoSelf), fact.Some(sorted(who))
		}
	}
	if e.Branches == nil || !e.Branches.Custom {
		return f, nil
	}
	names, err := r.deploymentBranches(ctx, org, full, e.Name)
	f.DeploymentBranch = fact.SomeIf(sorted(names), err == nil)
	return f, err
}

// deploymentBranches lists the patterns of branches and tags that may deploy.
func (r *reader) deploymentBranches(ctx context.Context, org, full, name string) ([]string, error) {
	var out []string
	total := 0
	path := repoPath(full) + "/environments/" + escape(name) + "/deployment-branch-policies"
	err := pages(ctx, r.api, org, path, func(part branchPolicyList) (int, error) {
		if part.Total == nil {
			return 0, connector.ErrFormat
		}
		total = *part.Total
		for _, b := range part.Items {
			out = append(out, b.Name)
		}
		return len(part.Items), nil
	})
	if err == nil && len(out) < total {
		err = connector.ErrCapped
	}
	if err != nil {
		return nil, fmt.Errorf("branches of environment %s of %s: %w", name, full, err)
	}
	return out, nil
}
