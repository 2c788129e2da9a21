package fact

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"slices"
)

// maxScan is how deep the scanner follows values; deeper lines take the plain path.
const maxScan = 1000

// A scanner checks JSON in one pass and keeps nothing. It is exact where it
// says yes; where it says no, encoding/json says why.
type scanner struct {
	b     []byte
	i     int
	depth int
	most  int    // how deep values are followed; 0: maxScan
	loose bool   // white space was seen outside texts
	keys  []span // names of the objects that are open
	twice string // a name that an object gave twice
}

// A span is where a name stands between its quotes.
type span struct{ from, to int }

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
			s.loose = true
		default:
			return
		}
	}
}

// value passes over one value and reports whether it is valid.
func (s *scanner) value() bool {
	s.space()
	if s.i >= len(s.b) {
		return false
	}
	switch c := s.b[s.i]; c {
	case '"':
		_, ok := s.text()
		return ok
	case '{':
		return s.object()
	case '[':
		return s.list()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// deeper goes into an object or a list.
func (s *scanner) deeper() bool {
	most := s.most
	if most == 0 {
		most = maxScan
	}
	s.depth++
	return s.depth <= most
}

func (s *scanner) object() bool {
	if !s.deeper() {
		return false
	}
	first, seen := len(s.keys), uint64(0)
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		s.depth--
		return true
	}
	for {
		if !s.key(first, &seen) || !s.value() {
			return false
		}
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		s.i++
		switch s.b[s.i-1] {
		case '}':
			s.depth--
			s.keys = s.keys[:first]
			return true
		case ',':
		default:
			return false
		}
	}
}

// key passes over a name and its colon. The names of its object begin at
// first; seen holds one bit for each, so that most are compared with none.
func (s *scanner) key(first int, seen *uint64) bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return false
	}
	from := s.i + 1
	name, ok := s.text()
	if !ok {
		return false
	}
	bit := uint64(1) << 63 // of names that are not written plainly
	if bytes.IndexByte(name, '\\') < 0 {
		h := uint64(len(name)) * 11
		if n := len(name); n > 0 {
			h += uint64(name[0])*5 + uint64(name[n-1])*3 + uint64(name[n/2])
		}
		bit = 1 << (h % 63)
	}
	if (*seen&bit != 0 || bit == 1<<63 || *seen&(1<<63) != 0) && s.given(name, first) {
		s.twice = unquote(name)
		return false
	}
	*seen |= bit
	s.keys = append(s.keys, span{from, from + len(name)})
	return s.colon()
}

// given reports whether an open object has the name already.
func (s *scanner) given(name []byte, first int) bool {
	escaped := bytes.IndexByte(name, '\\') >= 0
	for _, k := range s.keys[first:] {
		old := s.b[k.from:k.to]
		if bytes.Equal(old, name) {
			return true
		}
		if (escaped || bytes.IndexByte(old, '\\') >= 0) && unquote(old) == unquote(name) {
			return true
		}
	}
	return false
}

// unquote reads a name as it stands between its quotes.
func unquote(name []byte) string {
	if bytes.IndexByte(name, '\\') < 0 {
		return string(name)
	}
	var out string
	if err := json.Unmarshal(slices.Concat([]byte{'"'}, name, []byte{'"'}), &out); err != nil {
		return string(name)
	}
	return out
}

func (s *scanner) colon() bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return false
	}
	s.i++
	return true
}

func (s *scanner) list() bool {
	if !s.deeper() {
		return false
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		s.i++
		s.depth--
		return true
	}
	for {
		if !s.value() {
			return false
		}
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		s.i++
		switch s.b[s.i-1] {
		case ']':
			s.depth--
			return true
		case ',':
		default:
			return false
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks, in the high bit of each byte, quotes, backslashes and control
// characters. A borrow may mark bytes after a true stop, never before it.
func stops(w uint64) uint64 {
	quote, back := w^(ones*'"'), w^(ones*'\\')
	return ((quote-ones)&^quote | (back-ones)&^back | (w-ones*0x20)&^w) & highs
}

// text passes over a text that starts at its quote and returns what is
// between the quotes, as it is written.
func (s *scanner) text() ([]byte, bool) {
	b, i := s.b, s.i+1
	from := i
	for {
		for i+8 <= len(b) {
			if m := stops(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			i++
			if i+8 <= len(b) {
				break
			}
		}
		if i >= len(b) {
			return nil, false
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return b[from:i], true
		case c == '\\':
			n := escape(b[i+1:])
			if n == 0 {
				return nil, false
			}
			i += 1 + n
		case c < 0x20:
			return nil, false
		}
	}
}

// escape gives the length of what follows a backslash; 0 is not valid.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(b) < 5 {
			return 0
		}
		for _, c := range b[1:5] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 5
	}
	return 0
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

func (s *scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

// rewritten reports whether encoding/json would write the JSON differently
// than it stands: it escapes what HTML and JavaScript could misread.
func rewritten(b []byte) bool {
	return bytes.IndexByte(b, '<') >= 0 || bytes.IndexByte(b, '>') >= 0 || bytes.IndexByte(b, '&') >= 0 ||
		bytes.Contains(b, []byte("\u2028")) || bytes.Contains(b, []byte("\u2029"))
}
