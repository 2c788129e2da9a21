package oneshot

import (
	"fmt"
	"io"
	"io/fs"

	"prumo.dev/prumo/internal/check"
)

// TestChecks loads every check file under dir, runs every example, writes all
// problems to out and returns the exit status: `prumo checks test DIR`. Name
// is what problems call the folder.
func TestChecks(dir fs.FS, name string, out io.Writer) int {
	set, problems := check.LoadAll(check.NamedFS{Name: name, FS: dir})
	refused, examples := len(problems), 0
	for _, c := range set.All() {
		problems = append(problems, c.RunExamples()...)
		examples += len(c.Examples)
	}
	for _, p := range problems {
		fmt.Fprintln(out, p.Error())
	}
	fmt.Fprintf(out, "%d checks, %d examples, %d problems\n", len(set.All()), examples, len(problems))
	switch {
	case refused > 0:
		return exitRefused
	case len(problems) > 0:
		return exitFailed
	}
	return exitPassed
}
