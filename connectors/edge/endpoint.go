package edge

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A probe looks at one host and port.
type probe struct {
	target
	options
	dial connector.Dialer
	now  func() time.Time

	unseen []string // what did not answer, in words for people
}

func (p *probe) miss(why string) {
	if !slices.Contains(p.unseen, why) {
		p.unseen = append(p.unseen, why)
	}
}

// look tells everything about the host. A port that refuses, or a name that is
// not in the DNS, is an answer: nothing is there. Silence is none.
func (p *probe) look(ctx context.Context) finding {
	f := fact.Endpoint{Host: fact.Some(p.host), Port: fact.Some(int64(p.port))}
	p.reach(ctx, &f)
	if up, ok := f.Reachable.Get(); ok && up {
		p.lookTLS(ctx, &f)
		p.lookWeb(ctx, &f)
		p.lookPlain(ctx, &f)
	}
	return finding{scope: "endpoint " + p.String(), kind: "endpoint", id: "edge/" + p.String(), data: f, tally: p.unseen}
}

func (p *probe) reach(ctx context.Context, f *fact.Endpoint) {
	c, err := p.connect(ctx, p.String())
	if err == nil {
		c.Close()
		f.Reachable = fact.Some(true)
		return
	}
	if closed(err) {
		f.Reachable = fact.Some(false)
		return
	}
	_, d := connector.Honest(err)
	p.miss(d.Why)
}

func (p *probe) connect(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return p.dial(ctx, "tcp", address)
}

// closed reports an error that says for certain that nothing listens: the port
// refused the connection, or the name is not in the DNS.
func closed(err error) bool {
	if errors.Is(err, connector.ErrNetwork) {
		return false
	}
	var dns *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary
}

// startTLSPort reports a port on which TLS begins in the middle of a
// conversation, which is not tried here.
func startTLSPort(port int) bool {
	return slices.Contains([]int{21, 25, 110, 119, 143, 389, 587, 1433, 3306, 4190, 5222, 5269, 5432}, port)
}
