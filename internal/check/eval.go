package check

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"prumo.dev/prumo/internal/fact"
)

// Names of functions that expressions call.
const (
	hasFunction = "@has"
	fnOlderThan = "olderThan"
	fnWithin    = "within"
	fnPassed    = "passed"
	fnDays      = "days"
)

// paramPrefix begins a parameter's name in an expression.
const paramPrefix = "params."

// maxMissing is how many missing fields one evaluation names; the rest is
// counted as one, so that a large set of silent members stays cheap.
const maxMissing = 50

// firstDynamic is the first id of an unknown that is named while evaluating;
// those below belong to the tries.
const firstDynamic = 1 << 20

// An eval is the state of evaluations on one fact or set: what it sees, and
// what it reports. It is used by one goroutine at a time and used again.
type eval struct {
	projector
	name    string  // of the variable
	set     string  // the kind's plural while a set is judged
	root    ref.Val // the fact, or the list of members
	params  map[string]ref.Val
	now     time.Time
	lookup  Lookup
	due     time.Time
	refs    []RefUse
	lost    []string // names that led nowhere
	nextID  int64
	many    *types.Unknown
	indexes map[*val]map[string]*val
	lists   map[*val][]*val
	table   *typeTable

	olderThan, within, passed functions.LateBoundOp // bound once
}

func newEval(table *typeTable) *eval {
	e := &eval{table: table}
	e.ev = e
	e.olderThan = func(_ string, args ...ref.Val) ref.Val { return e.flip(args, 1) }
	e.within = func(_ string, args ...ref.Val) ref.Val { return e.flip(args, -1) }
	e.passed = func(_ string, args ...ref.Val) ref.Val { return e.flip(args, 0) }
	return e
}

// begin forgets everything of the evaluation before.
func (e *eval) begin(name string, now time.Time, lookup Lookup, params map[string]ref.Val) {
	e.reset()
	e.name, e.set, e.now, e.lookup, e.params = name, "", now, lookup, params
	e.root, e.due, e.refs, e.lost, e.nextID, e.many = nil, time.Time{}, nil, nil, firstDynamic, nil
	clear(e.indexes)
	clear(e.lists)
}

// again forgets what the last expression reported, but not what it saw.
func (e *eval) again(params map[string]ref.Val) {
	e.params, e.due, e.refs, e.lost, e.nextID, e.many = params, time.Time{}, nil, nil, firstDynamic, nil
}

// A mark is a point in the arena to go back to.
type mark struct{ slab, used int }

func (e *eval) mark() mark { return mark{e.slab, e.used} }

// rewind gives back what was projected since a mark; nothing may hold it.
func (e *eval) rewind(m mark) {
	e.slab, e.used = m.slab, m.used
	clear(e.indexes)
	clear(e.lists)
}

// fact projects a fact as the root of expressions.
func (e *eval) fact(f *fact.Fact, t *trie) (*val, error) {
	st := e.table.structs[f.Kind]
	if st == nil {
		return nil, fmt.Errorf("kind %q does not exist", f.Kind)
	}
	if !st.item {
		v, err := e.project(f.Data, fallback(t))
		if err != nil {
			return nil, err
		}
		if v.form != formObject {
			return nil, errJSON
		}
		v.st, v.fact = st, f
		return v, nil
	}
	root := e.alloc()
	root.form, root.st, root.fact, root.use, root.static = formObject, st, f, t, true
	data, err := e.project(f.Data, fallback(t.kid("data")))
	if err != nil {
		return nil, err
	}
	if data.form != formObject {
		return nil, errJSON
	}
	data.key = "data"
	data.hang(root)
	return root, nil
}

// fallback is a trie that keeps an object's form where nothing of it is read.
func fallback(t *trie) *trie {
	if t == nil || !t.all && !t.keys && t.kids == nil {
		return &trie{text: true}
	}
	return t
}

// ResolveName implements interpreter.Activation.
func (e *eval) ResolveName(name string) (any, bool) {
	if name == e.name {
		return e.root, true
	}
	v, ok := e.params[name]
	return v, ok
}

// Parent implements interpreter.Activation.
func (e *eval) Parent() interpreter.Activation { return nil }

