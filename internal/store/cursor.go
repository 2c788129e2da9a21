package store

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"prumo.dev/prumo/internal/monitor"
)

// ErrCursor is returned for a cursor that no list gave out.
var ErrCursor = errors.New("the cursor is not one of this list; leave it out to begin again")

// maxExamined is how many rows one page looks at: a filter that matches little
// gives a short page with a cursor instead of a slow one.
const maxExamined = 8000

// maxSorted is how many rows a list sorts by a column that has no index.
const maxSorted = 2000

// A cursor is where the next page begins. Its text means nothing to anybody else.
type cursor struct {
	Sort string `json:"s,omitempty"`
	A    int64  `json:"a,omitempty"`
	B    int64  `json:"b,omitempty"`
	C    int64  `json:"c,omitempty"`
	D    int64  `json:"d,omitempty"`
	T    string `json:"t,omitempty"`
	ID   int64  `json:"i"`
}

func (c cursor) text() string {
	b, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor reads a cursor of a list that is sorted in this way. ok is false
// at the beginning of the list.
func readCursor(text, sort string) (c cursor, ok bool, err error) {
	if text == "" {
		return c, false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.Sort != sort {
		return c, false, ErrCursor
	}
	return c, true, nil
}

// pageSize is how many items a page has.
func pageSize(f monitor.Filter) int {
	switch {
	case f.Limit <= 0:
		return 50
	case f.Limit > 1000:
		return 1000
	}
	return f.Limit
}

// sortOf splits "-name" into its column and direction.
func sortOf(s string) (column string, down bool) {
	column, down = strings.CutPrefix(s, "-")
	return column, down
}

// has says whether any of the texts holds what is searched, without regard to case.
func has(search string, texts ...string) bool {
	if search == "" {
		return true
	}
	search = strings.ToLower(search)
	for _, t := range texts {
		if strings.Contains(strings.ToLower(t), search) {
			return true
		}
	}
	return false
}

// A where collects conditions with numbered arguments.
type where struct {
	conds []string
	args  []any
}

// and adds a condition; each ? becomes the number of its argument.
func (w *where) and(cond string, args ...any) {
	for _, a := range args {
		w.args = append(w.args, a)
		cond = strings.Replace(cond, "?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.conds = append(w.conds, cond)
}

// in adds "column IN (…)", or what is never true for an empty list.
func in[T any](w *where, column string, values []T) {
	if len(values) == 0 {
		w.and("1 = 0")
		return
	}
	w.conds = append(w.conds, column+" IN "+List(len(values), len(w.args)+1))
	w.args = anys(w.args, values)
}

func (w *where) text() string {
	if len(w.conds) == 0 {
		return "1 = 1"
	}
	return strings.Join(w.conds, " AND ")
}
