package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 8 << 20

// maxReason is how many characters of a receiver's own words are kept.
const maxReason = 160

// maxRetryAfter is the longest rest that is read; the store of alerts bounds it
// further.
const maxRetryAfter = 24 * time.Hour

// A Caller makes the HTTP calls of a channel. It follows no redirect, bounds
// each call in time, and what it says of a failure holds neither the address
// nor a header nor the body that was sent: they may be passwords.
type Caller struct {
	client  *http.Client
	timeout time.Duration
}

// NewCaller returns a caller over a client that carries the network policy.
// nil: nothing leaves, and every attempt says so. The client is copied.
func NewCaller(client *http.Client, timeout time.Duration) *Caller {
	c := &Caller{timeout: timeout}
	if c.timeout == 0 {
		c.timeout = 15 * time.Second
	}
	if client != nil {
		own := *client
		own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		own.Jar = nil
		c.client = &own
	}
	return c
}

// Close frees idle connections.
func (c *Caller) Close() error {
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
	return nil
}

// A Call is one request.
type Call struct {
	Method string
	URL    string
	Header map[string]string
	Body   []byte // JSON unless Header says otherwise
	Now    time.Time
}

// An Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	After  time.Duration // how long the receiver asks to be left alone
}

// OK reports whether the receiver accepted.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// Decode reads the body as JSON.
func (a Answer) Decode(into any) error {
	if err := json.Unmarshal(a.Body, into); err != nil {
		return &Failure{Plain: "the receiver's answer cannot be read", Temporary: true, Err: err}
	}
	return nil
}

// Do makes one call. An error is a Failure: nothing was answered.
func (c *Caller) Do(ctx context.Context, call Call) (Answer, error) {
	if c.client == nil {
		return Answer{}, &Failure{Plain: "this instance sends nothing over HTTP", Temporary: true}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, &Failure{Plain: "the route's url is not an address", Err: withoutAddress(err)}
	}
	req.Header.Set("User-Agent", "Prumo")
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for k, v := range call.Header {
		req.Header.Set(k, v)
	}
	res, err := c.client.Do(req)
	if err != nil {
		return Answer{}, unanswered(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, unanswered(err)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body, After: RetryAfter(res.Header.Get("Retry-After"), call.Now)}, nil
}

// Refused turns an answer that is not OK into a Failure: 410 says that nothing
// more is wanted; everything else may be mended within the day and is worth
// another attempt. reason is what the receiver said, without its secrets.
func (a Answer) Refused(reason string) *Failure {
	f := &Failure{Temporary: true, After: a.After}
	switch {
	case a.Status == http.StatusGone:
		f.Plain, f.Temporary, f.Gone = "the receiver answered 410: it is gone for good", false, true
	case a.Status >= 300 && a.Status <= 399:
		f.Plain = fmt.Sprintf("the receiver answered %d, a redirect; redirects are not followed, write the final address", a.Status)
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		f.Plain = fmt.Sprintf("the receiver answered %d: it does not accept the key, or the key may not do this", a.Status)
	default:
		f.Plain = fmt.Sprintf("the receiver answered %d", a.Status)
	}
	if reason != "" && !f.Gone {
		f.Plain += " (" + reason + ")"
	}
	return f
}

// Reason makes a receiver's own words fit to be shown: one short line in which
// none of the secrets stands.
func Reason(words string, secrets ...string) string {
	words = strings.ToValidUTF8(words, "\uFFFD")
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(form) >= 4 {
				words = strings.ReplaceAll(words, form, "•••")
			}
		}
	}
	words = strings.Join(strings.FieldsFunc(words, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	words = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, words)
	return Clip(words, maxReason, Runes)
}

// RetryAfter reads a Retry-After header: seconds, or a date. What is neither,
// or lies in the past, asks for nothing.
func RetryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second //nolint:gosec // at most a day
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}

// withoutAddress takes the address out of an error.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// unanswered says in words why nothing was answered.
func unanswered(err error) *Failure {
	err = withoutAddress(err)
	f := &Failure{Temporary: true, Err: err}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		f.Plain = "the receiver's name is not found"
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		f.Plain = "the receiver gave no answer in time"
	case strings.Contains(err.Error(), "certificate"):
		f.Plain = "the receiver's certificate is not trusted or does not carry its name"
	default:
		f.Plain = "the receiver could not be reached"
	}
	return f
}
