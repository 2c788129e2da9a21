package store

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// large matches a plan's step that walks a table which grows with the facts,
// or sorts rows of one.
var large = regexp.MustCompile(`SCAN (v|f|g|t|l|o|verdict|fact|fact_data|fact_version|finding|member|latency|receipt)\b|(SCAN|SEARCH) (v|f|g|t|l|o|verdict|fact|finding|member)\b[^|]*USE TEMP B-TREE FOR ORDER BY`) //nolint:gochecknoglobals // a constant

// TestNoListWalksALargeTable asks SQLite for the plan of every read that pages
// and the API make.
func TestNoListWalksALargeTable(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	if err := db.Write(ctx, func(tx *Tx) error {
		for _, q := range []string{
			"INSERT INTO source (id, name, created_at) VALUES (1, 'code', 1)",
			"INSERT INTO scope (id, source, name, last_complete_at) VALUES (1, 1, 'members', 1)",
			"INSERT INTO scope_kind (kind, scope) VALUES ('account', 1)",
			"INSERT INTO chk (id, name, version, digest, kind, severity, each_fact, fresh_us) VALUES (1, 'c', 1, 'd', 'account', 3, 1, 1000)",
			"INSERT INTO fact (id, kind, fid, source, scope, name, observed_at, first_seen, changed_at, hash) VALUES (1, 'account', 'a', 1, 1, 'a', 1, 1, 1, 'h')",
			"INSERT INTO fact_data (fact, data) VALUES (1, '{}')",
			"INSERT INTO finding (id, ext, chk, fact, scope, source, version, severity, owner, message, actor, run, opened_at, due_at) VALUES (1, 'x', 1, 1, 1, 1, 1, 3, '', '', '', 1, 1, 1)",
			"INSERT INTO verdict (id, chk, fact, scope, outcome, known, version, since, from_at, finding, run) VALUES (1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1)",
			"INSERT INTO tally (chk, scope, own, outcome, n) VALUES (1, 1, 0, 2, 1)",
		} {
			if _, err := tx.Exec(ctx, q); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	texts := map[string][]any{}
	db.trace = func(q string, args []any) { texts[q] = args }
	at := db.Now().Add(-time.Hour)
	for _, f := range []monitor.Filter{
		{}, {OpenOnly: true}, {ClosedOnly: true}, {OpenOnly: true, Sort: "due"}, {OpenOnly: true, Sort: "-severity"}, {Sort: "opened"},
		{Status: []monitor.Status{monitor.StatusFail}}, {Fact: "a"}, {Fact: "a", At: at}, {Text: "zz"}, {Source: []string{"code"}}, {Kind: []string{"account"}},
		{Severity: []check.Severity{check.High}}, {At: at}, {Sort: "name"}, {Gone: true}, {OpenOnly: true, Fact: "a"},
	} {
		_, err1 := db.Verdicts(ctx, f)
		_, err2 := db.Findings(ctx, f)
		_, err3 := db.Facts(ctx, f)
		for _, err := range []error{err1, err2, err3} {
			if err != nil {
				t.Fatalf("filter %+v: %v", f, err)
			}
		}
	}
	if _, _, err := db.Fact(ctx, "code", "", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.FactHistory(ctx, "code", "", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Changes(ctx, at, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Intervals(ctx, monitor.Filter{Fact: "a", Check: []string{"c"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Strip(ctx, nil, "code", "a", 90); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NamedBy(ctx, "code", "person", "p", 50); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Posture(ctx, time.Time{}); err != nil {
		t.Fatal(err)
	}
	db.trace = nil
	for q, args := range texts {
		plan := planOf(t, db, q, args)
		walks := strings.Contains(q, "LIMIT") && !strings.Contains(plan, "USE TEMP B-TREE") // in the order of an index, as far as the page goes
		walks = walks || strings.HasPrefix(q, "SELECT COUNT(*) FROM finding WHERE closed_at IS NULL")
		few := strings.Contains(q, "fid = $") || strings.Contains(q, "fact IN (") // of one id, or of one page
		if large.MatchString(plan) && !walks && !few {
			t.Errorf("%s\n%s", q, plan)
		}
	}
}

func planOf(t *testing.T, db *DB, query string, args []any) string {
	t.Helper()
	var b strings.Builder
	err := db.Read(t.Context(), func(tx *Tx) error {
		rows, err := tx.Query(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, other int
			var detail string
			if err := rows.Scan(&id, &parent, &other, &detail); err != nil {
				return err
			}
			b.WriteString("  " + detail + "\n")
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatalf("plan of %s: %v", query, err)
	}
	return b.String()
}
