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
	diary diary
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
	return fmt.Sprintf(`{"login":"x%d"`, g.r.IntN(3)) + maybe(fmt.Sprintf(`"admin":%v`, g.r.IntN(2) > 0)) + maybe(fmt.Sprintf(`"active":%v`, g.r.IntN(4) > 0)) + maybe(fmt.Sprintf(`"mfa":%v`, g.r.IntN(2) > 0)) +
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

// kindsOf is what a reading announces of its scope: sometimes nothing.
func (g *gambler) kindsOf(kind string) []string {
	if g.r.IntN(4) == 0 {
		return nil
	}
	return []string{kind}
}

// outcome is how a reading ends.
func (g *gambler) outcome() (r fact.Reading, targeted bool) {
	r = fact.Reading(g.pick("complete", "complete", "complete", "complete", "partial", "forbidden", "targeted"))
	if r == "targeted" {
		return fact.Partial, true
	}
	return r, false
}

// reading plays one reading, which may be cut short, crash or meet a failing database.
func (g *gambler) reading() {
	source, scope, kind := g.where()
	facts, kinds := g.facts(source, kind), g.kindsOf(kind)
	result, targeted := g.outcome()
	trouble := g.pick("", "", "", "", "crash", "before", "after", "reopen")
	if len(facts) == 0 {
		trouble = ""
	}
	g.note("read %s/%s %v %s %v %s %s", source, scope, kinds, result, targeted, trouble, ids(facts))
	opened := g.now
	run, err := g.m.Begin(g.ctx, monitor.Begin{Source: source, Trigger: monitor.TriggerSchedule})
	g.must(err)
	g.must(run.Open(g.ctx, scope, kinds))
	g.model.open(source, scope, kinds...)
	switch trouble {
	case "before":
		g.flaky.before = 1
	case "after":
		g.flaky.after = 1
	}
	_, err = run.Facts(g.ctx, scope, facts)
	touch := trouble == "" || trouble == "reopen"
	if failed := trouble == "before" || trouble == "after"; failed != (err != nil) {
		g.t.Fatalf("trouble %q: got error %v", trouble, err)
	}
	g.flaky.before, g.flaky.after = 0, 0
	if trouble != "before" {
		g.model.take(facts, scope, touch, g.now)
	}
	if trouble == "crash" {
		g.model.close(source, scope, fact.Partial, false)
		g.crash()
		return
	}
	g.must(run.Close(g.ctx, scope, result, monitor.ScopeDetail{Targeted: targeted}))
	g.must(run.End(g.ctx))
	if !touch && result == fact.Complete {
		result = fact.Partial
	}
	g.model.closed(source, scope, result, targeted, opened, facts, nil, g.now)
	if trouble == "reopen" {
		g.crash()
	}
}

func ids(facts []fact.Fact) string {
	var out []string
	for _, f := range facts {
		out = append(out, f.ID+"@"+short(f.ObservedAt)+string(f.Data))
	}
	return strings.Join(out, " ")
}

// double plays two readings of a source at once: of two scopes that hold the
// same things, or two of the same scope.
func (g *gambler) double() {
	scopes := [2]string{"members", "bots"}
	if g.r.IntN(2) == 0 {
		scopes[1] = scopes[0]
	}
	var runs [2]*monitor.Run
	var facts [2][]fact.Fact
	for i := range runs {
		facts[i] = g.facts("code", "account")
		for k := range facts[i] { // what one saw is on its way until it ends: they look at the same clock
			facts[i][k].ObservedAt = g.now
		}
		var err error
		runs[i], err = g.m.Begin(g.ctx, monitor.Begin{Source: "code", Trigger: monitor.TriggerEvent})
		g.must(err)
		g.must(runs[i].Open(g.ctx, scopes[i], []string{"account"}))
		g.model.open("code", scopes[i], "account")
	}
	for i, run := range runs {
		_, err := run.Facts(g.ctx, scopes[i], facts[i])
		g.must(err)
		g.model.take(facts[i], scopes[i], true, g.now)
	}
	for _, i := range g.r.Perm(2) {
		result, targeted := g.outcome()
		g.note("one of two reads code/%s %s %v %s", scopes[i], result, targeted, ids(facts[i]))
		g.must(runs[i].Close(g.ctx, scopes[i], result, monitor.ScopeDetail{Targeted: targeted}))
		g.must(runs[i].End(g.ctx))
		var also []fact.Fact
		if scopes[0] == scopes[1] {
			also = facts[1-i]
		}
		g.model.closed("code", scopes[i], result, targeted, g.now, facts[i], also, g.now)
	}
}

