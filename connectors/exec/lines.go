package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/fact"
)

// maxFacts is how many facts one run may print.
const maxFacts = 500_000

// programScope tells how the run itself went, where the settings name no kinds.
const programScope = "program"

// lines takes fact lines and the lines that open and close scopes.
//
//	{"scope":"people","kinds":["person"]}
//	{"kind":"person","id":"crm/ana","data":{"name":"Ana"}}
//	{"close":"people"}
//
// A fact belongs to the scope that was opened last, or to the one that it names;
// before the first scope each kind is a scope of its own, which the end of the
// program closes. What the lines close is closed at the end, when it is known
// whether the program ended well.
type lines struct {
	emit    connector.Emit
	kinds   []string // of the settings
	scopes  []*section
	now     *section // the scope opened last; nil: kinds are scopes of their own
	lost    bool     // the line that should have opened a scope was refused
	seen    map[fact.Key]int
	refused string // of the first line that may belong to any scope
}

// A section is a scope that the program opened, or a kind that it printed.
type section struct {
	name    string
	kinds   []string
	seen    int
	byKind  bool // nobody need close it
	refused string
	closed  *closing
}

// A closing is how the program says that it closes a scope.
type closing struct {
	reading fact.Reading
	of      int
	why     string
}

func newLines(emit connector.Emit, kinds []string) *lines {
	return &lines{emit: emit, kinds: kinds, seen: map[fact.Key]int{}}
}

func (l *lines) take(out io.Reader) error {
	in := newLineReader(out)
	for {
		raw, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLong):
			l.refuse(nil, in.number, errors.New("it is longer than 1 MB; split the thing or leave fields out"))
			continue
		case err != nil:
			return err
		case len(bytes.TrimSpace(raw)) == 0:
			continue
		}
		s, err := l.line(raw, in.number)
		if emit := (errEmit{}); errors.As(err, &emit) {
			return err
		}
		if err != nil {
			l.refuse(s, in.number, err)
		}
		if len(l.seen) > maxFacts {
			return trouble("the program printed more than %d facts and was ended", maxFacts)
		}
	}
}

// refuse notes the first line that was refused, for its scope or for all.
func (l *lines) refuse(s *section, number int, err error) {
	at := &l.refused
	if s != nil {
		at = &s.refused
	}
	if *at == "" {
		*at = fmt.Sprintf("line %d was refused: %v", number, err)
	}
}

// line takes one line. An error names what is wrong and what to do; the scope
// is the one that the line surely belongs to, or nil.
func (l *lines) line(raw []byte, number int) (*section, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("it is not UTF-8; write it as UTF-8")
	}
	m, err := members(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case m["close"] != nil:
		return l.close(m)
	case m["kind"] == nil && m["id"] == nil && m["scope"] != nil:
		s, err := l.open(m)
		l.lost = err != nil
		return s, err
	default:
		return l.fact(m, number)
	}
}

// members takes an object apart; each name counts once.
func members(raw []byte) (map[string]json.RawMessage, error) {
	notOne := errors.New("it is no JSON object; print one a line, and everything else on standard error")
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notOne
	}
	known := []string{"kind", "id", "source", "observed_at", "data", "scope", "kinds", "close", "reading", "of", "why"}
	out := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, _ := t.(string)
		var v json.RawMessage
		if err != nil || d.Decode(&v) != nil {
			return nil, notOne
		}
		switch {
		case out[name] != nil:
			return nil, fmt.Errorf("%.40q is given twice; give it once", name)
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("it has a member %.40q, which no line has; a fact's own fields belong into data", name)
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, notOne
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, notOne
	}
	return out, nil
}

// only refuses members that do not belong into a line.
func only(m map[string]json.RawMessage, names ...string) error {
	for name := range m {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%s does not belong into this line; it may hold %s", name, quoted(names))
		}
	}
	return nil
}

