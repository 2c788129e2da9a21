package git

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// A relay lets the git program reach one address and no other, by the dialer
// that the source was given: what that refuses, git cannot reach either. For
// https it is a proxy that grants one tunnel; for ssh it is the connection itself.
type relay struct {
	listener net.Listener
	target   string
	tunnel   bool
	dial     connector.Dialer
	ctx      context.Context //nolint:containedctx // the reading's, which ends every connection
	wg       sync.WaitGroup
}

func newRelay(ctx context.Context, dial connector.Dialer, target string, tunnel bool) (*relay, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a relay for git: %w", err)
	}
	r := &relay{listener: l, target: target, tunnel: tunnel, dial: dial, ctx: ctx}
	r.wg.Go(r.serve)
	return r, nil
}

func (r *relay) port() string {
	_, p, _ := net.SplitHostPort(r.listener.Addr().String())
	return p
}

// close ends the relay and waits for its connections.
func (r *relay) close() {
	r.listener.Close()
	r.wg.Wait()
}

func (r *relay) serve() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.handle(c) })
	}
}

func (r *relay) handle(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	if r.tunnel {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		req, err := http.ReadRequest(in)
		if err != nil || req.Method != http.MethodConnect || req.Host != r.target {
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_ = c.SetReadDeadline(time.Time{})
	}
	out, err := r.dial(r.ctx, "tcp", r.target)
	if err != nil {
		if r.tunnel {
			_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		}
		return
	}
	defer out.Close()
	if r.tunnel {
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
	}
	stop := context.AfterFunc(r.ctx, func() { c.Close(); out.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, in)
		if t, ok := out.(interface{ CloseWrite() error }); ok {
			_ = t.CloseWrite()
		}
	}()
	_, _ = io.Copy(c, out)
	c.Close()
	out.Close()
	<-done
}
