package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/ledger"
)

// maxException is the longest that an exception may last.
const maxException = 366 * 24 * time.Hour

// An ExceptionRequest asks for a failure to be accepted.
type ExceptionRequest struct {
	Check     string
	Fact      string // empty: every fact of the source, or of the check
	Source    string // empty: every source
	Reason    string
	Requester string
	Approver  string // who is asked; empty: whoever may
	Ends      time.Time
	Guard     string // check that must stay green
}

func refusef(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInput, fmt.Sprintf(format, args...))
}

// RequestException asks for an exception. It covers nothing until it is approved.
func (m *Monitor) RequestException(ctx context.Context, q ExceptionRequest) (Exception, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return Exception{}, err
	}
	now := micros(m.now())
	lc, err := m.checkRequest(q)
	if err != nil {
		return Exception{}, err
	}
	e := ExceptionRow{
		Ext: m.ids(), Check: q.Check, Kind: lc.Kind, Fact: q.Fact, Source: q.Source, Reason: clean(q.Reason, 2000),
		Requester: clean(q.Requester, 200), Approver: clean(q.Approver, 200), CreatedAt: now, EndsAt: micros(q.Ends), Guard: q.Guard, GuardOK: true,
	}
	err = m.heart(ctx, func(tx Tx) error {
		if q.Fact != "" {
			owners, err := tx.FactIs(ctx, q.Check, q.Source, q.Fact)
			if err != nil {
				return err
			}
			if len(owners) == 0 {
				return refusef("check %s judges no fact %s", q.Check, q.Fact)
			}
		}
		if err := m.mayApprove(ctx, tx, e, e.Approver); e.Approver != "" && err != nil {
			return err
		}
		if err := tx.SaveException(ctx, &e); err != nil {
			return err
		}
		_, err := tx.Log(ctx, now, []Content{exceptionContent("requested", e, e.Requester, now)})
		return err
	})
	if err != nil {
		return Exception{}, fmt.Errorf("request an exception: %w", err)
	}
	return exceptionView(e), nil
}

func exceptionView(e ExceptionRow) Exception {
	x := Exception{
		ID: e.Ext, Check: e.Check, Fact: e.Fact, Source: e.Source, Reason: e.Reason, Requester: e.Requester, Approver: e.Approver,
		Solo: e.Solo, CreatedAt: timeOf(e.CreatedAt), Ends: timeOf(e.EndsAt), Guard: e.Guard, GuardOK: e.GuardOK, Active: e.Active,
	}
	if e.ApprovedAt != 0 {
		t := timeOf(e.ApprovedAt)
		x.ApprovedAt = &t
	}
	if e.RevokedAt != 0 {
		t := timeOf(e.RevokedAt)
		x.RevokedAt = &t
	}
	return x
}

func exceptionContent(what string, e ExceptionRow, by string, now int64) Content {
	c := newChanges(0, 0)
	c.content(ledger.Exception, "exception "+what, e.Ext, e.Check, e.Source, e.Fact, e.Reason, by, e.EndsAt, e.Guard, now)
	return c.contents[0]
}

// checkRequest says what is wrong with a request.
func (m *Monitor) checkRequest(q ExceptionRequest) (*liveCheck, error) {
	lc := m.byName[q.Check]
	now := m.now()
	switch {
	case lc == nil:
		return nil, refusef("there is no check %s", q.Check)
	case strings.TrimSpace(q.Reason) == "":
		return nil, refusef("say why")
	case strings.TrimSpace(q.Requester) == "":
		return nil, refusef("say who asks")
	case !q.Ends.After(now):
		return nil, refusef("its end must lie in the future")
	case q.Ends.After(now.Add(maxException)):
		return nil, refusef("it may last a year at most")
	case !lc.Each && q.Fact != "" && q.Fact != "set:"+lc.Kind:
		return nil, refusef("check %s judges the set set:%s", q.Check, lc.Kind)
	}
	if q.Guard == "" {
		return lc, nil
	}
	g := m.byName[q.Guard]
	switch {
	case g == nil:
		return nil, refusef("there is no check %s to guard it", q.Guard)
	case g == lc:
		return nil, refusef("a check cannot guard its own exception")
	case g.Each && (q.Fact == "" || g.Kind != lc.Kind || !lc.Each):
		return nil, refusef("check %s judges single facts; it can guard an exception for one fact of kind %s only", q.Guard, g.Kind)
	}
	return lc, nil
}

// mayApprove refuses the requester and whoever owns the check or the fact,
// unless the organisation has one person.
func (m *Monitor) mayApprove(ctx context.Context, tx Tx, e ExceptionRow, by string) error {
	if m.settings.OnePerson {
		return nil
	}
	if by == e.Requester {
		return refusef("whoever asks for an exception cannot approve it")
	}
	lc := m.byName[e.Check]
	owns := lc != nil && lc.row.Owner == by
	if e.Fact != "" {
		owners, err := tx.FactIs(ctx, e.Check, e.Source, e.Fact)
		if err != nil {
			return err
		}
		owns = owns || slices.Contains(owners, by)
	}
	if owns {
		return refusef("whoever owns the check or the thing cannot approve its exception")
	}
	return nil
}

// ApproveException puts an exception into force.
func (m *Monitor) ApproveException(ctx context.Context, id, by string) error {
	return m.approve(ctx, id, by, false)
}

// ApproveInstead is ApproveException by somebody who may stand in for whoever
// the request was put to. They cannot be the requester or the owner either.
func (m *Monitor) ApproveInstead(ctx context.Context, id, by string) error {
	return m.approve(ctx, id, by, true)
}

