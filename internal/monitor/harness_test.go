package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// t0 is when the tests begin.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is a monitor over a real database with a clock that the test turns.
type world struct {
	t      testing.TB
	ctx    context.Context
	config store.Config
	db     *store.DB
	m      *monitor.Monitor
	now    time.Time
	causes []monitor.Cause
	seen   []monitor.Transition
}

// Enqueue implements monitor.Outbox.
func (w *world) Enqueue(_ context.Context, tx monitor.Tx, c monitor.Cause) error {
	if store.TxOf(tx) == nil {
		return fmt.Errorf("cause %s came without a transaction", c.ID)
	}
	w.causes = append(w.causes, c)
	return nil
}

// onBoth runs a test on both databases.
func onBoth(t *testing.T, set *check.Set, settings monitor.Settings, test func(*testing.T, *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newWorld(t, "", set, settings)) })
	t.Run("postgres", func(t *testing.T) { test(t, newWorld(t, testkit.Postgres(t), set, settings)) })
}

func newWorld(t testing.TB, url string, set *check.Set, settings monitor.Settings) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), now: t0, config: store.Config{URL: url}}
	if url == "" {
		w.config.Dir = t.TempDir()
	}
	w.config.Now = w.clock
	w.open()
	t.Cleanup(func() { w.db.Close() })
	w.start(set, settings)
	return w
}

func (w *world) open() {
	w.t.Helper()
	db, err := store.Open(w.ctx, w.config)
	if err != nil {
		w.t.Fatalf("open the store: %v", err)
	}
	w.db = db
}

func (w *world) clock() time.Time { return w.now }

func (w *world) start(set *check.Set, settings monitor.Settings) {
	w.m = monitor.New(monitor.Config{Store: w.db, Checks: set, Now: w.clock, Outbox: w, Settings: settings})
	w.m.Watch(func(ts []monitor.Transition) { w.seen = append(w.seen, ts...) })
}

// checks loads check files; the text is written without examples.
func checks(t testing.TB, texts ...string) *check.Set {
	t.Helper()
	set, problems := check.Load(checkFiles(texts...))
	for _, p := range problems {
		t.Fatalf("load checks: %v", p)
	}
	return set
}

func checkFiles(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("c%d.yaml", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A thing is a fact in short.
type thing struct {
	kind, id, data string
	at             time.Time // zero: now
}

func (w *world) fact(x thing) fact.Fact {
	at := x.at
	if at.IsZero() {
		at = w.now
	}
	return fact.Fact{Kind: x.kind, ID: x.id, Origin: fact.OriginAPI, ObservedAt: at, Data: json.RawMessage(x.data)}
}

// read brings facts of one scope in one run.
func (w *world) read(source, scope string, result fact.Reading, kinds []string, things ...thing) monitor.BatchResult {
	w.t.Helper()
	run, err := w.m.Begin(w.ctx, monitor.Begin{Source: source, Trigger: monitor.TriggerSchedule})
	w.must(err)
	w.must(run.Open(w.ctx, scope, kinds))
	facts := make([]fact.Fact, 0, len(things))
	for _, x := range things {
		facts = append(facts, w.fact(x))
	}
	res, err := run.Facts(w.ctx, scope, facts)
	w.must(err)
	w.must(run.Close(w.ctx, scope, result, monitor.ScopeDetail{}))
	w.must(run.End(w.ctx))
	return res
}

// tick lets the timer do everything that there is.
func (w *world) tick() {
	w.t.Helper()
	for range 2000 {
		more, err := w.m.Tick(w.ctx)
		w.must(err)
		if !more {
			return
		}
	}
	w.t.Fatal("the timer does not come to rest")
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.tick()
}

// rows reads a query as lines of text.
func (w *world) rows(query string, args ...any) []string {
	w.t.Helper()
	var out []string
	w.must(w.db.Read(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(w.ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		cols, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			vals := make([]any, len(cols))
			for i := range vals {
				vals[i] = new(any)
			}
			if err := rows.Scan(vals...); err != nil {
				return err
			}
			parts := make([]string, len(vals))
			for i, v := range vals {
				x := *(v.(*any))
				if b, ok := x.([]byte); ok {
					x = string(b)
				}
				parts[i] = fmt.Sprint(x)
			}
			out = append(out, strings.Join(parts, " "))
		}
		return rows.Err()
	}))
	return out
}

// outcomes lists open verdicts as "check fact outcome".
func (w *world) outcomes() []string {
	w.t.Helper()
	out := w.rows(`SELECT c.name, f.fid, v.outcome FROM verdict v JOIN chk c ON c.id = v.chk JOIN fact f ON f.id = v.fact
		WHERE v.to_at IS NULL ORDER BY c.name, f.fid`)
	for i, s := range out {
		k := strings.LastIndexByte(s, ' ')
		out[i] = s[:k+1] + check.Outcome(s[k+1]-'0').String()
	}
	return out
}
