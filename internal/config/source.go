package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/name"
)

// MinEvery is the shortest rhythm of a source.
const MinEvery = 10 * time.Second

func (r *reader) source(n *yaml.Node) {
	before := len(r.problems)
	s := Source{Line: n.Line, Settings: map[string]any{}}
	r.each(n, "a source", []string{"name", "connector", "every", "owner", "settings"}, func(k string, v *yaml.Node) {
		switch k {
		case "name":
			s.Name = r.text(v, k)
		case "connector":
			s.Connector = r.text(v, k)
		case "owner":
			s.Owner = r.text(v, k)
		case "every":
			s.Every = r.every(v)
		case "settings":
			r.each(v, "settings", nil, func(k string, v *yaml.Node) { s.Settings[k] = r.value(v, k) })
		}
	})
	switch {
	case !name.Valid(s.Name):
		r.bad(n, fmt.Sprintf("a source cannot be called %q", s.Name), "give it a name of "+name.Rule)
	case s.Connector == "":
		r.bad(n, "source "+s.Name+" has no connector", "name one under connector")
	case r.hasSource(s.Name):
		r.bad(n, "source "+s.Name+" is given twice", "give each source a name of its own")
	}
	if len(r.problems) == before {
		r.cfg.Sources = append(r.cfg.Sources, s)
	}
}

func (r *reader) hasSource(name string) bool {
	for _, s := range r.cfg.Sources {
		if s.Name == name {
			return true
		}
	}
	return false
}

func (r *reader) every(n *yaml.Node) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < MinEvery {
		r.bad(n, fmt.Sprintf("every: %q is not a rhythm", n.Value), "write a duration of 10s or more, such as 5m")
		return 0
	}
	return d
}

// value reads a setting and puts secrets in the place of {env: NAME} and {file: PATH}.
func (r *reader) value(n *yaml.Node, where string) any {
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		switch v := n.Content[1].Value; n.Content[0].Value {
		case "env":
			return r.env(n, v, where)
		case "file":
			return r.secretFile(n, v, where)
		}
	}
	var out any
	if err := n.Decode(&out); err != nil {
		r.bad(n, "setting "+where+" cannot be read", "write a text, number, true, false or a list")
	}
	return out
}

func (r *reader) env(n *yaml.Node, name, where string) any {
	v := r.getenv(name)
	if v == "" {
		r.bad(n, fmt.Sprintf("setting %s: environment variable %s is not set", where, name), "set it before the start")
	}
	return v
}

func (r *reader) secretFile(n *yaml.Node, path, where string) any {
	p := r.path(path)
	st, err := os.Stat(p)
	if err != nil || st.IsDir() || st.Size() > maxFile {
		r.bad(n, fmt.Sprintf("setting %s: file %s cannot be read", where, path), "make a readable file of at most 1 MB (paths are relative to this file)")
		return ""
	}
	b, err := os.ReadFile(p)
	if err != nil {
		r.bad(n, fmt.Sprintf("setting %s: file %s cannot be read", where, path), "let the account that runs Prumo read it")
		return ""
	}
	return strings.TrimRight(string(b), "\r\n")
}

// ResolveSecrets puts secrets in the place of every {env: NAME} and {file: PATH}
// below n; file is where n was read. It returns the first problem.
func ResolveSecrets(n *yaml.Node, file string, getenv func(string) string) *Problem {
	r := &reader{file: file, dir: filepath.Dir(file), getenv: getenv}
	r.resolve(n)
	if len(r.problems) == 0 {
		return nil
	}
	return &r.problems[0]
}

func (r *reader) resolve(n *yaml.Node) {
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[1].Kind == yaml.ScalarNode {
		var v any
		switch key := n.Content[0].Value; key {
		case "env":
			v = r.env(n, n.Content[1].Value, "secret")
		case "file":
			v = r.secretFile(n, n.Content[1].Value, "secret")
		}
		if s, ok := v.(string); ok {
			*n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s, Line: n.Line, Column: n.Column}
			return
		}
	}
	for _, c := range n.Content {
		r.resolve(c)
	}
}
