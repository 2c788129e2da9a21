package fact

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxScan is how deep the scanner follows values; deeper lines take the plain path.
const maxScan = 1000

// A scanner checks JSON in one pass and keeps nothing. It is exact where it
// says yes; where it says no, encoding/json says why.
type scanner struct {
	b     []byte
	i     int
	depth int
	loose bool // white space was seen outside texts
}

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

func (s *scanner) object() bool {
	if s.depth++; s.depth > maxScan {
		return false
	}
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		s.depth--
		return true
	}
	for {
		if !s.key() || !s.value() {
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
			return true
		case ',':
		default:
			return false
		}
	}
}

// key passes over a name and its colon.
func (s *scanner) key() bool {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return false
	}
	if _, ok := s.text(); !ok {
		return false
	}
	return s.colon()
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
	if s.depth++; s.depth > maxScan {
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
