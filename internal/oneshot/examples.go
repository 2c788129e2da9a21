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
	fmt.Fprintf(out, "%s, %s, %s\n", count(len(set.All()), "check"), count(examples, "example"), count(len(problems), "problem"))
	switch {
	case refused > 0:
		return exitRefused
	case len(problems) > 0:
		return exitFailed
	}
	return exitPassed
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
