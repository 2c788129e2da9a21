package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// crashEnv tells the test binary to play one reading and to be killed in it.
const crashEnv = "PRUMO_TEST_CRASH"

func TestMain(m *testing.M) {
	if plan := os.Getenv(crashEnv); plan != "" {
		if err := (&doomed{}).run(context.Background(), plan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A doomed process reads one scope and is killed at a transaction.
type doomed struct {
	monitor.Store `json:"-"`

	Dir, URL      string
	Now           time.Time
	Checks        []string
	Source, Scope string
	Kinds         []string
	Result        fact.Reading
	Targeted      bool
	Facts         []fact.Fact
	At            int  // the transaction at which it is killed
	Committed     bool // after that was committed
}

// Heart implements monitor.Store.
func (d *doomed) Heart(ctx context.Context, fn func(monitor.Tx) error) error {
	d.At--
	err := d.Store.Heart(ctx, func(tx monitor.Tx) error {
		err := fn(tx)
		if d.At == 0 && !d.Committed {
			die()
		}
		return err
	})
	if d.At == 0 {
		die()
	}
	return err
}

// die is kill -9: nothing is closed, nothing is said.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nobody is left to read an error
	select {}
}

func (d *doomed) run(ctx context.Context, plan string) error {
	if err := json.Unmarshal([]byte(plan), d); err != nil {
		return err
	}
	now := func() time.Time { return d.Now }
	db, err := store.Open(ctx, store.Config{Dir: d.Dir, URL: d.URL, Now: now})
	if err != nil {
		return err
	}
	d.Store = db
	set, problems := check.Load(checkFiles(d.Checks...))
	if len(problems) > 0 {
		return problems[0]
	}
	m := monitor.New(monitor.Config{Store: d, Checks: set, Now: now})
	fmt.Println("begin")
	run, err := m.Begin(ctx, monitor.Begin{Source: d.Source, Trigger: monitor.TriggerSchedule})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if err := run.Open(ctx, d.Scope, d.Kinds); err != nil {
		return err
	}
	fmt.Println("facts")
	if _, err := run.Facts(ctx, d.Scope, d.Facts); err != nil {
		return err
	}
	fmt.Println("close")
	if err := run.Close(ctx, d.Scope, d.Result, monitor.ScopeDetail{Targeted: d.Targeted}); err != nil {
		return err
	}
	fmt.Println("end")
	return run.End(ctx)
}

// killed plays one reading in a process of its own that is killed in it.
func (g *gambler) killed(texts []string) {
	source, scope, kind := g.where()
	d := doomed{
		Dir: g.config.Dir, URL: g.config.URL, Now: g.now, Checks: texts, Source: source, Scope: scope, Kinds: g.kindsOf(kind),
		Facts: g.facts(source, kind), At: 1 + g.r.IntN(8), Committed: g.r.IntN(2) == 0,
	}
	d.Result, d.Targeted = g.outcome()
	plan, err := json.Marshal(&d)
	g.must(err)
	self, err := os.Executable()
	g.must(err)
	g.must(g.db.Close())
	cmd := exec.CommandContext(g.ctx, self)
	cmd.Env = append(os.Environ(), crashEnv+"="+string(plan))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		g.t.Fatalf("the process was not killed: %v: %s", err, errs.String())
	}
	stage := "none"
	if lines := strings.Fields(out.String()); len(lines) > 0 {
		stage = lines[len(lines)-1]
	}
	g.note("killed in %s at %d, committed %v: %s/%s %v %s %s", stage, d.At, d.Committed, source, scope, d.Kinds, d.Result, ids(d.Facts))
	g.after(&d, stage)
	g.open()
	g.restart(g.model.set)
	g.tick()
	g.model.judge(g.now)
}

// after brings the model to what must be stored of a reading that was killed.
func (g *gambler) after(d *doomed, stage string) {
	rank := map[string]int{"none": 0, "begin": 0, "open": 1, "facts": 2, "close": 3, "end": 4}[stage]
	if rank > 0 && rank < 4 && d.Committed {
		rank++
	}
	if stage == "facts" && len(d.Facts) == 0 && rank == 3 {
		rank = 2
	}
	if rank < 2 {
		return
	}
	g.model.open(d.Source, d.Scope, d.Kinds...)
	if rank > 2 {
		g.model.take(d.Facts, d.Scope, rank == 4, g.now)
	}
	if rank == 4 {
		g.model.closed(d.Source, d.Scope, d.Result, d.Targeted, g.now, d.Facts, nil, g.now)
		return
	}
	g.model.close(d.Source, d.Scope, fact.Partial, false)
}

// TestAKilledProcessLeavesWholeBatches kills processes with kill -9 at any
// transaction of a reading, before it is committed and after.
func TestAKilledProcessLeavesWholeBatches(t *testing.T) {
	steps := 10
	if testing.Short() {
		steps = 4
	}
	texts := editionTexts()[0]
	set := checks(t, texts...)
	seed := firstSeed(t)
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(fmt.Sprintf("%s/PRUMO_SEED=%d", name, seed), func(t *testing.T) {
			url := ""
			if name == "postgres" {
				url = testkit.Postgres(t)
			}
			g := &gambler{world: newWorld(t, url, set, monitor.Settings{}), r: rand.New(rand.NewPCG(seed, 2)), model: newModel(set)} //nolint:gosec // it must repeat
			g.restart(set)
			for range steps {
				for _, act := range []func(){g.reading, func() { g.killed(texts) }} {
					g.now = g.now.Add(time.Duration(5+g.r.IntN(20*3600)) * time.Second)
					g.diary = append(g.diary, g.now)
					g.compare()
					act()
					g.now = g.now.Add(time.Second)
					g.compare()
				}
			}
			g.history()
		})
	}
}
