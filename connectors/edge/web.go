package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const (
	maxHops    = 5
	maxPage    = 64 << 10 // bytes that are read of a page
	maxHeaders = 128 << 10
)

// A page is an answer with what was read of it, and the cookies of every step to it.
type page struct {
	status  int
	header  http.Header
	body    []byte
	whole   bool
	at      *url.URL
	cookies []*http.Cookie
	hsts    string
	leaves  bool // it leads to another host, which was not followed
}

// get asks for an address and follows redirects within the host. It reaches
// the network by the source's dialer only.
func (p *probe) get(ctx context.Context, address string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*p.timeout)
	defer cancel()
	transport := &http.Transport{
		DialContext: p.dial, TLSClientConfig: p.config(tls.VersionTLS10, tls.VersionTLS13), ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSHandshakeTimeout: p.timeout, ResponseHeaderTimeout: p.timeout, MaxResponseHeaderBytes: maxHeaders,
	}
	defer transport.CloseIdleConnections()
	u, err := url.Parse(address)
	if err != nil {
		return page{}, fmt.Errorf("address %s: %w", address, err)
	}
	var out page
	for range maxHops {
		next, err := p.step(ctx, transport, u, &out)
		if err != nil || next == nil {
			return out, err
		}
		if place(next) != place(u) || next.Scheme != u.Scheme || next.User != nil {
			out.leaves = true
			return out, nil
		}
		u = next
	}
	return out, fmt.Errorf("%s: more than %d redirects: %w", address, maxHops, connector.ErrFormat)
}

// place is an address's host and port.
func place(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// step makes one request and returns where its answer leads, or nil.
func (p *probe) step(ctx context.Context, transport *http.Transport, u *url.URL, out *page) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Prumo (security posture; read-only)")
	req.Header.Set("Accept", "text/html,text/plain;q=0.9,*/*;q=0.8")
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out.status, out.header, out.at = res.StatusCode, res.Header, u
	out.cookies = append(out.cookies, res.Cookies()...)
	if h := res.Header.Get("Strict-Transport-Security"); h != "" && u.Scheme == "https" {
		out.hsts = h
	}
	location, err := res.Location()
	if err == nil && res.StatusCode >= 300 && res.StatusCode < 400 {
		return location, nil
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	out.whole = err == nil && len(b) <= maxPage
	out.body = b[:min(len(b), maxPage)]
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", u.Path, connector.ErrCut)
	}
	return nil, nil //nolint:nilnil // the answer leads nowhere else
}

// lookWeb asks for the page at the root and reads its headers.
func (p *probe) lookWeb(ctx context.Context, f *fact.Endpoint) {
	scheme := "https"
	secure, known := f.TLS.Get()
	if !known {
		return
	}
	if !secure {
		scheme = "http"
	}
	base := scheme + "://" + p.String()
	if p.port == 443 && secure || p.port == 80 && !secure {
		base = scheme + "://" + (&url.URL{Host: hostText(p.host)}).Host
	}
	got, err := p.get(ctx, base+"/")
	if err != nil {
		if notHTTP(err) {
			f.Web = fact.Some(false)
			return
		}
		p.miss("HTTP: " + whyWeb(err))
		return
	}
	f.Web = fact.Some(true)
	f.HTTPStatus = fact.Some(int64(got.status))
	if got.status == http.StatusTooManyRequests || got.status >= 500 {
		p.miss(fmt.Sprintf("HTTP: the host answered with status %d", got.status))
		return
	}
	readHeaders(got, secure, f)
	if secure {
		p.lookSecurityTxt(ctx, base, f)
	}
}

// hostText is the host as it is written in an address.
func hostText(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// notHTTP reports that something answered and what it said is not HTTP.
func notHTTP(err error) bool {
	return strings.Contains(err.Error(), "malformed HTTP")
}

func whyWeb(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = connector.ErrCut
	}
	_, d := connector.Honest(err)
	return d.Why
}

// lookPlain asks what plain HTTP does beside HTTPS.
func (p *probe) lookPlain(ctx context.Context, f *fact.Endpoint) {
	if p.port != 443 || !f.TLS.Or(false) {
		return
	}
	c, err := p.connect(ctx, net.JoinHostPort(p.host, "80"))
	if err != nil {
		if closed(err) {
			f.HTTPRedirects = fact.Some(true)
			return
		}
		_, d := connector.Honest(err)
		p.miss("port 80: " + d.Why)
		return
	}
	c.Close()
	got, err := p.get(ctx, "http://"+hostText(p.host)+"/")
	switch {
	case err != nil && notHTTP(err):
		f.HTTPRedirects = fact.Some(true) // no plain HTTP there
	case err != nil:
		p.miss("port 80: " + whyWeb(err))
	case got.leaves:
		f.HTTPRedirects = fact.Some(leadsToHTTPS(got))
	case got.status == http.StatusTooManyRequests || got.status >= 500:
		p.miss("port 80: the host answered with status " + strconv.Itoa(got.status))
	default:
		f.HTTPRedirects = fact.Some(false)
	}
}

func leadsToHTTPS(got page) bool {
	to, err := got.at.Parse(got.header.Get("Location"))
	return err == nil && to.Scheme == "https"
}
