// Package mapping turns rows (of a query, of a JSON answer, of a program's
// output) into facts by a declaration that people write: which kind a row is,
// what its id is, and an expression for each field. A declaration carries its
// own examples, and one whose examples do not hold is refused.
//
// What a row does not say stays unknown: a key that is absent or null makes
// the fields that are made from it unknown, never false, 0 or empty.
//
// Start at Parse; then Map.Fact, and Scope for a whole reading.
package mapping

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/fact"
)

// Limits of a declaration and of one expression.
const (
	maxMaps     = 50
	maxExamples = 50
	rowCost     = 200_000
	pageCost    = 20_000_000 // an answer holds many rows
)

// A Map turns rows of one sort into facts of one kind. It is safe for
// concurrent use.
type Map struct {
	Name  string            // of its scope; stable between readings
	Kind  fact.Kind         //
	Extra map[string]string // what the connector asks beside the mapping: its query, its path

	id     cel.Program
	when   cel.Program // nil: every row
	fields []field
	whole  bool // an item that holds the whole row
}

type field struct {
	def     fact.Field
	program cel.Program
}

// text is a map as written.
type text struct {
	Scope    string            `yaml:"scope"`
	Kind     string            `yaml:"kind"`
	ID       string            `yaml:"id"`
	When     string            `yaml:"when"`
	Fields   map[string]string `yaml:"fields"`
	Examples []example         `yaml:"examples"`
}

// Parse reads a list of maps, compiles their expressions and runs their
// examples. extra names the keys that the connector itself adds to each map;
// those that end in "!" must be there. The error joins every problem, each
// with the number of its map and what to do.
func Parse(declaration string, extra ...string) ([]*Map, error) {
	nodes, err := listOf(declaration)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, errors.New("it holds no map; write at least one with scope, kind, id, fields and examples")
	}
	if len(nodes) > maxMaps {
		return nil, fmt.Errorf("it holds %d maps; the limit is %d", len(nodes), maxMaps)
	}
	env, err := newEnv("row")
	if err != nil {
		return nil, err
	}
	var out []*Map
	var problems []error
	for i := range nodes {
		m, errs := parseOne(env, &nodes[i], extra)
		for _, err := range errs {
			problems = append(problems, fmt.Errorf("map %d%s: %w", i+1, named(m), err))
		}
		out = append(out, m)
	}
	problems = append(problems, twice(out)...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return out, nil
}

// listOf reads the declaration as one list.
func listOf(declaration string) ([]yaml.Node, error) {
	d := yaml.NewDecoder(strings.NewReader(declaration))
	var nodes []yaml.Node
	if err := d.Decode(&nodes); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is no list of maps in YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var second yaml.Node
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("a second YAML document follows; write one list")
	}
	return nodes, nil
}

func named(m *Map) string {
	if m == nil || m.Name == "" {
		return ""
	}
	return " (" + m.Name + ")"
}

// twice finds scopes that two maps share: each scope is one reading.
func twice(all []*Map) []error {
	var out []error
	seen := map[string]bool{}
	for _, m := range all {
		if m == nil || m.Name == "" {
			continue
		}
		if seen[m.Name] {
			out = append(out, fmt.Errorf("two maps are called %s; give each a scope of its own", m.Name))
		}
		seen[m.Name] = true
	}
	return out
}

