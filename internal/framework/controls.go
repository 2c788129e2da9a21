package framework

import (
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// CountsOf turns counts as shown into counts as folded: shown, a stale verdict
// is one of the unknown; folded, it is counted once, as stale.
func CountsOf(c monitor.Counts) Counts {
	return Counts{
		Pass: c.Pass, Fail: c.Fail, Unknown: c.Unknown - c.Stale, Stale: c.Stale,
		NotApplicable: c.NotApplicable, Excepted: c.Excepted,
	}
}

// Shown is the other way round: counts as people and programs are shown them.
func (c Counts) Shown() monitor.Counts {
	return monitor.Counts{
		Pass: c.Pass, Fail: c.Fail, Unknown: c.Unknown + c.Stale, Stale: c.Stale,
		NotApplicable: c.NotApplicable, Excepted: c.Excepted,
	}
}

// ProofsOf lists the checks that prove each control, by control.
func ProofsOf(checks []*check.Check) map[string][]*check.Check {
	out := map[string][]*check.Check{}
	for _, c := range checks {
		for _, id := range c.Controls {
			out[id] = append(out[id], c)
		}
	}
	return out
}

// FoldControls folds what monitor counted by check and source into the status
// of every control of the library. Nothing else folds controls: the pages and
// the interface for programs both show this.
func (l *Library) FoldControls(checks []*check.Check, counted []monitor.CheckCount) map[string]ControlStatus {
	sums := map[string]Counts{}
	for _, n := range counted {
		sums[n.Check] = sums[n.Check].Plus(CountsOf(n.Counts))
	}
	proofs := ProofsOf(checks)
	out := map[string]ControlStatus{}
	for _, control := range l.controls {
		var said []Counts
		for _, c := range proofs[control.ID] {
			said = append(said, sums[c.ID])
		}
		out[control.ID] = FoldControl(said)
	}
	return out
}
