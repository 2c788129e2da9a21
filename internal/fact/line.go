package fact

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// A Refusal is a fact line that could not be taken, with the reason and what to do.
type Refusal struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// A LineReader reads fact lines one by one; a bad line is refused with its
// number and the rest goes on.
type LineReader struct {
	r     *bufio.Reader
	now   time.Time
	line  int
	buf   []byte // of the line last read
	seen  map[string]int
	kinds map[string]Kind
}

// NewLineReader reads fact lines from r; now bounds how far an observation may lie ahead.
func NewLineReader(r io.Reader, now time.Time) *LineReader {
	return &LineReader{r: bufio.NewReaderSize(r, 64<<10), now: now, seen: map[string]int{}, kinds: kindsByName()}
}

func kindsByName() map[string]Kind {
	kinds := map[string]Kind{}
	for _, k := range Kinds() {
		kinds[k.Name] = k
	}
	return kinds
}

// Next returns the next fact or the refusal of a line; its error is io.EOF at
// the end, or what stopped the reading. Blank lines are passed over.
func (lr *LineReader) Next() (Fact, *Refusal, error) {
	for {
		b, tooLong, err := lr.readLine()
		if err != nil {
			return Fact{}, nil, err
		}
		if tooLong {
			return Fact{}, lr.refuse("the line is longer than 1 MB; split the thing or leave fields out"), nil
		}
		if len(b) == 0 {
			continue
		}
		f, err := lr.parse(b)
		if err != nil {
			return Fact{}, lr.refuse(err.Error()), nil
		}
		lr.seen[f.ID] = lr.line
		return f, nil, nil
	}
}

// Line is the number of the line last read, from 1.
func (lr *LineReader) Line() int { return lr.line }

func (lr *LineReader) refuse(why string) *Refusal { return &Refusal{Line: lr.line, Error: why} }

func (lr *LineReader) readLine() (line []byte, tooLong bool, err error) {
	line = lr.buf[:0]
	defer func() { lr.buf = line[:0] }()
	for {
		part, err := lr.r.ReadSlice('\n')
		if !tooLong {
			line = append(line, part...)
		}
		if len(line) > MaxLine+1 {
			tooLong, line = true, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !tooLong) {
			return nil, false, err
		}
		lr.line++
		return trimLine(line), tooLong, nil
	}
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}

func (lr *LineReader) parse(b []byte) (Fact, error) {
	p := LineParser{now: lr.now, kinds: lr.kinds}
	e, err := p.envelope(b)
	if err != nil {
		return Fact{}, err
	}
	if at, dup := lr.seen[e.id]; dup {
		return Fact{}, fmt.Errorf("id %q was already given in line %d; give each thing once", e.id, at)
	}
	f, err := p.fact(e)
	if err != nil {
		return Fact{}, err
	}
	f.ID, f.Source = strings.Clone(f.ID), strings.Clone(f.Source)
	if e.compact {
		f.Data = bytes.Clone(f.Data)
	} else if f.Data, err = canonical(e); err != nil {
		return Fact{}, err
	}
	return f, nil
}

// A LineParser takes single fact lines apart. It knows no earlier line, so
// that an id given twice is for its caller to find.
type LineParser struct {
	now    time.Time
	kinds  map[string]Kind
	source string // of the line before, to spare its copy
	keys   []span // room for the names of objects
}

// NewLineParser parses lines; now bounds how far an observation may lie ahead.
func NewLineParser(now time.Time) *LineParser {
	return &LineParser{now: now, kinds: kindsByName()}
}

// Parse reads one line. The fact's ID and Data alias it; the data of an item
// are not made canonical.
func (p *LineParser) Parse(b []byte) (Fact, error) {
	e, err := p.envelope(b)
	if err != nil {
		return Fact{}, err
	}
	f, err := p.fact(e)
	if err != nil {
		return Fact{}, err
	}
	if e.source != p.source {
		p.source = strings.Clone(e.source)
	}
	f.Source = p.source
	if e.kind.Name != "item" {
		f.Data, err = canonical(e)
	}
	return f, err
}

// An envelope is a line's members.
type envelope struct {
	kind       Kind
	id, source string // may alias the line
	observedAt time.Time
	data       []byte
	valid      bool // the data are known to be JSON
	compact    bool // the data are canonical as they stand
}

// envelope takes a line apart: by the fast path if it is written as machines
// write it, else by the plain one, which also words what is wrong.
func (p *LineParser) envelope(b []byte) (envelope, error) {
	if !utf8.Valid(b) {
		return envelope{}, errors.New("the line is not UTF-8; write it as UTF-8")
	}
	if e, ok := p.fast(b); ok {
		return e, nil
	}
	return p.plain(b)
}

