package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFile is the largest check file, and the most that its aliases may expand to.
const maxFile = 1 << 20

// A document is one YAML file while it is read: it collects every problem.
type document struct {
	file     string
	text     []byte
	problems []Problem
}

// failf notes a problem at a node.
func (d *document) fail(n *yaml.Node, what, do string) {
	line := 1
	if n != nil && n.Line > 0 {
		line = n.Line
	}
	d.problems = append(d.problems, Problem{File: d.file, Line: line, What: what, Do: do})
}

func (d *document) failLine(line int, what, do string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, What: what, Do: do})
}

// faults notes the problems of an expression or text that a node holds.
func (d *document) faults(n *yaml.Node, fs []fault) {
	for _, f := range fs {
		line, column := d.place(n, f.line, f.column)
		d.problems = append(d.problems, Problem{File: d.file, Line: line, Column: column, What: f.what, Do: f.do})
	}
}

// read parses the file's only document; nil means that it cannot be read further.
func (d *document) read() *yaml.Node {
	if len(d.text) > maxFile {
		d.failLine(1, "the file is larger than 1 MB", "one file holds one check; leave the rest out")
		return nil
	}
	if !utf8.Valid(d.text) {
		d.failLine(invalidLine(d.text), "the file is not UTF-8", "write it as UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(d.text))
	var root, second yaml.Node
	if err := dec.Decode(&root); err != nil {
		d.syntax(err)
		return nil
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.failLine(max(second.Line, 1), "the file holds a second document", "write each check in a file of its own")
		return nil
	}
	d.tabs(&root)
	if !d.expand(&root) || len(root.Content) != 1 {
		return nil
	}
	return root.Content[0]
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax notes that the file is not YAML.
func (d *document) syntax(err error) {
	if errors.Is(err, io.EOF) {
		d.failLine(1, "the file is empty", "write a check; docs/checks.md shows one")
		return
	}
	if line := tabLine(d.text, nil); line > 0 {
		d.failLine(line, "a tab is used as indentation", "indent with spaces")
		return
	}
	line := 1
	m := yamlLine.FindStringSubmatch(err.Error())
	if m != nil && m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	d.failLine(line, "the file is not YAML: "+yamlLine.ReplaceAllString(err.Error(), ""), "mend the syntax")
}

func invalidLine(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return 1 + bytes.Count(b[:i], []byte("\n"))
		}
		i += n
	}
	return 1
}

// tabs refuses tabs as indentation; within a block text they are content.
func (d *document) tabs(root *yaml.Node) {
	content := map[int]bool{}
	lines := strings.Split(string(d.text), "\n")
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			markBlock(lines, n.Line, content)
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	if line := tabLine(d.text, content); line > 0 {
		d.failLine(line, "a tab is used as indentation", "indent with spaces")
	}
}

// markBlock marks the lines of the block text whose header stands in a line.
func markBlock(lines []string, header int, content map[int]bool) {
	indent := -1
	for i := header; i < len(lines); i++ {
		s := strings.TrimLeft(lines[i], " ")
		if strings.TrimSpace(s) == "" {
			continue
		}
		n := len(lines[i]) - len(s)
		if indent < 0 {
			indent = n
		}
		if n < indent || n == 0 {
			return
		}
		content[i+1] = true
	}
}

// tabLine finds the first line that is indented with a tab.
func tabLine(text []byte, content map[int]bool) int {
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimLeft(line, " \t")
		if strings.TrimSpace(trimmed) == "" || content[i+1] {
			continue
		}
		if strings.Contains(line[:len(line)-len(trimmed)], "\t") {
			return i + 1
		}
	}
	return 0
}

// expand refuses aliases that lead back to themselves or expand too far, and
// repeated keys anywhere.
func (d *document) expand(root *yaml.Node) bool {
	sizes := map[*yaml.Node]int{}
	const open = -1
	aliases := false
	var size func(n *yaml.Node) int
	size = func(n *yaml.Node) int {
		if n.Kind == yaml.AliasNode {
			aliases = true
			n = n.Alias
		}
		if s, ok := sizes[n]; ok {
			if s == open {
				return 2 * maxFile
			}
			return s
		}
		sizes[n] = open
		total := len(n.Value) + 1
		for _, c := range n.Content {
			if total += size(c); total > 2*maxFile {
				total = 2 * maxFile
			}
		}
		sizes[n] = total
		if n.Kind == yaml.MappingNode {
			d.repeated(n)
		}
		return total
	}
	if size(root) > maxFile && aliases {
		d.failLine(1, "the aliases expand beyond 1 MB", "write the values out, or leave them out")
		return false
	}
	return true
}

func (d *document) repeated(n *yaml.Node) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := deref(n.Content[i])
		if k.Kind != yaml.ScalarNode {
			d.fail(k, "a key is not a text", "write keys as plain words")
			continue
		}
		if at, dup := seen[k.Value]; dup {
			d.fail(n.Content[i], fmt.Sprintf("key %s was already given in line %d", k.Value, at), "give each key once")
			continue
		}
		seen[k.Value] = n.Content[i].Line
	}
}

func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// A member is one key of a mapping with its value, aliases followed.
type member struct {
	key   string
	at    *yaml.Node // the key
	value *yaml.Node
}

// members lists a mapping; anything else is a problem.
func (d *document) members(n *yaml.Node, what string) []member {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		d.fail(n, what+" is not a mapping", "write it as keys with values")
		return nil
	}
	out := make([]member, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := deref(n.Content[i])
		if k.Kind == yaml.ScalarNode {
			out = append(out, member{key: k.Value, at: n.Content[i], value: deref(n.Content[i+1])})
		}
	}
	return out
}

// text reads a text; a number or true where a text is expected is a problem.
func (d *document) textOf(n *yaml.Node, what string) (string, bool) {
	n = deref(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		return n.Value, true
	}
	d.fail(n, what+" is not a text", "write a text, in quotes if it looks like something else")
	return "", false
}

// texts reads a list of texts.
func (d *document) textsOf(n *yaml.Node, what string) []string {
	n = deref(n)
	if n.Kind != yaml.SequenceNode {
		d.fail(n, what+" is not a list", "write a list of texts")
		return nil
	}
	out := []string{}
	for _, c := range n.Content {
		if s, ok := d.textOf(c, "an element of "+what); ok {
			out = append(out, s)
		}
	}
	return out
}
