package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// A listed verdict is a row with what people see of it.
type listed struct {
	key     monitor.TallyKey
	id      int64
	fact    int64
	v       monitor.Verdict
	said    string // owner of the fact
	finding sql.NullInt64
}

const listedColumns = `v.id, v.chk, v.scope, v.own, v.outcome, v.fact, v.version, v.reason, v.since, COALESCE(v.due_at, 0), v.finding,
	f.fid, f.name, f.kind, s.name, CASE WHEN f.owner_set <> '' THEN f.owner_set ELSE f.owner_said END, f.observed_at`

const listedFrom = " FROM verdict v JOIN fact f ON f.id = v.fact JOIN source s ON s.id = f.source "

// Verdicts lists what checks say now, or said at an instant: by severity, the
// worst first, then by check, source and fact.
func (db *DB) Verdicts(ctx context.Context, f monitor.Filter) (page monitor.Page[monitor.Verdict], err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, f.At)
		if err != nil {
			return err
		}
		l := &verdictList{tx: tx, c: c, f: f, limit: pageSize(f)}
		var rows []listed
		switch {
		case f.Fact != "":
			rows, err = l.ofFact(ctx)
		case c.past:
			rows, err = l.past(ctx)
		default:
			rows, err = l.present(ctx)
		}
		if err != nil {
			return err
		}
		page.Next, page.Total = l.next, l.total
		page.Items, err = l.complete(ctx, rows)
		return err
	})
	if err != nil {
		return page, fmt.Errorf("list verdicts: %w", err)
	}
	return page, nil
}

type verdictList struct {
	tx    *Tx
	c     *catalog
	f     monitor.Filter
	limit int
	next  string
	total int64
}

func (l *verdictList) scan(rows *sql.Rows) (x listed, err error) {
	var since, due, observed int64
	v := &x.v
	err = rows.Scan(&x.id, &x.key.Check, &x.key.Scope, &x.key.Own, &x.key.Outcome, &x.fact, &v.Version, &v.Reason, &since, &due, &x.finding,
		&v.Fact, &v.Name, &v.Kind, &v.Source, &x.said, &observed)
	if err != nil {
		return x, err
	}
	ck := l.c.checks[x.key.Check]
	if ck != nil {
		v.Check, v.Severity = ck.name, ck.severity
	}
	v.Outcome, v.Since = x.key.Outcome, Time(since)
	if due != 0 && !l.c.past {
		t := Time(due)
		v.FlipsAt = &t
	}
	if s := l.c.scopes[x.key.Scope]; s != nil {
		observed = max(observed, s.complete)
	}
	if x.fact < 0 && ck != nil {
		observed = l.c.clocks[ck.kind]
	}
	v.ReadAt = Time(observed)
	v.Owner = x.said
	if v.Owner == "" && ck != nil {
		v.Owner = ck.owner
	}
	if s := l.c.sources[l.c.sourceOf(x.key.Scope)]; v.Owner == "" && s != nil {
		v.Owner = s.owner
	}
	if v.Outcome == check.Fail {
		v.Excepted = l.c.excepted(x.key.Check, x.key.Scope, x.fact)
	}
	v.Status, v.Stale = l.c.status(x.key, v.Excepted)
	return x, nil
}

// takes applies what buckets could not.
func (l *verdictList) takes(x *listed) bool {
	v := &x.v
	return anyOf(l.f.Status, v.Status) && anyOf(l.f.Owner, v.Owner) && has(l.f.Text, v.Check, v.Fact, v.Name, v.Owner)
}

