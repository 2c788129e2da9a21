package things

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/ui"
)

func env(t testing.TB) *ui.Env {
	t.Helper()
	w, err := ui.LoadWords()
	if err != nil {
		t.Fatal(err)
	}
	return &ui.Env{Lang: w.In("en"), Zone: time.UTC}
}

func TestFieldsDrawWhatNobodySaid(t *testing.T) {
	got := map[string]Field{}
	for _, f := range Fields(env(t), "repository", json.RawMessage(`{"name":"a/b","public":false,"protection":{"enabled":true},"unlocked_manifests":[],"url":""}`)) {
		got[f.Name] = f
	}
	for name, want := range map[string]string{"name": "a/b", "public": "no", "protection.enabled": "yes", "unlocked_manifests": "none", "url": "empty"} {
		if f := got[name]; !f.Known || f.Value != want {
			t.Errorf("%s: got %+v, want %q", name, f, want)
		}
	}
	for _, name := range []string{"archived", "protection.approvals", "owner"} {
		if f, ok := got[name]; !ok || f.Known {
			t.Errorf("%s: got %+v, want a field that nobody said", name, f)
		}
	}
}

func TestReadsPicksWhatACheckReads(t *testing.T) {
	fields := []Field{{Name: "mfa"}, {Name: "mfa_methods"}, {Name: "active"}, {Name: "protection.enabled"}, {Name: "protection.approvals"}}
	var got []string
	for _, f := range Reads(fields, "account.active", "account.mfa && account.protection.enabled") {
		got = append(got, f.Name)
	}
	if d := cmp.Diff([]string{"mfa", "active", "protection.enabled"}, got); d != "" {
		t.Error(d)
	}
}

func TestChangesTellsStatesApart(t *testing.T) {
	got := Changes(json.RawMessage(`{"mfa":true,"roles":["a"],"p":{"x":1},"same":1}`), json.RawMessage(`{"mfa":false,"p":{"x":2},"new":"v","same":1}`))
	want := []ui.Change{
		{Field: "mfa", Before: "true", After: "false"},
		{Field: "new", After: `"v"`, Arrive: true},
		{Field: "p.x", Before: "1", After: "2"},
		{Field: "roles", Before: `["a"]`, Gone: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHistoryTellsWhatTurned(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 1, h, 0, 0, 0, time.UTC) }
	got := History(
		[]monitor.FactVersion{{From: at(3), Data: json.RawMessage(`{"mfa":false}`)}, {From: at(1), Data: json.RawMessage(`{"mfa":true}`)}, {From: at(9), Gone: true}},
		[]monitor.Interval{
			{Check: "c", Outcome: check.Pass, From: at(1)}, {Check: "c", Outcome: check.Fail, From: at(3), Reason: "why"},
			{Check: "c", Outcome: check.Fail, From: at(4)}, {Check: "late", Outcome: check.Fail, From: at(20)},
		}, at(10))
	var short []string
	for _, e := range got {
		short = append(short, e.At.Format("15 ")+e.Check+" "+string(e.From)+">"+string(e.To))
	}
	want := []string{"09  >", "03  >", "03 c pass>fail", "01  >"}
	if d := cmp.Diff(want, short); d != "" {
		t.Error(d)
	}
}

func FuzzFields(f *testing.F) {
	f.Add("repository", `{"name":"a","protection":{"enabled":true}}`)
	f.Add("item", `{"a":{"b":[1,null,{"c":2}]}}`)
	f.Add("account", `null`)
	e := env(f)
	f.Fuzz(func(t *testing.T, kind, data string) {
		for _, x := range Fields(e, kind, json.RawMessage(data)) {
			if utf8.RuneCountInString(x.Value) > maxValue+1 {
				t.Errorf("%s has %d characters", x.Name, utf8.RuneCountInString(x.Value))
			}
		}
		Changes(json.RawMessage(data), json.RawMessage(`{"a":1}`))
	})
}
