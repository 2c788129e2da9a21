package alertstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// ErrFromFile is returned where a route of prumo.yaml is to be changed by other means.
var ErrFromFile = errors.New("the route is written in prumo.yaml and is changed there")

// Routes lists the routes in their order: those of prumo.yaml first. Their
// receivers carry no secrets.
func (s *Store) Routes(ctx context.Context) ([]alert.Route, error) {
	var out []alert.Route
	err := s.db.Read(ctx, func(t *store.Tx) (err error) {
		out, err = s.routes(ctx, t)
		return err
	})
	return out, err
}

func (s *Store) routes(ctx context.Context, t *store.Tx) ([]alert.Route, error) {
	var rows []struct {
		Doc      string `db:"doc"`
		FromFile int    `db:"from_file"`
	}
	if err := t.Select(ctx, &rows, "SELECT doc, from_file FROM alert_route ORDER BY from_file DESC, place, name"); err != nil {
		return nil, fmt.Errorf("read the routes: %w", err)
	}
	out := make([]alert.Route, 0, len(rows))
	for _, row := range rows {
		var r alert.Route
		if err := json.Unmarshal([]byte(row.Doc), &r); err != nil {
			return nil, fmt.Errorf("read a route: %w", err)
		}
		r.FromFile = row.FromFile != 0
		out = append(out, r)
	}
	return out, nil
}

// SaveRoute adds a route or replaces the one of its name.
func (s *Store) SaveRoute(ctx context.Context, r alert.Route) error {
	r.FromFile = false
	return s.db.Write(ctx, func(t *store.Tx) error {
		if err := s.notFromFile(ctx, t, r.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return s.putRoute(ctx, t, r, -1)
	})
}

// DeleteRoute removes a route. What waits for its webhooks is given up at the next attempt.
func (s *Store) DeleteRoute(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *store.Tx) error {
		if err := s.notFromFile(ctx, t, name); err != nil {
			return err
		}
		_, err := t.Exec(ctx, "DELETE FROM alert_route WHERE name = $1", name)
		return err
	})
}

