package alert

import (
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// CauseTest is the kind of a message that somebody asked for to see whether it arrives.
const CauseTest monitor.CauseKind = "test"

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
