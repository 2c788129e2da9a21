package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/connectors/self"
	"prumo.dev/prumo/content"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/store/alertstore"
)

// An engine is everything that runs without anybody looking: sources, monitor,
// timer and alerts.
type engine struct {
	in         *instance
	log        *slog.Logger
	birth      birth
	library    *framework.Library
	checks     atomic.Pointer[check.Set]
	mon        *monitor.Monitor
	alerts     *alertstore.Store
	col        *collect.Collector
	connectors map[string]connector.Connector
	metrics    *metrics
	dir        string // where it was started: the git source's checkout
	box        outbox
	defaults   func() []sourceRow // sources that are there without anybody naming them

	mu   sync.Mutex
	file fileConfig           // guarded by mu
	rows map[string]sourceRow // by name; guarded by mu
	bad  map[string]string    // sources that cannot run, and why; guarded by mu
	seen int64                // version of the settings in force; guarded by mu
	lag  atomic.Int64         // of the timer, in microseconds

	silent map[string]time.Time // see silentAt; guarded by mu

	among *replicas
	live  *hub
}

func newEngine(ctx context.Context, in *instance, dir string) (*engine, error) {
	b, err := in.born(ctx)
	if err != nil {
		return nil, err
	}
	lib, err := framework.Load(content.Files())
	if err != nil {
		return nil, fmt.Errorf("read frameworks: %w", err)
	}
	e := &engine{
		in: in, log: in.log, birth: b, library: lib, dir: dir, metrics: newMetrics(),
		rows: map[string]sourceRow{}, bad: map[string]string{}, silent: map[string]time.Time{},
		among: newReplicas(), live: newHub(),
	}
	e.defaults = func() []sourceRow { return defaults(dir, isRepository) }
	e.connectors = byID(allConnectors(self.New(e.report)))
	if _, err := in.get(ctx, areaFile, "config", &e.file); err != nil {
		return nil, err
	}
	e.loadChecks()
	if err := e.wire(ctx); err != nil {
		return nil, err
	}
	e.col = collect.New(collect.Config{Begin: e.begin, Now: in.now, Log: in.log, Scopes: e.scopes, Changed: e.changed})
	e.mon.Watch(e.metrics.transitions)
	return e, nil
}

// wire joins monitor and alerts: a cause is queued in the transaction that opens it.
func (e *engine) wire(ctx context.Context) error {
	e.mon = monitor.New(monitor.Config{
		Store: e.in.db, Checks: e.checks.Load(), Now: e.in.now, Log: e.log, Outbox: &e.box, Settings: e.monitorSettings(),
		Shared: e.in.db.Shared(),
	})
	alerts, err := alertstore.New(ctx, e.in.db, alertstore.Config{
		Log: e.log, Causes: e.in.db, Checks: e.checks.Load, Control: e.controlTitle,
		Email: email.Config{URL: e.in.env.SMTPURL}, HTTP: e.webhookClient(), Seal: e.in.box, BaseURL: e.in.baseURL(),
		Organisation: e.file.Organisation.Name, Languages: e.file.Organisation.Languages, Drill: e.birth.Drill,
		Instance: "prumo", Acts: true,
	})
	if err != nil {
		return err
	}
	e.alerts, e.box.to = alerts, alerts
	return nil
}

func (e *engine) monitorSettings() monitor.Settings {
	o := e.file.Organisation
	return monitor.Settings{Owner: o.Owner, OnePerson: o.OnePerson, Params: e.file.Params}
}

func (e *engine) controlTitle(id, lang string) string {
	if c, ok := e.library.Control(id); ok {
		return c.Title.In(lang)
	}
	return id
}

// loadChecks reads ours and the customer's check files. A bad file is left
// out and told; the rest goes on.
func (e *engine) loadChecks() {
	folders := []check.NamedFS{{Name: "checks", FS: checks.Files()}}
	for _, dir := range e.file.Checks {
		folders = append(folders, check.NamedFS{Name: dir, FS: os.DirFS(dir)})
	}
	set, problems := check.LoadAll(folders...)
	for _, p := range problems {
		e.log.Error("check left out", "problem", p.Error())
	}
	e.checks.Store(set)
}

// reload puts changed settings into force: sources, routes, checks, owners.
func (e *engine) reload(ctx context.Context) error {
	ctx = e.marked(ctx)
	v, err := e.in.settings.Version(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	same := v == e.seen
	e.mu.Unlock()
	if same {
		return nil
	}
	var fc fileConfig
	if _, err := e.in.get(ctx, areaFile, "config", &fc); err != nil {
		return err
	}
	console, err := e.in.consoleSources(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.file = fc
	e.mu.Unlock()
	e.loadChecks()
	err = errors.Join(
		e.mon.SetChecks(ctx, e.checks.Load()),
		e.setSources(ctx, merge(fc.Sources, console, e.defaults())),
	)
	if e.leads() {
		err = errors.Join(err, e.setRoutes(ctx, fc.Routes), e.setOwners(ctx, fc.Owners))
	}
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.seen = v
	e.mu.Unlock()
	return nil
}

func isRepository(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".git"))
	return err == nil
}

