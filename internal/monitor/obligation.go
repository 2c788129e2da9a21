package monitor

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
)

// A Duty is the sort of thing that falls due.
type Duty string

// The duties.
const (
	DutyLean   Duty = "lean"      // a check passes, and will not any more from an instant on
	DutyMend   Duty = "mend"      // a finding must be mended
	DutyExcept Duty = "exception" // an exception ends, and its failures show again
)

// Duties returns all of them.
func Duties() []Duty { return []Duty{DutyMend, DutyLean, DutyExcept} }

// An Obligation is something that falls due. It is read from what the heart
// keeps anyway, and has no status of its own: what is done is not listed.
type Obligation struct {
	Key      string // the same for as long as the thing is the same, also when its date moves
	Duty     Duty
	Due      time.Time
	Late     bool
	Check    string
	Fact     string // exceptions: empty for all of the source, or of the check
	Name     string // the fact's name, for people
	Kind     string // of the fact
	Source   string
	Owner    string
	Severity check.Severity
	Message  string // of a finding, in English
	Finding  string // id of the finding
	Except   string // id of the exception
	Since    time.Time
}

// An ObligationFilter narrows the list of obligations. Of Filter it knows
// Owner, Kind, Check, Source, Control, Severity, Text, Limit and Cursor.
type ObligationFilter struct {
	Filter
	Duty    []Duty
	From    time.Time // due at it or later
	To      time.Time // due before it
	Overdue bool      // due before now
	Leaning []string  // checks whose passes end at an instant that somebody must see to; see Leaning
}

// Leaning names the checks whose passes are obligations where they end by
// themselves: a certificate that must be renewed, a key that grows old. Where
// the clock runs from a sign of life, such as the last backup, the system
// renews it by its own work, and nobody has to do anything.
func Leaning(set *check.Set) []string {
	if set == nil {
		return nil
	}
	calls := regexp.MustCompile(`(\w+)\)?\.(?:olderThan|within|passed)\(`)
	var out []string
	for _, c := range set.All() {
		found := calls.FindAllStringSubmatch(c.Pass, -1)
		if len(found) > 0 && !slices.ContainsFunc(found, func(m []string) bool { return signOfLife(m[1]) }) {
			out = append(out, c.ID)
		}
	}
	return out
}

// signOfLife says whether a field notes what a system did last.
func signOfLife(field string) bool {
	switch field {
	case "silent_at", "backed_up_at", "updates_checked_at", "pushed_at", "code_scanned_at", "updated_at", "booted_at":
		return true
	}
	return strings.HasPrefix(field, "last_")
}
