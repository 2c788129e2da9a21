package ui

import (
	"context"
	"io"
	"regexp"
	"strings"

	"github.com/a-h/templ"
)

// Template shows a text of a check as its file says it: what stands in {{…}} is
// filled in for each thing, and shown as code like what stands in backquotes.
func Template(s string) templ.Component {
	return marked(s, regexp.MustCompile("\\{\\{(.+?)\\}\\}|`([^`]+)`"))
}

// Prose shows a filled text of a check: what stands in backquotes as code.
func Prose(s string) templ.Component { return marked(s, regexp.MustCompile("`([^`]+)`")) }

// marked shows what a pattern's group holds as code, and the rest as text.
func marked(s string, pattern *regexp.Regexp) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for s != "" {
			m := pattern.FindStringSubmatchIndex(s)
			if m == nil {
				_, err := io.WriteString(w, templ.EscapeString(s))
				return err
			}
			if _, err := io.WriteString(w, templ.EscapeString(s[:m[0]])); err != nil {
				return err
			}
			for i := 2; i+1 < len(m); i += 2 {
				if m[i] < 0 {
					continue
				}
				if err := Code(strings.TrimSpace(s[m[i]:m[i+1]])).Render(ctx, w); err != nil {
					return err
				}
			}
			s = s[m[1]:]
		}
		return nil
	})
}

// fence surrounds the place of a part; no text of ours or of a source holds it
// after Rich took it out.
const fence = "\x00"

// Rich returns the text of a key whose {{.Name}}s are pieces of a page, such
// as links. with holds names and, for each, a templ.Component or a value.
func (e *Env) Rich(key string, with ...any) templ.Component {
	return e.fill(with, func(data []any) string { return e.T(key, data...) })
}

// RichN is Rich in the form for n.
func (e *Env) RichN(key string, n int64, with ...any) templ.Component {
	return e.fill(with, func(data []any) string { return e.N(key, n, data...) })
}

func (e *Env) fill(with []any, text func([]any) string) templ.Component {
	parts := map[string]templ.Component{}
	data := make([]any, 0, len(with))
	for i := 0; i+1 < len(with); i += 2 {
		name, _ := with[i].(string)
		switch v := with[i+1].(type) {
		case templ.Component:
			parts[name] = v
			data = append(data, name, fence+name+fence)
		case string:
			data = append(data, name, strings.ReplaceAll(v, fence, ""))
		default:
			data = append(data, name, v)
		}
	}
	pieces := strings.Split(text(data), fence)
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		for i, s := range pieces {
			if c, ok := parts[s]; ok && i%2 == 1 {
				if err := c.Render(ctx, w); err != nil {
					return err
				}
				continue
			}
			if _, err := io.WriteString(w, templ.EscapeString(s)); err != nil {
				return err
			}
		}
		return nil
	})
}