// ResolveFunction implements interpreter.FunctionActivation.
func (e *eval) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case fnOlderThan:
		return e.olderThan, true
	case fnWithin:
		return e.within, true
	case fnPassed:
		return e.passed, true
	}
	return nil, false
}

// flip answers a time function: whether the instant t + sign × d has come.
// While it has not, the instant is when the answer flips.
func (e *eval) flip(args []ref.Val, sign time.Duration) ref.Val {
	t, ok := args[0].(types.Timestamp)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	at := t.Time
	if sign != 0 {
		d, ok := args[1].(types.Duration)
		if !ok {
			return types.MaybeNoSuchOverloadErr(args[1])
		}
		at = at.Add(sign * d.Duration)
	}
	if !at.After(e.now) {
		return types.True
	}
	if e.due.IsZero() || at.Before(e.due) {
		e.due = at
	}
	return types.False
}

// unknown makes the unknown that carries a field's name.
func (e *eval) unknown(path string) *types.Unknown {
	if e.nextID >= firstDynamic+maxMissing {
		if e.many == nil {
			e.many = types.NewUnknown(e.nextID, types.NewAttributeTrail("…"))
		}
		return e.many
	}
	e.nextID++
	return types.NewUnknown(e.nextID, types.NewAttributeTrail(path))
}

// follow reads the fact that a field names.
func (e *eval) follow(v *val, st *structType) ref.Val {
	if v.form != formString {
		return types.NewErr("%s is not a name", v.path())
	}
	id := fact.Ref(v.str())
	use := RefUse{Kind: st.name, ID: id}
	if !slices.Contains(e.refs, use) {
		use.ID = fact.Ref(strings.Clone(string(id)))
		e.refs = append(e.refs, use)
	}
	if e.lookup != nil {
		if f, ok := e.lookup(st.name, use.ID, v.up.fact.Source); ok && f != nil {
			return e.followed(v, f)
		}
	}
	path := v.path()
	e.lost = append(e.lost, path)
	return v.up.missing(v.key)
}

func (e *eval) followed(v *val, f *fact.Fact) ref.Val {
	sub := projector{ev: e, slabs: e.slabs, slab: e.slab, used: e.used}
	outer := e.projector
	e.projector = sub
	root, err := e.fact(f, fallback(v.use))
	sub = e.projector
	e.projector = outer
	e.slabs, e.slab, e.used = sub.slabs, sub.slab, sub.used
	if err != nil {
		return types.NewErr("read %s %s: %v", f.Kind, f.ID, err)
	}
	root.up, root.key, root.static = v.up, v.key, v.static
	return root.value()
}

// indexed gives a large object's children by name.
func (e *eval) indexed(v *val) map[string]*val {
	if m, ok := e.indexes[v]; ok {
		return m
	}
	if e.indexes == nil {
		e.indexes = map[*val]map[string]*val{}
	}
	m := make(map[string]*val, v.n)
	for c := v.first; c != nil; c = c.next {
		m[c.key] = c
	}
	e.indexes[v] = m
	return m
}

// listed gives a long list's elements by number.
func (e *eval) listed(v *val) []*val {
	if l, ok := e.lists[v]; ok {
		return l
	}
	if e.lists == nil {
		e.lists = map[*val][]*val{}
	}
	l := make([]*val, 0, v.n)
	for c := v.first; c != nil; c = c.next {
		l = append(l, c)
	}
	e.lists[v] = l
	return l
}

// days is the function of that name.
func days(n ref.Val) ref.Val {
	i, ok := n.(types.Int)
	if !ok {
		return types.MaybeNoSuchOverloadErr(n)
	}
	const limit = math.MaxInt64 / int64(24*time.Hour)
	if int64(i) > limit || int64(i) < -limit {
		return types.NewErr("days(%d) is out of range", int64(i))
	}
	return types.Duration{Duration: time.Duration(i) * 24 * time.Hour}
}

// has answers has(x.name): whether the map x holds the name.
func has(x, name ref.Val) ref.Val {
	switch m := x.(type) {
	case *mapVal:
		return m.Contains(name)
	case *structVal:
		return types.NewErr("has() is for data of an item only")
	case interface {
		Find(ref.Val) (ref.Val, bool)
	}:
		_, found := m.Find(name)
		return types.Bool(found)
	}
	return types.MaybeNoSuchOverloadErr(x)
}
