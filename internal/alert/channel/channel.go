// Package channel is the contract between alerts and the ways by which they
// leave: what a message is, whom it is for, and what a channel must do with
// it. A channel never decides who is told; it carries.
//
// Start at Channel. Each channel is one folder beside this one and one line in
// the list of package alert.
package channel

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gopkg.in/yaml.v3"
)

// A Channel is one way out. Its methods may be called from many goroutines.
//
// Target reads what a route says under the channel's name and answers whom it
// means; an error is a Problem that names the field. Send hands one message
// over and returns nil only when the other side accepted it. A Failure that is
// not temporary ends the retries. Send must respect ctx and must send the same
// id whenever it is given the same dispatch. Close frees what is kept between
// messages.
type Channel interface {
	Name() string
	Target(to *yaml.Node, secret Secret) (Target, error)
	Send(ctx context.Context, d Dispatch) error
	Close() error
}

// A Secret reads a secret setting: plain text, or a reference that only the
// machine's own file may hold ({env: NAME}, {file: PATH}).
type Secret func(*yaml.Node) (string, error)

// A Target is what a route names on one channel.
type Target struct {
	Receivers []Receiver `json:"receivers,omitempty"`
	Owner     bool       `json:"owner,omitempty"` // and the owner of the finding
}

// A Receiver is one who is told.
type Receiver struct {
	Key    string          `json:"key"`   // the same receiver has the same key in every route
	Label  string          `json:"label"` // what people see; holds no secret
	Config json.RawMessage `json:"-"`     // what the channel needs to reach it; may hold secrets, is stored sealed
}

// A Message is what is told, in the forms that channels carry.
type Message struct {
	Lang    string
	Subject string
	Text    string
	HTML    string
	Payload json.RawMessage // for programs
	Drill   bool
	Kind    string // failing, recovered, stale, excepted, test; others may come
	Worst   string // the worst severity that it names: low, medium, high, critical; "" none
	Card    Card   // for channels that lay it out themselves
}

// A Dispatch is one message on its way to one receiver.
type Dispatch struct {
	ID        string   // of the delivery: the same on every repeat
	MessageID string   // the mail's id, without angle brackets: the same on every repeat
	Thread    []string // ids of the mails that it answers, oldest first
	Receiver  Receiver
	Message   Message
	At        time.Time // of the event
	Now       time.Time // of this attempt

	// Cases are what the message is about, for a Keeper: one where it fails, one
	// or more where it recovers.
	Cases []Case
	// Remember notes what the other side called a case, so that later messages
	// about it carry the note. A Keeper calls it as soon as it knows.
	Remember func(ctx context.Context, key, note string) error
}

// A Case is what one first message opened at the other side: an incident, a
// ticket. Its key is made of the cause, the channel, the receiver and the
// detail: later messages about the same findings carry the same key, whatever
// became of the process in between.
type Case struct {
	Key  string
	Left int       // findings of it that are still open, read at this attempt
	Note string    // what Remember noted; "" nothing, or the record was lost
	At   time.Time // when its first finding was seen
}

// A Keeper is a channel whose first message opens something at the other side
// that a recovery closes. Its messages about one case leave in their order,
// and it carries nothing but findings, silent sources and tests.
type Keeper interface {
	Channel
	Keeps() bool
}

// Keeps reports whether a channel is a Keeper.
func Keeps(c Channel) bool {
	k, ok := c.(Keeper)
	return ok && k.Keeps()
}

// A Failure says in plain words why a message was not accepted. It is shown to
// people: it holds no secret and no internal cause.
type Failure struct {
	Plain     string        // a sentence without a full stop
	Temporary bool          // another attempt may succeed
	Gone      bool          // the receiver wants no further message at all
	After     time.Duration // how long the receiver asks to be left alone; 0: it did not say
	Err       error         // for the log
}

// Error returns the plain words.
func (f *Failure) Error() string { return f.Plain }

// Unwrap returns the cause, for the log.
func (f *Failure) Unwrap() error { return f.Err }

// After returns how long the receiver asked to be left alone; 0: it did not say.
func After(err error) time.Duration {
	var f *Failure
	if errors.As(err, &f) {
		return f.After
	}
	return 0
}

// Gone reports whether the receiver wants no further message at all.
func Gone(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Gone
}

// Plain returns the words that people may see of any error, and whether
// another attempt may succeed.
func Plain(err error) (words string, temporary bool) {
	var f *Failure
	switch {
	case errors.As(err, &f):
		return f.Plain, f.Temporary
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time", true
	default:
		return "it could not be sent; the log says more", true
	}
}
