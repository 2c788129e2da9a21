package check

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
)

func members(kind string, data ...string) SetInput {
	var fs []*fact.Fact
	for i, d := range data {
		fs = append(fs, newFact(kind, fmt.Sprintf("m%d", i), d))
	}
	return SetInput{Members: slices.Values(fs), Now: clock, Size: len(fs)}
}

func TestJudgeSet(t *testing.T) {
	const (
		yes, no, silent = `{"active":true,"mfa":true,"uid":1}`, `{"active":true,"mfa":false,"uid":2}`, `{"active":true}`
		off, maybe      = `{"active":false,"mfa":false}`, `{"mfa":true,"uid":3}`
		maybeNot        = `{"mfa":false,"uid":4}`
	)
	for _, tt := range []struct {
		when, pass, more string
		data             []string
		want             Outcome
	}{
		{"", "accounts.all(a, a.mfa)", "", []string{yes, yes}, Pass},
		{"", "accounts.all(a, a.mfa)", "", []string{yes, no, silent}, Fail},
		{"", "accounts.all(a, a.mfa)", "", []string{yes, silent}, Unknown},
		{"", "accounts.all(a, a.mfa)", "", nil, NotApplicable},
		{"", "accounts.all(a, a.mfa)", "empty: pass\n", nil, Pass},
		{"", "accounts.all(a, a.mfa)", "empty: not_applicable\n", nil, NotApplicable},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{off}, NotApplicable},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{off, yes}, Pass},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{yes, maybe}, Pass},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{yes, maybeNot}, Unknown},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{no, maybeNot}, Fail},
		{"account.active", "accounts.all(a, a.mfa)", "", []string{maybe}, Unknown}, // it passes with it, and does not apply without
		{"account.active", "accounts.all(a, a.mfa)", "empty: pass\n", []string{maybe}, Pass},
		{"", "accounts.filter(a, a.mfa).size() >= 2", "", []string{yes, no, yes}, Pass},
		{"", "accounts.filter(a, a.mfa).size() >= 2", "", []string{yes, no, silent}, Unknown},
		{"", "accounts.filter(a, a.mfa).size() >= 1", "", []string{yes, silent}, Unknown}, // filter does not absorb
		{"", "size(accounts.filter(a, a.mfa)) == params.n", "params: {n: 2}\n", []string{yes, yes}, Pass},
		{"", "params.n < size(accounts)", "params: {n: 2}\n", []string{yes, yes}, Fail},
		{"account.active", "accounts.size() <= 1", "", []string{yes, maybe}, Unknown},
		{"account.active", "accounts.size() <= 2", "", []string{yes, maybe}, Pass},
		{"account.active", "accounts.exists(a, a.mfa) || accounts.all(a, !a.mfa)", "", []string{yes, maybeNot}, Pass},
		{"account.active", "accounts.exists(a, a.mfa) == accounts.exists(a, a.uid == 3)", "empty: pass\n", []string{maybe}, Pass},
		{"", "accounts.exists_one(a, a.mfa)", "", []string{yes, no}, Pass},
		{"", "accounts.exists_one(a, a.mfa)", "", []string{yes, silent}, Unknown},
		{"", "accounts.map(a, a.uid).exists(u, u == 2)", "", []string{yes, no}, Pass},
		{"", "accounts.all(a, accounts.exists_one(b, b.uid == a.uid))", "", []string{yes, no}, Pass},
		{"", "accounts.all(a, accounts.exists_one(b, b.uid == a.uid))", "", []string{yes, yes}, Fail},
		{"account.active", "accounts.all(a, accounts.exists_one(b, b.uid == a.uid))", "", []string{yes, maybe, maybe}, Unknown},
		{"account.active", "accounts.all(a, accounts.exists_one(b, b.uid == a.uid))", "", []string{yes, yes, maybe}, Fail},
		{"", "accounts[0].mfa", "", []string{yes, no}, Pass},
		{"", "accounts[3].mfa", "", []string{yes, no}, Unknown},
	} {
		rest := "each: false\npass: " + tt.pass + "\n" + tt.more
		if tt.when != "" {
			rest += "when: " + tt.when + "\n"
		}
		c := parse(t, file("account", rest))
		r := c.JudgeSet(members("account", tt.data...))
		if r.Outcome != tt.want || r.Outcome == Unknown && r.Reason == "" {
			t.Errorf("%s of %v: got %v (%s), want %v", tt.pass, tt.data, r.Outcome, r.Reason, tt.want)
		}
	}
}

