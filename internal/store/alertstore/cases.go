package alertstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// errTurn says that an earlier message about the same case is still on its
// way: a recovery that overtook it would find nothing to close.
var errTurn = errors.New("an earlier message goes first")

// dropNotes removes what was noted about the cases of an event.
const dropNotes = "DELETE FROM alert_case WHERE key IN (SELECT id FROM alert_delivery WHERE cause = $1)"

// maxCases is how many cases one message may be about.
const maxCases = 1000

// cases adds to the dispatch which incidents or tickets its letter is about,
// with what is open of each now, or answers errTurn.
func (s *Store) cases(ctx context.Context, l *letter, d *channel.Dispatch) error {
	d.Remember = s.remember
	err := s.db.Read(ctx, func(t *store.Tx) (err error) {
		d.Cases, err = s.casesOf(ctx, t, l)
		return err
	})
	if err != nil && !errors.Is(err, errTurn) {
		return fmt.Errorf("read the cases of letter %s: %w", l.id, err)
	}
	return err
}

func (s *Store) casesOf(ctx context.Context, t *store.Tx, l *letter) ([]channel.Case, error) {
	causes := []string{about(l.event)}
	if l.event.Kind == monitor.CauseRecovered || l.event.Kind == monitor.CauseExcepted {
		told, err := toldBefore(ctx, t, l)
		if err != nil {
			return nil, err
		}
		if len(told) > 0 {
			causes = told
		}
	}
	out := make([]channel.Case, 0, len(causes))
	for _, cause := range causes {
		c := channel.Case{Key: alert.LetterID(cause, l.channel, l.key, alert.Detail(l.detail)), At: l.event.At}
		var state string
		var opened int64
		err := t.Row(ctx, []any{&state}, "SELECT state FROM alert_delivery WHERE id = $1", c.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if c.Key != l.id && (State(state) == Pending || State(state) == Waiting) {
			return nil, errTurn
		}
		err = t.Row(ctx, []any{&c.Note}, "SELECT note FROM alert_case WHERE key = $1", c.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if l.event.Kind == monitor.CauseStale || l.event.Of == monitor.CauseStale {
			c.Left = 1 // no message tells that a source is read again
		} else if c.Left, err = stillOpen(ctx, t, cause, c.Key); err != nil {
			return nil, err
		}
		err = t.Row(ctx, []any{&opened}, "SELECT opened_at FROM cause WHERE ext = $1", cause)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if opened > 0 {
			c.At = store.Time(opened)
		}
		out = append(out, c)
	}
	return out, nil
}

// toldBefore names the causes that told first of the findings that the letter
// is about.
func toldBefore(ctx context.Context, t *store.Tx, l *letter) ([]string, error) {
	which, cover := "f.recovered = c.id", ""
	if l.event.Kind == monitor.CauseExcepted {
		which, cover = ended, endedCover
	}
	var rows []struct {
		Ext   string `db:"ext"`
		Check string `db:"name"`
		Owner string `db:"owner"`
		ID    int64  `db:"id"`
	}
	err := t.Select(ctx, &rows, `SELECT DISTINCT o.ext, k.name, f.owner, o.id FROM cause c JOIN finding f ON `+which+`
		JOIN chk k ON k.id = f.chk JOIN fact x ON x.id = f.fact JOIN source s ON s.id = f.source JOIN cause o ON o.id = f.cause
		WHERE c.ext = $1`+cover+` ORDER BY o.id LIMIT $2`, l.cause, maxCases)
	var out []string
	for _, r := range rows {
		if groupIn(l.event, l.parts, r.Check, r.Owner) && !slices.Contains(out, r.Ext) {
			out = append(out, r.Ext)
		}
	}
	return out, err
}

// stillOpen counts the findings of a cause that are open and that its letter
// told of; where the letter is not known any more, all of them.
func stillOpen(ctx context.Context, t *store.Tx, cause, letter string) (int, error) {
	var parts, doc string
	var e alert.Event
	var places []int
	err := t.Row(ctx, []any{&parts, &doc}, "SELECT d.parts, e.doc FROM alert_delivery d JOIN alert_event e ON e.cause = d.cause WHERE d.id = $1", letter)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	if known {
		if err := errors.Join(json.Unmarshal([]byte(parts), &places), json.Unmarshal([]byte(doc), &e)); err != nil {
			return 0, err
		}
	}
	var rows []struct {
		Check string `db:"name"`
		Owner string `db:"owner"`
		N     int    `db:"n"`
	}
	if err := t.Select(ctx, &rows, `SELECT k.name, f.owner, COUNT(*) AS n FROM cause c JOIN finding f ON f.cause = c.id JOIN chk k ON k.id = f.chk
		WHERE c.ext = $1 AND f.closed_at IS NULL GROUP BY k.name, f.owner`, cause); err != nil {
		return 0, err
	}
	n := 0
	for _, r := range rows {
		if !known || groupIn(e, places, r.Check, r.Owner) {
			n += r.N
		}
	}
	return n, nil
}

// groupIn says whether one of the event's groups at these places is of the
// check and the owner.
func groupIn(e alert.Event, places []int, check, owner string) bool {
	for _, i := range places {
		if i < len(e.Groups) && e.Groups[i].Check == check && e.Groups[i].Owner == owner {
			return true
		}
	}
	return false
}

// remember notes what a channel opened.
func (s *Store) remember(ctx context.Context, key, note string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err := s.db.Write(ctx, func(t *store.Tx) error {
		_, err := t.Exec(ctx, `INSERT INTO alert_case (key, note, noted_at) VALUES ($1, $2, $3)
			ON CONFLICT (key) DO UPDATE SET note = excluded.note, noted_at = excluded.noted_at`, key, note, store.Micros(s.config.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("note what case %s is: %w", key, err)
	}
	return nil
}
