package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// Exceptions lists exceptions, the newest first unless sorted otherwise.
func (db *DB) Exceptions(ctx context.Context, f monitor.Filter) (page monitor.Page[monitor.Exception], err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, f.At)
		if err != nil {
			return err
		}
		tally, err := tx.buckets(ctx, c)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+exceptionColumns+" FROM exception e ORDER BY e.id DESC")
		all, err := scanAll(rows, err, scanException)
		if err != nil {
			return err
		}
		page, err = exceptionPage(c, f, tally, all)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list exceptions: %w", err)
	}
	return page, nil
}

func exceptionPage(c *catalog, f monitor.Filter, tally map[monitor.TallyKey]int64, all []monitor.ExceptionRow) (page monitor.Page[monitor.Exception], err error) {
	cur, _, err := readCursor(f.Cursor, f.Sort)
	if err != nil {
		return page, err
	}
	var out []monitor.Exception
	for _, e := range all {
		over := e.EndedAt != 0 || e.RevokedAt != 0
		if !anyOf(f.Check, e.Check) || !anyOf(f.Source, e.Source) || f.Fact != "" && f.Fact != e.Fact || f.OpenOnly && over || f.ClosedOnly && !over ||
			!has(f.Text, e.Check, e.Fact, e.Source, e.Reason, e.Requester, e.Approver) {
			continue
		}
		out = append(out, c.exception(e, tally))
	}
	column, down := sortOf(f.Sort)
	slices.SortStableFunc(out, func(a, b monitor.Exception) int {
		r := 0
		switch column {
		case "ends":
			r = a.Ends.Compare(b.Ends)
		case "check":
			r = cmp.Compare(a.Check, b.Check)
		case "created":
			r = a.CreatedAt.Compare(b.CreatedAt)
		}
		if down {
			r = -r
		}
		return r
	})
	page.Total = int64(len(out))
	out = out[min(int(max(0, cur.ID)), len(out)):]
	if n := pageSize(f); len(out) > n {
		page.Next = cursor{Sort: f.Sort, ID: cur.ID + int64(n)}.text()
		out = out[:n]
	}
	page.Items = out
	return page, nil
}

func (c *catalog) exception(e monitor.ExceptionRow, tally map[monitor.TallyKey]int64) monitor.Exception {
	x := monitor.Exception{
		ID: e.Ext, Check: e.Check, Fact: e.Fact, Source: e.Source, Reason: e.Reason, Requester: e.Requester, Approver: e.Approver, Solo: e.Solo,
		CreatedAt: Time(e.CreatedAt), Ends: Time(e.EndsAt), Guard: e.Guard, GuardOK: e.GuardOK, Active: e.Active,
		ApprovedAt: TimePtr(sql.NullInt64{Int64: e.ApprovedAt, Valid: e.ApprovedAt != 0}),
		RevokedAt:  TimePtr(sql.NullInt64{Int64: e.RevokedAt, Valid: e.RevokedAt != 0}),
	}
	k := c.byName[e.Check]
	if !e.Active || k == nil {
		return x
	}
	if e.Fact != "" {
		for _, covered := range c.rows {
			for _, ext := range covered {
				if ext == e.Ext {
					x.Covers++
				}
			}
		}
		return x
	}
	for t, n := range tally {
		s := c.sources[c.sourceOf(t.Scope)]
		if t.Check == k.id && t.Outcome == check.Fail && (e.Source == "" || s != nil && s.name == e.Source) {
			x.Covers += n
		}
	}
	return x
}

// Exception finds one exception by its id.
func (db *DB) Exception(ctx context.Context, id string) (x monitor.Exception, found bool, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, time.Time{})
		if err != nil {
			return err
		}
		tally, err := tx.buckets(ctx, c)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+exceptionColumns+" FROM exception e WHERE e.ext = $1", id)
		all, err := scanAll(rows, err, scanException)
		if err == nil && len(all) > 0 {
			x, found = c.exception(all[0], tally), true
		}
		return err
	})
	return x, found, err
}

// PendingExceptions counts requests that wait for an approver.
func (db *DB) PendingExceptions(ctx context.Context) (n int64, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		return tx.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM exception WHERE approved_at IS NULL AND ended_at IS NULL AND ends_at > $1", Micros(tx.Now()))
	})
	return n, err
}