func TestSetReasonAndMessage(t *testing.T) {
	text := strings.Replace(file("account", "each: false\npass: accounts.all(a, a.mfa)\n"), "message: {en: M}",
		`message: {en: "{{accounts.filter(a, !a.mfa).map(a, a.id)}} of {{accounts.size()}}"}`, 1)
	c := parse(t, text)
	if r := c.JudgeSet(members("account", `{"mfa":true}`, `{"mfa":false}`, `{"mfa":false}`)); r.Reason != "m1, m2 of 3" {
		t.Errorf("got %v %q", r.Outcome, r.Reason)
	}
	r := c.JudgeSet(members("account", `{"mfa":true}`, `{}`, `{}`))
	if r.Reason != `accounts.m1.mfa, accounts.m2.mfa were not said` {
		t.Errorf("got %v %q", r.Outcome, r.Reason)
	}
}

// TestLargeSetKeepsOnlyItsMembers: the memory of a set follows those that belong
// to it, not those that are looked at.
func TestLargeSetKeepsOnlyItsMembers(t *testing.T) {
	c := parse(t, file("account", "each: false\nwhen: account.admin\npass: accounts.all(a, accounts.filter(b, b.system == a.system).size() <= 2)\n"))
	if _, ok := c.Countable(); ok {
		t.Fatal("the check is counted, so that this proves nothing")
	}
	looked := 0
	in := SetInput{Now: clock, Members: func(yield func(*fact.Fact) bool) {
		for i := range 20_000 {
			looked++
			f := newFact("account", fmt.Sprintf("m%d", i), fmt.Sprintf(`{"admin":%v,"system":"s%d"}`, i%5_000 == 7, i%10_000))
			if !yield(f) {
				return
			}
		}
	}}
	s, err := c.gather(in)
	defer s.done()
	if err != nil || looked != 20_000 || len(s.members) != 4 {
		t.Fatalf("got %d members of %d looked at, %v; want 4 of 20000", len(s.members), looked, err)
	}
	if len(s.e.slabs) > 2 {
		t.Errorf("the set of four holds %d slabs of %d values, want 2 at most", len(s.e.slabs), slabSize)
	}
	if r := s.judge(); r.Outcome != Pass {
		t.Errorf("got %v %s, want pass: two of each system", r.Outcome, r.Reason)
	}
}

// TestCountsEqualSet folds the counts of random sets and compares with trying
// every way of taking the doubtful members in.
func TestCountsEqualSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, pass := range []string{
		"accounts.all(a, a.mfa)",
		"accounts.exists(a, a.mfa)",
		"!accounts.exists(a, a.mfa && a.admin)",
		"accounts.filter(a, a.mfa).size() >= 2",
		"2 > size(accounts.filter(x, x.admin))",
		"accounts.size() != 3",
		"accounts.all(a, a.mfa) || accounts.filter(a, a.admin).size() == params.n",
		"accounts.exists(a, a.admin) && accounts.all(b, !b.admin || b.mfa) && accounts.size() <= 4",
		"!(accounts.exists(a, a.mfa) || accounts.exists(a, !a.mfa))",
	} {
		for _, empty := range []string{"", "empty: pass\n"} {
			c := parse(t, file("account", "each: false\nwhen: account.active\nparams: {n: 1}\npass: '"+pass+"'\n"+empty))
			if _, ok := c.Countable(); !ok {
				t.Fatalf("%s is not counted", pass)
			}
			for range 300 {
				var data []string
				for range rng.IntN(6) {
					var fields []string
					for _, f := range []string{"active", "mfa", "admin"} {
						if v := rng.IntN(5); v < 4 {
							fields = append(fields, fmt.Sprintf("%q:%t", f, v < 2 || f == "active" && v < 3))
						}
					}
					data = append(data, "{"+strings.Join(fields, ",")+"}")
				}
				in := members("account", data...)
				s, err := c.gather(in)
				if err != nil {
					t.Fatal(err)
				}
				want := s.judge().Outcome
				s.done()
				if got := c.JudgeSet(in); got.Outcome != want {
					t.Fatalf("%s of %v: got %v (%s), want %v", pass, data, got.Outcome, got.Reason, want)
				}
			}
		}
	}
}

