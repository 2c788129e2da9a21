package monitor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

func broken(id string) thing { return account(id, `{"login":"`+id+`","active":true,"mfa":false}`) }

func sound(id string) thing { return account(id, `{"login":"`+id+`","active":true,"mfa":true}`) }

// standing lists the open findings by the thing that they are about.
func (w *world) standing() map[string]monitor.Finding {
	w.t.Helper()
	p, err := w.db.Findings(w.ctx, monitor.Filter{OpenOnly: true, Limit: 100})
	w.must(err)
	out := map[string]monitor.Finding{}
	for _, f := range p.Items {
		out[f.Fact] = f
		one, found, err := w.db.Finding(w.ctx, f.ID)
		w.must(err)
		if !found || len(one.Silences) != len(f.Silences) {
			w.t.Errorf("finding %s: the list shows %d silences, the page %d", f.Fact, len(f.Silences), len(one.Silences))
		}
	}
	return out
}

// kinds says what holds for a finding.
func kinds(f monitor.Finding) string {
	var out []string
	for _, s := range f.Silences {
		out = append(out, string(s.Kind)+" by "+s.By)
	}
	return strings.Join(out, ", ")
}

// TestSilences acknowledges and mutes a finding and a whole cause: each is
// shown, adds a leaf, ends in time or when it is taken back, and never turns a
// status.
func TestSilences(t *testing.T) {
	onBoth(t, checks(t, mfaCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("code", "members", fact.Complete, accounts, broken("a"), broken("b"), sound("c"))
		f := w.standing()
		leaves := w.leaves()
		_, err := w.m.Silence(w.ctx, monitor.SilenceRequest{Kind: monitor.Acknowledge, Finding: f["a"].ID, By: "ann", Via: "console"})
		w.must(err)
		ids, err := w.m.Silence(w.ctx, monitor.SilenceRequest{Kind: monitor.Mute, Cause: f["a"].Cause, By: "bob", Reason: "a new phone is on its way", Until: w.now.Add(time.Hour), Via: "link"})
		w.must(err)
		if n := w.leaves(); n != leaves+2 {
			t.Errorf("two acts added %d leaves", n-leaves)
		}
		if got := kinds(w.standing()["a"]) + "; " + kinds(w.standing()["b"]); got != "acknowledge by ann, mute by bob; mute by bob" {
			t.Errorf("shown: %s", got)
		}
		if s := w.standing()["b"].Status; s != monitor.StatusFail {
			t.Errorf("a mute made it %s", s)
		}
		// It passes and fails again: the mute still holds, the acknowledgement was of the first.
		w.pass(time.Minute)
		w.read("code", "members", fact.Complete, accounts, sound("a"), broken("b"), sound("c"))
		w.pass(time.Minute)
		w.read("code", "members", fact.Complete, accounts, broken("a"), broken("b"), broken("c"))
		if got := kinds(w.standing()["a"]) + "; " + kinds(w.standing()["c"]); got != "mute by bob; " {
			t.Errorf("after it failed anew: %s", got)
		}
		w.must(w.m.EndSilence(w.ctx, ids[0], "cid"))
		if got := kinds(w.standing()["b"]); got != "" {
			t.Errorf("taken back: %s", got)
		}
		if err := w.m.EndSilence(w.ctx, ids[0], "cid"); !errors.Is(err, monitor.ErrInput) {
			t.Errorf("taken back twice: %v", err)
		}
		_, err = w.m.Silence(w.ctx, monitor.SilenceRequest{
			Kind: monitor.Mute, Cause: f["b"].Cause, Parts: []monitor.CausePart{{Check: f["b"].Check, Owner: "somebody else"}}, By: "bob", Reason: "r", Until: w.now.Add(time.Hour),
		})
		w.must(err)
		if got := kinds(w.standing()["b"]); got != "" {
			t.Errorf("the part of another owner was muted: %s", got)
		}
		_, err = w.m.Silence(w.ctx, monitor.SilenceRequest{
			Kind: monitor.Mute, Cause: f["b"].Cause, Parts: []monitor.CausePart{{Check: f["b"].Check, Owner: f["b"].Owner}}, By: "bob", Reason: "r", Until: w.now.Add(time.Hour),
		})
		w.must(err)
		if got := kinds(w.standing()["b"]); got != "mute by bob" {
			t.Errorf("the part: %s", got)
		}
		if p, err := w.db.Silences(w.ctx, monitor.Filter{}); err != nil || len(p.Items) != 3 || p.Items[0].Check != f["b"].Check || p.Items[0].Cause != f["b"].Cause {
			t.Errorf("the list: %+v, %v", p.Items, err)
		}
		w.pass(2 * time.Hour)
		if got := kinds(w.standing()["b"]); got != "" {
			t.Errorf("after its end: %s", got)
		}
	})
}

func TestSilencesThatAreRefused(t *testing.T) {
	w := newWorld(t, "", checks(t, mfaCheck), monitor.Settings{})
	w.read("code", "members", fact.Complete, accounts, broken("a"))
	f := w.standing()["a"]
	leaves := w.leaves()
	soon := w.now.Add(time.Hour)
	for what, q := range map[string]monitor.SilenceRequest{
		"no kind":           {Finding: f.ID, By: "a", Reason: "r", Until: soon},
		"nothing named":     {Kind: monitor.Mute, By: "a", Reason: "r", Until: soon},
		"both named":        {Kind: monitor.Mute, Finding: f.ID, Cause: f.Cause, By: "a", Reason: "r", Until: soon},
		"nobody":            {Kind: monitor.Mute, Finding: f.ID, Reason: "r", Until: soon},
		"a mute needs why":  {Kind: monitor.Mute, Finding: f.ID, By: "a", Reason: " ", Until: soon},
		"a mute has an end": {Kind: monitor.Mute, Finding: f.ID, By: "a", Reason: "r"},
		"in the past":       {Kind: monitor.Acknowledge, Finding: f.ID, By: "a", Until: w.now},
		"too long":          {Kind: monitor.Mute, Finding: f.ID, By: "a", Reason: "r", Until: w.now.AddDate(0, 0, 31)},
		"no such finding":   {Kind: monitor.Mute, Finding: "x", By: "a", Reason: "r", Until: soon},
		"no such cause":     {Kind: monitor.Mute, Cause: "x", By: "a", Reason: "r", Until: soon},
	} {
		if _, err := w.m.Silence(w.ctx, q); !errors.Is(err, monitor.ErrInput) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if n := w.leaves(); n != leaves {
		t.Errorf("what was refused added %d leaves", n-leaves)
	}
	due := w.now.AddDate(0, 0, 3)
	w.must(w.m.SetDue(w.ctx, f.ID, due, "ann"))
	if got := w.standing()["a"].DueAt; !got.Equal(due) || w.leaves() != leaves+1 {
		t.Errorf("due %s with %d new leaves, want %s with one", got, w.leaves()-leaves, due)
	}
	if err := w.m.SetDue(w.ctx, "x", due, "ann"); !errors.Is(err, monitor.ErrInput) {
		t.Errorf("due date of nothing: %v", err)
	}
}

// leaves counts the ledger.
func (w *world) leaves() (n int64) {
	w.t.Helper()
	w.must(w.db.Read(w.ctx, func(tx *store.Tx) error {
		return tx.Row(w.ctx, []any{&n}, "SELECT COUNT(*) FROM ledger_leaf")
	}))
	return n
}
