package channel

import (
	"context"
	"strings"
	"time"
)

// What a message tells, as Message.Kind says it.
const (
	KindFailing   = "failing"
	KindRecovered = "recovered"
	KindExcepted  = "excepted"
	KindStale     = "stale"
	KindTest      = "test"
)

// caseRoom is how much time must be left to begin another case.
const caseRoom = 2 * time.Second

// EachCase does something with each case of the dispatch, in order, and notes
// how far it came: a repeat of the same dispatch goes on where it was cut off.
// do gets the case with what was noted of it before (a ticket's number; "" for
// nothing) and answers what to note.
func EachCase(ctx context.Context, d Dispatch, do func(ctx context.Context, c Case) (note string, err error)) error {
	if len(d.Cases) == 0 {
		return &Failure{Plain: "this channel carries findings, silent sources and tests only"}
	}
	for _, c := range d.Cases {
		note, last, _ := strings.Cut(c.Note, " ")
		if last == d.ID && last != "" {
			continue
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < caseRoom {
			return &Failure{Plain: "the message is about more than one attempt can carry; the next one goes on", Temporary: true}
		}
		c.Note = note
		note, err := do(ctx, c)
		if err != nil {
			return err
		}
		if d.Remember == nil {
			continue
		}
		if err := d.Remember(ctx, c.Key, note+" "+d.ID); err != nil {
			return err
		}
	}
	return nil
}

// Closes reports whether the case is over once this message was told: nothing
// of it is open any more, or it was a test.
func Closes(d Dispatch, c Case) bool { return d.Message.Kind == KindTest || c.Left == 0 }
