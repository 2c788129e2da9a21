package monitor

import (
	"context"
	"time"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/ledger"
)

// A Store keeps what the monitor knows. internal/store implements it.
//
// Heart runs fn in one writing transaction: either everything that it wrote is
// there afterwards or nothing, also after a crash. No two run at once, over
// all replicas. View runs fn on a snapshot that cannot be written.
type Store interface {
	Heart(ctx context.Context, fn func(Tx) error) error
	// Behind says whether another process ran the last one.
	Behind(ctx context.Context) (bool, error)
	View(ctx context.Context, fn func(Tx) error) error
}

// A Tx is the monitor's side of a transaction. Methods that find several rows
// return them in the order of their ids; a row that does not exist is absent.
type Tx interface {
	sourceTx
	factTx
	verdictTx
	findingTx
	checkTx
	exceptionTx
	silenceTx

	// Save writes everything that c holds.
	Save(ctx context.Context, c *Changes) error
	// Turned says whether another process wrote since this one did last.
	Turned() bool
	// Log appends one leaf to the ledger and returns its number, from 1.
	Log(ctx context.Context, at int64, contents []Content) (int64, error)
}

type sourceTx interface {
	// Source finds a source by its name, or makes it.
	Source(ctx context.Context, name string, now int64) (SourceRow, error)
	SourceByID(ctx context.Context, id int64) (SourceRow, error)
	SaveSource(ctx context.Context, s Source, now int64) error
	SetSourceOwner(ctx context.Context, name, owner string) (int64, error)
	// DropSource forgets a source that has no facts left.
	DropSource(ctx context.Context, source int64) error
	SetFirstRun(ctx context.Context, source, run int64) error
	// Scope finds a scope of a source, or makes it, and adds the kinds to it.
	Scope(ctx context.Context, source int64, name string, kinds []string) (ScopeRow, error)
	ScopesOf(ctx context.Context, ids []int64) ([]ScopeRow, error)
	// Scopes lists the scopes of enabled sources that carry a kind; all scopes if it is empty.
	Scopes(ctx context.Context, kind string) ([]ScopeRow, error)
	ScopesOfSource(ctx context.Context, source int64) ([]ScopeRow, error)
	// ScopeKinds lists the kinds of every scope, of one only if it is not 0.
	ScopeKinds(ctx context.Context, scope int64) (map[int64][]string, error)
	AddKinds(ctx context.Context, scope int64, kinds []string) error
	SaveScope(ctx context.Context, s ScopeRow) error
	BeginRun(ctx context.Context, r RunRow) (int64, error)
	EndRun(ctx context.Context, r RunRow, now int64, result, why string) error
	// EndRuns ends every run whose process is gone or has lost its lease, and
	// lists scopes that such a run had open.
	EndRuns(ctx context.Context, now int64) ([]ScopeRow, error)
	// OpenReading and CloseReading note that a run reads a scope; Saw, what it
	// saw while another process read the same scope; SeenElsewhere lists that
	// for the other. One process alone needs none of it.
	OpenReading(ctx context.Context, scope, run int64) error
	CloseReading(ctx context.Context, scope, run int64) error
	Saw(ctx context.Context, scope, run int64, facts []int64) error
	SeenElsewhere(ctx context.Context, scope, run int64) ([]int64, error)
	Receipt(ctx context.Context, scope int64) (ReceiptRow, bool, error)
	SaveReceipt(ctx context.Context, r ReceiptRow) error
}

type factTx interface {
	FactsByKey(ctx context.Context, source int64, kind string, ids []string) ([]FactRow, error)
	FactsByID(ctx context.Context, ids []int64, data bool) ([]FactRow, error)
	// FactsNamed finds facts of a kind that are not gone, of whatever source, with their data.
	FactsNamed(ctx context.Context, kind string, ids []string) ([]FactRow, error)
	// FactsOfKind lists facts that are not gone behind an id, with their data.
	FactsOfKind(ctx context.Context, kind string, after int64, limit int) ([]FactRow, error)
	// FactsOfScope lists facts that are not gone behind an id; own: only those with a clock of their own.
	FactsOfScope(ctx context.Context, scope, after int64, limit int, own bool) ([]FactRow, error)
	// RefsTo lists the facts that were judged by reading these.
	RefsTo(ctx context.Context, kind string, ids []string) ([]int64, error)
	RefsOf(ctx context.Context, facts []int64) ([]RefRow, error)
	SetFactOwner(ctx context.Context, source, id, owner string) (int64, error)
}

