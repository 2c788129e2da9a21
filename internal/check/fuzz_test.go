package check

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(bomb()))
	f.Add([]byte(file("account", "each: false\npass: |\n  accounts.all(a,\n\ta.mfa)\n")))
	f.Add([]byte("a: &a [*a]\n? [x]\n: y\n--- !!x\n"))
	f.Add([]byte("\ufeffid: x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, problems := Parse("f.yaml", text)
		if (c == nil) == (len(problems) == 0) {
			t.Fatalf("got check %v and problems %v", c != nil, problems)
		}
		lines := 1 + bytes.Count(text, []byte("\n"))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines+1 || p.What == "" || p.Do == "" || strings.Contains(p.Error(), "\x00") {
				t.Errorf("problem %+v", p)
			}
		}
		if c != nil {
			c.RunExamples()
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, pass := range []string{
		"item.data.a.b[0].c == 1", "item.data.l.all(x, x.y > 2) || has(item.data.z)", "item.data.m.exists(k, item.data.m[k] == item.data.k)",
		"timestamp(item.data.t).olderThan(days(item.data.n))", "item.data.s.matches(item.data.p) && size(item.data.l) in [1, 2]",
		"item.data.l.map(x, [x]).filter(y, y[0] != null)[0][0] == {'a': item.data}", "string(item.data.a) + type(item.data.b) == int",
		"dyn(item).data.a == dyn(item)", "item.data.l + item.data.l == [1] && 'a' in item.data.m", "duration(item.data.d) < days(1)",
	} {
		f.Add(pass, `{"a":{"b":[{"c":1}]},"l":[1,null,{"y":3}],"m":{"k":"v","n":null},"k":"v","t":"2026-01-01T00:00:00Z","n":3,"s":"x","p":"."}`)
	}
	f.Fuzz(func(t *testing.T, pass, data string) {
		if len(pass) > 300 || len(data) > 3000 {
			return
		}
		raw, err := json.Marshal(pass)
		if err != nil {
			return
		}
		c, problems := Parse("f.yaml", []byte(file("item", "pass: "+string(raw)+"\n")))
		if problems != nil {
			return
		}
		r := c.Judge(Input{Fact: newFact("item", "a", data), Now: clock})
		if r.Outcome == NotApplicable || r.Outcome == Unknown && r.Reason == "" {
			t.Errorf("%s on %s: got %+v", pass, data, r)
		}
		if !json.Valid([]byte(data)) {
			return
		}
		if again := c.Judge(Input{Fact: newFact("item", "a", data), Now: clock}); again.Outcome != r.Outcome || again.Reason != r.Reason || !again.Due.Equal(r.Due) {
			t.Errorf("%s on %s: got %+v, then %+v", pass, data, r, again)
		}
	})
}

// FuzzProject compares the projector with encoding/json.
func FuzzProject(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":[true,false,null,"x\n\u00e9\ud83d\ude00\ud800z",-1.5e3,0,12345678901234567890]}`, `{"a":null,"a":2,"b":{"c":{"d":[]}}}`, `[]`, `"\\"`, `{"\u0061":1}`, `{`, `[1,`, `"`, `{"a" 1}`,
		`{"a":{"k1":1,"k2":1,"k3":1,"k4":1,"k5":1,"k6":1,"k7":1,"k8":1,"k9":1,"ka":1,"kb":1,"kc":1,"kd":1,"ke":1,"kf":1,"kg":1,"kh":1,"ki":1,"kj":1,"kk":1,"kl":1,"km":1,"kn":1,"ko":1,"kp":1,"k1":2}}`,
	} {
		f.Add([]byte(s))
	}
	table, err := newTypeTable()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := newEval(table)
		v, err := e.project(b, &trie{all: true})
		some := &trie{}
		some.add("a").all = true
		some.add("b").add("c").keys = true
		part, partErr := e.project(b, some)
		if !json.Valid(b) || !utf8.Valid(b) {
			return // it may say anything, but must come back
		}
		if err != nil || partErr != nil {
			t.Fatalf("%q: %v %v", b, err, partErr)
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := plain(v.value()); !same(got, dropNulls(want)) {
			t.Fatalf("%q: got %#v, want %#v", b, got, dropNulls(want))
		}
		if m, ok := want.(map[string]any); ok {
			got, there := part.child("a"), m["a"] != nil
			if (got != nil) != there || there && !same(plain(got.value()), dropNulls(m["a"])) {
				t.Fatalf("%q: a is %v, want %v", b, got, m["a"])
			}
		}
	})
}

func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if x != nil {
				out[k] = dropNulls(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = dropNulls(x)
		}
		return out
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				return n
			}
		}
		if x, err := v.Float64(); err == nil {
			return x
		}
		return math.Inf(1)
	}
	return v
}

func plain(v ref.Val) any {
	switch v := v.(type) {
	case types.Int:
		return int64(v)
	case types.Double:
		return float64(v)
	case types.String:
		return string(v)
	case types.Bool:
		return bool(v)
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			out[string(k.(types.String))] = plain(v.Get(k))
		}
		if len(out) != int(v.Size().(types.Int)) {
			return "wrong size"
		}
		return out
	case traits.Lister:
		out := make([]any, 0)
		for it := v.Iterator(); it.HasNext() == types.True; {
			out = append(out, plain(it.Next()))
		}
		return out
	case *types.Err:
		return math.Inf(1)
	}
	return nil
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }

func TestPlanGuards(t *testing.T) {
	for _, tt := range []struct {
		when string
		path int
		all  bool
	}{
		{"item.data.type == 'x'", 2, true}, {"'x' == item.data.type", 2, true}, {"item.data.a.b == 'x' && item.data.c", 3, false},
		{"item.data.n == 1", 0, false}, {"item.data.l[0] == 'x'", 0, false}, {"item.data.type != 'x'", 0, false}, {"item.id == 'x'", 0, false},
		{"item.data.a == 'x' || item.data.b == 'y'", 0, false},
	} {
		g := parse(t, file("item", "when: \""+tt.when+"\"\npass: 'true'\n")).guard()
		if (g == nil) != (tt.path == 0) || g != nil && (len(g.path) != tt.path || g.whole != tt.all) {
			t.Errorf("%s: got %+v", tt.when, g)
		}
	}
}
