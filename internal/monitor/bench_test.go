package monitor_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// benchFacts is how many facts the benchmarks store: PRUMO_BENCH_FACTS, or 100,000.
func benchFacts(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("PRUMO_BENCH_FACTS"))
	if err != nil {
		return 100_000
	}
	return n
}

// pad brings an account to about 1.15 KB.
var pad = strings.Repeat("group-of-people,", 60) //nolint:gochecknoglobals // a constant

func benchAccount(i int, mfa bool) thing {
	return account(fmt.Sprintf("code/user-%07d", i), fmt.Sprintf(`{"login":"user-%d","name":%q,"active":true,"admin":%v,"mfa":%v}`, i, pad, i == 0, mfa))
}

// bring gives n facts of one scope in batches, as a connector does.
func (w *world) bring(n int, mfa func(int) bool) {
	run, err := w.m.Begin(w.ctx, monitor.Begin{Source: "code", Trigger: monitor.TriggerSchedule})
	w.must(err)
	w.must(run.Open(w.ctx, "members", accounts))
	batch := make([]fact.Fact, 0, monitor.MaxBatch)
	for i := range n {
		batch = append(batch, w.fact(benchAccount(i, mfa(i))))
		if len(batch) == monitor.MaxBatch || i == n-1 {
			_, err := run.Facts(w.ctx, "members", batch)
			w.must(err)
			batch = batch[:0]
		}
	}
	w.must(run.Close(w.ctx, "members", fact.Complete, monitor.ScopeDetail{}))
	w.must(run.End(w.ctx))
}

// rss is the most memory that the process had, in bytes.
func rss() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, err := strconv.ParseFloat(f[1], 64)
			if err == nil {
				return n * 1024
			}
		}
	}
	return 0
}

// BenchmarkHeart measures what the platform promises about speed and size, as
// one story: a first reading, the same reading again, one change at a time, and
// a source that falls silent.
func BenchmarkHeart(b *testing.B) {
	n := benchFacts(b)
	odd := func(i int) bool { return i%50 != 0 }
	for b.Loop() {
		w := newWorld(b, "", checks(b, mfaCheck, adminCheck), monitor.Settings{})
		w.m = monitor.New(monitor.Config{Store: w.db, Checks: checks(b, mfaCheck, adminCheck), Now: w.clock}) // nobody keeps what it tells
		start := time.Now()
		w.bring(n, odd)
		first := time.Since(start)
		b.ReportMetric(float64(n)/first.Seconds(), "first-facts/s")

		w.now = w.now.Add(time.Hour)
		w.tick()
		debug.FreeOSMemory()
		start = time.Now()
		w.bring(n, odd)
		b.ReportMetric(time.Since(start).Seconds(), "unchanged-s")
		b.ReportMetric(rss()/1e6, "unchanged-rss-MB")

		var took []time.Duration
		for i := range 200 {
			w.now = w.now.Add(time.Second)
			run, err := w.m.Begin(w.ctx, monitor.Begin{Source: "code", Trigger: monitor.TriggerEvent})
			w.must(err)
			w.must(run.Open(w.ctx, "members", accounts))
			f := []fact.Fact{w.fact(benchAccount(i*37%n, i%2 == 0))}
			start = time.Now()
			_, err = run.Facts(w.ctx, "members", f)
			took = append(took, time.Since(start))
			w.must(err)
			w.must(run.Close(w.ctx, "members", fact.Partial, monitor.ScopeDetail{}))
			w.must(run.End(w.ctx))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "change-p50-ms")
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "change-p95-ms")

		w.now = w.now.Add(72*time.Hour - 200*time.Second - time.Millisecond)
		w.tick()
		w.now = w.now.Add(200 * time.Second)
		worst := time.Duration(0)
		for more := true; more; {
			start = time.Now()
			var err error
			more, err = w.m.Tick(w.ctx)
			w.must(err)
			worst = max(worst, time.Since(start))
		}
		b.ReportMetric(float64(worst.Microseconds())/1000, "silent-worst-ms")
		w.timeLists(b)
	}
}

// timeLists measures what a page waits for.
func (w *world) timeLists(b *testing.B) {
	b.Helper()
	for name, f := range map[string]monitor.Filter{
		"list-fail-ms": {Status: []monitor.Status{monitor.StatusFail}}, "list-stale-ms": {Status: []monitor.Status{monitor.StatusUnknown}},
		"list-text-ms": {Text: "user-9999"},
	} {
		start := time.Now()
		_, err := w.db.Verdicts(w.ctx, f)
		w.must(err)
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, name)
	}
	start := time.Now()
	_, err := w.db.Posture(w.ctx, time.Time{})
	w.must(err)
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "posture-ms")
	start = time.Now()
	_, err = w.db.Facts(w.ctx, monitor.Filter{})
	w.must(err)
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "list-facts-ms")
	start = time.Now()
	_, err = w.db.Findings(w.ctx, monitor.Filter{OpenOnly: true})
	w.must(err)
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "list-findings-ms")
}
