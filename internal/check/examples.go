package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/fact"
)

// exampleSource is the source of an example's facts that name none.
const exampleSource = "example"

// anyTime is the instant of an example that names none.
func anyTime() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func (p *fileParser) examples() {
	n := p.nodes["examples"]
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "examples is not a list", "write at least a pass, a fail and an unknown example")
		return
	}
	for _, c := range n.Content {
		x := p.example(deref(c))
		x.Number = len(p.d.Examples) + 1
		p.d.Examples = append(p.d.Examples, x)
	}
	for _, o := range []Outcome{Pass, Fail, Unknown} {
		if !slices.ContainsFunc(p.d.Examples, func(x Example) bool { return x.Line > 0 && x.Want == o }) {
			p.fail(n, "no example has want: "+o.String(), "add one")
		}
	}
}

// example reads one example; its line is 0 if its want is not known.
func (p *fileParser) example(n *yaml.Node) Example {
	x := Example{At: anyTime()}
	known := pick(p.d.Each, p.kind.Name, p.kind.Plural)
	var facts *yaml.Node
	members := p.members(n, "an example")
	for _, m := range members {
		switch m.key {
		case "name":
			x.Name, _ = p.textOf(m.value, "name")
		case "want":
			if o, ok := wanted(m.value.Value); ok {
				x.Want, x.Line = o, n.Line
				continue
			}
			p.fail(m.value, fmt.Sprintf("want %q is not an outcome", clip(m.value.Value, 80)), "write pass, fail, unknown or not_applicable")
			x.Line = -1
		case "at":
			p.at(m.value, &x)
		case "params":
			p.exampleParams(m.value, &x)
		case "related":
			x.Related = p.related(m.value)
		case known:
			facts = m.value
		default:
			p.fail(m.at, "key "+m.key+" is not known in an example", "the fact stands under "+known)
		}
	}
	if x.Line == 0 && members != nil {
		p.fail(n, "the example does not say what it wants", "add want: pass, fail, unknown or not_applicable")
	}
	if facts == nil {
		if members != nil {
			p.fail(n, "the example has no fact", "put it under "+known)
		}
		return x
	}
	x.Facts = p.exampleFacts(facts)
	for _, fs := range [][]fact.Fact{x.Facts, x.Related} {
		for i := range fs {
			fs[i].ObservedAt = x.At
		}
	}
	return x
}

func wanted(s string) (Outcome, bool) {
	for _, o := range []Outcome{Unknown, Pass, Fail, NotApplicable} {
		if s == o.String() {
			return o, true
		}
	}
	return Unknown, false
}

func (p *fileParser) at(n *yaml.Node, x *Example) {
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		p.fail(n, fmt.Sprintf("at %q is not an instant", clip(n.Value, 80)), "write it like 2026-01-31T10:00:00Z")
		return
	}
	x.At = t.UTC()
}

func (p *fileParser) exampleParams(n *yaml.Node, x *Example) {
	x.Params = map[string]any{}
	for _, m := range p.members(n, "params") {
		v, ok := p.plainValue(m.value, "parameter "+m.key)
		if !ok {
			continue
		}
		def, declared := p.d.Params[m.key]
		if !declared {
			p.fail(m.at, "the check has no parameter "+m.key, "declare it under params of the check")
			continue
		}
		if _, fits := fit(v, def); !fits {
			p.fail(m.value, fmt.Sprintf("parameter %s must be like its default %v", m.key, def), "give it a value of that type")
			continue
		}
		x.Params[m.key] = v
	}
}

func (p *fileParser) exampleFacts(n *yaml.Node) []fact.Fact {
	if p.d.Each {
		f, ok := p.fact(p.kind, n, "example")
		if !ok {
			return nil
		}
		return []fact.Fact{f}
	}
	if n.Kind != yaml.SequenceNode {
		p.fail(n, p.kind.Plural+" is not a list", "list the facts of the set")
		return nil
	}
	var out []fact.Fact
	seen := map[string]bool{}
	for i, c := range n.Content {
		f, ok := p.fact(p.kind, deref(c), "example-"+strconv.Itoa(i+1))
		if !ok {
			continue
		}
		if seen[f.ID] {
			p.fail(c, "id "+f.ID+" is given twice in the set", "give each fact an id of its own")
		}
		seen[f.ID] = true
		out = append(out, f)
	}
	return out
}

// fact reads a fact as an example gives it: the fields that an expression
// reads, with id and source among them if they matter.
func (p *fileParser) fact(k fact.Kind, n *yaml.Node, id string) (fact.Fact, bool) {
	f := fact.Fact{Kind: k.Name, ID: id, Source: exampleSource, Origin: fact.OriginPerson}
	if n.Kind != yaml.MappingNode {
		p.fail(n, "the fact is not a mapping", "write its fields with their values")
		return f, false
	}
	before := len(p.problems)
	members := p.members(n, "the fact")
	var rest []member
	for _, m := range members {
		switch {
		case m.key == "id" && (k.Name != "item" || enveloped(members)):
			f.ID, _ = p.textOf(m.value, "id")
		case m.key == "source" && (k.Name != "item" || enveloped(members)):
			f.Source, _ = p.textOf(m.value, "source")
		default:
			rest = append(rest, m)
		}
	}
	if k.Name == "item" && enveloped(members) {
		i := slices.IndexFunc(rest, func(m member) bool { return m.key == "data" })
		return p.data(f, k, rest[i].value, p.members(rest[i].value, "data"), before)
	}
	return p.data(f, k, n, rest, before)
}

