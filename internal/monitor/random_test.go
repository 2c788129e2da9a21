package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

const expiryCheck = `id: account-in-time
version: 1
kind: account
severity: low
title: {en: No account has expired}
pass: '!account.expires_at.passed()'
message: {en: "{{account.login}} has expired"}
fix: {en: "Remove it."}
controls: [expiry]
fresh: 24h
examples:
  - {name: a, want: pass, at: "2026-01-01T00:00:00Z", account: {login: a, expires_at: "2026-02-01T00:00:00Z"}}
  - {name: b, want: fail, at: "2026-03-01T00:00:00Z", account: {login: b, expires_at: "2026-02-01T00:00:00Z"}}
  - {name: c, want: unknown, account: {login: c}}
`

// errInjected is a failure of the database.
var errInjected = errors.New("injected")

// A flaky store fails when it is told to: before its transaction is committed, or after.
type flaky struct {
	monitor.Store
	before, after int // Heart calls until it fails; 0: never
}

func (s *flaky) Heart(ctx context.Context, fn func(monitor.Tx) error) error {
	fail := func(n *int) bool {
		if *n == 0 {
			return false
		}
		*n--
		return *n == 0
	}
	before := fail(&s.before)
	err := s.Store.Heart(ctx, func(tx monitor.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if before {
			return errInjected
		}
		return nil
	})
	if err == nil && fail(&s.after) {
		return errInjected
	}
	return err
}

// A gambler plays a random story against the monitor and the model.
type gambler struct {
	*world
	r     *rand.Rand
	model *model
	sets  []*check.Set
	flaky *flaky
	log   []string
}

func (g *gambler) note(format string, args ...any) {
	g.log = append(g.log, short(g.now)+": "+fmt.Sprintf(format, args...))
}

func (g *gambler) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *gambler) restart(set *check.Set) {
	g.flaky = &flaky{Store: g.db}
	g.m = monitor.New(monitor.Config{Store: g.flaky, Checks: set, Now: g.clock, Outbox: g.world})
}

// data makes a fact's data, of few values so that many readings change nothing.
func (g *gambler) data(kind string) string {
	maybe := func(s string) string {
		if g.r.IntN(5) == 0 {
			return ""
		}
		return "," + s
	}
	if kind == "person" {
		return `{"name":"p"` + maybe(fmt.Sprintf(`"ended_at":%q`, t0.Add(time.Duration(g.r.IntN(8))*30*time.Hour).Format(time.RFC3339))) + `}`
	}
	return `{"login":"x"` + maybe(fmt.Sprintf(`"active":%v`, g.r.IntN(4) > 0)) + maybe(fmt.Sprintf(`"mfa":%v`, g.r.IntN(2) > 0)) +
		maybe(fmt.Sprintf(`"person":"p%d"`, g.r.IntN(3))) +
		maybe(fmt.Sprintf(`"expires_at":%q`, t0.Add(time.Duration(g.r.IntN(10))*25*time.Hour).Format(time.RFC3339))) + `}`
}

// where picks a scope and the kind in it.
func (g *gambler) where() (source, scope, kind string) {
	switch g.r.IntN(5) {
	case 0:
		return "people", "staff", "person"
	case 1:
		return "hr", "staff", "person"
	case 2:
		return "code", "bots", "account"
	case 3:
		return "push", "all", "account"
	}
	return "code", "members", "account"
}

