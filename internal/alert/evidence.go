package alert

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// maxFields is how many of a fact's values a message shows.
const maxFields = 8

// path finds a name with its fields in an expression, such as account.mfa.
var path = regexp.MustCompile(`\b[a-z_]+(?:\.[A-Za-z_][A-Za-z0-9_]*)+`)

// Evidence picks the values of the fact that the check reads, in the order in
// which it reads them. What the source did not say is shown as "?".
func Evidence(d check.Def, f fact.Fact) []Field {
	if len(f.Data) == 0 || f.Kind != d.Kind {
		return nil
	}
	var data any
	dec := json.NewDecoder(bytes.NewReader(f.Data))
	dec.UseNumber()
	if dec.Decode(&data) != nil {
		return nil
	}
	var out []Field
	seen := map[string]bool{}
	for _, name := range path.FindAllString(d.Pass+" "+d.When, -1) {
		steps := strings.Split(name, ".")
		if steps[0] != d.Kind || seen[name] || len(out) == maxFields {
			continue
		}
		steps = steps[1:]
		if d.Kind == "item" {
			if steps[0] != "data" || len(steps) < 2 {
				continue
			}
			steps = steps[1:]
		}
		value, used := walk(data, steps)
		shown := strings.Join(append([]string{d.Kind}, steps[:used]...), ".")
		if seen[shown] || used == 0 {
			continue
		}
		seen[name], seen[shown] = true, true
		out = append(out, Field{Path: shown, Value: show(value)})
	}
	return out
}

// methods are what an expression calls on a value; they are no fields.
func isMethod(step string) bool {
	return slices.Contains([]string{
		"size", "all", "exists", "exists_one", "filter", "map", "contains", "startsWith", "endsWith", "matches",
		"olderThan", "within", "passed", "lowerAscii", "upperAscii", "trim", "split", "join",
	}, step)
}

// walk follows the steps as far as they are fields; it says how many it used.
func walk(v any, steps []string) (any, int) {
	for i, step := range steps {
		if isMethod(step) {
			return v, i
		}
		m, ok := v.(map[string]any)
		if !ok {
			if i > 0 && v != nil {
				return v, i // a name or a text: what follows is read in another fact
			}
			return nil, i
		}
		v = m[step]
	}
	return v, len(steps)
}

// show writes a value on one line.
func show(v any) string {
	switch x := v.(type) {
	case nil:
		return "?"
	case string:
		return clip(x, 200)
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		return clip(string(raw), 200)
	}
}
