package monitor

import (
	"encoding/json"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// The rows that a Store keeps. Times are microseconds since 1970, UTC; 0 is
// "none". Ids are those of the rows; a fact's id is negative where the row is
// the set of a kind.

// A SourceRow is a connected system.
type SourceRow struct {
	ID       int64
	Name     string
	Owner    string
	Enabled  bool
	FirstRun int64 // the run that first brought facts
}

// A ScopeRow is a part of a source with what its last reading covered.
type ScopeRow struct {
	ID             int64
	Source         int64
	Name           string
	OpenedAt       int64 // of the reading that is under way
	LastAt         int64
	LastResult     fact.Reading
	LastCompleteAt int64 // the instant of the last complete reading
	Detail         ScopeDetail
}

// A RunRow is one run.
type RunRow struct {
	ID        int64
	Source    int64
	Trigger   Trigger
	Actor     string
	EventAt   int64
	ArrivedAt int64
	StartedAt int64
}

// A ReceiptRow says that a scope's complete readings said the same for a while.
type ReceiptRow struct {
	ID       int64 // 0: to be added
	Scope    int64
	Result   fact.Reading
	FirstAt  int64
	LastAt   int64
	Readings int64
	Seen     int64
	Digest   []byte
	EndedAt  int64
}

// A FactRow is a fact as held.
type FactRow struct {
	ID         int64
	Key        fact.Key
	Source     int64
	Scope      int64
	Name       string
	OwnerSet   string // by a person of the organisation
	OwnerSaid  string // by the source
	Origin     fact.Origin
	ObservedAt int64
	FirstSeen  int64
	ChangedAt  int64
	GoneAt     int64
	Hash       [32]byte
	Own        bool            // its own observation is newer than its scope's last complete reading
	Refs       bool            // it has rows in the reverse index
	added      bool            // in this transaction
	Data       json.RawMessage // only where it was asked for
}

// Owner is who answers for the fact, if anybody said so.
func (f *FactRow) Owner() string {
	if f.OwnerSet != "" {
		return f.OwnerSet
	}
	return f.OwnerSaid
}

// fact is what checks see.
func (f *FactRow) fact() *fact.Fact {
	return &fact.Fact{
		Kind: f.Key.Kind, ID: f.Key.ID, Source: f.Key.Source, Origin: f.Origin,
		ObservedAt: time.UnixMicro(f.ObservedAt).UTC(), Data: f.Data,
	}
}

// A VersionRow is a state that a fact was in, or one that came too late.
type VersionRow struct {
	Fact       int64
	From, To   int64
	ObservedAt int64
	Gone, Late bool
	Hash       [32]byte
	Data       json.RawMessage // nil: what is held for the fact now
}

// A RefRow says that a fact was judged by reading another through its name.
type RefRow struct {
	Kind, ID string
	Fact     int64
}

// A CheckRow is what is kept of a check.
type CheckRow struct {
	ID        int64
	Name      string
	Version   int
	Digest    string
	Kind      string
	Severity  check.Severity
	Each      bool
	Fresh     int64
	Owner     string
	Params    string // JSON of the overrides; empty: none
	Removed   bool
	Work      Work  // what remains to be done over all facts of its kind
	WorkFrom  int64 // the last fact that it was done for
	WorkRun   int64
	WorkFirst bool  // its first judgement
	DirtyAt   int64 // of a set: since when it waits to be judged
	Controls  []string
}

// Work is what remains to be done for a check over all facts.
type Work string

// The kinds of work.
const (
	WorkNone   Work = ""
	WorkJudge  Work = "judge"  // judge every fact again
	WorkRemove Work = "remove" // end every verdict
)

// A VerdictRow is an interval.
type VerdictRow struct {
	ID      int64
	Check   int64
	Fact    int64
	Scope   int64
	Own     Own
	Outcome check.Outcome
	Prev    int // the outcome before it; -1: none, or the same
	Known   check.Outcome
	Drift   bool
	Version int
	Reason  string
	Missing string
	Since   int64
	From    int64
	DueAt   int64
	StaleAt int64 // where its own observation decides
	Finding int64
	New     *FindingRow // that opens with it; Save gives Finding its id
	Run     int64
}

// Own says which clock makes a verdict stale.
type Own int8

// The clocks.
const (
	OwnNo    Own = 0 // its scope's complete readings
	OwnFresh Own = 1 // its fact's own observation
	OwnStale Own = 2 // its fact's own observation, and it is stale
)

// A TallyKey names a number of open verdicts.
type TallyKey struct {
	Check, Scope int64
	Own          Own
	Outcome      check.Outcome
}

// An OverlayKey names what is stale: a scope under a limit, a fact with a
// clock of its own, or a set (with scope 0).
type OverlayKey struct {
	Scope, Fact, Fresh int64
}

// A FindingRow is a finding.
type FindingRow struct {
	ID        int64
	Ext       string
	Check     int64
	Fact      int64
	Scope     int64
	Source    int64
	Version   int
	Severity  check.Severity
	Owner     string
	Message   string
	Actor     string
	Run       int64
	OpenedAt  int64
	DueAt     int64
	EventAt   int64
	ClosedAt  int64
	ClosedWhy string
	ClosedRun int64
	Cause     int64
	Recovered int64 // the cause that told that it was closed
}

// A CauseKey says what goes into one message.
type CauseKey struct {
	Run    int64
	Kind   CauseKind
	First  bool
	Check  int64
	Source int64
	Owner  string
}

// A CauseRow is a cause.
type CauseRow struct {
	ID       int64
	Ext      string
	Key      CauseKey
	Severity check.Severity
	Part     int
	OpenedAt int64
	EventAt  int64
	Count    int64
	Sealed   bool
}

// An ExceptionRow is an exception.
type ExceptionRow struct {
	ID         int64
	Ext        string
	Check      string
	Kind       string
	Fact       string
	Source     string
	Reason     string
	Requester  string
	Approver   string
	Solo       bool
	CreatedAt  int64
	ApprovedAt int64
	EndsAt     int64
	Guard      string
	GuardOK    bool
	RevokedAt  int64
	EndedAt    int64
	Active     bool // it has an open span
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
