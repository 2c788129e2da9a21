package check

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRunnerEqualsJudge judges random items by a runner and check by check.
func TestRunnerEqualsJudge(t *testing.T) {
	folder := fstest.MapFS{}
	for i, w := range []string{
		"", "item.data.t == 'a'", "'b' == item.data.t", "item.data.t == 'a' && item.data.u == 'b'", "item.data.u == 'b' && item.data.n > 1",
		"item.data.t == 'a' || item.data.u == 'b'", "item.data.m.t == 'a'", "item.data.t == 'a' && timestamp(item.data.t).passed()",
	} {
		text := strings.Replace(file("item", "pass: item.data.n >= params.n\nparams: {n: 2}\n"), "id: t\n", fmt.Sprintf("id: t%d\n", i), 1)
		text = strings.Replace(text, "{en: M}", `{en: "{{item.id}} {{item.data.n}} {{item.data.x}}"}`, 1)
		if w != "" {
			text = "when: \"" + w + "\"\n" + text
		}
		folder[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	set, problems := Load(folder)
	if problems != nil {
		t.Fatal(problems)
	}
	over := map[string]map[string]any{"t3": {"n": 3}}
	r := set.Runner(over)
	rng := rand.New(rand.NewPCG(3, 4))
	values := []string{`"a"`, `"b"`, `"\u0061"`, `1`, `2`, `3`, `null`, `true`, `{"t":"a"}`, `[]`}
	for range 2000 {
		var fields []string
		for _, k := range []string{"t", "u", "n", "m", "x"} {
			if rng.IntN(4) > 0 {
				fields = append(fields, fmt.Sprintf("%q:%s", k, values[rng.IntN(len(values))]))
			}
		}
		in := Input{Fact: newFact("item", "i", "{"+strings.Join(fields, ",")+"}"), Now: clock}
		got := map[string]string{}
		r.Judge(in, func(c *Check, res *Result) { got[c.ID] = res.Outcome.String() + " " + res.Reason })
		for _, c := range set.All() {
			in.Params = over[c.ID]
			want := c.Judge(in)
			g, judged := got[c.ID]
			if !judged {
				g = "not_applicable "
			}
			if g != want.Outcome.String()+" "+want.Reason {
				t.Fatalf("%s (%s) of %s: got %q, want %v %s", c.ID, c.When, in.Fact.Data, g, want.Outcome, want.Reason)
			}
		}
	}
}