// setSources makes exactly these sources run. One that cannot run says why.
func (e *engine) setSources(ctx context.Context, rows []sourceRow) error {
	m := &maker{connectors: e.connectors, limits: e.in.limits, allow: e.file.AllowNetworks, now: e.in.now, log: e.log, onCall: e.metrics.call}
	next, bad := map[string]sourceRow{}, map[string]string{}
	var run []collect.Source
	var errs []error
	for _, r := range rows {
		s, err := m.source(r)
		if err != nil {
			bad[r.Name] = err.Error()
			e.log.Error("source left out", "source", r.Name, "error", err)
			continue
		}
		next[r.Name] = r
		run = append(run, s)
		if !e.leads() && r.FromFile {
			continue // whoever reads it keeps it; others may have been started elsewhere
		}
		errs = append(errs, e.mon.SaveSource(ctx, monitor.Source{
			Name: r.Name, Connector: r.Connector, Every: s.Every, Enabled: s.Enabled, FromFile: r.FromFile, Owner: r.Owner,
		}))
	}
	e.mu.Lock()
	old := e.rows
	e.rows, e.bad = next, bad
	e.mu.Unlock()
	for name := range old {
		if _, stays := next[name]; !stays && e.leads() {
			errs = append(errs, e.mon.RemoveSource(ctx, name))
		}
	}
	e.col.Set(run, func(name string) bool { //nolint:contextcheck // loops outlive this call; they hang on the collector's life
		return old[name].fingerprint() != next[name].fingerprint()
	})
	return errors.Join(errs...)
}

func (e *engine) setRoutes(ctx context.Context, texts []string) error {
	p := alert.Parser{Channels: e.alerts.Channels(), Secret: alert.PlainSecret}
	var routes []alert.Route
	for _, t := range texts {
		r, err := p.Parse([]byte(t))
		if err != nil {
			return err
		}
		routes = append(routes, r)
	}
	return e.alerts.ApplyRoutes(ctx, routes)
}

// run lets everything go until ctx ends.
func (e *engine) run(ctx context.Context) error {
	if err := e.alerts.Start(ctx); err != nil {
		return err
	}
	parts := []func(context.Context){e.follow, e.compete, e.rest}
	if e.in.db.Shared() {
		parts = append(parts, e.beat, e.listen)
	}
	var wg sync.WaitGroup
	for _, f := range parts {
		wg.Go(func() { f(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return e.alerts.Stop(stop)
}

// follow takes changed settings over, by whichever process they were changed.
func (e *engine) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := e.reload(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("follow settings", "error", err)
		}
		look := time.NewTimer(2 * time.Second)
		select {
		case <-ctx.Done():
		case <-e.among.file:
		case <-look.C:
		}
		look.Stop()
	}
}

// timer turns what an instant turns. It wakes at the next instant, and at
// least once a second, so that a turned clock or another replica's work is seen.
func (e *engine) timer(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := e.mon.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Error("timer", "error", err)
		}
		wait := time.Second
		if due := e.mon.NextDue(ctx); !due.IsZero() {
			e.lag.Store(max(0, e.in.now().Sub(due).Microseconds()))
			wait = min(wait, max(time.Millisecond, due.Sub(e.in.now())))
		} else {
			e.lag.Store(0)
		}
		if more && err == nil {
			continue
		}
		sleep(ctx, wait)
	}
}

// alertTimer does what alerts owe at an instant: repeats, escalations, digests
// and the ends of mutes.
func (e *engine) alertTimer(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := e.alerts.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "timer of alerts", "error", err)
		}
		if !more {
			sleep(ctx, time.Second)
		}
	}
}

// nightly counts everything afresh at the first full hour after three in the morning, UTC.
func (e *engine) nightly(ctx context.Context) {
	for ctx.Err() == nil {
		now := e.in.now()
		next := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, time.UTC)
		if !next.After(now) {
			next = next.AddDate(0, 0, 1)
		}
		if !sleep(ctx, next.Sub(now)) {
			return
		}
		if err := e.mon.SelfCheck(ctx); err != nil {
			e.log.Error("nightly self-check", "error", err)
		}
	}
}

// sleep reports whether the whole time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// changed lets Prumo look at itself soon after a source was read.
func (e *engine) changed(_ context.Context, name string) {
	e.mu.Lock()
	row := e.rows[name]
	e.mu.Unlock()
	if row.Connector == "self" {
		return
	}
	if err := e.col.Ask("self"); err != nil && !errors.Is(err, collect.ErrNoSource) {
		e.log.Error("ask self", "error", err)
	}
}

// scopes lists the scopes that are known of a source.
func (e *engine) scopes(ctx context.Context, source string) ([]string, error) {
	all, err := e.in.db.Sources(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, s := range all {
		for _, c := range s.Scopes {
			if s.Name == source {
				out = append(out, c.Name)
			}
		}
	}
	return out, nil
}

func names[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// saveSources makes sources known to the monitor without running them.
func (e *engine) saveSources(ctx context.Context, rows []sourceRow) error {
	var errs []error
	for _, r := range rows {
		errs = append(errs, e.mon.SaveSource(ctx, monitor.Source{Name: r.Name, Connector: r.Connector, Enabled: true, FromFile: r.FromFile, Owner: r.Owner}))
	}
	return errors.Join(errs...)
}

// An outbox hands causes to the alerts, in the monitor's transaction.
type outbox struct {
	to    *alertstore.Store
	quiet atomic.Bool
}

func (o *outbox) mute(on bool) { o.quiet.Store(on) }

// Enqueue implements monitor.Outbox.
func (o *outbox) Enqueue(ctx context.Context, tx monitor.Tx, c monitor.Cause) error {
	if o.quiet.Load() {
		return nil
	}
	t := store.TxOf(tx)
	if t == nil {
		return errors.New("queue an alert: the transaction is not the database's")
	}
	return o.to.Enqueue(ctx, t, c)
}
