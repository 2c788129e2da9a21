package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// obligationPiece is how many rows of one stream are read in one go.
const obligationPiece = 200

// A place is where an obligation stands in the list: its instant, its stream's
// rank, and its row.
type place struct{ at, rank, id int64 }

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.at, o.at), cmp.Compare(p.rank, o.rank), cmp.Compare(p.id, o.id))
}

// behind is the place of a row from which a stream of a rank goes on.
func (p place) behind(rank int64) (at, id int64) {
	switch {
	case rank > p.rank:
		return p.at, math.MinInt64
	case rank < p.rank:
		return p.at, math.MaxInt64
	}
	return p.at, p.id
}

type dueRow struct {
	place
	o monitor.Obligation
}

// A dueStream gives rows of one sort in the order of their instants.
type dueStream struct {
	rank  int64
	rows  []dueRow
	over  bool
	fetch func(ctx context.Context, at, id int64, limit int) ([]dueRow, error) // at most limit rows behind (at, id); fewer: the last ones
}

// The streams' ranks.
const (
	rankFinding = iota
	rankException
	rankVerdict
)

// Obligations lists what falls due, the earliest first: open findings,
// exceptions in force, and passes that end by themselves.
func (db *DB) Obligations(ctx context.Context, f monitor.ObligationFilter) (page monitor.Page[monitor.Obligation], err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, time.Time{})
		if err != nil {
			return err
		}
		l := &obligationList{tx: tx, c: c, f: f, from: math.MinInt64, to: math.MaxInt64}
		page, err = l.page(ctx)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list obligations: %w", err)
	}
	return page, nil
}

type obligationList struct {
	tx       *Tx
	c        *catalog
	f        monitor.ObligationFilter
	from, to int64
	streams  []*dueStream
}

func (l *obligationList) page(ctx context.Context) (page monitor.Page[monitor.Obligation], err error) {
	page.Total = -1
	cur, resumed, err := readCursor(l.f.Cursor, "due")
	if err != nil {
		return page, err
	}
	if !l.f.From.IsZero() {
		l.from = Micros(l.f.From)
	}
	if !l.f.To.IsZero() {
		l.to = Micros(l.f.To)
	}
	if l.f.Overdue {
		l.to = min(l.to, l.c.now)
	}
	begin := place{at: l.from, rank: -1}
	if at := (place{cur.A, cur.B, cur.ID}); resumed && at.at >= l.from {
		begin = at
	}
	l.open()
	limit := pageSize(l.f.Filter)
	last, examined := begin, 0
	for {
		r, ok, err := l.next(ctx, begin, min(obligationPiece, limit+1))
		if err != nil {
			return page, err
		}
		if !ok {
			if l.f.Cursor == "" {
				page.Total = int64(len(page.Items))
			}
			return page, nil
		}
		takes := l.takes(r.o)
		if takes && len(page.Items) == limit || examined >= maxExamined {
			page.Next = cursor{Sort: "due", A: last.at, B: last.rank, ID: last.id}.text()
			return page, nil
		}
		if takes {
			page.Items = append(page.Items, r.o)
		}
		last = r.place
		examined++
	}
}

// next takes the earliest row of all streams.
func (l *obligationList) next(ctx context.Context, begin place, piece int) (dueRow, bool, error) {
	var first *dueStream
	for _, s := range l.streams {
		if len(s.rows) == 0 && !s.over {
			if err := s.fill(ctx, begin, piece); err != nil {
				return dueRow{}, false, err
			}
		}
		if len(s.rows) > 0 && (first == nil || s.rows[0].compare(first.rows[0].place) < 0) {
			first = s
		}
	}
	if first == nil {
		return dueRow{}, false, nil
	}
	r := first.rows[0]
	first.rows = first.rows[1:]
	if len(first.rows) == 0 && !first.over {
		return r, true, first.fill(ctx, r.place, piece)
	}
	return r, true, nil
}

func (s *dueStream) fill(ctx context.Context, p place, piece int) (err error) {
	at, id := p.behind(s.rank)
	s.rows, err = s.fetch(ctx, at, id, piece)
	s.over = len(s.rows) < piece
	return err
}

// open makes the streams that the filter may take anything of.
func (l *obligationList) open() {
	add := func(d monitor.Duty, s *dueStream) {
		if anyOf(l.f.Duty, d) {
			l.streams = append(l.streams, s)
		}
	}
	add(monitor.DutyMend, &dueStream{rank: rankFinding, fetch: l.findings})
	add(monitor.DutyExcept, &dueStream{rank: rankException, fetch: l.exceptions})
	if l.f.Overdue {
		return // what passes is not late
	}
	for _, name := range l.f.Leaning {
		if k := l.c.byName[name]; k != nil && !k.removed && l.c.takes(l.whichCheck(), k, 0) {
			add(monitor.DutyLean, &dueStream{rank: rankVerdict, fetch: l.leaning(k.id)})
		}
	}
}

