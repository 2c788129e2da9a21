package things

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/web/ui"
)

// A Field is one field of a fact as a page shows it.
type Field struct {
	Name  string // as in an expression, such as protection.approvals
	Doc   string
	Known bool
	Value string
	Ref   string // kind that it names, with Value as the id
	Time  time.Time
}

// maxValue is how much of a value is shown; the whole is in the JSON.
const maxValue = 2000

// Fields reads a fact's data into fields: of a typed kind all that it has, the
// unknown ones too; of an item what its object holds. Data that is no object
// has no fields.
func Fields(e *ui.Env, kind string, data json.RawMessage) []Field {
	object := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &object); err != nil {
		return nil
	}
	k, ok := fact.KindNamed(kind)
	if !ok || len(k.Fields) == 0 {
		var out []Field
		for _, name := range slices.Sorted(maps.Keys(object)) {
			out = append(out, Field{Name: name, Known: string(object[name]) != "null", Value: plain(e, object[name])})
		}
		return out
	}
	return typed(e, "", k.Fields, object)
}

func typed(e *ui.Env, prefix string, fields []fact.Field, object map[string]json.RawMessage) []Field {
	var out []Field
	for _, f := range fields {
		raw, said := object[f.Name]
		said = said && string(raw) != "null"
		inner := map[string]json.RawMessage{}
		if said && len(f.Sub) > 0 && json.Unmarshal(raw, &inner) == nil {
			out = append(out, typed(e, prefix+f.Name+".", f.Sub, inner)...)
			continue
		}
		field := Field{Name: prefix + f.Name, Doc: f.Doc, Known: said, Ref: f.Ref}
		if said {
			field.Value = plain(e, raw)
			if t, ok := instant(raw); ok {
				field.Time = t
			}
		}
		out = append(out, field)
	}
	return out
}

func instant(raw json.RawMessage) (time.Time, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}

// plain writes a JSON value as people read it.
func plain(e *ui.Env, raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	return cut(word(e, v))
}

func word(e *ui.Env, v any) string {
	switch x := v.(type) {
	case bool:
		if x {
			return e.T("yes")
		}
		return e.T("no")
	case string:
		if x == "" {
			return e.T("empty")
		}
		return x
	case json.Number:
		return x.String()
	case []any:
		if len(x) == 0 {
			return e.T("none")
		}
		var parts []string
		for _, item := range x {
			parts = append(parts, word(e, item))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, k+": "+word(e, x[k]))
		}
		return strings.Join(parts, ", ")
	case nil:
		return e.T("unsaid")
	}
	return fmt.Sprint(v)
}

func cut(s string) string {
	if r := []rune(s); len(r) > maxValue {
		return string(r[:maxValue]) + "…"
	}
	return s
}

// Reads picks the fields that an expression names, unknown ones too.
func Reads(fields []Field, expressions ...string) []Field {
	text := strings.Join(expressions, " ")
	var out []Field
	for _, f := range fields {
		top, _, _ := strings.Cut(f.Name, ".")
		last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
		if names(text, top) && (top == last || names(text, last)) {
			out = append(out, f)
		}
	}
	return out
}

// names reports that a text holds ".name" as a whole word.
func names(text, name string) bool {
	for i := 0; ; {
		j := strings.Index(text[i:], "."+name)
		if j < 0 {
			return false
		}
		end := i + j + 1 + len(name)
		if end == len(text) || !isWord(text[end]) {
			return true
		}
		i = end
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Changes tells two states of a fact's data apart.
func Changes(before, after json.RawMessage) []ui.Change {
	old, now := flat(before), flat(after)
	var out []ui.Change
	for _, name := range slices.Sorted(maps.Keys(merge(old, now))) {
		o, was := old[name]
		n, is := now[name]
		if was && is && o == n {
			continue
		}
		out = append(out, ui.Change{Field: name, Before: cut(o), After: cut(n), Gone: !is, Arrive: !was})
	}
	return out
}

func merge(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// flat writes an object's fields as compact JSON under their full names.
func flat(raw json.RawMessage) map[string]string {
	out := map[string]string{}
	object := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &object) != nil {
		return out
	}
	for name, v := range object {
		inner := map[string]json.RawMessage{}
		if bytes.HasPrefix(bytes.TrimSpace(v), []byte("{")) && json.Unmarshal(v, &inner) == nil && len(inner) > 0 {
			for k, s := range flat(v) {
				out[name+"."+k] = s
			}
			continue
		}
		out[name] = string(v)
	}
	return out
}
