package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"prumo.dev/prumo/internal/web/ui"
)

var errForbidden = errors.New("forbidden")

// nonce is what a page's scripts and its htmx elements carry.
func nonce() string {
	b := make([]byte, 16)
	rand.Read(b) // it never fails; it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) headers(w http.ResponseWriter, r *Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+r.Nonce+"'; style-src 'self'; img-src 'self'; font-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types htmx")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", r.Tag)
	if s.cfg.Drill {
		h.Set("Prumo-Drill", "true")
	}
}

// render writes a page whole or not at all: nothing leaves before all of it was made.
func (s *Server) render(w http.ResponseWriter, r *Request, p Page, v View) {
	title := v.Title
	if title == "" {
		title = r.T(p.Title)
	}
	if len(v.Crumbs) == 0 {
		v.Crumbs = []ui.Crumb{{Text: title}}
	}
	page := ui.Shell(r.Env, title, v.Crumbs, v.Body)
	if v.Bare {
		page = ui.Bare(r.Env, title, v.Body)
	}
	var b bytes.Buffer
	if err := page.Render(r.Context(), &b); err != nil {
		s.fail(w, r, err)
		return
	}
	write(w, v.Status, &b)
}

func write(w http.ResponseWriter, status int, b *bytes.Buffer) {
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader has gone; nothing to do about it
}

// fail shows an error: what happened, what it means, what to do. The cause
// goes to the log.
func (s *Server) fail(w http.ResponseWriter, r *Request, err error) {
	id := s.cfg.RequestID(r.Context())
	kind, status := "internal", http.StatusInternalServerError
	var invalid *Invalid
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, ErrNotFound):
		kind, status = "notfound", http.StatusNotFound
	case errors.Is(err, errForbidden):
		kind, status = "forbidden", http.StatusForbidden
	case errors.As(err, &invalid):
		kind, status = "invalid", http.StatusUnprocessableEntity
	case errors.As(err, &tooLarge):
		kind, status = "toolarge", http.StatusRequestEntityTooLarge
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return // the reader has gone
	default:
		s.cfg.Log.ErrorContext(r.Context(), "page failed", "request", id, "path", r.URL.Path, "error", err)
	}
	detail := ""
	if invalid != nil {
		detail = invalid.Text
	}
	r.Live = false
	title := r.T("error." + kind + ".title")
	body := ui.Failure(r.Env, kind, detail, id)
	page := ui.Shell(r.Env, title, []ui.Crumb{{Text: title}}, body)
	if r.User == "" {
		page = ui.Bare(r.Env, title, body)
	}
	var b bytes.Buffer
	if rerr := page.Render(context.WithoutCancel(r.Context()), &b); rerr != nil {
		s.cfg.Log.ErrorContext(r.Context(), "error page failed", "request", id, "error", rerr)
		http.Error(w, http.StatusText(status), status)
		return
	}
	write(w, status, &b)
}

// Fail answers a request with an error page; it serves what stands around the
// pages, such as the check of the host.
func (s *Server) Fail(w http.ResponseWriter, r *http.Request, err error) {
	req := s.request(r, Page{})
	s.headers(w, req)
	s.fail(w, req, err)
}

// Body is a View of a component.
func Body(c templ.Component) View { return View{Body: c} }