func TestNotCountable(t *testing.T) {
	for _, pass := range []string{
		"accounts.exists_one(a, a.mfa)", "accounts.all(a, accounts.exists(b, b.uid == a.uid))",
		"accounts.map(a, a.uid).size() == 1", "accounts.map(a, a.mfa, a.uid).size() == 1", "accounts[0].mfa",
		"accounts.filter(a, a.mfa).all(a, a.admin)",
	} {
		c := parse(t, file("account", "each: false\npass: "+pass+"\n"))
		if _, ok := c.Countable(); ok {
			t.Errorf("%s is counted", pass)
		}
	}
}

func TestTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		pass string
		want Outcome
		due  string
	}{
		{"account.created_at.olderThan(days(90))", Pass, ""},
		{"account.created_at.olderThan(days(3650))", Fail, "2035-12-30T00:00:00Z"},
		{"!account.created_at.olderThan(duration('5000h'))", Pass, "2026-07-28T08:00:00Z"},
		{"account.created_at.passed()", Pass, ""},
		{"account.expires_at.passed()", Fail, "2026-06-11T00:00:00Z"},
		{"account.expires_at.within(days(30))", Pass, ""},
		{"account.created_at.within(days(30))", Pass, ""},
		{"account.expires_at.within(days(3))", Fail, "2026-06-08T00:00:00Z"},
		{"account.expires_at.within(days(3)) || account.expires_at.passed()", Fail, "2026-06-08T00:00:00Z"},
		{"account.expires_at.passed() && account.expires_at.within(days(3))", Fail, "2026-06-11T00:00:00Z"},
		{"account.mfa || account.expires_at.passed()", Unknown, "2026-06-11T00:00:00Z"},
		{"account.active || account.expires_at.passed()", Pass, ""},
		{"account.last_sign_in.passed()", Unknown, ""},
		{"timestamp('2026-06-01T12:00:00Z').passed()", Pass, ""},
		{"timestamp('2026-06-01T12:00:01Z').passed()", Fail, "2026-06-01T12:00:01Z"},
		{"timestamp('2026-06-01T11:00:00Z').olderThan(duration('1h'))", Pass, ""},
		{"timestamp('2026-06-01T13:00:00Z').within(duration('1h'))", Pass, ""},
		{"account.created_at.olderThan(days(9223372036854775807))", Unknown, ""},
	} {
		c := parse(t, file("account", "pass: "+strconvQuote(tt.pass)+"\n"))
		r := c.Judge(Input{Now: clock, Fact: newFact("account", "a", `{"active":true,"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-06-11T00:00:00Z"}`)})
		var due time.Time
		if tt.due != "" {
			due = at(tt.due)
		}
		if r.Outcome != tt.want || !r.Due.Equal(due) {
			t.Errorf("%s: got %v (%s) due %v, want %v due %v", tt.pass, r.Outcome, r.Reason, r.Due, tt.want, due)
		}
		if !c.UsesTime() {
			t.Errorf("%s: does not say that it uses time", tt.pass)
		}
		if due.IsZero() {
			continue
		}
		// The answer holds until just before it is due and is judged anew there.
		in := Input{Now: due.Add(-1), Fact: newFact("account", "a", `{"active":true,"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-06-11T00:00:00Z"}`)}
		if got := c.Judge(in); got.Outcome != tt.want {
			t.Errorf("%s: flipped before %v", tt.pass, due)
		}
	}
}

func strconvQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// TestCostLimit gives expressions that would run for ages.
func TestCostLimit(t *testing.T) {
	list := "[" + strings.Repeat("1,", 5000) + "1]"
	for _, pass := range []string{
		"item.data.l.all(a, item.data.l.all(b, item.data.l.all(c, a + b + c > 0)))",
		"item.data.l.map(a, item.data.l.map(b, a + b)).size() > 0",
		"item.data.l.all(a, item.data.s.matches(item.data.p))",
		"item.data.l.all(a, !((a + 7) in item.data.l))",
		"item.data.l.all(a, item.data.l == item.data.l)",
		"item.data.l.all(a, !item.data.l.exists(b, item.data.l[b] == 7))",
		"item.data.l.map(a, item.data.s + item.data.s).size() > 0",
		"item.data.l.all(a, [a].all(b, item.data.s.size() + b > 0))",
		"(" + strings.Repeat("item.data.s + ", 100) + "'x').size() > 0",
	} {
		c := parse(t, file("item", "pass: "+strconvQuote(pass)+"\n"))
		start := time.Now()
		r := c.Judge(Input{Now: clock, Fact: newFact("item", "a", `{"l":`+list+`,"s":"`+strings.Repeat("a", 50_000)+`","p":"^(a|aa)+$"}`)})
		if r.Outcome != Unknown || r.Reason != "the expression exceeded its cost limit" {
			t.Errorf("%s: got %v %q", pass, r.Outcome, r.Reason)
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%s: took %v", pass, d)
		}
	}
}

func TestParams(t *testing.T) {
	c := parse(t, file("item", "params: {n: 3, f: 1.5, s: red, l: [a, b], on: true, m: {k: 1}}\npass: item.data.n >= params.n && params.f > 1.0 && params.s == 'red' && 'b' in params.l && params.on && params.m.k == 1\n"))
	in := Input{Now: clock, Fact: newFact("item", "a", `{"n":3}`)}
	if r := c.Judge(in); r.Outcome != Pass {
		t.Errorf("got %v %s", r.Outcome, r.Reason)
	}
	in.Params = map[string]any{"n": float64(4)}
	if r := c.Judge(in); r.Outcome != Fail {
		t.Errorf("got %v %s", r.Outcome, r.Reason)
	}
	in.Params = map[string]any{"n": 3, "f": 2, "l": []any{"b"}}
	if r := c.Judge(in); r.Outcome != Pass {
		t.Errorf("got %v %s", r.Outcome, r.Reason)
	}
	in.Params = map[string]any{"n": "many"}
	if r := c.Judge(in); r.Outcome != Unknown || !strings.Contains(r.Reason, "parameter n") {
		t.Errorf("got %v %s", r.Outcome, r.Reason)
	}
	if err := c.CheckParams(map[string]any{"x": 1}); err == nil {
		t.Error("took a parameter that is not there")
	}
}

func TestRefs(t *testing.T) {
	c := parse(t, file("account", "pass: account.person.manager.active && [account].all(a, a.host.name == 'x')\n"))
	want := []RefPath{{"account", "person", "person"}, {"person", "manager", "person"}, {"account", "host", "host"}}
	if got := c.Refs(); len(got) != 3 || !slices.Contains(got, want[0]) || !slices.Contains(got, want[1]) || !slices.Contains(got, want[2]) {
		t.Errorf("got %v", got)
	}
	r := c.Judge(Input{Now: clock, Fact: newFact("account", "a", `{"person":"p","host":"h"}`)})
	if len(r.Refs) != 2 || r.Reason != "account.host, account.person lead nowhere" {
		t.Errorf("got %v %q", r.Refs, r.Reason)
	}
}
