package alertstore

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/store"
)

// actLife is how long the link in a message works.
const actLife = 14 * 24 * time.Hour

// ErrLink is returned for a link that is not ours, or is over.
var ErrLink = errors.New("the link is not valid any more")

// actKey names the key of links; it is also what a link is for.
const actKey = "alert act"

// openKey reads the key that links in messages are signed with, or makes it.
// Without a sealer there is none, and messages carry no such links.
func (s *Store) openKey(ctx context.Context) error {
	if s.config.Seal == nil {
		return nil
	}
	fresh := make([]byte, 32)
	rand.Read(fresh)
	sealed, err := s.config.Seal.Seal(fresh, actKey)
	if err != nil {
		return fmt.Errorf("seal the key of links: %w", err)
	}
	return s.db.Write(ctx, func(t *store.Tx) error {
		if _, err := t.Exec(ctx, "INSERT INTO alert_key (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", actKey, sealed); err != nil {
			return err
		}
		if err := t.Row(ctx, []any{&sealed}, "SELECT sealed FROM alert_key WHERE name = $1", actKey); err != nil {
			return err
		}
		key, err := s.config.Seal.Open(sealed, actKey)
		if err != nil {
			s.log.WarnContext(ctx, "links in alerts cannot be made: their key is sealed with another one", "error", err)
			return nil
		}
		s.key = key
		return nil
	})
}

func (s *Store) sign(text string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(actKey + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// actLink is the address at which a message's receiver acknowledges or mutes
// what it tells; the same for every repeat of the message.
func (s *Store) actLink(letter string, since time.Time) string {
	if !s.config.Acts || len(s.key) == 0 || since.IsZero() {
		return ""
	}
	text := letter + "." + strconv.FormatInt(since.Add(actLife).Unix(), 36)
	return s.config.BaseURL + "/act/" + text + "." + s.sign(text)
}

// letterOf returns the delivery that a token was made for, or ErrLink.
func (s *Store) letterOf(token string) (string, error) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || len(s.key) == 0 || len(token) > 300 || !hmac.Equal([]byte(s.sign(token[:i])), []byte(token[i+1:])) {
		return "", ErrLink
	}
	letter, end, _ := strings.Cut(token[:i], ".")
	ends, err := strconv.ParseInt(end, 36, 64)
	if err != nil || !s.config.Now().Before(time.Unix(ends, 0)) {
		return "", ErrLink
	}
	return letter, nil
}

// An ActView is what the page of a link shows: no more than its message did.
type ActView struct {
	Subject  string
	Receiver string
	Language string
}

// Act reads what a link is about.
func (s *Store) Act(ctx context.Context, token string) (ActView, error) {
	l, err := s.acting(ctx, token)
	if err != nil {
		return ActView{}, err
	}
	return ActView{Subject: l.subject, Receiver: l.receiver, Language: l.lang}, nil
}

func (s *Store) acting(ctx context.Context, token string) (*letter, error) {
	id, err := s.letterOf(token)
	if err != nil {
		return nil, err
	}
	l, err := s.letter(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !l.event.Acts() {
		return nil, ErrLink
	}
	return l, err
}

// ActRequest is what the receiver of a message asks for by its link: it names
// the cause and the parts of it that the message told.
func (s *Store) ActRequest(ctx context.Context, token string) (monitor.SilenceRequest, error) {
	l, err := s.acting(ctx, token)
	if err != nil {
		return monitor.SilenceRequest{}, err
	}
	q := monitor.SilenceRequest{Cause: about(l.event), By: l.receiver, Via: "link"}
	if len(l.parts) < len(l.event.Groups) || l.event.Kind == alert.KindReminder {
		for _, i := range l.parts {
			if i < len(l.event.Groups) && l.event.Groups[i].Check != "" {
				q.Parts = append(q.Parts, monitor.CausePart{Check: l.event.Groups[i].Check, Owner: l.event.Groups[i].Owner})
			}
		}
	}
	return q, nil
}
