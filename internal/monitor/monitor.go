// Package monitor is the heart of Prumo: it takes what a reading found,
// compares it with what is stored, judges only what is affected, and keeps
// verdicts as intervals. Nothing else writes verdicts or opens and closes
// findings. It owns no SQL: Store is implemented by internal/store.
//
// Start at Monitor.Begin for the way in and at views.go for the way out.
package monitor

import (
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// MaxBatch is the most facts that one transaction takes.
const MaxBatch = 1000

// A Trigger says why a run of the monitor happened.
type Trigger string

// The triggers.
const (
	TriggerSchedule  Trigger = "schedule"  // its rhythm
	TriggerAsked     Trigger = "asked"     // a person or a program asked for it
	TriggerEvent     Trigger = "event"     // the source announced a change
	TriggerTripwire  Trigger = "tripwire"  // a tripwire saw a difference
	TriggerPush      Trigger = "push"      // facts were sent to us
	TriggerTimer     Trigger = "timer"     // an instant came
	TriggerCheck     Trigger = "check"     // a check, parameter or owner was edited
	TriggerException Trigger = "exception" // an exception was approved, revoked or ended
)

// A Status is what people see: the stored outcome under its overlays.
type Status string

// The statuses. Stale is shown as unknown with the reason "not read since".
const (
	StatusPass          Status = "pass"
	StatusFail          Status = "fail"
	StatusUnknown       Status = "unknown"
	StatusNotApplicable Status = "not_applicable"
	StatusExcepted      Status = "excepted"
)

// A Begin describes a run that is about to bring facts.
type Begin struct {
	Source  string
	Trigger Trigger
	Actor   string    // who caused the change at the source, where an event says so
	EventAt time.Time // when the change happened at the source; zero: not known. Latency is measured from it, or from ArrivedAt
	Arrived time.Time // when the announcement reached us; zero: none did
}

// A Transition is a stored outcome that changed.
type Transition struct {
	Check   string
	Version int
	Fact    fact.Key // ID is "set:KIND" or "set:KIND:SOURCE" for a set
	From    check.Outcome
	To      check.Outcome
	First   bool // there was no verdict before
	Drift   bool // the last known outcome was pass and this is fail
	At      time.Time
	Reason  string
}

// A CauseKind says what a cause tells.
type CauseKind string

// The kinds of causes.
const (
	CauseFailing   CauseKind = "failing"   // findings opened
	CauseRecovered CauseKind = "recovered" // findings closed
	CauseStale     CauseKind = "stale"     // a scope was not read in time
	CauseExcepted  CauseKind = "excepted"  // an exception ended or lost its guard, and the failure shows again
)

// A Cause is what one message is about: the same check, source, owner and run;
// or everything that a new source or a new check found failing at first sight.
type Cause struct {
	ID       string
	Kind     CauseKind
	First    bool   // first sight of a source or check
	Check    string // empty for a first sight of a source
	Source   string
	Owner    string
	Severity check.Severity // the worst of its findings
	Run      int64
	Part     int // 0; counts on where a run went on after its message left
	OpenedAt time.Time
	EventAt  time.Time // change at the source, for the latency; zero: not known
	Count    int       // findings in it
}
