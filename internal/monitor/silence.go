package monitor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// maxSilence is the longest that alerts may be muted in one go.
const maxSilence = 30 * 24 * time.Hour

// A SilenceKind says what was done about alerts.
type SilenceKind string

// The kinds: somebody takes care, so that nobody is reminded; or alerts are
// silenced for a while. Neither changes what is true.
const (
	Acknowledge SilenceKind = "acknowledge"
	Mute        SilenceKind = "mute"
)

// A SilenceRequest acknowledges or mutes alerts about a finding, or about a
// cause with all that it found. Parts narrows a cause to some of its checks and owners.
type SilenceRequest struct {
	Kind    SilenceKind
	Finding string
	Cause   string
	Parts   []CausePart
	Reason  string // a mute must say why
	By      string
	Via     string    // console, api, link
	Until   time.Time // zero, of an acknowledgement: until it is mended
}

// A CausePart is what one check found and one owner answers for.
type CausePart struct{ Check, Owner string }

// A Silence is an alert that somebody acknowledged or muted.
type Silence struct {
	ID        string
	Kind      SilenceKind
	Finding   string
	Cause     string
	Check     string // of a part of a cause
	Reason    string
	By        string
	Via       string
	CreatedAt time.Time
	Until     *time.Time // nil: until it is mended
	EndedAt   *time.Time // taken back
	EndedBy   string
}

// A SilenceRow is a Silence as stored. Check and Fact are 0 and Owner is "*"
// where it holds for all of a cause.
type SilenceRow struct {
	ID                          int64
	Ext                         string
	Kind                        SilenceKind
	Cause, Finding, Check, Fact int64
	Owner, Reason, By, Via      string
	CreatedAt, UntilAt, EndedAt int64
	EndedBy                     string
}

type silenceTx interface {
	// OpenFinding finds an open finding by its id.
	OpenFinding(ctx context.Context, ext string) (FindingRow, bool, error)
	// CauseID finds a cause by its id; 0: there is none.
	CauseID(ctx context.Context, ext string) (int64, error)
	SilenceRow(ctx context.Context, ext string) (SilenceRow, bool, error)
	SaveSilence(ctx context.Context, s *SilenceRow) error
	SetDue(ctx context.Context, finding, due int64) error
}

// Silence acknowledges or mutes alerts, and writes down who did, why and until
// when, in one transaction with the ledger. It returns the ids.
func (m *Monitor) Silence(ctx context.Context, q SilenceRequest) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	now := micros(m.now())
	if err := q.check(m.now()); err != nil {
		return nil, err
	}
	var ids []string
	err := m.heart(ctx, func(tx Tx) error {
		rows, err := m.silenceRows(ctx, tx, q, now)
		if err != nil {
			return err
		}
		var contents []Content
		ids = ids[:0]
		for i := range rows {
			if err := tx.SaveSilence(ctx, &rows[i]); err != nil {
				return err
			}
			ids = append(ids, rows[i].Ext)
			contents = append(contents, silenceContent(string(q.Kind), rows[i], q, rows[i].By, now))
		}
		_, err = tx.Log(ctx, now, contents)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s alerts: %w", q.Kind, err)
	}
	return ids, nil
}

func silenceContent(what string, r SilenceRow, q SilenceRequest, by string, now int64) Content {
	return setting("alerts "+what, r.Ext, q.Finding, q.Cause, r.Check, r.Owner, r.Reason, by, r.Via, r.UntilAt, now)
}

// check says what is wrong with a request.
func (q SilenceRequest) check(now time.Time) error {
	switch {
	case q.Kind != Acknowledge && q.Kind != Mute:
		return refusef("say acknowledge or mute")
	case (q.Finding == "") == (q.Cause == ""):
		return refusef("name a finding or a cause")
	case strings.TrimSpace(q.By) == "":
		return refusef("say who does it")
	case q.Kind == Mute && strings.TrimSpace(q.Reason) == "":
		return refusef("say why")
	case q.Kind == Mute && q.Until.IsZero():
		return refusef("say until when")
	case !q.Until.IsZero() && !q.Until.After(now):
		return refusef("its end must lie in the future")
	case q.Until.After(now.Add(maxSilence)):
		return refusef("it may last 30 days at most")
	}
	return nil
}

// silenceRows turns a request into rows: one, or one for each part of a cause.
func (m *Monitor) silenceRows(ctx context.Context, tx Tx, q SilenceRequest, now int64) ([]SilenceRow, error) {
	row := SilenceRow{
		Kind: q.Kind, Owner: "*", Reason: clean(q.Reason, 2000), By: clean(q.By, 200), Via: clean(q.Via, 40), CreatedAt: now,
	}
	if !q.Until.IsZero() {
		row.UntilAt = micros(q.Until)
	}
	if q.Finding != "" {
		f, ok, err := tx.OpenFinding(ctx, q.Finding)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, refusef("there is no open finding %s", clean(q.Finding, 60))
		}
		row.Ext, row.Finding, row.Check, row.Fact = m.ids(), f.ID, f.Check, f.Fact
		return []SilenceRow{row}, nil
	}
	var err error
	if row.Cause, err = tx.CauseID(ctx, q.Cause); err != nil {
		return nil, err
	}
	if row.Cause == 0 {
		return nil, refusef("there is no cause %s", clean(q.Cause, 60))
	}
	if len(q.Parts) == 0 {
		row.Ext = m.ids()
		return []SilenceRow{row}, nil
	}
	var rows []SilenceRow
	for _, p := range q.Parts {
		r := row
		if p.Check != "" {
			lc := m.byName[p.Check]
			if lc == nil {
				continue // removed meanwhile: nothing fails it any more
			}
			r.Check, r.Owner = lc.row.ID, p.Owner
		}
		r.Ext = m.ids()
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, refusef("its checks are not there any more")
	}
	return rows, nil
}

// EndSilence takes an acknowledgement or a mute back.
func (m *Monitor) EndSilence(ctx context.Context, id, by string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	now := micros(m.now())
	err := m.heart(ctx, func(tx Tx) error {
		r, ok, err := tx.SilenceRow(ctx, id)
		switch {
		case err != nil:
			return err
		case !ok:
			return refusef("there is no such acknowledgement or mute")
		case r.EndedAt != 0, r.UntilAt != 0 && r.UntilAt <= now:
			return refusef("it has ended")
		}
		r.EndedAt, r.EndedBy = now, clean(by, 200)
		if err := tx.SaveSilence(ctx, &r); err != nil {
			return err
		}
		_, err = tx.Log(ctx, now, []Content{silenceContent("end of "+string(r.Kind), r, SilenceRequest{}, r.EndedBy, now)})
		return err
	})
	if err != nil {
		return fmt.Errorf("end the silence %s: %w", id, err)
	}
	return nil
}

// SetDue says by when an open finding must be mended.
func (m *Monitor) SetDue(ctx context.Context, finding string, due time.Time, by string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	now := micros(m.now())
	err := m.heart(ctx, func(tx Tx) error {
		f, ok, err := tx.OpenFinding(ctx, finding)
		if err != nil {
			return err
		}
		if !ok {
			return refusef("there is no open finding %s", clean(finding, 60))
		}
		if err := tx.SetDue(ctx, f.ID, micros(due)); err != nil {
			return err
		}
		_, err = tx.Log(ctx, now, []Content{setting("due", finding, micros(due), clean(by, 200), now)})
		return err
	})
	if err != nil {
		return fmt.Errorf("set the due date of finding %s: %w", finding, err)
	}
	return nil
}