// whichCheck is the part of the filter that a check alone decides.
func (l *obligationList) whichCheck() monitor.Filter {
	return monitor.Filter{Check: l.f.Check, Control: l.f.Control, Kind: l.f.Kind, Severity: l.f.Severity}
}

func (l *obligationList) takes(o monitor.Obligation) bool {
	k := l.c.byName[o.Check]
	return o.Key != "" && k != nil && l.c.takes(l.whichCheck(), k, 0) && anyOf(l.f.Source, o.Source) && anyOf(l.f.Owner, o.Owner) &&
		has(l.f.Text, o.Check, o.Fact, o.Name, o.Owner)
}

func (l *obligationList) late(at int64) bool { return at < l.c.now }

// findings reads open findings by due date. One that an exception covers is
// no obligation: the exception's end is.
func (l *obligationList) findings(ctx context.Context, at, id int64, limit int) ([]dueRow, error) {
	rows, err := l.tx.Query(ctx, "SELECT "+findingColumns+" FROM finding g"+findingFrom+`WHERE g.closed_at IS NULL AND (g.due_at, g.id) > ($1, $2)
		AND g.due_at >= $3 AND g.due_at < $4 ORDER BY g.due_at, g.id LIMIT $5`, at, id, l.from, l.to, limit)
	found, err := scanAll(rows, err, l.c.scanFinding)
	if err != nil {
		return nil, fmt.Errorf("read findings by due date: %w", err)
	}
	out := make([]dueRow, 0, len(found))
	for _, x := range found {
		r := dueRow{place: place{x.due, rankFinding, x.id}}
		if g := x.g; g.Status != monitor.StatusExcepted {
			r.o = monitor.Obligation{
				Key: "finding/" + g.ID, Duty: monitor.DutyMend, Due: g.DueAt, Late: g.Late, Check: g.Check, Fact: g.Fact, Name: g.Name, Kind: g.Kind,
				Source: g.Source, Owner: g.Owner, Severity: g.Severity, Message: g.Message, Finding: g.ID, Since: g.OpenedAt,
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// exceptions reads those that are approved and have not ended; they are few.
func (l *obligationList) exceptions(ctx context.Context, at, id int64, limit int) ([]dueRow, error) {
	rows, err := l.tx.Query(ctx, "SELECT "+exceptionColumns+` FROM exception e WHERE e.ended_at IS NULL AND e.approved_at IS NOT NULL
		AND (e.ends_at, e.id) > ($1, $2) AND e.ends_at >= $3 AND e.ends_at < $4 ORDER BY e.ends_at, e.id LIMIT $5`, at, id, l.from, l.to, limit)
	found, err := scanAll(rows, err, scanException)
	if err != nil {
		return nil, fmt.Errorf("read exceptions by their ends: %w", err)
	}
	out := make([]dueRow, 0, len(found))
	for _, e := range found {
		r := dueRow{place: place{e.EndsAt, rankException, e.ID}}
		if k := l.c.byName[e.Check]; k != nil {
			r.o = monitor.Obligation{
				Key: "exception/" + e.Ext, Duty: monitor.DutyExcept, Due: Time(e.EndsAt), Late: l.late(e.EndsAt), Check: e.Check, Fact: e.Fact, Name: e.Fact,
				Kind: k.kind, Source: e.Source, Owner: e.Requester, Severity: k.severity, Message: e.Reason, Except: e.Ext, Since: Time(e.ApprovedAt),
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// leaning reads the passes of a check by the instant at which they end.
func (l *obligationList) leaning(chk int64) func(context.Context, int64, int64, int) ([]dueRow, error) {
	return func(ctx context.Context, at, id int64, limit int) ([]dueRow, error) {
		rows, err := l.tx.Query(ctx, "SELECT "+listedColumns+listedFrom+`WHERE v.chk = $1 AND v.to_at IS NULL AND v.due_at IS NOT NULL AND v.outcome = 1
			AND (v.due_at, v.id) > ($2, $3) AND v.due_at >= $4 AND v.due_at < $5 ORDER BY v.due_at, v.id LIMIT $6`, chk, at, id, l.from, l.to, limit)
		return scanAll(rows, err, l.scanLeaning)
	}
}

func (l *obligationList) scanLeaning(rows *sql.Rows) (r dueRow, err error) {
	x, err := (&verdictList{c: l.c}).scan(rows)
	if err != nil || x.v.FlipsAt == nil {
		return r, err
	}
	v := x.v
	r.place = place{Micros(*v.FlipsAt), rankVerdict, x.id}
	if x.key.Outcome == check.Pass {
		r.o = monitor.Obligation{
			Key: "lean/" + v.Check + "/" + v.Source + "/" + v.Kind + "/" + v.Fact, Duty: monitor.DutyLean, Due: *v.FlipsAt, Late: l.late(r.at),
			Check: v.Check, Fact: v.Fact, Name: v.Name, Kind: v.Kind, Source: v.Source, Owner: v.Owner, Severity: v.Severity, Since: v.Since,
		}
	}
	return r, nil
}
