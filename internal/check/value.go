package check

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"prumo.dev/prumo/internal/fact"
)

// A form is what a projected JSON value is.
type form uint8

const (
	formNull form = iota
	formFalse
	formTrue
	formNumber
	formString
	formObject
	formList
	formPresent // something that is there and whose content no expression reads
)

// A val is one JSON value that a projector kept. It lives in the projector's
// arena until the next reset; nothing of it may outlive the evaluation.
type val struct {
	form   form
	esc    bool        // the text of the string holds escapes
	static bool        // no list lies between it and its root, so that its path is its trie's
	at     int32       // its index in a list
	n      int32       // how many children it has
	key    string      // its name in an object
	text   string      // the text of a scalar, without quotes; it aliases the input
	up     *val        // what holds it; of a fact read through a name, the fact that names it
	first  *val        // its first child
	last   *val        // its last child
	next   *val        // its next sibling
	use    *trie       // what expressions read below it
	st     *structType // the struct that it is, or that its elements are
	fact   *fact.Fact  // of the root of a fact
	ev     *eval       // the evaluation that it belongs to
	cel    ref.Val     // its value, once it was asked for
}

// The three faces of a val in CEL.
type (
	structVal val // a fact or a struct within it
	mapVal    val // an object of an item
	listVal   val // a list
)

var errNative = errors.New("has no native form")

// child finds a child by its name; JSON null counts as absent.
func (v *val) child(name string) *val {
	if v.n > indexFrom {
		return v.ev.indexed(v)[name]
	}
	for c := v.first; c != nil; c = c.next {
		if c.key == name {
			return c
		}
	}
	return nil
}

// indexFrom is the number of children from which names are found by a map.
const indexFrom = 24

// path names the value as an expression reads it, such as account.person.name.
func (v *val) path() string {
	if v.up == nil {
		if v.ev.set != "" && v.fact != nil {
			return joinPath(v.ev.set, v.fact.ID)
		}
		return v.ev.table.structs[v.fact.Kind].name
	}
	if v.up.form == formList {
		return v.up.path() + "[" + strconv.Itoa(int(v.at)) + "]"
	}
	if v.fact == nil && v.up.fact != nil && v.up.st != nil && v.up.st.item {
		return v.up.path() + ".data"
	}
	return joinPath(v.up.path(), v.key)
}

func joinPath(path, name string) string {
	if isName(name) {
		return path + "." + name
	}
	return path + "[" + strconv.Quote(name) + "]"
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return s != ""
}

// missing is the unknown that stands for a child that is not there.
func (v *val) missing(name string) *types.Unknown {
	if v.static && v.use != nil {
		if t := v.use.kid(name); t != nil && t.unknown != nil {
			return t.unknown
		}
	}
	return v.ev.unknown(joinPath(v.path(), name))
}

// value gives the value as CEL sees it in an item: without a declared type.
func (v *val) value() ref.Val {
	if v.cel != nil {
		return v.cel
	}
	switch v.form {
	case formFalse:
		return types.False
	case formTrue, formPresent:
		return types.True
	case formNull:
		return types.NullValue
	case formNumber:
		v.cel = number(v.text)
	case formString:
		v.cel = types.String(v.str())
	case formList:
		v.cel = (*listVal)(v)
	default:
		if v.st != nil {
			v.cel = (*structVal)(v)
		} else {
			v.cel = (*mapVal)(v)
		}
	}
	return v.cel
}

func (v *val) str() string {
	if v.esc {
		return unescape(v.text)
	}
	return v.text
}

// number reads a JSON number: an exact int where it has neither fraction nor
// exponent and fits 64 bits, a double otherwise.
func number(s string) ref.Val {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return types.Int(n)
		}
	}
	return double(s)
}

func double(s string) ref.Val {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return types.NewErr("the number %s is out of range", clip(s, 40))
	}
	return types.Double(f)
}

// typed gives a child's value by the field's declared type.
func (v *val) typed(f *fieldType) ref.Val {
	if v.cel != nil {
		return v.cel
	}
	switch f.as {
	case asTime:
		t, err := time.Parse(time.RFC3339, v.str())
		if err != nil {
			return types.NewErr("%s is not a time", v.path())
		}
		v.cel = types.Timestamp{Time: t.UTC()}
	case asDouble:
		v.cel = double(v.text)
	case asRef:
		r := v.ev.follow(v, f.ref)
		if !types.IsUnknownOrError(r) {
			v.cel = r
		}
		return r
	case asStruct, asStructs:
		v.st = f.sub
		return v.value()
	default:
		return v.value()
	}
	return v.cel
}

