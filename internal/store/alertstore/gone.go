package alertstore

import (
	"context"
	"errors"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/store"
)

// goneWords is why nothing was sent to a receiver that is gone.
const goneWords = "the receiver said that it is gone for good; nothing is sent there until a test arrives or the route is saved again"

// isGone says whether the letter's receiver wants no more messages. A test is
// sent all the same: it is how somebody finds out that the receiver is back.
func isGone(ctx context.Context, t *store.Tx, e alert.Event, l alert.Letter) (bool, error) {
	if e.Kind == alert.CauseTest {
		return false, nil
	}
	var since int64
	err := t.Row(ctx, []any{&since}, "SELECT since FROM alert_gone WHERE channel = $1 AND receiver_key = $2", l.Channel, l.Receiver.Key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// setGone notes that a receiver wants no more messages.
func (s *Store) setGone(ctx context.Context, t *store.Tx, l *letter) error {
	_, err := t.Exec(ctx, "INSERT INTO alert_gone (channel, receiver_key, since) VALUES ($1, $2, $3) ON CONFLICT (channel, receiver_key) DO NOTHING",
		l.channel, l.key, store.Micros(s.config.Now()))
	return err
}

// back forgets that a receiver was gone.
func back(ctx context.Context, t *store.Tx, channel, key string) error {
	_, err := t.Exec(ctx, "DELETE FROM alert_gone WHERE channel = $1 AND receiver_key = $2", channel, key)
	return err
}
