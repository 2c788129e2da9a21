package framework_test

import (
	"testing"
	"time"

	"prumo.dev/prumo/internal/framework"
)

type counts = framework.Counts

func TestCountsStatus(t *testing.T) {
	for _, c := range []struct {
		name string
		in   counts
		want framework.Status
	}{
		{"nothing", counts{}, framework.NotCovered},
		{"pass", counts{Pass: 3}, framework.Pass},
		{"one fail among many", counts{Pass: 1_000_000, Fail: 1}, framework.Fail},
		{"fail beats all", counts{Pass: 1, Fail: 1, Unknown: 1, NotApplicable: 1, Excepted: 1, Stale: 1}, framework.Fail},
		{"unknown beats pass", counts{Pass: 9, Unknown: 1}, framework.Unknown},
		{"unknown beats excepted", counts{Excepted: 9, Unknown: 1}, framework.Unknown},
		{"stale beats pass", counts{Pass: 9, Stale: 1}, framework.Unknown},
		{"stale beats excepted", counts{Excepted: 1, Stale: 1}, framework.Unknown},
		{"excepted beats pass", counts{Pass: 9, Excepted: 1}, framework.Excepted},
		{"excepted alone", counts{Excepted: 1}, framework.Excepted},
		{"pass beats not applicable", counts{Pass: 1, NotApplicable: 9}, framework.Pass},
		{"not applicable", counts{NotApplicable: 2}, framework.NotApplicable},
		{"negative pass", counts{Pass: -1}, framework.Unknown},
		{"negative fail hides nothing", counts{Pass: 5, Fail: -1}, framework.Unknown},
		{"negative beside fail", counts{Fail: 1, Stale: -1}, framework.Unknown},
	} {
		if got := c.in.Status(); got != c.want {
			t.Errorf("%s: %+v is %s, want %s", c.name, c.in, got, c.want)
		}
	}
}

// Over every mix of present and absent counts, a pass means that nothing
// failed, nothing is unknown or stale or excepted, and something passed.
func TestOnlyShownPasses(t *testing.T) {
	for mix := range 64 {
		bit := func(i int) int64 { return int64(mix >> i & 1) }
		c := counts{Pass: bit(0), Fail: bit(1), Unknown: bit(2), NotApplicable: bit(3), Excepted: bit(4), Stale: bit(5)}
		clean := c.Pass > 0 && c.Fail+c.Unknown+c.Excepted+c.Stale == 0
		if got := c.Status() == framework.Pass; got != clean {
			t.Errorf("%+v passes: %v, want %v", c, got, clean)
		}
		tally := framework.Tally{
			Pass: int(c.Pass), Fail: int(c.Fail), Unknown: int(c.Unknown),
			NotApplicable: int(c.NotApplicable), Excepted: int(c.Excepted), NotCovered: int(c.Stale),
		}
		if got := tally.Status() == framework.Pass; got != clean {
			t.Errorf("%+v passes: %v, want %v", tally, got, clean)
		}
		if (c.Fail > 0) != (c.Status() == framework.Fail) || (c.Fail > 0) != (tally.Status() == framework.Fail) {
			t.Errorf("%+v: a fail must show, and nothing else may fail", c)
		}
	}
}

