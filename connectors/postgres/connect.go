package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"prumo.dev/prumo/internal/connector"
)

// Limits of one reading. They bound what we cost the server and what a hostile
// one can cost us.
const (
	readLimit    = time.Minute
	connectLimit = 15 * time.Second
	maxMessage   = 16 << 20
	maxRows      = 200_000
	maxAnswer    = 64 << 20
)

// A session is one connection to the server.
type session struct {
	conn   *pgx.Conn
	target target
	tls    string // version in use; empty: the connection is in the clear
}

// connect opens a connection as the target's mode says. Names are resolved
// where the dialler decides on addresses, and nothing is taken from the
// environment or from files of the account that Prumo runs as.
func connect(ctx context.Context, run connector.Run, t target) (*session, error) {
	if run.Dial == nil {
		return nil, fmt.Errorf("%w: no way to open a connection was given", connector.ErrSettings)
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	var last error
	for _, secure := range t.attempts() {
		s, err := connectOnce(ctx, run, t, secure)
		if err == nil {
			return s, nil
		}
		if last == nil || withoutTLS(last) || refused(err) {
			last = err
		}
		if !fallsBack(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// attempts lists whether to encrypt, in the order in which it is tried.
func (t target) attempts() []bool {
	switch {
	case t.socket() || t.mode == modeDisable:
		return []bool{false}
	case t.mode == modeAllow:
		return []bool{false, true}
	case t.mode == modePrefer:
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

func connectOnce(ctx context.Context, run connector.Run, t target, secure bool) (*session, error) {
	cfg, err := t.config(run, secure)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, target: t}
	if c, ok := conn.PgConn().Conn().(*tls.Conn); ok {
		s.tls = tls.VersionName(c.ConnectionState().Version)
	}
	return s, nil
}

func (t target) config(run connector.Run, secure bool) (*pgx.ConnConfig, error) {
	// The fixed text keeps the parser from asking the environment, a service
	// file or a password file; every field of it is replaced.
	cfg, err := pgx.ParseConfig("host=h port=1 user=u password=p dbname=d sslmode=disable connect_timeout=15 passfile='' " +
		"sslrootcert='' sslcert='' sslkey='' sslcertmode=disable target_session_attrs=any channel_binding=prefer")
	if err != nil {
		return nil, fmt.Errorf("%w: the environment's PGSERVICE cannot be read; unset it", connector.ErrSettings)
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = t.host, t.port, t.user, t.password, t.database
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
	if !t.socket() && (!secure || t.mode == modePrefer || t.mode == modeAllow) {
		cfg.RequireAuth = "!password" // only to whom the address trusts with it
	}
	return cfg, nil
}

func (t target) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.host, RootCAs: t.roots}
	switch t.mode {
	case modeVerifyFull:
	case modeVerifyCA:
		c.InsecureSkipVerify = true //nolint:gosec // the chain is verified below; the mode leaves the name out
		c.VerifyConnection = t.verifyChain
	default:
		c.InsecureSkipVerify = true //nolint:gosec // the mode asks for encryption without identity; the reading says so
	}
	return c
}

// verifyChain verifies all of the server's certificate but its name.
func (t target) verifyChain(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return &tls.CertificateVerificationError{Err: errors.New("no certificate")}
	}
	o := x509.VerifyOptions{Roots: t.roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := cs.PeerCertificates[0].Verify(o); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}

// inForce says how the connection is protected, where that is less than it could be.
func (s *session) inForce() string {
	switch {
	case s.target.socket():
		return ""
	case s.tls == "":
		return "this connection is not encrypted; once the server offers TLS, set sslmode=verify-full in the address"
	case s.target.mode == modeVerifyFull:
		return ""
	case s.target.mode == modeVerifyCA:
		return "the name in the server's certificate is not compared; set sslmode=verify-full in the address"
	default:
		return "this connection is encrypted but the server's certificate is not checked; set sslmode=verify-full in the address"
	}
}

func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // nothing was written; the server forgets us either way
}

// guard makes each question a transaction of its own that can write nothing,
// finds only the system's own names and ends by itself.
const guard = `BEGIN READ ONLY;
SET LOCAL search_path = pg_catalog;
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '2s';
SET LOCAL idle_in_transaction_session_timeout = '30s';
SET LOCAL TimeZone = 'UTC'`

// ask runs one query and gives each row to scan.
func (s *session) ask(ctx context.Context, query string, scan func(pgx.Rows) error) (err error) {
	if s.conn.IsClosed() {
		return fmt.Errorf("ask: %w", connector.ErrCut)
	}
	if _, err := s.conn.PgConn().Exec(ctx, guard).ReadAll(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if s.conn.IsClosed() {
			return
		}
		if _, e := s.conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); err == nil && e != nil {
			err = fmt.Errorf("end: %w", e)
		}
	}()
	rows, err := s.conn.Query(ctx, query)
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
		if n > maxRows || size > maxAnswer {
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

// clean makes text of the server fit to be kept: a database in SQL_ASCII may
// hold any bytes.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
