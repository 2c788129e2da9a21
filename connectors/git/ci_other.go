package git

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// readGitLab reads .gitlab-ci.yml: every key at the top that is none of
// GitLab's own and no template (a leading dot) is a job.
func readGitLab(b []byte, _ string) (workflow, error) {
	m, err := parseYAML(b)
	if err != nil {
		return workflow{}, err
	}
	w := workflow{automatic: true}
	_, w.open = m["include"]
	own := []string{"default", "include", "stages", "variables", "workflow", "image", "services", "cache", "before_script", "after_script", "spec", "types"}
	filtered := false
	for _, id := range slices.Sorted(maps.Keys(m)) {
		j, ok := m[id].(map[string]any)
		if !ok || slices.Contains(own, id) || strings.HasPrefix(id, ".") {
			continue
		}
		w.jobs = append(w.jobs, job{id: id, off: str(j["when"]) == "never" || str(j["when"]) == "manual"})
		if e := environmentName(j["environment"]); e != "" {
			w.environments = append(w.environments, e)
		}
		if j["rules"] != nil || j["only"] != nil || j["except"] != nil {
			filtered = true
		}
		if j["trigger"] != nil {
			w.open = true // a child pipeline
		}
	}
	flow, _ := m["workflow"].(map[string]any)
	switch {
	case strings.Contains(fmt.Sprint(flow["rules"]), "merge_request_event"):
		w.onPullRequest = fact.Some(true)
	case flow["rules"] == nil && !filtered && len(w.jobs) > 0 && !w.open:
		w.onPullRequest = fact.Some(true) // without rules each push of each branch starts it
	}
	return w, nil
}

// readCircle reads .circleci/config.yml. Jobs of an orb are named in its
// workflows, under the orb's name.
func readCircle(b []byte, _ string) (workflow, error) {
	m, err := parseYAML(b)
	if err != nil {
		return workflow{}, err
	}
	w := workflow{automatic: true}
	if setup, _ := m["setup"].(bool); setup {
		w.open = true // it makes its configuration while it runs
	}
	names := map[string]bool{}
	if jobs, ok := m["jobs"].(map[string]any); ok {
		for id := range jobs {
			names[id] = true
		}
	}
	flows, _ := m["workflows"].(map[string]any)
	for _, f := range flows {
		flow, _ := f.(map[string]any)
		used, _ := flow["jobs"].([]any)
		for _, u := range used {
			switch v := u.(type) {
			case string:
				names[v] = true
			case map[string]any:
				for id := range v {
					names[id] = true
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(names)) {
		w.jobs = append(w.jobs, job{id: id})
	}
	if len(w.jobs) == 0 {
		return workflow{}, errYAML
	}
	return w, nil
}