func TestFoldControl(t *testing.T) {
	for _, c := range []struct {
		name     string
		proofs   []counts
		want     framework.Status
		seen, of int
	}{
		{name: "no check and no record", want: framework.NotCovered},
		{"a check that judged nothing", []counts{{}}, framework.NotCovered, 0, 1},
		{"one of two judged", []counts{{}, {Pass: 2}}, framework.Pass, 1, 2},
		{"one fails", []counts{{Pass: 4}, {Fail: 1}, {Unknown: 1}}, framework.Fail, 3, 3},
		{"one is stale", []counts{{Pass: 4}, {Stale: 1}}, framework.Unknown, 2, 2},
		{"one is excepted", []counts{{Pass: 4}, {Excepted: 1}}, framework.Excepted, 2, 2},
		{"none applies", []counts{{NotApplicable: 1}, {NotApplicable: 3}}, framework.NotApplicable, 2, 2},
		{"a broken count does not cancel out", []counts{{Pass: 1, Fail: -1}, {Pass: 1}}, framework.Unknown, 2, 2},
		{"a fail beside a broken count", []counts{{Fail: 1}, {Pass: -1}}, framework.Fail, 2, 2},
	} {
		got := framework.FoldControl(c.proofs)
		if got.Status != c.want || got.Seen != c.seen || got.Proofs != c.of {
			t.Errorf("%s: got %s, seen %d of %d; want %s, %d of %d", c.name, got.Status, got.Seen, got.Proofs, c.want, c.seen, c.of)
		}
	}
	sum := framework.FoldControl([]counts{{Pass: 4, Stale: 1}, {Pass: 2, Fail: 1, Unknown: 1, NotApplicable: 1, Excepted: 1}}).Counts
	if want := (counts{Pass: 6, Fail: 1, Unknown: 1, NotApplicable: 1, Excepted: 1, Stale: 1}); sum != want || sum.Total() != 11 {
		t.Errorf("sum %+v of %d, want %+v of 11", sum, sum.Total(), want)
	}
}

func TestRecordCounts(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		rec  framework.Record
		want framework.Status
	}{
		{"approved and open", framework.Record{Approved: true}, framework.Pass},
		{"approved and current", framework.Record{Approved: true, From: now, Until: now.Add(1)}, framework.Pass},
		{"expires this instant", framework.Record{Approved: true, Until: now}, framework.Unknown},
		{"not approved", framework.Record{}, framework.Unknown},
		{"not begun", framework.Record{Approved: true, From: now.Add(1)}, framework.Unknown},
	} {
		if got := c.rec.Counts(now); got.Status() != c.want || got.Total() != 1 {
			t.Errorf("%s: %+v is %s, want one %s", c.name, got, got.Status(), c.want)
		}
	}
	if got := (framework.Record{Approved: true, Until: now}).Counts(now); got.Stale != 1 {
		t.Errorf("an expired record is %+v, want stale", got)
	}
}

func TestTallyStatus(t *testing.T) {
	const (
		pass, fail, unknown = framework.Pass, framework.Fail, framework.Unknown
		excepted, na, none  = framework.Excepted, framework.NotApplicable, framework.NotCovered
	)
	for _, c := range []struct {
		in   []framework.Status
		want framework.Status
	}{
		{nil, none},
		{[]framework.Status{none, none}, none},
		{[]framework.Status{pass, pass}, pass},
		{[]framework.Status{pass, none}, unknown},
		{[]framework.Status{excepted, none}, unknown},
		{[]framework.Status{na, none}, unknown},
		{[]framework.Status{fail, none}, fail},
		{[]framework.Status{fail, unknown, excepted}, fail},
		{[]framework.Status{unknown, excepted, pass}, unknown},
		{[]framework.Status{excepted, pass, na}, excepted},
		{[]framework.Status{pass, na}, pass},
		{[]framework.Status{na, na}, na},
		{[]framework.Status{pass, "bogus"}, unknown},
	} {
		if got := framework.TallyOf(c.in...).Status(); got != c.want {
			t.Errorf("%v is %s, want %s", c.in, got, c.want)
		}
	}
}

// sample is a small framework with a group, a requirement that stands above
// another one, and a reference.
func sample() framework.Framework {
	link := func(ids ...string) (out []framework.Mapping) {
		for _, id := range ids {
			out = append(out, framework.Mapping{Control: id, Source: framework.Judgement})
		}
		return out
	}
	return framework.Framework{ID: "x", Version: 1, Edition: "1", Requirements: []framework.Requirement{
		{ID: "g", Kind: "group", Title: framework.Text{"en": "Group"}},
		{ID: "g.1", Kind: "standard", Parent: "g", Title: framework.Text{"en": "One"}, Mappings: link("a", "b")},
		{ID: "g.1.1", Kind: "spec", Designation: "required", Parent: "g.1", Title: framework.Text{"en": "Deep"}, Mappings: link("c")},
		{ID: "h", Kind: "group", Title: framework.Text{"en": "Empty"}},
		{ID: "i", Kind: "obligation", Title: framework.Text{"en": "Top"}, Mappings: link("a")},
		{ID: "r", Kind: "reference", Title: framework.Text{"en": "Definitions"}},
	}}
}

