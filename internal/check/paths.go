package check

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// A RefPath is a typed reference that a check reads through.
type RefPath struct {
	On    string // the kind whose fact holds the name
	Field string // the field that holds it
	Kind  string // the kind that it names
}

// A reading is what an expression reads and how heavy it can become.
type reading struct {
	root  *trie // below the fact, or below each member of the set
	refs  []RefPath
	time  bool // it calls a time function
	heavy bool // its cost can outgrow its input, so that evaluating it needs a limit
}

func (r *reading) merge(o *reading) {
	r.root.merge(o.root)
	for _, x := range o.refs {
		r.addRef(x)
	}
	r.time = r.time || o.time
	r.heavy = r.heavy || o.heavy
}

func (r *reading) addRef(x RefPath) {
	if !slices.Contains(r.refs, x) {
		r.refs = append(r.refs, x)
	}
}

// heavyNodes is the number of nodes from which an expression needs a cost limit.
const heavyNodes = 500

// heavySums is the number of additions, each of which may copy a long text or
// list, from which it does.
const heavySums = 8

// A reader walks a checked expression and writes down what it reads.
type reader struct {
	*reading
	name  string // the variable: the kind, or its plural
	table *typeTable
	typed map[int64]*types.Type
	scope map[string]*trie // variables of comprehensions
	inner []string         // the variables of the comprehensions around, the innermost last
	nodes int
	sums  int
}

func readingOf(a *ast.AST, name string, table *typeTable) *reading {
	r := &reader{reading: &reading{root: &trie{}}, name: name, table: table, scope: map[string]*trie{}, typed: map[int64]*types.Type{}}
	for id, t := range a.TypeMap() {
		r.typed[id] = t
	}
	r.use(a.Expr())
	r.heavy = r.heavy || r.nodes > heavyNodes || r.sums > heavySums
	return r.reading
}

// use says that the whole value of an expression is read.
func (r *reader) use(e ast.Expr) {
	if t := r.walk(e); t != nil {
		t.all = true
	}
}

// walk returns the trie that an expression's value stands for, if it is a
// part of the fact; everything else that it reads is written down.
func (r *reader) walk(e ast.Expr) *trie {
	r.nodes++
	switch e.Kind() {
	case ast.IdentKind:
		name := strings.TrimPrefix(e.AsIdent(), ".")
		r.again(name)
		if t, ok := r.scope[name]; ok {
			return t
		}
		if name == r.name {
			return r.root
		}
	case ast.SelectKind:
		return r.selects(e.AsSelect())
	case ast.CallKind:
		return r.call(e.AsCall())
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			r.use(x)
		}
	case ast.MapKind:
		for _, x := range e.AsMap().Entries() {
			r.use(x.AsMapEntry().Key())
			r.use(x.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		r.comprehension(e.AsComprehension())
	}
	return nil
}

func (r *reader) selects(s ast.SelectExpr) *trie {
	up := r.walk(s.Operand())
	f := r.field(s.Operand(), s.FieldName())
	if f != nil && f.as == asRef {
		r.addRef(RefPath{On: r.table.byType[r.typed[s.Operand().ID()].TypeName()].name, Field: f.name, Kind: f.ref.name})
	}
	if up == nil || f != nil && (f.as == asID || f.as == asSource) {
		return nil
	}
	t := up.add(s.FieldName())
	t.text = t.text || f != nil && f.as == asRef
	return t
}

// field finds the declared field, if the operand is a struct.
func (r *reader) field(operand ast.Expr, name string) *fieldType {
	t := r.typed[operand.ID()]
	if t == nil || t.Kind() != types.StructKind || r.table.byType[t.TypeName()] == nil {
		return nil
	}
	return r.table.byType[t.TypeName()].fields[name]
}

func (r *reader) call(c ast.CallExpr) *trie {
	args := c.Args()
	switch c.FunctionName() {
	case hasFunction:
		if up := r.walk(args[0]); up != nil {
			up.add(stringLiteral(args[1]))
		}
		return nil
	case operators.Index:
		return r.index(args[0], args[1])
	case overloads.Size:
		arg := c.Target()
		if !c.IsMemberFunction() {
			arg = args[0]
		}
		if t := r.walk(arg); t != nil {
			t.keys = true
		}
		return nil
	case overloads.Matches:
		pattern := args[len(args)-1]
		r.heavy = r.heavy || pattern.Kind() != ast.LiteralKind
	case operators.Add:
		r.sums++
	case fnOlderThan, fnWithin, fnPassed:
		r.time = true
	}
	if c.IsMemberFunction() {
		r.use(c.Target())
	}
	for _, x := range args {
		r.use(x)
	}
	return nil
}

func (r *reader) index(operand, index ast.Expr) *trie {
	up := r.walk(operand)
	if index.Kind() != ast.LiteralKind {
		r.use(index)
		if up != nil {
			up.all = true
		}
		return up
	}
	if _, ok := index.AsLiteral().(types.String); ok && up != nil {
		return up.add(stringLiteral(index))
	}
	return up // an element shares its list's trie
}

func (r *reader) comprehension(c ast.ComprehensionExpr) {
	over := r.walk(c.IterRange())
	if over != nil {
		over.keys = true
	}
	if t := r.typed[c.IterRange().ID()]; t != nil && t.Kind() == types.MapKind {
		over = nil // it goes over the keys
	}
	outer := r.scope
	r.scope = make(map[string]*trie, len(outer)+2)
	for k, v := range outer {
		r.scope[k] = v
	}
	r.use(c.AccuInit())
	r.scope[c.AccuVar()] = nil
	r.scope[c.IterVar()] = over
	r.inner = append(r.inner, c.IterVar())
	r.use(c.LoopCondition())
	r.use(c.LoopStep())
	r.inner = r.inner[:len(r.inner)-1]
	r.scope[c.IterVar()] = nil
	r.use(c.Result())
	r.scope = outer
}

// again notes a variable that is read within a comprehension and is not that
// comprehension's own: the same values are gone over for each element, so the
// cost may outgrow what is read.
func (r *reader) again(name string) {
	n := len(r.inner)
	if n > 0 && name != r.inner[n-1] && (name == r.name || slices.Contains(r.inner, name)) {
		r.heavy = true
	}
}

func stringLiteral(e ast.Expr) string {
	if e.Kind() != ast.LiteralKind {
		return ""
	}
	s, _ := e.AsLiteral().(types.String)
	return string(s)
}

// name gives each node the unknown that stands for its absence.
func (t *trie) name(path string, id *int64) {
	for _, k := range t.kids {
		*id++
		p := joinPath(path, k.key)
		k.unknown = types.NewUnknown(*id, types.NewAttributeTrail(p))
		k.name(p, id)
	}
}
