package alert

import (
	"cmp"
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a route as written.
type Problem struct {
	Of    string // what is wrong where it is no route: on-call list
	Route string // its name, or its place in the list
	Field string // as written: when.severity
	Line  int    // 0: not known
	What  string
	Do    string
}

// Error returns one line that names the route, the field, what is wrong and what to do.
func (p *Problem) Error() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	fmt.Fprintf(&b, "%s %s", cmp.Or(p.Of, "route"), p.Route)
	if p.Field != "" {
		fmt.Fprintf(&b, ", %s", p.Field)
	}
	fmt.Fprintf(&b, ": %s", p.What)
	if p.Do != "" {
		fmt.Fprintf(&b, "; %s", p.Do)
	}
	return b.String()
}
