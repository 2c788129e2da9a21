package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

type version struct {
	number uint16
	name   string
}

func versions() []version {
	return []version{{tls.VersionTLS10, "1.0"}, {tls.VersionTLS11, "1.1"}, {tls.VersionTLS12, "1.2"}, {tls.VersionTLS13, "1.3"}}
}

// An answer is what a handshake ended with.
type answer int

const (
	accepted answer = iota
	refused         // an alert, or another version than the one asked for
	plain           // what came is not TLS
	dropped         // the connection was closed without a word
	silent          // nothing came in time, or the network failed
)

// config accepts every certificate, since chain, name and dates are judged one
// by one afterwards, and offers every cipher suite, since an old server may
// know only old ones.
func (p *probe) config(low, high uint16) *tls.Config {
	var suites []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites = append(suites, s.ID)
	}
	c := &tls.Config{MinVersion: low, MaxVersion: high, InsecureSkipVerify: true, CipherSuites: suites} //nolint:gosec // judged afterwards
	if _, err := netip.ParseAddr(p.host); err != nil {
		c.ServerName = p.host
	}
	return c
}

func (p *probe) handshake(ctx context.Context, low, high uint16) (tls.ConnectionState, answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	raw, err := p.dial(ctx, "tcp", p.String())
	if err != nil {
		return tls.ConnectionState{}, silent, err
	}
	defer raw.Close()
	c := tls.Client(raw, p.config(low, high))
	err = c.HandshakeContext(ctx)
	if err == nil {
		return c.ConnectionState(), accepted, nil
	}
	return tls.ConnectionState{}, meaning(err), err
}

// meaning tells what a failed handshake says. An alert about the client's
// certificate comes after the version was agreed on.
func meaning(err error) answer {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var network net.Error
	switch {
	case errors.As(err, &record):
		return plain
	case errors.As(err, &alert):
		return alertMeaning(uint8(alert))
	case strings.Contains(err.Error(), "remote error: tls:"):
		if strings.Contains(err.Error(), "certificate") && !strings.Contains(err.Error(), "unknown certificate authority") {
			return accepted
		}
		return refused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return dropped
	case errors.As(err, &network):
		return silent
	case strings.HasPrefix(err.Error(), "tls: "):
		return refused
	default:
		return silent
	}
}

func alertMeaning(a uint8) answer {
	switch a {
	case 41, 42, 43, 44, 45, 46, 48, 116: // about a client certificate
		return accepted
	}
	return refused
}

// lookTLS asks for each version by a connection of its own.
func (p *probe) lookTLS(ctx context.Context, f *fact.Endpoint) {
	state, a, err := p.handshake(ctx, tls.VersionTLS10, tls.VersionTLS13)
	if a == dropped {
		state, a, err = p.handshake(ctx, tls.VersionTLS10, tls.VersionTLS13)
	}
	switch a {
	case plain:
		if !startTLSPort(p.port) {
			f.TLS = fact.Some(false)
		}
		return
	case refused:
		f.TLS = fact.Some(true) // it said so, in TLS
		p.miss("the host speaks TLS and refuses every version tried")
		return
	case dropped:
		p.miss("the host closes each TLS handshake without a word")
		return
	case silent:
		if !startTLSPort(p.port) {
			_, d := connector.Honest(err)
			p.miss("TLS: " + d.Why)
		}
		return
	}
	f.TLS = fact.Some(true)
	if len(state.PeerCertificates) > 0 {
		p.certificate(state.PeerCertificates, f)
	}
	p.versions(ctx, state.Version, f)
}

