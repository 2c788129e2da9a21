package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"prumo.dev/prumo/internal/connector"
)

const (
	pageSize   = 500
	maxPages   = 4000
	maxAnswer  = 64 << 20 // bytes of one page
	defaultLim = 20 * time.Second
)

// A target is where the directory is and how it is spoken to.
type target struct {
	host     string // with its port
	name     string // for the certificate
	overTLS  bool   // ldaps
	startTLS bool
	roots    *x509.CertPool // nil: the machine's own
	bindDN   string
	password string
	base     string
	patience time.Duration
}

func newTarget(run connector.Run) (target, error) {
	s := run.Settings
	u, err := url.Parse(s.Text("url"))
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" || run.Dial == nil {
		return target{}, fmt.Errorf("%w: url must be an address such as ldaps://directory.example.com", connector.ErrSettings)
	}
	t := target{
		name: u.Hostname(), overTLS: u.Scheme == "ldaps", startTLS: u.Scheme == "ldap" && !s.Bool("plain"),
		bindDN: s.Text("bind_dn"), password: s.Text("password"), base: s.Text("base"), patience: defaultLim,
	}
	if t.bindDN != "" && t.password == "" {
		// RFC 4513: a name without a password is an anonymous bind that looks like a good one.
		return target{}, fmt.Errorf("%w: password is missing; set it, or leave bind_dn out to read without signing in", connector.ErrSettings)
	}
	if _, err := goldap.ParseDN(t.base); err != nil {
		return target{}, fmt.Errorf("%w: base must be a name such as dc=example,dc=com", connector.ErrSettings)
	}
	if n := s.Int("patience"); n > 0 {
		t.patience = time.Duration(min(n, 600)) * time.Second
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "636", false: "389"}[t.overTLS]
	}
	t.host = net.JoinHostPort(t.name, port)
	if pem := s.Text("ca"); pem != "" {
		t.roots = x509.NewCertPool()
		if !t.roots.AppendCertsFromPEM([]byte(pem)) {
			return target{}, fmt.Errorf("%w: ca holds no certificate in PEM", connector.ErrSettings)
		}
	}
	return t, nil
}

// A conn is one connection. It is not safe for concurrent use.
type conn struct {
	ldap *goldap.Conn
	link *link
	wait time.Duration
	stop func() bool
}

