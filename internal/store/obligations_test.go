package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// TestObligationsFollowTheirIndexes asks for the plan of each stream: it seeks
// where the page begins, and sorts nothing.
func TestObligationsFollowTheirIndexes(t *testing.T) {
	db, _ := strips(t)
	texts := map[string][]any{}
	db.trace = func(q string, args []any) { texts[q] = args }
	for _, f := range []monitor.ObligationFilter{
		{}, {Overdue: true}, {From: db.Now(), To: db.Now().Add(time.Hour)}, {Filter: monitor.Filter{Owner: []string{"a"}, Text: "x"}},
	} {
		f.Leaning = []string{"c"}
		if _, err := db.Obligations(t.Context(), f); err != nil {
			t.Fatalf("filter %+v: %v", f, err)
		}
	}
	db.trace = nil
	found := map[string]bool{}
	for q, args := range texts {
		plan := planOf(t, db, q, args)
		for _, index := range []string{"finding_due", "verdict_lean", "exception_live"} {
			found[index] = found[index] || strings.Contains(plan, index) && strings.Contains(plan, "SEARCH")
		}
		if strings.Contains(q, "due_at, ") && strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("sorts: %s\n%s", q, plan)
		}
		if large.MatchString(plan) {
			t.Errorf("%s\n%s", q, plan)
		}
	}
	for _, index := range []string{"finding_due", "verdict_lean", "exception_live"} {
		if !found[index] {
			t.Errorf("%s serves nothing", index)
		}
	}
}

func TestObligationsRefuseForeignCursors(t *testing.T) {
	db, _ := strips(t)
	for _, cur := range []string{"x", cursor{Sort: "opened", ID: 1}.text(), "eyJ9"} {
		_, err := db.Obligations(t.Context(), monitor.ObligationFilter{Filter: monitor.Filter{Cursor: cur}})
		if !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: got %v", cur, err)
		}
	}
}