type verdictTx interface {
	// VerdictsOf lists the open verdicts of facts.
	VerdictsOf(ctx context.Context, facts []int64) ([]VerdictRow, error)
	// VerdictsOfCheck lists a check's open verdicts behind a fact's id.
	VerdictsOfCheck(ctx context.Context, chk, after int64, limit int) ([]VerdictRow, error)
	// Due lists open verdicts that flip by themselves at now or before.
	Due(ctx context.Context, now int64, limit int) ([]VerdictRow, error)
	// Staling lists open verdicts whose own observation is too old at now.
	Staling(ctx context.Context, now int64, limit int) ([]VerdictRow, error)
	// NextInstant is the first instant at which Due or Staling has something; 0: never.
	NextInstant(ctx context.Context) (int64, error)
	Tally(ctx context.Context) (map[TallyKey]int64, error)
	CountVerdicts(ctx context.Context) (map[TallyKey]int64, error)
	SetTally(ctx context.Context, at int64, is map[TallyKey]int64) error
	// Overlays lists what is stale; of one scope only if it is not negative.
	Overlays(ctx context.Context, scope int64) (map[OverlayKey]int64, error)
	OverlaysOfFacts(ctx context.Context, facts []int64) ([]OverlayKey, error)
	// Set finds the fact row of a kind's set, or makes it.
	Set(ctx context.Context, kind string, now int64) (FactRow, error)
	// Members lists the cells of facts in the counted set checks.
	Members(ctx context.Context, facts []int64) ([]MemberRow, error)
	MembersDue(ctx context.Context, chk, now int64, limit int) ([]MemberRow, error)
	MemberTotals(ctx context.Context, chk int64, cells int) ([]int64, error)
	MemberNextDue(ctx context.Context, chk int64) (int64, error)
	DropMembers(ctx context.Context, chk int64) error
}

type findingTx interface {
	Findings(ctx context.Context, ids []int64) ([]FindingRow, error)
	// Cause finds the last part of a cause.
	Cause(ctx context.Context, k CauseKey) (CauseRow, bool, error)
	SaveCause(ctx context.Context, c *CauseRow) error
	// Reassign brings the owners of open findings to what is set now.
	Reassign(ctx context.Context, what Owned, source, id, fallback string) error
	Latency(ctx context.Context, kind string, source, at, us int64) error
}

type checkTx interface {
	Checks(ctx context.Context) ([]CheckRow, error)
	// HasFacts says whether there is a fact of the kind that is not gone.
	HasFacts(ctx context.Context, kind string) (bool, error)
	SaveCheck(ctx context.Context, c *CheckRow) error
	// SetDirty says that a set check waits since an instant; 0: that it was judged.
	SetDirty(ctx context.Context, chk, since int64) error
}

type exceptionTx interface {
	ExceptionRow(ctx context.Context, ext string) (ExceptionRow, bool, error)
	// LiveExceptions lists approved ones that have not ended.
	LiveExceptions(ctx context.Context) ([]ExceptionRow, error)
	SaveException(ctx context.Context, e *ExceptionRow) error
	// Cover opens or closes the span in which an exception covers its failures.
	Cover(ctx context.Context, exception, now int64, on bool) error
	// Covered counts the failing verdicts under an exception by check, source and owner.
	Covered(ctx context.Context, e ExceptionRow) ([]CoveredRow, error)
	// GuardOK says whether the guard of an exception passes and is not stale,
	// for the exception's fact, or for the set if the guard judges sets.
	GuardOK(ctx context.Context, e ExceptionRow, now int64) (bool, error)
	// FactIs says whether there is a fact of a check's kind, and who answers for it.
	FactIs(ctx context.Context, check, source, id string) (owners []string, err error)
}

// A MemberRow is the cell of a fact in a counted set check.
type MemberRow struct {
	Check int64
	Fact  int64
	Cell  int // -1: not in the set; the row is kept only if it has a DueAt
	DueAt int64
	Gone  bool // to be removed
}

// A CoveredRow is a number of failing verdicts.
type CoveredRow struct {
	Check, Source int64
	Owner         string
	Count         int64
}

// A Content is something that the ledger keeps a digest of.
type Content struct {
	Sort  ledger.Sort
	Bytes []byte
}

// An Outbox takes causes to be told. Enqueue is called once for each part of a
// cause, in the transaction that opens it, so that no alert is lost or made up.
type Outbox interface {
	Enqueue(ctx context.Context, tx Tx, c Cause) error
}

// A ScopeDetail says what a reading of a scope met, for people to read.
type ScopeDetail struct {
	Seen       int // filled by the monitor
	Of         int // how many the source says there are; 0: it does not say
	Forbidden  int // things that the source refused to show
	Status     int // HTTP status that ended it, if one did
	Why        string
	Permission string // that is missing, in the vendor's words
	Targeted   bool   // only announced things were read again; what the scope covered before stands
}

// A BatchResult says what became of a batch.
type BatchResult struct {
	New, Changed, Same int
	Late               int // older than what is held: kept, judged by nobody
	Refused            []Refused
}

// A Refused fact was not taken.
type Refused struct {
	Index int // in the batch
	Key   fact.Key
	Why   string
}

// A Clock tells the time.
type Clock func() time.Time
