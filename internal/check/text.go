package check

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// A template is a text with {{expressions}}.
type template struct {
	parts []part
	plain bool // no expression: the only part is the text
}

type part struct {
	text string
	expr *expression
}

// unsaid stands in a text for a value that is unknown.
const unsaid = "?"

// compileText compiles a text's expressions; faults are in the text's own lines.
func (l *loader) compileText(env *cel.Env, name string, d *Def, text string) (*template, []fault) {
	t := &template{plain: true}
	var faults []fault
	for rest, at := text, 0; ; {
		open := strings.Index(rest, "{{")
		if open < 0 {
			t.parts = append(t.parts, part{text: rest})
			return t, faults
		}
		t.parts = append(t.parts, part{text: rest[:open]})
		size := closing(rest[open+2:])
		if size < 0 {
			line, col := lineColumn(text, at+open)
			return t, append(faults, fault{line, col, "{{ is never closed", "close it with }}"})
		}
		expr := rest[open+2 : open+2+size]
		x, fs := l.compile(env, name, d, expr)
		if fs == nil {
			fs = l.printable(x)
		}
		faults = append(faults, shift(fs, text, at+open+2)...)
		t.parts = append(t.parts, part{expr: x})
		t.plain = false
		at += open + 2 + size + 2
		rest = text[at:]
	}
}

// closing finds the }} that ends an expression, past texts and braces within it.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{':
			depth++
		case '}':
			if depth == 0 {
				if strings.HasPrefix(s[i:], "}}") {
					return i
				}
				return -1
			}
			depth--
		}
	}
	return -1
}

// shift moves faults of an expression to its place in the text around it.
func shift(fs []fault, text string, offset int) []fault {
	line, column := lineColumn(text, offset)
	for i := range fs {
		if fs[i].line <= 1 {
			fs[i].column += column
		}
		fs[i].line = max(fs[i].line, 1) + line - 1
	}
	return fs
}

// lineColumn gives the line, from 1, and the column, from 0 in characters, of a byte.
func lineColumn(text string, offset int) (line, column int) {
	before := text[:offset]
	line = 1 + strings.Count(before, "\n")
	return line, len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
}

// printable refuses an expression whose value has no text.
func (l *loader) printable(x *expression) []fault {
	t := x.ast.OutputType()
	for t.Kind() == types.ListKind && len(t.Parameters()) == 1 {
		t = t.Parameters()[0]
	}
	switch t.Kind() {
	case types.StructKind:
		return []fault{{line: 1, what: "a " + t.TypeName() + " cannot be printed", do: "name one of its fields"}}
	case types.TypeKind:
		return []fault{{line: 1, what: "a type cannot be printed", do: "name a value"}}
	}
	return nil
}

// Message fills the check's message; a value that is unknown shows as "?".
func (c *Check) Message(in Input, lang string) string { return c.say(in, "message", lang) }

// FixText fills the text that says how to mend a failure.
func (c *Check) FixText(in Input, lang string) string { return c.say(in, "fix", lang) }

// MessageReadsFacts reports whether the message holds expressions, so that
// writing it needs the facts.
func (c *Check) MessageReadsFacts() bool { return !c.text("message", "en").plain }

// MissingReason is the reason of an unknown for which fields are missing.
func MissingReason(missing []string) string {
	missing = slices.Clone(missing)
	slices.Sort(missing)
	return notSaid(slices.Compact(missing), nil)
}

func (c *Check) text(what, lang string) *template {
	if t, ok := c.texts[what+"/"+lang]; ok {
		return t
	}
	return c.texts[what+"/en"]
}

func (c *Check) say(in Input, what, lang string) string {
	t := c.text(what, lang)
	if t == nil || t.plain {
		return plainText(t)
	}
	if !c.Each {
		return c.SetMessage(SetInput{Members: one(in.Fact), Now: in.Now, Params: in.Params, Lookup: in.Lookup}, what, lang)
	}
	e, done := c.loader.eval()
	defer done()
	params, err := c.params(in.Params)
	if err != nil {
		params = c.values
	}
	e.begin(c.Kind, in.Now, in.Lookup, params)
	if root, err := e.fact(in.Fact, c.says.root); err == nil {
		e.root = root.value()
	} else {
		e.root = types.WrapErr(err)
	}
	return t.fill(e, func(x *expression) (cel.Program, error) { return x.program, nil })
}

func plainText(t *template) string {
	if t == nil {
		return ""
	}
	return t.parts[0].text
}

func (t *template) fill(e *eval, program func(*expression) (cel.Program, error)) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		prog, err := program(p.expr)
		if err != nil {
			b.WriteString(unsaid)
			continue
		}
		out, _, err := prog.Eval(e)
		if err != nil {
			b.WriteString(unsaid)
			continue
		}
		b.WriteString(printed(out, 0))
	}
	return b.String()
}

// maxPrinted bounds how many elements of a list a text shows.
const maxPrinted = 20

// printed is a value as people read it.
func printed(v ref.Val, depth int) string {
	switch v := v.(type) {
	case types.String:
		return string(v)
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10)
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339Nano)
	case types.Duration:
		return v.Duration.String()
	case types.Bytes:
		return fmt.Sprintf("%x", []byte(v))
	case types.Null:
		return "null"
	case *structVal:
		if v.fact != nil {
			return v.fact.ID
		}
	case traits.Lister:
		if depth < 4 {
			return printedList(v, depth)
		}
	case traits.Mapper:
		if depth < 4 {
			return printedMap(v, depth)
		}
	}
	return unsaid
}

func printedList(l traits.Lister, depth int) string {
	var out []string
	for it := l.Iterator(); it.HasNext() == types.True; {
		x := it.Next()
		if len(out) == maxPrinted {
			out = append(out, "…")
			break
		}
		out = append(out, printed(x, depth+1))
	}
	return strings.Join(out, ", ")
}

func printedMap(m traits.Mapper, depth int) string {
	var out []string
	for it := m.Iterator(); it.HasNext() == types.True; {
		k := it.Next()
		out = append(out, printed(k, depth+1)+": "+printed(m.Get(k), depth+1))
	}
	sort.Strings(out)
	if len(out) > maxPrinted {
		out = append(out[:maxPrinted], "…")
	}
	return strings.Join(out, ", ")
}
