package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is something wrong in a check file.
type Problem struct {
	File   string
	Line   int
	Column int // 0 where the line says it all
	What   string
	Do     string
}

// Error writes FILE:LINE: what is wrong; what to do.
func (p Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	if p.Column > 0 {
		fmt.Fprintf(&b, "column %d: ", p.Column)
	}
	b.WriteString(p.What)
	if p.Do != "" {
		b.WriteString("; " + p.Do)
	}
	return b.String()
}

func sortProblems(ps []Problem) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
