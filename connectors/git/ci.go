package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/fact"
)

// A workflow is what a definition of a pipeline says, whatever its engine.
type workflow struct {
	name          string
	jobs          []job
	open          bool // it has jobs that this file does not name
	automatic     bool // something starts it without a person
	onPullRequest fact.Opt[bool]
	unpinned      []string
	pinned        fact.Opt[bool]
	tokenReadOnly fact.Opt[bool]
	environments  []string
}

// A job is one unit of work; off means that it can never run.
type job struct {
	id, name string
	off      bool
}

// An engine recognises its files and reads them. A nil read means that the
// file is a program, whose jobs only running it would tell.
type engine struct {
	name  string
	match func(file string) bool
	read  func(content []byte, branch string) (workflow, error)
}

func inFolder(dir string) func(string) bool {
	return func(file string) bool {
		return path.Dir(file) == dir && (path.Ext(file) == ".yml" || path.Ext(file) == ".yaml")
	}
}

func named(names ...string) func(string) bool {
	return func(file string) bool { return slices.Contains(names, file) }
}

func engines() []engine {
	return []engine{
		{"github-actions", inFolder(".github/workflows"), func(b []byte, branch string) (workflow, error) { return readActions(b, branch, true) }},
		{"gitea-actions", inFolder(".gitea/workflows"), func(b []byte, branch string) (workflow, error) { return readActions(b, branch, false) }},
		{"forgejo-actions", inFolder(".forgejo/workflows"), func(b []byte, branch string) (workflow, error) { return readActions(b, branch, false) }},
		{"gitlab-ci", named(".gitlab-ci.yml", ".gitlab-ci.yaml"), readGitLab},
		{"circleci", named(".circleci/config.yml", ".circleci/config.yaml"), readCircle},
		{"jenkins", func(f string) bool { return path.Base(f) == "Jenkinsfile" && !foreign(f) }, nil},
		{"azure-pipelines", named("azure-pipelines.yml", "azure-pipelines.yaml"), nil},
		{"bitbucket-pipelines", named("bitbucket-pipelines.yml"), nil},
		{"travis-ci", named(".travis.yml"), nil},
		{"drone", named(".drone.yml"), nil},
		{"woodpecker", func(f string) bool {
			return f == ".woodpecker.yml" || f == ".woodpecker.yaml" || inFolder(".woodpecker")(f)
		}, nil},
	}
}

// readPipelines reads every definition of a pipeline. It is whole if all of
// them could be read.
func (r *reading) readPipelines(ctx context.Context, t tree) ([]fact.Pipeline, bool) {
	var out []fact.Pipeline
	whole := true
	for _, e := range engines() {
		var files []string
		for name := range t {
			if e.match(name) {
				files = append(files, name)
			}
		}
		slices.Sort(files)
		contents := map[string][]byte{}
		if e.read != nil {
			var ok bool
			if contents, ok = r.blobs(ctx, t, files); !ok {
				whole = false
				r.cutShort("not every pipeline definition could be read")
			}
		}
		for _, name := range files {
			out = append(out, r.pipeline(e, name, contents[name]))
		}
	}
	return out, whole
}

func (r *reading) pipeline(e engine, file string, content []byte) fact.Pipeline {
	file = validText(file)
	p := fact.Pipeline{
		Repository: fact.Some(fact.Ref(r.id)), File: fact.Some(file), Engine: fact.Some(e.name), Name: fact.Some(file),
	}
	if e.read == nil || content == nil {
		r.jobsOpen = true
		return p
	}
	w, err := e.read(content, r.branch)
	if err != nil {
		r.jobsOpen = true
		return p
	}
	r.jobsOpen = r.jobsOpen || w.open
	if w.name != "" {
		p.Name = fact.Some(cutText(validText(w.name), 200))
	}
	names := []string{}
	for _, j := range w.jobs {
		names = append(names, cutText(validText(j.id), 200))
	}
	slices.Sort(names)
	p.Jobs = fact.SomeIf(names, !w.open)
	p.Covers = fact.Some(r.covers(w))
	p.OnPullRequest, p.TokenReadOnly, p.PinnedActions = w.onPullRequest, w.tokenReadOnly, w.pinned
	if w.pinned.Known() {
		slices.Sort(w.unpinned)
		p.Unpinned = fact.Some(append([]string{}, slices.Compact(w.unpinned)...))
	}
	if len(w.environments) > 0 {
		slices.Sort(w.environments)
		p.Environment = fact.Some(cutText(validText(w.environments[0]), 200))
	}
	return p
}

// covers is what the settings map the jobs to. A pipeline that only a person
// starts, and a job that never runs, cover nothing.
func (r *reading) covers(w workflow) []string {
	out := []string{}
	if !w.automatic {
		return out
	}
	for _, what := range slices.Sorted(maps.Keys(r.jobs)) {
		if slices.ContainsFunc(w.jobs, func(j job) bool {
			return !j.off && slices.ContainsFunc(r.jobs[what], func(g string) bool {
				return fits(g, j.id) || fits(g, j.name) || fits(g, w.name+"/"+j.id)
			})
		}) {
			out = append(out, what)
		}
	}
	return out
}

