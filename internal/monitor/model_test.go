package monitor_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// A model says, as plainly as possible, what must come out: it keeps the newest
// observation of each thing and the last complete reading of each scope, and
// judges everything again at every step.
type model struct {
	set    *check.Set
	things map[fact.Key]*modelThing
	scopes map[[2]string]time.Time // source and name → last complete reading
	pairs  map[modelPair]*modelVerdict
	past   []span
	cases  []modelCase
	except map[modelPair]time.Time // approved exceptions until their end

	kinds   map[[2]string]map[string]bool // source and name → kinds that the scope carries
	results map[[2]string]fact.Reading    // source and name → what the last reading covered
	params  map[string]map[string]any     // overrides by check
}

type modelThing struct {
	f     fact.Fact
	scope string
	gone  bool
}

type modelPair struct {
	check string
	key   fact.Key
}

type modelVerdict struct {
	outcome check.Outcome
	version int
	from    time.Time
	open    time.Time // of its finding; zero: none
}

// A span is an interval that ended, or one that goes on (To is zero).
type span struct {
	Check   string
	Key     fact.Key
	Outcome check.Outcome
	Version int
	From    time.Time
	To      time.Time
}

// A modelCase is a finding.
type modelCase struct {
	Check  string
	Key    fact.Key
	Opened time.Time
	Closed time.Time
	Why    string
}

func newModel(set *check.Set) *model {
	return &model{
		set: set, things: map[fact.Key]*modelThing{}, scopes: map[[2]string]time.Time{},
		pairs: map[modelPair]*modelVerdict{}, except: map[modelPair]time.Time{},
		kinds: map[[2]string]map[string]bool{}, results: map[[2]string]fact.Reading{}, params: map[string]map[string]any{},
	}
}

// open begins to read a scope: from now on it carries the kinds.
func (m *model) open(source, scope string, kinds ...string) {
	k := [2]string{source, scope}
	if m.kinds[k] == nil {
		m.kinds[k] = map[string]bool{}
	}
	for _, kind := range kinds {
		m.kinds[k][kind] = true
	}
}

// close notes how a reading ended; a targeted one leaves what is known.
func (m *model) close(source, scope string, r fact.Reading, targeted bool) {
	k := [2]string{source, scope}
	if !targeted || m.results[k] == "" {
		m.results[k] = r
	}
}

// clock is the last observation that what is said of a thing rests on.
func (m *model) clock(t *modelThing) time.Time {
	at := m.scopes[[2]string{t.f.Source, t.scope}]
	if t.f.ObservedAt.After(at) {
		return t.f.ObservedAt
	}
	return at
}

// observe takes a fact. touch: an unchanged one also counts as observed.
func (m *model) observe(f fact.Fact, scope string, touch bool) {
	t := m.things[f.Key()]
	if t == nil {
		late := f.ObservedAt.Before(m.scopes[[2]string{f.Source, scope}])
		m.things[f.Key()] = &modelThing{f: f, scope: scope, gone: late}
		m.open(f.Source, scope, f.Kind)
		return
	}
	if f.ObservedAt.Before(m.clock(t)) {
		return
	}
	if same := string(t.f.Data) == string(f.Data) && !t.gone && t.scope == scope; same && !touch {
		return
	}
	t.f, t.scope, t.gone = f, scope, false
	m.open(f.Source, scope, f.Kind)
}

// complete ends a complete reading that saw keys at the instant.
func (m *model) complete(source, scope string, at time.Time, saw map[fact.Key]bool) {
	k := [2]string{source, scope}
	if at.Before(m.scopes[k]) {
		return
	}
	for key, t := range m.things {
		if key.Source == source && t.scope == scope && !t.gone && !saw[key] && !t.f.ObservedAt.After(at) {
			t.gone = true
		}
	}
	m.scopes[k] = at
}

func (m *model) lookup(kind string, id fact.Ref, from string) (*fact.Fact, bool) {
	var others []*fact.Fact
	for key, t := range m.things {
		if key.Kind != kind || key.ID != string(id) || t.gone {
			continue
		}
		if key.Source == from {
			return &t.f, true
		}
		others = append(others, &t.f)
	}
	if len(others) == 1 {
		return others[0], true
	}
	return nil, false
}

