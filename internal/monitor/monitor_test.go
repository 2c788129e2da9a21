package monitor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

const mfaCheck = `id: account-has-mfa
version: 1
kind: account
severity: high
title: {en: Every account has a second factor}
when: account.active
pass: account.mfa
message: {en: "{{account.login}} has no second factor"}
fix: {en: "Enrol one."}
controls: [mfa]
fresh: 72h
examples:
  - {name: a, want: pass, account: {login: a, active: true, mfa: true}}
  - {name: b, want: fail, account: {login: b, active: true, mfa: false}}
  - {name: c, want: unknown, account: {login: c, active: true}}
`

const leaverCheck = `id: leaver-has-no-account
version: 1
kind: account
severity: critical
title: {en: Nobody who left has an account}
pass: '!account.active || !account.person.ended_at.passed()'
message: {en: "{{account.login}} belongs to somebody who left"}
fix: {en: "Disable it."}
controls: [leavers]
examples:
  - {name: a, want: pass, account: {login: a, active: false, person: p}, related: [{kind: person, id: p, data: {ended_at: "2026-01-01T00:00:00Z"}}]}
  - {name: b, want: fail, at: "2026-02-01T00:00:00Z", account: {login: b, active: true, person: p}, related: [{kind: person, id: p, data: {ended_at: "2026-01-01T00:00:00Z"}}]}
  - {name: c, want: unknown, account: {login: c, active: true}}
`

const adminCheck = `id: some-admin
version: 1
kind: account
each: false
severity: medium
title: {en: There are one or two administrators}
pass: accounts.filter(a, a.admin).size() >= 1 && accounts.filter(a, a.admin).size() <= 2
message: {en: "There are {{accounts.filter(a, a.admin).size()}} administrators"}
fix: {en: "Change it."}
controls: [admins]
examples:
  - {name: a, want: pass, accounts: [{login: a, admin: true}]}
  - {name: b, want: fail, accounts: [{login: a, admin: false}]}
  - {name: c, want: unknown, accounts: [{login: a}]}
`

var accounts = []string{"account"}

func account(id, data string) thing { return thing{kind: "account", id: id, data: data} }

