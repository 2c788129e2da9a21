package alertstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// The kinds of what is due at an instant.
const (
	dueRepeat   = "repeat"
	dueEscalate = "escalate"
	dueDigest   = "digest"
)

// duePiece is how much of what is due is done before the clock is looked at again.
const duePiece = 50

// A due is something that alerts do at an instant.
type due struct {
	ID      string `db:"id"`
	Kind    string `db:"kind"`
	At      int64  `db:"due_at"`
	Cause   string `db:"cause"`
	Route   string `db:"route"`
	Step    int64  `db:"step"`
	Channel string `db:"channel"`
	Key     string `db:"receiver_key"`
}

// Tick does what is due: repeats, steps of escalations, digests,
// and mutes that have ended. Each is one transaction that writes its
// messages, queues them and moves what is due on, so that a process that is
// killed repeats and loses none. It runs where the lease is; two at once would
// do no harm. more says that there may be others.
func (s *Store) Tick(ctx context.Context) (more bool, err error) {
	now := store.Micros(s.config.Now())
	var rows []due
	var mutes []over
	err = s.db.Read(ctx, func(t *store.Tx) error {
		if err := t.Select(ctx, &rows, `SELECT id, kind, due_at, cause, route, step, channel, receiver_key FROM alert_due
			WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, now, duePiece); err != nil {
			return err
		}
		mutes, err = overMutes(ctx, t, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("ask what alerts are due: %w", err)
	}
	var errs []error
	for _, d := range rows {
		if err := s.doDue(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("%s that was due: %w", d.ID, err))
		}
	}
	for _, m := range mutes {
		if err := s.unmute(ctx, m); err != nil {
			errs = append(errs, fmt.Errorf("tell that mute %s ended: %w", m.Ext, err))
		}
	}
	return len(errs) == 0 && (len(rows) == duePiece || len(mutes) == duePiece), errors.Join(errs...)
}

// doDue does one thing that is due, unless another process has.
func (s *Store) doDue(ctx context.Context, d due) error {
	if d.Kind == dueWeekly {
		return s.weekly(ctx, d)
	}
	return s.db.Write(ctx, func(t *store.Tx) error {
		n, err := t.Exec(ctx, "DELETE FROM alert_due WHERE id = $1 AND due_at = $2", d.ID, d.At)
		if err != nil || n == 0 {
			return err
		}
		switch d.Kind {
		case dueRepeat, dueEscalate:
			return s.remind(ctx, t, d)
		case dueDigest:
			return s.digest(ctx, t, d)
		}
		return nil
	})
}

func (s *Store) putDue(ctx context.Context, t *store.Tx, d due) error {
	_, err := t.Exec(ctx, `INSERT INTO alert_due (id, kind, due_at, cause, route, step, channel, receiver_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO NOTHING`, d.ID, d.Kind, d.At, d.Cause, d.Route, d.Step, d.Channel, d.Key)
	return err
}

// plan writes down when an event's routes repeat and escalate.
func (s *Store) plan(ctx context.Context, t *store.Tx, e alert.Event, routes []alert.Route) error {
	if !e.Acts() {
		return nil
	}
	for _, r := range routes {
		if len(r.Match(e)) == 0 {
			continue
		}
		base := due{Cause: e.ID, Route: r.Name}
		if r.Repeat > 0 {
			d := base
			d.ID, d.Kind, d.Step, d.At = dueRepeat+"/"+e.ID+"/"+r.Name, dueRepeat, 1, store.Micros(e.SealedAt.Add(time.Duration(r.Repeat)))
			if err := s.putDue(ctx, t, d); err != nil {
				return err
			}
		}
		for i, step := range r.Escalate {
			d := base
			d.ID, d.Kind, d.Step = dueEscalate+"/"+e.ID+"/"+r.Name+"/"+strconv.Itoa(i), dueEscalate, int64(i)
			d.At = store.Micros(e.SealedAt.Add(time.Duration(step.After)))
			if err := s.putDue(ctx, t, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// remind tells again, or tells further people, if it still fails and nobody
// has taken care; else it waits for the end of a mute, or ends.
func (s *Store) remind(ctx context.Context, t *store.Tx, d due) error {
	routes, err := s.routes(ctx, t)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(routes, func(r alert.Route) bool { return r.Name == d.Route })
	if i < 0 || d.Kind == dueRepeat && routes[i].Repeat == 0 || d.Kind == dueEscalate && int(d.Step) >= len(routes[i].Escalate) {
		return nil
	}
	r, now := routes[i], s.config.Now()
	first, err := eventOf(ctx, t, d.Cause)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	rest, err := s.standing(ctx, t, first)
	if err != nil || !rest.open {
		return err
	}
	e := s.reminder(first, rest, d, now)
	groups := r.Match(e)
	if d.Kind == dueEscalate {
		if sev := r.Escalate[d.Step].Severity; len(sev) > 0 {
			groups = slices.DeleteFunc(slices.Clone(groups), func(g alert.Group) bool { return g.Check != "" && !slices.Contains(sev, g.Severity.String()) })
		}
	}
	next := now.Add(time.Duration(r.Repeat))
	if len(groups) == 0 {
		return s.wait(ctx, t, d, rest, next)
	}
	if until := r.QuietUntil(now, worst(groups) == check.Critical); !until.IsZero() {
		d.At = store.Micros(until)
		return s.putDue(ctx, t, d)
	}
	if err := s.postReminder(ctx, t, e, r, d, groups); err != nil || d.Kind == dueEscalate {
		return err
	}
	d.Step, d.At = d.Step+1, store.Micros(next)
	return s.putDue(ctx, t, d)
}

// wait puts off what nobody needs to hear now. An acknowledgement without an
// end, and an exception, end a step; a repeat looks again, for they may be
// taken back.
func (s *Store) wait(ctx context.Context, t *store.Tx, d due, rest standing, next time.Time) error {
	switch {
	case d.Kind == dueEscalate && !rest.until.IsZero():
		next = rest.until
	case d.Kind == dueRepeat && !rest.taken.IsZero() && rest.taken.Before(next):
		next = rest.taken // the end of a mute is told by itself
	case d.Kind == dueEscalate:
		return nil
	}
	d.At = store.Micros(next)
	return s.putDue(ctx, t, d)
}

// reminder is the event that a repeat or a step tells.
func (s *Store) reminder(first alert.Event, rest standing, d due, now time.Time) alert.Event {
	e := alert.Event{
		ID:   "again_" + alert.LetterID(d.ID, strconv.FormatInt(d.Step, 10), "", "")[len("alert_"):],
		Kind: alert.KindReminder, About: first.ID, Of: first.Kind, FirstAt: first.SealedAt, At: now.UTC(), SealedAt: now.UTC(),
		Source: first.Source, Owner: first.Owner, Severity: first.Severity, EventAt: first.EventAt, Why: first.Why, Since: first.Since, Groups: rest.groups,
	}
	if d.Kind == dueRepeat {
		e.Times = int(d.Step)
	}
	for i := range e.Groups {
		e.Count += e.Groups[i].Count
		e.Groups[i].Answers = []string{first.ID}
	}
	return e
}

func (s *Store) postReminder(ctx context.Context, t *store.Tx, e alert.Event, r alert.Route, d due, groups []alert.Group) error {
	told := r
	told.When = alert.When{} // groups are what the route asked for already
	if d.Kind == dueEscalate {
		told.To = r.Escalate[d.Step].To
	} else {
		told.To = s.withoutKeepers(r.To)
	}
	e.Groups = groups
	letters := s.letters(ctx, e, []alert.Route{told})
	return s.post(ctx, t, e, letters)
}

// withoutKeepers leaves out channels where something is open until it is
// mended: an incident or a ticket reminds by itself.
func (s *Store) withoutKeepers(to map[string]channel.Target) map[string]channel.Target {
	out := map[string]channel.Target{}
	for name, target := range to {
		if c, ok := s.channel(name); !ok || !channel.Keeps(c) {
			out[name] = target
		}
	}
	return out
}

func worst(groups []alert.Group) check.Severity {
	w := check.Severity(0)
	for _, g := range groups {
		w = max(w, g.Severity)
	}
	return w
}

// A standing is what is left of what an event told of.
type standing struct {
	open   bool          // something of it fails or is silent still
	groups []alert.Group // what nobody has acknowledged, muted or accepted
	until  time.Time     // the first end of what silences the rest; zero: none has one
	taken  time.Time     // the first end of an acknowledgement
}

// loud says of a finding f with its check k, thing x and source s0 that
// nobody has acknowledged, muted or accepted it. $2 is now.
const loud = ` AND NOT EXISTS (SELECT 1 FROM silence s WHERE s.ended_at IS NULL AND (s.until_at = 0 OR s.until_at > $2) AND ` + store.SilenceCovers + `)
	AND NOT EXISTS (SELECT 1 FROM exception e JOIN exception_span p ON p.exception = e.id AND p.to_at IS NULL
		WHERE e.chk = k.name AND (e.fid = '' OR e.fid = x.fid) AND (e.source = '' OR e.source = s0.name))`

const standingTables = ` JOIN chk k ON k.id = f.chk JOIN fact x ON x.id = f.fact JOIN source s0 ON s0.id = f.source`

// standing reads what is left of an event.
func (s *Store) standing(ctx context.Context, t *store.Tx, e alert.Event) (standing, error) {
	var out standing
	now := store.Micros(s.config.Now())
	if e.Kind == monitor.CauseStale {
		return silentStill(ctx, t, e, now)
	}
	which := "f.cause = c.id"
	if e.Kind == monitor.CauseExcepted {
		which = ended
	}
	var n, until, taken int64
	from := " FROM cause c JOIN finding f ON " + which + " AND f.closed_at IS NULL" + standingTables + " WHERE c.ext = $1"
	if err := t.Row(ctx, []any{&n}, "SELECT COUNT(*)"+from, e.ID); err != nil || n == 0 {
		return out, err
	}
	out.open = true
	if err := t.Row(ctx, []any{&until, &taken}, `SELECT COALESCE(MIN(s.until_at), 0), COALESCE(MIN(CASE WHEN s.kind = 'acknowledge' THEN s.until_at END), 0) FROM cause c JOIN finding f ON `+which+` AND f.closed_at IS NULL
		JOIN silence s ON s.ended_at IS NULL AND s.until_at > $2 AND (s.cause = c.id OR `+store.SilenceCovers+`) WHERE c.ext = $1`, e.ID, now); err != nil {
		return out, err
	}
	out.until, out.taken = store.Time(until), store.Time(taken)
	var quiet int
	err := t.Row(ctx, []any{&quiet}, `SELECT COUNT(*) FROM cause c JOIN silence s ON s.cause = c.id AND s.chk = 0 AND s.owner = '*' AND s.ended_at IS NULL
		AND (s.until_at = 0 OR s.until_at > $2) WHERE c.ext = $1`, e.ID, now)
	if err != nil || quiet > 0 {
		return out, err
	}
	var rows []struct {
		Check    string `db:"name"`
		Owner    string `db:"owner"`
		Version  int    `db:"version"`
		Kind     string `db:"kind"`
		Severity int    `db:"severity"`
		N        int    `db:"n"`
	}
	if err := t.Select(ctx, &rows, "SELECT k.name, f.owner, MAX(f.version) AS version, k.kind, MAX(f.severity) AS severity, COUNT(*) AS n"+from+loud+
		" GROUP BY k.name, f.owner, k.kind ORDER BY k.name, f.owner", e.ID, now); err != nil {
		return out, err
	}
	for _, r := range rows {
		out.groups = append(out.groups, s.group(CauseGroup{
			Check: r.Check, Owner: r.Owner, Version: r.Version, Kind: r.Kind, Severity: check.Severity(r.Severity), Count: r.N, //nolint:gosec // stored by us, 1 to 4
		}))
	}
	return out, s.fillStanding(ctx, t, e, which, now, out.groups)
}

// fillStanding names the first things of each group.
func (s *Store) fillStanding(ctx context.Context, t *store.Tx, e alert.Event, which string, now int64, groups []alert.Group) error {
	alert.SortGroups(groups)
	limit := alert.MaxItems
	if len(groups) > 10 {
		limit = 3
	}
	for i := range groups {
		g := &groups[i]
		var rows []itemRow
		err := t.Select(ctx, &rows, itemSelect+" FROM cause c JOIN finding f ON "+which+" AND f.closed_at IS NULL"+standingTables+
			` LEFT JOIN fact_data d ON d.fact = x.id WHERE c.ext = $1`+loud+` AND k.name = $3 AND f.owner = $4 ORDER BY f.id LIMIT $5`, e.ID, now, g.Check, g.Owner, limit)
		if err != nil {
			return err
		}
		c, known := s.check(g.Check)
		for _, r := range rows {
			item := s.item(r.item(g.Check), c, known, g, s.config.Now())
			g.Items = append(g.Items, item)
		}
	}
	return nil
}

// silentStill reads whether the source of a stale event is silent still, and
// whether somebody has taken care.
func silentStill(ctx context.Context, t *store.Tx, e alert.Event, now int64) (standing, error) {
	var out standing
	var n, held, until int64
	err := t.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM cause c JOIN scope p ON p.source = c.source JOIN overlay o ON o.scope = p.id AND o.fact = 0 AND o.to_at IS NULL
		WHERE c.ext = $1`, e.ID)
	if err != nil || n == 0 {
		return out, err
	}
	out.open = true
	err = t.Row(ctx, []any{&held, &until}, `SELECT COUNT(*), COALESCE(MIN(CASE WHEN s.until_at > 0 THEN s.until_at END), 0) FROM cause c
		JOIN silence s ON s.cause = c.id AND s.ended_at IS NULL AND (s.until_at = 0 OR s.until_at > $2) WHERE c.ext = $1`, e.ID, now)
	if err != nil {
		return out, err
	}
	if out.until = store.Time(until); held == 0 {
		out.groups = []alert.Group{{Owner: e.Owner, Count: max(1, e.Count)}}
	}
	return out, nil
}
