package monitor_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	ours "prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

func ourChecks(t testing.TB) *check.Set {
	t.Helper()
	set, problems := check.LoadAll(check.NamedFS{Name: "checks", FS: ours.Files()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return set
}

func (w *world) obligations(f monitor.ObligationFilter) []monitor.Obligation {
	w.t.Helper()
	f.Leaning = monitor.Leaning(ourChecks(w.t))
	var all []monitor.Obligation
	for {
		p, err := w.db.Obligations(w.ctx, f)
		w.must(err)
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		if f.Cursor == p.Next {
			w.t.Fatal("the cursor does not move")
		}
		f.Cursor = p.Next
	}
}

func dueNames(list []monitor.Obligation) []string {
	out := []string{}
	for _, o := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", o.Due.Format("01-02 15:04"), o.Duty, o.Check, o.Fact))
	}
	return out
}

func duties(at time.Time) []thing {
	day := func(n int) string { return at.AddDate(0, 0, n).Format(time.RFC3339) }
	return []thing{
		{kind: "record", id: "late", data: `{"title":"Restore test","state":"open","owner":"ana","due_at":"` + day(-3) + `"}`},
		{kind: "record", id: "soon", data: `{"title":"Review","state":"open","owner":"bob","due_at":"` + day(2) + `"}`},
		{kind: "record", id: "done", data: `{"title":"Test","state":"done","owner":"ana","due_at":"` + day(1) + `","ends_at":"` + day(40) + `"}`},
		{kind: "record", id: "given-up", data: `{"title":"Test","state":"rejected","due_at":"` + day(1) + `"}`},
		{kind: "secret", id: "key", data: `{"name":"ci","type":"token","active":true,"never_ends":false,"rotates":false,"expires_at":"` + day(20) + `"}`},
		{kind: "database", id: "db", data: `{"name":"db","backed_up_at":"` + day(0) + `"}`}, // a sign of life: no obligation
	}
}

func TestObligationsComeInOneOrder(t *testing.T) {
	onBoth(t, ourChecks(t), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("duties", "all", fact.Complete, []string{"record", "secret", "database"}, duties(w.now)...)
		want := []string{
			"02-26 12:00 mend record-is-done-in-time late",
			"03-03 12:00 lean record-is-done-in-time soon",
			"03-07 12:00 lean secret-is-not-expiring key",
			"03-21 12:00 lean secret-is-not-expired key",
			"04-10 12:00 lean record-is-valid done",
		}
		only := func(list []monitor.Obligation) []string {
			return dueNames(slices.DeleteFunc(list, func(o monitor.Obligation) bool { return o.Kind == "database" }))
		}
		for _, limit := range []int{0, 1, 2, 3} {
			if got := only(w.obligations(monitor.ObligationFilter{Filter: monitor.Filter{Limit: limit}})); !slices.Equal(got, want) {
				t.Fatalf("limit %d: got %q, want %q", limit, got, want)
			}
		}
		for name, c := range map[string]struct {
			f    monitor.ObligationFilter
			want []string
		}{
			"overdue":        {monitor.ObligationFilter{Overdue: true, Filter: monitor.Filter{Kind: []string{"record"}}}, want[:1]},
			"of bob":         {monitor.ObligationFilter{Filter: monitor.Filter{Owner: []string{"bob"}}}, want[1:2]},
			"span":           {monitor.ObligationFilter{From: w.now, To: w.now.AddDate(0, 0, 20), Filter: monitor.Filter{Kind: []string{"record", "secret"}}}, want[1:3]},
			"to is not in":   {monitor.ObligationFilter{To: w.now.AddDate(0, 0, 2), Filter: monitor.Filter{Kind: []string{"record"}}}, want[:1]},
			"from is":        {monitor.ObligationFilter{From: w.now.AddDate(0, 0, 40)}, want[4:]},
			"control":        {monitor.ObligationFilter{Filter: monitor.Filter{Control: []string{"document-control"}}}, want[4:]},
			"no such source": {monitor.ObligationFilter{Filter: monitor.Filter{Source: []string{"none"}}}, []string{}},
			"text":           {monitor.ObligationFilter{Filter: monitor.Filter{Text: "SOON"}}, want[1:2]},
			"duty":           {monitor.ObligationFilter{Duty: []monitor.Duty{monitor.DutyExcept}}, []string{}},
		} {
			if got := only(w.obligations(c.f)); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
		// An accepted failure is due when its exception ends.
		e, err := w.m.RequestException(w.ctx, monitor.ExceptionRequest{Check: "record-is-done-in-time", Fact: "late", Source: "duties", Reason: "no machine", Requester: "cy", Ends: w.now.AddDate(0, 0, 9)})
		w.must(err)
		w.must(w.m.ApproveException(w.ctx, e.ID, "dan"))
		got := w.obligations(monitor.ObligationFilter{Filter: monitor.Filter{Check: []string{"record-is-done-in-time"}}})
		if n := dueNames(got); !slices.Equal(n, []string{want[1], "03-10 12:00 exception record-is-done-in-time late"}) || got[1].Owner != "cy" || got[1].Source != "duties" {
			t.Errorf("with an exception: got %q, %+v", n, got)
		}
		// What is done is not listed any more; a moved date moves it under the same key.
		before := w.obligations(monitor.ObligationFilter{Filter: monitor.Filter{Check: []string{"secret-is-not-expiring"}}})
		later := duties(w.now)
		later[1].data = `{"title":"Review","state":"done","due_at":"2026-03-03T12:00:00Z"}`
		later[4].data = `{"name":"ci","type":"token","active":true,"never_ends":false,"rotates":false,"expires_at":"2026-05-01T00:00:00Z"}`
		w.now = w.now.Add(time.Hour)
		w.read("duties", "all", fact.Complete, []string{"record", "secret", "database"}, later...)
		after := w.obligations(monitor.ObligationFilter{Filter: monitor.Filter{Check: []string{"secret-is-not-expiring"}}})
		if len(before) != 1 || len(after) != 1 || before[0].Key != after[0].Key || !after[0].Due.Equal(time.Date(2026, 4, 17, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("a moved date: before %+v, after %+v", before, after)
		}
		if got := w.obligations(monitor.ObligationFilter{Filter: monitor.Filter{Owner: []string{"bob"}}}); len(got) != 0 {
			t.Errorf("what is done is listed: %+v", got)
		}
	})
}

func TestLeaningLeavesSignsOfLifeOut(t *testing.T) {
	got := monitor.Leaning(ourChecks(t))
	for id, want := range map[string]bool{
		"endpoint-certificate-is-not-expiring": true, "record-is-done-in-time": true, "record-is-valid": true, "deploy-key-is-young": true,
		"host-release-supported": true, "leaver-has-no-account": true, "collector-is-on-time": false, "account-used-lately": false,
		"database-backup-is-recent": false, "sensor-is-running": false, "host-security-updates-installed": false, "account-has-mfa": false,
	} {
		if slices.Contains(got, id) != want {
			t.Errorf("%s: got %v, want %v", id, !want, want)
		}
	}
	if monitor.Leaning(nil) != nil {
		t.Error("no checks, but something leans")
	}
}
