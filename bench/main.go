// Command bench runs Prumo's engine beside its peers over the same facts and
// the same twenty checks, one after another in rounds, and prints the ratios
// of CPU time and memory. It is a module of its own, so that no peer becomes a
// dependency of Prumo.
//
//	go run . [-n 100000] [-rounds 3] [-million]
//
// The peers, opa and conftest, are built from the module proxy into the user's
// cache the first time.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/oneshot"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	n := flag.Int("n", 100_000, "facts to judge")
	rounds := flag.Int("rounds", 3, "rounds, of which the median counts")
	million := flag.Bool("million", true, "judge ten times as many facts too, by Prumo alone")
	peers := flag.Bool("peers", true, "run opa and conftest")
	one := flag.String("one", "", "run one contestant in this process: prumo or floor")
	file := flag.String("file", "", "the facts of -one")
	launched := flag.String("launch", "", "run a command and write what it used to this file")
	flag.Parse()
	if *launched != "" {
		return launch(*launched, flag.Args())
	}
	if *one != "" {
		return contestant(*one, *file)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b := &bench{n: *n, rounds: *rounds, dir: filepath.Join(dir, "prumo-bench")}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	return b.run(*million, *peers)
}

// contestant runs one of ours as a process of its own does.
func contestant(name, file string) error {
	if name == "floor" {
		return floor(file, os.Stdout)
	}
	set, problems := check.Load(os.DirFS("checks"))
	if len(problems) > 0 {
		return problems[0]
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	exit := oneshot.Run(context.Background(), oneshot.Options{
		Facts: f, Name: file, Checks: set, Now: now, Format: "jsonl", FailuresOnly: true,
	}, os.Stdout, os.Stderr)
	if exit == 2 {
		return errors.New("lines were refused")
	}
	return nil
}

type bench struct {
	n, rounds int
	dir       string
}

// A cost is what one run took.
type cost struct {
	CPU, Wall time.Duration
	Memory    int64 // peak resident bytes
	failures  int
	sum       string // of its output, sorted
}

type rival struct {
	name    string
	command []string
	lines   func(io.Reader) ([]string, error)
	costs   []cost
}

func (b *bench) run(million, peers bool) error {
	lines, array := filepath.Join(b.dir, fmt.Sprintf("facts-%d.jsonl", b.n)), filepath.Join(b.dir, fmt.Sprintf("facts-%d.json", b.n))
	many := filepath.Join(b.dir, fmt.Sprintf("facts-%d.jsonl", 10*b.n))
	if err := errors.Join(b.facts(lines, b.n, false), b.facts(array, b.n, true)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	rivals := []*rival{
		{name: "prumo", command: []string{self, "-one", "prumo", "-file", lines}, lines: fromJSONL},
		{name: "floor", command: []string{self, "-one", "floor", "-file", lines}, lines: fromTabs},
	}
	if million {
		if err := b.facts(many, 10*b.n, false); err != nil {
			return err
		}
		rivals = append(rivals, &rival{name: "prumo ×10", command: []string{self, "-one", "prumo", "-file", many}, lines: fromJSONL})
	}
	if peers {
		ps, err := b.peers(array)
		if err != nil {
			return err
		}
		rivals = append(rivals, ps...)
	}
	for range b.rounds { // by turns, so that a busy minute hurts all alike
		for _, r := range rivals {
			c, err := r.run(self)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.costs = append(r.costs, c)
		}
	}
	return report(rivals, b.n >= 100_000)
}

func (b *bench) facts(path string, n int, array bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return generate(path, n, array)
}

func (r *rival) run(self string) (cost, error) {
	out, err := os.CreateTemp("", "prumo-bench-")
	if err != nil {
		return cost{}, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	used := out.Name() + ".used"
	defer os.Remove(used)
	cmd := exec.Command(self, append([]string{"-launch", used, "--"}, r.command...)...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%w: %s", err, errs.String())
	}
	b, err := os.ReadFile(used)
	if err != nil {
		return cost{}, err
	}
	var c cost
	if err := json.Unmarshal(b, &c); err != nil {
		return cost{}, err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return cost{}, err
	}
	lines, err := r.lines(out)
	if err != nil {
		return cost{}, err
	}
	slices.Sort(lines)
	c.failures = len(lines)
	c.sum = fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	return c, nil
}

// launch runs a command and writes down what it used. A process of its own
// does it, since the peak of a child begins with the size of its parent.
func launch(used string, command []string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	start := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return err
	}
	u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell what a process used")
	}
	b, err := json.Marshal(cost{Wall: time.Since(start), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Memory: u.Maxrss * 1024})
	if err != nil {
		return err
	}
	return os.WriteFile(used, b, 0o600)
}

// fromTabs reads check, thing and message between tabs, wherever a line has them.
func fromTabs(r io.Reader) ([]string, error) {
	var out []string
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		parts := strings.SplitN(s.Text(), "\t", 3)
		if len(parts) != 3 {
			continue
		}
		out = append(out, parts[0][strings.LastIndexByte(parts[0], ' ')+1:]+"\t"+parts[1]+"\t"+parts[2])
	}
	return out, s.Err()
}

