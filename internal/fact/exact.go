package fact

import "bytes"

// exactly reports in one pass whether raw is one JSON value whose names are all
// written plainly, are those of the fields, and stand once in their object. Where
// it says no, slower ways find out what is wrong, if anything is.
func exactly(raw []byte, fields []Field) bool {
	s := scanner{b: raw, most: deepest}
	if !s.fielded(fields) {
		return false
	}
	s.space()
	return s.i == len(s.b)
}

// fielded passes over an object with these fields, a list of such, or anything
// that has no names.
func (s *scanner) fielded(fields []Field) bool {
	s.space()
	if s.i >= len(s.b) {
		return false
	}
	end := byte('}')
	switch s.b[s.i] {
	case '{':
	case '[':
		end = ']'
	default:
		return s.value()
	}
	if !s.deeper() {
		return false
	}
	first, seen := len(s.keys), uint64(0)
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == end {
		s.i++
		s.depth--
		return true
	}
	for {
		if end == ']' && !s.fielded(fields) || end == '}' && !s.member(first, &seen, fields) {
			return false
		}
		s.space()
		if s.i >= len(s.b) {
			return false
		}
		s.i++
		switch s.b[s.i-1] {
		case end:
			s.depth--
			s.keys = s.keys[:first]
			return true
		case ',':
		default:
			return false
		}
	}
}

// member passes over a name, which must be that of a field, and its value.
func (s *scanner) member(first int, seen *uint64, fields []Field) bool {
	if !s.key(first, seen) {
		return false
	}
	last := s.keys[len(s.keys)-1]
	name := s.b[last.from:last.to]
	if bytes.IndexByte(name, '\\') >= 0 {
		return false
	}
	for i := range fields {
		if fields[i].Name != string(name) {
			continue
		}
		if fields[i].Sub != nil {
			return s.fielded(fields[i].Sub)
		}
		return s.value()
	}
	return false
}