// enveloped reports whether an item is written as an expression reads it:
// its object under data, with nothing but id and source beside.
func enveloped(members []member) bool {
	data := false
	for _, m := range members {
		switch m.key {
		case "data":
			data = m.value.Kind == yaml.MappingNode
		case "id", "source":
		default:
			return false
		}
	}
	return data
}

// data checks the fact's fields against its kind.
func (p *fileParser) data(f fact.Fact, k fact.Kind, n *yaml.Node, members []member, before int) (fact.Fact, bool) {
	var b strings.Builder
	p.writeMembers(&b, members)
	if len(p.problems) > before {
		return f, false
	}
	raw, err := fact.Canonical(k, []byte(b.String()))
	if err != nil {
		p.fail(n, "the example does not fit kind "+k.Name+": "+err.Error(), "`prumo kinds` shows the kind's fields")
		return f, false
	}
	f.Data = raw
	return f, true
}

func (p *fileParser) related(n *yaml.Node) []fact.Fact {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "related is not a list", "list facts with kind, id and data")
		return nil
	}
	var out []fact.Fact
	for _, c := range n.Content {
		if f, ok := p.relatedFact(deref(c)); ok {
			out = append(out, f)
		}
	}
	return out
}

func (p *fileParser) relatedFact(n *yaml.Node) (fact.Fact, bool) {
	f := fact.Fact{Source: exampleSource, Origin: fact.OriginPerson}
	before := len(p.problems)
	var data *yaml.Node
	var k fact.Kind
	for _, m := range p.members(n, "a related fact") {
		switch m.key {
		case "kind":
			var ok bool
			if k, ok = p.loader.table.kinds[m.value.Value]; !ok {
				p.fail(m.value, fmt.Sprintf("kind %q does not exist", clip(m.value.Value, 80)), "`prumo kinds` lists the kinds")
			}
		case "id":
			f.ID, _ = p.textOf(m.value, "id")
		case "source":
			f.Source, _ = p.textOf(m.value, "source")
		case "data":
			data = m.value
		default:
			p.fail(m.at, "key "+m.key+" is not known in a related fact", "write kind, id, data and, if it matters, source")
		}
	}
	if len(p.problems) == before && (k.Name == "" || f.ID == "" || data == nil) {
		p.fail(n, "a related fact needs kind, id and data", "add what is missing")
	}
	if len(p.problems) > before {
		return f, false
	}
	f.Kind = k.Name
	return p.data(f, k, data, p.members(data, "data"), before)
}

func (p *fileParser) writeMembers(b *strings.Builder, members []member) {
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoteJSON(m.key))
		b.WriteByte(':')
		p.writeJSON(b, m.value)
	}
	b.WriteByte('}')
}

// writeJSON writes a YAML value as JSON; numbers keep their text.
func (p *fileParser) writeJSON(b *strings.Builder, n *yaml.Node) {
	n = deref(n)
	switch n.Kind {
	case yaml.MappingNode:
		p.writeMembers(b, p.members(n, "a value"))
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			p.writeJSON(b, c)
		}
		b.WriteByte(']')
	default:
		p.writeScalar(b, n)
	}
}

func (p *fileParser) writeScalar(b *strings.Builder, n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		b.WriteString("null")
		return
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			b.WriteString(n.Value)
			return
		}
	}
	v, ok := plainScalar(n)
	raw, err := json.Marshal(v)
	if !ok || err != nil {
		p.fail(n, fmt.Sprintf("%q has no JSON form", clip(n.Value, 80)), "write true, false, a number, a text, null, a list or a mapping")
		raw = []byte("null")
	}
	b.Write(raw)
}

func quoteJSON(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(raw)
}

// RunExamples judges every example and reports those whose outcome differs
// from what they want.
func (c *Check) RunExamples() []Problem {
	var out []Problem
	for _, x := range c.Examples {
		r := c.judgeExample(x)
		if r.Outcome == x.Want {
			continue
		}
		what := fmt.Sprintf("example %s gives %s, not %s", x.label(), r.Outcome, x.Want)
		if r.Reason != "" {
			what += " (" + r.Reason + ")"
		}
		out = append(out, Problem{File: c.File, Line: x.Line, What: what, Do: "mend the check or the example"})
	}
	return out
}

// label is what a message calls the example: its name, or its number where it has none.
func (x Example) label() string {
	if x.Name == "" {
		return strconv.Itoa(x.Number)
	}
	return strconv.Quote(x.Name)
}

func (c *Check) judgeExample(x Example) Result {
	lookup := func(kind string, id fact.Ref, _ string) (*fact.Fact, bool) {
		for _, fs := range [][]fact.Fact{x.Related, x.Facts} {
			for i := range fs {
				if fs[i].Kind == kind && fs[i].ID == string(id) {
					return &fs[i], true
				}
			}
		}
		return nil, false
	}
	if c.Each {
		return c.Judge(Input{Fact: &x.Facts[0], Now: x.At, Params: x.Params, Lookup: lookup})
	}
	members := func(yield func(*fact.Fact) bool) {
		for i := range x.Facts {
			if !yield(&x.Facts[i]) {
				return
			}
		}
	}
	return c.JudgeSet(SetInput{Members: members, Now: x.At, Params: x.Params, Lookup: lookup, Size: len(x.Facts)})
}