// fast reads a line whose members stand once each, under exactly their names
// and without escapes.
func (p *LineParser) fast(b []byte) (e envelope, ok bool) {
	s := scanner{b: b, keys: p.keys[:0]}
	s.space()
	if s.i >= len(b) || b[s.i] != '{' {
		return e, false
	}
	s.i++
	s.depth = 1
	var given [5]bool
	var kind, observed string
	for {
		s.space()
		if s.i >= len(b) || b[s.i] != '"' {
			return e, false
		}
		name, ok := s.text()
		if !ok || !s.colon() {
			return e, false
		}
		s.space()
		var m int
		switch string(name) {
		case "kind":
			m, kind = 0, s.plainText()
			ok = kind != ""
		case "id":
			m, e.id = 1, s.plainText()
			ok = e.id != ""
		case "source":
			m, e.source = 2, s.plainText()
			ok = e.source != ""
		case "observed_at":
			m, observed = 3, s.plainText()
			e.observedAt, ok = plainTime(observed)
		case "data":
			m = 4
			ok = s.data(&e)
		default:
			return e, false
		}
		if !ok || given[m] {
			return e, false
		}
		given[m] = true
		s.space()
		if s.i >= len(b) {
			return e, false
		}
		s.i++
		if b[s.i-1] == '}' {
			break
		}
		if b[s.i-1] != ',' {
			return e, false
		}
	}
	p.keys = s.keys[:0]
	s.space()
	if s.i != len(b) || given != [5]bool{true, true, true, true, true} {
		return e, false
	}
	e.kind, ok = p.kinds[kind]
	e.compact = e.compact && e.kind.Name == "item"
	return e, ok
}

// plainText reads a text without escapes; it is empty if there is none. It aliases the line.
func (s *scanner) plainText() string {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return ""
	}
	t, ok := s.text()
	if !ok || len(t) == 0 || bytes.IndexByte(t, '\\') >= 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(t), len(t))
}

// data passes over an object and notes whether it is canonical as it stands.
func (s *scanner) data(e *envelope) bool {
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return false
	}
	from := s.i
	s.loose = false
	if !s.value() {
		return false
	}
	e.data, e.valid = s.b[from:s.i], true
	e.compact = !s.loose && !rewritten(e.data)
	return true
}

// plainTime reads a time as machines write it: in UTC, with at most nine digits of a second.
func plainTime(s string) (time.Time, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape)+1 || len(s) > len(shape)+11 || s[len(s)-1] != 'Z' {
		return time.Time{}, false
	}
	for i := range len(s) - 1 {
		digit := s[i] >= '0' && s[i] <= '9'
		switch {
		case i < len(shape) && shape[i] == '0', i > len(shape):
			if !digit {
				return time.Time{}, false
			}
		case i == len(shape):
			if s[i] != '.' || len(s) == len(shape)+2 {
				return time.Time{}, false
			}
		case s[i] != shape[i]:
			return time.Time{}, false
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

// plain reads any line by encoding/json. Names count exactly as they are
// written, which encoding/json alone would not ask for.
func (p *LineParser) plain(b []byte) (envelope, error) {
	if err := checkTwice(b); err != nil {
		return envelope{}, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return envelope{}, notFact(err)
	}
	names := []string{"kind", "id", "source", "observed_at", "data"}
	for name := range raw {
		for _, n := range names {
			if name != n && strings.EqualFold(name, n) {
				return envelope{}, fmt.Errorf("member %q does not exist; did you mean %s?", clip(name), n)
			}
		}
	}
	var kind string
	var at time.Time
	e := envelope{data: raw["data"]}
	for i, into := range []any{&kind, &e.id, &e.source, &at} {
		if v := raw[names[i]]; v != nil {
			if err := json.Unmarshal(v, into); err != nil {
				return envelope{}, notFact(fmt.Errorf("member %s: %w", names[i], decodeError(err)))
			}
		}
	}
	given := []bool{kind != "", e.id != "", e.source != "", !missing(raw["observed_at"]), !missing(e.data)}
	for i, ok := range given {
		if !ok {
			return envelope{}, fmt.Errorf("member %s is missing; give kind, id, source, observed_at and data", names[i])
		}
	}
	var ok bool
	if e.kind, ok = p.kinds[kind]; !ok {
		return envelope{}, NoKind(kind)
	}
	e.observedAt = at
	return e, nil
}

func missing(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

func notFact(err error) error {
	return fmt.Errorf("the line is not a fact: %w; write one JSON object a line", decodeError(err))
}

// fact checks what a line says; its data stay as they are written.
func (p *LineParser) fact(e envelope) (Fact, error) {
	if e.observedAt.After(p.now.Add(MaxFuture)) {
		return Fact{}, errors.New("observed_at lies more than 5 minutes in the future; set the sender's clock")
	}
	if err := CheckID(e.id); err != nil {
		return Fact{}, err
	}
	if err := CheckText("source", e.source, MaxSource); err != nil {
		return Fact{}, err
	}
	if e.kind.Name == "item" && !e.valid {
		if _, err := decodeItem(e.data); err != nil {
			return Fact{}, misfit(e.kind, err)
		}
	}
	return Fact{Kind: e.kind.Name, ID: e.id, Source: e.source, Origin: OriginPushed, ObservedAt: e.observedAt.UTC(), Data: e.data}, nil
}

func canonical(e envelope) (json.RawMessage, error) {
	data, err := Canonical(e.kind, e.data)
	if err != nil {
		return nil, misfit(e.kind, err)
	}
	return data, nil
}

func misfit(k Kind, err error) error {
	return fmt.Errorf("data does not fit kind %s: %w; `prumo kinds` shows its fields", k.Name, err)
}
