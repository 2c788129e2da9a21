package mapping

import (
	"fmt"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Scope is the reading of one map: rows go in, facts go out, and the end
// says how honest it was. It is not safe for concurrent use.
type Scope struct {
	m       *Map
	emit    connector.Emit
	seen    map[string]bool
	refused int
	why     string // of the first row that was refused
	note    string // first field that stayed unknown for a bad reason
}

// Open opens the map's scope.
func (m *Map) Open(emit connector.Emit) (*Scope, error) {
	if err := emit.Open(connector.Scope{Name: m.Name, Kinds: []string{m.Kind.Name}}); err != nil {
		return nil, err
	}
	return &Scope{m: m, emit: emit, seen: map[string]bool{}}, nil
}

// Row takes one row. An error is the reading's, not the row's: a row that
// cannot be read makes the scope partial, and the others go on.
func (s *Scope) Row(row map[string]any) error {
	r, err := s.m.Fact(row)
	switch {
	case err != nil:
		s.refuse(err.Error())
		return nil
	case r.Skipped:
		return nil
	case s.seen[r.ID]:
		s.refuse("two rows have the same id")
		return nil
	}
	s.seen[r.ID] = true
	if len(r.Notes) > 0 && s.note == "" {
		s.note = r.Notes[0]
	}
	return s.emit.Fact(s.m.Name, r.ID, r.Data)
}

func (s *Scope) refuse(why string) {
	s.refused++
	if s.why == "" {
		s.why = why
	}
}

// Note says what was wrong with a row or a field, or "".
func (s *Scope) Note() string {
	switch {
	case s.refused == 1:
		return "one row was left out: " + s.why
	case s.refused > 1:
		return fmt.Sprintf("%d rows were left out, the first because %s", s.refused, s.why)
	}
	return s.note
}

// Close closes the scope with what the reading of its system met.
func (s *Scope) Close(reading fact.Reading, d connector.Detail) error {
	if s.refused > 0 && reading == fact.Complete {
		reading = fact.Partial
	}
	if d.Why == "" {
		d.Why = s.Note()
	}
	return s.emit.Close(s.m.Name, reading, d)
}