// complete adds what is known of the findings.
func (l *verdictList) complete(ctx context.Context, rows []listed) ([]monitor.Verdict, error) {
	var ids []int64
	for i := range rows {
		if rows[i].finding.Valid {
			ids = append(ids, rows[i].finding.Int64)
		}
	}
	type open struct {
		id, due, closed int64
		ext, owner      string
	}
	found, err := gather(ctx, l.tx, nil, ids, func(in string) string {
		return "SELECT id, ext, owner, due_at, COALESCE(closed_at, 0) FROM finding WHERE id IN " + in
	}, func(rows *sql.Rows) (o open, err error) {
		return o, rows.Scan(&o.id, &o.ext, &o.owner, &o.due, &o.closed)
	})
	if err != nil {
		return nil, err
	}
	byID := map[int64]open{}
	for _, o := range found {
		byID[o.id] = o
	}
	out := make([]monitor.Verdict, 0, len(rows))
	for i := range rows {
		v := rows[i].v
		if o, ok := byID[rows[i].finding.Int64]; ok && rows[i].finding.Valid {
			due := Time(o.due)
			v.Finding, v.Due = o.ext, &due
			if v.Owner == "" {
				v.Owner = o.owner
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// A bucket is a stretch of the list: verdicts of one check, scope, clock and outcome.
type bucket struct {
	monitor.TallyKey
	n   int64
	x   *catCheck
	src string
}

// plan lists the buckets that hold something of the list, in its order.
func (l *verdictList) plan(ctx context.Context) ([]bucket, error) {
	tally, err := l.tx.buckets(ctx, l.c)
	if err != nil {
		return nil, err
	}
	var out []bucket
	for k, n := range tally {
		x := l.c.checks[k.Check]
		if !l.c.takes(l.f, x, k.Scope) || !l.may(k) {
			continue
		}
		b := bucket{TallyKey: k, n: n, x: x}
		if s := l.c.sources[l.c.sourceOf(k.Scope)]; s != nil {
			b.src = s.name
		}
		out = append(out, b)
	}
	column, down := sortOf(l.f.Sort)
	slices.SortFunc(out, func(a, b bucket) int {
		r := l.order(column, a, b)
		if down && column != "severity" || !down && column == "severity" {
			r = -r
		}
		return cmp.Or(r, cmp.Compare(b.x.severity, a.x.severity), cmp.Compare(a.x.name, b.x.name), cmp.Compare(a.src, b.src),
			cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Own, b.Own))
	})
	return out, nil
}

func (l *verdictList) order(column string, a, b bucket) int {
	switch column {
	case "severity":
		return cmp.Compare(b.x.severity, a.x.severity)
	case "check":
		return cmp.Compare(a.x.name, b.x.name)
	case "kind":
		return cmp.Compare(a.x.kind, b.x.kind)
	case "source":
		return cmp.Compare(a.src, b.src)
	case "status":
		sa, _ := l.c.status(a.TallyKey, "")
		sb, _ := l.c.status(b.TallyKey, "")
		return cmp.Compare(rank(sa), rank(sb))
	}
	return 0
}

// rank puts what needs somebody first.
func rank(s monitor.Status) int {
	return slices.Index([]monitor.Status{
		monitor.StatusFail, monitor.StatusUnknown, monitor.StatusExcepted, monitor.StatusPass, monitor.StatusNotApplicable,
	}, s)
}

// may says whether a bucket can hold a wanted status.
func (l *verdictList) may(k monitor.TallyKey) bool {
	if len(l.f.Status) == 0 {
		return true
	}
	plain, _ := l.c.status(k, "")
	if k.Outcome != check.Fail {
		return slices.Contains(l.f.Status, plain)
	}
	if l.c.whole(k.Check, k.Scope) != "" {
		return slices.Contains(l.f.Status, monitor.StatusExcepted)
	}
	return slices.Contains(l.f.Status, plain) || len(l.c.rows[k]) > 0 && slices.Contains(l.f.Status, monitor.StatusExcepted)
}

// counted says how many rows the list has, or -1 where rows must be looked at.
func (l *verdictList) counted(plan []bucket) (total, most int64) {
	for _, b := range plan {
		most += b.n
		if b.Outcome == check.Fail && len(l.f.Status) > 0 && len(l.c.rows[b.TallyKey]) > 0 {
			total = -1
		}
		if total >= 0 {
			total += b.n
		}
	}
	if l.f.Text != "" || len(l.f.Owner) > 0 {
		total = -1
	}
	return total, most
}

// present walks the buckets; each row that is read belongs to the list, unless
// somebody searches in texts or for owners.
func (l *verdictList) present(ctx context.Context) ([]listed, error) {
	plan, err := l.plan(ctx)
	if err != nil {
		return nil, err
	}
	var most int64
	l.total, most = l.counted(plan)
	column, _ := sortOf(l.f.Sort)
	if slices.Contains([]string{"since", "fact", "name", "owner"}, column) && most <= maxSorted {
		return l.sorted(ctx, plan)
	}
	cur, resumed, err := readCursor(l.f.Cursor, l.f.Sort)
	if err != nil {
		return nil, err
	}
	var out []listed
	examined := 0
	for i, b := range plan {
		from := int64(math.MinInt64)
		if resumed {
			if cur.A != b.Check || cur.B != b.Scope || cur.C != int64(b.Own) || cur.D != int64(b.Outcome) {
				if i < len(plan)-1 || len(out) > 0 {
					continue
				}
				return l.again(ctx, plan)
			}
			from, resumed = cur.ID, false
		}
		for {
			rows, err := l.bucket(ctx, b, from, l.limit+1)
			if err != nil {
				return nil, err
			}
			for _, x := range rows {
				if len(out) == l.limit || examined >= maxExamined {
					l.next = cursor{Sort: l.f.Sort, A: b.Check, B: b.Scope, C: int64(b.Own), D: int64(b.Outcome), ID: from}.text()
					return out, nil
				}
				from = x.fact
				examined++
				if l.takes(&x) {
					out = append(out, x)
				}
			}
			if len(rows) <= l.limit {
				break
			}
		}
	}
	return out, nil
}

// again begins anew where the bucket of a cursor has emptied since: a page
// that repeats is better than one that leaves something out.
func (l *verdictList) again(ctx context.Context, plan []bucket) ([]listed, error) {
	if len(plan) == 0 || l.f.Cursor == "" {
		return nil, nil
	}
	l.f.Cursor = ""
	return l.present(ctx)
}

func (l *verdictList) bucket(ctx context.Context, b bucket, after int64, limit int) ([]listed, error) {
	rows, err := l.tx.Query(ctx, "SELECT "+listedColumns+listedFrom+`WHERE v.chk = $1 AND v.scope = $2 AND v.own = $3 AND v.outcome = $4
		AND v.to_at IS NULL AND v.fact > $5 ORDER BY v.fact LIMIT $6`, b.Check, b.Scope, int64(b.Own), int64(b.Outcome), after, limit)
	return scanAll(rows, err, l.scan)
}

// sorted reads a short list whole and sorts it.
func (l *verdictList) sorted(ctx context.Context, plan []bucket) ([]listed, error) {
	cur, _, err := readCursor(l.f.Cursor, l.f.Sort)
	if err != nil {
		return nil, err
	}
	var all []listed
	for _, b := range plan {
		rows, err := l.bucket(ctx, b, math.MinInt64, maxSorted+1)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(rows, func(x listed) bool { return !l.takes(&x) })...)
	}
	column, down := sortOf(l.f.Sort)
	slices.SortStableFunc(all, func(a, b listed) int {
		r := 0
		switch column {
		case "since":
			r = a.v.Since.Compare(b.v.Since)
		case "owner":
			r = cmp.Compare(a.v.Owner, b.v.Owner)
		case "name":
			r = cmp.Compare(a.v.Name, b.v.Name)
		default:
			r = cmp.Compare(a.v.Fact, b.v.Fact)
		}
		if down {
			r = -r
		}
		return r
	})
	l.total = int64(len(all))
	all = all[min(int(max(0, cur.ID)), len(all)):]
	if len(all) > l.limit {
		l.next = cursor{Sort: l.f.Sort, ID: cur.ID + int64(l.limit)}.text()
		all = all[:l.limit]
	}
	return all, nil
}

// ofFact lists the verdicts of one id, whatever its kind and source.
func (l *verdictList) ofFact(ctx context.Context) ([]listed, error) {
	ids, err := l.tx.factIDs(ctx, l.f.Fact)
	if err != nil {
		return nil, err
	}
	open, err := gather(ctx, l.tx, []any{l.c.now}, ids, func(in string) string {
		return "SELECT " + listedColumns + listedFrom + "WHERE v.to_at IS NULL AND v.from_at <= $1 AND v.fact IN " + in
	}, l.scan)
	if err != nil {
		return nil, err
	}
	past, err := gather(ctx, l.tx, []any{l.c.now, l.c.now}, ids, func(in string) string {
		return "SELECT " + listedColumns + listedFrom + "WHERE v.to_at IS NOT NULL AND v.from_at <= $1 AND v.to_at > $2 AND v.fact IN " + in
	}, l.scan)
	all := append(open, past...)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(x listed) bool {
		if s := l.c.sources[l.c.sourceOf(x.key.Scope)]; x.fact > 0 && len(l.f.Source) > 0 && (s == nil || !slices.Contains(l.f.Source, s.name)) {
			return true
		}
		f := l.f
		f.Source = nil
		return !l.takes(&x) || !l.c.takes(f, l.c.checks[x.key.Check], x.key.Scope)
	})
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.v.Severity, a.v.Severity), cmp.Compare(a.v.Check, b.v.Check), cmp.Compare(a.fact, b.fact))
	})
	l.total = int64(len(all))
	return all, nil
}

