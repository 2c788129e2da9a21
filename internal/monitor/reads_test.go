package monitor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// people fills a source with n accounts, each third of which fails.
func people(n int) []thing {
	out := make([]thing, n)
	for i := range out {
		out[i] = account(fmt.Sprintf("a%03d", i), fmt.Sprintf(`{"login":"u%d","active":true,"mfa":%v}`, i, i%3 != 0))
	}
	return out
}

func TestListsPageThroughEverythingOnce(t *testing.T) {
	onBoth(t, checks(t, mfaCheck, leaverCheck, adminCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("code", "members", fact.Complete, accounts, people(120)...)
		w.read("other", "members", fact.Complete, accounts, people(30)...)
		w.pass(2 * time.Second)
		for _, f := range []monitor.Filter{
			{}, {Status: []monitor.Status{monitor.StatusFail}}, {Source: []string{"other"}}, {Text: "u1"}, {Sort: "check"}, {Sort: "-since"}, {Sort: "fact"},
			{Severity: []check.Severity{check.High}}, {Control: []string{"admins"}}, {At: w.now.Add(-time.Second)},
		} {
			f.Limit = 7
			seen := map[string]bool{}
			n := int64(0)
			for page := 0; ; page++ {
				p, err := w.db.Verdicts(w.ctx, f)
				w.must(err)
				for _, v := range p.Items {
					k := v.Check + "/" + v.Source + "/" + v.Fact
					if seen[k] {
						t.Fatalf("filter %+v: %s came twice", f, k)
					}
					seen[k] = true
					n++
				}
				if p.Next == "" {
					if p.Total >= 0 && p.Total != n {
						t.Errorf("filter %+v: total %d, listed %d", f, p.Total, n)
					}
					break
				}
				if f.Cursor = p.Next; page > 100 {
					t.Fatalf("filter %+v does not end", f)
				}
			}
			if n == 0 {
				t.Errorf("filter %+v: nothing", f)
			}
		}
		w.everyRead()
	})
}

// everyRead calls every read, so that its SQL is tried on both databases.
func (w *world) everyRead() {
	w.t.Helper()
	p, err := w.db.Posture(w.ctx, time.Time{})
	w.must(err)
	q, err := w.db.Posture(w.ctx, w.now.Add(-time.Second))
	w.must(err)
	if p.Counts.Total() == 0 || q.Counts.Total() == 0 || len(p.Trend) != 90 {
		w.t.Errorf("posture %+v, before %+v", p.Counts, q.Counts)
	}
	last := p.Trend[89].Counts
	last.Fail, last.Excepted = last.Fail-p.Counts.Excepted, p.Counts.Excepted
	if d := cmp.Diff(p.Counts, last); d != "" {
		w.t.Errorf("the last day of the trend is not the posture: %s", d)
	}
	w.everyFinding()
	w.everyFact()
	w.everyOther()
}

func (w *world) everyFinding() {
	w.t.Helper()
	for _, f := range []monitor.Filter{{}, {OpenOnly: true}, {ClosedOnly: true}, {OpenOnly: true, Sort: "due"}, {Sort: "opened"}, {Text: "u1"}, {Fact: "a000"}, {At: w.now.Add(-time.Second), OpenOnly: true}} {
		f.Limit = 9
		open := w.rows("SELECT COUNT(*) FROM finding WHERE closed_at IS NULL")[0]
		n := 0
		for {
			page, err := w.db.Findings(w.ctx, f)
			w.must(err)
			for _, g := range page.Items {
				if _, ok, err := w.db.Finding(w.ctx, g.ID); err != nil || !ok {
					w.t.Fatalf("finding %s: %v, %v", g.ID, ok, err)
				}
			}
			n += len(page.Items)
			if f.Cursor = page.Next; f.Cursor == "" {
				break
			}
		}
		if f.OpenOnly && f.At.IsZero() && fmt.Sprint(n) != open {
			w.t.Errorf("filter %+v: %d findings, want %s", f, n, open)
		}
	}
}

