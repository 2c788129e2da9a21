package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"

	"prumo.dev/prumo/internal/fact"
)

// Honest says what an error means for the scope in which it was met. Nothing
// that it returns holds an internal cause or a word of the system's answer.
// No error is a complete reading. A refusal is forbidden, and so is 404: the
// connector asks for things that it knows to exist, and many systems hide what
// they refuse. Everything else is partial.
func Honest(err error) (fact.Reading, Detail) {
	if err == nil {
		return fact.Complete, Detail{}
	}
	var se *StatusError
	if errors.As(err, &se) {
		return honestStatus(se)
	}
	return fact.Partial, Detail{Why: why(err)}
}

func honestStatus(e *StatusError) (fact.Reading, Detail) {
	d := Detail{Status: e.Status, RetryAfter: e.RetryAfter}
	switch {
	case e.Status == http.StatusUnauthorized:
		d.Why = "the system refused the credential"
		return fact.Forbidden, d
	case e.Status == http.StatusForbidden:
		d.Why = "the credential may not see this"
		return fact.Forbidden, d
	case e.Status == http.StatusNotFound:
		d.Why = "the system hides this from the credential, or it is gone"
		return fact.Forbidden, d
	case e.Status == http.StatusTooManyRequests:
		d.Why = "the system asks for fewer requests"
	case e.Status >= 500:
		d.Why = fmt.Sprintf("the system failed with status %d", e.Status)
	default:
		d.Why = fmt.Sprintf("the system answered with status %d", e.Status)
	}
	return fact.Partial, d
}

func why(err error) string {
	for _, w := range []struct {
		is   error
		text string
	}{
		{context.Canceled, "the reading was cancelled"},
		{ErrHost, "a link led to another host and was not followed"},
		{ErrNetwork, "the address lies in a network that this source may not reach"},
		{ErrTooLarge, "an answer was longer than the limit"},
		{ErrCapped, "the system gave less than it says there is"},
		{ErrFormat, "an answer was not in the documented form"},
		{context.DeadlineExceeded, "the system did not answer in time"},
		{ErrCut, "an answer was cut short"},
		{io.ErrUnexpectedEOF, "an answer was cut short"},
		{io.EOF, "the connection broke"},
	} {
		if errors.Is(err, w.is) {
			return w.text
		}
	}
	return whyNetwork(err)
}

func whyNetwork(err error) string {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var timeout net.Error
	var head textproto.ProtocolError
	switch {
	case errors.As(err, &dns):
		return "the name of the system could not be resolved"
	case errors.As(err, &cert):
		return "the certificate of the system was not accepted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the system did not answer in time"
	case errors.As(err, &op) && op.Op == "dial":
		return "the system could not be reached"
	case errors.As(err, &op):
		return "the connection broke"
	case errors.As(err, &head):
		return "an answer was cut short"
	default:
		return "the reading failed"
	}
}

// A Tally sums up what the reading of one scope met. Its zero value is the
// complete reading of nothing.
type Tally struct {
	detail   Detail
	refused  bool
	cutShort bool
	targeted string
}

// Add takes an error that was met, and reports whether there was one. The
// first one names the reason.
func (t *Tally) Add(err error) bool {
	if err == nil {
		return false
	}
	reading, d := Honest(err)
	if reading == fact.Forbidden {
		t.refused = true
		t.detail.Forbidden++
	} else {
		t.cutShort = true
	}
	if t.detail.Why == "" {
		t.detail.Why, t.detail.Status = d.Why, d.Status
	}
	t.detail.RetryAfter = max(t.detail.RetryAfter, d.RetryAfter)
	return true
}

// Missing takes an error for which a permission is known to be missing.
func (t *Tally) Missing(err error, permission string) bool {
	if t.detail.Permission == "" && permission != "" && Refused(err) {
		t.detail.Permission = permission
	}
	return t.Add(err)
}

// Of sets how many things the system says there are.
func (t *Tally) Of(n int) { t.detail.Of = n }

// Targeted notes that only some things of the scope were read again, so that
// it is partial although nothing failed.
func (t *Tally) Targeted(why string) { t.detail.Targeted, t.targeted = true, why }

// Result is what to close the scope with. What was cut short may be anything,
// so it outweighs what was refused.
func (t *Tally) Result() (fact.Reading, Detail) {
	switch {
	case t.cutShort:
		return fact.Partial, t.detail
	case t.refused:
		return fact.Forbidden, t.detail
	case t.targeted != "":
		d := t.detail
		d.Why = t.targeted
		return fact.Partial, d
	default:
		return fact.Complete, t.detail
	}
}

// Refused reports whether the system refused: an answer of 401, 403 or 404.
func Refused(err error) bool {
	reading, _ := Honest(err)
	return reading == fact.Forbidden
}
