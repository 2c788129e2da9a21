package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"

	"prumo.dev/prumo/internal/connector"
)

// A Page is an answer as expressions see it, under the name page, and the
// headers that came with it, under the name header and with small letters. A
// key whose value is null counts as absent.
type Page struct {
	value  any
	header map[string]any
}

// A Misfit is an answer that is not what the map expects. It wraps
// connector.ErrFormat; its words hold nothing of the answer.
type Misfit struct{ Why string }

// Error implements error.
func (m *Misfit) Error() string { return m.Why }

// Unwrap returns connector.ErrFormat.
func (m *Misfit) Unwrap() error { return connector.ErrFormat }

// ReadPage reads one JSON value, whole. What is empty, null, cut, followed by
// more or no JSON is a *Misfit: none of it means that there is nothing.
func ReadPage(raw []byte) (Page, error) {
	raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	switch {
	case len(raw) == 0:
		return Page{}, &Misfit{"the answer is empty"}
	case raw[0] == '<':
		return Page{}, &Misfit{"the answer is a page for people, not JSON; a sign-in page may stand before the system"}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return Page{}, &Misfit{"the answer is not JSON, or was cut short"}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Page{}, &Misfit{"more follows the answer's JSON; one value is read"}
	}
	if v == nil {
		return Page{}, &Misfit{"the answer is null"}
	}
	return NewPage(v), nil
}

// Failed says whether an answer of success tells of a failure in itself: a
// member error or errors that holds something, or ok or success that is false.
func (p Page) Failed() error {
	m, isObject := p.value.(map[string]any)
	if !isObject {
		return nil
	}
	for _, name := range []string{"error", "errors"} {
		switch v := m[name].(type) {
		case nil:
		case bool:
			if v {
				return failedBy(name)
			}
		case string:
			if v != "" {
				return failedBy(name)
			}
		case int64:
			if v != 0 {
				return failedBy(name)
			}
		case []any:
			if len(v) > 0 {
				return failedBy(name)
			}
		case map[string]any:
			if len(v) > 0 {
				return failedBy(name)
			}
		default:
			return failedBy(name)
		}
	}
	for _, name := range []string{"ok", "success"} {
		if v, is := m[name].(bool); is && !v {
			return failedBy(name)
		}
	}
	return nil
}

func failedBy(name string) error {
	return &Misfit{"the answer tells of a failure in its member " + name}
}

// NewPage takes an answer as encoding/json decodes it with UseNumber.
func NewPage(v any) Page { return Page{value: clean(v)} }

// Row is the answer as one row; ok is false where it is no object.
func (p Page) Row() (row map[string]any, ok bool) {
	row, ok = p.value.(map[string]any)
	return row, ok
}

// With returns the page with the headers that came with it.
func (p Page) With(h http.Header) Page {
	p.header = map[string]any{}
	for name, values := range h {
		if len(values) > 0 {
			p.header[strings.ToLower(name)] = values[0]
		}
	}
	return p
}

func (p Page) variables() map[string]any {
	h := p.header
	if h == nil {
		h = map[string]any{}
	}
	return map[string]any{"page": p.value, "header": h}
}

// A List finds the rows in an answer.
type List struct{ program cel.Program }

// NewList compiles the expression that finds the rows; "" means that the
// answer itself is the list.
func NewList(expression string) (*List, error) {
	if expression == "" {
		expression = "page"
	}
	p, err := compilePage(expression)
	return &List{p}, err
}

func compilePage(expression string) (cel.Program, error) {
	env, err := newEnv("page", "header")
	if err != nil {
		return nil, err
	}
	return compile(env, expression, pageCost)
}

// Rows returns the rows of an answer. What is no list of objects is
// connector.ErrFormat: it does not mean that there is none.
func (l *List) Rows(page Page) ([]map[string]any, error) {
	v, ok, err := eval(l.program, page.variables())
	list, isList := v.(traits.Lister)
	if err != nil || !ok || !isList {
		return nil, &Misfit{"the answer holds no list where `items` looks for one"}
	}
	var rows []map[string]any
	for it := list.Iterator(); it.HasNext() == types.True; {
		x := it.Next()
		row, isRow := x.Value().(map[string]any) // as it was decoded
		if !isRow {
			made, err := plainElement(x)
			if row, isRow = made.(map[string]any); err != nil || !isRow {
				return nil, &Misfit{"the list holds what is no object; `items` must give a list of objects"}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// A Value finds one value in an answer, such as the address of the next page.
type Value struct{ program cel.Program }

// NewValue compiles an expression over an answer.
func NewValue(expression string) (*Value, error) {
	p, err := compilePage(expression)
	return &Value{p}, err
}

// Text returns the text, or "" where the answer does not say. A number is written out.
func (v *Value) Text(page Page) (string, error) {
	x, ok, err := eval(v.program, page.variables())
	if err != nil {
		return "", fmt.Errorf("%w: %w", connector.ErrFormat, err)
	}
	if !ok {
		return "", nil
	}
	switch x := x.(type) {
	case types.String:
		return string(x), nil
	case types.Int, types.Uint, types.Double:
		return idText(x)
	}
	return "", fmt.Errorf("it is no text: %w", connector.ErrFormat)
}

// Count returns a number of things; ok is false where the answer does not say.
func (v *Value) Count(page Page) (n int, ok bool, err error) {
	x, ok, err := eval(v.program, page.variables())
	if err != nil || !ok {
		return 0, false, err
	}
	i, err := asInt(x)
	if err != nil {
		return 0, false, fmt.Errorf("it is no whole number: %w", connector.ErrFormat)
	}
	c, _ := i.(int64)
	if c < 0 || c > 1<<31 {
		return 0, false, fmt.Errorf("it is no count: %w", connector.ErrFormat)
	}
	return int(c), true, nil
}

// True returns a truth; ok is false where the answer does not say.
func (v *Value) True(page Page) (yes, ok bool, err error) {
	x, ok, err := eval(v.program, page.variables())
	if err != nil || !ok {
		return false, false, err
	}
	b, is := x.(types.Bool)
	if !is {
		return false, false, fmt.Errorf("it is neither true nor false: %w", connector.ErrFormat)
	}
	return bool(b), true, nil
}
