package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/fact"
	names "prumo.dev/prumo/internal/name"
)

// Limits of what a route may hold.
const (
	maxList   = 200
	maxText   = 300
	maxRoutes = 500
	maxSource = 1 << 20
)

// A Parser reads routes as people write them.
type Parser struct {
	Channels []channel.Channel
	Secret   channel.Secret // nil: references to the environment and to files are refused
}

// PlainSecret accepts a secret that is written as text, and no reference.
func PlainSecret(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return "", errors.New("is not text; a reference ({env: …}, {file: …}) is read from prumo.yaml only")
	}
	return n.Value, nil
}

// Parse reads one route, YAML or JSON.
func (p Parser) Parse(text []byte) (Route, error) {
	if len(text) > maxSource {
		return Route{}, &Problem{Route: "1", What: "is larger than 1 MB"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return Route{}, &Problem{Route: "1", What: "is empty", Do: "write a name and whom to tell"}
	}
	if err != nil {
		return Route{}, &Problem{Route: "1", What: "is not YAML: " + tidy(strings.TrimPrefix(err.Error(), "yaml: "), 200)}
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return Route{}, &Problem{Route: "1", What: "has a second document", Do: "write one route"}
	}
	if len(doc.Content) != 1 {
		return Route{}, &Problem{Route: "1", What: "is empty"}
	}
	return p.route("1", doc.Content[0])
}

// ParseAll reads the list under `routes:`. Every problem is returned; the good
// routes are returned beside them.
func (p Parser) ParseAll(list *yaml.Node) ([]Route, []error) {
	if list.Kind != yaml.SequenceNode {
		return nil, []error{&Problem{Route: "list", Line: list.Line, What: "is not a list", Do: "write one route after each dash"}}
	}
	if len(list.Content) > maxRoutes {
		return nil, []error{&Problem{Route: "list", Line: list.Line, What: fmt.Sprintf("has more than %d routes", maxRoutes)}}
	}
	var routes []Route
	var problems []error
	seen := map[string]bool{}
	for i, n := range list.Content {
		r, err := p.route(fmt.Sprint(i+1), n)
		if err == nil && seen[r.Name] {
			err = &Problem{Route: r.Name, Field: "name", Line: n.Line, What: "is used twice", Do: "give each route its own name"}
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		seen[r.Name] = true
		routes = append(routes, r)
	}
	return routes, problems
}

// A field is one key of a mapping.
type field struct {
	name  string
	value *yaml.Node
}

// fields lists a mapping's keys in order; unknown and repeated keys are problems.
func fields(at Problem, n *yaml.Node, known []string) ([]field, error) {
	at.Line = n.Line
	if n.Kind != yaml.MappingNode {
		at.What, at.Do = "is not a mapping", "write its keys, one a line"
		return nil, &at
	}
	var out []field
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := at
		at.Field = strings.TrimPrefix(at.Field+"."+clip(k.Value, 60), ".")
		at.Line = k.Line
		if k.Kind != yaml.ScalarNode || !slices.Contains(known, k.Value) {
			at.What, at.Do = "is not known", "use one of "+strings.Join(known, ", ")
			return nil, &at
		}
		if slices.ContainsFunc(out, func(f field) bool { return f.name == k.Value }) {
			at.What = "is written twice"
			return nil, &at
		}
		out = append(out, field{k.Value, resolve(n.Content[i+1])})
	}
	return out, nil
}

// resolve follows one alias; yaml refuses aliases that contain themselves only
// when it decodes, so deeper ones are refused by the kinds that we ask for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func (p Parser) route(place string, n *yaml.Node) (Route, error) {
	n = resolve(n)
	r := Route{Detail: DetailFull, Recoveries: true}
	at := Problem{Route: place}
	list, err := fields(at, n, routeKeys())
	if err != nil {
		return Route{}, err
	}
	for _, f := range list {
		if f.name == "name" {
			if r.Name, err = name(at, f.value); err != nil {
				return Route{}, err
			}
			at.Route = fmt.Sprintf("%q", r.Name)
		}
	}
	for _, f := range list {
		at := at
		at.Field, at.Line = f.name, f.value.Line
		if err := p.set(&r, at, f); err != nil {
			return Route{}, err
		}
	}
	at.Line = n.Line
	if r.Name == "" {
		at.Field, at.What, at.Do = "name", "is missing", "give the route a name"
		return Route{}, &at
	}
	if len(r.To) == 0 {
		at.Field, at.What, at.Do = "to", "is missing", "say whom to tell, as in to: {email: [security@example.org]}"
		return Route{}, &at
	}
	if r.neverLoud() {
		at.Field, at.What, at.Do = "quiet", "never ends: nothing would ever be told", "leave some time between the hours"
		return Route{}, &at
	}
	return r, nil
}

