// Package oneshot judges a file of fact lines by checks and writes the
// verdicts: `prumo check --facts`. The file is a complete reading. Nothing is
// stored, and no more of the file is held than references and sets need.
//
// Start at Run; the formats are in format.go and its neighbours.
package oneshot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// Options say what to judge and how to write it.
type Options struct {
	Facts        io.Reader                 // fact lines; read twice if it can seek and references need it
	Name         string                    // the name of the facts in refusals; "facts" if empty
	Checks       *check.Set                // what to judge by
	Now          time.Time                 // the instant of judgement
	Format       string                    // table, jsonl, json, sarif, junit or oscal
	UnknownFails bool                      // an unknown counts as a failure for the exit status
	FailuresOnly bool                      // only failures are written
	Params       map[string]map[string]any // overrides of parameters, by check
	Version      string                    // of Prumo, for formats that name their tool
	Incomplete   map[string]string         // kinds that were not read completely, with the reason: their sets are unknown
	Sources      bool                      // the lines come from several sources: ids are unique by source and kind only
	Workers      int                       // how many lines are judged at once; 0 is one for each processor
}

// Exit statuses.
const (
	exitPassed  = 0 // nothing failed
	exitFailed  = 1 // something failed
	exitRefused = 2 // something was refused or could not run
)

// gcPercent is how far the heap may grow between collections during a run.
const gcPercent = 25

// blockSize is how much of the file one worker takes at a time.
const blockSize = 256 << 10

// Run judges the facts, writes verdicts to out and refused lines to errw, and
// returns the exit status.
func Run(ctx context.Context, opts Options, out, errw io.Writer) int {
	// What is held is a table without pointers; the rest is short-lived. A
	// collector that waits for the heap to double would wait for twice the table.
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	r, err := newRun(opts, out, errw)
	if err == nil {
		defer r.close()
		err = r.all(ctx)
	}
	if err != nil {
		fmt.Fprintf(errw, "prumo check: %v\n", err)
		return exitRefused
	}
	switch {
	case r.refused > 0:
		return exitRefused
	case r.totals[fail] > 0, opts.UnknownFails && r.totals[unknown] > 0:
		return exitFailed
	}
	return exitPassed
}

// A run is one run of the engine.
type run struct {
	Options
	w       *bufio.Writer
	errw    *bufio.Writer
	format  format
	file    io.Reader
	spool   *os.File // what could not be read twice
	world   world
	sets    []*setRun
	byKind  map[string][]*setRun
	seen    *idSet
	refused int
	totals  [5]int64
	started bool // something was written
}

func newRun(opts Options, out, errw io.Writer) (*run, error) {
	if opts.Name == "" {
		opts.Name = "facts"
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	f, err := formatNamed(opts)
	if err != nil {
		return nil, err
	}
	for _, id := range sorted(opts.Params) {
		c, ok := opts.Checks.ByID(id)
		if !ok {
			return nil, fmt.Errorf("parameters are given for check %s, which does not exist", id)
		}
		if err := c.CheckParams(opts.Params[id]); err != nil {
			return nil, err
		}
	}
	r := &run{
		Options: opts, w: bufio.NewWriterSize(out, 128<<10), errw: bufio.NewWriter(errw), format: f, file: opts.Facts,
		byKind: map[string][]*setRun{}, seen: newIDSet(),
	}
	for _, c := range opts.Checks.All() {
		if !c.Each {
			s := newSetRun(c, opts)
			r.sets = append(r.sets, s)
			r.byKind[c.Kind] = append(r.byKind[c.Kind], s)
		}
	}
	return r, nil
}

func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r *run) close() {
	if r.spool != nil {
		_ = r.spool.Close()
		_ = os.Remove(r.spool.Name())
	}
}