func read[T any](m map[string]json.RawMessage, name string, what string) (T, error) {
	var v T
	raw, ok := m[name]
	if !ok {
		return v, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil || string(raw) == "null" {
		return v, fmt.Errorf("%s must be %s", name, what)
	}
	return v, nil
}

func (l *lines) find(name string) *section {
	for _, s := range l.scopes {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (l *lines) add(s *section) (*section, error) {
	if err := l.emit.Open(connector.Scope{Name: s.name, Kinds: s.kinds}); err != nil {
		return nil, errEmit{err}
	}
	l.scopes = append(l.scopes, s)
	return s, nil
}

// open takes {"scope":"people","kinds":["person"]}.
func (l *lines) open(m map[string]json.RawMessage) (*section, error) {
	if err := only(m, "scope", "kinds"); err != nil {
		return nil, err
	}
	name, err := read[string](m, "scope", "a text")
	if err != nil {
		return nil, err
	}
	kinds, err := read[[]string](m, "kinds", "a list of kinds")
	switch {
	case err != nil:
		return nil, err
	case fact.CheckText("scope", name, fact.MaxScope) != nil:
		return nil, fact.CheckText("scope", name, fact.MaxScope)
	case len(kinds) == 0:
		return nil, errors.New(`kinds is missing; write {"scope":"people","kinds":["person"]}`)
	case checkKinds(kinds) != nil:
		return nil, checkKinds(kinds)
	case name == programScope || slices.Contains(mapping.Kinds(), name):
		return nil, fmt.Errorf("a scope cannot be called %s; choose another name", name)
	}
	if s := l.find(name); s != nil {
		return s, fmt.Errorf("scope %s was opened before; open each scope once", name)
	}
	s, err := l.add(&section{name: name, kinds: kinds})
	l.now = s
	return s, err
}

// close takes {"close":"people","reading":"partial","of":10,"why":"…"}.
func (l *lines) close(m map[string]json.RawMessage) (*section, error) {
	if err := only(m, "close", "reading", "of", "why"); err != nil {
		return nil, err
	}
	name, err := read[string](m, "close", "a text")
	if err != nil {
		return nil, err
	}
	s := l.find(name)
	switch {
	case s == nil || s.byKind:
		return nil, fmt.Errorf(`no scope %.80q is open; open it with {"scope":…,"kinds":[…]} first`, name)
	case s.closed != nil:
		return s, fmt.Errorf("scope %s was closed before", name)
	}
	reading, err := read[fact.Reading](m, "reading", "a text")
	if err != nil {
		return s, err
	}
	of, err := read[int](m, "of", "a whole number")
	if err != nil || of < 0 {
		return s, errors.New("of must be a whole number")
	}
	why, err := read[string](m, "why", "a text")
	if err != nil {
		return s, err
	}
	switch reading {
	case "":
		reading = fact.Complete
	case fact.Complete, fact.Partial, fact.Forbidden:
	default:
		return s, errors.New("reading must be complete, partial or forbidden")
	}
	if why != "" && fact.CheckText("why", why, 500) != nil {
		return s, fact.CheckText("why", why, 500)
	}
	s.closed = &closing{reading: reading, of: of, why: why}
	if l.now == s {
		l.now, l.lost = nil, true // what follows names its scope
	}
	return s, nil
}

// fact takes {"kind":"person","id":"crm/ana","data":{…}}.
func (l *lines) fact(m map[string]json.RawMessage, number int) (*section, error) {
	if err := only(m, "kind", "id", "source", "observed_at", "data", "scope"); err != nil {
		return nil, err
	}
	name, err := read[string](m, "kind", "a text")
	if err == nil && name == "" {
		err = errors.New("kind is missing; name the fact's kind")
	}
	if err != nil {
		return nil, err
	}
	kind, ok := fact.KindNamed(name)
	if !ok || !slices.Contains(mapping.Kinds(), name) {
		return nil, fact.NoKind(name)
	}
	s, err := l.sectionOf(m, name)
	if err != nil {
		return s, err
	}
	id, err := read[string](m, "id", "a text")
	switch {
	case err != nil:
		return s, err
	case fact.CheckID(id) != nil:
		return s, fact.CheckID(id)
	case m["data"] == nil:
		return s, errors.New("data is missing; give the fact's fields")
	}
	data, err := fact.Decode(kind, m["data"])
	if err != nil {
		return s, err
	}
	key := fact.Key{Kind: name, ID: id}
	if at := l.seen[key]; at > 0 {
		return s, fmt.Errorf("its id was given in line %d; give each thing once", at)
	}
	l.seen[key] = number
	s.seen++
	if err := l.emit.Fact(s.name, id, data); err != nil {
		return s, errEmit{err}
	}
	return s, nil
}

// sectionOf finds the scope of a fact.
func (l *lines) sectionOf(m map[string]json.RawMessage, kind string) (*section, error) {
	s := l.now
	if m["scope"] != nil {
		name, err := read[string](m, "scope", "a text")
		if err != nil {
			return nil, err
		}
		if s = l.find(name); s == nil || s.byKind {
			return nil, fmt.Errorf(`no scope %.80q is open; open it with {"scope":…,"kinds":[…]} first`, name)
		}
	}
	switch {
	case s == nil && l.lost:
		return nil, errors.New("it stands in no scope; open one before it, or name it in the line")
	case s == nil:
		if s = l.find(kind); s != nil {
			return s, nil
		}
		return l.add(&section{name: kind, kinds: []string{kind}, byKind: true})
	case s.closed != nil:
		return s, fmt.Errorf("scope %s was closed before", s.name)
	case !slices.Contains(s.kinds, kind):
		return s, fmt.Errorf("kind %s does not belong into scope %s; name it in the scope's kinds", kind, s.name)
	}
	return s, nil
}