// crash ends the process without a word and starts it again.
func (g *gambler) crash() {
	g.db.Close()
	g.open()
	g.restart(g.model.set)
}

// edit puts other checks into force, sometimes while nobody runs.
func (g *gambler) edit() {
	n := g.r.IntN(len(g.sets))
	g.model.set = g.sets[n]
	if g.r.IntN(3) == 0 {
		g.note("edit checks and start: %d", n)
		g.crash()
	} else {
		g.note("edit checks: %d", n)
		g.must(g.m.SetChecks(g.ctx, g.model.set))
	}
	g.tick()
	g.model.judge(g.now)
}

// tune overrides a parameter.
func (g *gambler) tune() {
	var with []*check.Check
	for _, c := range g.model.set.All() {
		if len(c.Params) > 0 {
			with = append(with, c)
		}
	}
	if len(with) == 0 {
		return
	}
	c := with[g.r.IntN(len(with))]
	params := map[string]any{"n": int64(g.r.IntN(4))}
	if g.r.IntN(4) == 0 {
		params = map[string]any{}
	}
	g.note("tune %s %v", c.ID, params)
	g.must(g.m.SetParams(g.ctx, c.ID, params))
	g.model.params[c.ID] = params
	g.tick()
	g.model.judge(g.now)
}

func (g *gambler) exception() {
	keys := g.model.keys()
	all := g.model.set.All()
	if len(keys) == 0 || len(all) == 0 {
		return
	}
	key, c := keys[g.r.IntN(len(keys))], all[g.r.IntN(len(all))]
	if !c.Each {
		key = setKey(c)
	}
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
	var findings []modelCase
	at := func(us int64) time.Time { return store.Time(us) }
	g.must(g.db.Read(g.ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(g.ctx, `SELECT c.name, COALESCE(s.name, ''), f.kind, f.fid, v.outcome, v.version, v.from_at, COALESCE(v.to_at, 0) FROM verdict v
			JOIN chk c ON c.id = v.chk JOIN fact f ON f.id = v.fact LEFT JOIN source s ON s.id = f.source`)
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
		rows, err := tx.Query(g.ctx, `SELECT c.name, COALESCE(s.name, ''), f.kind, f.fid, g.opened_at, COALESCE(g.closed_at, 0), g.closed_why FROM finding g
			JOIN chk c ON c.id = g.chk JOIN fact f ON f.id = g.fact LEFT JOIN source s ON s.id = f.source`)
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
			c.Opened, c.Closed = at(from), at(to)
			findings = append(findings, c)
		}
		return rows.Err()
	}))
	g.same("intervals", g.model.spans(g.diary), spanTexts(spans, g.diary))
	g.same("findings", g.model.findings(g.diary), caseTexts(findings, g.diary))
	g.same("readings", g.model.readings(), g.rows(`SELECT s.name || '/' || p.name || ' ' || p.last_result FROM scope p JOIN source s ON s.id = p.source
		WHERE p.last_result <> '' ORDER BY s.name, p.name`))
	g.must(g.m.SelfCheck(g.ctx))
}

func (g *gambler) play(steps int) {
	for range steps {
		g.now = g.now.Add(time.Duration(5+g.r.IntN(20*3600)) * time.Second)
		g.diary = append(g.diary, g.now)
		g.compare()
		switch n := g.r.IntN(20); {
		case n < 11:
			g.reading()
		case n < 13:
			g.double()
		case n < 15:
			g.edit()
		case n < 17:
			g.tune()
		default:
			g.exception()
		}
		g.now = g.now.Add(time.Second) // a set has rested
		g.compare()
	}
	g.history()
}

// TestAnyStoryEndsAsTheModelSays plays random stories. PRUMO_SEED repeats one;
// PRUMO_STORIES says how many are played, from that seed on.
func TestAnyStoryEndsAsTheModelSays(t *testing.T) {
	stories, steps := 6, 60
	if testing.Short() {
		stories, steps = 3, 30
	}
	if s := os.Getenv("PRUMO_STORIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		stories = n
	}
	sets := editions(t)
	base := firstSeed(t)
	if os.Getenv("PRUMO_SEED") != "" && os.Getenv("PRUMO_STORIES") == "" {
		stories = 1
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

// firstSeed is the seed that PRUMO_SEED gives, or a new one.
func firstSeed(t *testing.T) uint64 {
	s := os.Getenv("PRUMO_SEED")
	if s == "" {
		return uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
