package pg

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Codes of PostgreSQL's errors that say more than "it failed".
const (
	codePassword   = "28P01"
	codeRefused    = "28000" // no access rule for us, or the role may not sign in
	codePrivilege  = "42501"
	codeNoDatabase = "3D000"
	codeFull       = "53300"
	codeTimeout    = "57014"
	codeLocked     = "55P03"
)

// Honest says what an error means for a scope; none of the server's words get out.
func Honest(err error) (fact.Reading, connector.Detail) {
	var pe *pgconn.PgError
	var large *pgproto3.ExceededMaxBodyLenErr
	switch {
	case err == nil:
		return fact.Complete, connector.Detail{}
	case errors.As(err, &pe):
		return honestCode(pe.Code)
	case errors.Is(err, connector.ErrNetwork), errors.Is(err, connector.ErrTooLarge), errors.Is(err, connector.ErrFormat):
		return connector.Honest(err)
	case errors.Is(err, connector.ErrSettings):
		return fact.Partial, connector.Detail{Why: "the settings, or PGSERVICE in Prumo's environment, cannot work"}
	case errors.As(err, &large):
		return connector.Honest(connector.ErrTooLarge)
	}
	// pgconn has no values for these; its words are its own and fixed.
	switch text := err.Error(); {
	case withoutTLS(err):
		return fact.Partial, connector.Detail{Why: "the server offers no encryption and the address asks for it"}
	case strings.Contains(text, "require_auth check failed"):
		return fact.Partial, connector.Detail{Why: "the server asks for the password itself over a connection that is not encrypted or not checked; it was not sent"}
	}
	r, d := connector.Honest(err)
	if d.Why == "the reading failed" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		d.Why = "the connection broke"
	}
	return r, d
}

// withoutTLS reports that the server offers no encryption.
func withoutTLS(err error) bool {
	return strings.Contains(err.Error(), "server refused TLS connection")
}

func honestCode(code string) (fact.Reading, connector.Detail) {
	d := connector.Detail{}
	switch {
	case code == codePassword:
		d.Why = "the server refused the role or its password"
		return fact.Forbidden, d
	case code == codeRefused || code == "28P02":
		d.Why = "the server refused the role: no access rule lets it in from here, or it may not sign in"
		return fact.Forbidden, d
	case code == codePrivilege:
		d.Why = "the role may not see this"
		return fact.Forbidden, d
	case code == codeNoDatabase:
		d.Why = "the database that the address names does not exist"
	case code == codeFull:
		d.Why, d.RetryAfter = "the server has no connection left", 30*time.Second
	case code == codeTimeout:
		d.Why = "the server did not answer in time"
	case code == codeLocked:
		d.Why = "what was asked for is locked by somebody else"
	case strings.HasPrefix(code, "57P"):
		d.Why, d.RetryAfter = "the server is starting or stopping", 30*time.Second
	case strings.HasPrefix(code, "42"):
		d.Why = "the server does not know what was asked; its release may be too old"
	default:
		d.Why = "the server failed with code " + safeCode(code)
	}
	return fact.Partial, d
}

// safeCode lets nothing through that is not a code.
func safeCode(code string) string {
	if len(code) != 5 || strings.Trim(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "unknown"
	}
	return code
}

// Passing reports an error that says nothing about the thing itself: a fact is
// then left as it was last seen.
func Passing(err error) bool {
	r, _ := Honest(err)
	return err != nil && r != fact.Forbidden
}

// Refused reports that the server refused to show something.
func Refused(err error) bool {
	r, _ := Honest(err)
	return r == fact.Forbidden
}
