package demo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/demo"
	"prumo.dev/prumo/internal/fact"
)

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// lines writes the facts and reads them back, as a push source would.
func lines(t *testing.T) []fact.Fact {
	t.Helper()
	var b bytes.Buffer
	if err := demo.Write(&b, demo.Facts(now)); err != nil {
		t.Fatal(err)
	}
	r := fact.NewLineReader(&b, now)
	var out []fact.Fact
	for {
		f, refused, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if refused != nil {
			t.Fatalf("line %d: %s", refused.Line, refused.Error)
		}
		out = append(out, f)
	}
}

func TestFactsAreAccepted(t *testing.T) {
	facts := lines(t)
	if len(facts) < 1000 {
		t.Errorf("%d facts, want a rich organisation", len(facts))
	}
	sources, kinds := map[string]bool{}, map[string]int{}
	for _, f := range facts {
		sources[f.Source] = true
		kinds[f.Kind]++
	}
	if len(sources) < 8 || len(sources) != len(demo.Sources()) {
		t.Errorf("%d sources with facts, %d listed, want at least 8 and as many", len(sources), len(demo.Sources()))
	}
	for _, k := range fact.Kinds() {
		if kinds[k.Name] == 0 {
			t.Errorf("no fact of kind %s", k.Name)
		}
	}
	if n := kinds["person"]; n < 110 || n > 130 {
		t.Errorf("%d people, want about 120", n)
	}
}

func TestReferencesLeadSomewhere(t *testing.T) {
	facts := lines(t)
	there := map[string]bool{}
	for _, f := range facts {
		there[f.Kind+" "+f.ID] = true
	}
	for _, f := range facts {
		k, _ := fact.KindNamed(f.Kind)
		var data map[string]any
		if err := json.Unmarshal(f.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, field := range k.Fields {
			if id, ok := data[field.Name].(string); ok && field.Ref != "" && !there[field.Ref+" "+id] {
				t.Errorf("%s: %s names %s %s, which is not there", f.ID, field.Name, field.Ref, id)
			}
		}
	}
}

func TestNothingRealIsNamed(t *testing.T) {
	var b bytes.Buffer
	if err := demo.Write(&b, demo.Facts(now)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{".com\"", ".com/", ".org", ".net\"", ".io/", ".dev"} {
		if strings.Contains(b.String(), f) {
			t.Errorf("the facts hold %q, which may belong to somebody", f)
		}
	}
}

// TestChecksHaveSomethingToSay proves that each shipped check judges something
// of the demo, that most pass, and that some fail and some are not known.
func TestChecksHaveSomethingToSay(t *testing.T) {
	set, problems := check.Load(checks.Files())
	if problems != nil {
		t.Fatal(problems)
	}
	facts := lines(t)
	byKind, byID := map[string][]*fact.Fact{}, map[string]*fact.Fact{}
	for i := range facts {
		f := &facts[i]
		byKind[f.Kind] = append(byKind[f.Kind], f)
		byID[f.Kind+" "+f.ID] = f
	}
	lookup := func(kind string, id fact.Ref, _ string) (*fact.Fact, bool) {
		f, ok := byID[kind+" "+string(id)]
		return f, ok
	}
	total := map[check.Outcome]int{}
	failing := 0
	for _, c := range set.All() {
		count := map[check.Outcome]int{}
		members := byKind[c.Kind]
		if !c.Each {
			r := c.JudgeSet(check.SetInput{Members: values(members), Now: now, Lookup: lookup, Size: len(members)})
			count[r.Outcome]++
			members = nil
		}
		for _, f := range members {
			count[c.Judge(check.Input{Fact: f, Now: now, Lookup: lookup}).Outcome]++
		}
		if count[check.Pass]+count[check.Fail]+count[check.Unknown] == 0 {
			t.Errorf("%s judges nothing of the demo", c.ID)
		}
		for o, n := range count {
			total[o] += n
		}
		if count[check.Fail] > 0 {
			failing++
		}
		t.Logf("%-42s pass %4d fail %3d unknown %3d n/a %4d", c.ID, count[check.Pass], count[check.Fail], count[check.Unknown], count[check.NotApplicable])
	}
	judged := total[check.Pass] + total[check.Fail] + total[check.Unknown]
	t.Logf("pass %d fail %d unknown %d of %d; %d of %d checks fail somewhere", total[check.Pass], total[check.Fail], total[check.Unknown], judged, failing, len(set.All()))
	if p := total[check.Pass] * 100 / judged; p < 80 || p > 97 {
		t.Errorf("%d %% pass, want a company that is mostly in order", p)
	}
	if total[check.Fail] < 30 || total[check.Unknown] < 20 || failing < 20 {
		t.Errorf("%d fail in %d checks, %d unknown: too little leans to be real", total[check.Fail], failing, total[check.Unknown])
	}
}

func values(fs []*fact.Fact) func(func(*fact.Fact) bool) {
	return slices.Values(fs)
}

func TestSameInstantGivesTheSame(t *testing.T) {
	if a, b := demo.Facts(now), demo.Facts(now); !reflect.DeepEqual(a, b) {
		t.Error("two makings of the same instant differ")
	}
}

// TestHistoryHasShape proves that the history is in order, ends in what Facts
// says, and that things turned, came and went on the way.
func TestHistoryHasShape(t *testing.T) {
	last := map[string]time.Time{}
	held := map[string]map[string]json.RawMessage{} // by source and scope
	var before time.Time
	readings, partial, changed, gone := 0, 0, 0, 0
	for r := range demo.Readings(now) {
		readings++
		if r.At.Before(before) || r.At.After(now) || r.At.Before(now.Add(-demo.Days*24*time.Hour)) {
			t.Fatalf("reading of %s at %s is out of order", r.Source, r.At)
		}
		before = r.At
		key := r.Source + " " + r.Scope
		if !last[key].IsZero() && r.At.Sub(last[key]) > 60*time.Hour {
			t.Errorf("%s was not read between %s and %s", key, last[key], r.At)
		}
		last[key] = r.At
		next := map[string]json.RawMessage{}
		for _, f := range r.Facts {
			next[f.ID] = f.Data
			if old, ok := held[key][f.ID]; ok && !bytes.Equal(old, f.Data) {
				changed++
			}
			if f.Source != r.Source || f.Scope != r.Scope || !f.ObservedAt.Equal(r.At) || !slices.Contains(r.Kinds, f.Kind) {
				t.Fatalf("%s does not fit its reading", f.ID)
			}
		}
		if !r.Complete {
			partial++
			continue
		}
		for id := range held[key] {
			if _, ok := next[id]; !ok {
				gone++
			}
		}
		held[key] = next
	}
	t.Logf("%d readings, %d partial, %d changes, %d gone", readings, partial, changed, gone)
	if readings < 500 || partial == 0 || changed < 200 || gone < 5 {
		t.Errorf("%d readings, %d partial, %d changes, %d gone: too little for a history", readings, partial, changed, gone)
	}
	for _, f := range demo.Facts(now) {
		if !bytes.Equal(held[f.Source+" "+f.Scope][f.ID], f.Data) {
			t.Fatalf("%s ends in the history as %s, not as %s", f.ID, held[f.Source+" "+f.Scope][f.ID], f.Data)
		}
	}
}