// judge judges everything, and notes what turned.
func (m *model) judge(now time.Time) {
	still := map[modelPair]bool{}
	for key, t := range m.things {
		if t.gone {
			continue
		}
		for _, c := range m.set.ByKind(key.Kind) {
			if !c.Each {
				continue
			}
			p := modelPair{c.ID, key}
			still[p] = true
			m.settle(p, c.Judge(check.Input{Fact: &t.f, Now: now, Params: m.params[c.ID], Lookup: m.lookup}).Outcome, c.Version, now)
		}
	}
	for _, c := range m.set.All() {
		if o, ok := m.judgeSet(c, now); ok {
			p := modelPair{c.ID, setKey(c)}
			still[p] = true
			m.settle(p, o, c.Version, now)
		}
	}
	for p, v := range m.pairs {
		if still[p] {
			continue
		}
		m.past = append(m.past, span{p.check, p.key, v.outcome, v.version, v.from, now})
		why := "check removed"
		if t := m.things[p.key]; t != nil && t.gone {
			why = "gone"
		}
		m.shut(p, v, now, why)
		delete(m.pairs, p)
	}
}

func setKey(c *check.Check) fact.Key { return fact.Key{Kind: c.Kind, ID: "set:" + c.Kind} }

// judgeSet judges a check of a set over everything that is there; ok is false
// where no scope carries the kind.
func (m *model) judgeSet(c *check.Check, now time.Time) (o check.Outcome, ok bool) {
	if c.Each {
		return o, false
	}
	for k, kinds := range m.kinds {
		if kinds[c.Kind] {
			ok = true
			if m.scopes[k].IsZero() {
				return check.Unknown, true
			}
		}
	}
	if !ok {
		return o, false
	}
	var members []*fact.Fact
	for _, key := range m.keys() {
		if t := m.things[key]; key.Kind == c.Kind && !t.gone {
			members = append(members, &t.f)
		}
	}
	in := check.SetInput{Members: slices.Values(members), Now: now, Params: m.params[c.ID], Lookup: m.lookup, Size: len(members)}
	return c.JudgeSet(in).Outcome, true
}

// setClock is the oldest complete reading of what a set rests on.
func (m *model) setClock(kind string) time.Time {
	var at time.Time
	for k, kinds := range m.kinds {
		if t := m.scopes[k]; kinds[kind] && !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

// stale reports whether what is said rests on too old a reading.
func (m *model) stale(c *check.Check, key fact.Key, now time.Time) bool {
	if c.Each {
		return !now.Before(m.clock(m.things[key]).Add(c.Fresh))
	}
	at := m.setClock(c.Kind)
	return !at.IsZero() && !now.Before(at.Add(c.Fresh))
}

func (m *model) settle(p modelPair, o check.Outcome, version int, now time.Time) {
	v := m.pairs[p]
	switch {
	case v == nil:
		v = &modelVerdict{outcome: o, version: version, from: now}
		m.pairs[p] = v
	case v.outcome != o || v.version != version:
		m.past = append(m.past, span{p.check, p.key, v.outcome, v.version, v.from, now})
		v.outcome, v.version, v.from = o, version, now
	}
	switch {
	case o == check.Fail && v.open.IsZero():
		v.open = now
	case o == check.Pass:
		m.shut(p, v, now, "passed")
	case o == check.NotApplicable:
		m.shut(p, v, now, "not applicable")
	}
}

func (m *model) shut(p modelPair, v *modelVerdict, now time.Time, why string) {
	if !v.open.IsZero() {
		m.cases = append(m.cases, modelCase{p.check, p.key, v.open, now, why})
		v.open = time.Time{}
	}
}

// status is what people see of a pair.
func (m *model) status(p modelPair, v *modelVerdict, now time.Time) string {
	c, _ := m.set.ByID(p.check)
	stale := m.stale(c, p.key, now)
	until, excepted := m.except[modelPair{p.check, p.key}]
	switch {
	case v.outcome == check.NotApplicable:
		return "not_applicable"
	case v.outcome == check.Fail && excepted && now.Before(until):
		return "excepted"
	case stale:
		return "unknown"
	}
	return v.outcome.String()
}

// shown lists "check source/kind/id status" of every pair.
func (m *model) shown(now time.Time) []string {
	var out []string
	for p, v := range m.pairs {
		out = append(out, fmt.Sprintf("%s %s/%s/%s %s", p.check, p.key.Source, p.key.Kind, p.key.ID, m.status(p, v, now)))
	}
	slices.Sort(out)
	return out
}

// A diary holds the instants at which something happened. A set rests for a
// second after it was judged: what is said of one is compared by these.
type diary []time.Time

func (d diary) day(t time.Time) time.Time {
	i, found := slices.BinarySearchFunc(d, t, time.Time.Compare)
	if t.IsZero() || found || i == 0 {
		return t
	}
	return d[i-1]
}

func isSet(k fact.Key) bool { return strings.HasPrefix(k.ID, "set:") }

// spans lists every interval, without those of no length.
func (m *model) spans(d diary) []string {
	all := slices.Clone(m.past)
	for p, v := range m.pairs {
		all = append(all, span{p.check, p.key, v.outcome, v.version, v.from, time.Time{}})
	}
	return spanTexts(all, d)
}

func spanTexts(all []span, d diary) []string {
	for i, s := range all {
		if isSet(s.Key) {
			all[i].From, all[i].To = d.day(s.From), d.day(s.To)
		}
	}
	all = slices.DeleteFunc(all, func(s span) bool { return s.From.Equal(s.To) })
	slices.SortFunc(all, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)), a.From.Compare(b.From))
	})
	var out []string
	for i, s := range all {
		if i > 0 && all[i-1].Check == s.Check && all[i-1].Key == s.Key && all[i-1].To.Equal(s.From) && all[i-1].Outcome == s.Outcome && all[i-1].Version == s.Version {
			s.From = all[i-1].From // a stretch of no length lay between
			all[i] = s
			out = out[:len(out)-1]
		}
		out = append(out, fmt.Sprintf("%s v%d %v %s %s–%s", s.Check, s.Version, s.Key, s.Outcome, short(s.From), short(s.To)))
	}
	return out
}

