package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

type factRow struct {
	id, scope int64
	v         monitor.FactView
}

const viewColumns = `f.id, f.scope, f.fid, f.kind, s.name, f.name, f.origin, f.observed_at, f.changed_at, f.first_seen, f.gone_at,
	CASE WHEN f.owner_set <> '' THEN f.owner_set ELSE f.owner_said END, f.hash`

func (c *catalog) scanView(rows *sql.Rows) (x factRow, err error) {
	v := &x.v
	var observed, changed, first int64
	var gone sql.NullInt64
	var hash []byte
	err = rows.Scan(&x.id, &x.scope, &v.ID, &v.Kind, &v.Source, &v.Name, (*string)(&v.Origin), &observed, &changed, &first, &gone, &v.Owner, &hash)
	v.ObservedAt, v.ReadAt, v.ChangedAt, v.FirstSeen, v.GoneAt = Time(observed), Time(observed), Time(changed), Time(first), TimePtr(gone)
	v.Digest = hex.EncodeToString(hash)
	if s := c.scopes[x.scope]; s != nil {
		v.Scope = s.name
		if !gone.Valid {
			v.ReadAt = Time(max(observed, s.complete))
		}
		if o := c.sources[s.source]; v.Owner == "" && o != nil {
			v.Owner = o.owner
		}
	}
	return x, err
}

// Facts lists facts, by kind and id; of some sources, by source and in the
// order in which they were first seen.
func (db *DB) Facts(ctx context.Context, f monitor.Filter) (page monitor.Page[monitor.FactView], err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		c, err := tx.catalog(ctx, f.At)
		if err != nil {
			return err
		}
		l := &factList{tx: tx, c: c, f: f, limit: pageSize(f)}
		rows, err := l.rows(ctx)
		if err != nil {
			return err
		}
		if err := tx.factCounts(ctx, c, rows); err != nil {
			return err
		}
		if err := tx.factData(ctx, f.At, rows); err != nil {
			return err
		}
		page.Next, page.Total = l.next, l.total
		for i := range rows {
			page.Items = append(page.Items, rows[i].v)
		}
		return nil
	})
	if err != nil {
		return page, fmt.Errorf("list facts: %w", err)
	}
	return page, nil
}

type factList struct {
	tx    *Tx
	c     *catalog
	f     monitor.Filter
	limit int
	next  string
	total int64
}

// A stretch is a part of the list that one index gives in order.
type stretch struct {
	kind  string
	scope int64
}

func (l *factList) stretches(ctx context.Context) ([]stretch, error) {
	kinds := slices.Clone(l.f.Kind)
	if len(kinds) == 0 {
		err := l.tx.each(ctx, func(rows *sql.Rows) error {
			var k string
			err := rows.Scan(&k)
			kinds = append(kinds, k)
			return err
		}, "SELECT DISTINCT kind FROM scope_kind ORDER BY kind")
		if err != nil {
			return nil, err
		}
	}
	column, down := sortOf(l.f.Sort)
	slices.Sort(kinds)
	if down && column == "kind" {
		slices.Reverse(kinds)
	}
	var out []stretch
	if len(l.f.Source) == 0 || l.f.Gone {
		for _, k := range slices.Compact(kinds) {
			out = append(out, stretch{kind: k})
		}
		return out, nil
	}
	var scopes []*catScope
	for _, s := range l.c.scopes {
		if o := l.c.sources[s.source]; o != nil && slices.Contains(l.f.Source, o.name) {
			scopes = append(scopes, s)
		}
	}
	slices.SortFunc(scopes, func(a, b *catScope) int {
		return cmp.Or(cmp.Compare(l.c.sources[a.source].name, l.c.sources[b.source].name), cmp.Compare(a.id, b.id))
	})
	for _, s := range scopes {
		for _, k := range s.kinds {
			if anyOf(l.f.Kind, k) {
				out = append(out, stretch{kind: k, scope: s.id})
			}
		}
	}
	return out, nil
}

