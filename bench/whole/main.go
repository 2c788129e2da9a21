// Command whole measures Prumo as a whole: the stripped binary over HTTP with a
// million facts stored, a real Gitea that announces pushes, a real mail server,
// and the monitor alone where only a transaction's own time counts. It prints
// each figure beside its limit and ends with 1 if a limit is missed.
//
//	go run ./whole [-facts 1000000] [-events 100] [-idle 60s]
//	go run ./whole -smoke
//
// With -smoke there are few facts and no limit holds: it only proves that the
// measurements still run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A plan says how much is measured.
type plan struct {
	facts, small, quiet int           // stored; in the small database; of the source that falls silent
	events              int           // pushes that are told by mail
	rounds, changes     int           // of single changes, per database
	requests            int           // of each page and list
	starts              int           // on the stored facts
	idle                time.Duration // before memory is read
	smoke               bool
}

func main() {
	var p plan
	flag.IntVar(&p.facts, "facts", 1_000_000, "facts to store")
	flag.IntVar(&p.events, "events", 100, "pushes that are told by mail; 0: none, and neither Gitea nor Mailpit is needed")
	flag.DurationVar(&p.idle, "idle", time.Minute, "how long it rests before its memory is read")
	flag.BoolVar(&p.smoke, "smoke", false, "few facts and no limits: only proves that this still runs")
	flag.Parse()
	p.small, p.quiet, p.rounds, p.changes, p.requests, p.starts = min(10_000, p.facts), p.facts/10, 6, 100, 40, 5
	if p.smoke {
		p = plan{facts: 2000, small: 200, quiet: 200, events: min(p.events, 2), rounds: 1, changes: 5, requests: 2, starts: 1, idle: time.Second, smoke: true}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures everything, one after another, on one data folder.
func run(ctx context.Context, p plan) (err error) {
	dir, err := os.MkdirTemp("", "prumo-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &table{smoke: p.smoke}
	h := &house{ctx: ctx, plan: p, dir: dir, out: r, facts: inventory{signedIn: time.Now().AddDate(0, 0, -20).Truncate(time.Hour)}}
	fmt.Printf("%s, %d processors, load %s, %d facts\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), load(), p.facts)
	t := newKit()
	err = t.do(func() error {
		for _, step := range []func() error{
			h.build, h.fill, h.again, h.lists, func() error { return h.told(t) }, h.restart, h.change, h.silence,
		} {
			if err := step(); err != nil {
				return errors.Join(err, h.stop())
			}
		}
		return nil
	})
	fmt.Printf("load %s at the end\n", load())
	return errors.Join(err, r.verdict())
}

// build makes the binary as it is released.
func (h *house) build() error {
	h.program = filepath.Join(h.dir, "prumo")
	cmd := exec.CommandContext(h.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", h.program, "./cmd/prumo")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build prumo: %w: %s", err, out)
	}
	info, err := os.Stat(h.program)
	if err != nil {
		return err
	}
	h.out.most("stripped binary", "MB", 60, float64(info.Size())/1e6)
	return nil
}

// A table holds what was measured.
type table struct {
	smoke  bool
	missed []string
	begun  bool
}

// most notes a figure that must not be above limit.
func (t *table) most(name, unit string, limit, got float64) {
	t.row(name, fmt.Sprintf("≤ %g %s", limit, unit), fmt.Sprintf("%.4g %s", got, unit), got <= limit)
}

// least notes a figure that must not be below limit.
func (t *table) least(name, unit string, limit, got float64) {
	t.row(name, fmt.Sprintf("≥ %g %s", limit, unit), fmt.Sprintf("%.5g %s", got, unit), got >= limit)
}

// note prints a figure that has no limit.
func (t *table) note(name, unit string, got float64) {
	t.row(name, "", fmt.Sprintf("%.4g %s", got, unit), true)
}

func (t *table) row(name, limit, got string, ok bool) {
	if !t.begun {
		t.begun = true
		fmt.Printf("%-62s %16s %16s\n", "what", "limit", "measured")
	}
	sign := ""
	if !ok && !t.smoke {
		sign = "  MISSED"
		t.missed = append(t.missed, name)
	}
	fmt.Printf("%s%s %s%s %s%s%s\n", name, pad(name, 62), pad(limit, 16), limit, pad(got, 16), got, sign)
}

func pad(s string, n int) string { return strings.Repeat(" ", max(0, n-len([]rune(s)))) }

func (t *table) verdict() error {
	if len(t.missed) == 0 {
		return nil
	}
	return fmt.Errorf("limits missed: %s", strings.Join(t.missed, "; "))
}

// load is how busy the machine is; others' work makes every time longer.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