func (w *world) everyFact() {
	w.t.Helper()
	for _, f := range []monitor.Filter{{}, {Source: []string{"other"}}, {Gone: true}, {Sort: "name"}, {Kind: accounts}, {Fact: "a001"}, {Text: "u2"}, {Sort: "-changed"}} {
		f.Limit = 11
		seen := map[string]bool{}
		for {
			page, err := w.db.Facts(w.ctx, f)
			w.must(err)
			for _, x := range page.Items {
				if seen[x.Source+x.ID] {
					w.t.Fatalf("filter %+v: %s came twice", f, x.ID)
				}
				seen[x.Source+x.ID] = true
				if _, ok, err := w.db.Fact(w.ctx, x.Source, x.Kind, x.ID); err != nil || !ok {
					w.t.Fatalf("fact %s: %v, %v", x.ID, ok, err)
				}
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				break
			}
		}
		if len(seen) == 0 {
			w.t.Errorf("filter %+v: no fact", f)
		}
	}
}

func (w *world) everyOther() {
	w.t.Helper()
	_, err := w.db.CheckCounts(w.ctx, time.Time{})
	w.must(err)
	_, err = w.db.Strip(w.ctx, nil, "", "", 90)
	w.must(err)
	_, err = w.db.Strip(w.ctx, []string{"account-has-mfa"}, "code", "a001", 30)
	w.must(err)
	_, err = w.db.Changes(w.ctx, t0.Add(-time.Hour), 10)
	w.must(err)
	_, err = w.db.Intervals(w.ctx, monitor.Filter{Fact: "a001", Check: []string{"account-has-mfa"}})
	w.must(err)
	_, err = w.db.FactHistory(w.ctx, "code", "", "a001")
	w.must(err)
	_, err = w.db.Sources(w.ctx)
	w.must(err)
	_, err = w.db.Exceptions(w.ctx, monitor.Filter{Sort: "ends"})
	w.must(err)
	_, err = w.db.PendingExceptions(w.ctx)
	w.must(err)
	if head, err := w.db.LedgerHead(w.ctx); err != nil || head.Size == 0 {
		w.t.Errorf("ledger head %+v, %v", head, err)
	}
	w.must(w.m.SelfCheck(w.ctx))
}

// counts gives the posture as pass, fail, unknown, not applicable, excepted, stale.
func (w *world) counts() [6]int64 {
	w.t.Helper()
	p, err := w.db.Posture(w.ctx, time.Time{})
	w.must(err)
	c := p.Counts
	return [6]int64{c.Pass, c.Fail, c.Unknown, c.NotApplicable, c.Excepted, c.Stale}
}

func TestSilentSourceTurnsStaleAtItsInstant(t *testing.T) {
	onBoth(t, checks(t, mfaCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("code", "members", fact.Complete, accounts, people(6)...)
		w.tick()
		if got, want := w.counts(), [6]int64{4, 2, 0, 0, 0, 0}; got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
		w.now = w.now.Add(24 * time.Hour)
		w.read("code", "members", fact.Partial, accounts, people(1)...) // a000 is seen: its own clock
		if due, want := w.m.NextDue(w.ctx), t0.Add(72*time.Hour); !due.Equal(want) && !due.Equal(w.now) {
			t.Fatalf("next instant %v, want %v", due, want)
		}
		w.pass(48*time.Hour - time.Microsecond)
		if got, want := w.counts(), [6]int64{4, 2, 0, 0, 0, 0}; got != want {
			t.Fatalf("a microsecond early: got %v, want %v", got, want)
		}
		n := len(w.causes)
		w.pass(time.Microsecond)
		if got, want := w.counts(), [6]int64{0, 1, 5, 0, 0, 5}; got != want {
			t.Fatalf("at the instant: got %v, want %v", got, want)
		}
		if len(w.causes) != n+1 || w.causes[n].Kind != monitor.CauseStale || w.causes[n].Count != 5 || w.causes[n].Source != "code" {
			t.Fatalf("got causes %+v, want one of 5 stale", w.causes[n:])
		}
		w.pass(24 * time.Hour)
		if got, want := w.counts(), [6]int64{0, 0, 6, 0, 0, 6}; got != want {
			t.Fatalf("a day later: got %v, want %v", got, want)
		}
		if got := w.rows("SELECT COUNT(*) FROM verdict"); got[0] != "6" {
			t.Fatalf("staleness wrote verdicts: %v", got)
		}
		w.everyReadStale()
		w.read("code", "members", fact.Complete, accounts, people(6)...)
		w.tick()
		if got, want := w.counts(), [6]int64{4, 2, 0, 0, 0, 0}; got != want {
			t.Fatalf("read again: got %v, want %v", got, want)
		}
		if got := w.rows("SELECT COUNT(*) FROM overlay WHERE to_at IS NULL"); got[0] != "0" {
			t.Fatalf("%v overlays are left", got)
		}
		p, err := w.db.Posture(w.ctx, t0.Add(73*time.Hour))
		w.must(err)
		if p.Counts.Stale != 5 {
			t.Fatalf("of the past: got %+v, want 5 stale", p.Counts)
		}
		w.must(w.m.SelfCheck(w.ctx))
	})
}

