package check

import (
	"errors"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"cel.dev/cel-go/common/types"
)

// A trie says what expressions read below a value, so that the rest of its
// JSON is skipped. The elements of a list share their list's trie.
type trie struct {
	key     string
	kids    []*trie
	all     bool           // the whole value is read
	keys    bool           // every key is read, as by ranging over a map
	text    bool           // a scalar is read, as the name of another fact
	unknown *types.Unknown // what reading it gives where nobody said it, if no list lies between
}

func (t *trie) kid(key string) *trie {
	for _, k := range t.kids {
		if k.key == key {
			return k
		}
	}
	return nil
}

// add finds a kid or makes it.
func (t *trie) add(key string) *trie {
	if k := t.kid(key); k != nil {
		return k
	}
	k := &trie{key: key}
	t.kids = append(t.kids, k)
	return k
}

// merge adds everything that another trie reads.
func (t *trie) merge(o *trie) {
	t.all = t.all || o.all
	t.keys = t.keys || o.keys
	t.text = t.text || o.text
	for _, k := range o.kids {
		t.add(k.key).merge(k)
	}
}

var errJSON = errors.New("the data are not valid JSON")

// maxDepth bounds how deep values may lie within each other, as encoding/json does.
const maxDepth = 10000

// A projector turns JSON into vals in one pass and keeps what a trie reads.
// Its arena is used again after reset.
type projector struct {
	ev    *eval
	b     string
	i     int
	depth int
	slabs [][]val
	slab  int // the slab in use
	used  int // how much of it
}

const slabSize = 128

func (p *projector) reset() { p.slab, p.used = 0, 0 }

func (p *projector) alloc() *val {
	if p.slab < len(p.slabs) && p.used == len(p.slabs[p.slab]) {
		p.slab, p.used = p.slab+1, 0
	}
	if p.slab == len(p.slabs) {
		p.slabs = append(p.slabs, make([]val, slabSize))
	}
	v := &p.slabs[p.slab][p.used]
	p.used++
	*v = val{ev: p.ev}
	return v
}

// project reads one JSON value. The result aliases b.
func (p *projector) project(b []byte, t *trie) (*val, error) {
	p.b, p.i, p.depth = unsafe.String(unsafe.SliceData(b), len(b)), 0, 0
	v, err := p.value(t, true)
	p.b = ""
	return v, err
}

func (p *projector) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\n' || p.b[p.i] == '\t' || p.b[p.i] == '\r') {
		p.i++
	}
}

func (p *projector) value(t *trie, static bool) (*val, error) {
	p.space()
	if p.i >= len(p.b) {
		return nil, errJSON
	}
	c := p.b[p.i]
	if t == nil || !t.all && !t.keys && !t.text && t.kids == nil {
		return p.present(c)
	}
	v := p.alloc()
	v.use, v.static = t, static
	switch c {
	case '{':
		v.form = formObject
		return v, p.object(v)
	case '[':
		v.form = formList
		return v, p.list(v)
	}
	return v, p.scalar(v)
}

// present skips a value of which only the presence matters.
func (p *projector) present(c byte) (*val, error) {
	v := p.alloc()
	v.form = formPresent
	if c == 'n' {
		v.form = formNull
	}
	return v, p.skip()
}

func (p *projector) scalar(v *val) error {
	var err error
	switch c := p.b[p.i]; c {
	case '"':
		v.form = formString
		v.text, v.esc, err = p.str()
	case 't':
		v.form, err = formTrue, p.word("true")
	case 'f':
		v.form, err = formFalse, p.word("false")
	case 'n':
		v.form, err = formNull, p.word("null")
	default:
		if c != '-' && (c < '0' || c > '9') {
			return errJSON
		}
		v.form = formNumber
		from := p.i
		for p.i < len(p.b) && numeric(p.b[p.i]) {
			p.i++
		}
		v.text = p.b[from:p.i]
	}
	return err
}

func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c|0x20 == 'e'
}

