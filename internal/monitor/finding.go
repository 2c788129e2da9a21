package monitor

import (
	"context"
	"fmt"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/ledger"
)

// Why a finding was closed.
const (
	closedPassed        = "passed"
	closedNotApplicable = "not applicable"
	closedGone          = "gone"
	closedRemoved       = "check removed"
)

const day = int64(24 * 60 * 60 * 1_000_000)

// finding opens or closes the finding that hangs on a verdict that changed. An
// unknown does neither.
func (b *batch) finding(ctx context.Context, f *FactRow, lc *liveCheck, v *VerdictRow) error {
	switch {
	case v.Outcome == check.Fail && v.Finding == 0:
		return b.openFinding(ctx, f, lc, v)
	case v.Outcome == check.Pass && v.Finding != 0:
		b.closeFinding(v.Finding, closedPassed)
		v.Finding = 0
	case v.Outcome == check.NotApplicable && v.Finding != 0:
		b.closeFinding(v.Finding, closedNotApplicable)
		v.Finding = 0
	}
	return nil
}

func (b *batch) openFinding(ctx context.Context, f *FactRow, lc *liveCheck, v *VerdictRow) error {
	src, err := b.source(ctx, f.Source)
	if err != nil {
		return err
	}
	row := &FindingRow{
		Ext: b.m.ids(), Check: lc.row.ID, Fact: f.ID, Scope: f.Scope, Source: f.Source, Version: lc.Version, Severity: lc.Severity,
		Owner: b.owner(f, lc, src), Message: v.Reason, Actor: b.run.Actor, Run: b.run.ID,
		OpenedAt: b.now, DueAt: b.now + int64(b.m.dueDays(lc.Severity))*day, EventAt: b.run.EventAt,
	}
	if due := ownDue(lc, f.Data); due != 0 {
		row.DueAt = due
	}
	v.New = row
	b.c.Opening = append(b.c.Opening, row)
	b.c.content(ledger.Finding, "finding opened", row.Ext, lc.ID, f.Key.Source, f.Key.Kind, f.Key.ID, row.Owner, b.now, row.DueAt)
	return nil
}

// owner is who answers: for the fact, else the check, else the source, else for all.
func (b *batch) owner(f *FactRow, lc *liveCheck, src SourceRow) string {
	for _, o := range []string{f.Owner(), lc.row.Owner, src.Owner} {
		if o != "" {
			return o
		}
	}
	return b.m.settings.Owner
}

func (b *batch) source(ctx context.Context, id int64) (SourceRow, error) {
	if s, ok := b.sources[id]; ok {
		return s, nil
	}
	s, err := b.tx.SourceByID(ctx, id)
	if err != nil {
		return s, fmt.Errorf("find source %d: %w", id, err)
	}
	b.sources[id] = s
	return s, nil
}

func (b *batch) closeFinding(id int64, why string) {
	b.c.Closing = append(b.c.Closing, &FindingRow{ID: id, ClosedWhy: why})
}

