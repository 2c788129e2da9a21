package fact

import (
	"reflect"
	"time"
)

// Schema returns the JSON Schema (draft 2020-12) of the kind's data.
func (k Kind) Schema() map[string]any {
	s := objectSchema(k.Fields)
	if k.Name == "item" {
		s = map[string]any{"type": "object"}
	}
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = k.Name
	s["description"] = k.Doc
	s["x-plural"] = k.Plural
	return s
}

func objectSchema(fields []Field) map[string]any {
	props := map[string]any{}
	var required []string
	for _, f := range fields {
		p := typeSchema(f.Type, f.Sub)
		p["description"] = f.Doc
		if f.Enum != nil {
			p["enum"] = f.Enum
		}
		if f.Ref != "" {
			p["x-ref"] = f.Ref
		}
		if !f.Opt {
			required = append(required, f.Name)
		}
		props[f.Name] = p
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": props}
	if required != nil {
		s["required"] = required
	}
	return s
}

func typeSchema(t reflect.Type, sub []Field) map[string]any {
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem(), sub)}
	case reflect.Struct:
		return objectSchema(sub)
	default:
		return map[string]any{"type": "string"}
	}
}