func TestFoldFramework(t *testing.T) {
	f := sample()
	got := f.Fold(map[string]framework.Status{"a": framework.Pass, "c": framework.Fail, "stranger": framework.Fail})
	want := map[string]framework.Status{
		"g": framework.Fail, "g.1": framework.Unknown, "g.1.1": framework.Fail,
		"h": framework.NotCovered, "i": framework.Pass, "r": framework.NotCovered,
	}
	for _, r := range got.Each {
		if r.Status != want[r.ID] {
			t.Errorf("%s is %s, want %s", r.ID, r.Status, want[r.ID])
		}
	}
	if got.Status != framework.Fail || got.Requirements != (framework.Tally{Pass: 1, Fail: 1, Unknown: 1}) {
		t.Errorf("framework is %s, %+v", got.Status, got.Requirements)
	}
	if seen, of := got.Coverage(); seen != 2 || of != 3 {
		t.Errorf("coverage is %d of %d, want 2 of 3", seen, of)
	}
	if below := got.Each[0].Below; below != (framework.Tally{Fail: 1, Unknown: 1}) {
		t.Errorf("below g: %+v, want one fail and one unknown", below)
	}
	if below := got.Each[1].Below; below != (framework.Tally{Fail: 1}) {
		t.Errorf("below g.1: %+v, want one fail", below)
	}
	if one := got.Each[1].Controls; one != (framework.Tally{Pass: 1, NotCovered: 1}) {
		t.Errorf("controls of g.1: %+v", one)
	}
}

func TestReadiness(t *testing.T) {
	f := sample()
	all := map[string]framework.Status{"a": framework.Pass, "b": framework.Pass, "c": framework.Excepted}
	if _, ok := f.Fold(all).Readiness(); ok {
		t.Error("an unreviewed mapping has a readiness")
	}
	reviews := []framework.Review{
		{Requirement: "g.1", Control: "a", By: "Ana", On: "2026-01-02"},
		{Requirement: "g.1", Control: "b", By: "Ana", On: "2026-01-02"},
		{Requirement: "g.1.1", Control: "c", By: "Ana", On: "2026-01-02"},
		{Requirement: "i", Control: "a", On: "2026-01-02"}, // nobody signed it
		{Requirement: "gone", Control: "a", By: "Ana", On: "2026-01-02"},
	}
	part := f.WithReviews(reviews).Fold(all)
	if _, ok := part.Readiness(); ok || part.MappingReviewed() || part.Reviewed != 3 || part.Links != 4 {
		t.Errorf("reviewed %d of %d with a readiness: %v; want 3 of 4 and none", part.Reviewed, part.Links, ok)
	}
	reviews[3].By = "Rui"
	full := f.WithReviews(reviews)
	if p, ok := full.Fold(all).Readiness(); !ok || p != 66 {
		t.Errorf("readiness %d, %v; want 66: an exception is no pass", p, ok)
	}
	if _, ok := full.Fold(map[string]framework.Status{"a": framework.NotApplicable, "b": framework.NotApplicable, "c": framework.NotApplicable}).Readiness(); ok {
		t.Error("a framework that does not apply has a readiness")
	}
	if f.Requirements[1].Mappings[0].Reviewed() {
		t.Error("WithReviews wrote into the framework that it was called on")
	}
	empty := framework.Framework{ID: "y", Requirements: []framework.Requirement{{ID: "1", Kind: "control"}}}
	if s := empty.Fold(nil); s.MappingReviewed() || s.Status != framework.NotCovered {
		t.Errorf("a framework without mappings: reviewed %v, %s", s.MappingReviewed(), s.Status)
	}
}
