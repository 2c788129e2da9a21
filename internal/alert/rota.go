package alert

import (
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/email"
	names "prumo.dev/prumo/internal/name"
)

// Limits of an on-call list.
const (
	minShift     = time.Hour
	maxShift     = 366 * 24 * time.Hour
	maxRotas     = 100
	maxPeople    = 100
	maxOverrides = 500
)

// rotaTime is how a list's instants are written: by the clocks of its place.
const rotaTime = "2006-01-02T15:04"

// A Rota is an on-call list: people who take turns, and who stands in for whom.
type Rota struct {
	Name      string
	Zone      string    // empty: UTC
	Start     time.Time // the first handover; its clocks are those of Zone
	Every     time.Duration
	People    []string // mail addresses, in their order
	Overrides []Override
}

// An Override puts somebody else on call for a while; the last one that covers an instant counts.
type Override struct {
	From, To time.Time // from, and until before
	Who      string
}

// A Shift is who is on call, and from when to when.
type Shift struct {
	Who      string
	From, To time.Time
	Override bool
}

func (r Rota) zone() *time.Location { return Route{Zone: r.Zone}.zone() }

// handover is the instant of the n-th change. Whole days are counted by the
// calendar, so that it keeps its hour where clocks change; the rest of a
// length that is no number of days is counted by the clock on the wall too.
func (r Rota) handover(n int64) time.Time {
	in := r.zone()
	w := wall(r.Start.In(in)).Add(time.Duration(n) * r.Every)
	return localTime(w, w.Hour(), w.Minute(), in)
}

// OnCall returns who is on call at an instant; ok is false before the list
// begins, unless somebody stands in.
func (r Rota) OnCall(at time.Time) (s Shift, ok bool) {
	if len(r.People) > 0 && r.Every >= minShift && !at.Before(r.Start) {
		n := int64(wall(at.In(r.zone())).Sub(wall(r.Start.In(r.zone()))) / r.Every)
		for n > 0 && at.Before(r.handover(n)) {
			n--
		}
		for !at.Before(r.handover(n + 1)) {
			n++
		}
		s = Shift{Who: r.People[n%int64(len(r.People))], From: r.handover(n).UTC(), To: r.handover(n + 1).UTC()}
		ok = true
	}
	for _, o := range slices.Backward(r.Overrides) {
		if !at.Before(o.From) && at.Before(o.To) {
			return Shift{Who: o.Who, From: o.From.UTC(), To: o.To.UTC(), Override: true}, true
		}
	}
	return s, ok
}

// ParseRotas reads the list under `on_call:`. Every problem is returned; the
// good lists are returned beside them.
func ParseRotas(list *yaml.Node) ([]Rota, []error) {
	at := Problem{Of: "on-call list", Route: "all"}
	nodes, err := items(at, resolve(list), maxRotas)
	if err != nil {
		return nil, []error{err}
	}
	var out []Rota
	var problems []error
	for i, n := range nodes {
		r, err := rota(Problem{Of: "on-call list", Route: fmt.Sprint(i + 1)}, n)
		if err == nil && slices.ContainsFunc(out, func(o Rota) bool { return o.Name == r.Name }) {
			err = &Problem{Of: "on-call list", Route: r.Name, Field: "name", Line: n.Line, What: "is used twice", Do: "give each list its own name"}
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		out = append(out, r)
	}
	return out, problems
}

func rota(at Problem, n *yaml.Node) (Rota, error) {
	list, err := fields(at, n, []string{"name", "time_zone", "start", "every", "people", "overrides"})
	if err != nil {
		return Rota{}, err
	}
	var r Rota
	for _, f := range list { // the zone first: instants are written by its clocks
		if at := within(at, f); f.name == "time_zone" {
			if r.Zone, err = timeZone(at, f.value); err != nil {
				return Rota{}, err
			}
		}
	}
	for _, f := range list {
		at := within(at, f)
		switch f.name {
		case "name":
			r.Name, err = rotaName(at, f.value)
		case "start":
			r.Start, err = rotaInstant(at, f.value, r.zone())
		case "every":
			var d Span
			d, err = span(at, f.value, minShift, maxShift)
			r.Every = time.Duration(d)
		case "people":
			r.People, err = people(at, f.value)
		case "overrides":
			r.Overrides, err = overrides(at, f.value, r.zone())
		}
		if err != nil {
			return Rota{}, err
		}
	}
	at.Line = n.Line
	switch {
	case r.Name == "":
		at.Field, at.Do = "name", "give the list a name"
	case r.Start.IsZero():
		at.Field, at.Do = "start", "write the first handover, as in 2026-01-05T09:00"
	case r.Every == 0:
		at.Field, at.Do = "every", "write how long a turn is, as in 168h"
	case len(r.People) == 0:
		at.Field, at.Do = "people", "name who takes turns, as in [ana@example.org]"
	case r.Every%time.Minute != 0:
		at.Field, at.What, at.Do = "every", "is no number of minutes", "write whole minutes"
		return Rota{}, &at
	default:
		return r, nil
	}
	at.What = "is missing"
	return Rota{}, &at
}

func within(at Problem, f field) Problem {
	at.Field, at.Line = f.name, f.value.Line
	return at
}

func rotaName(at Problem, n *yaml.Node) (string, error) {
	s, err := text(at, n)
	if err == nil && !names.Valid(s) {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q cannot name a list", clip(s, 60)), "use "+names.Rule
		return "", &at
	}
	return s, err
}

// rotaInstant reads a date and a time by the clocks of a place.
func rotaInstant(at Problem, n *yaml.Node, in *time.Location) (time.Time, error) {
	s, err := text(at, n)
	if err != nil {
		return time.Time{}, err
	}
	w, err := time.Parse(rotaTime, s)
	if err != nil || w.Year() < 2000 || w.Year() > 2200 {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q is not a date and a time", clip(s, 60)), "write it as in 2026-01-05T09:00, by the clocks of time_zone"
		return time.Time{}, &at
	}
	return localTime(w, w.Hour(), w.Minute(), in), nil
}

func person(at Problem, n *yaml.Node) (string, error) {
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	a, err := email.Address(s)
	if err != nil {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q is not a mail address", clip(s, 60)), "write one such as ana@example.org"
		return "", &at
	}
	return a, nil
}

func people(at Problem, n *yaml.Node) ([]string, error) {
	nodes, err := items(at, n, maxPeople)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		who, err := person(at, n) // somebody may stand twice: two turns of three
		if err != nil {
			return nil, err
		}
		out = append(out, who)
	}
	return out, nil
}

func overrides(at Problem, n *yaml.Node, in *time.Location) ([]Override, error) {
	nodes, err := items(at, n, maxOverrides)
	if err != nil {
		return nil, err
	}
	var out []Override
	for _, n := range nodes {
		var o Override
		list, err := fields(at, n, []string{"from", "to", "who"})
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			at := at
			at.Field += "." + f.name
			switch f.name {
			case "from":
				o.From, err = rotaInstant(at, f.value, in)
			case "to":
				o.To, err = rotaInstant(at, f.value, in)
			case "who":
				o.Who, err = person(at, f.value)
			}
			if err != nil {
				return nil, err
			}
		}
		if o.From.IsZero() || o.Who == "" || !o.To.After(o.From) {
			at := at
			at.Line, at.What, at.Do = n.Line, "needs from, a later to, and who", "write it as in {from: 2026-02-02T09:00, to: 2026-02-03T09:00, who: ana@example.org}"
			return nil, &at
		}
		out = append(out, o)
	}
	return out, nil
}
