package mapping

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"

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

// Close closes the scope with what the reading of its system met.
func (s *Scope) Close(reading fact.Reading, d connector.Detail) error {
	if s.refused > 0 && reading == fact.Complete {
		reading = fact.Partial
	}
	if d.Why == "" {
		switch {
		case s.refused == 1:
			d.Why = "one row was left out: " + s.why
		case s.refused > 1:
			d.Why = fmt.Sprintf("%d rows were left out, the first because %s", s.refused, s.why)
		case s.note != "":
			d.Why = s.note
		}
	}
	return s.emit.Close(s.m.Name, reading, d)
}

// A List finds the rows in an answer.
type List struct{ program cel.Program }

// NewList compiles the expression that finds the rows, over the variable page;
// "" means that the answer itself is the list.
func NewList(expression string) (*List, error) {
	if expression == "" {
		expression = "page"
	}
	env, err := newEnv("page")
	if err != nil {
		return nil, err
	}
	p, err := compile(env, expression)
	return &List{p}, err
}

// Rows returns the rows of an answer, decoded with numbers kept as such. What
// is no list of objects is connector.ErrFormat: it does not mean that there is none.
func (l *List) Rows(page any) ([]map[string]any, error) {
	v, ok, err := eval(l.program, "page", clean(page))
	list, isList := v.(traits.Lister)
	if err != nil || !ok || !isList {
		return nil, fmt.Errorf("the answer holds no list where one is expected: %w", connector.ErrFormat)
	}
	var rows []map[string]any
	for it := list.Iterator(); it.HasNext() == types.True; {
		x, err := plainElement(it.Next())
		row, isRow := x.(map[string]any)
		if err != nil || !isRow {
			return nil, fmt.Errorf("the list holds what is no object: %w", connector.ErrFormat)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// A Value finds one text in an answer, such as the address of the next page.
type Value struct{ program cel.Program }

// NewValue compiles an expression over the variable page.
func NewValue(expression string) (*Value, error) {
	env, err := newEnv("page")
	if err != nil {
		return nil, err
	}
	p, err := compile(env, expression)
	return &Value{p}, err
}

// Text returns the text, or "" where the answer does not say. A number is written out.
func (v *Value) Text(page any) (string, error) {
	x, ok, err := eval(v.program, "page", clean(page))
	if err != nil {
		return "", fmt.Errorf("%w: %w", connector.ErrFormat, err)
	}
	if !ok {
		return "", nil
	}
	switch x := x.(type) {
	case types.String:
		return string(x), nil
	case types.Int, types.Uint, types.Double, types.Bool:
		return fmt.Sprint(x.Value()), nil
	}
	return "", fmt.Errorf("it is no text: %w", connector.ErrFormat)
}
