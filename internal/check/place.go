package check

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// place finds where in the file a place within a scalar's value stands: the
// value's line from 1 and column from 0 become the file's line and column, both from 1.
func (d *document) place(n *yaml.Node, line, column int) (fileLine, fileColumn int) {
	n = deref(n)
	offset := valueOffset(n.Value, line, column)
	at, ok := d.align(n, offset)
	if !ok {
		return max(n.Line, 1), n.Column
	}
	before := d.text[:at]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

func valueOffset(value string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(value[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	for ; column > 0 && at < len(value); column-- {
		_, n := utf8.DecodeRuneInString(value[at:])
		at += n
	}
	return at
}

// align walks a scalar's value and its raw text side by side up to an offset
// of the value. White space may differ, as folding changes it; all else must agree.
func (d *document) align(n *yaml.Node, offset int) (int, bool) {
	j, ok := d.scalarStart(n)
	if !ok {
		return 0, false
	}
	raw := scalarText{text: d.text, style: n.Style}
	value := n.Value
	for i := 0; ; {
		for i < offset && isSpace(value[i]) {
			i++
		}
		if i >= len(value) {
			return j, j <= len(d.text)
		}
		j = raw.skipSpace(j)
		if i >= offset {
			return j, j < len(d.text)
		}
		next, c := raw.char(j)
		r, size := utf8.DecodeRuneInString(value[i:])
		if c != r {
			return 0, false
		}
		i, j = i+size, next
	}
}

// scalarStart finds the first byte of a scalar's raw text, past its
// properties, its quote or the header of its block.
func (d *document) scalarStart(n *yaml.Node) (int, bool) {
	if n.Kind != yaml.ScalarNode || n.Line < 1 {
		return 0, false
	}
	at := 0
	for range n.Line - 1 {
		i := bytes.IndexByte(d.text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	for at < len(d.text) && (d.text[at] == '&' || d.text[at] == '!') {
		for at < len(d.text) && !isSpace(d.text[at]) {
			at++
		}
		for at < len(d.text) && isSpace(d.text[at]) {
			at++
		}
	}
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		i := bytes.IndexByte(d.text[min(at, len(d.text)):], '\n')
		return at + i + 1, i >= 0
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		at++
	}
	return at, at <= len(d.text)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// A scalarText reads a scalar's raw text by its style.
type scalarText struct {
	text  []byte
	style yaml.Style
}

// skipSpace passes over white space, written as itself or as an escape.
func (s scalarText) skipSpace(j int) int {
	for j < len(s.text) {
		switch {
		case isSpace(s.text[j]):
			j++
		case s.style&yaml.DoubleQuotedStyle != 0 && s.text[j] == '\\' && j+1 < len(s.text) && strings.IndexByte("nt r\n", s.text[j+1]) >= 0:
			j += 2
		default:
			return j
		}
	}
	return j
}

// char reads one character that is not white space.
func (s scalarText) char(j int) (next int, c rune) {
	if j >= len(s.text) {
		return j, utf8.RuneError
	}
	r, n := utf8.DecodeRune(s.text[j:])
	switch {
	case s.style&yaml.DoubleQuotedStyle != 0 && r == '\\' && j+1 < len(s.text):
		r, n = utf8.DecodeRune(s.text[j+1:])
		return j + 1 + n, r
	case s.style&yaml.SingleQuotedStyle != 0 && r == '\'':
		return j + 2, r
	}
	return j + n, r
}
