// Package collect makes the connectors run: at each source's rhythm, when
// somebody asks, when the source announces a change and when a tripwire sees
// one. It hands what they emit to the monitor and knows, for every source, how
// the last reading went. It judges nothing and stores nothing.
//
// Start at New and Collector.Run.
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sort"
	"sync"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// A Source is one connected system: a connector with its settings.
type Source struct {
	Name      string
	Connector connector.Connector
	Every     time.Duration
	Enabled   bool
	Settings  connector.Settings
	HTTP      *http.Client
	Dial      connector.Dialer
	Memo      connector.Memo // what the connector remembers between readings; nil: nothing
}

// A Sink takes what one reading finds. monitor's run is one.
type Sink interface {
	Open(ctx context.Context, scope string, kinds []string) error
	Facts(ctx context.Context, scope string, facts []fact.Fact) error
	Close(ctx context.Context, scope string, reading fact.Reading, detail connector.Detail) error
	End(ctx context.Context) error
}

// Config is what a Collector is given.
type Config struct {
	Begin func(ctx context.Context, b monitor.Begin) (Sink, error)
	Now   func() time.Time
	Log   *slog.Logger
	// Settle is how long announced changes are gathered before they are read
	// again; zero means 250 ms.
	Settle time.Duration
	// Deadline bounds one reading; zero means 30 minutes.
	Deadline time.Duration
	// Scopes lists the scopes that are known of a source. One that a whole and
	// complete reading did not open is no longer there. It may be nil.
	Scopes func(ctx context.Context, source string) ([]string, error)
	// Changed is called after each reading, so that the platform's own facts
	// can follow. It may be nil.
	Changed func(ctx context.Context, name string)
}

// A Collector runs the sources. Its methods are safe for concurrent use.
type Collector struct {
	cfg  Config
	base context.Context //nolint:containedctx // life of the collector, set once by Run; the loops of sources added later hang on it
	mu   sync.Mutex
	// by name; guarded by mu
	loops map[string]*loop
	wg    sync.WaitGroup
}

// ErrNoSource is returned for a name that no source has.
var ErrNoSource = errors.New("no such source")

// New makes a Collector without sources.
func New(cfg Config) *Collector {
	if cfg.Settle == 0 {
		cfg.Settle = 250 * time.Millisecond
	}
	if cfg.Deadline == 0 {
		cfg.Deadline = 30 * time.Minute
	}
	return &Collector{cfg: cfg, loops: map[string]*loop{}}
}

// Start lets sources run until ctx ends; Wait waits for the last of them. After
// that they can be started again.
func (c *Collector) Start(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = ctx
	for _, l := range c.loops {
		l.stop = nil // of an earlier start, whose context has ended
		c.start(l)   //nolint:contextcheck // the loops hang on the life of the collector, which is set here
	}
}

// Wait returns when every loop has ended; end their context first.
func (c *Collector) Wait() { c.wg.Wait() }

// Set starts, changes and stops sources so that exactly these run. A source
// whose settings did not change goes on undisturbed, unless changed names it.
func (c *Collector) Set(sources []Source, changed func(name string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := map[string]bool{}
	for _, s := range sources {
		want[s.Name] = true
		if old, ok := c.loops[s.Name]; ok && !changed(s.Name) {
			_ = old
			continue
		}
		c.drop(s.Name)
		l := newLoop(s, c.cfg)
		c.loops[s.Name] = l
		c.start(l)
	}
	for name := range c.loops {
		if !want[name] {
			c.drop(name)
		}
	}
}

func (c *Collector) drop(name string) {
	if l, ok := c.loops[name]; ok {
		if l.stop != nil {
			l.stop()
		}
		delete(c.loops, name)
	}
}

func (c *Collector) start(l *loop) {
	if c.base == nil || c.base.Err() != nil || l.stop != nil || !l.src.Enabled {
		return
	}
	ctx, stop := context.WithCancel(c.base)
	l.stop = stop
	for _, f := range []func(context.Context){l.schedule, l.events, l.tripwire} {
		c.wg.Go(func() { f(ctx) })
	}
}

func (c *Collector) find(name string) (*loop, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.loops[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoSource, name)
	}
	return l, nil
}

// Ask lets a source be read as soon as its present reading ends. It returns at once.
func (c *Collector) Ask(name string) error {
	l, err := c.find(name)
	if err != nil {
		return err
	}
	select {
	case l.asked <- struct{}{}:
	default: // one is already waiting
	}
	return nil
}

// Webhook checks a message of a source and lets what it touches be read again.
func (c *Collector) Webhook(ctx context.Context, name string, h http.Header, body []byte) error {
	ev, err := c.Verify(ctx, name, h, body)
	if err != nil {
		return err
	}
	return c.Announce(name, ev, c.cfg.Now())
}

// Verify checks a message of a source and says what it touches. Where this
// process reads nothing, another one is given that.
func (c *Collector) Verify(ctx context.Context, name string, h http.Header, body []byte) (connector.Event, error) {
	l, err := c.find(name)
	if err != nil {
		return connector.Event{}, err
	}
	wh, ok := l.src.Connector.(connector.Webhooker)
	if !ok {
		return connector.Event{}, fmt.Errorf("%w: %s takes no webhooks", ErrNoSource, name)
	}
	ev, err := wh.Webhook(ctx, l.run(), h, body)
	if err != nil {
		return connector.Event{}, fmt.Errorf("webhook of %s: %w", name, err)
	}
	return ev, nil
}

// Announce lets what an event touches be read again; arrived is when it reached us.
func (c *Collector) Announce(name string, ev connector.Event, arrived time.Time) error {
	l, err := c.find(name)
	if err != nil {
		return err
	}
	l.announce(ev, arrived)
	return nil
}

// Has says whether there is a source of that name.
func (c *Collector) Has(name string) bool {
	_, err := c.find(name)
	return err == nil
}

// Identify asks a source whose credential it holds. ok is false where its connector cannot tell.
func Identify(ctx context.Context, s Source, now func() time.Time, log *slog.Logger) (id connector.Identity, ok bool, err error) {
	i, ok := s.Connector.(connector.Identifier)
	if !ok {
		return connector.Identity{}, false, nil
	}
	id, err = i.Identify(ctx, runOf(s, now, log))
	return id, true, err
}

// States tells how each source fares, sorted by name.
func (c *Collector) States() []State {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]State, 0, len(c.loops))
	for _, l := range c.loops {
		out = append(out, l.state())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// A State is how a source fares in this process.
type State struct {
	Name       string
	Connector  string
	Enabled    bool
	Every      time.Duration
	Reading    bool
	Started    time.Time // of the present or last reading
	Last       time.Time // end of the last reading; zero: none yet
	LastResult string    // complete, partial, forbidden, failed
	LastWhy    string    // for people: never a secret or an internal cause
	Failures   int       // readings in a row that were not complete
	Next       time.Time
	Forbidden  int // scopes of the last reading that the source refused
	Facts      int // facts of the last complete reading
	Before     int // facts of the complete reading before it
	Completed  time.Time
	Announced  int // announced changes that wait to be read
}