func (w *world) everyReadStale() {
	w.t.Helper()
	p, err := w.db.Verdicts(w.ctx, monitor.Filter{Status: []monitor.Status{monitor.StatusUnknown}})
	w.must(err)
	if len(p.Items) != 6 || !p.Items[0].Stale {
		w.t.Errorf("got %d unknown verdicts, want 6 stale ones", len(p.Items))
	}
	p, err = w.db.Verdicts(w.ctx, monitor.Filter{Status: []monitor.Status{monitor.StatusFail}})
	w.must(err)
	if len(p.Items) != 0 {
		w.t.Errorf("got %d failing verdicts, want none", len(p.Items))
	}
}

func TestExceptions(t *testing.T) {
	onBoth(t, checks(t, mfaCheck, adminCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		admin := account("root", `{"login":"root","active":true,"mfa":true,"admin":true}`)
		w.read("code", "members", fact.Complete, accounts, append(people(6), admin)...)
		w.pass(2 * time.Second)
		q := monitor.ExceptionRequest{Check: "account-has-mfa", Fact: "a000", Source: "code", Reason: "a robot", Requester: "eve", Ends: w.now.Add(48 * time.Hour), Guard: "some-admin"}
		for what, bad := range map[string]func(*monitor.ExceptionRequest){
			"no such check": func(q *monitor.ExceptionRequest) { q.Check = "nothing" },
			"no such fact":  func(q *monitor.ExceptionRequest) { q.Fact = "zzz" },
			"no reason":     func(q *monitor.ExceptionRequest) { q.Reason = " " },
			"past end":      func(q *monitor.ExceptionRequest) { q.Ends = w.now },
			"two years":     func(q *monitor.ExceptionRequest) { q.Ends = w.now.AddDate(2, 0, 0) },
			"own approver":  func(q *monitor.ExceptionRequest) { q.Approver = "eve" },
		} {
			p := q
			bad(&p)
			if _, err := w.m.RequestException(w.ctx, p); err == nil {
				t.Errorf("%s: was taken", what)
			}
		}
		x, err := w.m.RequestException(w.ctx, q)
		w.must(err)
		if err := w.m.ApproveException(w.ctx, x.ID, "eve"); err == nil {
			t.Fatal("the requester could approve")
		}
		pass := w.counts()[0]
		if got, want := w.counts(), [6]int64{pass, 2, 1, 0, 0, 0}; got != want { // the set of admins has unknown members
			t.Fatalf("got %v, want %v", got, want)
		}
		w.must(w.m.ApproveException(w.ctx, x.ID, "ann"))
		got, _, err := w.db.Exception(w.ctx, x.ID)
		w.must(err)
		if got.Active || got.GuardOK {
			t.Fatalf("covers although its guard does not pass: %+v", got)
		}
		all := people(6)
		for i := range all {
			all[i].data = all[i].data[:len(all[i].data)-1] + `,"admin":false}`
		}
		w.now = w.now.Add(time.Hour)
		w.read("code", "members", fact.Complete, accounts, append(all, admin)...)
		w.pass(2 * time.Second)
		if got := w.counts(); got[1] != 1 || got[4] != 1 {
			t.Fatalf("guard passes: got %v, want 1 failing, 1 excepted", got)
		}
		p, err := w.db.Verdicts(w.ctx, monitor.Filter{Status: []monitor.Status{monitor.StatusExcepted}})
		w.must(err)
		if len(p.Items) != 1 || p.Items[0].Fact != "a000" || p.Items[0].Excepted != x.ID {
			t.Fatalf("got %+v", p.Items)
		}
		w.everyRead2()
		n := len(w.causes)
		w.pass(48 * time.Hour)
		if got := w.counts(); got[1] != 2 || got[4] != 0 {
			t.Fatalf("ended: got %v, want 2 failing", got)
		}
		if len(w.causes) != n+1 || w.causes[n].Kind != monitor.CauseExcepted || w.causes[n].Count != 1 {
			t.Fatalf("got causes %+v, want one of an exception that ended", w.causes[n:])
		}
		if err := w.m.RevokeException(w.ctx, x.ID, "ann"); err == nil {
			t.Fatal("what has ended could be revoked")
		}
	})
}

