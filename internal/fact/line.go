package fact

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
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
	seen  map[string]int
	kinds map[string]Kind
}

// NewLineReader reads fact lines from r; now bounds how far an observation may lie ahead.
func NewLineReader(r io.Reader, now time.Time) *LineReader {
	kinds := map[string]Kind{}
	for _, k := range Kinds() {
		kinds[k.Name] = k
	}
	return &LineReader{r: bufio.NewReaderSize(r, 64<<10), now: now, seen: map[string]int{}, kinds: kinds}
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
	if !utf8.Valid(b) {
		return Fact{}, errors.New("the line is not UTF-8; write it as UTF-8")
	}
	var l struct {
		Kind       *string         `json:"kind"`
		ID         *string         `json:"id"`
		Source     *string         `json:"source"`
		ObservedAt *time.Time      `json:"observed_at"`
		Data       json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return Fact{}, fmt.Errorf("the line is not a fact: %w", decodeError(err))
	}
	for _, m := range []struct {
		name string
		ok   bool
	}{
		{"kind", l.Kind != nil}, {"id", l.ID != nil && *l.ID != ""}, {"source", l.Source != nil && *l.Source != ""},
		{"observed_at", l.ObservedAt != nil}, {"data", l.Data != nil},
	} {
		if !m.ok {
			return Fact{}, fmt.Errorf("member %s is missing; give kind, id, source, observed_at and data", m.name)
		}
	}
	k, ok := lr.kinds[*l.Kind]
	if !ok {
		return Fact{}, fmt.Errorf("kind %q does not exist; `prumo kinds` lists the kinds", *l.Kind)
	}
	if at, dup := lr.seen[*l.ID]; dup {
		return Fact{}, fmt.Errorf("id %q was already given in line %d; give each thing once", *l.ID, at)
	}
	if l.ObservedAt.After(lr.now.Add(MaxFuture)) {
		return Fact{}, errors.New("observed_at lies more than 5 minutes in the future; set the sender's clock")
	}
	data, err := Canonical(k, l.Data)
	if err != nil {
		return Fact{}, fmt.Errorf("data does not fit kind %s: %w", k.Name, err)
	}
	return Fact{Kind: k.Name, ID: *l.ID, Source: *l.Source, Origin: OriginPushed, ObservedAt: l.ObservedAt.UTC(), Data: data}, nil
}
