// Package config reads prumo.yaml and the environment. It checks their form
// and resolves references to secrets; what a setting means is the business of
// the connector or the area that it belongs to.
//
// Start at Load.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Languages are the languages that people can read Prumo in.
func Languages() []string { return []string{"en", "pt-BR", "es"} }

// A Config is prumo.yaml.
type Config struct {
	File          string
	Organisation  Organisation
	Checks        []string // folders of check files, relative to the file
	Sources       []Source
	Routes        []Node         // read by the alert area
	AllowNetworks []netip.Prefix // networks that sources and webhooks made in the console may reach
	Owners        []Owner
	Params        map[string]map[string]any // check → parameter → value
}

// An Organisation is whom the instance belongs to.
type Organisation struct {
	Name      string
	Languages []string // the first is the default
	Owner     string   // who owns what nobody else owns: an e-mail address
	OnePerson bool     // one person runs everything: they may approve their own exceptions, which is shown
}

// A Source is one connected system as the file says it.
type Source struct {
	Name      string
	Connector string
	Every     time.Duration // zero: the connector's own rhythm
	Owner     string
	Settings  map[string]any // with secrets in place
	Line      int
}

// An Owner gives what a check, a kind or a source finds to somebody.
type Owner struct {
	Check, Kind, Source, Owner string
}

// A Node is a part of the file that somebody else reads.
type Node struct {
	Line int
	YAML *yaml.Node
}

// A Problem is something wrong in the file; the rest of the file holds.
type Problem struct {
	File string
	Line int
	What string
	Do   string
}

// Error implements error as FILE:LINE: what is wrong; what to do.
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d: %s; %s", p.File, p.Line, p.What, p.Do)
}

const maxFile = 1 << 20

// Load reads the file. Problems name what was left out; an error means that
// nothing could be read at all.
func Load(path string, getenv func(string) string) (*Config, []Problem, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return Parse(path, b, getenv)
}

// Parse reads the text of a file; path is for messages and for relative paths.
func Parse(path string, text []byte, getenv func(string) string) (*Config, []Problem, error) {
	if len(text) > maxFile {
		return nil, nil, fmt.Errorf("%s:1: the file is larger than 1 MB; split the checks into folders", path)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return &Config{File: path}, nil, nil
		}
		return nil, nil, yamlError(path, err)
	}
	var second yaml.Node
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%s:%d: a second document; keep one", path, max(second.Line, 1))
	}
	r := &reader{file: path, dir: filepath.Dir(path), getenv: getenv}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) > 0 {
		r.top(doc.Content[0])
	}
	r.cfg.File = path
	return &r.cfg, r.problems, nil
}

var lineNumber = regexp.MustCompile(`line (\d+): (.*)`)

func yamlError(path string, err error) error {
	if m := lineNumber.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: not YAML: %s; correct the line", path, m[1], m[2])
	}
	return fmt.Errorf("%s:1: not YAML: %s; correct the file", path, strings.TrimPrefix(err.Error(), "yaml: "))
}

type reader struct {
	file, dir string
	getenv    func(string) string
	cfg       Config
	problems  []Problem
}

func (r *reader) bad(n *yaml.Node, what, do string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, What: what, Do: do})
}

// each calls f for the pairs of a map; unknown keys and repeated ones are problems.
func (r *reader) each(n *yaml.Node, where string, keys []string, f func(key string, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.bad(n, where+" is not a map", "write it as key: value pairs")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case seen[k.Value]:
			r.bad(k, fmt.Sprintf("key %q is given twice in %s", k.Value, where), "keep one")
			continue
		case keys != nil && !slices.Contains(keys, k.Value):
			r.bad(k, fmt.Sprintf("unknown key %q in %s", k.Value, where), "use one of "+strings.Join(keys, ", "))
			continue
		}
		seen[k.Value] = true
		f(k.Value, v)
	}
}

