package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
	"prumo.dev/prumo/internal/fact"
)

// A taker makes facts of a program's output.
type taker interface {
	// take reads the output to its end. An error that is an errEmit is the
	// failure of whoever takes the facts; any other makes the reading partial.
	take(out io.Reader) error
	// finish closes all scopes; fault is why the run cannot be believed, or nil.
	finish(fault error) error
}

// errEmit is the failure of whoever takes the facts, not of the program.
type errEmit struct{ error }

func (e errEmit) Unwrap() error { return e.error }

// Collect implements connector.Connector.
func (c Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	t, err := newTaker(run.Settings, emit)
	if err != nil {
		return err
	}
	limit := usualTimeout
	if n := run.Settings.Int("timeout"); n > 0 {
		limit = time.Duration(n) * time.Second
	}
	within, cancel := context.WithTimeoutCause(ctx, limit, errTimeLimit)
	defer cancel()
	fault := c.run(within, cancel, run, t, limit)
	if errors.Is(fault, connector.ErrSettings) {
		return fault
	}
	if emit := (errEmit{}); errors.As(fault, &emit) {
		return emit.error
	}
	if err := t.finish(fault); err != nil {
		return err
	}
	return ctx.Err()
}

// run runs the program and takes its output; it returns why the run cannot be
// believed whole, or nil.
func (c Connector) run(ctx context.Context, cancel context.CancelFunc, run connector.Run, t taker, limit time.Duration) error {
	p, err := c.prepare(ctx, run.Settings)
	if err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	err = t.take(&limited{r: p.out, left: maxOutput})
	if err != nil {
		cancel() // the program need not go on
	}
	ended := p.wait(ctx, limit)
	if err == nil {
		err = ended
	}
	if said := p.complain.String(); err != nil && said != "" && run.Log != nil {
		run.Log.WarnContext(ctx, "a program complained", "stderr", p.redact.Text(said))
	}
	return err
}

func newTaker(s connector.Settings, emit connector.Emit) (taker, error) {
	if outputOf(s) == outputFacts {
		return newLines(emit, s.List("kinds")), nil
	}
	maps, err := parseMaps(s.Text("maps"))
	if err != nil {
		return nil, fmt.Errorf("%w: maps: %w", connector.ErrSettings, err)
	}
	return newRows(emit, maps, outputOf(s) == outputLines)
}

// A limited reader fails, and does not end, where too much comes.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, trouble("the program printed more than %d MB and was ended", maxOutput>>20)
	}
	n, err := l.r.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// honest says what a fault means for a scope.
func honest(fault error) (fact.Reading, connector.Detail) {
	reading, d := connector.Honest(fault)
	if m := (*mapping.Misfit)(nil); errors.As(fault, &m) {
		d.Why = m.Why
	}
	return reading, d
}

// quoted joins names for people.
func quoted(names []string) string { return strings.Join(names, ", ") }