func (m *Monitor) approve(ctx context.Context, id, by string, instead bool) error {
	return m.decide(ctx, id, by, "approved", func(b *batch, e *ExceptionRow) error {
		switch {
		case e.ApprovedAt != 0:
			return refusef("it is approved already")
		case e.RevokedAt != 0 || e.EndedAt != 0 || e.EndsAt <= b.now:
			return refusef("it has ended")
		case e.Approver != "" && e.Approver != by && !instead:
			return refusef("it was put to %s", e.Approver)
		}
		if err := m.mayApprove(ctx, b.tx, *e, by); err != nil {
			return err
		}
		e.Solo = by == e.Requester || m.settings.OnePerson
		e.Approver, e.ApprovedAt = by, b.now
		return nil
	})
}

// RevokeException ends an exception, or takes its request back.
func (m *Monitor) RevokeException(ctx context.Context, id, by string) error {
	return m.decide(ctx, id, by, "revoked", func(b *batch, e *ExceptionRow) error {
		if e.RevokedAt != 0 || e.EndedAt != 0 {
			return refusef("it has ended")
		}
		e.RevokedAt, e.EndedAt = b.now, b.now
		return nil
	})
}

func (m *Monitor) decide(ctx context.Context, id, by, what string, how func(*batch, *ExceptionRow) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.guarded = nil
	err := m.own(ctx, RunRow{Trigger: TriggerException, Actor: by, StartedAt: micros(m.now())}, func(ctx context.Context, b *batch) error {
		e, ok, err := b.tx.ExceptionRow(ctx, id)
		if err != nil {
			return err
		}
		if !ok {
			return refusef("there is no exception %s", id)
		}
		if err := how(b, &e); err != nil {
			return err
		}
		b.c.contents = append(b.c.contents, exceptionContent(what, e, by, b.now))
		return b.except(ctx, &e)
	})
	if err != nil {
		return fmt.Errorf("exception %s: %w", id, err)
	}
	return nil
}

// except brings an exception's span to what it should be, and tells where a
// failure shows again.
func (b *batch) except(ctx context.Context, e *ExceptionRow) error {
	e.GuardOK = true
	if e.Guard != "" {
		ok, err := b.tx.GuardOK(ctx, *e, b.now)
		if err != nil {
			return err
		}
		e.GuardOK = ok
	}
	if e.EndedAt == 0 && e.EndsAt <= b.now {
		e.EndedAt = b.now
		b.c.contents = append(b.c.contents, exceptionContent("ended", *e, "", b.now))
	}
	on := e.ApprovedAt != 0 && e.EndedAt == 0 && e.GuardOK
	if on != e.Active {
		if err := b.tx.Cover(ctx, e.ID, b.now, on); err != nil {
			return err
		}
		e.Active = on
		if !on {
			if err := b.showAgain(ctx, *e); err != nil {
				return err
			}
		}
	}
	return b.tx.SaveException(ctx, e)
}

func (b *batch) showAgain(ctx context.Context, e ExceptionRow) error {
	rows, err := b.tx.Covered(ctx, e)
	if err != nil {
		return err
	}
	for _, r := range rows {
		sev := b.m.byName[e.Check]
		if sev == nil {
			continue
		}
		owner := r.Owner
		if owner == "" {
			owner = b.m.settings.Owner
		}
		k := CauseKey{Run: b.run.ID, Kind: CauseExcepted, Check: r.Check, Source: r.Source, Owner: owner}
		if _, err := b.cause(ctx, k, sev.Severity, r.Count); err != nil {
			return err
		}
	}
	return nil
}

// tickExceptions ends exceptions whose time has come, and looks after guards
// that turned stale.
func (m *Monitor) tickExceptions(ctx context.Context) (bool, error) {
	now := micros(m.now())
	var turn []ExceptionRow
	err := m.store.View(ctx, func(tx Tx) error {
		live, err := tx.LiveExceptions(ctx)
		if err != nil {
			return err
		}
		for _, e := range live {
			ok := true
			if e.Guard != "" {
				if ok, err = tx.GuardOK(ctx, e, now); err != nil {
					return err
				}
			}
			if e.EndsAt <= now || e.Active != (e.ApprovedAt != 0 && ok) {
				turn = append(turn, e)
			}
		}
		return nil
	})
	if err != nil || len(turn) == 0 {
		return false, err
	}
	m.guarded = nil
	return false, m.own(ctx, RunRow{Trigger: TriggerTimer, StartedAt: now}, func(ctx context.Context, b *batch) error {
		for i := range turn {
			if err := b.except(ctx, &turn[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// guards looks again after exceptions whose guard turned in this transaction.
func (b *batch) guards(ctx context.Context) error {
	turned := map[string]bool{}
	for _, t := range b.c.transitions {
		turned[t.Check] = true
	}
	if len(turned) == 0 {
		return nil
	}
	if b.m.guarded == nil {
		live, err := b.tx.LiveExceptions(ctx)
		if err != nil {
			return err
		}
		b.m.guarded = map[string]bool{}
		for _, e := range live {
			if e.Guard != "" {
				b.m.guarded[e.Guard] = true
			}
		}
	}
	if !slices.ContainsFunc(sortedKeys(turned), func(id string) bool { return b.m.guarded[id] }) {
		return nil
	}
	live, err := b.tx.LiveExceptions(ctx)
	if err != nil {
		return err
	}
	for i := range live {
		if turned[live[i].Guard] {
			if err := b.except(ctx, &live[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