// set reads one field of a route.
func (p Parser) set(r *Route, at Problem, f field) (err error) {
	switch f.name {
	case "when":
		r.When, err = when(at, f.value)
	case "to":
		r.To, err = p.to(at, f.value)
	case "detail":
		var s string
		s, err = oneOf(at, f.value, []string{string(DetailFull), string(DetailLink)})
		r.Detail = Detail(s)
	case "language":
		r.Language, err = oneOf(at, f.value, Languages())
	case "recoveries":
		r.Recoveries, err = boolean(at, f.value)
	default:
		err = p.setTimes(r, at, f)
	}
	return err
}

func name(at Problem, n *yaml.Node) (string, error) {
	at.Field = "name"
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	if !names.Valid(s) {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q cannot name a route", clip(s, 60)), "use "+names.Rule
		return "", &at
	}
	return s, nil
}

func when(at Problem, n *yaml.Node) (When, error) {
	var w When
	lists := map[string]*[]string{
		"owner": &w.Owner, "severity": &w.Severity, "control": &w.Control, "kind": &w.Kind,
		"source": &w.Source, "check": &w.Check, "cause": &w.Cause,
	}
	allowed := map[string][]string{"severity": severities(), "kind": kinds(), "cause": causes()}
	list, err := fields(at, n, []string{"owner", "severity", "control", "kind", "source", "check", "cause"})
	if err != nil {
		return When{}, err
	}
	for _, f := range list {
		at := at
		at.Field += "." + f.name
		values, err := texts(at, f.value, allowed[f.name])
		if err != nil {
			return When{}, err
		}
		*lists[f.name] = values
	}
	return w, nil
}

func (p Parser) to(at Problem, n *yaml.Node) (to map[string]channel.Target, err error) {
	known := make([]string, 0, len(p.Channels)+1)
	for _, c := range p.Channels {
		known = append(known, c.Name())
	}
	list, err := fields(at, n, known)
	if err != nil {
		return nil, err
	}
	secret := p.Secret
	if secret == nil {
		secret = PlainSecret
	}
	to = map[string]channel.Target{}
	for _, f := range list {
		at := at
		at.Field += "." + f.name
		c := p.Channels[slices.Index(known, f.name)]
		target, err := c.Target(f.value, secret)
		if err == nil && len(target.Receivers) == 0 && !target.Owner {
			err = errors.New("names nobody; say whom to tell")
		}
		if err != nil {
			at.Line, at.What = f.value.Line, err.Error()
			return nil, &at
		}
		to[f.name] = target
	}
	return to, nil
}

// texts reads a list of texts, or one text, each of allowed unless that is nil.
func texts(at Problem, n *yaml.Node, allowed []string) ([]string, error) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	at.Line = n.Line
	if len(nodes) == 0 {
		at.What, at.Do = "is an empty list", "leave it out, or name at least one value"
		return nil, &at
	}
	if len(nodes) > maxList {
		at.What = fmt.Sprintf("has more than %d values", maxList)
		return nil, &at
	}
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		var s string
		var err error
		if allowed != nil {
			s, err = oneOf(at, resolve(n), allowed)
		} else {
			s, err = text(at, resolve(n))
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

func oneOf(at Problem, n *yaml.Node, allowed []string) (string, error) {
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, s) {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q is not known", clip(s, 60)), "use one of "+strings.Join(allowed, ", ")
		return "", &at
	}
	return s, nil
}

// text reads one text that is neither empty nor longer than a line.
func text(at Problem, n *yaml.Node) (string, error) {
	at.Line = n.Line
	s := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		at.What, at.Do = "is not text", "write one word or a quoted text"
	case s == "":
		at.What, at.Do = "is empty", "write a value or leave the key out"
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		at.What, at.Do = "has a control character", "write it on one line"
	case utf8.RuneCountInString(s) > maxText:
		at.What = fmt.Sprintf("has more than %d characters", maxText)
	default:
		return s, nil
	}
	return "", &at
}

// kinds are the fact kinds that a route may name.
func kinds() []string {
	var out []string
	for _, k := range fact.Kinds() {
		out = append(out, k.Name)
	}
	return out
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
