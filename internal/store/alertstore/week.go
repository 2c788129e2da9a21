package alertstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// dueWeekly is the kind of a summary that is due.
const dueWeekly = "weekly"

// maxDuePages bounds how many pages of obligations a summary counts.
const maxDuePages = 20

// planWeek writes down when a saved route's next summary is due. One that is
// overdue stays, so that a start after its hour tells it still.
func (s *Store) planWeek(ctx context.Context, t *store.Tx, r alert.Route) error {
	now := s.config.Now()
	next, ok := r.NextWeekly(now)
	id := dueWeekly + "/" + r.Name
	until := store.Micros(now)
	if !ok {
		until = 0
	}
	if _, err := t.Exec(ctx, "DELETE FROM alert_due WHERE id = $1 AND due_at > $2", id, until); err != nil || !ok {
		return err
	}
	return s.putDue(ctx, t, due{ID: id, Kind: dueWeekly, At: store.Micros(next), Route: r.Name})
}

// weekly tells one route how the week went. After a long rest it tells the
// last week only. What it says is read first and written with the step to the
// next week, so that a kill repeats it under the same id and loses none.
func (s *Store) weekly(ctx context.Context, d due) error {
	routes, err := s.Routes(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(routes, func(r alert.Route) bool { return r.Name == d.Route })
	at, now := store.Time(d.At), s.config.Now().UTC()
	var next time.Time
	var has bool
	var e alert.Event
	if i >= 0 {
		next, has = routes[i].NextWeekly(now)
	}
	if has {
		if last := routes[i].WeekBefore(next); last.After(at) {
			at = last
		}
		if e, err = s.weekEvent(ctx, routes[i], at); err != nil {
			return fmt.Errorf("sum up the week of route %s: %w", d.Route, err)
		}
	}
	return s.db.Write(ctx, func(t *store.Tx) error {
		n, err := t.Exec(ctx, "DELETE FROM alert_due WHERE id = $1 AND due_at = $2", d.ID, d.At)
		if err != nil || n == 0 || !has {
			return err
		}
		told := routes[i]
		told.When = alert.When{} // the numbers are of what the route asks for already
		told.To = s.withoutKeepers(told.To)
		if err := s.post(ctx, t, e, s.letters(ctx, e, []alert.Route{told})); err != nil {
			return err
		}
		d.At = store.Micros(next)
		return s.putDue(ctx, t, d)
	})
}

// weekEvent is the summary of the week that ends at an instant.
func (s *Store) weekEvent(ctx context.Context, r alert.Route, at time.Time) (alert.Event, error) {
	now := s.config.Now().UTC()
	k := &alert.Week{From: r.WeekBefore(at), To: at}
	e := alert.Event{
		ID:   "week_" + alert.LetterID(r.Name, at.UTC().Format(time.RFC3339), "", "")[len("alert_"):],
		Kind: alert.KindWeekly, At: now, SealedAt: now, Week: k,
	}
	err := errors.Join(s.weekFindings(ctx, r, k), s.weekDue(ctx, r, k, now), s.weekCover(ctx, r, k))
	e.Count = k.Open
	e.Groups = []alert.Group{{Count: k.Open}}
	return e, err
}

// weekFindings counts what fails, what is new and what was mended. What an
// exception accepts is not counted as open; what is muted is, for it fails.
func (s *Store) weekFindings(ctx context.Context, r alert.Route, k *alert.Week) error {
	var rows []struct {
		Check    string `db:"name"`
		Source   string `db:"source"`
		Owner    string `db:"owner"`
		Kind     string `db:"kind"`
		Severity int    `db:"severity"`
		Open     int    `db:"open_n"`
		New      int    `db:"new_n"`
		Mended   int    `db:"mended_n"`
		Late     int    `db:"late_n"`
	}
	const open = `f.closed_at IS NULL AND NOT EXISTS (SELECT 1 FROM exception e JOIN exception_span p ON p.exception = e.id AND p.to_at IS NULL
		WHERE e.chk = k.name AND (e.fid = '' OR e.fid = x.fid) AND (e.source = '' OR e.source = s0.name))`
	err := s.db.Read(ctx, func(t *store.Tx) error {
		return t.Select(ctx, &rows, `SELECT k.name, s0.name AS source, f.owner, k.kind, f.severity,
			SUM(CASE WHEN `+open+` THEN 1 ELSE 0 END) AS open_n,
			SUM(CASE WHEN f.opened_at >= $1 AND f.opened_at < $2 THEN 1 ELSE 0 END) AS new_n,
			SUM(CASE WHEN f.closed_at >= $1 AND f.closed_at < $2 AND f.closed_why = 'passed' THEN 1 ELSE 0 END) AS mended_n,
			SUM(CASE WHEN f.due_at < $3 AND `+open+` THEN 1 ELSE 0 END) AS late_n
			FROM finding f`+standingTables+` WHERE f.closed_at IS NULL OR f.closed_at >= $1
			GROUP BY k.name, s0.name, f.owner, k.kind, f.severity`, store.Micros(k.From), store.Micros(k.To), store.Micros(s.config.Now()))
	})
	if err != nil {
		return err
	}
	lines := map[string]*alert.WeekLine{}
	for _, row := range rows {
		g := s.group(CauseGroup{Check: row.Check, Owner: row.Owner, Kind: row.Kind, Severity: check.Severity(row.Severity)}) //nolint:gosec // stored by us, 1 to 4
		if !r.Sums(row.Source, g) {
			continue
		}
		k.Open, k.New, k.Mended, k.Late = k.Open+row.Open, k.New+row.New, k.Mended+row.Mended, k.Late+row.Late
		if row.Open == 0 {
			continue
		}
		l := lines[row.Check]
		if l == nil {
			l = &alert.WeekLine{Check: row.Check, Title: g.Title}
			lines[row.Check] = l
		}
		l.Count, l.New, l.Severity = l.Count+row.Open, l.New+row.New, max(l.Severity, g.Severity)
	}
	for _, l := range lines {
		k.Leans = append(k.Leans, *l)
	}
	k.SortLeans()
	k.Leans = k.Leans[:min(len(k.Leans), alert.MaxGroups)]
	return nil
}

// weekDue counts and names what falls due within the next seven days.
func (s *Store) weekDue(ctx context.Context, r alert.Route, k *alert.Week, now time.Time) error {
	f := monitor.ObligationFilter{From: now, To: now.AddDate(0, 0, 7), Leaning: monitor.Leaning(s.config.Checks())}
	f.Limit = 1000
	for range maxDuePages {
		page, err := s.db.Obligations(ctx, f)
		if err != nil {
			return err
		}
		for _, o := range page.Items {
			g := s.group(CauseGroup{Check: o.Check, Owner: o.Owner, Kind: o.Kind, Severity: o.Severity})
			if !r.Sums(o.Source, g) {
				continue
			}
			k.Due++
			if len(k.DueSoon) < alert.MaxItems {
				k.DueSoon = append(k.DueSoon, alert.Item{Finding: o.Finding, Fact: o.Fact, Name: o.Name, Message: g.Title, DueAt: o.Due})
			}
		}
		if page.Next == "" {
			return nil
		}
		f.Cursor = page.Next
	}
	return nil
}

// weekCover says how long it took, what is known, and which sources fell silent.
func (s *Store) weekCover(ctx context.Context, r alert.Route, k *alert.Week) error {
	p, err := s.db.Posture(ctx, time.Time{})
	if err != nil {
		return err
	}
	l := p.Latency
	k.Times = [3]alert.Lapse{{P50: l.DetectP50, P95: l.DetectP95}, {P50: l.AlertP50, P95: l.AlertP95}, {P50: l.FixP50, P95: l.FixP95}}
	for _, c := range p.ByCheck {
		if len(r.When.Source) > 0 && !slices.Contains(r.When.Source, c.Source) || len(r.When.Check) > 0 && !slices.Contains(r.When.Check, c.Check) {
			continue
		}
		k.Known += c.Counts.Pass + c.Counts.Fail + c.Counts.Excepted
		k.Unknown += c.Counts.Unknown
	}
	var silent []struct {
		Name string `db:"name"`
	}
	if err := s.db.Read(ctx, func(t *store.Tx) error {
		return t.Select(ctx, &silent, `SELECT DISTINCT o.name FROM source o JOIN scope p ON p.source = o.id
			JOIN overlay v ON v.scope = p.id AND v.fact = 0 AND v.to_at IS NULL ORDER BY o.name`)
	}); err != nil {
		return err
	}
	for _, src := range p.Sources {
		if !src.Enabled || len(r.When.Source) > 0 && !slices.Contains(r.When.Source, src.Name) {
			continue
		}
		k.Sources++
		if slices.ContainsFunc(silent, func(x struct {
			Name string `db:"name"`
		},
		) bool {
			return x.Name == src.Name
		}) {
			k.Silent = append(k.Silent, src.Name)
		}
	}
	return nil
}
