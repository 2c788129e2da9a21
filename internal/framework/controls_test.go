package framework_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
)

func TestFoldControls(t *testing.T) {
	lib := load(t)
	ids := lib.Controls()
	proof := func(id string, controls ...string) *check.Check {
		return &check.Check{Def: check.Def{ID: id, Controls: controls}}
	}
	checks := []*check.Check{proof("a", ids[0].ID, ids[1].ID), proof("b", ids[0].ID), proof("silent", ids[2].ID)}
	counted := []monitor.CheckCount{
		{Check: "a", Source: "x", Counts: monitor.Counts{Pass: 3, Unknown: 2, Stale: 2}},
		{Check: "a", Source: "y", Counts: monitor.Counts{Pass: 1, Excepted: 1}},
		{Check: "b", Source: "x", Counts: monitor.Counts{Fail: 1}},
		{Check: "gone", Source: "x", Counts: monitor.Counts{Fail: 9}},
	}
	got := lib.FoldControls(checks, counted)
	if len(got) != len(ids) {
		t.Fatalf("folded %d controls, want %d", len(got), len(ids))
	}
	a := framework.Counts{Pass: 4, Stale: 2, Excepted: 1}
	want := map[string]framework.ControlStatus{
		ids[0].ID: {Status: framework.Fail, Counts: a.Plus(framework.Counts{Fail: 1}), Proofs: 2, Seen: 2},
		ids[1].ID: {Status: framework.Unknown, Counts: a, Proofs: 1, Seen: 1},
		ids[2].ID: {Status: framework.NotCovered, Proofs: 1},
		ids[3].ID: {Status: framework.NotCovered},
	}
	for id, w := range want {
		if d := cmp.Diff(w, got[id]); d != "" {
			t.Errorf("control %s (-want +got):\n%s", id, d)
		}
	}
	shown := got[ids[1].ID].Counts.Shown()
	if want := (monitor.Counts{Pass: 4, Unknown: 2, Stale: 2, Excepted: 1}); shown != want {
		t.Errorf("shown: got %+v, want %+v", shown, want)
	}
	if back := framework.CountsOf(shown); back != a {
		t.Errorf("there and back: got %+v, want %+v", back, a)
	}
}
