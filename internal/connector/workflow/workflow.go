// Package workflow reads definitions of pipelines in the form of GitHub
// Actions, for every connector that meets them. It judges nothing and reads no
// network.
package workflow

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/fact"
)

// A Workflow is what one file says.
type Workflow struct {
	Name          string
	Jobs          []Job
	Open          bool // it has jobs that this file does not name
	Automatic     bool // something starts it without a person
	OnPullRequest bool // every pull request to the branch starts it
	Unpinned      []string
	TokenReadOnly fact.Opt[bool] // unknown: what the repository's settings say
	Environments  []string
}

// A Job is one unit of work; Off means that it can never run.
type Job struct {
	ID, Name string
	Off      bool
}

// ErrNone means that a text is no workflow.
var ErrNone = errors.New("not a workflow")

const (
	maxSize = 1 << 20
	maxName = 200
)

// Parse reads a workflow as it works on the branch.
func Parse(text []byte, branch string) (Workflow, error) {
	m, err := parseYAML(text)
	if err != nil {
		return Workflow{}, err
	}
	jobs, ok := m["jobs"].(map[string]any)
	if !ok || len(jobs) == 0 {
		return Workflow{}, ErrNone
	}
	w := Workflow{Name: clean(m["name"])}
	on := eventsOf(m["on"])
	for e := range on {
		w.Automatic = w.Automatic || e != "workflow_dispatch" && e != "workflow_call" && e != "repository_dispatch"
	}
	w.OnPullRequest = everyPull(on, branch)
	everyJobSays := true
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		j, ok := jobs[id].(map[string]any)
		if !ok {
			return Workflow{}, ErrNone
		}
		_, says := j["permissions"]
		everyJobSays = everyJobSays && says
		w.job(id, j)
	}
	w.TokenReadOnly = tokenReadOnly(m["permissions"], everyJobSays)
	return w, nil
}

// parseYAML reads one document as a mapping. The decoder itself bounds aliases.
func parseYAML(b []byte) (m map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder has panicked on hostile input before
			m, err = nil, fmt.Errorf("%w: %v", ErrNone, p)
		}
	}()
	if len(b) > maxSize {
		return nil, ErrNone
	}
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return m, nil
}

func (w *Workflow) job(id string, j map[string]any) {
	w.Jobs = append(w.Jobs, Job{ID: clean(id), Name: clean(j["name"]), Off: never(j["if"])})
	if e := environment(j["environment"]); e != "" {
		w.Environments = append(w.Environments, e)
	}
	if text(j["uses"]) != "" {
		w.Open = true // another workflow's jobs, under names of its own
	}
	w.use(j["uses"])
	steps, _ := j["steps"].([]any)
	for _, s := range steps {
		if step, ok := s.(map[string]any); ok {
			w.use(step["uses"])
		}
	}
}

var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// use notes an action that is named neither by a commit's hash nor, as an
// image, by its digest, and that does not lie in the repository itself.
func (w *Workflow) use(v any) {
	s := text(v)
	if s == "" || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return
	}
	_, ref, _ := strings.Cut(s, "@")
	pinned := commitHash.MatchString(ref)
	if strings.HasPrefix(s, "docker://") {
		pinned = strings.Contains(s, "@sha256:")
	}
	if !pinned {
		w.Unpinned = append(w.Unpinned, clean(s))
	}
}

// eventsOf turns the three forms of `on` into event → its filters.
func eventsOf(on any) map[string]map[string]any {
	out := map[string]map[string]any{}
	switch v := on.(type) {
	case string:
		out[v] = nil
	case []any:
		for _, e := range v {
			out[text(e)] = nil
		}
	case map[string]any:
		for e, filters := range v {
			out[e], _ = filters.(map[string]any)
		}
	}
	return out
}

// everyPull reports that every pull request to the branch starts it: a filter
// by path or by kind of event that leaves some out does not.
func everyPull(events map[string]map[string]any, branch string) bool {
	for _, e := range []string{"pull_request", "pull_request_target"} {
		f, ok := events[e]
		if !ok {
			continue
		}
		types := texts(f["types"])
		switch {
		case f["paths"] != nil || f["paths-ignore"] != nil:
		case len(types) > 0 && (!slices.Contains(types, "opened") || !slices.Contains(types, "synchronize")):
		case f["branches"] != nil && !anyMatches(texts(f["branches"]), branch):
		case f["branches-ignore"] != nil && anyMatches(texts(f["branches-ignore"]), branch):
		default:
			return true
		}
	}
	return false
}

func anyMatches(patterns []string, branch string) bool {
	hit := false
	for _, p := range patterns { // a later pattern overrules, and ! takes back
		if rest, negated := strings.CutPrefix(p, "!"); negated {
			hit = hit && !matches(rest, branch)
		} else {
			hit = hit || matches(p, branch)
		}
	}
	return hit
}

// matches knows GitHub's filter patterns: * stops at a slash, ** does not, ?
// and + repeat the character before, [a-z] is a class.
func matches(pattern, name string) bool {
	var b strings.Builder
	b.WriteString(`^`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' && strings.HasPrefix(pattern[i:], "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^/]*`)
		case strings.IndexByte(`?+[]`, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile(b.String() + `$`)
	return err == nil && re.MatchString(name) || pattern == name
}

// tokenReadOnly reads the permissions of the whole workflow. Without them the
// token has what the repository's settings say, unless each job says its own.
func tokenReadOnly(v any, everyJobSays bool) fact.Opt[bool] {
	switch p := v.(type) {
	case string:
		return fact.Some(p == "read-all")
	case map[string]any:
		for _, right := range p {
			if text(right) == "write" {
				return fact.Some(false)
			}
		}
		return fact.Some(true)
	}
	return fact.SomeIf(true, everyJobSays)
}

// JobNames lists the jobs' ids.
func (w Workflow) JobNames() []string {
	out := []string{}
	for _, j := range w.Jobs {
		out = append(out, j.ID)
	}
	slices.Sort(out)
	return out
}

// Covers reports whether something starts a job by one of the names: its id,
// its display name, or the workflow's name, a slash and its id. A * in a name
// stands for anything.
func (w Workflow) Covers(names []string) bool {
	if !w.Automatic {
		return false
	}
	return slices.ContainsFunc(w.Jobs, func(j Job) bool {
		return !j.Off && slices.ContainsFunc(names, func(n string) bool {
			return glob(n, j.ID) || j.Name != "" && glob(n, j.Name) || w.Name != "" && glob(n, w.Name+"/"+j.ID)
		})
	})
}

func glob(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	re, err := regexp.Compile(`^(?s:` + strings.Join(parts, ".*") + `)$`)
	return err == nil && re.MatchString(name)
}

var falseExpression = regexp.MustCompile(`^\s*(\$\{\{)?\s*false\s*(\}\})?\s*$`)

func never(v any) bool {
	if b, ok := v.(bool); ok {
		return !b
	}
	return falseExpression.MatchString(text(v))
}

func environment(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["name"]
	}
	return clean(v)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) []string {
	switch l := v.(type) {
	case string:
		return []string{l}
	case []any:
		var out []string
		for _, x := range l {
			out = append(out, text(x))
		}
		return out
	}
	return nil
}

// clean keeps a text short and valid.
func clean(v any) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(text(v), "\x00", ""), "\uFFFD")
	if len(s) <= maxName {
		return s
	}
	s = s[:maxName]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
