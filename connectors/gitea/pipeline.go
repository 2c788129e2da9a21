package gitea

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// repoFiles is what the files of a repository's default branch tell.
type repoFiles struct {
	codeOwners, securityPolicy fact.Opt[bool]
	workflows                  []workflow
	known                      bool // every workflow was read and understood
	err                        error
}

// runs says whether a pipeline has a job that is mapped to the class; what
// nobody mapped is unknown.
func (f repoFiles) runs(jobs map[string][]string, class string) fact.Opt[bool] {
	names, mapped := jobs[class]
	if !mapped || !f.known {
		return fact.Opt[bool]{}
	}
	return fact.Some(slices.ContainsFunc(f.workflows, func(w workflow) bool {
		return slices.ContainsFunc(w.Jobs, func(j string) bool { return slices.Contains(names, j) })
	}))
}

// pipelines emits the workflows of Gitea Actions and looks at the folders in
// which they and other telling files lie. It asks only for folders that the
// folder above lists, so that no answer of 404 has to mean "there is none".
func (r *reader) pipelines(ctx context.Context, repo apiRepo) (repoFiles, error) {
	var f repoFiles
	err := r.scoped(scopePipelines+repo.FullName, []string{"pipeline"}, func(y *connector.Tally) error {
		if repo.Empty {
			f = repoFiles{codeOwners: fact.Some(false), securityPolicy: fact.Some(false), known: true}
			return nil
		}
		var paths []string
		paths, f.err = r.tellingFiles(ctx, repo, &f)
		if repo.HasActions != nil && !*repo.HasActions {
			paths = nil // the files are there and nothing runs them
		}
		f.known = f.err == nil
		runs, err := r.runsOf(ctx, repo, paths)
		if add(y, err) && passing(err) {
			f.known, f.err = false, err
			return nil // as last seen
		}
		for _, p := range paths {
			b, err := r.file(ctx, repo, p)
			if err != nil {
				f.known = false
				if f.err == nil {
					f.err = err
				}
				add(y, err)
				continue
			}
			w, ok := parseWorkflow(b)
			f.known = f.known && ok
			f.workflows = append(f.workflows, w)
			pipeline := w.fact(repo.FullName, p, ok, r.run.Settings.Map("jobs"))
			runs[p[strings.LastIndexByte(p, '/')+1:]].ran(&pipeline)
			if err := r.emit.Fact(scopePipelines+repo.FullName, repoID(repo.FullName)+"/"+p, pipeline); err != nil {
				return err
			}
		}
		if len(paths) == 0 {
			add(y, f.err)
		}
		return nil
	})
	return f, err
}

// tellingFiles looks for CODEOWNERS and SECURITY.md and returns the paths of the workflows.
func (r *reader) tellingFiles(ctx context.Context, repo apiRepo, f *repoFiles) ([]string, error) {
	root, err := r.dir(ctx, repo, "")
	if err != nil {
		return nil, err
	}
	all := map[string][]apiEntry{"": root}
	for _, name := range []string{".gitea", ".github", "docs"} {
		if hasDir(root, name) {
			if all[name], err = r.dir(ctx, repo, name); err != nil {
				return nil, err
			}
		}
	}
	f.codeOwners = fact.Some(hasFile(root, "CODEOWNERS") || hasFile(all["docs"], "CODEOWNERS") || hasFile(all[".gitea"], "CODEOWNERS"))
	f.securityPolicy = fact.Some(false)
	for _, entries := range all {
		if hasFile(entries, "SECURITY.md") {
			f.securityPolicy = fact.Some(true)
		}
	}
	for _, name := range []string{".gitea", ".github"} { // Gitea runs the first that is there
		if !hasDir(all[name], "workflows") {
			continue
		}
		entries, err := r.dir(ctx, repo, name+"/workflows")
		if err != nil {
			return nil, err
		}
		var paths []string
		for _, e := range entries {
			if e.Type == "file" && (strings.HasSuffix(e.Name, ".yml") || strings.HasSuffix(e.Name, ".yaml")) {
				paths = append(paths, name+"/workflows/"+e.Name)
			}
		}
		return paths, nil
	}
	return nil, nil
}

