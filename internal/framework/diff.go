package framework

import "maps"

// A Move is a requirement that now stands under another one. An empty parent
// is the top.
type Move struct{ ID, From, To string }

// A Retitle is a requirement whose title changed in at least one language.
type Retitle struct {
	ID       string
	Old, New Text
}

// A Reclass is a requirement that changed its kind or its designation; each is
// written as kind or kind, designation.
type Reclass struct{ ID, Old, New string }

// A Pair is a requirement and a control.
type Pair struct{ Requirement, Control string }

// Changes says what is different between two versions of a framework's
// content. Links of requirements that came or went are not repeated under
// Linked and Unlinked.
type Changes struct {
	Framework        string
	From, To         int    // content versions
	OldEdition       string // of the standard
	NewEdition       string
	Added, Removed   []Requirement
	Moved            []Move
	Retitled         []Retitle
	Reclassed        []Reclass
	Linked, Unlinked []Pair
}

// None says that nothing in the requirements or their links is different.
func (c Changes) None() bool {
	return len(c.Added)+len(c.Removed)+len(c.Moved)+len(c.Retitled)+len(c.Reclassed)+len(c.Linked)+len(c.Unlinked) == 0
}

// Diff says what changed from one version of a framework to another, told by
// requirement ids: an id that changed is one removed and one added. Added and
// changed ones come in the order of the newer version, removed ones in that of
// the older.
func Diff(older, newer Framework) Changes {
	c := Changes{
		Framework: newer.ID, From: older.Version, To: newer.Version,
		OldEdition: older.Edition, NewEdition: newer.Edition,
	}
	was := byID(older)
	is := byID(newer)
	for _, r := range newer.Requirements {
		if o, ok := was[r.ID]; ok {
			c.compare(o, r)
		} else {
			c.Added = append(c.Added, r)
		}
	}
	for _, r := range older.Requirements {
		if _, ok := is[r.ID]; !ok {
			c.Removed = append(c.Removed, r)
		}
	}
	return c
}

func byID(f Framework) map[string]Requirement {
	out := make(map[string]Requirement, len(f.Requirements))
	for _, r := range f.Requirements {
		out[r.ID] = r
	}
	return out
}

func (c *Changes) compare(o, n Requirement) {
	if o.Parent != n.Parent {
		c.Moved = append(c.Moved, Move{ID: n.ID, From: o.Parent, To: n.Parent})
	}
	if !maps.Equal(o.Title, n.Title) {
		c.Retitled = append(c.Retitled, Retitle{ID: n.ID, Old: o.Title, New: n.Title})
	}
	if before, after := o.class(), n.class(); before != after {
		c.Reclassed = append(c.Reclassed, Reclass{ID: n.ID, Old: before, New: after})
	}
	for _, m := range n.Mappings {
		if !o.mappedTo(m.Control) {
			c.Linked = append(c.Linked, Pair{Requirement: n.ID, Control: m.Control})
		}
	}
	for _, m := range o.Mappings {
		if !n.mappedTo(m.Control) {
			c.Unlinked = append(c.Unlinked, Pair{Requirement: n.ID, Control: m.Control})
		}
	}
}

func (r Requirement) class() string {
	if r.Designation == "" {
		return r.Kind
	}
	return r.Kind + ", " + r.Designation
}

func (r Requirement) mappedTo(control string) bool {
	for _, m := range r.Mappings {
		if m.Control == control {
			return true
		}
	}
	return false
}
