package api

import (
	"strings"
	"testing"
)

func TestSortableNamesTheOrders(t *testing.T) {
	sorts := []string{"severity", "due"}
	for _, asked := range []string{"", "severity", "-due"} {
		if err := sortable(asked, sorts); err != nil {
			t.Errorf("sort=%s: %v", asked, err)
		}
	}
	for _, asked := range []string{"colour", "--due", "Due", "due,severity", "-"} {
		if err := sortable(asked, sorts); err == nil || !strings.Contains(err.Error(), "severity, due") {
			t.Errorf("sort=%s: got %v, want words that name the orders", asked, err)
		}
	}
	if err := sortable("due", nil); err == nil || !strings.Contains(err.Error(), "leave sort out") {
		t.Errorf("a list with one order: %v", err)
	}
}