func hasDir(entries []apiEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e apiEntry) bool { return e.Type == "dir" && e.Name == name })
}

func hasFile(entries []apiEntry, name string) bool {
	return slices.ContainsFunc(entries, func(e apiEntry) bool { return e.Type == "file" && strings.EqualFold(e.Name, name) })
}

// A workflow is what is read of a workflow file.
type workflow struct {
	Name     string
	Jobs     []string // ids and display names
	ids      []string
	onPull   bool
	unpinned []string
}

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$|^[0-9a-f]{64}$`)

// parseWorkflow reads a workflow file. It reports false for what is none.
func parseWorkflow(b []byte) (workflow, bool) {
	type step struct {
		Uses string `yaml:"uses"`
	}
	var raw struct {
		Name string    `yaml:"name"`
		On   yaml.Node `yaml:"on"`
		Jobs map[string]struct {
			Name  string `yaml:"name"`
			Uses  string `yaml:"uses"`
			Steps []step `yaml:"steps"`
		} `yaml:"jobs"`
	}
	if len(b) > maxWorkflow || yaml.Unmarshal(b, &raw) != nil || len(raw.Jobs) == 0 {
		return workflow{}, false
	}
	w := workflow{Name: raw.Name, onPull: triggers(raw.On, "pull_request") || triggers(raw.On, "pull_request_target")}
	for id, j := range raw.Jobs {
		w.ids = append(w.ids, id)
		w.Jobs = append(w.Jobs, id)
		if j.Name != "" {
			w.Jobs = append(w.Jobs, j.Name)
		}
		uses := []string{j.Uses}
		for _, s := range j.Steps {
			uses = append(uses, s.Uses)
		}
		for _, u := range uses {
			if !pinned(u) {
				w.unpinned = append(w.unpinned, u)
			}
		}
	}
	slices.Sort(w.ids)
	return w, true
}

// triggers reports whether a workflow's "on", a text, a list or a map, names the event.
func triggers(on yaml.Node, event string) bool {
	switch on.Kind {
	case yaml.ScalarNode:
		return on.Value == event
	case yaml.SequenceNode:
		return slices.ContainsFunc(on.Content, func(n *yaml.Node) bool { return n.Value == event })
	case yaml.MappingNode:
		for i := 0; i+1 < len(on.Content); i += 2 {
			if on.Content[i].Value == event {
				return true
			}
		}
	}
	return false
}

// pinned reports whether an action is named by a commit or a digest, or lies
// in the repository itself.
func pinned(uses string) bool {
	if uses == "" || strings.HasPrefix(uses, "./") {
		return true
	}
	if image, ok := strings.CutPrefix(uses, "docker://"); ok {
		return strings.Contains(image, "@sha256:")
	}
	_, ref, _ := strings.Cut(uses, "@")
	return commitHash.MatchString(ref)
}

func (w workflow) fact(repo, path string, ok bool, jobs map[string][]string) fact.Pipeline {
	p := fact.Pipeline{Repository: refTo(repo), File: fact.Some(path), Engine: fact.Some("gitea-actions"), Name: fact.Some(path[strings.LastIndexByte(path, '/')+1:])}
	if !ok {
		return p
	}
	if w.Name != "" {
		p.Name = fact.Some(w.Name)
	}
	p.Jobs, p.OnPullRequest = fact.Some(sorted(w.ids)), fact.Some(w.onPull)
	p.PinnedActions, p.Unpinned = fact.Some(len(w.unpinned) == 0), fact.Some(sorted(w.unpinned))
	if len(jobs) > 0 {
		var covers []string
		for class, names := range jobs {
			if slices.ContainsFunc(w.Jobs, func(j string) bool { return slices.Contains(names, j) }) {
				covers = append(covers, class)
			}
		}
		p.Covers = fact.Some(sorted(covers))
	}
	return p
}
