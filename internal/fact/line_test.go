package fact

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// plainParse is the reader without its fast path: what it says is right.
func plainParse(b []byte) (Fact, error) {
	if !utf8.Valid(b) {
		return Fact{}, errors.New("not UTF-8")
	}
	var l struct {
		Kind       *string
		ID         *string
		Source     *string
		ObservedAt *time.Time
		Data       json.RawMessage
	}
	names := map[string]any{"kind": &l.Kind, "id": &l.ID, "source": &l.Source, "observed_at": &l.ObservedAt, "data": &l.Data}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return Fact{}, err
	}
	for name, v := range raw {
		for n, into := range names {
			if name == n {
				if err := json.Unmarshal(v, into); err != nil {
					return Fact{}, err
				}
			} else if strings.EqualFold(name, n) {
				return Fact{}, errors.New("in another case")
			}
		}
	}
	if name := twiceIn(b); name != "" {
		return Fact{}, errors.New("twice: " + name)
	}
	if l.Kind == nil || l.ID == nil || *l.ID == "" || l.Source == nil || *l.Source == "" || l.ObservedAt == nil || l.Data == nil {
		return Fact{}, errors.New("a member is missing")
	}
	k, ok := KindNamed(*l.Kind)
	if !ok {
		return Fact{}, errors.New("no such kind")
	}
	if l.ObservedAt.After(now().Add(MaxFuture)) {
		return Fact{}, errors.New("in the future")
	}
	if err := CheckID(*l.ID); err != nil {
		return Fact{}, err
	}
	if err := CheckText("source", *l.Source, MaxSource); err != nil {
		return Fact{}, err
	}
	data, err := Canonical(k, l.Data)
	if err != nil {
		return Fact{}, err
	}
	return Fact{Kind: k.Name, ID: *l.ID, Source: *l.Source, Origin: OriginPushed, ObservedAt: l.ObservedAt.UTC(), Data: data}, nil
}

