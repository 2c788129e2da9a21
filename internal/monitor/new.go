package monitor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
)

// A Config is what a Monitor is given.
type Config struct {
	Store    Store
	Checks   *check.Set
	Now      Clock
	Log      *slog.Logger // nil: none
	Outbox   Outbox       // nil: nobody is told
	Settings Settings
	Shared   bool // other processes write too, and only one of them leads: Lead and Follow say which
}

// Settings are what an organisation decides about the monitor.
type Settings struct {
	Owner     string                    // who answers where nobody else does
	OnePerson bool                      // the organisation has one person, who may approve their own exceptions; that is shown
	DueDays   map[check.Severity]int    // days to fix; default 7, 30, 90 and 180 from critical to low
	Params    map[string]map[string]any // check → parameter → value, over the check's defaults
}

// A Monitor is the heart. Its methods are safe for concurrent use: one works
// at a time.
type Monitor struct {
	store    Store
	now      Clock
	log      *slog.Logger
	outbox   Outbox
	settings Settings
	shared   bool
	kinds    map[string]fact.Kind
	ids      func() string // of findings, causes and exceptions: random

	mu        sync.Mutex
	set       *check.Set
	live      map[int64]*liveCheck       // by row; guarded by mu
	byName    map[string]*liveCheck      // guarded by mu
	byKind    map[string][]*liveCheck    // in the order of their names; guarded by mu
	targets   map[string]bool            // kinds that checks read through names; guarded by mu
	paths     map[string][]check.RefPath // fields that checks read through, by the kind that has them; guarded by mu
	readings  map[int64][]*reading       // by scope: those under way; guarded by mu
	loaded    bool                       // checks were compared with what is stored; guarded by mu
	recovered bool                       // readings that a crash left open were closed; guarded by mu
	guarded   map[string]bool            // checks that guard exceptions; nil: not known; guarded by mu
	idle      bool                       // no check has work left; guarded by mu
	staleAt   int64                      // when a scope may turn stale next; guarded by mu
	leads     bool                       // of several processes this one puts checks into force; guarded by mu
	other     string                     // a check that differs from the one in force; guarded by mu
	doubt     bool                       // the last transaction may or may not have been committed; guarded by mu

	watchMu sync.Mutex
	watch   []func([]Transition) // guarded by watchMu
}

// A liveCheck is a check as it is judged now.
type liveCheck struct {
	*check.Check
	row     CheckRow
	params  map[string]any
	rule    check.CountRule
	counted bool
	refs    bool
	judged  int64 // last time that a set was judged
	cost    int64 // microseconds that it took
	seq     int64 // of changes that it waits for
}

// New makes a Monitor. It touches the store first when it is used.
func New(c Config) *Monitor {
	m := &Monitor{
		store: c.Store, now: c.Now, log: c.Log, outbox: c.Outbox, settings: c.Settings, shared: c.Shared, leads: !c.Shared, set: c.Checks,
		kinds: map[string]fact.Kind{}, ids: randomID, readings: map[int64][]*reading{},
	}
	if m.now == nil {
		m.now = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	for _, k := range fact.Kinds() {
		m.kinds[k.Name] = k
	}
	return m
}

var idEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// randomID is an id of 80 random bits that says nothing and is easy to read out.
func randomID() string {
	b := make([]byte, 10)
	rand.Read(b)
	return idEncoding.EncodeToString(b)
}

// Watch calls f after each commit with the transitions that it held, in
// order. f must be quick and must not call the monitor.
func (m *Monitor) Watch(f func([]Transition)) {
	m.watchMu.Lock()
	defer m.watchMu.Unlock()
	m.watch = append(m.watch, f)
}

func (m *Monitor) announce(ts []Transition) {
	if len(ts) == 0 {
		return
	}
	m.watchMu.Lock()
	watch := slices.Clone(m.watch)
	m.watchMu.Unlock()
	for _, f := range watch {
		f(ts)
	}
}

// ready compares the checks with what is stored, once, and closes what a crash
// left open. The caller holds mu.
func (m *Monitor) ready(ctx context.Context) error {
	if !m.loaded {
		take := func(ctx context.Context) error { return m.takeChecks(ctx, m.set) }
		if !m.leads {
			take = func(ctx context.Context) error {
				return m.store.View(ctx, func(tx Tx) error { return m.adopt(ctx, tx) })
			}
		}
		if err := take(ctx); err != nil {
			return err
		}
		m.loaded = true
	}
	if !m.recovered && m.leads {
		if err := m.recover(ctx); err != nil {
			return err
		}
		m.recovered = true
	}
	return nil
}

// transact runs fn in one transaction and announces what it held. The caller
// holds mu. fn is given fresh changes, and saves nothing itself: what it left
// in them is saved, judged findings told, and one leaf logged.
func (m *Monitor) transact(ctx context.Context, run RunRow, fn func(context.Context, *batch) error) error {
	var b *batch
	err := m.heart(ctx, func(tx Tx) error {
		if err := m.mayJudge(); err != nil {
			return err
		}
		b = m.newBatch(tx, run)
		if err := fn(ctx, b); err != nil {
			return err
		}
		return b.finish(ctx)
	})
	if err != nil {
		m.loaded = false // it may be stored though its answer was lost: what is kept in memory of checks is read again
		return err
	}
	for _, f := range b.after {
		f()
	}
	m.announce(b.told)
	return nil
}

// dueDays gives the days to fix a failure of a severity.
func (m *Monitor) dueDays(s check.Severity) int {
	if d, ok := m.settings.DueDays[s]; ok {
		return d
	}
	return map[check.Severity]int{check.Critical: 7, check.High: 30, check.Medium: 90, check.Low: 180}[s]
}

// said reads what people call a fact and who the source says answers for it.
func said(f *fact.Fact) (name, owner string) {
	var d struct {
		Name, Title, Login, Owner any
	}
	if json.NewDecoder(bytes.NewReader(f.Data)).Decode(&d) != nil {
		return f.ID, ""
	}
	name = f.ID
	for _, x := range []any{d.Name, d.Title, d.Login} {
		if s, ok := x.(string); ok && s != "" {
			name = clean(s, 200)
			break
		}
	}
	if s, ok := d.Owner.(string); ok {
		owner = clean(s, 200)
	}
	return name, owner
}

// clean makes a text fit for a column: no NUL, valid, not too long.
func clean(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "�")
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

func paramsOf(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var p map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("read parameters: %w", err)
	}
	for k, v := range p {
		p[k] = plainNumber(v)
	}
	return p, nil
}

// plainNumber turns JSON numbers into int64 or float64, also within lists.
func plainNumber(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plainNumber(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumber(v[k])
		}
	}
	return v
}
