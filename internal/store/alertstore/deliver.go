package alertstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/store"
)

// A State says how far a message has come.
type State string

// The states. A dead message was given up and can be sent again by hand.
const (
	Pending  State = "pending"
	Sent     State = "sent"
	Dead     State = "dead"
	Waiting  State = "held"   // until its route is not quiet any more
	InDigest State = "digest" // its digest is on its way
)

// sendTimeout bounds one attempt, below the job's own limit so that the
// outcome can still be written.
const sendTimeout = 30 * time.Second

// maxAfter is the longest rest that a receiver can ask for.
const maxAfter = 2 * time.Hour

// Recording an accepted message has this long and this many attempts.
const (
	recordTimeout  = 9 * time.Second
	recordAttempts = 6
)

// letterWorker sends messages.
type letterWorker struct {
	river.WorkerDefaults[letterJob]
	store *Store
}

// Work makes one attempt at one message.
func (w *letterWorker) Work(ctx context.Context, job *river.Job[letterJob]) error {
	return w.store.deliver(ctx, job)
}

// A letter is a stored delivery on its way.
type letter struct {
	id, cause, route, channel, lang, detail string
	key, receiver, messageID, subject       string
	thread                                  []string
	parts                                   []int // places of its groups in the event
	state                                   State
	attempts                                int
	triedFrom                               time.Time
	event                                   alert.Event
}

// deliver makes one attempt. The state is read first: a message that is sent
// or given up is left alone, however often its job comes back. Between the
// receiver's yes and our record of it lies one transaction; if the process dies
// there, the message goes out again under the same id.
func (s *Store) deliver(ctx context.Context, job *river.Job[letterJob]) error {
	l, err := s.letter(ctx, job.Args.Letter)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read letter %s: %w", job.Args.Letter, err)
	}
	if l.state != Pending {
		return nil
	}
	sendErr := s.send(ctx, l)
	if errors.Is(sendErr, errTurn) {
		return river.JobSnooze(s.config.Clock.Backoff(1))
	}
	// What the receiver said is written down even while we are being stopped.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if sendErr != nil {
		return s.failed(ctx, job, l, sendErr)
	}
	return s.record(ctx, job, l)
}

