package pg

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// A Mode is libpq's sslmode.
type Mode string

// The modes. In none of the first three is the server's identity proven.
const (
	ModeDisable    Mode = "disable"
	ModeAllow      Mode = "allow"
	ModePrefer     Mode = "prefer"
	ModeRequire    Mode = "require"
	ModeVerifyCA   Mode = "verify-ca"
	ModeVerifyFull Mode = "verify-full"
)

// A Target is what an address leads to.
type Target struct {
	Host     string // a name, an address, or the folder of a socket
	Port     uint16
	User     string
	Password string
	Database string
	Mode     Mode
	Roots    *x509.CertPool // nil: those of this machine
}

// ID is how facts call the server: stable while its address is.
func (t Target) ID() string { return "postgres/" + t.Name() }

// Name is host and port.
func (t Target) Name() string {
	if t.Socket() {
		return t.Host + ":" + strconv.Itoa(int(t.Port))
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Socket reports that the server is reached by a socket of this machine.
func (t Target) Socket() bool { return strings.HasPrefix(t.Host, "/") }

// TargetOf reads the settings url and ca. No error quotes the address, which holds a password.
func TargetOf(s connector.Settings) (Target, error) {
	t, err := ParseAddress(s.Text("url"))
	if err != nil {
		return Target{}, fmt.Errorf("%w: url: %w", connector.ErrSettings, err)
	}
	ca := s.Text("ca")
	if ca == "" {
		return t, nil
	}
	if t.Roots, err = ParseRoots(ca); err != nil {
		return Target{}, fmt.Errorf("%w: ca: %w", connector.ErrSettings, err)
	}
	if t.Mode == ModeRequire {
		t.Mode = ModeVerifyCA // as libpq does once it has an authority
	}
	return t, nil
}

// ParseAddress reads an address; its errors never quote it, since it holds a password.
func ParseAddress(address string) (Target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Fragment != "" {
		return Target{}, errors.New("must be an address such as postgres://prumo:PASSWORD@db.example.com:5432/app?sslmode=verify-full; write special characters of the password as %XX")
	}
	t := Target{Host: u.Hostname(), User: u.User.Username(), Database: strings.TrimPrefix(u.Path, "/")}
	t.Password, _ = u.User.Password()
	port := u.Port()
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Target{}, errors.New("what follows the question mark is not readable; write special characters as %XX")
	}
	for name, values := range q {
		v := values[len(values)-1]
		switch name {
		case "host":
			t.Host = v
		case "port":
			port = v
		case "user":
			t.User = v
		case "password":
			t.Password = v
		case "dbname":
			t.Database = v
		case "sslmode":
			t.Mode = Mode(v)
		case "sslrootcert":
			if v != "system" {
				return Target{}, errors.New("sslrootcert is not read from the address; put the certificates into the setting ca")
			}
			t.Mode = ModeVerifyFull
		case "application_name", "connect_timeout", "target_session_attrs", "gssencmode", "channel_binding":
		default:
			return Target{}, fmt.Errorf("%.40q is not read from the address; leave it out", name)
		}
	}
	if strings.Contains(q.Get("sslmode"), "verify") {
		t.Mode = Mode(q.Get("sslmode"))
	}
	return t.whole(port)
}

// whole fills in what the address leaves out and refuses what cannot work.
func (t Target) whole(port string) (Target, error) {
	switch {
	case t.Host == "":
		return t, errors.New("names no server")
	case strings.Contains(t.Host, ","):
		return t, errors.New("names several servers; make a source of each, so that each is judged")
	case t.User == "":
		return t, errors.New("names no role; write it before the @")
	}
	switch t.Mode {
	case "":
		t.Mode = ModePrefer
	case ModeDisable, ModeAllow, ModePrefer, ModeRequire, ModeVerifyCA, ModeVerifyFull:
	default:
		return t, errors.New("sslmode must be disable, allow, prefer, require, verify-ca or verify-full")
	}
	if t.Database == "" {
		t.Database = t.User
	}
	if port == "" {
		port = "5432"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return t, errors.New("the port must be a number from 1 to 65535")
	}
	t.Port = uint16(n)
	for _, s := range []string{t.Host, t.User, t.Password, t.Database} {
		if strings.ContainsRune(s, 0) {
			return t, errors.New("must hold no NUL")
		}
	}
	return t, nil
}

// ParseRoots reads certificates in PEM. A form may have made one line of them.
func ParseRoots(text string) (*x509.CertPool, error) {
	const begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
	pool := x509.NewCertPool()
	found := 0
	for rest := text; ; {
		_, after, ok := strings.Cut(rest, begin)
		if !ok {
			break
		}
		body, next, ok := strings.Cut(after, end)
		if !ok {
			return nil, errors.New("a certificate has no end")
		}
		rest = next
		lines := begin + "\n" + strings.Join(strings.Fields(body), "\n") + "\n" + end + "\n"
		block, _ := pem.Decode([]byte(lines))
		if block == nil {
			return nil, errors.New("a certificate is not in PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate is not readable")
		}
		pool.AddCert(cert)
		found++
	}
	if found == 0 {
		return nil, errors.New("must hold a certificate in PEM, from BEGIN CERTIFICATE on; in prumo.yaml write {file: ca.pem}")
	}
	return pool, nil
}
