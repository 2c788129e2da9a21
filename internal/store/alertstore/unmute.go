package alertstore

import (
	"context"
	"encoding/json"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/store"
)

// An over is a mute that has ended and of which nobody was told yet.
type over struct {
	ID     int64  `db:"id"`
	Ext    string `db:"ext"`
	Who    string `db:"who"`
	Reason string `db:"reason"`
}

func overMutes(ctx context.Context, t *store.Tx, now int64) ([]over, error) {
	var out []over
	err := t.Select(ctx, &out, `SELECT id, ext, who, reason FROM silence WHERE kind = 'mute' AND told_at IS NULL
		AND (until_at <= $1 OR ended_at IS NOT NULL) ORDER BY until_at LIMIT $2`, now, duePiece)
	return out, err
}

// unmute tells what a mute had silenced and what fails still, once.
func (s *Store) unmute(ctx context.Context, m over) error {
	now := s.config.Now()
	return s.db.Write(ctx, func(t *store.Tx) error {
		n, err := t.Exec(ctx, "UPDATE silence SET told_at = $1 WHERE id = $2 AND told_at IS NULL", store.Micros(now), m.ID)
		if err != nil || n == 0 {
			return err
		}
		bySource, err := s.unmuted(ctx, t, m, store.Micros(now))
		if err != nil || len(bySource) == 0 {
			return err
		}
		routes, err := s.routes(ctx, t)
		if err != nil {
			return err
		}
		for source, groups := range bySource {
			e := alert.Event{
				ID: "unmuted_" + alert.LetterID(m.Ext, source, "", "")[len("alert_"):], Kind: alert.KindUnmuted, Of: "failing", Source: source,
				At: now.UTC(), SealedAt: now.UTC(), By: m.Who, Why: m.Reason, Groups: groups,
			}
			alert.SortGroups(e.Groups)
			for _, g := range groups {
				e.Count += g.Count
			}
			if err := s.post(ctx, t, e, s.letters(ctx, e, routes)); err != nil {
				return err
			}
		}
		return nil
	})
}

// unmuted reads the open findings that a mute covered and nothing else silences, by source.
func (s *Store) unmuted(ctx context.Context, t *store.Tx, m over, now int64) (map[string][]alert.Group, error) {
	var rows []itemRow
	var named []struct {
		ID    int64  `db:"id"`
		Check string `db:"name"`
	}
	if err := t.Select(ctx, &named, `SELECT DISTINCT f.id, k.name FROM silence m JOIN finding f ON f.closed_at IS NULL AND f.id IN (
			SELECT f.id FROM silence s JOIN finding f ON s.id = $1 AND f.closed_at IS NULL AND `+store.SilenceCovers+`)`+standingTables+
		` WHERE m.id = $1`+loud+` ORDER BY f.id LIMIT 1000`, m.ID, now); err != nil {
		return nil, err
	}
	at := map[string]map[[2]string]int{}
	out := map[string][]alert.Group{}
	for _, x := range named {
		rows = rows[:0]
		if err := t.Select(ctx, &rows, itemSelect+` FROM finding f`+standingTables+` LEFT JOIN fact_data d ON d.fact = x.id WHERE f.id = $1`, x.ID); err != nil || len(rows) == 0 {
			return nil, err
		}
		r := rows[0]
		key := [2]string{x.Check, r.Owner}
		if at[r.Source] == nil {
			at[r.Source] = map[[2]string]int{}
		}
		i, ok := at[r.Source][key]
		if !ok {
			i = len(out[r.Source])
			at[r.Source][key] = i
			out[r.Source] = append(out[r.Source], s.group(CauseGroup{Check: x.Check, Owner: r.Owner, Kind: r.Kind, Severity: check.Severity(r.Severity)})) //nolint:gosec // stored by us, 1 to 4
		}
		g := &out[r.Source][i]
		if g.Count++; len(g.Items) < alert.MaxItems {
			c, known := s.check(x.Check)
			g.Items = append(g.Items, s.item(r.item(x.Check), c, known, g, s.config.Now()))
		}
	}
	return out, nil
}

// eventOf reads a stored event.
func eventOf(ctx context.Context, t *store.Tx, id string) (alert.Event, error) {
	var doc string
	var e alert.Event
	if err := t.Row(ctx, []any{&doc}, "SELECT doc FROM alert_event WHERE cause = $1", id); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(doc), &e)
}
