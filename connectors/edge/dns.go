package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"prumo.dev/prumo/internal/connector"
)

// A resolver asks DNS servers one after the other, over UDP and, where an
// answer does not fit, over TCP.
type resolver struct {
	servers []string
	dial    connector.Dialer
	timeout time.Duration
}

// systemServers are the servers of the machine's own resolver. They are the
// machine's choice, not the source's, so that asking them is no way around the
// networks that a source may not reach.
func systemServers() []string {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range c.Servers {
		out = append(out, net.JoinHostPort(s, c.Port))
	}
	return out
}

// A reply is what a name has of one type.
type reply struct {
	records []dns.RR
	nothing bool   // the name itself does not exist
	secure  bool   // the server validated the answer (AD)
	zone    string // owner of the SOA record in the answer, if any
}

var errDNS = errors.New("the DNS server did not answer the question")

// ask returns the records of a type. An empty reply is an answer; a server's
// failure, refusal or silence is an error.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) (reply, error) {
	err := fmt.Errorf("no DNS server is set: %w", errDNS)
	for range 2 {
		for _, server := range r.servers {
			var got reply
			if got, err = r.askServer(ctx, server, name, kind); err == nil {
				return got, nil
			}
			if ctx.Err() != nil {
				return reply{}, ctx.Err()
			}
		}
	}
	return reply{}, err
}

func (r *resolver) askServer(ctx context.Context, server, name string, kind uint16) (reply, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(1232, true)
	m.AuthenticatedData = true
	in, err := r.exchange(ctx, "udp", server, m)
	if err == nil && in.Truncated {
		in, err = r.exchange(ctx, "tcp", server, m)
	}
	if err != nil {
		return reply{}, fmt.Errorf("ask for %s %s: %w", dns.TypeToString[kind], name, err)
	}
	out := reply{secure: in.AuthenticatedData}
	switch in.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		out.nothing = true
	default:
		return reply{}, fmt.Errorf("ask for %s %s: %s: %w", dns.TypeToString[kind], name, dns.RcodeToString[in.Rcode], errDNS)
	}
	for _, rr := range in.Answer {
		if rr.Header().Rrtype == kind {
			out.records = append(out.records, rr)
		}
	}
	for _, rr := range append(in.Answer, in.Ns...) {
		if soa, ok := rr.(*dns.SOA); ok && out.zone == "" {
			out.zone = strings.ToLower(strings.TrimSuffix(soa.Hdr.Name, "."))
		}
	}
	return out, nil
}

// exchange sends one question over one connection.
func (r *resolver) exchange(ctx context.Context, network, server string, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, min(r.timeout, 5*time.Second))
	defer cancel()
	c, err := r.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	conn := &dns.Conn{Conn: c, UDPSize: 1232}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		in, err := conn.ReadMsg()
		if err != nil {
			return nil, err
		}
		if in.Id == m.Id && in.Response && len(in.Question) == 1 && strings.EqualFold(in.Question[0].Name, m.Question[0].Name) && in.Question[0].Qtype == m.Question[0].Qtype {
			if network == "tcp" && in.Truncated {
				return nil, errDNS
			}
			return in, nil
		}
		if network == "tcp" {
			return nil, errDNS
		}
	}
}

// texts returns the TXT records of a name, each put together from its strings.
func (r *resolver) texts(ctx context.Context, name string) ([]string, error) {
	got, err := r.ask(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, rr := range got.records {
		if t, ok := rr.(*dns.TXT); ok {
			out = append(out, strings.Join(t.Txt, ""))
		}
	}
	return out, nil
}
