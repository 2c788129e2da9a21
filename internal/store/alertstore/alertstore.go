// Package alertstore carries alerts out: it takes causes in the monitor's own
// transaction, waits until a run has said all of it, works out who is told,
// and sends each message until it is accepted or a day has passed. Jobs are
// River's, in the same database and in the same transactions, so that a
// process that is killed at any point loses none; a message that is sent again
// carries the id that it had.
//
// Who is told what is decided by package alert; how a message leaves, by its
// channels. Start at New, then Store.Enqueue, cause.go and deliver.go.
package alertstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/email"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/store"
)

// A Sealer encrypts what a route must keep secret; what names the place, so
// that a sealed value opens nowhere else.
type Sealer interface {
	Seal(plain []byte, what string) ([]byte, error)
	Open(sealed []byte, what string) ([]byte, error)
}

// A Config is what the store of alerts needs from outside.
type Config struct {
	Now          func() time.Time                                                        // nil: the database's clock
	Log          *slog.Logger                                                            // nil: none
	Causes       Heart                                                                   // *store.DB
	Reader       Reader                                                                  // nil: the heart's tables
	Checks       func() *check.Set                                                       // nil: none are known
	Control      func(id, lang string) string                                            // title of a control; nil: ids only
	Owner        func(ctx context.Context, owner string) (address, lang string, ok bool) // nil: an owner that is a mail address is told there
	Email        email.Config                                                            // URL is PRUMO_SMTP_URL
	HTTP         *http.Client                                                            // for every channel over HTTP, with the network policy in it
	Seal         Sealer                                                                  // nil: routes with a secret are refused
	BaseURL      string                                                                  // of the console: https://prumo.example.org
	Organisation string
	Languages    []string // of the organisation, the first is used where a receiver's is not known
	Drill        bool
	Acts         bool          // the console serves /act/{token}: messages carry the link to it
	Settle       time.Duration // how long a message waits for its run to end; 0: 3 s
	Workers      int           // 0: 60
	Keep         time.Duration // how long it is kept who was told what; 0: three years
	Instance     string        // a word before the name that this process has in the queue; the rest of the name is random
	Clock        Clock         // tests only; zero: real time
}

// A Clock is the rhythm of the job queue.
type Clock struct {
	Poll    time.Duration // how often jobs are looked for; 0: 250 ms
	Backoff func(attempt int) time.Duration
	Window  time.Duration // after which a message is given up; 0: 24 h
}

// Store keeps routes and deliveries and works the queue of alerts.
type Store struct {
	db       *store.DB
	config   Config
	log      *slog.Logger
	composer *alert.Composer
	channels []channel.Channel
	queue    *river.Client[tx]
	alive    alive // guarded by mu
	reader   Reader
	domain   string
	lang     string
	key      []byte // of links in messages; nil: none are made

	mu      sync.Mutex // guards started
	started bool
}

// New makes the queue's tables and returns a store that is not started yet:
// it takes causes and routes, and sends nothing before Start.
func New(ctx context.Context, db *store.DB, c Config) (*Store, error) {
	c = c.withDefaults(db)
	if c.Causes == nil {
		return nil, errors.New("open alerts: the heart is missing")
	}
	s := &Store{db: db, config: c, log: c.Log, domain: host(c.BaseURL), lang: alert.Language(c.Languages...)}
	if c.Email.Domain == "" {
		c.Email.Domain = s.domain
	}
	if c.Email.FromName == "" {
		c.Email.FromName = "Prumo"
		if c.Organisation != "" {
			c.Email.FromName = "Prumo · " + c.Organisation
		}
	}
	s.alive = alive{store: s, name: clientName(c.Instance)}
	if s.reader = c.Reader; s.reader == nil {
		s.reader = tables{}
	}
	var err error
	if s.composer, err = alert.NewComposer(); err != nil {
		return nil, err
	}
	s.channels, err = alert.Channels(alert.ChannelConfig{Email: c.Email, HTTP: c.HTTP})
	if err != nil {
		return nil, err
	}
	if err := s.openQueue(ctx); err != nil {
		return nil, err
	}
	if err := s.openKey(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults(db *store.DB) Config {
	if c.Now == nil {
		c.Now = db.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Checks == nil {
		c.Checks = func() *check.Set { return nil }
	}
	if c.Control == nil {
		c.Control = func(string, string) string { return "" }
	}
	if c.Owner == nil {
		c.Owner = func(_ context.Context, owner string) (string, string, bool) {
			a, err := email.Address(owner)
			return a, "", err == nil
		}
	}
	if c.Settle == 0 {
		c.Settle = 3 * time.Second
	}
	if c.Keep == 0 {
		c.Keep = keepEvents
	}
	if c.Workers == 0 {
		c.Workers = 60
	}
	if c.Clock.Poll == 0 {
		c.Clock.Poll = 250 * time.Millisecond
	}
	if c.Clock.Window == 0 {
		c.Clock.Window = 24 * time.Hour
	}
	if c.Clock.Backoff == nil {
		c.Clock.Backoff = Backoff
	}
	return c
}

// Backoff is how long a message rests after its n-th attempt: 5 s, 15 s, 45 s
// and on to 2 h, a fifth more or less so that many don't come back at once.
func Backoff(attempt int) time.Duration {
	d := 5 * time.Second
	for range attempt - 1 {
		if d *= 3; d >= 2*time.Hour {
			d = 2 * time.Hour
			break
		}
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads load, guards nothing
}

// host is what mail ids and the sender end with.
func host(base string) string {
	if u, err := url.Parse(base); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "localhost"
}

// Channels are the ways out, for parsing routes.
func (s *Store) Channels() []channel.Channel { return s.channels }

// Start works off what waits, from where the last process left it.
func (s *Store) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return errors.New("start alerts: they run already")
	}
	if err := s.alive.start(ctx); err != nil {
		return fmt.Errorf("take up the alerts of the last run: %w", err)
	}
	if err := s.queue.Start(context.WithoutCancel(ctx)); err != nil {
		s.alive.close()
		return fmt.Errorf("start the queue of alerts: %w", err)
	}
	s.started = true
	return nil
}

// Stop lets messages that are on their way arrive, as long as ctx allows; what
// is left goes on at the next start.
func (s *Store) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.started {
		s.started = false
		if err := s.queue.Stop(ctx); err != nil {
			hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := s.queue.StopAndCancel(hard); err != nil {
				errs = append(errs, fmt.Errorf("stop the queue of alerts: %w", err))
			}
		}
	}
	s.alive.close()
	for _, c := range s.channels {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) channel(name string) (channel.Channel, bool) {
	for _, c := range s.channels {
		if c.Name() == name {
			return c, true
		}
	}
	return nil, false
}
