package framework

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Load reads terms.yaml, controls.yaml and frameworks/*.yaml. All that is
// wrong is reported at once, as Problems. What is right stands nevertheless:
// the library is never nil, and leaves out the frameworks that have a problem;
// when the terms or the controls have one it is empty, since every framework
// leans on them.
func Load(fsys fs.FS) (*Library, error) {
	l := &loader{fsys: fsys, terms: map[string]map[string]Text{}, controls: map[string]bool{}}
	lib := &Library{}
	l.file("terms.yaml", l.readTerms)
	l.file("controls.yaml", func(r *reader, root *yaml.Node) { lib.version, lib.controls = l.readControls(r, root) })
	l.sound = len(l.problems) == 0
	names, err := fs.Glob(fsys, "frameworks/*.yaml")
	if err != nil {
		return lib, fmt.Errorf("list frameworks: %w", err)
	}
	for _, name := range names {
		l.file(name, func(r *reader, root *yaml.Node) {
			if f := l.readFramework(r, root); len(r.problems) == 0 {
				lib.frameworks = append(lib.frameworks, f)
			}
		})
	}
	if !l.sound {
		lib.controls, lib.frameworks, l.terms = nil, nil, nil
	}
	slices.SortFunc(lib.frameworks, func(a, b Framework) int { return strings.Compare(a.ID, b.ID) })
	lib.terms = l.terms
	lib.index()
	if len(l.problems) > 0 {
		return lib, l.problems.sorted()
	}
	return lib, nil
}

// A loader carries what files after the first are checked against.
type loader struct {
	fsys     fs.FS
	problems Problems
	terms    map[string]map[string]Text
	controls map[string]bool
	sound    bool // terms and controls have no problem, so that ids can be checked against them
}

// file reads one file and collects its problems.
func (l *loader) file(name string, read func(*reader, *yaml.Node)) {
	r := &reader{file: name}
	raw, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		r.problem(1, "make the file readable", "the file cannot be read: %v", err)
	} else if root := r.root(raw); root != nil {
		read(r, root)
	}
	l.problems = append(l.problems, r.problems...)
}

// termGroups are the groups of terms.yaml.
func termGroups() []string {
	return []string{
		"domains", "headings", "roles", "evidence_kinds", "cadences",
		"requirement_kinds", "designations", "mapping_sources",
	}
}

func (l *loader) readTerms(r *reader, root *yaml.Node) {
	o, ok := r.object(root, "the file")
	if !ok {
		return
	}
	for _, group := range termGroups() {
		n := o.take(group)
		if n == nil {
			r.problem(root.Line, "add it", "%s is missing", group)
			continue
		}
		terms, _ := r.object(n, group)
		l.terms[group] = map[string]Text{}
		for _, k := range terms.keys {
			l.terms[group][k.Value] = r.texts(terms.take(k.Value), k.Value, "")
		}
	}
	o.done()
}

// term returns the text of a key and reports one that is no term of the group.
func (l *loader) term(o *object, key, group string, needed bool) string {
	line := o.line
	if n := o.vals[key]; n != nil {
		line = n.Line
	}
	id := o.text(key, needed)
	if id == "" || len(l.terms[group]) == 0 {
		return id
	}
	if _, ok := l.terms[group][id]; !ok {
		o.r.problem(line, "use a word of "+group+" in terms.yaml, or add it there", "%s %s is not known", key, id)
	}
	return id
}

func (l *loader) readControls(r *reader, root *yaml.Node) (version int, out []Control) {
	o, ok := r.object(root, "the file")
	if !ok {
		return 0, nil
	}
	version = o.version()
	for _, n := range o.list("controls", true) {
		c, ok := r.object(n, "a control")
		if !ok {
			continue
		}
		id := c.text("id", true)
		if strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			r.problem(n.Line, "use small letters, digits and hyphens", "id %s is not fit for a control", id)
		}
		if l.controls[id] && id != "" {
			r.problem(n.Line, "rename or remove one", "control %s stands twice", id)
		}
		l.controls[id] = true
		out = append(out, Control{
			ID:           id,
			Domain:       l.term(c, "domain", "domains", true),
			Heading:      l.term(c, "heading", "headings", false),
			Title:        c.languages("title", "", true),
			Objective:    c.languages("objective", "", true),
			EvidenceKind: l.term(c, "evidence_kind", "evidence_kinds", true),
			Cadence:      l.term(c, "cadence", "cadences", true),
			OwnerRole:    l.term(c, "owner_role", "roles", true),
		})
		c.done()
	}
	o.done()
	return version, out
}

func (l *loader) readFramework(r *reader, root *yaml.Node) Framework {
	o, ok := r.object(root, "the file")
	if !ok {
		return Framework{}
	}
	f := Framework{
		ID:           o.text("id", true),
		Version:      o.version(),
		Edition:      o.text("edition", true),
		Name:         o.languages("name", "", true),
		About:        o.languages("about", "", false),
		Issuer:       o.text("issuer", true),
		Licence:      o.text("licence", true),
		Provenance:   o.text("provenance", true),
		Untranslated: o.text("untranslated", false),
	}
	if want := strings.TrimSuffix(path.Base(r.file), ".yaml"); f.ID != "" && f.ID != want {
		r.problem(root.Line, "give both the same name", "id %s is not the name of the file", f.ID)
	}
	items := o.list("requirements", true)
	if len(items) == 0 {
		r.problem(root.Line, "list them under requirements", "the framework has no requirements")
	}
	seen := map[string]bool{}
	for _, n := range items {
		if q, ok := r.object(n, "a requirement"); ok {
			f.Requirements = append(f.Requirements, l.readRequirement(q, f.Untranslated, seen))
			q.done()
		}
	}
	o.done()
	return f
}

func (l *loader) readRequirement(q *object, untranslated string, seen map[string]bool) Requirement {
	out := Requirement{
		ID:          q.text("id", true),
		Kind:        l.term(q, "kind", "requirement_kinds", true),
		Parent:      q.text("parent", false),
		Designation: l.term(q, "designation", "designations", false),
		Title:       q.languages("title", untranslated, true),
	}
	if seen[out.ID] {
		q.r.problem(q.line, "rename or remove one", "requirement %s stands twice", out.ID)
	}
	if out.Parent != "" && !seen[out.Parent] {
		q.r.problem(q.line, "list the parent before it, or correct the id", "parent %s of %s is not above it", out.Parent, out.ID)
	}
	if out.ID != "" {
		seen[out.ID] = true
	}
	for _, n := range q.list("parts", false) {
		out.Parts = append(out.Parts, q.r.scalar(n, "a part"))
	}
	if n := q.take("controls"); n != nil {
		if out.holdsOthers() {
			q.r.problem(n.Line, "map the requirements below it", "%s is a %s, which only holds others", out.ID, out.Kind)
		}
		out.Mappings = l.readMappings(q.r, n)
	}
	return out
}

// readMappings reads the controls of a requirement, in lists by source.
func (l *loader) readMappings(r *reader, n *yaml.Node) []Mapping {
	o, ok := r.object(n, "controls")
	if !ok {
		return nil
	}
	var out []Mapping
	seen := map[string]bool{}
	for _, source := range Sources() {
		for _, item := range o.list(string(source), false) {
			m := Mapping{Source: source}
			if item.Kind == yaml.MappingNode {
				m = readReviewed(r, item, source)
			} else {
				m.Control = r.scalar(item, "a control")
			}
			if m.Control == "" {
				continue
			}
			if seen[m.Control] {
				r.problem(item.Line, "keep one of them", "control %s stands twice in one requirement", m.Control)
			}
			seen[m.Control] = true
			if l.sound && !l.controls[m.Control] {
				r.problem(item.Line, "use an id of controls.yaml, or add it there", "control %s is not known", m.Control)
			}
			out = append(out, m)
		}
	}
	o.done()
	return out
}

// readReviewed reads a mapping that names its reviewer.
func readReviewed(r *reader, n *yaml.Node, source Source) Mapping {
	o, _ := r.object(n, "a mapping")
	m := Mapping{
		Control:    o.text("id", true),
		Source:     source,
		ReviewedBy: o.text("reviewed_by", true),
		ReviewedOn: o.text("reviewed_on", true),
	}
	if _, err := time.Parse(time.DateOnly, m.ReviewedOn); err != nil && m.ReviewedOn != "" {
		r.problem(n.Line, "write it as 2026-01-31", "reviewed_on %s is not a date", m.ReviewedOn)
	}
	o.done()
	return m
}
