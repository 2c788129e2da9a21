package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// What Gitea itself noted: who pushed, how a workflow last ran, whom it tells.
type (
	apiActivity struct {
		Op      string    `json:"op_type"`
		User    *apiUser  `json:"act_user"`
		Ref     string    `json:"ref_name"`
		Content string    `json:"content"`
		Created time.Time `json:"created"`
	}
	apiRun struct {
		ID         int64     `json:"id"`
		Path       string    `json:"path"`
		Status     string    `json:"status"`
		Conclusion string    `json:"conclusion"`
		Started    time.Time `json:"started_at"`
	}
	apiHook struct {
		ID     int64             `json:"id"`
		Active bool              `json:"active"`
		Events []string          `json:"events"`
		Filter string            `json:"branch_filter"`
		Config map[string]string `json:"config"`
	}
)

// pushers reads who pushed commits to the default branch, from the activities
// of the repository, until all of them are found or the activities are older
// than the period. Gitea names the first few commits of a push and its newest;
// of the others nobody is named. It gives this list without page links.
func (r *reader) pushers(ctx context.Context, repo apiRepo, direct []apiCommit) (map[string]string, error) {
	out := map[string]string{}
	missing := func() bool { return slices.ContainsFunc(direct, func(c apiCommit) bool { return out[c.SHA] == "" }) }
	for page := 1; page <= maxPages && missing(); page++ {
		found, err := r.api.fetch(ctx, fmt.Sprintf("%s/activities/feeds?limit=%d&page=%d", repoPath(repo.FullName), pageSize, page))
		var list []apiActivity
		if err == nil {
			err = found.Decode(&list)
		}
		if err != nil {
			return out, fmt.Errorf("activities of %s: %w", repo.FullName, err)
		}
		for _, a := range list {
			a.names(repo.DefaultBranch, out)
		}
		if len(list) == 0 || list[len(list)-1].Created.Before(r.since) {
			break
		}
	}
	return out, nil
}

// names notes who pushed what to the branch, unless a later push was noted.
func (a apiActivity) names(branch string, out map[string]string) {
	if a.Op != "commit_repo" || a.User == nil || strings.TrimPrefix(a.Ref, "refs/heads/") != branch {
		return
	}
	for _, sha := range pushed(a.Content) {
		if _, known := out[sha]; !known {
			out[sha] = a.User.Login
		}
	}
}

// pushed lists the commits that a push's activity names.
func pushed(content string) []string {
	type commit struct{ Sha1 string }
	var p struct {
		Commits    []commit
		HeadCommit *commit
	}
	if json.Unmarshal([]byte(content), &p) != nil {
		return nil
	}
	var out []string
	for _, c := range p.Commits {
		out = append(out, c.Sha1)
	}
	if p.HeadCommit != nil {
		out = append(out, p.HeadCommit.Sha1)
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// runsOf is lastRuns where there are workflows at all.
func (r *reader) runsOf(ctx context.Context, repo apiRepo, paths []string) (map[string]apiRun, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	return r.lastRuns(ctx, repo)
}

// lastRuns reads the newest run of each workflow file on the default branch.
func (r *reader) lastRuns(ctx context.Context, repo apiRepo) (map[string]apiRun, error) {
	var list struct {
		Runs *[]apiRun `json:"workflow_runs"`
	}
	path := fmt.Sprintf("%s/actions/runs?branch=%s&limit=%d&page=1", repoPath(repo.FullName), url.QueryEscape(repo.DefaultBranch), pageSize)
	err := r.api.get(ctx, path, &list)
	if err == nil && list.Runs == nil {
		err = connector.ErrFormat
	}
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", repo.FullName, err)
	}
	out := map[string]apiRun{}
	for _, run := range *list.Runs {
		file, ref, ok := strings.Cut(run.Path, "@")
		if old, seen := out[file]; ok && ref == "refs/heads/"+repo.DefaultBranch && (!seen || run.ID > old.ID) {
			out[file] = run
		}
	}
	return out, nil
}

// ran adds to a pipeline how its last run went. A run that somebody stopped says neither.
func (a apiRun) ran(p *fact.Pipeline) {
	switch {
	case a.ID == 0:
		return
	case a.Status != "completed":
		p.LastStatus = fact.Some("pending")
	case a.Conclusion == "success", a.Conclusion == "failure", a.Conclusion == "skipped":
		p.LastStatus = fact.Some(a.Conclusion)
	}
	p.LastRunAt = fact.SomeIf(a.Started.UTC(), a.Started.Year() > 1970)
}

// announces says whether a webhook of the repository, or of its organisation,
// tells this source of pushes. Where none does, one of the whole server may,
// which only its administrators are shown: that stays unknown. Without a secret
// no message is taken, whoever sends it.
func (r *reader) announces(ctx context.Context, org string, repo apiRepo) (fact.Opt[bool], error) {
	if r.run.Settings.Text("webhook_secret") == "" {
		return fact.Some(false), nil
	}
	if _, asked := r.hooks[org]; !asked {
		hooks, err := list[apiHook](ctx, r.api, "/orgs/"+escape(org)+"/hooks")
		r.hooks[org] = hookAnswer{tells: r.told(hooks), err: err}
	}
	if h := r.hooks[org]; h.tells {
		return fact.Some(true), nil
	} else if passing(h.err) {
		return fact.Opt[bool]{}, fmt.Errorf("webhooks of %s: %w", org, h.err)
	}
	hooks, err := list[apiHook](ctx, r.api, repoPath(repo.FullName)+"/hooks")
	if err != nil {
		return fact.Opt[bool]{}, fmt.Errorf("webhooks of %s: %w", repo.FullName, err)
	}
	return fact.SomeIf(true, r.told(hooks)), nil
}

type hookAnswer struct {
	tells bool
	err   error
}

// told reports that one of the webhooks sends pushes of every branch to this source.
func (r *reader) told(hooks []apiHook) bool {
	return slices.ContainsFunc(hooks, func(h apiHook) bool {
		u, err := url.Parse(h.Config["url"])
		every := h.Filter == "" || h.Filter == "*" || h.Filter == "**"
		return err == nil && h.Active && every && slices.Contains(h.Events, "push") && strings.HasSuffix(u.Path, "/hooks/"+r.run.Source)
	})
}
