package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/fact"
)

var (
	idPattern    = regexp.MustCompile(`^[a-z0-9-]+$`)
	langPattern  = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$`)
	paramPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// celReserved are words that cannot follow `params.` in an expression.
func celReserved(name string) bool {
	return slices.Contains([]string{
		"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
		"let", "loop", "package", "namespace", "null", "return", "true", "var", "void", "while",
	}, name)
}

// keys lists what a check file may say, and whether it must.
func keys() map[string]bool {
	return map[string]bool{
		"id": true, "version": true, "kind": true, "severity": true, "title": true, "message": true, "fix": true,
		"pass": true, "when": false, "each": false, "params": false, "controls": true, "empty": false,
		"fresh": false, "needs": false, "examples": true,
	}
}

// Parse reads and compiles the check of one file. It returns no check if
// there is any problem.
func Parse(file string, text []byte) (*Check, []Problem) {
	l, err := newLoader()
	if err != nil {
		return nil, []Problem{{File: file, Line: 1, What: err.Error(), Do: "report it"}}
	}
	return l.parse(file, text)
}

func (l *loader) parse(file string, text []byte) (*Check, []Problem) {
	d := &document{file: file, text: text}
	root := d.read()
	if root == nil {
		return nil, d.problems
	}
	p := &fileParser{document: d, loader: l, nodes: map[string]*yaml.Node{}}
	p.def(root)
	var c *Check
	if p.hasKind {
		c = p.compileAll()
		p.examples()
	}
	if len(d.problems) > 0 {
		sortProblems(d.problems)
		return nil, d.problems
	}
	c.Def = p.d
	c.describe()
	return c, nil
}

// A fileParser turns one file's document into a check.
type fileParser struct {
	*document
	loader  *loader
	d       Def
	kind    fact.Kind
	hasKind bool
	nodes   map[string]*yaml.Node // the value of each key
	langs   map[string]*yaml.Node // the node of each text, by "message/en" and so on
}

// def reads everything but the examples.
func (p *fileParser) def(root *yaml.Node) {
	sum := sha256.Sum256(p.text)
	p.d = Def{Each: true, Empty: NotApplicable, File: p.file, Source: slices.Clone(p.text), Digest: hex.EncodeToString(sum[:])}
	p.langs = map[string]*yaml.Node{}
	known := keys()
	for _, m := range p.members(root, "a check") {
		if _, ok := known[m.key]; !ok {
			p.fail(m.at, "key "+m.key+" is not known", nearKey(m.key, known))
			continue
		}
		p.nodes[m.key] = m.value
	}
	for _, k := range sortedKeys(known) {
		if known[k] && p.nodes[k] == nil {
			p.fail(root, "key "+k+" is missing", "add it; docs/checks.md lists the keys")
		}
	}
	for _, f := range []struct {
		key  string
		read func(*yaml.Node)
	}{
		{"kind", p.readKind}, {"each", p.readEach}, {"id", p.readID}, {"version", p.readVersion}, {"severity", p.readSeverity},
		{"title", p.readText("title", &p.d.Title)}, {"message", p.readText("message", &p.d.Message)}, {"fix", p.readText("fix", &p.d.Fix)},
		{"pass", p.readExpr("pass", &p.d.Pass)}, {"when", p.readExpr("when", &p.d.When)}, {"params", p.readParams},
		{"controls", p.readControls}, {"empty", p.readEmpty}, {"fresh", p.readFresh}, {"needs", p.readNeeds},
	} {
		if n := p.nodes[f.key]; n != nil {
			f.read(n)
		}
	}
	if p.d.Fresh == 0 && p.hasKind {
		p.d.Fresh = p.kind.Fresh
	}
}

func nearKey(key string, known map[string]bool) string {
	for _, k := range sortedKeys(known) {
		if fact.Distance(key, k) <= 2 {
			return "did you mean " + k + "?"
		}
	}
	return "docs/checks.md lists the keys"
}

func (p *fileParser) readID(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || !idPattern.MatchString(n.Value) {
		p.fail(n, fmt.Sprintf("id %q is not made of a-z, 0-9 and -", clip(n.Value, 80)), "write it like account-has-mfa")
		return
	}
	p.d.ID = n.Value
}

func (p *fileParser) readVersion(n *yaml.Node) {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || v < 1 || v > math.MaxInt32 {
		p.fail(n, "version is not a positive integer", "start with 1 and raise it when the meaning changes")
		return
	}
	p.d.Version = v
}

func (p *fileParser) readKind(n *yaml.Node) {
	name, ok := p.textOf(n, "kind")
	if !ok {
		return
	}
	p.d.Kind = name
	if p.kind, p.hasKind = p.loader.table.kinds[name]; !p.hasKind {
		what, do, _ := strings.Cut(fact.NoKind(name).Error(), "; ")
		p.fail(n, what, do)
	}
}

func (p *fileParser) readSeverity(n *yaml.Node) {
	for s := Low; s <= Critical; s++ {
		if n.Kind == yaml.ScalarNode && n.Value == s.String() {
			p.d.Severity = s
			return
		}
	}
	p.fail(n, fmt.Sprintf("severity %q does not exist", clip(n.Value, 80)), "write low, medium, high or critical")
}

func (p *fileParser) readText(what string, into *Text) func(*yaml.Node) {
	return func(n *yaml.Node) {
		t := Text{}
		for _, m := range p.members(n, what) {
			if !langPattern.MatchString(m.key) {
				p.fail(m.at, fmt.Sprintf("%s: %q is not a language", what, clip(m.key, 80)), "write en, pt-BR, es or another language tag")
				continue
			}
			s, ok := p.textOf(m.value, what+" in "+m.key)
			if ok && strings.TrimSpace(s) == "" {
				p.fail(m.value, what+" in "+m.key+" is empty", "write it, or leave the language out")
				continue
			}
			if ok {
				t[m.key] = s
				p.langs[what+"/"+m.key] = m.value
			}
		}
		if _, ok := t["en"]; !ok && n.Kind == yaml.MappingNode {
			p.fail(n, what+" has no English text", "add it under en")
		}
		*into = t
	}
}

func (p *fileParser) readExpr(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" || n.ShortTag() == "!!null" {
			p.fail(n, what+" is not an expression", "write a CEL expression that is true or false")
			return
		}
		*into = n.Value
	}
}

func (p *fileParser) readEach(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false" {
		p.fail(n, "each is neither true nor false", "write false for a check that judges the set, or leave it out")
		return
	}
	p.d.Each = n.Value == "true"
}

func (p *fileParser) readParams(n *yaml.Node) {
	p.d.Params = map[string]any{}
	for _, m := range p.members(n, "params") {
		if !paramPattern.MatchString(m.key) || celReserved(m.key) {
			p.fail(m.at, fmt.Sprintf("parameter %q is not a name", clip(m.key, 80)), "use letters, digits and _, not first a digit, and no word that CEL reserves")
			continue
		}
		if v, ok := p.plainValue(m.value, "parameter "+m.key); ok {
			p.d.Params[m.key] = v
		}
	}
}

func (p *fileParser) readControls(n *yaml.Node) {
	p.d.Controls = p.textsOf(n, "controls")
	for i, c := range p.d.Controls {
		if strings.TrimSpace(c) == "" || slices.Contains(p.d.Controls[:i], c) {
			p.fail(n, fmt.Sprintf("control %q is empty or named twice", c), "name each control once, by its id")
		}
	}
}

func (p *fileParser) readEmpty(n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == "pass":
		p.d.Empty = Pass
	case n.Kind == yaml.ScalarNode && n.Value == "not_applicable":
		p.d.Empty = NotApplicable
	default:
		p.fail(n, "empty is neither pass nor not_applicable", "write one of them, or leave it out")
	}
	if p.d.Each {
		p.fail(n, "empty is for a check that judges the set", "leave it out, or add each: false")
	}
}

func (p *fileParser) readFresh(n *yaml.Node) {
	s, ok := p.textOf(n, "fresh")
	if !ok {
		return
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		p.fail(n, fmt.Sprintf("fresh %q is not a positive duration", clip(s, 80)), "write it like 72h")
		return
	}
	p.d.Fresh = d
}

func (p *fileParser) readNeeds(n *yaml.Node) {
	p.d.Needs = map[string][]string{}
	for _, m := range p.members(n, "needs") {
		p.d.Needs[m.key] = p.textsOf(m.value, "needs of "+m.key)
	}
}

// plainValue reads a YAML value as bool, int64, float64, string, list or map.
func (d *document) plainValue(n *yaml.Node, what string) (any, bool) {
	n = deref(n)
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, ok := d.plainValue(c, what)
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		return out, true
	case yaml.MappingNode:
		out := map[string]any{}
		for _, m := range d.members(n, what) {
			v, ok := d.plainValue(m.value, what)
			if !ok {
				return nil, false
			}
			out[m.key] = v
		}
		return out, true
	}
	v, ok := plainScalar(n)
	if !ok {
		d.fail(n, what+" has no value that an expression can read", "write true, false, a number, a text, a list or a mapping")
	}
	return v, ok
}

func plainScalar(n *yaml.Node) (any, bool) {
	switch n.ShortTag() {
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err == nil
	case "!!int":
		var i int64
		err := n.Decode(&i)
		return i, err == nil
	case "!!float":
		var f float64
		err := n.Decode(&f)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	case "!!str", "!!timestamp":
		return n.Value, true
	}
	return nil, false
}

// compileAll compiles every expression; it returns what compiled, problems are noted.
func (p *fileParser) compileAll() *Check {
	c := &Check{loader: p.loader, texts: map[string]*template{}, reads: &reading{root: &trie{}}, says: &reading{root: &trie{}}}
	name := p.kind.Name
	if !p.d.Each {
		name = p.kind.Plural
	}
	c.when = p.boolean("when", p.kind.Name, false)
	c.pass = p.boolean("pass", name, !p.d.Each)
	for _, x := range []*expression{c.when, c.pass} {
		if x != nil {
			c.reads.merge(x.reads)
		}
	}
	for _, key := range sortedKeys(p.langs) {
		what, lang, _ := strings.Cut(key, "/")
		text := map[string]Text{"title": p.d.Title, "message": p.d.Message, "fix": p.d.Fix}[what][lang]
		env, err := p.env(!p.d.Each)
		if err != nil {
			p.fail(p.langs[key], err.Error(), "rename the parameter")
			return c
		}
		t, fs := p.loader.compileText(env, name, &p.d, text)
		p.faults(p.langs[key], fs)
		c.texts[key] = t
		for _, x := range t.parts {
			if x.expr != nil {
				c.says.merge(x.expr.reads)
			}
		}
	}
	var err error
	if c.values, err = paramValues(p.d.Params, nil); err != nil {
		p.fail(p.nodes["params"], err.Error(), "write a plain value")
	}
	return c
}

// describe derives what follows from a check that has no problem.
func (c *Check) describe() {
	id := int64(0)
	c.reads.root.name(c.Kind, &id)
	c.says.root.name(c.Kind, &id)
	c.whole = &trie{}
	c.whole.merge(c.reads.root)
	c.whole.merge(c.says.root)
	if !c.Each {
		c.count = countingOf(c, c.loader.table.kinds[c.Kind].Plural)
	}
}

func (p *fileParser) env(plural bool) (*celEnv, error) {
	env, err := p.loader.env(p.kind, plural)
	if err != nil {
		return nil, err
	}
	return withParams(env, &p.d)
}

// boolean compiles an expression that must be true or false.
func (p *fileParser) boolean(key, name string, plural bool) *expression {
	text := map[string]string{"when": p.d.When, "pass": p.d.Pass}[key]
	n := p.nodes[key]
	if n == nil || text == "" {
		return nil
	}
	env, err := p.env(plural)
	if err != nil {
		p.fail(n, err.Error(), "rename the parameter")
		return nil
	}
	x, fs := p.loader.compile(env, name, &p.d, text)
	if fs == nil {
		if t := x.ast.OutputType(); !mayBeBool(t) {
			fs = []fault{{line: 1, what: fmt.Sprintf("%s is a value of type %s, not true or false", key, t), do: "compare it with something"}}
		}
	}
	p.faults(n, fs)
	return x
}
