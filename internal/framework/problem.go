package framework

import (
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with a content file.
type Problem struct {
	File string
	Line int
	What string // what is wrong
	Do   string // what to do about it
}

// String returns FILE:LINE: what is wrong; what to do.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d: %s; %s", p.File, p.Line, p.What, p.Do)
}

// Problems is the error that Load returns: all that is wrong, one a line, by
// file and line.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return p
}