// twiceIn finds a name that an object gives twice, as slowly and plainly as it can be done.
func twiceIn(b []byte) string {
	type open struct {
		names map[string]bool
		value bool // a value comes next
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	var stack []*open
	for {
		t, err := d.Token()
		if err != nil {
			return ""
		}
		var top *open
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		if name, is := t.(string); is && top != nil && top.names != nil && !top.value {
			if top.names[name] {
				return name
			}
			top.names[name], top.value = true, true
			continue
		}
		if top != nil && t != json.Delim('}') && t != json.Delim(']') {
			top.value = false
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, &open{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &open{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
	}
}

const good = `{"kind":"item","id":"a","source":"s","observed_at":"2026-01-31T10:00:00Z","data":{"a":1}}`

func seeds() []string {
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	return []string{
		good, "", "{}", "[]", "null", "{", "1", " " + good + " ", good + "x", good + good, with(`"a":1`, `"a": 1 `),
		with("item", "account"), with(`{"a":1}`, "null"), with(`{"a":1}`, "[1]"), with(`{"a":1}`, `{"a":"<&>\u2028"}`),
		with(`{"a":1}`, `{"a":"\u00e9\ud83d\ude00\ud800"}`), with(`{"a":1}`, `{"a":"\x"}`), with(`{"a":1}`, `{"a":01}`),
		with(`{"a":1}`, `{"a":-0.5e+10,"b":[true,false,null,{}],"":[]}`), with(`{"a":1}`, `{"a":1,}`), with(`{"a":1}`, `{a:1}`),
		with(`"id":"a"`, `"id":"\u0061"`), with(`"id":"a"`, `"ID":"a"`), with(`"id":"a"`, `"id":null`), with(`"id":"a"`, `"id":""`),
		with(`"a":1`, `"a":1,"a":2`), with(`"a":1`, `"a":1,"\u0061":2`), with(`"a":1`, `"b":[{"c":1},{"c":2}],"c":{"b":1}`), with(`"a":1`, `"x":{"\n":1,"\u000a":2}`),
		with(`"id":"a"`, `"id":"set:item"`), with(`"id":"a"`, `"id":"set:item:s"`), with(`"id":"a"`, `"id":"set:b"`), with(`"id":"a"`, `"id":"a\u0000"`), with(`"id":"a"`, "\"id\":\"\x7f\""),
		with(`"id":"a"`, `"id":"a","id":"b"`), with(`"id":"a"`, `"id":"a","more":[1]`), with(`"id":"a"`, `"id":7`),
		with("10:00:00Z", "10:00:00.123456789Z"), with("10:00:00Z", "10:00:00.1234567891Z"), with("10:00:00Z", "10:00:00+02:00"),
		with("10:00:00Z", "24:00:00Z"), with("10:00:00Z", "10:00:60Z"), with("10:00:00Z", "10:00:00,5Z"), with("10:00:00Z", "10:00:00.Z"),
		with("2026-01-31", "2026-02-30"), with("2026", "2027"), with("kind", "Kind"), with("item", "nothing"), with("a\":1", "a\":\"\t\""),
		with(`{"a":1}`, strings.Repeat(`{"a":`, 1200)+"1"+strings.Repeat("}", 1200)),
		with(`"kind":"item"`, `"kind":"account"`), `{"kind":"account","id":"a","source":"s","observed_at":"2026-01-31T10:00:00Z","data":{"mfa":true,"roles":["x"],"uid":5}}`,
		`{"data":{"mfa":1},"kind":"account","id":"a","source":"s","observed_at":"2026-01-31T10:00:00Z"}`,
		with(`{"a":1}`, `{"text":"`+strings.Repeat("long enough for words ", 5)+`\"q\\ \n"}`),
		with(`{"a":1}`, "{\"a\":\"\x7fé\u0001\"}"), with(`{"a":1}`, `{"a":tru}`), with(`{"a":1}`, `{"a":-}`), with(`{"a":1}`, `{"a":1.}`), with(`{"a":1}`, `{"a":1e}`),
	}
}

func sameFact(t *testing.T, line []byte, got Fact, gotErr error, want Fact, wantErr error) {
	t.Helper()
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("%q: got error %v, want %v", line, gotErr, wantErr)
	}
	if gotErr == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%q:\ngot  %v\nwant %v", line, got, want)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := plainParse(b)
		if strings.TrimSpace(string(want.Data)) == "" && wantErr == nil {
			t.Fatal("no data")
		}
		if wantErr == nil && isNull(b) {
			wantErr = errors.New("data is null")
		}
		got, err := NewLineReader(strings.NewReader(""), now()).parse(b)
		sameFact(t, b, got, err, want, wantErr)
		got, err = NewLineParser(now()).Parse(b)
		if err == nil && got.Kind == "item" { // its data are not canonical yet
			k, _ := KindNamed("item")
			got.Data, err = Canonical(k, got.Data)
		}
		sameFact(t, b, got, err, want, wantErr)
		if !json.Valid(b) {
			s := scanner{b: b}
			ok := s.value()
			s.space()
			if ok && s.i == len(b) {
				t.Fatalf("%q: the scanner takes it", b)
			}
		}
	})
}

// isNull finds data that are null, which encoding/json takes for a typed kind.
func isNull(b []byte) bool {
	var l map[string]json.RawMessage
	return json.Unmarshal(b, &l) == nil && string(l["data"]) == "null"
}

func TestFastPathIsTaken(t *testing.T) {
	p := NewLineParser(now())
	if _, ok := p.fast([]byte(good)); !ok {
		t.Error("the plainest line takes the slow path")
	}
	e, _ := p.fast([]byte(good))
	if !e.compact {
		t.Error("compact data are not known to be")
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Parse([]byte(good)); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("parsing a line takes %v allocations", n)
	}
}

func TestLineReader(t *testing.T) {
	lines := []string{
		good, "", "   ", strings.Replace(good, `"id":"a"`, `"id":"b"`, 1), good, "{", "{\"a\":\"\xff\"}",
		strings.Replace(good, `{"a":1}`, `{"a":"`+strings.Repeat("x", MaxLine)+`"}`, 1),
		strings.Replace(strings.Replace(good, "item", "account", 1), `"id":"a"`, `"id":"c"`, 1),
		strings.Replace(strings.Replace(good, "2026-01-31T10:00:00Z", "2026-06-01T12:05:01Z", 1), `"id":"a"`, `"id":"d"`, 1),
		strings.Replace(strings.Replace(good, "2026-01-31T10:00:00Z", "2026-06-01T12:05:00Z", 1), `"id":"a"`, `"id":"e"`, 1),
	}
	r := NewLineReader(strings.NewReader(strings.Join(lines, "\r\n")), now())
	var got []string
	for {
		f, refusal, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if refusal != nil {
			got = append(got, fmt.Sprintf("%d %s", refusal.Line, refusal.Error))
			continue
		}
		got = append(got, fmt.Sprintf("%d = %s %s", r.Line(), f.ID, f.Data))
	}
	want := []string{
		`1 = a {"a":1}`, `4 = b {"a":1}`, `5 id "a" was already given in line 1; `, `6 the line is not a fact: `, `7 the line is not UTF-8; `,
		`8 the line is longer than 1 MB; `, `9 data does not fit kind account: `, `10 observed_at lies more than 5 minutes in the future; `, `11 = e {"a":1}`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || strings.Contains(got[i], "=") != strings.Contains(want[i], "=") {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

func TestStrictLines(t *testing.T) {
	account := strings.Replace(good, "item", "account", 1)
	with := func(line, old, new string) string { return strings.Replace(line, old, new, 1) }
	for _, tt := range []struct{ line, want string }{
		{with(account, `{"a":1}`, `{"MFA":true}`), `field "MFA" does not exist in this kind; did you mean mfa?`},
		{with(account, `{"a":1}`, `{"lgoin":"x"}`), `field "lgoin" does not exist in this kind; did you mean login?`},
		{with(account, `{"a":1}`, `{"nothing_like_it":1}`), `field "nothing_like_it" does not exist in this kind; ` + "`prumo kinds`"},
		{with(account, `{"a":1}`, `{"mfa":true,"mfa":false}`), `"mfa" is given twice in one object; give it once`},
		{with(good, `"a":1`, `"a":1,"a":2`), `"a" is given twice in one object; give it once`},
		{with(good, `"a":1`, `"a":{"b":[{"c":1,"\u0063":2}]}`), `"c" is given twice in one object; give it once`},
		{with(good, `"id":"a"`, `"id":"a","id":"b"`), `"id" is given twice in one object; give it once`},
		{with(good, `"id"`, `"ID"`), `member "ID" does not exist; did you mean id?`},
		{with(good, `"item"`, `"itme"`), `kind "itme" does not exist; did you mean item?`},
		{with(good, `"item"`, `"people"`), `kind "people" does not exist; did you mean person?`},
		{with(good, `"item"`, `"zebra"`), `kind "zebra" does not exist; ` + "`prumo kinds` lists the kinds"},
		{with(good, `"id":"a"`, `"id":"set:item"`), `id "set:item" is the name of a set of facts; give the thing another id`},
		{with(good, `"id":"a"`, `"id":"set:account:git"`), `id "set:account:git" is the name of a set of facts`},
		{with(good, `"id":"a"`, `"id":"a\u0000b"`), `id holds the control character U+0000; leave it out`},
		{with(good, `"id":"a"`, `"id":"`+"\u0085"+`"`), `id holds the control character U+0085; leave it out`},
		{with(good, `"id":"a"`, `"id":"`+strings.Repeat("x", MaxID+1)+`"`), `id has 2001 bytes; give at most 2000`},
		{with(good, `"source":"s"`, `"source":"a\nb"`), `source holds the control character U+000A; leave it out`},
		{with(good, `"source":"s"`, `"source":"`+strings.Repeat("x", MaxSource+1)+`"`), `source has 201 bytes; give at most 200`},
	} {
		r := NewLineReader(strings.NewReader("\n"+tt.line), now())
		_, refusal, err := r.Next()
		if err != nil || refusal == nil || refusal.Line != 2 || !strings.Contains(refusal.Error, tt.want) {
			t.Errorf("%.200s:\ngot  %+v, %v\nwant line 2: %s", tt.line, refusal, err, tt.want)
		}
	}
	for _, id := range []string{"set:b", "settle", "é", strings.Repeat("x", MaxID)} {
		if _, err := NewLineParser(now()).Parse([]byte(with(good, `"id":"a"`, `"id":"`+id+`"`))); err != nil {
			t.Errorf("id %.50q: %v", id, err)
		}
	}
}