// facts makes a reading: what is held, some of it changed, missing or new.
func (g *gambler) facts(source, kind string) []fact.Fact {
	var out []fact.Fact
	at := g.now
	if g.r.IntN(4) == 0 { // out of order
		at = at.Add(-time.Duration(g.r.IntN(60)) * time.Hour)
	}
	for i := range 5 {
		f := fact.Fact{Kind: kind, ID: kind[:1] + strconv.Itoa(i), Source: source, Origin: fact.OriginAPI, ObservedAt: at.Add(time.Duration(g.r.IntN(3)) * time.Second)}
		held := g.model.things[f.Key()]
		switch {
		case g.r.IntN(4) == 0:
			continue
		case held != nil && g.r.IntN(3) > 0:
			f.Data = held.f.Data
		default:
			f.Data = canonical(kind, g.data(kind))
		}
		out = append(out, f)
	}
	g.r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// reading plays one reading, which may be cut short, crash or meet a failing database.
func (g *gambler) reading() {
	source, scope, kind := g.where()
	facts := g.facts(source, kind)
	result := fact.Reading(g.pick("complete", "complete", "complete", "partial", "forbidden"))
	trouble := g.pick("", "", "", "", "crash", "before", "after", "reopen")
	if len(facts) == 0 {
		trouble = ""
	}
	g.note("read %s/%s %s %s %d facts", source, scope, result, trouble, len(facts))
	opened := g.now
	run, err := g.m.Begin(g.ctx, monitor.Begin{Source: source, Trigger: monitor.TriggerSchedule})
	g.must(err)
	g.must(run.Open(g.ctx, scope, []string{kind}))
	switch trouble {
	case "before":
		g.flaky.before = 1
	case "after":
		g.flaky.after = 1
	}
	_, err = run.Facts(g.ctx, scope, facts)
	stored := trouble != "before"
	touch := trouble == "" || trouble == "reopen"
	if failed := trouble == "before" || trouble == "after"; failed != (err != nil) {
		g.t.Fatalf("trouble %q: got error %v", trouble, err)
	}
	g.flaky.before, g.flaky.after = 0, 0
	if stored {
		for _, f := range facts {
			g.model.observe(f, scope, touch)
		}
	}
	g.model.judge(g.now)
	if trouble == "crash" {
		g.crash()
		return
	}
	g.must(run.Close(g.ctx, scope, result, monitor.ScopeDetail{}))
	g.must(run.End(g.ctx))
	if result == fact.Complete && touch {
		at, saw := time.Time{}, map[fact.Key]bool{}
		for _, f := range facts {
			saw[f.Key()] = true
			if f.ObservedAt.After(at) {
				at = f.ObservedAt
			}
		}
		if len(facts) == 0 {
			at = opened
		}
		g.model.complete(source, scope, at, saw)
	}
	if trouble == "reopen" {
		g.crash()
	}
}

// crash ends the process without a word and starts it again.
func (g *gambler) crash() {
	g.db.Close()
	g.open()
	g.restart(g.model.set)
}

func (g *gambler) edit() {
	g.model.set = g.sets[g.r.IntN(len(g.sets))]
	g.note("edit checks: %d", len(g.model.set.All()))
	g.must(g.m.SetChecks(g.ctx, g.model.set))
}

func (g *gambler) exception() {
	keys := g.model.keys()
	all := g.model.set.All()
	if len(keys) == 0 || len(all) == 0 {
		return
	}
	key, c := keys[g.r.IntN(len(keys))], all[g.r.IntN(len(all))]
	p := modelPair{c.ID, key}
	if until, ok := g.model.except[p]; c.Kind != key.Kind || ok && g.now.Before(until) {
		return
	}
	ends := g.now.Add(time.Duration(1+g.r.IntN(100)) * time.Hour)
	g.note("except %v until %s", p, short(ends))
	x, err := g.m.RequestException(g.ctx, monitor.ExceptionRequest{Check: c.ID, Fact: key.ID, Source: key.Source, Reason: "r", Requester: "eve", Ends: ends})
	g.must(err)
	g.must(g.m.ApproveException(g.ctx, x.ID, "ann"))
	g.model.except[p] = ends
	if g.r.IntN(3) == 0 {
		g.must(g.m.RevokeException(g.ctx, x.ID, "ann"))
		delete(g.model.except, p)
	}
}

func (g *gambler) compare() {
	g.t.Helper()
	g.model.judge(g.now)
	g.tick()
	var shown []string
	for f := (monitor.Filter{Limit: 7}); ; {
		p, err := g.db.Verdicts(g.ctx, f)
		g.must(err)
		for _, v := range p.Items {
			shown = append(shown, fmt.Sprintf("%s %s/%s/%s %s", v.Check, v.Source, v.Kind, v.Fact, v.Status))
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			break
		}
	}
	slices.Sort(shown)
	g.same("what is shown", g.model.shown(g.now), shown)
	c, err := g.db.CheckCounts(g.ctx, time.Time{})
	g.must(err)
	want := map[string]int64{}
	for _, s := range g.model.shown(g.now) {
		want[s[strings.LastIndexByte(s, ' ')+1:]]++
	}
	got := map[string]int64{}
	for _, x := range c {
		for k, n := range map[string]int64{"pass": x.Counts.Pass, "fail": x.Counts.Fail, "unknown": x.Counts.Unknown, "not_applicable": x.Counts.NotApplicable, "excepted": x.Counts.Excepted} {
			if n != 0 {
				got[k] += n
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		g.t.Fatalf("counts (- want, + got): %s\n%s", d, strings.Join(g.log, "\n"))
	}
}

func (g *gambler) same(what string, want, got []string) {
	g.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		g.t.Fatalf("%s (- want, + got): %s\n%s", what, d, strings.Join(g.log, "\n"))
	}
}

// history compares every interval and every finding.
func (g *gambler) history() {
	g.t.Helper()
	var spans []span
	var findings []string
	at := func(us int64) time.Time { return store.Time(us) }
	g.must(g.db.Read(g.ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(g.ctx, `SELECT c.name, s.name, f.kind, f.fid, v.outcome, v.version, v.from_at, COALESCE(v.to_at, 0) FROM verdict v
			JOIN chk c ON c.id = v.chk JOIN fact f ON f.id = v.fact JOIN source s ON s.id = f.source`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s span
			var from, to int64
			if err := rows.Scan(&s.Check, &s.Key.Source, &s.Key.Kind, &s.Key.ID, &s.Outcome, &s.Version, &from, &to); err != nil {
				return err
			}
			s.From, s.To = at(from), at(to)
			spans = append(spans, s)
		}
		return rows.Err()
	}))
	g.must(g.db.Read(g.ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(g.ctx, `SELECT c.name, s.name, f.kind, f.fid, g.opened_at, COALESCE(g.closed_at, 0), g.closed_why FROM finding g
			JOIN chk c ON c.id = g.chk JOIN fact f ON f.id = g.fact JOIN source s ON s.id = f.source`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c modelCase
			var from, to int64
			if err := rows.Scan(&c.Check, &c.Key.Source, &c.Key.Kind, &c.Key.ID, &from, &to, &c.Why); err != nil {
				return err
			}
			findings = append(findings, fmt.Sprintf("%s %v %s–%s %s", c.Check, c.Key, short(at(from)), short(at(to)), c.Why))
		}
		return rows.Err()
	}))
	slices.Sort(findings)
	g.same("intervals", g.model.spans(), spanTexts(spans))
	g.same("findings", g.model.findings(), findings)
	g.must(g.m.SelfCheck(g.ctx))
}

