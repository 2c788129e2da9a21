// Package framework knows what standards and laws ask for: frameworks with
// their requirements, the common controls that answer them, and the mappings
// between the two. It loads them, finds them, tells two versions apart and
// folds what checks and records say into the status of a control, of a
// requirement and of a framework.
//
// It never reads a database or a clock and never judges a fact; counts come
// from outside. It must never call something a pass that nobody showed: read
// fold.go before changing a rule. Start at Load.
package framework

import "slices"

// A Source says where the link between a requirement and a control comes from.
type Source string

// The sources of a mapping, from the strongest to the weakest.
const (
	// Crosswalk is our own judgement, and a public crosswalk between two
	// frameworks links this requirement with another one of the same control.
	Crosswalk Source = "crosswalk"
	// Judgement is our own judgement alone.
	Judgement Source = "judgement"
	// Derived was taken over from another framework by a fixed table.
	Derived Source = "derived"
)

// Sources returns every source of a mapping, strongest first.
func Sources() []Source { return []Source{Crosswalk, Judgement, Derived} }

// A Mapping says that a control claims a requirement. It does not say that the
// control is enough for it; that is what the review is for.
type Mapping struct {
	Control    string `json:"control"`
	Source     Source `json:"source"`
	ReviewedBy string `json:"reviewed_by,omitempty"` // a person's name; empty: nobody has reviewed it
	ReviewedOn string `json:"reviewed_on,omitempty"` // YYYY-MM-DD, set together with ReviewedBy
}

// Reviewed says that a named person has confirmed the mapping.
func (m Mapping) Reviewed() bool { return m.ReviewedBy != "" }