func TestReadingJudgesAlertsAndCloses(t *testing.T) {
	onBoth(t, checks(t, mfaCheck), monitor.Settings{Owner: "boss"}, func(t *testing.T, w *world) {
		res := w.read("code", "members", fact.Complete, accounts,
			account("a", `{"login":"ann","active":true,"mfa":true}`),
			account("b", `{"login":"bob","active":true,"mfa":false}`),
			account("c", `{"login":"cy","active":true}`),
			account("d", `{"login":"di","active":false}`))
		if res.New != 4 {
			t.Fatalf("got %+v, want 4 new", res)
		}
		want := []string{"account-has-mfa a pass", "account-has-mfa b fail", "account-has-mfa c unknown", "account-has-mfa d not_applicable"}
		if d := cmp.Diff(want, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		if len(w.causes) != 1 || !w.causes[0].First || w.causes[0].Kind != monitor.CauseFailing || w.causes[0].Source != "code" || w.causes[0].Check != "" {
			t.Fatalf("got causes %+v, want one first sight of the source", w.causes)
		}
		if got := w.rows("SELECT message, owner, due_at - opened_at FROM finding"); len(got) != 1 || got[0] != "bob has no second factor boss 2592000000000" {
			t.Fatalf("got findings %q", got)
		}

		w.now = w.now.Add(time.Minute)
		before := w.rows("SELECT (SELECT COUNT(*) FROM verdict), (SELECT COUNT(*) FROM fact_version), (SELECT size FROM ledger_head), (SELECT MAX(leaf) FROM fact)")
		w.read("code", "members", fact.Complete, accounts,
			account("a", `{"login":"ann","active":true,"mfa":true}`), account("b", `{"login":"bob","active":true,"mfa":false}`),
			account("c", `{"login":"cy","active":true}`), account("d", `{"login":"di","active":false}`))
		after := w.rows("SELECT (SELECT COUNT(*) FROM verdict), (SELECT COUNT(*) FROM fact_version), (SELECT size FROM ledger_head), (SELECT MAX(leaf) FROM fact)")
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("an unchanged reading wrote something: %s", d)
		}
		if got := w.rows("SELECT readings FROM receipt WHERE ended_at IS NULL"); !slices.Equal(got, []string{"2"}) {
			t.Fatalf("got receipts %v, want one of 2 readings", got)
		}

		w.now = w.now.Add(time.Minute)
		w.read("code", "members", fact.Complete, accounts,
			account("a", `{"login":"ann","active":true,"mfa":false}`), account("b", `{"login":"bob","active":true,"mfa":true}`))
		want = []string{"account-has-mfa a fail", "account-has-mfa b pass"}
		if d := cmp.Diff(want, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		if got := w.rows("SELECT f.fid, g.closed_why, g.closed_at IS NULL FROM finding g JOIN fact f ON f.id = g.fact ORDER BY f.fid"); len(got) != 2 || got[0][:1] != "a" || got[1][:8] != "b passed" {
			t.Fatalf("got findings %q", got)
		}
		if n := len(w.causes); n != 3 || w.causes[1].Kind != monitor.CauseFailing || w.causes[1].First || w.causes[1].Check != "account-has-mfa" || w.causes[2].Kind != monitor.CauseRecovered {
			t.Fatalf("got causes %+v", w.causes)
		}
		last := w.seen[len(w.seen)-2:]
		if !last[0].Drift || last[0].From != check.Pass || last[0].To != check.Fail || last[1].Drift {
			t.Fatalf("got transitions %+v, want drift of a", last)
		}
		w.must(w.m.SelfCheck(w.ctx))
	})
}

func TestPartialReadingRemovesNothing(t *testing.T) {
	onBoth(t, checks(t, mfaCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		a, b := account("a", `{"active":true,"mfa":true}`), account("b", `{"active":true,"mfa":false}`)
		w.read("code", "members", fact.Complete, accounts, a, b)
		for _, r := range []fact.Reading{fact.Partial, fact.Forbidden} {
			w.now = w.now.Add(time.Hour)
			w.read("code", "members", r, accounts, a)
			if got := w.outcomes(); len(got) != 2 {
				t.Fatalf("after a %s reading: got %v, want both", r, got)
			}
		}
		w.now = w.now.Add(time.Hour)
		w.read("code", "members", fact.Complete, accounts, a)
		if d := cmp.Diff([]string{"account-has-mfa a pass"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		if got := w.rows("SELECT closed_why FROM finding"); !slices.Equal(got, []string{"gone"}) {
			t.Fatalf("got findings %v, want gone", got)
		}
		w.must(w.m.SelfCheck(w.ctx))
	})
}

func TestChangedPersonJudgesAccounts(t *testing.T) {
	onBoth(t, checks(t, leaverCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		acc := account("a", `{"active":true,"person":"p1"}`)
		w.read("code", "members", fact.Complete, accounts, acc)
		if d := cmp.Diff([]string{"leaver-has-no-account a unknown"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		person := thing{kind: "person", id: "p1", data: `{"name":"Pat","ended_at":"2026-03-02T12:00:00Z"}`}
		w.read("people", "staff", fact.Complete, []string{"person"}, person)
		if d := cmp.Diff([]string{"leaver-has-no-account a pass"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		if got := w.m.NextDue(w.ctx); !got.Equal(t0) && !got.Equal(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)) {
			t.Fatalf("next instant is %v", got)
		}
		w.pass(24*time.Hour - time.Microsecond)
		if d := cmp.Diff([]string{"leaver-has-no-account a pass"}, w.outcomes()); d != "" {
			t.Fatalf("a microsecond early: %s", d)
		}
		w.pass(time.Microsecond)
		if d := cmp.Diff([]string{"leaver-has-no-account a fail"}, w.outcomes()); d != "" {
			t.Fatalf("at the instant: %s", d)
		}
		w.read("people", "staff", fact.Complete, []string{"person"})
		if d := cmp.Diff([]string{"leaver-has-no-account a unknown"}, w.outcomes()); d != "" {
			t.Fatalf("with the person gone: %s", d)
		}
		if got := w.rows("SELECT closed_at IS NULL FROM finding"); len(got) != 1 || got[0] != "1" && got[0] != "true" {
			t.Fatalf("an unknown closed the finding: %v", got)
		}
	})
}

func TestSetIsUnknownUntilReadCompletely(t *testing.T) {
	onBoth(t, checks(t, adminCheck), monitor.Settings{}, func(t *testing.T, w *world) {
		w.read("code", "members", fact.Partial, accounts, account("a", `{"admin":true}`))
		w.pass(time.Second)
		if d := cmp.Diff([]string{"some-admin set:account unknown"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		w.read("code", "members", fact.Complete, accounts, account("a", `{"admin":true}`))
		w.pass(2 * time.Second)
		if d := cmp.Diff([]string{"some-admin set:account pass"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		w.read("code", "members", fact.Complete, accounts, account("a", `{"admin":true}`), account("b", `{"admin":true}`), account("c", `{"admin":true}`))
		w.pass(2 * time.Second)
		if d := cmp.Diff([]string{"some-admin set:account fail"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
		if got := w.rows("SELECT message FROM finding"); !slices.Equal(got, []string{"There are 3 administrators"}) {
			t.Fatalf("got %v", got)
		}
		w.read("code", "members", fact.Complete, accounts)
		w.pass(2 * time.Second)
		if d := cmp.Diff([]string{"some-admin set:account not_applicable"}, w.outcomes()); d != "" {
			t.Fatal(d)
		}
	})
}