// Dial connects, over TLS unless the settings say otherwise, and does not sign in.
func (t target) dial(ctx context.Context, dial connector.Dialer) (*conn, error) {
	raw, err := dial(ctx, "tcp", t.host)
	if err != nil {
		return nil, fmt.Errorf("reach the directory: %w", err)
	}
	l := &link{Conn: raw}
	c := &conn{link: l, wait: t.patience}
	// Nothing of go-ldap takes a context: closing the socket ends whatever waits.
	c.stop = context.AfterFunc(ctx, func() { _ = raw.Close() })
	secure := &tls.Config{ServerName: t.name, RootCAs: t.roots, MinVersion: tls.VersionTLS12}
	l.allow(t.patience)
	defer l.rest()
	if t.overTLS {
		s := tls.Client(l, secure)
		if err := s.HandshakeContext(ctx); err != nil {
			c.close()
			return nil, fmt.Errorf("encrypt the connection: %w", l.cause(err))
		}
		c.ldap = goldap.NewConn(s, true)
	} else {
		c.ldap = goldap.NewConn(l, false)
	}
	c.ldap.SetTimeout(t.patience + time.Second)
	c.ldap.Start()
	if t.startTLS {
		if err := c.ldap.StartTLS(secure); err != nil {
			err = c.unencrypted(err)
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// errNoTLS means that the directory offers no encryption where it was asked for.
var errNoTLS = errors.New("the directory offers no encryption; use ldaps, or set it up")

// unencrypted tells why StartTLS failed. go-ldap keeps only the text of what was
// wrong with a certificate.
func (c *conn) unencrypted(err error) error {
	if code(err) != goldap.ErrorNetwork {
		return fmt.Errorf("encrypt the connection: %w", errNoTLS)
	}
	if strings.Contains(err.Error(), "failed to verify certificate") {
		return fmt.Errorf("encrypt the connection: %w", &tls.CertificateVerificationError{Err: errors.New("it was not accepted")})
	}
	return c.meaning("encrypt the connection", err)
}

// open connects and signs in.
func (t target) open(ctx context.Context, dial connector.Dialer) (*conn, error) {
	c, err := t.dial(ctx, dial)
	if err != nil || t.bindDN == "" {
		return c, err
	}
	c.link.allow(c.wait)
	defer c.link.rest()
	if err := c.ldap.Bind(t.bindDN, t.password); err != nil {
		err = c.meaning("sign in", err)
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() {
	c.stop()
	_ = c.link.Conn.Close() // first, so that nothing below waits for the other side
	if c.ldap != nil {
		_ = c.ldap.Close()
	}
}

// A query is one search, of the whole subtree unless it says base.
type query struct {
	base   string
	only   bool // the entry itself
	filter string
	attrs  []string
	pages  int // 0: all
}

// search gives take the entries page by page. Entries that came before an error
// are given too. more reports that the pages ended before the entries did.
func (c *conn) search(q query, take func(*goldap.Entry) error) (more bool, err error) {
	req := &goldap.SearchRequest{BaseDN: q.base, Scope: goldap.ScopeWholeSubtree, DerefAliases: goldap.NeverDerefAliases, Filter: q.filter, Attributes: q.attrs}
	if q.filter == "" {
		req.Filter = "(objectClass=*)"
	}
	paging := goldap.NewControlPaging(pageSize)
	if q.only {
		req.Scope = goldap.ScopeBaseObject
	} else {
		req.Controls = []goldap.Control{paging}
	}
	elsewhere := false
	for page := 1; page <= maxPages; page++ {
		c.link.allow(c.wait)
		res, err := c.ldap.Search(req)
		c.link.rest()
		if res != nil {
			for _, e := range res.Entries {
				if err := take(e); err != nil {
					return false, err
				}
			}
			elsewhere = elsewhere || hidesAccounts(res.Referrals)
		}
		if err != nil {
			return false, c.meaning("search", err)
		}
		next, _ := goldap.FindControl(res.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if next == nil || len(next.Cookie) == 0 {
			return false, referred(elsewhere)
		}
		if q.pages > 0 && page >= q.pages {
			return true, referred(elsewhere)
		}
		paging.SetCookie(next.Cookie)
	}
	return true, fmt.Errorf("search: more than %d pages: %w", maxPages, connector.ErrCapped)
}

func referred(elsewhere bool) error {
	if elsewhere {
		return fmt.Errorf("search: a part of the directory is on another server: %w", connector.ErrHost)
	}
	return nil
}

// hidesAccounts reports a reference to another server that may hold accounts.
// Active Directory always names the three partitions that hold none.
func hidesAccounts(referrals []string) bool {
	for _, r := range referrals {
		u, err := url.Parse(r)
		if err != nil {
			return true
		}
		dn := strings.ToLower(strings.TrimPrefix(u.Path, "/"))
		if !strings.HasPrefix(dn, "dc=domaindnszones,") && !strings.HasPrefix(dn, "dc=forestdnszones,") && !strings.HasPrefix(dn, "cn=configuration,") {
			return true
		}
	}
	return false
}

// one reads the first entry of a search, or nil.
func (c *conn) one(q query) (*goldap.Entry, error) {
	var found *goldap.Entry
	q.only = true
	_, err := c.search(q, func(e *goldap.Entry) error { found = e; return nil })
	return found, err
}

// meaning turns an error of go-ldap into one of the connector's, which says
// nothing that the directory wrote.
func (c *conn) meaning(doing string, err error) error {
	var le *goldap.Error
	if !errors.As(err, &le) {
		return fmt.Errorf("%s: %w", doing, c.link.cause(connector.ErrFormat))
	}
	refused := func(status int) error { return &connector.StatusError{Status: status, Path: "the directory"} }
	switch le.ResultCode {
	case goldap.LDAPResultInvalidCredentials, goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultAuthMethodNotSupported:
		return refused(http.StatusUnauthorized)
	case goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultStrongAuthRequired, goldap.LDAPResultConfidentialityRequired,
		goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultAuthorizationDenied, goldap.LDAPResultOperationsError:
		return refused(http.StatusForbidden)
	case goldap.LDAPResultNoSuchObject:
		return refused(http.StatusNotFound)
	case goldap.LDAPResultBusy, goldap.LDAPResultUnavailable, goldap.LDAPResultOther:
		return refused(http.StatusServiceUnavailable)
	case goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultAdminLimitExceeded:
		return fmt.Errorf("%s: %w", doing, connector.ErrCapped)
	case goldap.LDAPResultTimeLimitExceeded:
		return fmt.Errorf("%s: %w", doing, context.DeadlineExceeded)
	case goldap.LDAPResultReferral:
		return fmt.Errorf("%s: %w", doing, connector.ErrHost)
	case goldap.ErrorNetwork:
		return fmt.Errorf("%s: %w", doing, c.link.cause(le.Err))
	default:
		return fmt.Errorf("%s: result %d: %w", doing, le.ResultCode, connector.ErrFormat)
	}
}

// code is the directory's result code, or -1.
func code(err error) int {
	var le *goldap.Error
	if errors.As(err, &le) {
		return int(le.ResultCode)
	}
	return -1
}

// A link bounds what one answer may cost: its bytes and its time. go-ldap reads
// in a goroutine of its own and keeps the text of an error only, so the link
// remembers the error itself.
type link struct {
	net.Conn

	mu   sync.Mutex // guards what follows
	left int64
	err  error
}

func (l *link) allow(wait time.Duration) {
	l.mu.Lock()
	l.left = maxAnswer
	l.mu.Unlock()
	_ = l.SetDeadline(time.Now().Add(wait)) // a socket's deadline is the machine's time
}

// rest lets the connection wait between requests.
func (l *link) rest() { _ = l.SetDeadline(time.Time{}) }

// Read implements net.Conn.
func (l *link) Read(b []byte) (int, error) {
	l.mu.Lock()
	left := l.left
	l.mu.Unlock()
	if left <= 0 {
		return 0, l.remember(connector.ErrTooLarge)
	}
	n, err := l.Conn.Read(b[:min(int64(len(b)), left)])
	l.mu.Lock()
	l.left -= int64(n)
	l.mu.Unlock()
	return n, l.remember(err)
}

func (l *link) remember(err error) error {
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	return err
}

// cause is the first error of the socket, or otherwise.
func (l *link) cause(otherwise error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var timeout net.Error
	switch {
	case l.err == nil:
		return otherwise
	case errors.Is(l.err, io.EOF):
		return connector.ErrCut
	case errors.As(l.err, &timeout) && timeout.Timeout():
		return context.DeadlineExceeded
	default:
		return l.err
	}
}
