package exec

import (
	"errors"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// finish closes every scope. A kind of the settings that was not printed is a
// scope too: a good run says that there is none of it.
func (l *lines) finish(fault error) error {
	for _, k := range l.kinds {
		if !slices.ContainsFunc(l.scopes, func(s *section) bool { return slices.Contains(s.kinds, k) }) {
			if _, err := l.add(&section{name: k, kinds: []string{k}, byKind: true}); err != nil {
				return err
			}
		}
	}
	if len(l.kinds) == 0 {
		s, err := l.add(&section{name: programScope, kinds: []string{"item"}, byKind: true})
		if err != nil {
			return err
		}
		if len(l.scopes) == 1 && fault == nil && l.refused == "" {
			s.refused = "the program printed nothing; if it may find nothing, name its kinds in the settings"
		}
	}
	var problems []error
	for _, s := range l.scopes {
		reading, detail := l.result(s, fault)
		problems = append(problems, l.emit.Close(s.name, reading, detail))
	}
	return errors.Join(problems...)
}

// result is what to close a scope with.
func (l *lines) result(s *section, fault error) (fact.Reading, connector.Detail) {
	said := closing{reading: fact.Complete}
	if s.closed != nil {
		said = *s.closed
	}
	partial := func(why string) (fact.Reading, connector.Detail) {
		return fact.Partial, connector.Detail{Of: said.of, Why: why}
	}
	switch {
	case said.reading == fact.Forbidden:
		return said.reading, connector.Detail{Of: said.of, Why: or(said.why, "the program says that it was refused")}
	case fault != nil:
		reading, d := honest(fault)
		d.Of = said.of
		return reading, d
	case s.refused != "":
		return partial(s.refused)
	case l.refused != "":
		return partial(l.refused)
	case said.reading == fact.Partial:
		return partial(or(said.why, "the program says that it did not see everything"))
	case !s.byKind && s.closed == nil:
		return partial(`the program ended without closing this scope; print {"close":"` + s.name + `"} once all of it was read`)
	case s.seen < said.of:
		return partial("the program printed fewer facts than it says there are")
	}
	return fact.Complete, connector.Detail{Of: said.of, Why: said.why}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