// get reads a field of a fact or of a struct within it.
func (s *structVal) get(f *fieldType) ref.Val {
	v := (*val)(s)
	if v.fact != nil {
		switch f.as {
		case asID:
			return types.String(v.fact.ID)
		case asSource:
			return types.String(v.fact.Source)
		case asData:
			return v.first.value()
		}
	}
	c := v.child(f.name)
	if c == nil {
		return v.missing(f.name)
	}
	return c.typed(f)
}

// ConvertToNative implements ref.Val.
func (s *structVal) ConvertToNative(reflect.Type) (any, error) { return nil, errNative }

// ConvertToType implements ref.Val.
func (s *structVal) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return s.st.cel
	}
	return types.NewErr("%s cannot become %s", s.st.cel.TypeName(), t.TypeName())
}

// Equal implements ref.Val: two facts are equal if they are the same fact.
func (s *structVal) Equal(other ref.Val) ref.Val {
	o, ok := other.(*structVal)
	if !ok {
		return types.False
	}
	if s.fact != nil && o.fact != nil {
		return types.Bool(s.fact.Key() == o.fact.Key())
	}
	return types.Bool((*val)(s).same((*val)(o)))
}

// Type implements ref.Val.
func (s *structVal) Type() ref.Type { return s.st.cel }

// Value implements ref.Val.
func (s *structVal) Value() any { return s }

// Get implements traits.Indexer for values whose type is not known when an expression is compiled.
func (s *structVal) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(index)
	}
	f, ok := s.st.fields[string(name)]
	if !ok {
		return types.NewErr("field %s does not exist", name)
	}
	return s.get(f)
}

// ConvertToNative implements ref.Val.
func (m *mapVal) ConvertToNative(reflect.Type) (any, error) { return nil, errNative }

// ConvertToType implements ref.Val.
func (m *mapVal) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return m
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("a map cannot become %s", t.TypeName())
}

// Equal implements ref.Val.
func (m *mapVal) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*mapVal); ok {
		return types.Bool((*val)(m).same((*val)(o)))
	}
	o, ok := other.(traits.Mapper)
	if !ok || o.Size() != types.Int(m.n) {
		return types.False
	}
	for c := m.first; c != nil; c = c.next {
		x, found := o.Find(types.String(c.key))
		if !found || types.Equal(c.value(), x) != types.True {
			return types.False
		}
	}
	return types.True
}

// Type implements ref.Val.
func (m *mapVal) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (m *mapVal) Value() any { return m }

// Size implements traits.Sizer.
func (m *mapVal) Size() ref.Val { return types.Int(m.n) }

// Contains implements traits.Container.
func (m *mapVal) Contains(key ref.Val) ref.Val {
	s, ok := key.(types.String)
	return types.Bool(ok && (*val)(m).child(string(s)) != nil)
}

// Get implements traits.Indexer; an absent key is unknown.
func (m *mapVal) Get(key ref.Val) ref.Val {
	s, ok := key.(types.String)
	if !ok {
		return types.NewErr("no such key: %v", key)
	}
	if c := (*val)(m).child(string(s)); c != nil {
		return c.value()
	}
	return (*val)(m).missing(string(s))
}

// Find implements traits.Mapper; an absent key is found to be unknown.
func (m *mapVal) Find(key ref.Val) (ref.Val, bool) {
	if _, ok := key.(types.String); !ok {
		return nil, false
	}
	return m.Get(key), true
}

// FindStringKey spares CEL the boxing of a constant key.
func (m *mapVal) FindStringKey(key string) (any, bool) {
	if c := (*val)(m).child(key); c != nil {
		return c.value(), true
	}
	return nil, false
}

// Iterator implements traits.Iterable: it goes over the keys.
func (m *mapVal) Iterator() traits.Iterator { return &iterator{next: m.first, keys: true} }

// Fold implements traits.Foldable.
func (m *mapVal) Fold(f traits.Folder) {
	for c := m.first; c != nil; c = c.next {
		if !f.FoldEntry(types.String(c.key), c.value()) {
			return
		}
	}
}

// same compares two values by what was said.
func (v *val) same(o *val) bool {
	if v.form != o.form || v.n != o.n {
		return false
	}
	switch v.form {
	case formObject:
		for c := v.first; c != nil; c = c.next {
			if d := o.child(c.key); d == nil || !c.same(d) {
				return false
			}
		}
		return true
	case formList:
		d := o.first
		for c := v.first; c != nil; c = c.next {
			if !c.same(d) {
				return false
			}
			d = d.next
		}
		return true
	default:
		return types.Equal(v.value(), o.value()) == types.True
	}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
