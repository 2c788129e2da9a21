package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"prumo.dev/prumo/internal/fact"
)

// A Result is what a row gave.
type Result struct {
	ID      string
	Data    fact.Data
	Skipped bool     // when says that the row is none of ours
	Notes   []string // fields that stayed unknown for a reason other than silence; no value of the row
}

// errNoID is returned for a row that does not say which thing it is about.
var errNoID = errors.New("a row has no id")

// Fact turns a row into a fact. An error means that it is not known which
// thing the row is about, or whether it is about one, so that the reading
// cannot be complete. The row is not kept.
func (m *Map) Fact(row map[string]any) (Result, error) {
	row = withoutNulls(row)
	variables := map[string]any{"row": row}
	if m.when != nil {
		v, ok, err := eval(m.when, variables)
		if err != nil || !ok {
			return Result{}, errors.New("when: it cannot be said whether a row counts")
		}
		b, isBool := v.(types.Bool)
		if !isBool {
			return Result{}, errors.New("when: it must give true or false")
		}
		if !bool(b) {
			return Result{Skipped: true}, nil
		}
	}
	v, ok, err := eval(m.id, variables)
	if err != nil || !ok {
		return Result{}, errNoID
	}
	id, err := idText(v)
	if err != nil {
		return Result{}, err
	}
	if fact.CheckID(id) != nil { // its message would hold the id
		return Result{}, fmt.Errorf("an id must have at most %d bytes, without control characters", fact.MaxID)
	}
	r := Result{ID: id}
	values := row
	if !m.whole {
		values, r.Notes = m.values(variables)
	}
	if r.Data, err = m.decode(values); err == nil {
		return r, nil
	}
	// One field that does not fit must not cost the others.
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, err := m.decode(map[string]any{name: values[name]}); err != nil {
			delete(values, name)
			r.Notes = append(r.Notes, "field "+name+": its value does not fit; docs/kinds.md says what it holds")
		}
	}
	if r.Data, err = m.decode(values); err != nil {
		return Result{}, fmt.Errorf("a row does not fit kind %s", m.Kind.Name)
	}
	return r, nil
}

func (m *Map) decode(values map[string]any) (fact.Data, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("write a row as JSON: %w", err)
	}
	return fact.Decode(m.Kind, raw)
}

func (m *Map) values(variables map[string]any) (map[string]any, []string) {
	out := map[string]any{}
	var notes []string
	for _, f := range m.fields {
		v, ok, err := eval(f.program, variables)
		if err == nil && ok {
			var x any
			if x, ok, err = f.fit(v); err == nil && ok {
				out[f.def.Name] = x
			}
		}
		if err != nil {
			notes = append(notes, "field "+f.def.Name+": "+err.Error())
		}
	}
	return out, notes
}

func idText(v ref.Val) (string, error) {
	switch v := v.(type) {
	case types.String:
		if s := strings.TrimSpace(string(v)); s != "" {
			return s, nil
		}
		return "", errNoID
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		if f := float64(v); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10), nil
		}
	}
	return "", errors.New("the id must be a text or a whole number")
}

// withoutNulls removes keys whose value is null: they say nothing.
func withoutNulls(row map[string]any) map[string]any {
	out := make(map[string]any, len(row))
	for k, v := range row {
		if v = clean(v); v != nil {
			out[k] = v
		}
	}
	return out
}

func clean(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		return withoutNulls(v)
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			if x = clean(x); x != nil {
				out = append(out, x)
			}
		}
		return out
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	case time.Time:
		return v.UTC()
	default:
		return v
	}
}

// fit turns a value into what the field's JSON holds. ok is false where the
// value says nothing: an empty text where a time, a name or one of a list of words belongs.
func (f field) fit(v ref.Val) (x any, ok bool, err error) {
	t := f.def.Type
	if t == nil { // a key of an item
		x, err = plainValue(v)
		return x, err == nil, err
	}
	if s, isText := v.(types.String); isText && strings.TrimSpace(string(s)) == "" && !acceptsEmpty(f.def) {
		return nil, false, nil
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		x, err = asTime(v)
	case t.Kind() == reflect.Bool:
		b, is := v.(types.Bool)
		x, err = bool(b), wrong(is, "true or false; compare, as in row.status == \"active\"")
	case t.Kind() == reflect.Int64:
		x, err = asInt(v)
	case t.Kind() == reflect.Float64:
		n, is := v.ConvertToType(types.DoubleType).(types.Double)
		x, err = float64(n), wrong(is, "a number")
	case t.Kind() == reflect.String:
		x, err = asText(v, f.def)
	default:
		x, err = plainValue(v)
		if err == nil && t.Kind() == reflect.Slice && reflect.TypeOf(x).Kind() != reflect.Slice {
			err = errors.New("it must be a list; write [row.name] for a list of one")
		}
	}
	return x, err == nil, err
}

func acceptsEmpty(d fact.Field) bool {
	return d.Type.Kind() == reflect.String && d.Ref == "" && len(d.Enum) == 0
}

func wrong(ok bool, want string) error {
	if ok {
		return nil
	}
	return errors.New("it must be " + want)
}

func asTime(v ref.Val) (any, error) {
	if s, ok := v.(types.String); ok {
		v = date(s)
	}
	t, ok := v.(types.Timestamp)
	if !ok {
		return nil, errors.New("it must be a time; write date(row.field) for a text and unix(row.field) for a number")
	}
	return t.UTC().Format(time.RFC3339Nano), nil
}

func asInt(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if uint64(v) <= math.MaxInt64 {
			return int64(v), nil
		}
	case types.Double:
		if f := float64(v); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), nil
		}
	}
	return nil, errors.New("it must be a whole number; write int(row.field) for a text")
}

func asText(v ref.Val, d fact.Field) (any, error) {
	var s string
	switch v := v.(type) {
	case types.String:
		s = string(v)
	case types.Int:
		s = strconv.FormatInt(int64(v), 10)
	case types.Uint:
		s = strconv.FormatUint(uint64(v), 10)
	default:
		return nil, errors.New("it must be a text; write string(row.field)")
	}
	if len(d.Enum) > 0 && !slices.Contains(d.Enum, s) {
		return nil, fmt.Errorf("it must be one of %s", strings.Join(d.Enum, ", "))
	}
	return s, nil
}

// plainValue turns a CEL value into what encoding/json writes.
func plainValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Bool, types.Int, types.Uint, types.Double, types.String:
		return v.Value(), nil
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339Nano), nil
	case types.Duration:
		return int64(v.Duration / time.Second), nil
	case traits.Mapper:
		return plainMap(v)
	case traits.Lister:
		out := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			x, err := plainElement(it.Next())
			if err != nil {
				return nil, err
			}
			if x != nil {
				out = append(out, x)
			}
		}
		return out, nil
	}
	return nil, errors.New("its value has a type that no fact can hold")
}

func plainMap(m traits.Mapper) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		k := it.Next()
		name, ok := k.(types.String)
		if !ok {
			return nil, errors.New("an object's keys must be texts")
		}
		x, err := plainElement(m.Get(k))
		if err != nil {
			return nil, err
		}
		if x != nil {
			out[string(name)] = x
		}
	}
	return out, nil
}

// plainElement is plainValue of what may be nothing: nil then.
func plainElement(v ref.Val) (any, error) {
	v, ok, err := unwrap(v)
	if err != nil || !ok {
		return nil, err
	}
	return plainValue(v)
}
