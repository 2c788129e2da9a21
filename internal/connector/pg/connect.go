// Package pg connects to servers that speak PostgreSQL's protocol, for the
// connectors that do: by the dialler that they are given, with no help from
// the environment, in transactions that can write nothing, and with limits on
// what is taken.
//
// Start at Connect and Session.Ask; Honest says what an error means.
package pg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"prumo.dev/prumo/internal/connector"
)

// ConnectLimit is how long a connection may take to be opened.
const ConnectLimit = 15 * time.Second

const maxMessage = 16 << 20

// A Session is one connection to the server.
type Session struct {
	Conn   *pgx.Conn
	Target Target
	TLS    string // version in use; empty: the connection is in the clear
}

// Connect opens a connection as the target's mode says. Names are resolved
// where the dialler decides on addresses, and nothing is taken from the
// environment or from files of the account that Prumo runs as.
func Connect(ctx context.Context, run connector.Run, t Target) (*Session, error) {
	if run.Dial == nil {
		return nil, fmt.Errorf("%w: no way to open a connection was given", connector.ErrSettings)
	}
	ctx, cancel := context.WithTimeout(ctx, ConnectLimit)
	defer cancel()
	var last error
	for _, secure := range t.attempts() {
		s, err := connectOnce(ctx, run, t, secure)
		if err == nil {
			return s, nil
		}
		if last == nil || withoutTLS(last) || Refused(err) {
			last = err
		}
		if !fallsBack(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// attempts lists whether to encrypt, in the order in which it is tried.
func (t Target) attempts() []bool {
	switch {
	case t.Socket() || t.Mode == ModeDisable:
		return []bool{false}
	case t.Mode == ModeAllow:
		return []bool{false, true}
	case t.Mode == ModePrefer:
		return []bool{true, false}
	default:
		return []bool{true}
	}
}

// fallsBack reports that the other way of connecting may work: the server has
// no encryption, or an access rule asks for it. A server that cannot be reached
// or refuses the password will do so again.
func fallsBack(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code == codeRefused
	}
	var op *net.OpError
	return !errors.Is(err, connector.ErrNetwork) && !(errors.As(err, &op) && op.Op == "dial")
}

func connectOnce(ctx context.Context, run connector.Run, t Target, secure bool) (*Session, error) {
	cfg, err := t.config(run, secure)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Session{Conn: conn, Target: t}
	if c, ok := conn.PgConn().Conn().(*tls.Conn); ok {
		s.TLS = tls.VersionName(c.ConnectionState().Version)
	}
	return s, nil
}

func (t Target) config(run connector.Run, secure bool) (*pgx.ConnConfig, error) {
	// The fixed text keeps the parser from asking the environment, a service
	// file or a password file; every field of it is replaced.
	cfg, err := pgx.ParseConfig("host=h port=1 user=u password=p dbname=d sslmode=disable connect_timeout=15 passfile='' " +
		"sslrootcert='' sslcert='' sslkey='' sslcertmode=disable target_session_attrs=any channel_binding=prefer")
	if err != nil {
		return nil, fmt.Errorf("%w: the environment's PGSERVICE cannot be read; unset it", connector.ErrSettings)
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = t.Host, t.Port, t.User, t.Password, t.Database
	cfg.Fallbacks, cfg.ValidateConnect, cfg.SSLNegotiation = nil, nil, ""
	cfg.RuntimeParams = map[string]string{"application_name": "prumo", "client_encoding": "UTF8"}
	cfg.DialFunc = pgconn.DialFunc(run.Dial)
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.MaxProtocolMessageBodyLen = maxMessage
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.RequireAuth = ""
	if secure {
		cfg.TLSConfig = t.tlsConfig()
	}
	if !t.Socket() && (!secure || t.Mode == ModePrefer || t.Mode == ModeAllow) {
		cfg.RequireAuth = "!password" // only to whom the address trusts with it
	}
	return cfg, nil
}

func (t Target) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.Host, RootCAs: t.Roots}
	switch t.Mode {
	case ModeVerifyFull:
	case ModeVerifyCA:
		c.InsecureSkipVerify = true //nolint:gosec // the chain is verified below; the mode leaves the name out
		c.VerifyConnection = t.verifyChain
	default:
		c.InsecureSkipVerify = true //nolint:gosec // the mode asks for encryption without identity; the reading says so
	}
	return c
}

// verifyChain verifies all of the server's certificate but its name.
func (t Target) verifyChain(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return &tls.CertificateVerificationError{Err: errors.New("no certificate")}
	}
	o := x509.VerifyOptions{Roots: t.Roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := cs.PeerCertificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}

// InForce says how the connection is protected, where that is less than it could be.
func (s *Session) InForce() string {
	switch {
	case s.Target.Socket():
		return ""
	case s.TLS == "":
		return "this connection is not encrypted; once the server offers TLS, set sslmode=verify-full in the address"
	case s.Target.Mode == ModeVerifyFull:
		return ""
	case s.Target.Mode == ModeVerifyCA:
		return "the name in the server's certificate is not compared; set sslmode=verify-full in the address"
	default:
		return "this connection is encrypted but the server's certificate is not checked; set sslmode=verify-full in the address"
	}
}

// Close ends the connection.
func (s *Session) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.Conn.Close(ctx) // nothing was written; the server forgets us either way
}

// A Question is one query with its limits.
type Question struct {
	Text     string
	Guard    string // settings of its transaction, each with SET LOCAL
	MaxRows  int
	MaxBytes int
	// One says that the text comes from outside and must be one statement: two
	// could end the transaction that keeps it from writing.
	One bool
}

// Ask runs one query in a transaction of its own that can write nothing, and
// gives each row to scan. More rows than the limit are connector.ErrTooLarge.
func (s *Session) Ask(ctx context.Context, q Question, scan func(pgx.Rows) error) (err error) {
	if s.Conn.IsClosed() {
		return fmt.Errorf("ask: %w", connector.ErrCut)
	}
	if _, err := s.Conn.PgConn().Exec(ctx, "BEGIN READ ONLY;"+q.Guard).ReadAll(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if s.Conn.IsClosed() {
			return
		}
		if _, e := s.Conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); err == nil && e != nil {
			err = fmt.Errorf("end: %w", e)
		}
	}()
	var how []any
	if q.One {
		how = append(how, pgx.QueryExecModeExec)
	}
	rows, err := s.Conn.Query(ctx, q.Text, how...)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer rows.Close()
	n, size := 0, 0
	for rows.Next() {
		n++
		for _, v := range rows.RawValues() {
			size += len(v)
		}
		if n > q.MaxRows || size > q.MaxBytes {
			return fmt.Errorf("row %d: %w", n, connector.ErrTooLarge)
		}
		if err := scan(rows); err != nil {
			return fmt.Errorf("row %d: %w", n, errors.Join(connector.ErrFormat, err))
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}
