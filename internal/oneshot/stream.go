package oneshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// A block is a run of whole lines on its way from the reader through a worker
// to the writer, which takes blocks in their order.
type block struct {
	buf     []byte // the lines
	line    int    // number of the first
	tooLong bool   // it stands for one line that is too long
	done    chan struct{}

	out   []byte // verdicts, as the format writes them
	lines []lineResult
	notes []verdict
	sets  []setMember
}

// A lineResult is what became of one line.
type lineResult struct {
	line    int
	refusal string
	id      idHash
	out     int // where its verdicts end in the block's
	notes   int // where its notes end
	sets    int // where its members of sets end
	totals  [5]int32
}

// stream reads the file in blocks, judges them side by side and writes them in order.
func (r *run) stream(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	n := r.Workers + 2
	free, work, order := make(chan *block, n), make(chan *block, n), make(chan *block, n)
	for range n {
		free <- &block{buf: make([]byte, 0, blockSize)}
	}
	g.Go(func() error {
		defer close(work)
		defer close(order)
		return r.read(ctx, free, work, order)
	})
	for range r.Workers {
		w := r.worker()
		g.Go(func() error {
			for b := range work {
				w.judge(b)
				close(b.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for b := range order {
			select {
			case <-b.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			r.merge(b)
			b.reset()
			free <- b
		}
		return nil
	})
	return g.Wait()
}

func (b *block) reset() {
	b.buf, b.out, b.lines, b.tooLong = b.buf[:0], b.out[:0], b.lines[:0], false
	clear(b.notes)
	clear(b.sets)
	b.notes, b.sets = b.notes[:0], b.sets[:0]
	if cap(b.buf) > 2*blockSize {
		b.buf = make([]byte, 0, blockSize)
	}
}

// read cuts the file into blocks.
func (r *run) read(ctx context.Context, free <-chan *block, work, order chan<- *block) error {
	c := cutter{r: r.file}
	line := 1
	for {
		var b *block
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		n, err := c.next(b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", r.Name, err)
		}
		b.line, b.done = line, make(chan struct{})
		line += n
		work <- b
		order <- b
	}
}

// A cutter cuts a stream into blocks of whole lines.
type cutter struct {
	r    io.Reader
	rest []byte // the beginning of a line that the last block did not end
	eof  bool
}

// next fills a block and returns how many lines it holds; io.EOF is the end.
func (c *cutter) next(b *block) (lines int, err error) {
	b.buf = append(b.buf[:0], c.rest...)
	c.rest = c.rest[:0]
	for {
		if len(b.buf) == cap(b.buf) {
			b.buf = slices.Grow(b.buf, blockSize)
		}
		if !c.eof {
			if err := c.fill(b); err != nil {
				return 0, err
			}
		}
		if end := bytes.LastIndexByte(b.buf, '\n') + 1; end > 0 && (c.eof || len(b.buf) > cap(b.buf)/2 || end > blockSize/2) {
			if !c.eof {
				c.rest = append(c.rest, b.buf[end:]...)
				b.buf = b.buf[:end]
			}
			return countLines(b.buf), nil
		}
		if c.eof {
			if len(b.buf) == 0 {
				return 0, io.EOF
			}
			return countLines(b.buf), nil
		}
		if len(b.buf) > fact.MaxLine+1 && bytes.IndexByte(b.buf, '\n') < 0 {
			return c.long(b)
		}
	}
}

func countLines(b []byte) int {
	n := bytes.Count(b, []byte("\n"))
	if len(b) > 0 && b[len(b)-1] != '\n' {
		n++
	}
	return n
}

func (c *cutter) fill(b *block) error {
	n, err := c.r.Read(b.buf[len(b.buf):cap(b.buf)])
	b.buf = b.buf[:len(b.buf)+n]
	if errors.Is(err, io.EOF) {
		c.eof = true
		return nil
	}
	return err
}

// long passes over the rest of a line that is too long.
func (c *cutter) long(b *block) (int, error) {
	b.tooLong = true
	for !c.eof {
		b.buf = b.buf[:0]
		if err := c.fill(b); err != nil {
			return 0, err
		}
		if end := bytes.IndexByte(b.buf, '\n') + 1; end > 0 {
			c.rest = append(c.rest, b.buf[end:]...)
			break
		}
	}
	b.buf = b.buf[:0]
	return 1, nil
}

// A worker judges blocks.
type worker struct {
	run    *run
	lines  *fact.LineParser
	runner *check.Runner
	every  bool // verdicts that do not apply are written too
	in     check.Input
	fact   fact.Fact
	b      *block
	cur    *lineResult
	judged func(*check.Check, *check.Result) // writes a verdict of the current fact
}

func (r *run) worker() *worker {
	w := &worker{
		run: r, lines: fact.NewLineParser(r.Now), runner: r.Checks.Runner(r.Params),
		every: !r.FailuresOnly && r.format.every(), in: check.Input{Now: r.Now, Lookup: r.world.lookup},
	}
	w.in.Fact = &w.fact
	w.judged = func(c *check.Check, res *check.Result) {
		w.verdict(verdict{check: c, fact: w.fact.ID, line: w.cur.line, status: statusOf(res.Outcome), reason: res.Reason})
	}
	return w
}

const tooLong = "the line is longer than 1 MB; split the thing or leave fields out"

func (w *worker) judge(b *block) {
	w.b = b
	b.each(func(n int, line []byte, long bool) {
		b.lines = append(b.lines, lineResult{line: n})
		w.cur = &b.lines[len(b.lines)-1]
		if long {
			w.cur.refusal = tooLong
		} else {
			w.line(line)
		}
		w.cur.out, w.cur.notes, w.cur.sets = len(b.out), len(b.notes), len(b.sets)
	})
}

// each goes over the lines that are not blank.
func (b *block) each(do func(number int, line []byte, long bool)) {
	if b.tooLong {
		do(b.line, nil, true)
		return
	}
	rest := b.buf
	for n := b.line; len(rest) > 0; n++ {
		line, after, _ := bytes.Cut(rest, []byte{'\n'})
		size := len(rest) - len(after)
		rest = after
		if line = bytes.TrimRight(line, " \r"); len(line) > 0 {
			do(n, line, size > fact.MaxLine+1)
		}
	}
}

// line judges one line.
func (w *worker) line(line []byte) {
	f, err := w.lines.Parse(line)
	if err != nil {
		w.cur.refusal = err.Error()
		return
	}
	w.fact = f
	w.cur.id = w.run.seen.hash(w.run.key(&w.fact))
	if w.every {
		w.judgeEvery(&w.fact)
	} else {
		w.runner.Judge(w.in, w.judged)
		t := &w.cur.totals
		t[notApplicable] = int32(len(w.runner.Checks(f.Kind))) - t[pass] - t[fail] - t[unknown] - t[excepted]
	}
	for _, s := range w.run.byKind[f.Kind] {
		if m, ok := s.member(w.in); ok {
			w.b.sets = append(w.b.sets, m)
		}
	}
}

// judgeEvery writes a verdict for every check of the kind.
func (w *worker) judgeEvery(f *fact.Fact) {
	checks := w.runner.Checks(f.Kind)
	i := 0
	passOver := func(until *check.Check) {
		for ; i < len(checks) && checks[i] != until; i++ {
			w.verdict(verdict{check: checks[i], fact: f.ID, line: w.cur.line, status: notApplicable})
		}
	}
	w.runner.Judge(w.in, func(c *check.Check, res *check.Result) {
		passOver(c)
		i++
		w.judged(c, res)
	})
	passOver(nil)
}

func (w *worker) verdict(v verdict) {
	w.cur.totals[v.status]++
	if w.run.format.notes() {
		kept := v
		kept.fact = string([]byte(v.fact))
		w.b.notes = append(w.b.notes, kept)
	}
	if v.status == fail || !w.run.FailuresOnly && (w.every || v.status != notApplicable) {
		w.b.out = w.run.format.verdict(w.b.out, v)
	}
}

// merge takes a judged block in: an id that was given before is refused with
// everything that was said of it.
func (r *run) merge(b *block) {
	for i := range b.lines { // first, so that the memory's answers overlap
		if l := &b.lines[i]; l.refusal == "" && !r.seen.add(l.id) {
			l.refusal = "the id was already given in this file; give each thing once"
		}
	}
	out, notes, sets := 0, 0, 0
	for i := range b.lines {
		l := &b.lines[i]
		if l.refusal != "" {
			r.refuse(l.line, l.refusal)
		} else {
			r.writeVerdicts(b.out[out:l.out])
			for _, v := range b.notes[notes:l.notes] {
				r.format.note(v)
			}
			for _, m := range b.sets[sets:l.sets] {
				m.set.take(m)
			}
			for s, n := range l.totals {
				r.totals[s] += int64(n)
			}
		}
		out, notes, sets = l.out, l.notes, l.sets
	}
}