// A limit is what a rival's cost must be, as a multiple of ours: at least for
// a peer and for the hand-written program, at most for ten times the facts.
type limit struct {
	cpuLeast, memoryLeast float64
	cpuMost, memoryMost   float64
}

func limitOf(name string) limit {
	switch name {
	case "opa":
		return limit{cpuLeast: 12, memoryLeast: 15}
	case "conftest":
		return limit{cpuLeast: 40, memoryLeast: 15}
	case "floor":
		return limit{cpuLeast: 0.5}
	case "prumo ×10":
		return limit{cpuMost: 11, memoryMost: 1.2}
	}
	return limit{}
}

func (l limit) missed(cpu, memory float64) bool {
	return cpu < l.cpuLeast || memory < l.memoryLeast || l.cpuMost > 0 && cpu > l.cpuMost || l.memoryMost > 0 && memory > l.memoryMost
}

func (l limit) String() string {
	part := func(least, most float64) string {
		switch {
		case least > 0:
			return fmt.Sprintf("≥ %g", least)
		case most > 0:
			return fmt.Sprintf("≤ %g", most)
		}
		return "-"
	}
	return part(l.cpuLeast, l.cpuMost) + " and " + part(l.memoryLeast, l.memoryMost)
}

// report prints what each took. Limits hold only over enough facts that a
// start does not weigh.
func report(rivals []*rival, limits bool) error {
	ours := rivals[0].median()
	fmt.Printf("%-10s %10s %10s %10s %9s %12s %12s  %s\n", "", "CPU s", "wall s", "MB", "failures", "CPU ratio", "memory ratio", "limits of the ratios")
	var wrong error
	for _, r := range rivals {
		c := r.median()
		cpu, memory := c.CPU.Seconds()/ours.CPU.Seconds(), float64(c.Memory)/float64(ours.Memory)
		says := ""
		if l := limitOf(r.name); limits && l != (limit{}) {
			says = l.String()
			if l.missed(cpu, memory) {
				says += "  MISSED"
				wrong = errors.Join(wrong, fmt.Errorf("%s: a limit is missed", r.name))
			}
		}
		fmt.Printf("%-10s %10.2f %10.2f %10.1f %9d %12.2f %12.2f  %s\n", r.name, c.CPU.Seconds(), c.Wall.Seconds(), float64(c.Memory)/1e6, c.failures,
			cpu, memory, says)
		if r.name != "prumo ×10" && c.sum != ours.sum {
			wrong = errors.Join(wrong, fmt.Errorf("%s found other failures than prumo", r.name))
		}
	}
	return wrong
}

func (r *rival) median() cost {
	c := slices.Clone(r.costs)
	sort.Slice(c, func(i, j int) bool { return c[i].CPU < c[j].CPU })
	return c[len(c)/2]
}

// peers builds the peers where they are not yet there.
func (b *bench) peers(array string) ([]*rival, error) {
	bin := filepath.Join(b.dir, "bin")
	for name, module := range map[string]string{
		"opa": "github.com/open-policy-agent/opa@v1.22.2", "conftest": "github.com/open-policy-agent/conftest@v0.71.1",
	} {
		if _, err := os.Stat(filepath.Join(bin, name)); err == nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "building", module)
		cmd := exec.Command("go", "install", module)
		cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	return []*rival{
		{name: "opa", lines: fromOPA, command: []string{filepath.Join(bin, "opa"), "eval", "--format", "raw", "-d", "policy", "-d", "batch", "-i", array, `concat("\n", data.batch.out)`}},
		{name: "conftest", lines: fromTabs, command: []string{filepath.Join(bin, "conftest"), "test", "--no-color", "--quiet", "-p", "policy", array}},
	}, nil
}

// fromOPA reads what opa printed: the lines as one text.
func fromOPA(r io.Reader) ([]string, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(b))
	if strings.HasPrefix(text, `"`) {
		if text, err = strconv.Unquote(text); err != nil {
			return nil, err
		}
	}
	return fromTabs(strings.NewReader(text))
}