// record writes down that the message was accepted. It tries again where the
// database refuses, for the only other way is to send the message twice; if
// the heart cannot take its part in the end, the record stands without it.
func (s *Store) record(ctx context.Context, job *river.Job[letterJob], l *letter) error {
	pause := 20 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := s.db.Write(ctx, func(t *store.Tx) error {
			if err := s.markSent(ctx, t, l, attempt < recordAttempts); err != nil {
				return err
			}
			return complete(ctx, s, t, job)
		})
		if err == nil {
			return nil
		}
		s.log.ErrorContext(ctx, "an accepted alert is not recorded yet", "letter", l.id, "attempt", attempt, "error", err)
		if attempt == recordAttempts {
			return fmt.Errorf("record letter %s: %w", l.id, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("record letter %s: %w", l.id, err)
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// letter reads a delivery and its event.
func (s *Store) letter(ctx context.Context, id string) (*letter, error) {
	l := &letter{id: id}
	var parts, thread, state, doc string
	var from int64
	err := s.db.Read(ctx, func(t *store.Tx) error {
		return t.Row(ctx, []any{
			&l.cause, &l.route, &l.channel, &l.lang, &l.detail, &l.key, &l.receiver, &l.messageID,
			&l.subject, &parts, &thread, &state, &l.attempts, &from, &doc,
		},
			`SELECT d.cause, d.route, d.channel, d.lang, d.detail, d.receiver_key, d.receiver, d.message_id,
			d.subject, d.parts, d.thread, d.state, d.attempts, d.tried_from, e.doc
			FROM alert_delivery d JOIN alert_event e ON e.cause = d.cause WHERE d.id = $1`, id)
	})
	if err != nil {
		return nil, err
	}
	l.state, l.triedFrom = State(state), store.Time(from)
	if err := json.Unmarshal([]byte(parts), &l.parts); err != nil {
		return nil, err
	}
	if l.thread, err = unlist(thread); err != nil {
		return nil, err
	}
	return l, json.Unmarshal([]byte(doc), &l.event)
}

// send writes the message and hands it to its channel.
func (s *Store) send(ctx context.Context, l *letter) error {
	c, ok := s.channel(l.channel)
	if !ok {
		return &channel.Failure{Plain: "this release has no channel " + l.channel}
	}
	to, trusted, err := s.receiver(ctx, l)
	if err != nil {
		return err
	}
	var groups []alert.Group
	for i, g := range l.event.Groups {
		if slices.Contains(l.parts, i) {
			groups = append(groups, g)
		}
	}
	o := s.options(l.route, l.lang, alert.Detail(l.detail), "")
	if l.event.Acts() {
		o.Act = s.actLink(l.id, l.event.SealedAt)
	}
	message, err := s.composer.Compose(l.event, groups, o)
	if err != nil {
		return err
	}
	message.Subject = l.subject
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if trusted {
		ctx = channel.Trust(ctx)
	}
	d := channel.Dispatch{
		ID: l.id, MessageID: l.messageID, Thread: l.thread, Receiver: to, Message: message,
		At: l.event.At, Now: s.config.Now(),
	}
	if channel.Keeps(c) {
		if err := s.cases(ctx, l, &d); err != nil {
			return err
		}
	}
	return c.Send(ctx, d)
}

// failed writes down why, and when the next attempt is, or gives up.
func (s *Store) failed(ctx context.Context, job *river.Job[letterJob], l *letter, cause error) error {
	words, temporary := channel.Plain(cause)
	now := s.config.Now()
	attempt := l.attempts + 1
	rest := max(s.config.Clock.Backoff(attempt), min(channel.After(cause), maxAfter))
	state, next := Pending, now.Add(rest)
	if !temporary || next.Sub(l.triedFrom) > s.config.Clock.Window {
		state, next = Dead, time.Time{}
	}
	s.log.WarnContext(ctx, "alert not accepted", "letter", l.id, "channel", l.channel, "attempt", attempt, "state", string(state), "why", words, "error", cause)
	err := s.db.Write(ctx, func(t *store.Tx) error {
		_, err := t.Exec(ctx, `UPDATE alert_delivery SET attempts = $1, last_error = $2, state = $3, next_at = $4
			WHERE id = $5 AND state = $6`, attempt, words, string(state), store.Micros(next), l.id, string(Pending))
		if err != nil || state == Pending {
			return err
		}
		if channel.Gone(cause) {
			if err := s.setGone(ctx, t, l); err != nil {
				return err
			}
		}
		return complete(ctx, s, t, job)
	})
	if err != nil {
		return fmt.Errorf("record the attempt at letter %s: %w", l.id, err)
	}
	if state == Pending {
		return river.JobSnooze(rest)
	}
	return nil
}

// markSent records that the receiver accepted the message, and tells the heart
// if it is the first of its cause and the heart is to be asked.
func (s *Store) markSent(ctx context.Context, t *store.Tx, l *letter, heart bool) error {
	now := s.config.Now()
	n, err := t.Exec(ctx, `UPDATE alert_delivery SET attempts = attempts + 1, last_error = '', state = $1, next_at = 0, sent_at = $2
		WHERE id = $3 AND state <> $1`, string(Sent), store.Micros(now), l.id)
	if err != nil || n == 0 {
		return err
	}
	if err := back(ctx, t, l.channel, l.key); err != nil || !heart {
		return err
	}
	if l.event.Kind == alert.KindDigest {
		return s.digested(ctx, t, l.id)
	}
	n, err = t.Exec(ctx, "UPDATE alert_event SET delivered_at = $1 WHERE cause = $2 AND delivered_at = 0", store.Micros(now), l.cause)
	if err != nil || n == 0 || !l.event.Settles() {
		return err
	}
	if err := t.Lock(ctx, store.LockHeart); err != nil { // it adds rows to the heart's tables
		return err
	}
	return s.config.Causes.Delivered(ctx, t, l.cause, now)
}

// ErrNotDead is returned where a message that is to be sent again is still on its way, or has arrived.
var ErrNotDead = errors.New("only a message that was given up can be sent again")

// Resend queues a message that was given up once more, under the id that it had.
func (s *Store) Resend(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *store.Tx) error {
		var state string
		if err := t.Row(ctx, []any{&state}, "SELECT state FROM alert_delivery WHERE id = $1", id); err != nil {
			return err
		}
		if State(state) != Dead {
			return ErrNotDead
		}
		if _, err := t.Exec(ctx, "UPDATE alert_delivery SET state = $1, tried_from = $2, attempts = 0, next_at = 0 WHERE id = $3",
			string(Pending), store.Micros(s.config.Now()), id); err != nil {
			return err
		}
		return s.insert(ctx, t, letterJob{Letter: id}, 2)
	})
}