func (l *factList) rows(ctx context.Context) ([]factRow, error) {
	plan, err := l.stretches(ctx)
	if err != nil {
		return nil, err
	}
	if l.total, err = l.count(ctx, plan); err != nil {
		return nil, err
	}
	column, _ := sortOf(l.f.Sort)
	if slices.Contains([]string{"name", "changed", "source", "owner"}, column) && l.total >= 0 && l.total <= maxSorted {
		return l.sorted(ctx, plan)
	}
	cur, resumed, err := readCursor(l.f.Cursor, l.f.Sort)
	if err != nil {
		return nil, err
	}
	var out []factRow
	examined := 0
	for i, s := range plan {
		if resumed && int64(i) < cur.A {
			continue
		}
		after := cursor{}
		if resumed && int64(i) == cur.A {
			after = cur
		}
		for {
			rows, err := l.piece(ctx, s, after, l.limit+1)
			if err != nil {
				return nil, err
			}
			for _, x := range rows {
				if len(out) == l.limit || examined >= maxExamined {
					l.next = cursor{Sort: l.f.Sort, A: int64(i), T: after.T, B: after.B, ID: after.ID}.text()
					return out, nil
				}
				after = cursor{T: x.v.ID, B: l.sourceID(x.v.Source), ID: x.id}
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

func (l *factList) sourceID(name string) int64 {
	for _, s := range l.c.sources {
		if s.name == name {
			return s.id
		}
	}
	return 0
}

func (l *factList) takes(x *factRow) bool {
	v := &x.v
	return anyOf(l.f.Source, v.Source) && anyOf(l.f.Owner, v.Owner) && has(l.f.Text, v.ID, v.Name, v.Owner) &&
		(!l.c.past || !v.FirstSeen.After(Time(l.c.now)))
}

func (l *factList) where(s stretch) *where {
	w := &where{}
	if s.scope != 0 {
		w.and("f.scope = ?", s.scope)
	}
	w.and("f.kind = ?", s.kind)
	w.and("f.id > 0")
	if l.f.Fact != "" {
		w.and("f.fid = ?", l.f.Fact)
	}
	if !l.f.Gone && l.c.past {
		w.and("(f.gone_at IS NULL OR f.gone_at > ?)", l.c.now)
	} else if !l.f.Gone {
		w.and("f.gone_at IS NULL")
	}
	return w
}

func (l *factList) piece(ctx context.Context, s stretch, after cursor, limit int) ([]factRow, error) {
	w := l.where(s)
	by := "f.fid, f.source"
	if s.scope != 0 && l.f.Fact == "" {
		by = "f.id"
		w.and("f.id > ?", after.ID)
	} else if after.ID != 0 {
		w.and("(f.fid, f.source) > (?, ?)", after.T, after.B)
	}
	rows, err := l.tx.Query(ctx, fmt.Sprintf("SELECT %s FROM fact f JOIN source s ON s.id = f.source WHERE %s ORDER BY %s LIMIT %d", viewColumns, w.text(), by, limit), w.args...)
	return scanAll(rows, err, l.c.scanView)
}

// count counts up to ten thousand; -1 is "more", or a search in texts.
func (l *factList) count(ctx context.Context, plan []stretch) (int64, error) {
	if l.f.Text != "" || len(l.f.Owner) > 0 || len(l.f.Source) > 0 && l.f.Gone {
		return -1, nil
	}
	total := int64(0)
	for _, s := range plan {
		w := l.where(s)
		var n int64
		if err := l.tx.Row(ctx, []any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM fact f WHERE "+w.text()+" LIMIT 10001) x", w.args...); err != nil {
			return 0, err
		}
		if total += n; total > 10000 {
			return -1, nil
		}
	}
	return total, nil
}

func (l *factList) sorted(ctx context.Context, plan []stretch) ([]factRow, error) {
	cur, _, err := readCursor(l.f.Cursor, l.f.Sort)
	if err != nil {
		return nil, err
	}
	var all []factRow
	for _, s := range plan {
		rows, err := l.piece(ctx, s, cursor{}, maxSorted+1)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(rows, func(x factRow) bool { return !l.takes(&x) })...)
	}
	column, down := sortOf(l.f.Sort)
	slices.SortStableFunc(all, func(a, b factRow) int {
		r := 0
		switch column {
		case "changed":
			r = a.v.ChangedAt.Compare(b.v.ChangedAt)
		case "source":
			r = cmp.Compare(a.v.Source, b.v.Source)
		case "owner":
			r = cmp.Compare(a.v.Owner, b.v.Owner)
		default:
			r = cmp.Compare(a.v.Name, b.v.Name)
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

// factCounts counts the verdicts of each fact by status.
func (tx *Tx) factCounts(ctx context.Context, c *catalog, facts []factRow) error {
	byID := make(map[int64]*factRow, len(facts))
	ids := make([]int64, 0, len(facts))
	for i := range facts {
		byID[facts[i].id] = &facts[i]
		ids = append(ids, facts[i].id)
	}
	type row struct {
		id, fact int64
		k        monitor.TallyKey
	}
	rows, err := gather(ctx, tx, []any{c.now}, ids, func(in string) string {
		return "SELECT id, fact, chk, scope, own, outcome FROM verdict WHERE from_at <= $1 AND (to_at IS NULL OR to_at > $1) AND fact IN " + in
	}, func(rows *sql.Rows) (r row, err error) {
		return r, rows.Scan(&r.id, &r.fact, &r.k.Check, &r.k.Scope, &r.k.Own, &r.k.Outcome)
	})
	if err != nil {
		return err
	}
	seen := map[int64]bool{}
	for _, r := range rows {
		if seen[r.id] {
			continue
		}
		seen[r.id] = true
		ex := ""
		if r.k.Outcome == check.Fail {
			ex = c.excepted(r.k.Check, r.k.Scope, r.fact)
		}
		s, stale := c.status(r.k, ex)
		count(&byID[r.fact].v.Counts, s, stale, 1)
	}
	return nil
}

// factData adds the facts' data: what is held now, or what was held at an instant.
func (tx *Tx) factData(ctx context.Context, at time.Time, facts []factRow) error {
	byID := make(map[int64]*factRow, len(facts))
	ids := make([]int64, 0, len(facts))
	for i := range facts {
		byID[facts[i].id] = &facts[i]
		ids = append(ids, facts[i].id)
	}
	type row struct {
		fact int64
		data []byte
	}
	scan := func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.fact, &r.data) }
	held, err := gather(ctx, tx, nil, ids, func(in string) string {
		return "SELECT fact, data FROM fact_data WHERE fact IN " + in
	}, scan)
	if err == nil && !at.IsZero() {
		var past []row
		past, err = gather(ctx, tx, []any{Micros(at)}, ids, func(in string) string {
			return "SELECT fact, data FROM fact_version WHERE from_at <= $1 AND to_at > $1 AND late = 0 AND fact IN " + in
		}, scan)
		held = append(held, past...)
	}
	for _, r := range held {
		byID[r.fact].v.Data = json.RawMessage(r.data)
	}
	return err
}

// Fact finds a fact of a source by its id, with its data; where the id has
// several kinds, the first by name that is not gone.
func (db *DB) Fact(ctx context.Context, source, kind, id string) (v monitor.FactView, found bool, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		row, ok, err := tx.fact(ctx, source, kind, id)
		if err != nil || !ok {
			return err
		}
		v, found = row.v, true
		var data []byte
		err = tx.Row(ctx, []any{&data}, "SELECT data FROM fact_data WHERE fact = $1", row.id)
		v.Data = json.RawMessage(data)
		return err
	})
	if err != nil {
		return v, false, fmt.Errorf("find fact %s: %w", id, err)
	}
	return v, found, nil
}

func (tx *Tx) fact(ctx context.Context, source, kind, id string) (factRow, bool, error) {
	c, err := tx.catalog(ctx, Time(0))
	if err != nil {
		return factRow{}, false, err
	}
	rows, err := tx.Query(ctx, "SELECT "+viewColumns+` FROM fact f JOIN source s ON s.id = f.source
		WHERE f.fid = $1 AND s.name = $2 AND f.id > 0 AND f.kind IN (SELECT kind FROM scope_kind) ORDER BY f.gone_at IS NOT NULL, f.kind`, id, source)
	all, err := scanAll(rows, err, c.scanView)
	if kind != "" {
		all = slices.DeleteFunc(all, func(r factRow) bool { return r.v.Kind != kind })
	}
	if err != nil || len(all) == 0 {
		return factRow{}, false, err
	}
	return all[0], true, tx.factCounts(ctx, c, all[:1])
}

// FactHistory lists what a fact was, the newest first.
func (db *DB) FactHistory(ctx context.Context, source, kind, id string) (out []monitor.FactVersion, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		row, ok, err := tx.fact(ctx, source, kind, id)
		if err != nil || !ok {
			return err
		}
		var data []byte
		if err := tx.Row(ctx, []any{&data}, "SELECT data FROM fact_data WHERE fact = $1", row.id); err != nil {
			return err
		}
		now := monitor.FactVersion{From: row.v.ChangedAt, Data: data}
		if row.v.GoneAt != nil {
			now = monitor.FactVersion{From: *row.v.GoneAt, Gone: true}
		}
		rows, err := tx.Query(ctx, "SELECT from_at, to_at, gone, data FROM fact_version WHERE fact = $1 AND late = 0 ORDER BY from_at DESC, id DESC LIMIT 500", row.id)
		past, err := scanAll(rows, err, func(rows *sql.Rows) (v monitor.FactVersion, err error) {
			var from, to, gone int64
			var data []byte
			err = rows.Scan(&from, &to, &gone, &data)
			until := Time(to)
			v = monitor.FactVersion{From: Time(from), To: &until, Data: data, Gone: gone == 1}
			if v.Gone {
				v.Data = nil
			}
			return v, err
		})
		out = append([]monitor.FactVersion{now}, past...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("history of fact %s: %w", id, err)
	}
	return out, nil
}
