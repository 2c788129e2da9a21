package git

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// A manifest names a file of dependencies and the files that pin them, beside
// it or, in a workspace, in a folder above it.
type manifest struct {
	name  string
	locks []string
	above bool                      // a lock file of a folder above counts
	needs func(content []byte) bool // has anything to pin; nil: always
}

func manifests() []manifest {
	return []manifest{
		{"package.json", []string{"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock"}, true, npmNeeds},
		{"go.mod", []string{"go.sum"}, false, lineStarts("require")},
		{"Cargo.toml", []string{"Cargo.lock"}, true, contains("dependencies]", "dependencies.")},
		{"pyproject.toml", []string{"poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", "requirements.txt"}, true, pyNeeds},
		{"Pipfile", []string{"Pipfile.lock"}, false, nil},
		{"requirements.txt", nil, false, pipUnpinned},
		{"composer.json", []string{"composer.lock"}, false, contains(`"require`)},
		{"Gemfile", []string{"Gemfile.lock", "gems.locked"}, false, lineStarts("gem ", "gem(", "gemspec")},
		{"mix.exs", []string{"mix.lock"}, true, nil},
		{"pubspec.yaml", []string{"pubspec.lock"}, true, contains("dependencies:")},
		{"Podfile", []string{"Podfile.lock"}, false, nil},
	}
}

// readLocks finds the dependency manifests without a lock file. Folders of
// other people's code and of test data are passed over.
func (r *reading) readLocks(ctx context.Context, t tree, f *fact.Repository) {
	unlocked, sure := []string{}, true
	for _, m := range manifests() {
		var open []string
		for name := range t {
			if path.Base(name) == m.name && !foreign(name) && !t.locked(name, m) {
				open = append(open, name)
			}
		}
		slices.Sort(open)
		if m.needs == nil {
			unlocked = append(unlocked, open...)
			continue
		}
		contents, whole := r.blobs(ctx, t, open)
		sure = sure && whole
		for _, name := range open {
			if b, ok := contents[name]; ok && m.needs(b) {
				unlocked = append(unlocked, validText(name))
			}
		}
	}
	slices.Sort(unlocked)
	f.LockFiles = fact.SomeIf(len(unlocked) == 0, sure || len(unlocked) > 0)
	f.UnlockedManifests = fact.SomeIf(unlocked, sure)
	if !sure {
		r.cutShort("not every dependency manifest could be read")
	}
}

func (t tree) locked(name string, m manifest) bool {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		for _, l := range m.locks {
			if _, ok := t[path.Join(dir, l)]; ok {
				return true
			}
		}
		if dir == "." || !m.above {
			return false
		}
	}
}

func foreign(name string) bool {
	for _, part := range strings.Split(path.Dir(name), "/") {
		switch part {
		case "node_modules", "vendor", "third_party", "testdata", "fixtures", "__fixtures__":
			return true
		}
	}
	return false
}

func npmNeeds(b []byte) bool {
	var p struct{ Dependencies, DevDependencies, OptionalDependencies map[string]any }
	if json.Unmarshal(b, &p) != nil {
		return true
	}
	return len(p.Dependencies)+len(p.DevDependencies)+len(p.OptionalDependencies) > 0
}

func pyNeeds(b []byte) bool {
	for _, line := range strings.Split(string(b), "\n") {
		line = strings.ReplaceAll(strings.TrimSpace(line), " ", "")
		if strings.HasPrefix(line, "dependencies=[") && line != "dependencies=[]" || strings.HasPrefix(line, "[tool.poetry.dependencies") {
			return true
		}
	}
	return false
}

// pipUnpinned reports a requirement without an exact version.
func pipUnpinned(b []byte) bool {
	for _, line := range strings.Split(strings.ReplaceAll(string(b), "\\\n", " "), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '-' {
			continue
		}
		if !strings.Contains(line, "==") && !strings.Contains(line, "@") {
			return true
		}
	}
	return false
}

func contains(words ...string) func([]byte) bool {
	return func(b []byte) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(string(b), w) })
	}
}

func lineStarts(words ...string) func([]byte) bool {
	return func(b []byte) bool {
		for _, line := range strings.Split(string(b), "\n") {
			if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(strings.TrimSpace(line), w) }) {
				return true
			}
		}
		return false
	}
}
