package monitor

import (
	"encoding/json"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// A Page is a part of a list; Next is the cursor of the rest, empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
	Total int64  `json:"-"` // of the whole list, -1 where counting would cost too much
}

// A Filter narrows a list. Zero fields do not filter. Lists of values mean "any of".
type Filter struct {
	Status     []Status
	Check      []string
	Kind       []string
	Source     []string
	Fact       string // exact id
	Severity   []check.Severity
	Owner      []string
	Control    []string
	Text       string    // substring of check id, fact id, name or owner
	OpenOnly   bool      // findings: not closed
	ClosedOnly bool      // findings: closed
	Gone       bool      // facts: also those that are gone
	At         time.Time // as of; zero: now
	Sort       string    // a column name of the list; "-" before it turns it round
	Limit      int       // default 50, at most 1000
	Cursor     string
}

// A Verdict is what a check says of one fact or set, with its overlays.
type Verdict struct {
	Check    string
	Version  int
	Fact     string
	Name     string // the fact's name, for people
	Kind     string
	Source   string
	Status   Status
	Outcome  check.Outcome
	Stale    bool
	Reason   string
	Since    time.Time
	Severity check.Severity
	Owner    string
	Due      *time.Time // of its finding
	FlipsAt  *time.Time // when it turns without a new reading
	ReadAt   time.Time  // last observation that it rests on
	Finding  string     // id of the open finding
	Excepted string     // id of the exception
}

// A Finding is a failing check on a fact from its first fail until it passes or the fact is gone.
type Finding struct {
	ID         string
	Check      string
	Fact       string
	Name       string
	Kind       string
	Source     string
	Severity   check.Severity
	Owner      string
	Status     Status // of its verdict now
	Reason     string
	Message    string // rendered when it opened, in English
	OpenedAt   time.Time
	DueAt      time.Time
	Late       bool
	ClosedAt   *time.Time
	ClosedWhy  string     // "passed", "gone", "check removed"
	EventAt    *time.Time // change at the source
	AlertedAt  *time.Time
	Cause      string
	Actor      string // who changed it, where the source says so
	Deliveries int
	Silences   []Silence // acknowledgements and mutes that hold now
}

// A FactView is a fact as stored.
type FactView struct {
	ID         string
	Kind       string
	Source     string
	Scope      string
	Name       string
	Origin     fact.Origin
	ObservedAt time.Time
	ReadAt     time.Time // last observation: its own or its scope's complete reading
	ChangedAt  time.Time
	FirstSeen  time.Time
	GoneAt     *time.Time
	Owner      string
	Data       json.RawMessage
	Digest     string
	Counts     Counts // of its verdicts
}

// A FactVersion is one state of a fact's data in time.
type FactVersion struct {
	From time.Time
	To   *time.Time
	Data json.RawMessage
	Gone bool
}

// An Interval is one stretch of an outcome in time.
type Interval struct {
	Check   string
	Version int
	Fact    string
	Outcome check.Outcome
	Reason  string
	From    time.Time
	To      *time.Time
}

// Counts holds how many verdicts have each status.
type Counts struct {
	Pass, Fail, Unknown, NotApplicable, Excepted int64
	Stale                                        int64 // part of Unknown
}

// Total is the number of verdicts.
func (c Counts) Total() int64 { return c.Pass + c.Fail + c.Unknown + c.NotApplicable + c.Excepted }

// Add returns the sum of both.
func (c Counts) Add(o Counts) Counts {
	c.Pass += o.Pass
	c.Fail += o.Fail
	c.Unknown += o.Unknown
	c.NotApplicable += o.NotApplicable
	c.Excepted += o.Excepted
	c.Stale += o.Stale
	return c
}

// A CheckCount is the counts of a check over one source.
type CheckCount struct {
	Check, Source string
	Counts        Counts
}

// A Source is one connected system as stored and as it behaves.
type Source struct {
	Name       string
	Connector  string
	Every      time.Duration
	Enabled    bool
	FromFile   bool // written in prumo.yaml; the console cannot change it
	Owner      string
	CreatedAt  time.Time
	LastReadAt *time.Time
	LastResult string // complete, partial, forbidden, failed; "" never read
	LastWhy    string
	NextReadAt *time.Time
	Reading    bool
	Facts      int64
	Scopes     []ScopeState
	Counts     Counts
	Latency    Latency
}

// A ScopeState is what the last readings of a scope covered.
type ScopeState struct {
	Name           string
	Kinds          []string
	LastAt         time.Time
	LastResult     fact.Reading
	LastCompleteAt *time.Time
	Seen, Of       int64
	Forbidden      int64
	Why            string
	Permission     string
}

// Latency is how long it took, over the last 30 days.
type Latency struct {
	DetectP50, DetectP95 time.Duration // change at the source → verdict
	AlertP50, AlertP95   time.Duration // change at the source (or its announcement) → delivered alert
	FixP50, FixP95       time.Duration // finding opened → closed by a pass
	Samples              int64
}

// An Exception is an accepted failure.
type Exception struct {
	ID         string
	Check      string
	Fact       string // empty: every fact of the source, or of the check
	Source     string // empty: every source
	Reason     string
	Requester  string
	Approver   string
	Solo       bool // requester and approver are one person, since the organisation has only one; shown
	CreatedAt  time.Time
	ApprovedAt *time.Time
	Ends       time.Time
	Guard      string // check that must stay green for the same fact, or set
	GuardOK    bool
	RevokedAt  *time.Time
	Active     bool  // approved, not ended, not revoked, guard green
	Covers     int64 // failing verdicts under it
}

// A Day is one day of a strip: the worst status that held, and the shares at its end.
type Day struct {
	Date   string // YYYY-MM-DD, UTC
	Worst  Status
	Counts Counts
}

// A Posture is everything that the first page says.
type Posture struct {
	At      time.Time
	Counts  Counts
	ByCheck []CheckCount
	Sources []Source
	Open    int64 // findings
	Late    int64
	Latency Latency
	Trend   []Day // 90 days, oldest first
}

// A Change is something that turned, for "changed since".
type Change struct {
	Transition
	Name     string
	Severity check.Severity
	Actor    string
}