func (w *world) everyRead2() {
	w.t.Helper()
	page, err := w.db.Exceptions(w.ctx, monitor.Filter{OpenOnly: true})
	w.must(err)
	if len(page.Items) != 1 || page.Items[0].Covers != 1 {
		w.t.Errorf("got %+v, want one that covers one", page.Items)
	}
}

func TestEditedCheckIsWorkedOff(t *testing.T) {
	onBoth(t, checks(t, mfaCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("code", "members", fact.Complete, accounts, people(1500)...)
		w.tick()
		w.must(w.m.SetChecks(w.ctx, checks(t, mfaCheck, leaverCheck, adminCheck)))
		n := len(w.causes)
		w.pass(2 * time.Second)
		if got := w.rows("SELECT c.name, COUNT(*) FROM verdict v JOIN chk c ON c.id = v.chk WHERE v.to_at IS NULL GROUP BY c.name ORDER BY c.name"); fmt.Sprint(got) !=
			"[account-has-mfa 1500 leaver-has-no-account 1500 some-admin 1]" {
			t.Fatalf("got %v", got)
		}
		w.must(w.m.SetChecks(w.ctx, checks(t, leaverCheck)))
		w.pass(2 * time.Second)
		if got := w.rows("SELECT c.name, COUNT(*) FROM verdict v JOIN chk c ON c.id = v.chk WHERE v.to_at IS NULL GROUP BY c.name ORDER BY c.name"); fmt.Sprint(got) !=
			"[leaver-has-no-account 1500]" {
			t.Fatalf("got %v", got)
		}
		if got := w.rows("SELECT closed_why, COUNT(*) FROM finding GROUP BY closed_why"); fmt.Sprint(got) != "[check removed 500]" {
			t.Fatalf("got findings %v", got)
		}
		if c := w.causes[n:]; len(c) != 1 || c[0].Kind != monitor.CauseRecovered || c[0].Check != "account-has-mfa" {
			t.Fatalf("got causes %+v", c)
		}
		if got := w.rows("SELECT n FROM cause WHERE kind = 'recovered'"); fmt.Sprint(got) != "[500]" {
			t.Fatalf("got %v, want one message about 500", got)
		}
		w.must(w.m.SetChecks(w.ctx, checks(t, leaverCheck, mfaCheck)))
		w.pass(2 * time.Second)
		if c := w.causes[n+1:]; len(c) != 1 || !c[0].First || c[0].Check != "account-has-mfa" || c[0].Count == 0 {
			t.Fatalf("got causes %+v, want the first sight of a check", c)
		}
		w.must(w.m.SelfCheck(w.ctx))
	})
}
