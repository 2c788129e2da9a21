package connector

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// A transport is the round tripper of NewClient.
type transport struct {
	cfg    ClientConfig
	base   *http.Transport
	limit  *rate.Limiter
	redact *Redactor
}

// CloseIdleConnections lets http.Client close what it keeps.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip makes the request, and makes it again where that can help.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.pinned(req.URL); err != nil {
		return nil, t.fail(req, err)
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.cfg.Deadline)
	defer cancel()
	for attempt := 1; ; attempt++ {
		res, err := t.attempt(ctx, req, attempt)
		wait, again := t.again(req, res, err, attempt)
		if !again || !fits(ctx, wait) {
			return res, err
		}
		if err := t.cfg.Sleep(ctx, wait); err != nil {
			return nil, t.fail(req, err)
		}
	}
}

// attempt makes the request once and reads the whole answer.
func (t *transport) attempt(ctx context.Context, req *http.Request, n int) (*http.Response, error) {
	if err := t.queue(ctx); err != nil {
		return nil, t.fail(req, err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Attempt)
	defer cancel()
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", "prumo/"+t.cfg.Version)
	start := t.cfg.Now()
	res, body, err := t.exchange(out)
	if err != nil {
		err = t.fail(req, err)
	}
	t.report(req, res, len(body), n, start, err)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	res.Request = req
	return res, nil
}

func (t *transport) exchange(req *http.Request) (*http.Response, []byte, error) {
	res, err := t.base.RoundTrip(req)
	if err != nil && strings.Contains(err.Error(), "malformed HTTP") { // net/http has no name for it
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, t.cfg.MaxBody+1))
	switch {
	case int64(len(body)) > t.cfg.MaxBody:
		return res, nil, fmt.Errorf("%w of %d bytes", ErrTooLarge, t.cfg.MaxBody)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return res, nil, err
	case err != nil:
		return res, nil, fmt.Errorf("%w: %w", ErrCut, err)
	case res.ContentLength >= 0 && req.Method != http.MethodHead && int64(len(body)) != res.ContentLength:
		return res, nil, fmt.Errorf("%w: %d of %d bytes", ErrCut, len(body), res.ContentLength)
	}
	return res, body, nil
}

// queue waits for the rate limit.
func (t *transport) queue(ctx context.Context) error {
	now := t.cfg.Now()
	place := t.limit.ReserveN(now, 1)
	d := place.DelayFrom(now)
	if d <= 0 {
		return ctx.Err()
	}
	if !fits(ctx, d) {
		place.CancelAt(now)
		return context.DeadlineExceeded
	}
	return t.cfg.Sleep(ctx, d)
}

func fits(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(end) > wait)
}

// again says whether to repeat the request, and after what time.
func (t *transport) again(req *http.Request, res *http.Response, err error, attempt int) (time.Duration, bool) {
	if attempt >= t.cfg.Attempts || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return 0, false
	}
	wait := backoff(attempt)
	if err != nil {
		return wait, passing(err)
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return max(wait, RetryAfter(res.Header, t.cfg.Now())), true
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return wait, true
	default:
		return 0, false
	}
}

// backoff doubles from a quarter of a second, each time up to half as long again.
func backoff(attempt int) time.Duration {
	d := 250 * time.Millisecond << (attempt - 1)
	return d + rand.N(d/2+1)
}

// passing reports whether a failed call may succeed if it is made again.
func passing(err error) bool {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, ErrHost), errors.Is(err, ErrNetwork), errors.Is(err, ErrTooLarge):
		return false
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &cert):
		return false
	default:
		return true
	}
}

// RetryAfter reads the Retry-After header: seconds, or a date, which is
// measured against the answer's own Date where it has one. Zero: it asks nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), 7*24*3600)) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		now = d
	}
	return min(max(at.Sub(now), 0), 7*24*time.Hour)
}

// fail says which call failed, without query and secrets.
func (t *transport) fail(req *http.Request, err error) error {
	var ce *callError
	if errors.As(err, &ce) {
		return err
	}
	return &callError{msg: t.redact.Text(fmt.Sprintf("%s %s%s: %v", req.Method, req.URL.Host, req.URL.Path, err)), cause: err}
}

func (t *transport) report(req *http.Request, res *http.Response, size, n int, start time.Time, err error) {
	c := Call{
		Method: req.Method, Host: req.URL.Host, Path: t.redact.Text(req.URL.Path),
		Bytes: size, Attempt: n, At: start, Took: t.cfg.Now().Sub(start),
	}
	if res != nil {
		c.Status = res.StatusCode
	}
	if err != nil {
		c.Err = err.Error()
	}
	t.cfg.OnCall(c)
	t.cfg.Log.DebugContext(req.Context(), "call", "method", c.Method, "host", c.Host, "path", c.Path,
		"status", c.Status, "bytes", c.Bytes, "attempt", c.Attempt, "took", c.Took, "error", c.Err)
}
