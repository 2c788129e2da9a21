package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// A TLSConfig is what a private authority needs; the zero value trusts the system's.
type TLSConfig struct {
	Roots *x509.CertPool
}

// idle is how long an unused connection is kept: shorter than any common server's patience.
const idle = 10 * time.Second

// maxPerSession is how many mails go over one connection; many servers count.
const maxPerSession = 100

// A pool keeps a few connections, so that a storm of mails is not a storm of
// greetings. A slot is taken before a connection is used.
type pool struct {
	server Server
	config Config
	slots  chan struct{}

	mu     sync.Mutex // guards the fields below
	free   []*session
	closed bool
}

// A session is one connection. It belongs to one goroutine at a time.
type session struct {
	client *gomail.Client
	smtp   *smtp.Client
	conn   net.Conn
	used   time.Time
	sent   int
}

func newPool(s Server, c Config) *pool {
	return &pool{server: s, config: c, slots: make(chan struct{}, c.Sessions)}
}

// send hands over one mail, on a kept connection if there is one.
func (p *pool) send(ctx context.Context, m *gomail.Msg) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return plain(ctx.Err())
	}
	defer func() { <-p.slots }()
	for {
		s := p.take()
		kept := s != nil
		if !kept {
			var err error
			if s, err = p.dial(ctx); err != nil {
				return plain(err)
			}
		}
		err := p.sendOn(ctx, s, m)
		if err == nil {
			p.put(s)
			return nil
		}
		_ = s.conn.Close() // whatever state it is in, it is not used again
		if ctx.Err() != nil {
			return plain(ctx.Err())
		}
		var send *gomail.SendError
		if kept && errors.As(err, &send) && send.Reason == gomail.ErrConnCheck {
			continue // the server had closed it; nothing of the mail was said yet
		}
		return plain(err)
	}
}

// sendOn hands the mail over and nothing else: once the server took it, what
// follows on the connection can't undo it.
func (p *pool) sendOn(ctx context.Context, s *session, m *gomail.Msg) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() }) // the library knows deadlines only
	defer stop()
	err := s.client.SendWithSMTPClient(s.smtp, m)
	s.sent++
	if m.IsDelivered() {
		if err != nil {
			s.sent = maxPerSession
		}
		return nil
	}
	return err
}

func (p *pool) dial(ctx context.Context) (*session, error) {
	s := &session{}
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	stop := func() bool { return true }
	defer func() { stop() }()
	tlsConfig := &tls.Config{ServerName: p.server.Host, RootCAs: p.config.TLS.Roots, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{
		gomail.WithPort(p.server.Port), gomail.WithTimeout(p.config.Timeout),
		gomail.WithHELO(p.config.Domain), gomail.WithTLSConfig(tlsConfig), gomail.WithTLSPolicy(policy(p.server.TLS)),
		gomail.WithDialContextFunc(func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: p.config.Timeout}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			s.conn = conn
			stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
			if p.server.TLS != TLSImplicit {
				return conn, nil
			}
			secure := tls.Client(conn, tlsConfig)
			return secure, secure.HandshakeContext(ctx)
		}),
	}
	if p.server.User != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if p.server.TLS == TLSOff {
			auth = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(p.server.User), gomail.WithPassword(p.server.Password))
	}
	var err error
	if s.client, err = gomail.NewClient(p.server.Host, options...); err != nil {
		return nil, err
	}
	if s.smtp, err = s.client.DialToSMTPClientWithContext(ctx); err != nil {
		if s.conn != nil {
			_ = s.conn.Close()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return s, nil
}

func policy(t TLS) gomail.TLSPolicy {
	switch t {
	case TLSRequired:
		return gomail.TLSMandatory
	case TLSOff:
		return gomail.NoTLS
	default: // implicit: the connection is encrypted already, and no server offers STARTTLS on it
		return gomail.TLSOpportunistic
	}
}

// take returns a kept connection that is still fresh, or nil.
func (p *pool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.free) > 0 {
		s := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		if p.config.Now().Sub(s.used) < idle {
			return s
		}
		_ = s.conn.Close() // stale: the server has closed its side already or will
	}
	return nil
}

func (p *pool) put(s *session) {
	s.used = p.config.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || s.sent >= maxPerSession {
		_ = s.client.CloseWithSMTPClient(s.smtp) // says goodbye; the mail is already accepted
		return
	}
	p.free = append(p.free, s)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.free {
		_ = s.client.CloseWithSMTPClient(s.smtp)
	}
	p.free = nil
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &host)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}