// ApplyRoutes makes the routes of prumo.yaml be these, in this order.
func (s *Store) ApplyRoutes(ctx context.Context, routes []alert.Route) error {
	return s.db.Write(ctx, func(t *store.Tx) error {
		if _, err := t.Exec(ctx, "DELETE FROM alert_route WHERE from_file = 1"); err != nil {
			return err
		}
		for i, r := range routes {
			r.FromFile = true
			if err := s.putRoute(ctx, t, r, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) notFromFile(ctx context.Context, t *store.Tx, name string) error {
	var fromFile int
	if err := t.Row(ctx, []any{&fromFile}, "SELECT from_file FROM alert_route WHERE name = $1", name); err != nil {
		return err
	}
	if fromFile != 0 {
		return ErrFromFile
	}
	return nil
}

// putRoute writes one route; what its receivers keep secret goes sealed into a
// column of its own. A place below 0 keeps the place, or goes to the end.
func (s *Store) putRoute(ctx context.Context, t *store.Tx, r alert.Route, place int) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed, err := s.sealRoute(r)
	if err != nil {
		return err
	}
	for name, target := range r.To {
		for _, to := range target.Receivers {
			if err := back(ctx, t, name, to.Key); err != nil {
				return err
			}
		}
	}
	if place < 0 {
		if err := t.Row(ctx, []any{&place}, "SELECT COALESCE(MAX(place), 0) + 1 FROM alert_route"); err != nil {
			return err
		}
	}
	_, err = t.Exec(ctx, `INSERT INTO alert_route (name, place, doc, secrets, from_file, changed_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) DO UPDATE SET doc = excluded.doc, secrets = excluded.secrets, from_file = excluded.from_file, changed_at = excluded.changed_at`,
		r.Name, place, string(doc), sealed, flag(r.FromFile), store.Micros(s.config.Now()))
	if err != nil {
		return err
	}
	return s.planWeek(ctx, t, r)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// secretsOf names the place of a route's secrets, so that they open nowhere else.
func secretsOf(route string) string { return "alert_route.secrets/" + route }

func (s *Store) sealRoute(r alert.Route) ([]byte, error) {
	secrets := map[string]json.RawMessage{}
	for name, target := range r.To {
		for _, to := range target.Receivers {
			if len(to.Config) > 0 {
				secrets[name+"/"+to.Key] = to.Config
			}
		}
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	if s.config.Seal == nil {
		return nil, errors.New("save the route: its secret needs a key to be sealed with, and none is set")
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	return s.config.Seal.Seal(plain, secretsOf(r.Name))
}

// receiver finds whom the letter is for, with what its channel needs to reach
// it, and whether the operator's file names it. Both come from one row, so
// that an address of the console never travels with the trust of the file.
func (s *Store) receiver(ctx context.Context, l *letter) (to channel.Receiver, trusted bool, err error) {
	to = channel.Receiver{Key: l.key, Label: l.receiver}
	if l.channel == email.Name {
		return to, false, nil
	}
	gone := &channel.Failure{Plain: "the route was removed, or names this receiver no more"}
	var sealed []byte
	var fromFile int
	err = s.db.Read(ctx, func(t *store.Tx) error {
		return t.Row(ctx, []any{&sealed, &fromFile}, "SELECT secrets, from_file FROM alert_route WHERE name = $1", l.route)
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && len(sealed) == 0 {
		return to, false, gone
	}
	if err != nil {
		return to, false, err
	}
	secrets, err := s.openRoute(l.route, sealed)
	if err != nil {
		return to, false, err
	}
	config, ok := secrets[l.channel+"/"+l.key]
	if !ok {
		return to, false, gone
	}
	to.Config = config
	return to, fromFile != 0, nil
}

func (s *Store) openRoute(name string, sealed []byte) (map[string]json.RawMessage, error) {
	if s.config.Seal == nil {
		return nil, &channel.Failure{Plain: "the route's secret cannot be opened; the key is missing", Temporary: true}
	}
	plain, err := s.config.Seal.Open(sealed, secretsOf(name))
	if err != nil {
		return nil, &channel.Failure{Plain: "the route's secret cannot be opened; the key is another one", Temporary: true, Err: err}
	}
	secrets := map[string]json.RawMessage{}
	return secrets, json.Unmarshal(plain, &secrets)
}

// Test queues one message to every receiver of a route and returns the ids of
// the deliveries. A route whose only receiver is the owner of a finding has
// nobody to test with.
func (s *Store) Test(ctx context.Context, route string) ([]string, error) {
	now := s.config.Now().UTC()
	e := alert.Event{ID: "test_" + alert.LetterID(route, now.Format(time.RFC3339Nano), "", "")[len("alert_"):], Kind: alert.CauseTest, At: now, SealedAt: now}
	e.Groups = []alert.Group{{Count: 1}}
	var ids []string
	err := s.db.Write(ctx, func(t *store.Tx) error {
		routes, err := s.routes(ctx, t)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(routes, func(r alert.Route) bool { return r.Name == route })
		if i < 0 {
			return store.ErrNotFound
		}
		letters := alert.Plan(e, routes[i:i+1], nil, s.lang)
		for _, l := range letters {
			ids = append(ids, l.ID)
		}
		return s.post(ctx, t, e, letters)
	})
	return ids, err
}

// Numbers is how alerting stands, for the source `self` and for metrics.
type Numbers struct {
	Routes        int
	Mail          bool      // a mail server is set
	Pending       int64     // messages on their way
	OldestPending time.Time // when the oldest of them was written; zero: none
	Dead          int64     // messages that were given up
	Untold        int64     // failures of the last 30 days that no route told anybody
	LastSent      time.Time // zero: never
	LastError     string    // of the newest message that is not sent, in plain words
}

// Numbers counts.
func (s *Store) Numbers(ctx context.Context) (Numbers, error) {
	var n Numbers
	if c, ok := s.channel(email.Name); ok {
		if mail, ok := c.(*email.Channel); ok {
			n.Mail = mail.Ready()
		}
	}
	var oldest, last int64
	since := store.Micros(s.config.Now().AddDate(0, 0, -30))
	err := s.db.Read(ctx, func(t *store.Tx) error {
		steps := []struct {
			into  []any
			query string
			args  []any
		}{
			{[]any{&n.Routes}, "SELECT COUNT(*) FROM alert_route", nil},
			{[]any{&n.Pending, &oldest}, "SELECT COUNT(*), COALESCE(MIN(created_at), 0) FROM alert_delivery WHERE state = $1", []any{string(Pending)}},
			{[]any{&n.Dead}, "SELECT COUNT(*) FROM alert_delivery WHERE state = $1", []any{string(Dead)}},
			{[]any{&last}, "SELECT COALESCE(MAX(sent_at), 0) FROM alert_delivery WHERE state = $1", []any{string(Sent)}},
			{
				[]any{&n.Untold},
				"SELECT COUNT(*) FROM alert_event WHERE letters = 0 AND muted = 0 AND kind IN ($1, $2) AND sealed_at >= $3",
				[]any{string(monitor.CauseFailing), string(monitor.CauseExcepted), since},
			},
		}
		for _, step := range steps {
			if err := t.Row(ctx, step.into, step.query, step.args...); err != nil {
				return err
			}
		}
		err := t.Row(ctx, []any{&n.LastError}, `SELECT last_error FROM alert_delivery
			WHERE state IN ($1, $2) AND last_error <> '' ORDER BY created_at DESC LIMIT 1`, string(Pending), string(Dead))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	n.OldestPending, n.LastSent = store.Time(oldest), store.Time(last)
	return n, err
}
