package alertstore

import (
	"context"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// A Heart is what the monitor's store does for alerts.
//
// RunOpen says whether the run may still find more. Seal closes the cause in
// the transaction and returns it with its final count: what its run finds
// later belongs to a new cause; sealing twice changes nothing. Delivered is
// called once, in the transaction that records the first accepted message.
type Heart interface {
	RunOpen(ctx context.Context, run int64) (bool, error)
	Seal(ctx context.Context, t *store.Tx, cause string) (monitor.Cause, error)
	Delivered(ctx context.Context, t *store.Tx, cause string, at time.Time) error
}

// A Reader reads what a sealed cause is about. Groups are by check and owner; Items are
// the first findings of a check in the order of their opening; Answers are the
// causes that told of these findings before. Silence is, of a cause that tells
// of a silent source, the last complete reading of what fell silent first, and
// what the source said last; zero and "" where it is not known.
type Reader interface {
	Groups(ctx context.Context, t *store.Tx, cause string) ([]CauseGroup, error)
	Items(ctx context.Context, t *store.Tx, c monitor.Cause, checkID, owner string, limit int) ([]CauseItem, error)
	Answers(ctx context.Context, t *store.Tx, cause, checkID string) ([]string, error)
	Silence(ctx context.Context, t *store.Tx, cause string) (last time.Time, why string, err error)
}

// A CauseGroup is the part of a cause that one check found and one owner answers for.
type CauseGroup struct {
	Check    string
	Owner    string
	Version  int
	Kind     string
	Severity check.Severity
	Count    int
}

// A CauseItem is one finding of a cause with the fact that it is about.
type CauseItem struct {
	Finding monitor.Finding
	Fact    fact.Fact // zero: gone, or a set
	ReadAt  time.Time // last observation that the verdict rests on
	Leaf    int64     // of the ledger, counted from 1; 0: not known
}
