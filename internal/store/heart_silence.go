package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"prumo.dev/prumo/internal/monitor"
)

// SilenceCovers says of a row s of silence and a row f of finding that the
// first holds for the second: an acknowledgement for what it named, a mute
// also where the same check fails anew on the same thing.
const SilenceCovers = `(s.finding = f.id OR (s.kind = 'mute' AND s.finding <> 0 AND s.chk = f.chk AND s.fact = f.fact)
	OR (s.cause <> 0 AND (s.chk = 0 OR s.chk = f.chk) AND (s.owner = '*' OR s.owner = f.owner) AND (s.cause = f.cause
		OR (s.kind = 'mute' AND EXISTS (SELECT 1 FROM finding o WHERE o.fact = f.fact AND o.chk = f.chk AND o.cause = s.cause)))))`

// SilenceLive says that a row s of silence holds now; %s is the instant.
const SilenceLive = `s.ended_at IS NULL AND (s.until_at = 0 OR s.until_at > %s)`

// OpenFinding implements monitor.Tx.
func (h *heart) OpenFinding(ctx context.Context, ext string) (f monitor.FindingRow, found bool, err error) {
	err = h.Row(ctx, []any{&f.ID, &f.Ext, &f.Check, &f.Fact, &f.Source},
		"SELECT id, ext, chk, fact, source FROM finding WHERE ext = $1 AND closed_at IS NULL", ext)
	if errors.Is(err, ErrNotFound) {
		return f, false, nil
	}
	return f, err == nil, err
}

// CauseID implements monitor.Tx.
func (h *heart) CauseID(ctx context.Context, ext string) (id int64, err error) {
	err = h.Row(ctx, []any{&id}, "SELECT id FROM cause WHERE ext = $1", ext)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return id, err
}

const silenceColumns = `s.id, s.ext, s.kind, s.cause, s.finding, s.chk, s.fact, s.owner, s.reason, s.who, s.via, s.created_at, s.until_at,
	COALESCE(s.ended_at, 0), s.ended_by`

func silenceFields(r *monitor.SilenceRow) []any {
	return []any{
		&r.ID, &r.Ext, &r.Kind, &r.Cause, &r.Finding, &r.Check, &r.Fact, &r.Owner, &r.Reason, &r.By, &r.Via, &r.CreatedAt, &r.UntilAt,
		&r.EndedAt, &r.EndedBy,
	}
}

// SilenceRow implements monitor.Tx.
func (h *heart) SilenceRow(ctx context.Context, ext string) (r monitor.SilenceRow, found bool, err error) {
	err = h.Row(ctx, silenceFields(&r), "SELECT "+silenceColumns+" FROM silence s WHERE s.ext = $1", ext)
	if errors.Is(err, ErrNotFound) {
		return r, false, nil
	}
	return r, err == nil, err
}

// SaveSilence implements monitor.Tx.
func (h *heart) SaveSilence(ctx context.Context, s *monitor.SilenceRow) error {
	if s.ID != 0 {
		_, err := h.Exec(ctx, "UPDATE silence SET ended_at = $1, ended_by = $2 WHERE id = $3", orNull(s.EndedAt), s.EndedBy, s.ID)
		return err
	}
	id, err := h.nextID(ctx, "silence")
	if err != nil {
		return err
	}
	s.ID = id
	_, err = h.Exec(ctx, `INSERT INTO silence (id, ext, kind, cause, finding, chk, fact, owner, reason, who, via, created_at, until_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		id, s.Ext, string(s.Kind), s.Cause, s.Finding, s.Check, s.Fact, s.Owner, s.Reason, s.By, s.Via, s.CreatedAt, s.UntilAt)
	if err != nil {
		return fmt.Errorf("add a silence: %w", err)
	}
	return nil
}

// SetDue implements monitor.Tx.
func (h *heart) SetDue(ctx context.Context, finding, due int64) error {
	_, err := h.Exec(ctx, "UPDATE finding SET due_at = $1 WHERE id = $2 AND closed_at IS NULL", due, finding)
	return err
}

func silenceView(r monitor.SilenceRow, finding, cause, check string) monitor.Silence {
	s := monitor.Silence{
		ID: r.Ext, Kind: r.Kind, Finding: finding, Cause: cause, Check: check, Reason: r.Reason, By: r.By, Via: r.Via,
		CreatedAt: Time(r.CreatedAt), EndedBy: r.EndedBy,
	}
	if r.UntilAt != 0 {
		t := Time(r.UntilAt)
		s.Until = &t
	}
	if r.EndedAt != 0 {
		t := Time(r.EndedAt)
		s.EndedAt = &t
	}
	return s
}

// silenced finds the acknowledgements and mutes that hold now for findings, by the row's id.
func (tx *Tx) silenced(ctx context.Context, now int64, ids []int64) (map[int64][]monitor.Silence, error) {
	var some int64
	err := tx.Row(ctx, []any{&some}, "SELECT COUNT(*) FROM (SELECT 1 FROM silence s WHERE "+fmt.Sprintf(SilenceLive, "$1")+" LIMIT 1) x", now)
	if err != nil || some == 0 || len(ids) == 0 {
		return nil, err
	}
	type pair struct {
		finding int64
		s       monitor.Silence
	}
	rows, err := gather(ctx, tx, []any{now}, ids, func(in string) string {
		return "SELECT f.id, " + silenceColumns + " FROM finding f JOIN silence s ON " + fmt.Sprintf(SilenceLive, "$1") + " AND " + SilenceCovers +
			" WHERE f.id IN " + in + " ORDER BY f.id, s.id"
	}, func(rows *sql.Rows) (p pair, err error) {
		var r monitor.SilenceRow
		err = rows.Scan(append([]any{&p.finding}, silenceFields(&r)...)...)
		p.s = silenceView(r, "", "", "")
		return p, err
	})
	out := map[int64][]monitor.Silence{}
	for _, p := range rows {
		out[p.finding] = append(out[p.finding], p.s)
	}
	return out, err
}

// Silences lists the acknowledgements and mutes that hold now, newest first.
func (db *DB) Silences(ctx context.Context, f monitor.Filter) (page monitor.Page[monitor.Silence], err error) {
	page.Total = -1
	limit := pageSize(f)
	err = db.Read(ctx, func(tx *Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+silenceColumns+`, COALESCE(f.ext, ''), COALESCE(c.ext, ''), COALESCE(k.name, '')
			FROM silence s LEFT JOIN finding f ON f.id = s.finding LEFT JOIN cause c ON c.id = s.cause LEFT JOIN chk k ON k.id = s.chk
			WHERE `+fmt.Sprintf(SilenceLive, "$1")+" ORDER BY s.id DESC LIMIT $2", Micros(tx.Now()), limit)
		page.Items, err = scanAll(rows, err, func(rows *sql.Rows) (s monitor.Silence, err error) {
			var r monitor.SilenceRow
			var finding, cause, check string
			err = rows.Scan(append(silenceFields(&r), &finding, &cause, &check)...)
			return silenceView(r, finding, cause, check), err
		})
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list acknowledgements and mutes: %w", err)
	}
	return page, nil
}
