package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"prumo.dev/prumo/internal/fact"
)

const day = 24 * time.Hour

// A system is how one source behaves.
type system struct {
	every  time.Duration
	origin fact.Origin
	silent time.Duration // it stopped answering so long ago
}

func systems() map[string]system {
	return map[string]system{
		"people":    {every: 2 * day, origin: fact.OriginPerson},
		"identity":  {every: 2 * day, origin: fact.OriginAPI},
		"directory": {every: 2 * day, origin: fact.OriginAPI, silent: 5 * day},
		"forge":     {every: 2 * day, origin: fact.OriginAPI},
		"servers":   {every: 2 * day, origin: fact.OriginPushed},
		"laptops":   {every: 2 * day, origin: fact.OriginAPI},
		"outside":   {every: 2 * day, origin: fact.OriginAPI},
		"databases": {every: 2 * day, origin: fact.OriginAPI},
		"cloud":     {every: 2 * day, origin: fact.OriginAPI},
		"scanner":   {every: 2 * day, origin: fact.OriginPushed},
		"watch":     {every: 2 * day, origin: fact.OriginPushed},
		"duties":    {every: 2 * day, origin: fact.OriginPerson},
		"plant":     {every: 12 * time.Hour, origin: fact.OriginPushed}, // another Prumo, at the factory
	}
}

// A thing is one fact over time.
type thing struct {
	source, scope, id string
	born, gone        time.Time // zero: always there
	data              func(at time.Time) fact.Data
}

// A scope is a part of a source that is read as a whole.
type scope struct {
	name  string
	kinds []string
}

// A span is the time in which something holds; the zero span never does.
type span struct{ from, to time.Time }

func (s span) holds(at time.Time) bool { return !at.Before(s.from) && at.Before(s.to) }

// A world is the invented organisation, with its last 90 days.
type world struct {
	rng    *rand.Rand
	now    time.Time
	start  time.Time
	things []thing
	turns  map[string][]time.Time // by source: instants at which something of it turned
	staff  []*worker
	repos  []*repo
}

// build makes the organisation as it is at the instant; every time in it is
// counted from there.
func build(now time.Time) *world {
	now = now.UTC().Truncate(time.Second)
	w := &world{rng: rand.New(rand.NewPCG(8420, 90)), now: now, start: now.Add(-Days * day), turns: map[string][]time.Time{}}
	w.people()
	w.accounts()
	w.code()
	w.merges()
	w.servers()
	w.laptops()
	w.outside()
	w.tenants()
	w.cluster()
	w.storage()
	w.databases()
	w.weaknesses()
	w.watchers()
	w.duties()
	w.plant()
	return w
}

// add adds a thing that does not change.
func (w *world) add(source, scope, id string, d fact.Data) {
	w.vary(source, scope, id, func(time.Time) fact.Data { return d })
}

// vary adds a thing whose data follow the time.
func (w *world) vary(source, scope, id string, data func(at time.Time) fact.Data) *thing {
	w.things = append(w.things, thing{source: source, scope: scope, id: id, data: data})
	return &w.things[len(w.things)-1]
}

// ago is an instant before now.
func (w *world) ago(d time.Duration) time.Time { return w.now.Add(-d) }

// when is an instant between two numbers of days ago, at a working hour.
func (w *world) when(most, least int) time.Time {
	d := least + w.rng.IntN(max(1, most-least))
	return w.ago(time.Duration(d)*day + time.Duration(w.rng.IntN(8*3600))*time.Second)
}

// chance is true in so many of a hundred cases.
func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// trouble is a time in which something of a source leans: from so many days
// ago, for so many days; zero days: until now.
func (w *world) trouble(source string, daysAgo float64, forDays float64) span {
	s := span{from: w.ago(time.Duration(daysAgo * float64(day)))}
	s.to = s.from.Add(time.Duration(forDays * float64(day)))
	if forDays == 0 {
		s.to = w.now.Add(Days * day)
	}
	for _, t := range []time.Time{s.from, s.to} {
		if t.Before(w.now) && t.After(w.start) {
			w.turns[source] = append(w.turns[source], t.Add(time.Minute))
		}
	}
	return s
}

// lastRead is the newest reading of a source.
func (w *world) lastRead(name string, s system) time.Time {
	v := w.visits(name, s)
	return v[len(v)-1]
}

// visits lists when a source was read.
func (w *world) visits(name string, s system) []time.Time {
	last := w.now.Add(-s.silent).Add(-time.Duration(len(name)) * time.Second)
	var out []time.Time
	for at := last; at.After(w.start); at = at.Add(-s.every) {
		out = append(out, at)
	}
	for _, at := range w.turns[name] {
		if at.Before(last) && at.After(w.start) {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.Compact(out)
}

// cut reports a reading that broke off: the cloud's interface failed for two
// days last month, and one run of the scanner was stopped.
func (w *world) cut(source string, at time.Time) bool {
	return source == "cloud" && span{w.ago(34 * day), w.ago(31 * day)}.holds(at) ||
		source == "scanner" && span{w.ago(12 * day), w.ago(10 * day)}.holds(at)
}

// scopes lists a source's scopes in the order in which they were made.
func (w *world) scopes(source string) []scope {
	var out []scope
	for i := range w.things {
		t := &w.things[i]
		if t.source != source {
			continue
		}
		kind := t.data(w.now).Kind()
		j := slices.IndexFunc(out, func(s scope) bool { return s.name == t.scope })
		if j < 0 {
			out = append(out, scope{name: t.scope})
			j = len(out) - 1
		}
		if !slices.Contains(out[j].kinds, kind) {
			out[j].kinds = append(out[j].kinds, kind)
		}
	}
	return out
}

// at gives the facts of a scope as its source said them at a time.
func (w *world) at(source string, sc scope, at time.Time) []fact.Fact {
	var out []fact.Fact
	for i := range w.things {
		t := &w.things[i]
		if t.source != source || t.scope != sc.name || at.Before(t.born) || !t.gone.IsZero() && !at.Before(t.gone) {
			continue
		}
		f, err := fact.New(t.id, t.data(at))
		if err != nil {
			panic(fmt.Sprintf("demo: fact %s: %v", t.id, err)) // our own data: a test makes every one of them
		}
		f.Source, f.Scope, f.Origin, f.ObservedAt = source, sc.name, systems()[source].origin, at
		out = append(out, f)
	}
	return out
}

// some says a value.
func some[T any](v T) fact.Opt[T] { return fact.Some(v) }

// unless says a value, but for cases in which the source does not.
func unless[T any](silent bool, v T) fact.Opt[T] { return fact.SomeIf(v, !silent) }

func one[T any](w *world, of []T) T { return of[w.rng.IntN(len(of))] }