func (g *gambler) play(steps int) {
	for range steps {
		g.now = g.now.Add(time.Duration(1+g.r.IntN(20*3600)) * time.Second)
		g.compare()
		switch n := g.r.IntN(10); {
		case n < 7:
			g.reading()
		case n < 8:
			g.edit()
		default:
			g.exception()
		}
		g.compare()
	}
	g.history()
}

// TestAnyStoryEndsAsTheModelSays plays random stories. PRUMO_SEED repeats one.
func TestAnyStoryEndsAsTheModelSays(t *testing.T) {
	stories, steps := 40, 60
	if testing.Short() {
		stories, steps = 6, 30
	}
	second := strings.Replace(strings.Replace(mfaCheck, "version: 1", "version: 2", 1), "pass: account.mfa", "pass: account.mfa || account.admin", 1)
	sets := []*check.Set{checks(t, mfaCheck, leaverCheck, expiryCheck), checks(t, second, leaverCheck, expiryCheck), checks(t, leaverCheck, expiryCheck)}
	base := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	if s := os.Getenv("PRUMO_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		base, stories = n, 1
	}
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			for i := range uint64(stories) { //nolint:gosec // a few
				seed := base + i
				t.Run(fmt.Sprintf("PRUMO_SEED=%d", seed), func(t *testing.T) {
					url := ""
					if name == "postgres" {
						url = testkit.Postgres(t)
					}
					g := &gambler{world: newWorld(t, url, sets[0], monitor.Settings{}), r: rand.New(rand.NewPCG(seed, 1)), sets: sets, model: newModel(sets[0])} //nolint:gosec // it must repeat
					g.restart(sets[0])
					g.play(steps)
				})
			}
		})
	}
}