// past walks the intervals in the order in which they began.
func (l *verdictList) past(ctx context.Context) ([]listed, error) {
	cur, _, err := readCursor(l.f.Cursor, "past")
	if err != nil {
		return nil, err
	}
	l.total = -1
	var out []listed
	for examined := 0; ; {
		rows, err := l.tx.Query(ctx, "SELECT "+listedColumns+listedFrom+"WHERE v.id > $1 AND v.id <= $2 AND v.from_at <= $3 AND (v.to_at IS NULL OR v.to_at > $3) ORDER BY v.id",
			cur.ID, cur.ID+2000, l.c.now)
		found, err := scanAll(rows, err, l.scan)
		if err != nil {
			return nil, err
		}
		for _, x := range found {
			if !l.c.takes(l.f, l.c.checks[x.key.Check], x.key.Scope) || !l.takes(&x) {
				continue
			}
			out = append(out, x)
			if len(out) == l.limit {
				l.next = cursor{Sort: "past", ID: x.id}.text()
				return out, nil
			}
		}
		var last int64
		if err := l.tx.Row(ctx, []any{&last}, "SELECT COALESCE(MAX(id), 0) FROM verdict"); err != nil {
			return nil, err
		}
		cur.ID += 2000
		if examined += 2000; cur.ID >= last {
			return out, nil
		}
		if examined >= maxExamined {
			l.next = cursor{Sort: "past", ID: cur.ID}.text()
			return out, nil
		}
	}
}

