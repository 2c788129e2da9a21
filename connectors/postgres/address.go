package postgres

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

// A mode is libpq's sslmode.
type mode string

// The modes. In none of the first three is the server's identity proven.
const (
	modeDisable    mode = "disable"
	modeAllow      mode = "allow"
	modePrefer     mode = "prefer"
	modeRequire    mode = "require"
	modeVerifyCA   mode = "verify-ca"
	modeVerifyFull mode = "verify-full"
)

// A target is what an address leads to.
type target struct {
	host     string // a name, an address, or the folder of a socket
	port     uint16
	user     string
	password string
	database string
	mode     mode
	roots    *x509.CertPool // nil: those of this machine
}

// id is how facts call the server: stable while its address is.
func (t target) id() string { return "postgres/" + t.name() }

func (t target) name() string {
	if t.socket() {
		return t.host + ":" + strconv.Itoa(int(t.port))
	}
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

func (t target) socket() bool { return strings.HasPrefix(t.host, "/") }

// targetOf reads the settings. No error quotes the address, which holds a password.
func targetOf(s connector.Settings) (target, error) {
	t, err := parseAddress(s.Text("url"))
	if err != nil {
		return target{}, fmt.Errorf("%w: url: %w", connector.ErrSettings, err)
	}
	ca := s.Text("ca")
	if ca == "" {
		return t, nil
	}
	if t.roots, err = parseRoots(ca); err != nil {
		return target{}, fmt.Errorf("%w: ca: %w", connector.ErrSettings, err)
	}
	if t.mode == modeRequire {
		t.mode = modeVerifyCA // as libpq does once it has an authority
	}
	return t, nil
}

func parseAddress(address string) (target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "" || u.Fragment != "" {
		return target{}, errors.New("must be an address such as postgres://prumo:PASSWORD@db.example.com:5432/app?sslmode=verify-full; write special characters of the password as %XX")
	}
	t := target{host: u.Hostname(), user: u.User.Username(), database: strings.TrimPrefix(u.Path, "/")}
	t.password, _ = u.User.Password()
	port := u.Port()
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, errors.New("what follows the question mark is not readable; write special characters as %XX")
	}
	for name, values := range q {
		v := values[len(values)-1]
		switch name {
		case "host":
			t.host = v
		case "port":
			port = v
		case "user":
			t.user = v
		case "password":
			t.password = v
		case "dbname":
			t.database = v
		case "sslmode":
			t.mode = mode(v)
		case "sslrootcert":
			if v != "system" {
				return target{}, errors.New("sslrootcert is not read from the address; put the certificates into the setting ca")
			}
			t.mode = modeVerifyFull
		case "application_name", "connect_timeout", "target_session_attrs", "gssencmode", "channel_binding":
		default:
			return target{}, fmt.Errorf("%.40q is not read from the address; leave it out", name)
		}
	}
	if strings.Contains(q.Get("sslmode"), "verify") {
		t.mode = mode(q.Get("sslmode"))
	}
	return t.whole(port)
}

// whole fills in what the address leaves out and refuses what cannot work.
func (t target) whole(port string) (target, error) {
	switch {
	case t.host == "":
		return t, errors.New("names no server")
	case strings.Contains(t.host, ","):
		return t, errors.New("names several servers; make a source of each, so that each is judged")
	case t.user == "":
		return t, errors.New("names no role; write it before the @")
	}
	switch t.mode {
	case "":
		t.mode = modePrefer
	case modeDisable, modeAllow, modePrefer, modeRequire, modeVerifyCA, modeVerifyFull:
	default:
		return t, errors.New("sslmode must be disable, allow, prefer, require, verify-ca or verify-full")
	}
	if t.database == "" {
		t.database = t.user
	}
	if port == "" {
		port = "5432"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return t, errors.New("the port must be a number from 1 to 65535")
	}
	t.port = uint16(n)
	for _, s := range []string{t.host, t.user, t.password, t.database} {
		if strings.ContainsRune(s, 0) {
			return t, errors.New("must hold no NUL")
		}
	}
	return t, nil
}

// parseRoots reads certificates in PEM. A form may have made one line of them.
func parseRoots(text string) (*x509.CertPool, error) {
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