func (r *reader) top(n *yaml.Node) {
	keys := []string{"organisation", "checks", "sources", "routes", "allow_networks", "owners", "params"}
	r.each(n, "the file", keys, func(k string, v *yaml.Node) {
		switch k {
		case "organisation":
			r.organisation(v)
		case "checks":
			r.cfg.Checks = r.folders(v)
		case "sources":
			r.list(v, "sources", r.source)
		case "routes":
			r.list(v, "routes", func(n *yaml.Node) {
				r.cfg.Routes = append(r.cfg.Routes, Node{Line: n.Line, YAML: n})
			})
		case "allow_networks":
			r.list(v, "allow_networks", r.network)
		case "owners":
			r.list(v, "owners", r.owner)
		case "params":
			r.params(v)
		}
	})
}

func (r *reader) list(n *yaml.Node, where string, f func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.bad(n, where+" is not a list", "write one entry a line, each after a dash")
		return
	}
	for _, e := range n.Content {
		f(e)
	}
}

func (r *reader) organisation(n *yaml.Node) {
	r.each(n, "organisation", []string{"name", "languages", "owner", "one_person"}, func(k string, v *yaml.Node) {
		switch k {
		case "name":
			r.cfg.Organisation.Name = r.text(v, k)
		case "owner":
			r.cfg.Organisation.Owner = r.text(v, k)
		case "one_person":
			if err := v.Decode(&r.cfg.Organisation.OnePerson); err != nil {
				r.bad(v, "one_person is not true or false", "write one of them")
			}
		case "languages":
			r.list(v, k, func(e *yaml.Node) {
				if !slices.Contains(Languages(), e.Value) {
					r.bad(e, fmt.Sprintf("language %q is not there", e.Value), "use "+strings.Join(Languages(), ", "))
					return
				}
				r.cfg.Organisation.Languages = append(r.cfg.Organisation.Languages, e.Value)
			})
		}
	})
}

func (r *reader) text(n *yaml.Node, where string) string {
	if n.Kind != yaml.ScalarNode {
		r.bad(n, where+" is not a text", "write a text")
		return ""
	}
	return n.Value
}

func (r *reader) folders(n *yaml.Node) []string {
	var out []string
	r.list(n, "checks", func(e *yaml.Node) {
		p := r.path(r.text(e, "a folder of checks"))
		if st, err := os.Stat(p); err != nil || !st.IsDir() {
			r.bad(e, fmt.Sprintf("folder %q is not there", e.Value), "make it, or correct the path (relative to this file)")
			return
		}
		out = append(out, p)
	})
	return out
}

func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.dir, p)
}

func (r *reader) network(n *yaml.Node) {
	p, err := netip.ParsePrefix(n.Value)
	if a, aerr := netip.ParseAddr(n.Value); err != nil && aerr == nil {
		p, err = a.Prefix(a.BitLen())
	}
	if err != nil {
		r.bad(n, fmt.Sprintf("%q is not a network", n.Value), "write it like 10.1.0.0/16")
		return
	}
	r.cfg.AllowNetworks = append(r.cfg.AllowNetworks, p)
}

func (r *reader) owner(n *yaml.Node) {
	var o Owner
	r.each(n, "an owner", []string{"check", "kind", "source", "owner"}, func(k string, v *yaml.Node) {
		t := r.text(v, k)
		switch k {
		case "check":
			o.Check = t
		case "kind":
			o.Kind = t
		case "source":
			o.Source = t
		case "owner":
			o.Owner = t
		}
	})
	if o.Owner == "" {
		r.bad(n, "an owner without owner", "name an e-mail address under owner")
		return
	}
	r.cfg.Owners = append(r.cfg.Owners, o)
}

func (r *reader) params(n *yaml.Node) {
	r.cfg.Params = map[string]map[string]any{}
	r.each(n, "params", nil, func(check string, v *yaml.Node) {
		m := map[string]any{}
		if err := v.Decode(&m); err != nil {
			r.bad(v, "params of "+check+" are not a map", "write name: value pairs")
			return
		}
		r.cfg.Params[check] = m
	})
}