func (p *projector) word(w string) error {
	if !strings.HasPrefix(p.b[p.i:], w) {
		return errJSON
	}
	p.i += len(w)
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// load8 reads eight bytes; the first is the lowest.
func load8(b string, i int) uint64 {
	b = b[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// stop finds the first quote or backslash from i on.
func stop(b string, i int) int {
	for i+8 <= len(b) {
		w := load8(b, i)
		quote, back := w^(ones*'"'), w^(ones*'\\')
		if m := ((quote-ones)&^quote | (back-ones)&^back) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// str reads a string and says whether it holds escapes.
func (p *projector) str() (s string, esc bool, err error) {
	from := p.i + 1
	for j := stop(p.b, from); j < len(p.b); j = stop(p.b, j+2) {
		if p.b[j] == '"' {
			p.i = j + 1
			return p.b[from:j], esc, nil
		}
		esc = true
		if j+2 > len(p.b) {
			break
		}
	}
	return "", false, errJSON
}

func (p *projector) object(v *val) error {
	if p.depth++; p.depth > maxDepth {
		return errJSON
	}
	for p.i++; ; {
		p.space()
		if p.i >= len(p.b) {
			return errJSON
		}
		switch p.b[p.i] {
		case '}':
			p.i++
			p.depth--
			dropRepeated(v)
			return nil
		case ',':
			p.i++
			continue
		case '"':
		default:
			return errJSON
		}
		if err := p.member(v); err != nil {
			return err
		}
	}
}

func (p *projector) member(v *val) error {
	key, esc, err := p.str()
	if err != nil {
		return err
	}
	if esc {
		key = unescape(key)
	}
	p.space()
	if p.i >= len(p.b) || p.b[p.i] != ':' {
		return errJSON
	}
	p.i++
	t := v.use
	if !t.all {
		kid := t.kid(key)
		if kid == nil && !t.keys {
			return p.skip()
		}
		t = kid
	}
	c, err := p.value(t, v.static)
	if err != nil {
		return err
	}
	c.key = key
	c.hang(v)
	return nil
}

func (p *projector) list(v *val) error {
	if p.depth++; p.depth > maxDepth {
		return errJSON
	}
	for p.i++; ; {
		p.space()
		if p.i >= len(p.b) {
			return errJSON
		}
		switch p.b[p.i] {
		case ']':
			p.i++
			p.depth--
			return nil
		case ',':
			p.i++
			continue
		}
		c, err := p.value(v.use, false)
		if err != nil {
			return err
		}
		c.at = v.n
		c.hang(v)
	}
}

// hang makes v the last child of up.
func (v *val) hang(up *val) {
	v.up = up
	if up.last == nil {
		up.first = v
	} else {
		up.last.next = v
	}
	up.last = v
	up.n++
}

// dropRepeated keeps the last of each name, as JSON readers do, and leaves
// out names whose value is null: null counts as absent everywhere.
func dropRepeated(v *val) {
	if v.n == 0 {
		return
	}
	var seen map[string]*val
	if v.n > indexFrom {
		seen = make(map[string]*val, v.n)
		for c := v.first; c != nil; c = c.next {
			seen[c.key] = c
		}
	}
	first, n := v.first, int32(0)
	v.first, v.last = nil, nil
	var next *val
	for c := first; c != nil; c = next {
		next = c.next
		if c.form == formNull || repeated(c, seen) {
			continue
		}
		c.next = nil
		if v.last == nil {
			v.first = c
		} else {
			v.last.next = c
		}
		v.last = c
		n++
	}
	v.n = n
}

// repeated reports whether a later sibling has the same name.
func repeated(c *val, seen map[string]*val) bool {
	if seen != nil {
		return seen[c.key] != c
	}
	for d := c.next; d != nil; d = d.next {
		if d.key == c.key {
			return true
		}
	}
	return false
}

// skip passes over one value.
func (p *projector) skip() error {
	p.space()
	if p.i >= len(p.b) {
		return errJSON
	}
	switch p.b[p.i] {
	case '"':
		_, _, err := p.str()
		return err
	case '{', '[':
		return p.skipNested()
	}
	from := p.i
	for p.i < len(p.b) && !ends(p.b[p.i]) {
		p.i++
	}
	if p.i == from {
		return errJSON
	}
	return nil
}

func (p *projector) skipNested() error {
	depth := 0
	b, i := p.b, p.i
	for i < len(b) {
		switch b[i] {
		case '"':
			p.i = i
			if _, _, err := p.str(); err != nil {
				return err
			}
			i = p.i
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		i++
		if depth == 0 {
			p.i = i
			return nil
		}
	}
	return errJSON
}

// ends reports whether a byte ends a scalar.
func ends(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\t', '\r', '{', '[', '"', ':':
		return true
	}
	return false
}

// unescape resolves a JSON string's escapes as encoding/json does: a lone
// surrogate becomes U+FFFD.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r := hex4(s[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
					low = hex4(s[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			b.WriteRune(r)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// hex4 reads four hexadecimal digits; anything else is U+FFFD.
func hex4(s string) rune {
	if len(s) < 4 {
		return utf8.RuneError
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return utf8.RuneError
		}
		r = r<<4 | rune(c)
	}
	return r
}
