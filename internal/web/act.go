package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/ui"
)

// An Acting answers the link in a message: what the message was about, and
// what its receiver does about it. An error that wraps ErrNotFound means that
// the link is over; a *Invalid tells why it was refused.
type Acting struct {
	Look func(ctx context.Context, token string) (subject, receiver string, err error)
	Do   func(ctx context.Context, token string, q monitor.SilenceRequest) error
}

// LongestMute is how long alerts may be muted in one go.
const LongestMute = 30 * 24 * time.Hour

// ActHandler answers /act/{token}, the link in a message. It needs no session:
// the token is the proof, and the page tells no more than the message did.
// Looking changes nothing, so that a program that follows links in messages
// does no harm; only the press of a button acts.
func (s *Server) ActHandler(acting Acting) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := s.request(r, Page{})
		s.headers(w, req)
		w.Header().Set("X-Robots-Tag", "noindex")
		v, err := s.act(w, r, req, acting)
		if err != nil {
			s.fail(w, req, err)
			return
		}
		s.render(w, req, Page{Title: "act.title"}, v)
	})
}

func (s *Server) act(w http.ResponseWriter, r *http.Request, req *Request, acting Acting) (View, error) {
	ctx, token := r.Context(), r.PathValue("token")
	form := ui.ActForm{Path: r.URL.EscapedPath(), Mute: req.Query.Get("do") == "mute"}
	var err error
	form.Subject, form.Receiver, err = acting.Look(ctx, token)
	if errors.Is(err, ErrNotFound) {
		form.Over = true
		return View{Body: ui.Act(req.Env, form), Bare: true, Status: http.StatusGone}, nil
	}
	if err != nil || r.Method != http.MethodPost {
		return View{Body: ui.Act(req.Env, form), Bare: true}, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<14)
	if err := r.ParseForm(); err != nil {
		return View{}, err
	}
	form.Mute, form.Reason = r.PostForm.Get("do") == "mute", strings.TrimSpace(r.PostForm.Get("why"))
	q, err := actRequest(req, r.PostForm.Get("do"), form.Reason, r.PostForm.Get("days"))
	if err == nil {
		err = acting.Do(ctx, token, q)
	}
	var invalid *Invalid
	switch {
	case errors.As(err, &invalid):
		form.Wrong = invalid.Text
		return View{Body: ui.Act(req.Env, form), Bare: true, Status: http.StatusUnprocessableEntity}, nil
	case err != nil:
		return View{}, err
	}
	form.Done = string(q.Kind)
	return View{Body: ui.Act(req.Env, form), Bare: true}, nil
}

func actRequest(req *Request, do, why, days string) (monitor.SilenceRequest, error) {
	q := monitor.SilenceRequest{Kind: monitor.SilenceKind(do), Reason: why, Via: "link"}
	if q.Kind == monitor.Acknowledge {
		return q, nil
	}
	spans := map[string]time.Duration{"1": 24 * time.Hour, "7": 7 * 24 * time.Hour, "30": LongestMute}
	span, ok := spans[days]
	switch {
	case q.Kind != monitor.Mute || !ok:
		return q, &Invalid{Text: req.T("findings.act.what")}
	case why == "":
		return q, &Invalid{Field: "why", Text: req.T("form.required", "Name", req.T("col.reason"))}
	}
	q.Until = req.Now.Add(span)
	return q, nil
}
