package connector

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// A ClientConfig says what a source's HTTP client may do. Its zero values are
// useful, but for Hosts: a client without hosts reaches none.
type ClientConfig struct {
	Hosts    []string      // "host", "host:port", or an origin such as "https://git.acme.test", which pins the scheme too
	Dial     Dialer        // nil: the public internet only
	TLS      *tls.Config   // nil: Go's own
	Rate     float64       // requests a second; 0: 10; negative: no limit
	Burst    int           // requests that may go at once; 0: 10
	MaxBody  int64         // bytes of one answer, unpacked; 0: 16 MB
	Deadline time.Duration // of one request with all its attempts; 0: one minute
	Attempt  time.Duration // of one attempt; 0: 20 s
	Attempts int           // 0: 4
	Secrets  []string      // redacted from every error and log
	Version  string        // of Prumo, for the User-Agent
	Log      *slog.Logger  // nil: none
	Now      func() time.Time
	OnCall   func(Call) // told of every attempt; may be called from several goroutines
	Sleep    func(context.Context, time.Duration) error
}

// A Call is one attempt of a request, as it is logged: no query, no secret.
type Call struct {
	Method  string
	Host    string
	Path    string
	Status  int // 0: no answer
	Bytes   int
	Attempt int // from 1
	At      time.Time
	Took    time.Duration
	Err     string // redacted
}

// NewClient returns the HTTP client of one source. It reaches the configured
// hosts only, also by redirect; it is rate limited; it repeats a GET or HEAD
// that failed for a passing reason while the deadline allows, waiting as long
// as Retry-After asks; it reads each answer whole before it hands it on, so
// that a cut one is an error and never a short list; and it follows no proxy.
// An answer with any status is handed on as net/http does; Fetch turns those
// that are no success into a StatusError.
func NewClient(cfg ClientConfig) *http.Client {
	t := &transport{cfg: withDefaults(cfg), redact: NewRedactor(cfg.Secrets...)}
	t.limit = rate.NewLimiter(rate.Limit(t.cfg.Rate), t.cfg.Burst)
	if cfg.Rate < 0 {
		t.limit.SetLimit(rate.Inf)
	}
	t.base = &http.Transport{
		DialContext:            t.cfg.Dial,
		TLSClientConfig:        t.cfg.TLS,
		TLSHandshakeTimeout:    15 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    8,
		MaxConnsPerHost:        8,
		MaxResponseHeaderBytes: 256 << 10,
		ForceAttemptHTTP2:      true,
	}
	return &http.Client{Transport: t, CheckRedirect: t.redirect}
}

func withDefaults(c ClientConfig) ClientConfig {
	if c.Dial == nil {
		c.Dial = NewDialer(NetworkPolicy{})
	}
	c.Rate = cmp.Or(c.Rate, 10)
	c.Burst = cmp.Or(c.Burst, 10)
	c.MaxBody = cmp.Or(c.MaxBody, 16<<20)
	c.Deadline = cmp.Or(c.Deadline, time.Minute)
	c.Attempt = cmp.Or(c.Attempt, 20*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 4)
	c.Version = cmp.Or(c.Version, "dev")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OnCall == nil {
		c.OnCall = func(Call) {}
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	return c
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const maxRedirects = 5

func (t *transport) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects: %w", maxRedirects, ErrFormat)
	}
	return t.pinned(req.URL)
}

// pinned returns ErrHost for an address that is none of the system's.
func (t *transport) pinned(u *url.URL) error {
	for _, h := range t.cfg.Hosts {
		if samePlace(h, u) {
			return nil
		}
	}
	return fmt.Errorf("%s://%s: %w", u.Scheme, u.Host, ErrHost)
}

func samePlace(allowed string, u *url.URL) bool {
	scheme, host := u.Scheme, allowed
	if s, rest, ok := strings.Cut(allowed, "://"); ok {
		scheme, host = s, strings.TrimSuffix(rest, "/")
	}
	if !strings.EqualFold(scheme, u.Scheme) || u.User != nil {
		return false
	}
	return strings.EqualFold(withPort(host, scheme), withPort(u.Host, u.Scheme))
}

func withPort(host, scheme string) string {
	u := url.URL{Host: host}
	port := u.Port()
	if port == "" && scheme == "https" {
		port = "443"
	}
	if port == "" && scheme == "http" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
