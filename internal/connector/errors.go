package connector

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of the client and the dialer, to be asked for with errors.Is.
var (
	// ErrHost means that a request, a redirect or a page link led to a host that is not the system's.
	ErrHost = errors.New("another host than the system's")
	// ErrNetwork means that an address lies in a network that the source may not reach.
	ErrNetwork = errors.New("the address lies in a network that this source may not reach")
	// ErrTooLarge means that an answer was longer than what is read.
	ErrTooLarge = errors.New("the answer is longer than the limit")
	// ErrCut means that an answer ended before its end.
	ErrCut = errors.New("the answer was cut short")
	// ErrFormat means that an answer was not in the form that the system documents.
	ErrFormat = errors.New("the answer is not in the documented form")
	// ErrCapped means that the system said that there is more than it gave.
	ErrCapped = errors.New("the system gave less than it says there is")
)

// A StatusError is an answer whose status is not one of success.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // as the system asked; zero: it did not
	Path       string        // of the request, without its query
	Body       []byte        // the first 4 KB, redacted, for the connector to read; not part of the message
}

// Error says the status and the path, and nothing that the system wrote.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s answered with status %d", e.Path, e.Status)
	if e.RetryAfter > 0 {
		s += fmt.Sprintf("; it asks to wait %s", e.RetryAfter)
	}
	return s
}

// A Redactor takes secrets out of texts.
type Redactor struct{ r *strings.Replacer }

// NewRedactor returns a Redactor of the secrets and of the forms in which they
// appear in addresses and in JSON. Texts shorter than three bytes are no
// secrets and stay.
func NewRedactor(secrets ...string) *Redactor {
	var pairs []string
	for _, s := range longestFirst(secretForms(secrets)) {
		pairs = append(pairs, s, "[secret]")
	}
	return &Redactor{r: strings.NewReplacer(pairs...)}
}

// Text returns s without the secrets.
func (r *Redactor) Text(s string) string { return r.r.Replace(s) }

// A callError is the failure of one call: its message is redacted and holds no
// query; what it wraps serves errors.Is and As.
type callError struct {
	msg   string
	cause error
}

func (e *callError) Error() string { return e.msg }
func (e *callError) Unwrap() error { return e.cause }
