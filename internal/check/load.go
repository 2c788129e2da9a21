package check

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Set is checks that were loaded together. It is safe for concurrent use.
type Set struct {
	checks []*Check // by id
	byID   map[string]*Check
	byKind map[string][]*Check
	loader *loader
}

// A NamedFS is a folder of check files with the name by which problems call it.
type NamedFS struct {
	Name string
	FS   fs.FS
}

// Load reads every .yaml and .yml file under fsys. It returns the checks that
// are good, by id, and every problem of the others.
func Load(fsys fs.FS) (*Set, []Problem) { return LoadAll(NamedFS{FS: fsys}) }

// LoadAll loads several folders as one set; an id is unique across them.
func LoadAll(folders ...NamedFS) (*Set, []Problem) {
	s := &Set{byID: map[string]*Check{}, byKind: map[string][]*Check{}}
	l, err := newLoader()
	if err != nil {
		return s, []Problem{{File: ".", Line: 1, What: err.Error(), Do: "report it"}}
	}
	s.loader = l
	var problems []Problem
	for _, f := range folders {
		problems = append(problems, s.folder(f)...)
	}
	slices.SortFunc(s.checks, func(a, b *Check) int { return strings.Compare(a.ID, b.ID) })
	for _, c := range s.checks {
		s.byKind[c.Kind] = append(s.byKind[c.Kind], c)
	}
	sortProblems(problems)
	return s, problems
}

// folder adds the checks of one folder.
func (s *Set) folder(f NamedFS) []Problem {
	var problems []Problem
	err := fs.WalkDir(f.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			problems = append(problems, Problem{File: path.Join(f.Name, name), Line: 1, What: "it cannot be read: " + err.Error(), Do: "make it readable"})
			return nil
		}
		if ext := path.Ext(name); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		problems = append(problems, s.file(f, name)...)
		return nil
	})
	if err != nil {
		problems = append(problems, Problem{File: f.Name, Line: 1, What: err.Error(), Do: "make it readable"})
	}
	return problems
}

func (s *Set) file(f NamedFS, name string) []Problem {
	shown := path.Join(f.Name, name)
	text, err := readFile(f.FS, name)
	if err != nil {
		return []Problem{{File: shown, Line: 1, What: "it cannot be read: " + err.Error(), Do: "make it readable"}}
	}
	c, problems := s.loader.parse(shown, text)
	if c == nil {
		return problems
	}
	if other, dup := s.byID[c.ID]; dup {
		return append(problems, Problem{File: shown, Line: lineOf(text, "id"), What: fmt.Sprintf("id %s is already taken by %s", c.ID, other.File), Do: "choose another id"})
	}
	s.byID[c.ID] = c
	s.checks = append(s.checks, c)
	return problems
}

// readFile reads a file, but no more than is needed to see that it is too large.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return make([]byte, maxFile+1), nil
	}
	return fs.ReadFile(fsys, name)
}

// lineOf finds the line in which a key of the top level stands.
func lineOf(text []byte, key string) int {
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, key+":") {
			return i + 1
		}
	}
	return 1
}

// All lists the checks by id.
func (s *Set) All() []*Check { return s.checks }

// ByKind lists the checks of a kind by id.
func (s *Set) ByKind(kind string) []*Check { return s.byKind[kind] }

// ByID finds a check.
func (s *Set) ByID(id string) (*Check, bool) {
	c, ok := s.byID[id]
	return c, ok
}

// RefKinds lists the kinds that checks of a kind read through names, sorted.
func (s *Set) RefKinds(kind string) []string {
	var out []string
	for _, c := range s.byKind[kind] {
		for _, r := range c.Refs() {
			out = append(out, r.Kind)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
