package postgres

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

// honest says what an error means for a scope; none of the server's words get out.
func honest(err error) (fact.Reading, connector.Detail) {
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

// passing reports an error that says nothing about the thing itself: a fact is
// then left as it was last seen.
func passing(err error) bool {
	r, _ := honest(err)
	return err != nil && r != fact.Forbidden
}

// refused reports that the server refused to show something.
func refused(err error) bool {
	r, _ := honest(err)
	return r == fact.Forbidden
}

// A tally sums up what the reading of one scope met.
type tally struct {
	detail  connector.Detail
	reading fact.Reading // empty: nothing was met
}

// add takes an error and the grant that it says is missing, and reports whether
// there was an error. What was cut short outweighs what was refused.
func (y *tally) add(err error, grant string) bool {
	if err == nil {
		return false
	}
	r, d := honest(err)
	if r == fact.Forbidden {
		y.lacks(d.Why, grant)
	} else {
		if y.reading != fact.Partial {
			y.detail.Why = d.Why
		}
		y.reading = fact.Partial
		y.detail.RetryAfter = max(y.detail.RetryAfter, d.RetryAfter)
	}
	return true
}

// lacks notes that something was not shown.
func (y *tally) lacks(why, grant string) {
	y.detail.Forbidden++
	if y.reading == "" {
		y.reading, y.detail.Why = fact.Forbidden, why
	}
	if y.detail.Permission == "" {
		y.detail.Permission = grant
	}
}

// note adds a remark to a scope that was read well otherwise.
func (y *tally) note(why string) {
	if why == "" {
		return
	}
	if y.detail.Why != "" {
		why = y.detail.Why + "; " + why
	}
	y.detail.Why = why
}

func (y *tally) result() (fact.Reading, connector.Detail) {
	if y.reading == "" {
		return fact.Complete, y.detail
	}
	return y.reading, y.detail
}
