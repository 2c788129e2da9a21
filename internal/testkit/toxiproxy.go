package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// A Toxi is a toxiproxy server: upstreams that are slow, cut or down.
type Toxi struct {
	t    testing.TB
	base string
}

// A Proxy stands before one upstream. Its zero trouble is none.
type Proxy struct {
	Addr string // host:port to use instead of the upstream's

	toxi *Toxi
	name string
}

// Toxiproxy starts a toxiproxy server.
func Toxiproxy(t testing.TB) *Toxi {
	t.Helper()
	program := Tool(t, "toxiproxy")
	x, err := retry(func() (*Toxi, error) { return newToxi(t, program) })
	if err != nil {
		missing(t, err)
	}
	return x
}

func newToxi(t testing.TB, program string) (*Toxi, error) {
	dir, err := workDir("toxiproxy", nil)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	x := &Toxi{t: t, base: fmt.Sprintf("http://127.0.0.1:%d", ports[0])}
	p, err := start(spec{
		name: "toxiproxy", dir: dir, port: ports[0], within: 10 * time.Second,
		args:  []string{program, "-host", "127.0.0.1", "-port", strconv.Itoa(ports[0])},
		ready: func() error { return getJSON(x.base+"/version", nil) },
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stopLogged(t, p) })
	return x, nil
}

// Proxy opens a port that leads to upstream (host:port).
func (x *Toxi) Proxy(upstream string) *Proxy {
	x.t.Helper()
	p := &Proxy{toxi: x, name: nonce()}
	var made struct{ Listen string }
	x.must("POST", "/proxies", map[string]any{
		"name": p.name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true,
	}, &made)
	p.Addr = made.Listen
	return p
}

// Slow delays every answer.
func (p *Proxy) Slow(by time.Duration) {
	p.toxi.t.Helper()
	p.toxic("latency", map[string]any{"latency": by.Milliseconds()})
}

// Cut closes each connection after so many bytes of the answer, in its header or in
// its body.
func (p *Proxy) Cut(after int) {
	p.toxi.t.Helper()
	p.toxic("limit_data", map[string]any{"bytes": after})
}

// Trickle lets so many kilobytes of each connection's answers through in a second.
func (p *Proxy) Trickle(kilobytes int) {
	p.toxi.t.Helper()
	p.toxic("bandwidth", map[string]any{"rate": kilobytes})
}

// Reset answers every connection with a TCP reset.
func (p *Proxy) Reset() {
	p.toxi.t.Helper()
	p.toxic("reset_peer", map[string]any{"timeout": 0})
}

// Hang accepts connections and never answers.
func (p *Proxy) Hang() {
	p.toxi.t.Helper()
	p.toxic("timeout", map[string]any{"timeout": 0})
}

// Down refuses connections until Up.
func (p *Proxy) Down() {
	p.toxi.t.Helper()
	p.toxi.must("POST", "/proxies/"+p.name, map[string]any{"enabled": false}, nil)
}

// Up accepts connections again after Down.
func (p *Proxy) Up() {
	p.toxi.t.Helper()
	p.toxi.must("POST", "/proxies/"+p.name, map[string]any{"enabled": true}, nil)
}

// Mend takes away every trouble of this proxy.
func (p *Proxy) Mend() {
	p.toxi.t.Helper()
	var toxics []struct{ Name string }
	p.toxi.must("GET", "/proxies/"+p.name+"/toxics", nil, &toxics)
	for _, toxic := range toxics {
		p.toxi.must("DELETE", "/proxies/"+p.name+"/toxics/"+toxic.Name, nil, nil)
	}
	p.Up()
}

func (p *Proxy) toxic(kind string, attributes map[string]any) {
	p.toxi.t.Helper()
	p.toxi.must("POST", "/proxies/"+p.name+"/toxics", map[string]any{
		"type": kind, "stream": "downstream", "attributes": attributes,
	}, nil)
}

func (x *Toxi) must(method, path string, in, out any) {
	x.t.Helper()
	if err := callJSON(method, x.base+path, in, out); err != nil {
		x.t.Fatalf("toxiproxy: %v", err)
	}
}

func stopLogged(t testing.TB, p *process) {
	if t.Failed() {
		t.Logf("%s wrote:\n%s", p.spec.name, p.tail())
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

func getJSON(url string, out any) error { return callJSON(http.MethodGet, url, nil, out) }

// callJSON makes one request to a test server; an answer of 300 or more is an error.
func callJSON(method, url string, in, out any) error {
	status, data, err := call(method, url, nil, in)
	if err != nil {
		return err
	}
	if status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s answered %d: %s", method, url, status, data)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	return nil
}

// call sends in as JSON unless it is nil, and returns the status and the body.
func call(method, url string, header http.Header, in any) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	return res.StatusCode, data, nil
}
