package alertstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// heldUntil says until when a letter is held because its route is quiet; zero:
// it leaves at once. A test always does.
func heldUntil(e alert.Event, l alert.Letter, routes []alert.Route, now time.Time) time.Time {
	i := slices.IndexFunc(routes, func(r alert.Route) bool { return r.Name == l.Route })
	switch e.Kind {
	case alert.CauseTest, alert.KindDigest, alert.KindWeekly, alert.KindReminder:
		return time.Time{} // reminders wait for the end of the quiet by themselves
	}
	if i < 0 {
		return time.Time{}
	}
	return routes[i].QuietUntil(now, worst(l.Groups) == check.Critical)
}

// hold writes down that a receiver gets a digest.
func (s *Store) hold(ctx context.Context, t *store.Tx, l alert.Letter, until time.Time) error {
	return s.putDue(ctx, t, due{
		ID: dueDigest + "/" + alert.LetterID(until.Format(time.RFC3339), l.Channel, l.Receiver.Key, ""), Kind: dueDigest, At: store.Micros(until),
		Channel: l.Channel, Key: l.Receiver.Key,
	})
}

// A heldRow is a held message with its event.
type heldRow struct {
	ID       string `db:"id"`
	Cause    string `db:"cause"`
	About    string `db:"about"`
	Kind     string `db:"kind"`
	Route    string `db:"route"`
	Label    string `db:"receiver"`
	Lang     string `db:"lang"`
	Detail   string `db:"detail"`
	Subject  string `db:"subject"`
	Parts    string `db:"parts"`
	Things   int    `db:"things"`
	Severity int    `db:"severity"`
	At       int64  `db:"created_at"`
	Doc      string `db:"doc"`
}

// digest tells one receiver in one message what was held for them. Where a
// channel keeps incidents or tickets, what still fails is let go as it is.
func (s *Store) digest(ctx context.Context, t *store.Tx, d due) error {
	var rows []heldRow
	if err := t.Select(ctx, &rows, `SELECT d.id, d.cause, d.about, d.kind, d.route, d.receiver, d.lang, d.detail, d.subject, d.parts, d.things, d.severity, d.created_at, e.doc
		FROM alert_delivery d JOIN alert_event e ON e.cause = d.cause WHERE d.state = 'held' AND d.channel = $1 AND d.receiver_key = $2 AND d.held_until <= $3
		ORDER BY d.severity DESC, d.created_at, d.id LIMIT 1000`, d.Channel, d.Key, d.At); err != nil || len(rows) == 0 {
		return err
	}
	if c, ok := s.channel(d.Channel); ok && channel.Keeps(c) {
		return s.release(ctx, t, rows)
	}
	now := s.config.Now().UTC()
	e := alert.Event{ID: "digest_" + alert.LetterID(d.ID, "", "", "")[len("alert_"):], Kind: alert.KindDigest, At: now, SealedAt: now, Count: len(rows)}
	last := rows[0]
	for _, r := range rows {
		h, err := s.heldOf(ctx, t, r)
		if err != nil {
			return err
		}
		e.Digest = append(e.Digest, h)
		e.Severity = max(e.Severity, check.Severity(r.Severity)) //nolint:gosec // stored by us, 1 to 4
		if r.Detail == string(alert.DetailLink) {
			last.Detail = r.Detail
		}
	}
	letter := alert.Letter{
		ID: alert.LetterID(e.ID, d.Channel, d.Key, ""), Route: last.Route, Channel: d.Channel, Lang: last.Lang, Detail: alert.DetailFull,
		Receiver: channel.Receiver{Key: d.Key, Label: last.Label},
	}
	if err := s.post(ctx, t, e, []alert.Letter{letter}); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := t.Exec(ctx, "UPDATE alert_delivery SET digest = $1, state = 'digest' WHERE id = $2", letter.ID, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// heldOf says what became of what a held message tells. Its subject says no
// more than its route allows.
func (s *Store) heldOf(ctx context.Context, t *store.Tx, r heldRow) (alert.Held, error) {
	h := alert.Held{Subject: r.Subject, Kind: monitor.CauseKind(r.Kind), At: store.Time(r.At), Count: r.Things}
	var e alert.Event
	if err := json.Unmarshal([]byte(r.Doc), &e); err != nil {
		return h, err
	}
	var err error
	switch e.Kind {
	case monitor.CauseStale:
		var rest standing
		rest, err = silentStill(ctx, t, e, store.Micros(s.config.Now()))
		if rest.open {
			h.Open = h.Count
		}
	case monitor.CauseFailing:
		h.Open, err = stillOpen(ctx, t, e.ID, r.ID)
	default:
		var rest standing
		rest, err = s.standing(ctx, t, e)
		if h.Open = 0; rest.open || e.Kind == alert.KindUnmuted {
			h.Open = h.Count
		}
	}
	if r.Detail == string(alert.DetailFull) && len(e.Groups) == 1 && len(e.Groups[0].Items) == 1 && e.Groups[0].Items[0].Finding != "" {
		h.Link = "/findings/" + e.Groups[0].Items[0].Finding
	}
	return h, err
}

// release lets held messages go; those of which nothing is left are dropped.
func (s *Store) release(ctx context.Context, t *store.Tx, rows []heldRow) error {
	now := store.Micros(s.config.Now())
	for _, r := range rows {
		if _, err := t.Exec(ctx, "UPDATE alert_delivery SET state = $1, tried_from = $2 WHERE id = $3", string(Pending), now, r.ID); err != nil {
			return err
		}
		if err := s.insert(ctx, t, letterJob{Letter: r.ID}, 2); err != nil {
			return err
		}
	}
	return nil
}

// digested notes that what a digest told has arrived.
func (s *Store) digested(ctx context.Context, t *store.Tx, digest string) error {
	now := store.Micros(s.config.Now())
	if _, err := t.Exec(ctx, `UPDATE finding SET alerted_at = $1 WHERE alerted_at IS NULL AND cause IN (SELECT c.id FROM cause c
		JOIN alert_delivery d ON d.cause = c.ext WHERE d.digest = $2)`, now, digest); err != nil {
		return err
	}
	_, err := t.Exec(ctx, "UPDATE alert_delivery SET state = $1, sent_at = $2 WHERE digest = $3", string(Sent), now, digest)
	return err
}