var errYAML = errors.New("not a pipeline definition")

// parseYAML reads one document as a mapping. The decoder itself bounds aliases.
func parseYAML(b []byte) (m map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder has panicked on hostile input before
			m, err = nil, fmt.Errorf("%w: %v", errYAML, p)
		}
	}()
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errYAML, err)
	}
	if m == nil {
		return nil, errYAML
	}
	return m, nil
}

// readActions reads a workflow of GitHub Actions, or of Gitea and Forgejo,
// which took its form but not the rights of its token.
func readActions(b []byte, branch string, github bool) (workflow, error) {
	m, err := parseYAML(b)
	if err != nil {
		return workflow{}, err
	}
	jobs, ok := m["jobs"].(map[string]any)
	if !ok {
		return workflow{}, errYAML
	}
	w := workflow{name: str(m["name"])}
	events := actionEvents(m["on"])
	for e := range events {
		w.automatic = w.automatic || e != "workflow_dispatch" && e != "workflow_call" && e != "repository_dispatch"
	}
	w.onPullRequest = fact.Some(eachPullRequest(events, branch))
	w.pinned = fact.Some(true)
	everyJobSays := len(jobs) > 0
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		j, ok := jobs[id].(map[string]any)
		if !ok {
			return workflow{}, errYAML
		}
		w.jobs = append(w.jobs, job{id: id, name: str(j["name"]), off: never(j["if"])})
		if _, says := j["permissions"]; !says {
			everyJobSays = false
		}
		if e := environmentName(j["environment"]); e != "" {
			w.environments = append(w.environments, e)
		}
		w.use(j["uses"])
		steps, _ := j["steps"].([]any)
		for _, s := range steps {
			if step, ok := s.(map[string]any); ok {
				w.use(step["uses"])
			}
		}
		if s := str(j["uses"]); s != "" {
			w.open = true // another workflow's jobs, under names of its own
		}
	}
	if github {
		w.tokenReadOnly = tokenReadOnly(m["permissions"], everyJobSays)
	}
	return w, nil
}

// use notes an action that is not pinned: by a commit's hash, or an image by its digest.
func (w *workflow) use(v any) {
	s := str(v)
	if s == "" || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return
	}
	if strings.HasPrefix(s, "docker://") {
		if !strings.Contains(s, "@sha256:") {
			w.unpin(s)
		}
		return
	}
	_, ref, ok := strings.Cut(s, "@")
	if !ok || !isHash(ref) {
		w.unpin(s)
	}
}

func (w *workflow) unpin(s string) {
	w.pinned = fact.Some(false)
	w.unpinned = append(w.unpinned, cutText(validText(s), 300))
}

// actionEvents turns the three forms of `on` into event → its filters.
func actionEvents(on any) map[string]map[string]any {
	out := map[string]map[string]any{}
	switch v := on.(type) {
	case string:
		out[v] = nil
	case []any:
		for _, e := range v {
			out[str(e)] = nil
		}
	case map[string]any:
		for e, filters := range v {
			out[e], _ = filters.(map[string]any)
		}
	}
	return out
}

// eachPullRequest reports that every pull request to the default branch starts
// it: a filter by path or by kind of event that leaves some out does not.
func eachPullRequest(events map[string]map[string]any, branch string) bool {
	for _, e := range []string{"pull_request", "pull_request_target"} {
		filters, ok := events[e]
		if !ok {
			continue
		}
		types := list(filters["types"])
		switch {
		case filters["paths"] != nil || filters["paths-ignore"] != nil:
		case len(types) > 0 && (!slices.Contains(types, "opened") || !slices.Contains(types, "synchronize")):
		case filters["branches"] != nil && !anyFits(list(filters["branches"]), branch):
		case filters["branches-ignore"] != nil && anyFits(list(filters["branches-ignore"]), branch):
		default:
			return true
		}
	}
	return false
}

func anyFits(patterns []string, branch string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return p == "**" || fits(p, branch) })
}

// tokenReadOnly reads the permissions of the whole workflow. Without them the
// token has what the repository's settings say, unless each job says its own.
func tokenReadOnly(v any, everyJobSays bool) fact.Opt[bool] {
	switch p := v.(type) {
	case string:
		return fact.Some(p == "read-all")
	case map[string]any:
		for _, right := range p {
			if str(right) == "write" {
				return fact.Some(false)
			}
		}
		return fact.Some(true)
	}
	return fact.SomeIf(true, everyJobSays)
}

func never(v any) bool {
	if b, ok := v.(bool); ok {
		return !b
	}
	return regexp.MustCompile(`^\s*(\$\{\{)?\s*false\s*(\}\})?\s*$`).MatchString(str(v))
}

func environmentName(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["name"]
	}
	return str(v)
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

// list turns a text or a list of texts into a list.
func list(v any) []string {
	switch l := v.(type) {
	case string:
		return []string{l}
	case []any:
		var out []string
		for _, e := range l {
			out = append(out, str(e))
		}
		return out
	}
	return nil
}