// closings completes the findings that close with what is stored of them.
func (b *batch) closings(ctx context.Context) error {
	if len(b.c.Closing) == 0 {
		return nil
	}
	ids := make([]int64, len(b.c.Closing))
	for i, f := range b.c.Closing {
		ids[i] = f.ID
	}
	rows, err := b.tx.Findings(ctx, ids)
	if err != nil {
		return err
	}
	stored := make(map[int64]FindingRow, len(rows))
	for _, r := range rows {
		stored[r.ID] = r
	}
	for _, f := range b.c.Closing {
		why := f.ClosedWhy
		r, ok := stored[f.ID]
		if !ok {
			return fmt.Errorf("finding %d is not stored", f.ID)
		}
		*f = r
		f.ClosedAt, f.ClosedWhy, f.ClosedRun = b.now, why, b.run.ID
		b.c.content(ledger.Finding, "finding closed", f.Ext, why, b.now)
		if why == closedPassed {
			if err := b.tx.Latency(ctx, "fix", f.Source, b.now, b.now-f.OpenedAt); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell joins every finding that opened or closed to its cause.
func (b *batch) tell(ctx context.Context) error {
	for _, f := range b.c.Opening {
		c, err := b.cause(ctx, b.failing(f), f.Severity, 1)
		if err != nil {
			return err
		}
		f.Cause = c.ID
	}
	for _, f := range b.c.Closing {
		k := CauseKey{Run: b.run.ID, Kind: CauseRecovered, Check: f.Check, Source: f.Source, Owner: f.Owner}
		c, err := b.cause(ctx, k, f.Severity, 1)
		if err != nil {
			return err
		}
		f.Recovered = c.ID
	}
	return nil
}

// failing says to which cause an opened finding belongs: what a new source or
// a new check finds failing at first sight is one, whoever answers for it.
func (b *batch) failing(f *FindingRow) CauseKey {
	k := CauseKey{Run: b.run.ID, Kind: CauseFailing}
	switch {
	case b.work != nil && b.work.row.WorkFirst:
		k.First, k.Check = true, f.Check
	case b.first:
		k.First, k.Source = true, f.Source
	default:
		k.Check, k.Source, k.Owner = f.Check, f.Source, f.Owner
	}
	return k
}

// cause counts n more things into a cause; where its message was already made,
// into its next part.
func (b *batch) cause(ctx context.Context, k CauseKey, sev check.Severity, n int64) (*CauseRow, error) {
	c, ok := b.causes[k]
	if !ok {
		row, found, err := b.tx.Cause(ctx, k)
		if err != nil {
			return nil, err
		}
		if !found || row.Sealed {
			row = CauseRow{Ext: b.m.ids(), Key: k, Part: row.Part + btoi(found), OpenedAt: b.now, EventAt: b.run.EventAt}
			if row.EventAt == 0 {
				row.EventAt = b.run.ArrivedAt
			}
			if err := b.tx.SaveCause(ctx, &row); err != nil {
				return nil, err
			}
			b.opened = append(b.opened, &row)
		}
		c = &row
		b.causes[k] = c
	}
	c.Count += n
	c.Severity = max(c.Severity, sev)
	return c, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// finish saves everything, logs it and hands new causes to the outbox.
func (b *batch) finish(ctx context.Context) error {
	if b.cache.err != nil {
		return b.cache.err
	}
	if err := b.judgeSets(ctx); err != nil {
		return err
	}
	if err := b.closings(ctx); err != nil {
		return err
	}
	if err := b.tell(ctx); err != nil {
		return err
	}
	b.overlays()
	if !b.c.Empty() {
		if err := b.tx.Save(ctx, b.c); err != nil {
			return err
		}
	}
	if err := b.guards(ctx); err != nil {
		return err
	}
	for _, k := range sortedCauses(b.causes) {
		if err := b.tx.SaveCause(ctx, b.causes[k]); err != nil {
			return err
		}
	}
	if err := b.sample(ctx); err != nil {
		return err
	}
	if len(b.c.contents) > 0 {
		if _, err := b.tx.Log(ctx, b.now, b.c.contents); err != nil {
			return err
		}
	}
	b.told = b.c.transitions
	return b.enqueue(ctx)
}

// sample measures how long after the change at the source it was judged.
func (b *batch) sample(ctx context.Context) error {
	since := b.run.EventAt
	if since == 0 {
		since = b.run.ArrivedAt
	}
	if since == 0 || len(b.c.transitions) == 0 {
		return nil
	}
	return b.tx.Latency(ctx, "detect", b.run.Source, b.now, max(0, b.now-since))
}

func (b *batch) enqueue(ctx context.Context) error {
	if b.m.outbox == nil {
		return nil
	}
	for _, c := range b.opened {
		out := Cause{
			ID: c.Ext, Kind: c.Key.Kind, First: c.Key.First, Owner: c.Key.Owner, Severity: c.Severity, Run: c.Key.Run,
			Part: c.Part, OpenedAt: timeOf(c.OpenedAt), EventAt: timeOf(c.EventAt), Count: int(c.Count),
		}
		if lc := b.m.live[c.Key.Check]; lc != nil {
			out.Check = lc.ID
		} else if b.work != nil && b.work.row.ID == c.Key.Check {
			out.Check = b.work.row.Name
		}
		if c.Key.Source != 0 {
			s, err := b.source(ctx, c.Key.Source)
			if err != nil {
				return err
			}
			out.Source = s.Name
		}
		if err := b.m.outbox.Enqueue(ctx, b.tx, out); err != nil {
			return fmt.Errorf("enqueue the message of cause %s: %w", c.Ext, err)
		}
	}
	return nil
}
