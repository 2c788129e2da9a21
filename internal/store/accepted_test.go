package store

import (
	"context"
	"testing"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// strips stores two accounts that fail one check since ten days ago.
func strips(t *testing.T) (*DB, int64) {
	t.Helper()
	db, ctx := openTest(t), t.Context()
	today := dayOf(Micros(db.Now()))
	from := (today-10)*dayMicros + dayMicros/2
	err := db.Write(ctx, func(tx *Tx) error {
		for _, q := range []string{
			"INSERT INTO source (id, name, connector, created_at) VALUES (1, 'code', 'x', 1)",
			"INSERT INTO scope (id, source, name, last_complete_at) VALUES (1, 1, 'members', 1)",
			"INSERT INTO scope_kind (kind, scope) VALUES ('account', 1)",
			"INSERT INTO chk (id, name, version, digest, kind, severity, each_fact, fresh_us) VALUES (1, 'c', 1, 'd', 'account', 3, 1, 1000)",
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		for i, name := range []string{"a", "b"} {
			if _, err := tx.Exec(ctx, `INSERT INTO fact (id, kind, fid, source, scope, name, observed_at, first_seen, changed_at, hash)
				VALUES ($1, 'account', $2, 1, 1, $2, 1, 1, 1, $3)`, i+1, name, []byte("h")); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO verdict (id, chk, fact, scope, outcome, known, version, since, from_at, run)
				VALUES ($1, 1, $1, 1, $2, $2, 1, $3, $3, 1)`, i+1, int64(check.Fail), from); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "INSERT INTO tally (chk, scope, own, outcome, n) VALUES (1, 1, 0, $1, 2)", int64(check.Fail)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO tally_day (chk, scope, own, outcome, day, n, peak) VALUES (1, 1, 0, $1, $2, 2, 2)", int64(check.Fail), today-10)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, today
}

// accept writes an exception that covered from the middle of one day to the
// middle of another; a last day of 0 is still open.
func accept(t *testing.T, db *DB, id int, fact, source string, from, to int64) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *Tx) error {
		if _, err := tx.Exec(t.Context(), `INSERT INTO exception (id, ext, chk, fid, source, reason, requester, created_at, ends_at)
			VALUES ($1, $2, 'c', $3, $4, 'r', 'a', 1, 1)`, id, "x"+fact+source, fact, source); err != nil {
			return err
		}
		var end any
		if to != 0 {
			end = to*dayMicros + dayMicros/2
		}
		_, err := tx.Exec(t.Context(), "INSERT INTO exception_span (id, exception, from_at, to_at) VALUES ($1, $1, $2, $3)", id, from*dayMicros+dayMicros/2, end)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStripShowsAcceptedFailures: what an exception covered all day long is
// shown as accepted; a day on which it began or ended still shows the failure.
func TestStripShowsAcceptedFailures(t *testing.T) {
	type day struct {
		worst          monitor.Status
		fail, excepted int64
	}
	const F, E = monitor.StatusFail, monitor.StatusExcepted
	for name, c := range map[string]struct {
		fact, source string
		whole        map[int64]day // days ago → of the check
		own          map[int64]day // of fact a
	}{
		"one thing": {"a", "code", map[int64]day{9: {F, 2, 0}, 8: {F, 1, 1}, 6: {F, 1, 1}, 4: {F, 2, 0}, 0: {F, 2, 0}},
			map[int64]day{9: {F, 1, 0}, 8: {F, 0, 1}, 6: {E, 0, 1}, 4: {F, 1, 0}, 0: {F, 1, 0}}},
		"a source": {"", "code", map[int64]day{9: {F, 2, 0}, 8: {F, 0, 2}, 6: {E, 0, 2}, 4: {F, 2, 0}, 3: {F, 2, 0}},
			map[int64]day{8: {F, 0, 1}, 6: {E, 0, 1}, 4: {F, 1, 0}}},
		"the check": {"", "", map[int64]day{8: {F, 0, 2}, 6: {E, 0, 2}, 4: {F, 2, 0}}, map[int64]day{6: {E, 0, 1}, 3: {F, 1, 0}}},
		"elsewhere": {"", "other", map[int64]day{6: {F, 2, 0}}, map[int64]day{6: {F, 1, 0}}},
		"another":   {"b", "", map[int64]day{6: {F, 1, 1}}, map[int64]day{6: {F, 1, 0}}},
	} {
		db, today := strips(t)
		accept(t, db, 1, c.fact, c.source, today-8, today-4)
		for what, want := range map[string]map[int64]day{"": c.whole, "a": c.own} {
			source := ""
			if what != "" {
				source = "code"
			}
			got, err := db.Strip(context.Background(), []string{"c"}, source, what, 30)
			if err != nil {
				t.Fatal(err)
			}
			for ago, w := range want {
				g := got["c"][29-ago]
				if g.Worst != w.worst || g.Counts.Fail != w.fail || g.Counts.Excepted != w.excepted {
					t.Errorf("%s, fact %q, %d days ago: got %s %+v, want %+v", name, what, ago, g.Worst, g.Counts, w)
				}
			}
		}
	}
	db, today := strips(t) // both things, each by an exception of its own that goes on
	accept(t, db, 1, "a", "", today-8, 0)
	accept(t, db, 2, "b", "", today-5, 0)
	p, err := db.Posture(context.Background(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for ago, want := range map[int64]day{7: {F, 1, 1}, 5: {F, 0, 2}, 4: {E, 0, 2}, 0: {E, 0, 2}} {
		if g := p.Trend[89-ago]; g.Worst != want.worst || g.Counts.Fail != want.fail || g.Counts.Excepted != want.excepted {
			t.Errorf("trend, %d days ago: got %s %+v, want %+v", ago, g.Worst, g.Counts, want)
		}
	}
}

func TestNamedBy(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	err := db.Write(ctx, func(tx *Tx) error {
		for _, q := range []string{
			"INSERT INTO source (id, name, created_at) VALUES (1, 'code', 1), (2, 'people', 1), (3, 'other', 1)",
			`INSERT INTO fact (id, kind, fid, source, scope, name, observed_at, first_seen, changed_at, gone_at, hash) VALUES
				(1, 'person', 'p', 2, 0, 'Ana', 1, 1, 1, NULL, 'h'), (2, 'account', 'a', 1, 0, 'ana', 1, 1, 1, NULL, 'h'), (3, 'device', 'd', 2, 0, 'laptop', 1, 1, 1, NULL, 'h'),
				(4, 'person', 'p', 3, 0, 'Another', 1, 1, 1, NULL, 'h'), (5, 'account', 'o', 3, 0, 'other', 1, 1, 1, NULL, 'h'), (6, 'account', 'g', 1, 0, 'gone', 1, 1, 1, 2, 'h')`,
			"INSERT INTO fact_ref (to_kind, to_id, fact) VALUES ('person', 'p', 2), ('person', 'p', 3), ('person', 'p', 5), ('person', 'p', 6), ('person', 'q', 3)",
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source string
		limit  int
		want   string
	}{{"people", 50, "laptop ana "}, {"other", 50, "other ana "}, {"people", 1, "laptop "}} {
		got, err := db.NamedBy(ctx, c.source, "person", "p", c.limit)
		names := ""
		for _, f := range got {
			names += f.Name + " "
		}
		// The laptop's own source has such a person; what stands where none is may mean either.
		if err != nil || names != c.want {
			t.Errorf("source %s: got %q, %v, want %q", c.source, names, err, c.want)
		}
	}
}