func (p *probe) versions(ctx context.Context, known uint16, f *fact.Endpoint) {
	got, unsure := []string{}, false
	for _, v := range versions() {
		a := accepted
		if v.number != known || known == 0 {
			a = p.version(ctx, v.number, known)
		}
		switch a {
		case accepted:
			got = append(got, v.name)
		case silent:
			unsure = true
			p.miss("TLS " + v.name + ": the host did not answer in time")
		}
	}
	if slices.Contains(got, "1.0") || slices.Contains(got, "1.1") {
		f.LegacyTLS = fact.Some(true)
	}
	if slices.Contains(got, "1.3") {
		f.TLS13 = fact.Some(true)
	}
	if unsure || len(got) == 0 {
		return
	}
	f.TLSVersions = fact.Some(got)
	f.TLSMinVersion = fact.Some(got[0])
	f.LegacyTLS = fact.Some(got[0] == "1.0" || got[0] == "1.1")
	f.TLS13 = fact.Some(slices.Contains(got, "1.3"))
}

// version asks for one version. Many servers refuse one by closing the
// connection; that counts only if they do it twice and still answer a version
// that they speak, else the line was cut.
func (p *probe) version(ctx context.Context, v, known uint16) answer {
	_, a, _ := p.handshake(ctx, v, v)
	if a == silent {
		_, a, _ = p.handshake(ctx, v, v)
	}
	if a != dropped {
		if a == plain {
			return refused // an answer of a version older than TLS, or an error in plain words
		}
		return a
	}
	if _, again, _ := p.handshake(ctx, v, v); again != dropped && again != refused {
		return again
	}
	if _, control, _ := p.handshake(ctx, known, known); control == accepted {
		return refused
	}
	return silent
}

// certificate judges the chain apart from its dates and its name.
func (p *probe) certificate(chain []*x509.Certificate, f *fact.Endpoint) {
	leaf := chain[0]
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	f.CertNames = fact.Some(names)
	f.CertName = fact.Some(leaf.VerifyHostname(p.host) == nil)
	f.CertIssuer = fact.Some(issuer(leaf))
	f.CertSerial = fact.Some(fmt.Sprintf("%x", leaf.SerialNumber))
	f.CertNotBefore = fact.Some(leaf.NotBefore.UTC())
	kind, bits, strong := keyOf(leaf)
	f.CertKeyType = fact.SomeIf(kind, kind != "")
	f.CertKeyBits = fact.SomeIf(int64(bits), bits > 0)
	f.CertKeyStrong = fact.SomeIf(strong, kind != "")
	best, trusted := p.verify(chain)
	f.CertTrusted = trusted
	f.CertNotAfter = fact.Some(earliestEnd(best))
}

func issuer(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return strings.Join(c.Issuer.Organization, ", ")
}

func keyOf(c *x509.Certificate) (kind string, bits int, strong bool) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "rsa", k.N.BitLen(), k.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return "ecdsa", k.Params().BitSize, k.Params().BitSize >= 256
	case ed25519.PublicKey:
		return "ed25519", 256, true
	}
	return "", 0, false
}

// verify looks for a way to a trusted root: now, or, where something ended, at
// the last moment at which all that was presented was valid. It returns the
// chain whose end is latest, without its root.
func (p *probe) verify(chain []*x509.Certificate) ([]*x509.Certificate, fact.Opt[bool]) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	for _, at := range []time.Time{p.now(), earliestEnd(chain).Add(-time.Second), chain[0].NotAfter.Add(-time.Second), chain[0].NotBefore.Add(time.Second)} {
		found, err := chain[0].Verify(x509.VerifyOptions{Roots: p.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		if err == nil {
			return latest(found), fact.Some(true)
		}
		var roots x509.SystemRootsError
		if errors.As(err, &roots) {
			p.miss("this machine has no list of trusted roots")
			return chain[:1], fact.Opt[bool]{}
		}
	}
	return chain[:1], fact.Some(false)
}

func latest(chains [][]*x509.Certificate) []*x509.Certificate {
	var best []*x509.Certificate
	for _, c := range chains {
		if len(c) > 1 {
			c = c[:len(c)-1] // the root is trusted whatever its dates
		}
		if best == nil || earliestEnd(c).After(earliestEnd(best)) {
			best = c
		}
	}
	return best
}

func earliestEnd(chain []*x509.Certificate) time.Time {
	end := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end.UTC()
}