func parseOne(env *cel.Env, n *yaml.Node, extra []string) (*Map, []error) {
	rest, own, problems := split(n, extra)
	if len(problems) > 0 {
		return nil, problems
	}
	var t text
	if err := rest.Decode(&t); err != nil {
		return nil, []error{fmt.Errorf("it cannot be read: %s", strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	m := &Map{Name: t.Scope, Extra: own}
	if t.Scope == "" {
		problems = append(problems, errors.New("scope is missing; name the part of the source that it reads, such as people"))
	} else if err := fact.CheckText("scope", t.Scope, fact.MaxScope); err != nil {
		problems = append(problems, err)
	}
	k, ok := fact.KindNamed(t.Kind)
	if !ok {
		return m, append(problems, fact.NoKind(t.Kind))
	}
	if !slices.Contains(Kinds(), k.Name) {
		return m, append(problems, fmt.Errorf("kind %s is what Prumo says of itself; use another", k.Name))
	}
	m.Kind = k
	if len(t.Examples) > maxExamples {
		problems = append(problems, fmt.Errorf("it has %d examples; the limit is %d", len(t.Examples), maxExamples))
	}
	var err error
	if m.id, err = compile(env, t.ID, rowCost); err != nil {
		problems = append(problems, fmt.Errorf("id: %w", err))
	}
	if t.When != "" {
		if m.when, err = compile(env, t.When, rowCost); err != nil {
			problems = append(problems, fmt.Errorf("when: %w", err))
		}
	}
	problems = append(problems, m.compileFields(env, t.Fields)...)
	if len(t.Examples) == 0 {
		problems = append(problems, errors.New("examples are missing; add at least one: a row and what it must give"))
	}
	if len(problems) > 0 {
		return m, problems
	}
	for i, e := range t.Examples {
		if err := m.try(e); err != nil {
			problems = append(problems, fmt.Errorf("example %d%s: %w", i+1, e.label(), err))
		}
	}
	return m, problems
}

// split parts a map's own keys from the connector's.
func split(n *yaml.Node, extra []string) (rest *yaml.Node, own map[string]string, problems []error) {
	if n.Kind != yaml.MappingNode {
		return nil, nil, []error{errors.New("it must be a map with scope, kind, id, fields and examples")}
	}
	own = map[string]string{}
	rest = &yaml.Node{Kind: yaml.MappingNode, Tag: n.Tag}
	known := []string{"scope", "kind", "id", "when", "fields", "examples"}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case slices.Contains(known, key.Value):
			rest.Content = append(rest.Content, key, value)
		case slices.Contains(extra, key.Value) || slices.Contains(extra, key.Value+"!"):
			if value.Kind != yaml.ScalarNode {
				problems = append(problems, fmt.Errorf("%s must be a text", key.Value))
				continue
			}
			if _, twice := own[key.Value]; twice {
				problems = append(problems, fmt.Errorf("%s is given twice; keep one", key.Value))
			}
			own[key.Value] = value.Value
		default:
			problems = append(problems, fmt.Errorf("it has no key %q; there are %s", key.Value, strings.Join(append(known, plain(extra)...), ", ")))
		}
	}
	for _, e := range extra {
		if name, must := strings.CutSuffix(e, "!"); must && own[name] == "" {
			problems = append(problems, fmt.Errorf("%s is missing", name))
		}
	}
	return rest, own, problems
}

func plain(extra []string) []string {
	out := make([]string, len(extra))
	for i, e := range extra {
		out[i] = strings.TrimSuffix(e, "!")
	}
	return out
}

func (m *Map) compileFields(env *cel.Env, fields map[string]string) []error {
	if m.Kind.Name == "item" && len(fields) == 0 {
		m.whole = true
		return nil
	}
	if len(fields) == 0 {
		return []error{errors.New("fields are missing; write at least one, such as `name: row.name`")}
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		def, ok := m.Kind.Field(name)
		if m.Kind.Name == "item" {
			def, ok = fact.Field{Name: name}, true
		}
		if !ok {
			problems = append(problems, fmt.Errorf("kind %s has no field %q; docs/kinds.md lists them", m.Kind.Name, name))
			continue
		}
		p, err := compile(env, fields[name], rowCost)
		if err != nil {
			problems = append(problems, fmt.Errorf("field %s: %w", name, err))
			continue
		}
		m.fields = append(m.fields, field{def: def, program: p})
	}
	return problems
}

// eval runs a program. ok is false where what it looks at does not say.
func eval(p cel.Program, variables map[string]any) (out ref.Val, ok bool, err error) {
	v, _, err := p.Eval(variables)
	if err != nil {
		if absent(err) {
			return nil, false, nil
		}
		return nil, false, plainError(err)
	}
	return unwrap(v)
}
