// Package alert decides who is told what: routes, what they match, and the
// messages in the receiver's language. It is pure: it reads no database, no
// clock and no network; storing, queueing and retrying are alertstore's, and
// the ways out are the channels in the folders below.
//
// A message is about one cause, whatever the number of things behind it.
// Start at Route.Match and Composer.Compose; channels.go lists the ways out.
package alert

import (
	"slices"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// A Detail says how much a message may hold.
type Detail string

// The details.
const (
	DetailFull Detail = "full"
	DetailLink Detail = "link" // counts and a link, nothing that names a thing
)

// Languages returns the languages that messages are written in; the first is
// used where a receiver's language is not known.
func Languages() []string { return []string{"en", "pt-BR", "es"} }

// A Route says which causes are told to whom.
type Route struct {
	Name       string                    `json:"name"`
	When       When                      `json:"when"`
	To         map[string]channel.Target `json:"to"` // channel → target
	Detail     Detail                    `json:"detail"`
	Language   string                    `json:"language,omitempty"`  // empty: the receiver's, else the organisation's first
	Recoveries bool                      `json:"recoveries"`          // also tell when it is mended
	Repeat     Span                      `json:"repeat,omitempty"`    // tell again while it fails and nobody has taken care; 0: never
	Escalate   []Step                    `json:"escalate,omitempty"`  // tell further people while nobody has
	Zone       string                    `json:"time_zone,omitempty"` // of Quiet; empty: UTC
	Quiet      []Quiet                   `json:"quiet,omitempty"`
	Weekly     string                    `json:"weekly,omitempty"` // when a summary of the week leaves: "monday 09:00"
	FromFile   bool                      `json:"from_file,omitempty"`
}

// A When is what a route waits for: any value within a list, all lists that are not empty.
type When struct {
	Owner    []string `json:"owner,omitempty"`
	Severity []string `json:"severity,omitempty"`
	Control  []string `json:"control,omitempty"`
	Kind     []string `json:"kind,omitempty"`
	Source   []string `json:"source,omitempty"`
	Check    []string `json:"check,omitempty"`
	Cause    []string `json:"cause,omitempty"`
}

// Match returns the groups of the event that the route tells of; none: the
// route is silent. A cause that names no check (a source fell silent) has no
// severity, kind or control; conditions on those don't hold it back, for one
// message too many is better than one lost.
func (r Route) Match(e Event) []Group {
	if e.Kind == CauseTest {
		return e.Groups
	}
	if e.Kind == monitor.CauseRecovered && !r.Recoveries {
		return nil
	}
	if !anyOf(r.When.Cause, string(e.kind())) || !anyOf(r.When.Source, e.Source) {
		return nil
	}
	var out []Group
	for _, g := range e.Groups {
		if r.When.group(g) {
			out = append(out, g)
		}
	}
	return out
}

// group says whether the conditions on what failed hold.
func (w When) group(g Group) bool {
	if !anyOf(w.Owner, g.Owner) {
		return false
	}
	if g.Check == "" {
		return len(w.Check) == 0
	}
	return anyOf(w.Check, g.Check) && anyOf(w.Kind, g.Kind) &&
		anyOf(w.Severity, g.Severity.String()) && shares(w.Control, g.Controls)
}

func anyOf(list []string, value string) bool {
	return len(list) == 0 || slices.Contains(list, value)
}

func shares(list []string, controls []Control) bool {
	return len(list) == 0 || slices.ContainsFunc(controls, func(c Control) bool { return slices.Contains(list, c.ID) })
}

// severities are the names that a route may use, worst last.
func severities() []string {
	out := make([]string, 0, 4)
	for s := check.Low; s <= check.Critical; s++ {
		out = append(out, s.String())
	}
	return out
}

// causes are the kinds of causes that a route may use.
func causes() []string {
	return []string{
		string(monitor.CauseFailing), string(monitor.CauseRecovered),
		string(monitor.CauseStale), string(monitor.CauseExcepted),
	}
}
