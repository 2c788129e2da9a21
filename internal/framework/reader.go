package framework

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"gopkg.in/yaml.v3"
)

// maxFile is the size beyond which a content file is refused.
const maxFile = 1 << 20

// A reader takes one YAML file apart and notes every problem with its line.
type reader struct {
	file     string
	problems Problems
}

func (r *reader) problem(line int, do, what string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Line: max(line, 1), What: fmt.Sprintf(what, args...), Do: do})
}

// root parses the file and returns its one document, which must be a mapping.
// It is nil when there is nothing to go on with.
func (r *reader) root(raw []byte) *yaml.Node {
	if len(raw) > maxFile {
		r.problem(1, "split the file", "the file is larger than 1 MB")
		return nil
	}
	d := yaml.NewDecoder(strings.NewReader(string(raw)))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		r.problem(1, "write the file or remove it", "the file is empty")
		return nil
	} else if err != nil {
		line, what := syntaxError(err)
		r.problem(line, "mend the YAML", "%s", what)
		return nil
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		r.problem(doc.Line+1, "keep one document a file", "there is more than one document")
		return nil
	}
	if n := aliased(&doc); n != nil {
		r.problem(n.Line, "write the value out", "aliases and anchors are not read")
		return nil
	}
	return doc.Content[0]
}

// syntaxError takes the line out of yaml's message.
func syntaxError(err error) (line int, what string) {
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)`).FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = m[2]
	}
	return line, what
}

func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if found := aliased(c); found != nil {
			return found
		}
	}
	return nil
}

// object is a mapping whose keys are taken one by one; done reports those that
// nobody took.
type object struct {
	r    *reader
	line int
	keys []*yaml.Node
	vals map[string]*yaml.Node
}

// object reads a mapping. Of a node that is none it reports so and returns an
// empty object whose ok is false.
func (r *reader) object(n *yaml.Node, what string) (o *object, ok bool) {
	o = &object{r: r, line: n.Line, vals: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		r.problem(n.Line, "write key: value lines", "%s is not a mapping", what)
		return o, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			r.problem(k.Line, "use a plain word as the key", "a key of %s is not text", what)
			continue
		}
		if _, twice := o.vals[k.Value]; twice {
			r.problem(k.Line, "keep one of them", "key %s stands twice", k.Value)
			continue
		}
		o.keys = append(o.keys, k)
		o.vals[k.Value] = n.Content[i+1]
	}
	return o, true
}

// take returns the value of a key, once; nil if it is not there.
func (o *object) take(key string) *yaml.Node {
	n := o.vals[key]
	o.vals[key] = nil
	return n
}

// done reports every key that was not taken.
func (o *object) done() {
	for _, k := range o.keys {
		if o.vals[k.Value] != nil {
			o.r.problem(k.Line, "remove it or correct its spelling", "key %s is not known here", k.Value)
		}
	}
}

// text returns the string of a key. A missing one is a problem if it is needed.
func (o *object) text(key string, needed bool) string {
	n := o.take(key)
	if n == nil {
		if needed {
			o.r.problem(o.line, "add it", "%s is missing", key)
		}
		return ""
	}
	return o.r.scalar(n, key)
}

func (r *reader) scalar(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		r.problem(n.Line, "write a text", "%s is not a text", what)
		return ""
	}
	return n.Value
}

// version returns the positive integer of the key version.
func (o *object) version() int {
	n := o.take("version")
	if n == nil {
		o.r.problem(o.line, "add it, starting at 1", "version is missing")
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if err != nil || v < 1 || n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		o.r.problem(n.Line, "write 1, 2, 3, …", "version is not a positive whole number")
		return 0
	}
	return v
}

// languages returns the text of a key in its languages. Text without a
// language counts as written in plain; where plain is empty, languages and
// English among them are asked for.
func (o *object) languages(key, plain string, needed bool) Text {
	n := o.take(key)
	switch {
	case n == nil && needed:
		o.r.problem(o.line, "add it", "%s is missing", key)
		return nil
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode && plain != "":
		return Text{plain: o.r.scalar(n, key)}
	}
	return o.r.texts(n, key, plain)
}

func (r *reader) texts(n *yaml.Node, what, plain string) Text {
	o, ok := r.object(n, what)
	if !ok {
		return nil
	}
	t := Text{}
	for _, k := range o.keys {
		v := o.take(k.Value)
		if tag, err := language.Parse(k.Value); err != nil || tag.String() != k.Value {
			r.problem(k.Line, "use a tag such as en, pt-BR or es", "%s in %s is not a language", k.Value, what)
			continue
		}
		if s := r.scalar(v, what+" in "+k.Value); s != "" {
			t[k.Value] = s
		}
	}
	if plain == "" && t[Fallback] == "" {
		r.problem(n.Line, "add en: …", "%s has no English text", what)
	}
	return t
}

// list returns the items of a key that holds a list.
func (o *object) list(key string, needed bool) []*yaml.Node {
	n := o.take(key)
	if n == nil {
		if needed {
			o.r.problem(o.line, "add it", "%s is missing", key)
		}
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.r.problem(n.Line, "write a list", "%s is not a list", key)
		return nil
	}
	return n.Content
}
