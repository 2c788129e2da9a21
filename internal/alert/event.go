package alert

import (
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// CauseTest is the kind of a message that somebody asked for to see whether it arrives.
const CauseTest monitor.CauseKind = "test"

// What is told beside causes: that something fails still, that a mute has
// ended, what was held while it was quiet, and how a week went.
const (
	KindReminder monitor.CauseKind = "reminder"
	KindUnmuted  monitor.CauseKind = "unmuted"
	KindDigest   monitor.CauseKind = "digest"
	KindWeekly   monitor.CauseKind = "weekly"
)

// MaxItems is how many things a message names; the rest is a count.
const MaxItems = 20

// MaxGroups is how many groups of one cause an event keeps; the worst first.
const MaxGroups = 200

// An Event is a cause as it was when it was told: everything that its messages
// say, in every language. It is stored once and never changes, so that a
// repeated message says what the first one said.
type Event struct {
	ID       string            `json:"id"`
	Kind     monitor.CauseKind `json:"kind"`
	First    bool              `json:"first,omitempty"`
	Source   string            `json:"source,omitempty"`
	Owner    string            `json:"owner,omitempty"` // of the cause; groups have their own
	Severity check.Severity    `json:"severity,omitempty"`
	At       time.Time         `json:"at"`                 // the verdict that opened it
	EventAt  time.Time         `json:"event_at,omitzero"`  // the change at the source, where it is known
	SealedAt time.Time         `json:"sealed_at,omitzero"` // when the message was settled
	Why      string            `json:"why,omitempty"`      // of a stale source: the last thing it said
	Since    time.Time         `json:"since,omitzero"`     // of a stale source: the last reading
	Count    int               `json:"count"`
	Groups   []Group           `json:"groups"`

	About   string            `json:"about,omitempty"`   // of a reminder: the cause that it is about
	Of      monitor.CauseKind `json:"of,omitempty"`      // of a reminder: the kind of that cause
	Times   int               `json:"times,omitempty"`   // of a reminder: the how manieth; 0: a step of an escalation
	FirstAt time.Time         `json:"first_at,omitzero"` // of a reminder: when it was told first
	Muted   int               `json:"muted,omitempty"`   // findings that are not told since they are muted
	By      string            `json:"by,omitempty"`      // who had muted it
	Digest  []Held            `json:"digest,omitempty"`  // what was held
	Week    *Week             `json:"week,omitempty"`    // the summary
}

// kind is what an event tells of, for the conditions of routes.
func (e Event) kind() monitor.CauseKind {
	if e.Of != "" {
		return e.Of
	}
	return e.Kind
}

// Settles says whether the event is a cause of the monitor's own, whose first
// accepted message counts as the moment at which somebody was told.
func (e Event) Settles() bool {
	switch e.Kind {
	case monitor.CauseFailing, monitor.CauseRecovered, monitor.CauseStale, monitor.CauseExcepted:
		return true
	}
	return false
}

// Acts says whether its receiver may acknowledge or mute what it tells.
func (e Event) Acts() bool {
	switch e.Kind {
	case monitor.CauseFailing, monitor.CauseStale, monitor.CauseExcepted, KindReminder:
		return true
	}
	return false
}

// A Held is a message that was held while it was quiet.
type Held struct {
	Subject string            `json:"subject"`
	Kind    monitor.CauseKind `json:"kind"`
	At      time.Time         `json:"at"`
	Count   int               `json:"count"`
	Open    int               `json:"open"`           // of them, when the digest was written
	Link    string            `json:"link,omitempty"` // path of its finding, where it is one and the route tells everything
}

// A Week is what a summary tells.
type Week struct {
	From    time.Time  `json:"from"`
	To      time.Time  `json:"to"`
	Open    int        `json:"open"`
	New     int        `json:"new"`
	Mended  int        `json:"mended"`
	Late    int        `json:"late"`
	Due     int        `json:"due"` // within the next seven days
	Leans   []WeekLine `json:"leans,omitempty"`
	DueSoon []Item     `json:"due_soon,omitempty"`
	Times   [3]Lapse   `json:"times"` // to detect, to alert, to mend
	Sources int        `json:"sources"`
	Silent  []string   `json:"silent,omitempty"` // sources that were not read in time
	Known   int64      `json:"known"`            // verdicts that are known
	Unknown int64      `json:"unknown"`
}

// A WeekLine is one check that leans.
type WeekLine struct {
	Check    string         `json:"check"`
	Title    check.Text     `json:"title,omitempty"`
	Severity check.Severity `json:"severity"`
	Count    int            `json:"count"`
	New      int            `json:"new"`
}

// A Lapse is how long something took: half of the cases, and 19 of 20.
type Lapse struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
}

// A Group is the part of an event that one check found and one owner answers for.
type Group struct {
	Check    string         `json:"check,omitempty"`
	Owner    string         `json:"owner,omitempty"`
	Version  int            `json:"version,omitempty"`
	Kind     string         `json:"kind,omitempty"`
	Severity check.Severity `json:"severity,omitempty"`
	Title    check.Text     `json:"title,omitempty"`
	Fix      check.Text     `json:"fix,omitempty"`
	Controls []Control      `json:"controls,omitempty"`
	Count    int            `json:"count"`
	Items    []Item         `json:"items,omitempty"`   // the first MaxItems
	Answers  []string       `json:"answers,omitempty"` // causes that told of these findings before
}

// A Control is a control's id and title.
type Control struct {
	ID    string     `json:"id"`
	Title check.Text `json:"title,omitempty"`
}

// An Item is one thing.
type Item struct {
	Finding    string     `json:"finding,omitempty"`
	Fact       string     `json:"fact"`
	Name       string     `json:"name,omitempty"`
	Message    check.Text `json:"message,omitempty"`
	Fix        check.Text `json:"fix,omitempty"` // where it differs from the group's
	Fields     []Field    `json:"fields,omitempty"`
	ObservedAt time.Time  `json:"observed_at,omitzero"`
	OpenedAt   time.Time  `json:"opened_at,omitzero"`
	DueAt      time.Time  `json:"due_at,omitzero"`
	ClosedAt   time.Time  `json:"closed_at,omitzero"`
	ClosedWhy  string     `json:"closed_why,omitempty"` // passed, gone, check removed
	Actor      string     `json:"actor,omitempty"`
	Ledger     int64      `json:"ledger,omitempty"` // the leaf that holds the evidence, counted from 1; 0: none given
}

// A Field is one value of a fact as the source said it.
type Field struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}
