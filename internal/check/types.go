package check

import (
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"prumo.dev/prumo/internal/fact"
)

// An as says how a field's JSON becomes a CEL value.
type as uint8

const (
	asPlain as = iota // by its JSON form
	asTime
	asDouble
	asRef     // the fact that it names
	asStruct  // a struct within the fact
	asStructs // a list of structs
	asID      // the fact's id
	asSource  // the fact's source
	asData    // the object of an item
)

// A structType is a kind of fact, or a struct within one, as CEL sees it.
type structType struct {
	name   string // of the kind; of a struct within one, its path
	kind   bool   // it is a kind
	cel    *types.Type
	item   bool
	fields map[string]*fieldType
	names  []string
}

// A fieldType is one field of a structType.
type fieldType struct {
	name string
	as   as
	sub  *structType // the struct that it is, lists, or names
	ref  *structType // the kind that it names
	cel  types.FieldType
}

// typeTable holds every kind's type; it implements types.Provider over CEL's own.
type typeTable struct {
	types.Provider
	kinds   map[string]fact.Kind
	structs map[string]*structType // by kind
	byType  map[string]*structType // by the name of the CEL type
}

// A CEL type's name holds a space, so that no expression can name the type.
func factType(kind string) string { return kind + " fact" }

func newTypeTable() (*typeTable, error) {
	base, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the type registry: %w", err)
	}
	t := &typeTable{Provider: base, kinds: map[string]fact.Kind{}, structs: map[string]*structType{}, byType: map[string]*structType{}}
	for _, k := range fact.Kinds() {
		t.kinds[k.Name] = k
		s := &structType{name: k.Name, kind: true, cel: types.NewObjectType(factType(k.Name)), item: k.Name == "item", fields: map[string]*fieldType{}}
		t.structs[k.Name], t.byType[factType(k.Name)] = s, s
	}
	for _, k := range t.kinds {
		s := t.structs[k.Name]
		s.add(&fieldType{name: "id", as: asID}, types.StringType)
		s.add(&fieldType{name: "source", as: asSource}, types.StringType)
		if s.item {
			s.add(&fieldType{name: "data", as: asData}, types.NewMapType(types.StringType, types.DynType))
			continue
		}
		t.addFields(s, k.Fields)
	}
	return t, nil
}

func (t *typeTable) addFields(s *structType, fields []fact.Field) {
	for _, f := range fields {
		ft := &fieldType{name: f.Name}
		s.add(ft, t.fieldCEL(s, f, ft))
	}
}

// fieldCEL finds the CEL type of a field and how its JSON is read.
func (t *typeTable) fieldCEL(s *structType, f fact.Field, ft *fieldType) *types.Type {
	switch {
	case f.Ref != "":
		ft.as, ft.ref = asRef, t.structs[f.Ref]
		return ft.ref.cel
	case f.Type == reflect.TypeFor[time.Time]():
		ft.as = asTime
		return types.TimestampType
	case f.Sub != nil:
		name := s.name + " " + f.Name
		ft.sub = &structType{name: name, cel: types.NewObjectType(name), fields: map[string]*fieldType{}}
		t.byType[name] = ft.sub
		t.addFields(ft.sub, f.Sub)
		if ft.as = asStruct; f.Type.Kind() == reflect.Slice {
			ft.as = asStructs
			return types.NewListType(ft.sub.cel)
		}
		return ft.sub.cel
	case f.Type.Kind() == reflect.Slice:
		return types.NewListType(scalarCEL(f.Type.Elem()))
	}
	if f.Type.Kind() == reflect.Float64 {
		ft.as = asDouble
	}
	return scalarCEL(f.Type)
}

func scalarCEL(t reflect.Type) *types.Type {
	switch t.Kind() {
	case reflect.Bool:
		return types.BoolType
	case reflect.Int64:
		return types.IntType
	case reflect.Float64:
		return types.DoubleType
	default:
		return types.StringType
	}
}

func (s *structType) add(f *fieldType, t *types.Type) {
	f.cel = types.FieldType{
		Type:  t,
		IsSet: func(any) bool { return true },
		GetFrom: func(o any) (any, error) {
			switch o := o.(type) {
			case *structVal:
				return o.get(f), nil
			case *types.Unknown:
				return o, nil
			default:
				return nil, fmt.Errorf("field %s does not exist", f.name)
			}
		},
	}
	s.fields[f.name] = f
	s.names = append(s.names, f.name)
}

// FindStructType implements types.Provider.
func (t *typeTable) FindStructType(name string) (*types.Type, bool) {
	if s, ok := t.byType[name]; ok {
		return types.NewTypeTypeWithParam(s.cel), true
	}
	return t.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (t *typeTable) FindStructFieldNames(name string) ([]string, bool) {
	if s, ok := t.byType[name]; ok {
		return s.names, true
	}
	return t.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (t *typeTable) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	s, ok := t.byType[name]
	if !ok {
		return t.Provider.FindStructFieldType(name, field)
	}
	f, ok := s.fields[field]
	if !ok {
		return nil, false
	}
	return &f.cel, true
}

// NewValue implements types.Provider: an expression makes no facts.
func (t *typeTable) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("%s cannot be made in an expression", name)
}

// adapter hands CEL values through and leaves the rest to CEL.
type adapter struct{ types.Adapter }

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	if r, ok := v.(ref.Val); ok {
		return r
	}
	return a.Adapter.NativeToValue(v)
}