func short(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Sub(t0).String()
}

// findings lists every finding.
func (m *model) findings(d diary) []string {
	all := slices.Clone(m.cases)
	for p, v := range m.pairs {
		if !v.open.IsZero() {
			all = append(all, modelCase{p.check, p.key, v.open, time.Time{}, ""})
		}
	}
	return caseTexts(all, d)
}

// caseTexts lists findings; those of a set that follow each other at one
// instant are one.
func caseTexts(all []modelCase, d diary) []string {
	for i, c := range all {
		if isSet(c.Key) {
			all[i].Opened, all[i].Closed = d.day(c.Opened), d.day(c.Closed)
		}
	}
	all = slices.DeleteFunc(all, func(c modelCase) bool { return isSet(c.Key) && c.Opened.Equal(c.Closed) })
	slices.SortFunc(all, func(a, b modelCase) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key)), a.Opened.Compare(b.Opened), a.Closed.Compare(b.Closed))
	})
	out := make([]string, 0, len(all))
	for i, c := range all {
		if i > 0 && isSet(c.Key) && all[i-1].Check == c.Check && all[i-1].Key == c.Key && all[i-1].Closed.Equal(c.Opened) {
			c.Opened = all[i-1].Opened
			all[i] = c
			out = out[:len(out)-1]
		}
		out = append(out, fmt.Sprintf("%s %v %s–%s %s", c.Check, c.Key, short(c.Opened), short(c.Closed), c.Why))
	}
	slices.Sort(out)
	return out
}

// readings lists what the last reading of each scope covered.
func (m *model) readings() []string {
	out := make([]string, 0, len(m.results))
	for k, r := range m.results {
		out = append(out, fmt.Sprintf("%s/%s %s", k[0], k[1], r))
	}
	slices.Sort(out)
	return out
}

// keys lists the things that are there.
func (m *model) keys() []fact.Key {
	return slices.SortedFunc(maps.Keys(m.things), func(a, b fact.Key) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func canonical(kind, data string) json.RawMessage {
	for _, k := range fact.Kinds() {
		if k.Name == kind {
			raw, err := fact.Canonical(k, []byte(data))
			if err != nil {
				panic(err)
			}
			return raw
		}
	}
	panic(kind)
}

// take observes a batch of facts.
func (m *model) take(facts []fact.Fact, scope string, touch bool, now time.Time) {
	for _, f := range facts {
		m.observe(f, scope, touch)
	}
	m.judge(now)
}

// closed ends a reading of facts; also is what others saw of the scope meanwhile.
func (m *model) closed(source, scope string, r fact.Reading, targeted bool, opened time.Time, facts, also []fact.Fact, now time.Time) {
	m.close(source, scope, r, targeted)
	if r == fact.Complete {
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
		for _, f := range also {
			saw[f.Key()] = true
		}
		m.complete(source, scope, at, saw)
	}
	m.judge(now)
}