// A Requirement is one line of a framework.
type Requirement struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`
	Parent      string    `json:"parent,omitempty"`
	Designation string    `json:"designation,omitempty"` // required or addressable, where the framework tells them apart
	Title       Text      `json:"title"`
	Parts       []string  `json:"parts,omitempty"` // ids of a level below whose text may not be shipped
	Mappings    []Mapping `json:"mappings,omitempty"`
}

// Assessed says that the requirement itself asks for something. Groups,
// categories and functions only hold others, and a reference (definitions,
// powers of an authority, things left to choice) asks nothing of the
// organisation; a control may be linked to it all the same.
func (r Requirement) Assessed() bool { return !r.holdsOthers() && r.Kind != "reference" }

func (r Requirement) holdsOthers() bool {
	return r.Kind == "group" || r.Kind == "category" || r.Kind == "function"
}

// A Framework is one standard or law at one edition, with the version of our
// content for it.
type Framework struct {
	ID           string        `json:"id"`
	Version      int           `json:"version"` // of this content; rises with every change
	Edition      string        `json:"edition"` // of the standard itself
	Name         Text          `json:"name"`
	About        Text          `json:"about,omitempty"`
	Issuer       string        `json:"issuer"`
	Licence      string        `json:"licence"`
	Provenance   string        `json:"provenance"`
	Untranslated string        `json:"untranslated,omitempty"` // the one language that titles are kept in, when they are the issuer's
	Requirements []Requirement `json:"requirements"`           // in the order of the file, parents before their children
}

// Requirement returns the requirement with the id.
func (f Framework) Requirement(id string) (Requirement, bool) {
	i := slices.IndexFunc(f.Requirements, func(r Requirement) bool { return r.ID == id })
	if i < 0 {
		return Requirement{}, false
	}
	return f.Requirements[i], true
}

// A Node is a requirement with those below it.
type Node struct {
	Requirement Requirement
	Children    []Node
}

// Tree returns the requirements as a forest, each level in the order of the
// file.
func (f Framework) Tree() []Node {
	below := map[string][]Requirement{}
	for _, r := range f.Requirements {
		below[r.Parent] = append(below[r.Parent], r)
	}
	var grow func(parent string) []Node
	grow = func(parent string) []Node {
		var out []Node
		for _, r := range below[parent] {
			out = append(out, Node{Requirement: r, Children: grow(r.ID)})
		}
		return out
	}
	return grow("")
}

// A Review is a person's confirmation of one mapping, recorded outside the
// content (in the instance where the person works).
type Review struct {
	Requirement string
	Control     string
	By          string
	On          string // YYYY-MM-DD
}

// WithReviews returns the framework with the reviews written into its
// mappings. A review of a mapping that the framework no longer has, or without
// a name, is passed over; the framework itself stays as it was.
func (f Framework) WithReviews(reviews []Review) Framework {
	type key struct{ requirement, control string }
	by := map[key]Review{}
	for _, r := range reviews {
		if r.By != "" {
			by[key{r.Requirement, r.Control}] = r
		}
	}
	f.Requirements = slices.Clone(f.Requirements)
	for i, r := range f.Requirements {
		r.Mappings = slices.Clone(r.Mappings)
		for j, m := range r.Mappings {
			if v, ok := by[key{r.ID, m.Control}]; ok {
				r.Mappings[j].ReviewedBy, r.Mappings[j].ReviewedOn = v.By, v.On
			}
		}
		f.Requirements[i] = r
	}
	return f
}

// A Control is what the organisation does to meet requirements.
type Control struct {
	ID           string `json:"id"`
	Domain       string `json:"domain"`
	Heading      string `json:"heading,omitempty"` // under which it is shown to customers; empty: only inside
	Title        Text   `json:"title"`
	Objective    Text   `json:"objective"`
	EvidenceKind string `json:"evidence_kind"`
	Cadence      string `json:"cadence"`
	OwnerRole    string `json:"owner_role"`
}

// A Link is a mapping seen from the control: the framework, the requirement
// and how they are tied.
type Link struct {
	Framework   string
	Requirement Requirement
	Mapping     Mapping
}

// A Library is everything that Load read. It does not change; callers must not
// write into what it returns.
type Library struct {
	frameworks []Framework // by id
	version    int         // of the control set
	controls   []Control   // in the order of the file
	terms      map[string]map[string]Text
	byID       map[string]int // control id → index in controls
	links      map[string][]Link
}

// Frameworks returns all frameworks, sorted by id.
func (l *Library) Frameworks() []Framework { return slices.Clone(l.frameworks) }

// Framework returns the framework with the id.
func (l *Library) Framework(id string) (Framework, bool) {
	i := slices.IndexFunc(l.frameworks, func(f Framework) bool { return f.ID == id })
	if i < 0 {
		return Framework{}, false
	}
	return l.frameworks[i], true
}

// Controls returns all controls in the order of the file.
func (l *Library) Controls() []Control { return slices.Clone(l.controls) }

// ControlsVersion returns the version of the control set; it rises with every
// change of controls.yaml.
func (l *Library) ControlsVersion() int { return l.version }

// Control returns the control with the id.
func (l *Library) Control(id string) (Control, bool) {
	i, ok := l.byID[id]
	if !ok {
		return Control{}, false
	}
	return l.controls[i], true
}

// RequirementsOf returns what a control claims to meet: framework by
// framework, each in its own order.
func (l *Library) RequirementsOf(control string) []Link { return slices.Clone(l.links[control]) }

// ControlsOf returns the controls that claim a requirement, in the order of
// its mappings; nothing if the framework or the requirement is not there.
func (l *Library) ControlsOf(framework, requirement string) []Control {
	f, _ := l.Framework(framework)
	r, _ := f.Requirement(requirement)
	var out []Control
	for _, m := range r.Mappings {
		if c, ok := l.Control(m.Control); ok {
			out = append(out, c)
		}
	}
	return out
}

// Term returns the label of an id that the content uses, such as
// Term("cadences", "annual"). An id without a label is its own label.
func (l *Library) Term(group, id string) Text {
	if t, ok := l.terms[group][id]; ok {
		return t
	}
	return Text{Fallback: id}
}

// index fills what the lookups need.
func (l *Library) index() {
	l.byID, l.links = map[string]int{}, map[string][]Link{}
	for i, c := range l.controls {
		l.byID[c.ID] = i
	}
	for _, f := range l.frameworks {
		for _, r := range f.Requirements {
			for _, m := range r.Mappings {
				l.links[m.Control] = append(l.links[m.Control], Link{Framework: f.ID, Requirement: r, Mapping: m})
			}
		}
	}
}