// all reads, judges and writes.
func (r *run) all(ctx context.Context) error {
	if kinds := r.referenced(); len(kinds) > 0 {
		if err := r.gather(ctx, kinds); err != nil {
			return err
		}
	}
	r.write(r.format.head())
	if err := r.stream(ctx); err != nil {
		return err
	}
	for _, s := range r.sets {
		r.verdict(s.verdict(r.Now, r.world.lookup, r.Incomplete[s.c.Kind]))
	}
	r.write(r.format.foot(r.totals))
	if err := r.errw.Flush(); err != nil {
		return fmt.Errorf("write what was refused: %w", err)
	}
	if err := r.w.Flush(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

func (r *run) write(b []byte) { _, _ = r.w.Write(b) } // the error stays in the writer until Flush

// verdict writes one verdict that no worker has written.
func (r *run) verdict(v verdict) {
	r.totals[v.status]++
	r.format.note(v)
	if r.FailuresOnly && v.status != fail {
		return
	}
	r.writeVerdicts(r.format.verdict(nil, v))
}

// writeVerdicts writes verdicts as a format made them; the first has no separator before it.
func (r *run) writeVerdicts(b []byte) {
	if len(b) == 0 {
		return
	}
	if !r.started {
		b = b[len(r.format.separator()):]
		r.started = true
	}
	r.write(b)
}

func (r *run) refuse(line int, why string) {
	r.refused++
	_, _ = fmt.Fprintf(r.errw, "%s:%d: %s\n", r.Name, line, why)
}

// referenced lists the kinds that some check reads through a name.
func (r *run) referenced() map[string]bool {
	kinds := map[string]bool{}
	for _, c := range r.Checks.All() {
		for _, ref := range c.Refs() {
			kinds[ref.Kind] = true
		}
	}
	return kinds
}

// gather reads the file once for the facts that others name.
func (r *run) gather(ctx context.Context, kinds map[string]bool) error {
	if err := r.seekable(); err != nil {
		return err
	}
	lines, seen := fact.NewLineParser(r.Now), newIDSet()
	cut, b := cutter{r: r.file}, &block{}
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := cut.next(b); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read %s: %w", r.Name, err)
		}
		b.each(func(_ int, line []byte, long bool) {
			if long {
				return
			}
			f, err := lines.Parse(line)
			if err == nil && seen.add(seen.hash(r.key(&f))) && kinds[f.Kind] {
				r.world.add(f)
			}
		})
		b.tooLong = false
	}
	if s, ok := r.file.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("read %s again: %w", r.Name, err)
		}
	}
	return nil
}

// seekable makes the facts readable twice.
func (r *run) seekable() error {
	if s, ok := r.file.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			return nil
		}
	}
	f, err := os.CreateTemp("", "prumo-facts-")
	if err != nil {
		return fmt.Errorf("keep %s to read it twice: %w", r.Name, err)
	}
	r.spool = f
	if _, err := io.Copy(f, r.file); err != nil {
		return fmt.Errorf("keep %s to read it twice: %w", r.Name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep %s to read it twice: %w", r.Name, err)
	}
	r.file = f
	return nil
}

// key is what must be given once.
func (r *run) key(f *fact.Fact) string {
	if r.Sources {
		return f.Source + "\x00" + f.Kind + "\x00" + f.ID
	}
	return f.ID
}

// A world is the facts that others name, by kind and id.
type world struct {
	facts map[string]map[string][]*fact.Fact
}

// add keeps a copy of a fact.
func (w *world) add(f fact.Fact) {
	if w.facts == nil {
		w.facts = map[string]map[string][]*fact.Fact{}
	}
	if w.facts[f.Kind] == nil {
		w.facts[f.Kind] = map[string][]*fact.Fact{}
	}
	f.ID, f.Source, f.Data = strings.Clone(f.ID), strings.Clone(f.Source), bytes.Clone(f.Data)
	w.facts[f.Kind][f.ID] = append(w.facts[f.Kind][f.ID], &f)
}

// lookup implements check.Lookup: a fact of the same source is preferred.
func (w *world) lookup(kind string, id fact.Ref, from string) (*fact.Fact, bool) {
	fs := w.facts[kind][string(id)]
	for _, f := range fs {
		if f.Source == from {
			return f, true
		}
	}
	if len(fs) == 0 {
		return nil, false
	}
	return fs[0], true
}
