package kratos

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/connector"
)

const (
	// maxSessionPages bounds the sessions of one reading to the newest 20,000.
	maxSessionPages = 40
	sessionsKept    = "kratos sessions"
	// sessionsFor is how long an older session's time is believed: a session that
	// is confirmed again keeps its place in the list.
	sessionsFor = time.Hour
)

// Sessions are what readings learnt of sign-ins, kept between them.
type sessions struct {
	From time.Time            `json:"from"` // of the reading that went through all
	Till time.Time            `json:"till"` // the newest session's start
	Last map[string]time.Time `json:"last"` // identity → last sign-in
}

// lastSignIns returns when each identity signed in last, as far as Kratos still
// keeps a session of it. The list begins with the newest, so a reading soon after
// another goes only as far as it has not been.
func (r *reader) lastSignIns(ctx context.Context) (map[string]time.Time, error) {
	if on, said := r.run.Settings["sessions"].(bool); said && !on {
		return nil, nil
	}
	s := r.recall()
	known := s.Till
	pages := 0
	_, err := each(ctx, r.api, "/admin/sessions?expand=identity", "", func(p page[apiSession]) (bool, error) {
		pages++
		older := false
		for _, x := range p.items {
			if x.Identity == nil || !idPattern.MatchString(x.Identity.ID) || x.AuthenticatedAt.IsZero() {
				return false, fmt.Errorf("a session without an identity: %w", connector.ErrFormat)
			}
			if x.AuthenticatedAt.After(s.Last[x.Identity.ID]) {
				s.Last[x.Identity.ID] = x.AuthenticatedAt
			}
			if x.IssuedAt.After(s.Till) {
				s.Till = x.IssuedAt
			}
			older = older || !known.IsZero() && x.IssuedAt.Before(known)
		}
		return !older && pages < maxSessionPages, nil
	})
	if err != nil {
		return nil, err
	}
	r.keep(s)
	return s.Last, nil
}

func (r *reader) recall() sessions {
	fresh := sessions{From: r.run.Now(), Last: map[string]time.Time{}}
	if r.run.Memo == nil {
		return fresh
	}
	b, ok := r.run.Memo.Recall(sessionsKept)
	var s sessions
	if !ok || json.Unmarshal(b, &s) != nil || s.Last == nil || r.run.Now().Sub(s.From) > sessionsFor {
		return fresh
	}
	return s
}

func (r *reader) keep(s sessions) {
	if r.run.Memo == nil {
		return
	}
	if b, err := json.Marshal(s); err == nil {
		r.run.Memo.Keep(sessionsKept, b)
	}
}
