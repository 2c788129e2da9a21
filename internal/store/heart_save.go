package store

import (
	"context"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
)

// Save implements monitor.Tx.
func (h *heart) Save(ctx context.Context, c *monitor.Changes) error {
	leaf, err := h.nextLeaf(ctx)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		what string
		do   func(context.Context, *monitor.Changes, int64) error
	}{
		{"versions of facts", h.saveVersions},
		{"facts", h.saveFacts},
		{"the reverse index", h.saveRefs},
		{"findings", h.saveFindings},
		{"verdicts", h.saveVerdicts},
		{"staleness", h.saveOverlays},
		{"members of sets", h.saveMembers},
	} {
		if err := f.do(ctx, c, leaf); err != nil {
			return fmt.Errorf("save %s: %w", f.what, err)
		}
	}
	h.told = h.told || len(c.Opened)+len(c.Closed)+len(c.Stale)+len(c.Fresh) > 0
	if err := h.saveTally(ctx, c); err != nil {
		return fmt.Errorf("save counts: %w", err)
	}
	return nil
}

// saveVersions goes before saveFacts: what a fact was is copied from what is held.
func (h *heart) saveVersions(ctx context.Context, c *monitor.Changes, leaf int64) error {
	for _, v := range c.Versions {
		id, err := h.nextID(ctx, "fact_version")
		if err != nil {
			return err
		}
		if v.Data == nil {
			_, err = h.Exec(ctx, `INSERT INTO fact_version (id, fact, from_at, to_at, observed_at, gone, late, hash, data, leaf)
				SELECT CAST($1 AS BIGINT), fact, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS BIGINT), 0, 0, $5, data, CAST($6 AS BIGINT)
				FROM fact_data WHERE fact = $7`, id, v.From, v.To, v.ObservedAt, v.Hash[:], leaf, v.Fact)
		} else {
			_, err = h.Exec(ctx, `INSERT INTO fact_version (id, fact, from_at, to_at, observed_at, gone, late, hash, data, leaf)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				id, v.Fact, v.From, v.To, v.ObservedAt, flag(v.Gone), flag(v.Late), v.Hash[:], []byte(v.Data), leaf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *heart) saveFacts(ctx context.Context, c *monitor.Changes, leaf int64) error {
	var rows, data [][]any
	for _, f := range c.NewFacts {
		id, err := h.nextID(ctx, "fact")
		if err != nil {
			return err
		}
		f.ID = id
		rows = append(rows, []any{
			id, f.Key.Kind, f.Key.ID, f.Source, f.Scope, f.Name, f.OwnerSaid, string(f.Origin), f.ObservedAt, f.FirstSeen, f.ChangedAt,
			orNull(f.GoneAt), append([]byte(nil), f.Hash[:]...), leaf,
		})
		data = append(data, []any{id, []byte(f.Data)})
	}
	if err := h.Insert(ctx, `INSERT INTO fact (id, kind, fid, source, scope, name, owner_said, origin, observed_at, first_seen, changed_at,
		gone_at, hash, leaf)`, "", rows); err != nil {
		return err
	}
	if err := h.Insert(ctx, "INSERT INTO fact_data (fact, data)", "", data); err != nil {
		return err
	}
	for _, f := range c.Facts {
		_, err := h.Exec(ctx, `UPDATE fact SET scope = $1, name = $2, owner_said = $3, origin = $4, observed_at = $5, changed_at = $6, gone_at = $7,
			hash = $8, own = $9, leaf = $10 WHERE id = $11`,
			f.Scope, f.Name, f.OwnerSaid, string(f.Origin), f.ObservedAt, f.ChangedAt, orNull(f.GoneAt), f.Hash[:], flag(f.Own), leaf, f.ID)
		if err != nil {
			return err
		}
		if f.Data == nil {
			continue
		}
		if _, err := h.Exec(ctx, "UPDATE fact_data SET data = $1 WHERE fact = $2", []byte(f.Data), f.ID); err != nil {
			return err
		}
	}
	return nil
}

func (h *heart) saveRefs(ctx context.Context, c *monitor.Changes, _ int64) error {
	if len(c.Unref) > 0 {
		if err := inChunks(c.Unref, func(part []int64) error {
			_, err := h.Exec(ctx, "DELETE FROM fact_ref WHERE fact IN "+List(len(part), 1), anys(nil, part)...)
			return err
		}); err != nil {
			return err
		}
	}
	rows := make([][]any, 0, len(c.Refs))
	for _, r := range c.Refs {
		rows = append(rows, []any{r.Kind, r.ID, r.Fact})
	}
	if err := h.Insert(ctx, "INSERT INTO fact_ref (to_kind, to_id, fact)", "ON CONFLICT DO NOTHING", rows); err != nil {
		return err
	}
	return inChunks(c.Flagged, func(part []int64) error {
		_, err := h.Exec(ctx, "UPDATE fact SET refs = 1 WHERE id IN "+List(len(part), 1), anys(nil, part)...)
		return err
	})
}

func (h *heart) saveFindings(ctx context.Context, c *monitor.Changes, _ int64) error {
	rows := make([][]any, 0, len(c.Opening))
	for _, f := range c.Opening {
		id, err := h.nextID(ctx, "finding")
		if err != nil {
			return err
		}
		f.ID = id
		rows = append(rows, []any{
			id, f.Ext, f.Check, f.Fact, f.Scope, f.Source, f.Version, int64(f.Severity), f.Owner, f.Message, f.Actor, f.Run,
			f.OpenedAt, f.DueAt, orNull(f.EventAt), orNull(f.Cause),
		})
	}
	if err := h.Insert(ctx, `INSERT INTO finding (id, ext, chk, fact, scope, source, version, severity, owner, message, actor, run,
		opened_at, due_at, event_at, cause)`, "", rows); err != nil {
		return err
	}
	for _, f := range c.Closing {
		_, err := h.Exec(ctx, "UPDATE finding SET closed_at = $1, closed_why = $2, closed_run = $3, recovered = $4 WHERE id = $5",
			f.ClosedAt, f.ClosedWhy, f.ClosedRun, orNull(f.Recovered), f.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *heart) saveVerdicts(ctx context.Context, c *monitor.Changes, leaf int64) error {
	for _, id := range c.Closed {
		if _, err := h.Exec(ctx, "UPDATE verdict SET to_at = $1 WHERE id = $2", c.At, id); err != nil {
			return err
		}
	}
	rows := make([][]any, 0, len(c.Opened))
	for _, v := range c.Opened {
		id, err := h.nextID(ctx, "verdict")
		if err != nil {
			return err
		}
		v.ID = id
		if v.New != nil {
			v.Finding = v.New.ID
		}
		prev := any(nil)
		if v.Prev >= 0 {
			prev = v.Prev
		}
		rows = append(rows, []any{
			id, v.Check, v.Fact, v.Scope, int64(v.Own), int64(v.Outcome), prev, int64(v.Known), flag(v.Drift), v.Version, v.Reason, v.Missing,
			v.Since, v.From, orNull(v.DueAt), orNull(v.StaleAt), orNull(v.Finding), v.Run, leaf,
		})
	}
	if err := h.Insert(ctx, `INSERT INTO verdict (id, chk, fact, scope, own, outcome, prev, known, drift, version, reason, missing,
		since, from_at, due_at, stale_at, finding, run, leaf)`, "", rows); err != nil {
		return err
	}
	for _, v := range c.Moved {
		_, err := h.Exec(ctx, "UPDATE verdict SET scope = $1, own = $2, reason = $3, missing = $4, due_at = $5, stale_at = $6 WHERE id = $7",
			v.Scope, int64(v.Own), v.Reason, v.Missing, orNull(v.DueAt), orNull(v.StaleAt), v.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *heart) saveOverlays(ctx context.Context, c *monitor.Changes, _ int64) error {
	for _, k := range c.Fresh {
		_, err := h.Exec(ctx, "UPDATE overlay SET to_at = $1 WHERE scope = $2 AND fact = $3 AND fresh_us = $4 AND to_at IS NULL", c.At, k.Scope, k.Fact, k.Fresh)
		if err != nil {
			return err
		}
	}
	rows := make([][]any, 0, len(c.Stale))
	for _, k := range c.Stale {
		id, err := h.nextID(ctx, "overlay")
		if err != nil {
			return err
		}
		rows = append(rows, []any{id, k.Scope, k.Fact, k.Fresh, c.At})
	}
	return h.Insert(ctx, "INSERT INTO overlay (id, scope, fact, fresh_us, from_at)", "", rows)
}

func (h *heart) saveMembers(ctx context.Context, c *monitor.Changes, _ int64) error {
	var rows [][]any
	for _, m := range c.Members {
		if m.Gone {
			if _, err := h.Exec(ctx, "DELETE FROM member WHERE chk = $1 AND fact = $2", m.Check, m.Fact); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []any{m.Check, m.Fact, m.Cell, orNull(m.DueAt)})
	}
	if err := h.Insert(ctx, "INSERT INTO member (chk, fact, cell, due_at)",
		"ON CONFLICT (chk, fact) DO UPDATE SET cell = excluded.cell, due_at = excluded.due_at", rows); err != nil {
		return err
	}
	for k, n := range c.MemberSum {
		if n == 0 {
			continue
		}
		if _, err := h.Exec(ctx, `INSERT INTO member_total (chk, cell, n) VALUES ($1, $2, $3)
			ON CONFLICT (chk, cell) DO UPDATE SET n = member_total.n + excluded.n`, k[0], k[1], n); err != nil {
			return err
		}
	}
	return nil
}

// dayOf is the number of the day (UTC) of an instant.
func dayOf(us int64) int64 { return us / (24 * 60 * 60 * 1_000_000) }

// saveTally moves the counts, and keeps what they were at each instant and day.
func (h *heart) saveTally(ctx context.Context, c *monitor.Changes) error {
	for _, k := range c.TallyKeys() {
		args := []any{k.Check, k.Scope, int64(k.Own), int64(k.Outcome)}
		var n int64
		err := h.Row(ctx, []any{&n}, `INSERT INTO tally (chk, scope, own, outcome, n) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (chk, scope, own, outcome) DO UPDATE SET n = tally.n + excluded.n RETURNING n`, append(args, c.Tally[k])...)
		if err != nil {
			return err
		}
		if _, err := h.Exec(ctx, `INSERT INTO tally_log (chk, scope, own, outcome, at, n) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (chk, scope, own, outcome, at) DO UPDATE SET n = excluded.n`, append(args, c.At, n)...); err != nil {
			return err
		}
		if _, err := h.Exec(ctx, `INSERT INTO tally_day (chk, scope, own, outcome, day, n, peak) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (chk, scope, own, outcome, day) DO UPDATE SET n = excluded.n,
			peak = CASE WHEN tally_day.peak > excluded.n THEN tally_day.peak ELSE excluded.n END`,
			append(args, dayOf(c.At), n, max(n, n-c.Tally[k]))...); err != nil {
			return err
		}
	}
	return nil
}
