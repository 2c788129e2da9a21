// Package ticket is what the channels that open issues have in common: one
// issue a case, opened with what fails, commented where a part recovers or
// something fails again, and closed with its last finding. The number
// is remembered; where that record was lost, the issue is found by a mark in
// its text, so that no repeat opens a second one. Start at Send.
package ticket

import (
	"context"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// A System is where issues are kept. Numbers are as the system writes them,
// without a space.
//
// Find returns the number of the oldest issue with the mark that was opened
// since then, or "". Open opens one whose text holds the mark. Comment adds one
// unless a comment with the mark is there. SetOpen opens or closes; doing it
// twice changes nothing. A system that says that an issue was deleted for good
// is answered with ErrDeleted.
type System interface {
	Find(ctx context.Context, mark string, since time.Time) (number string, err error)
	Open(ctx context.Context, mark string, c channel.Card) (number string, err error)
	Comment(ctx context.Context, number, mark string, since time.Time, c channel.Card) error
	SetOpen(ctx context.Context, number string, open bool) error
}

// slack is how far two clocks may be apart.
const slack = time.Hour

// Send does with the issues of a dispatch what its message tells.
func Send(ctx context.Context, d channel.Dispatch, s System) error {
	return channel.EachCase(ctx, d, func(ctx context.Context, c channel.Case) (string, error) {
		number, err := one(ctx, d, c, s)
		if isDeleted(err) {
			return "", nil // somebody removed it: there is nothing to close
		}
		return number, err
	})
}

func one(ctx context.Context, d channel.Dispatch, c channel.Case, s System) (number string, err error) {
	number = c.Note
	if number == "" {
		if number, err = s.Find(ctx, c.Key, c.At.Add(-slack)); err != nil {
			return "", err
		}
	}
	opened := false
	if number == "" {
		if d.Message.Kind == channel.KindRecovered {
			return "", nil // its failure was never told here
		}
		if number, err = s.Open(ctx, c.Key, d.Message.Card); err != nil {
			return "", err
		}
		opened = true
	}
	if c.Note == "" && d.Remember != nil {
		if err := d.Remember(ctx, c.Key, number); err != nil {
			return "", err
		}
	}
	again := d.Message.Kind != channel.KindFailing && d.Message.Kind != channel.KindStale && d.Message.Kind != channel.KindTest
	if again && !opened {
		if !channel.Closes(d, c) && d.Message.Kind != channel.KindRecovered {
			if err := s.SetOpen(ctx, number, true); err != nil {
				return number, err
			}
		}
		if err := s.Comment(ctx, number, d.ID, d.At.Add(-slack), d.Message.Card); err != nil {
			return number, err
		}
	}
	if channel.Closes(d, c) {
		return number, s.SetOpen(ctx, number, false)
	}
	return number, nil
}