// Intervals lists the stretches of the outcomes of a fact, or of a check on
// all facts where only the check is named, the newest first.
func (db *DB) Intervals(ctx context.Context, f monitor.Filter) (out []monitor.Interval, err error) {
	if f.Fact == "" && len(f.Check) == 0 {
		return nil, nil
	}
	err = db.Read(ctx, func(tx *Tx) error {
		w := &where{}
		if f.Fact != "" {
			ids, err := tx.factIDs(ctx, f.Fact)
			if err != nil {
				return err
			}
			in(w, "v.fact", ids)
		} else {
			var last int64
			if err := tx.Row(ctx, []any{&last}, "SELECT COALESCE(MAX(id), 0) FROM verdict"); err != nil {
				return err
			}
			w.and("v.id > ?", last-maxExamined) // the newest only: a check's whole history has no index
		}
		if len(f.Source) > 0 {
			in(w, "s.name", f.Source)
		}
		if len(f.Kind) > 0 {
			in(w, "f.kind", f.Kind)
		}
		if len(f.Check) > 0 {
			in(w, "c.name", f.Check)
		}
		// Two indexes, for what is open and what is past, so two questions.
		for _, which := range []string{"v.to_at IS NULL", "v.to_at IS NOT NULL"} {
			rows, err := tx.Query(ctx, `SELECT c.name, v.version, f.fid, v.outcome, v.reason, v.from_at, v.to_at`+listedFrom+
				"JOIN chk c ON c.id = v.chk WHERE "+which+" AND "+w.text()+fmt.Sprintf(" ORDER BY v.from_at DESC, v.id DESC LIMIT %d", pageSize(f)), w.args...)
			found, err := scanAll(rows, err, scanInterval)
			if err != nil {
				return err
			}
			out = append(out, found...)
		}
		slices.SortStableFunc(out, func(a, b monitor.Interval) int { return b.From.Compare(a.From) })
		out = out[:min(len(out), pageSize(f))]
		return nil
	})
	return out, err
}

func scanInterval(rows *sql.Rows) (i monitor.Interval, err error) {
	var from int64
	var to sql.NullInt64
	err = rows.Scan(&i.Check, &i.Version, &i.Fact, &i.Outcome, &i.Reason, &from, &to)
	i.From, i.To = Time(from), TimePtr(to)
	return i, err
}
