package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/web/ui"
)

const (
	langCookie  = "prumo-lang"
	themeCookie = "prumo-theme"
)

func themes() []string { return []string{"prumo-light", "prumo-dark"} }

// own are the pages that belong to no area: signing in and out, and how the
// console looks to this browser.
func (s *Server) own() []Page {
	return []Page{
		{Pattern: "GET /login", Title: "login.title", Load: s.login},
		{Pattern: "POST /preferences", Title: "prefs.title", Load: s.preferences},
	}
}

// Handle adds an address that is no page of ours, such as the stream of changes.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// SignInHandler answers POST /login: it takes the link's secret and opens a session.
func (s *Server) SignInHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := s.request(r, Page{})
		s.headers(w, req)
		r.Body = http.MaxBytesReader(w, r.Body, 1<<14)
		if err := r.ParseForm(); err != nil {
			s.fail(w, req, err)
			return
		}
		link := secretOf(r.PostForm.Get("token"))
		err := s.cfg.SignIn(w, r, link)
		if err == nil && link != "" {
			http.Redirect(w, r, local(r.PostForm.Get("next")), http.StatusSeeOther)
			return
		}
		if err != nil && !errors.Is(err, access.ErrDenied) {
			s.fail(w, req, err)
			return
		}
		v := View{Body: ui.Login(req.Env, "", local(r.PostForm.Get("next")), true), Bare: true, Status: http.StatusUnauthorized}
		s.render(w, req, Page{Title: "login.title"}, v)
	})
}

// LinkOverHandler answers a click on a sign-in link that was used, is over or
// never was. It is not the program's fault that it asks again: 410, and what to do.
func (s *Server) LinkOverHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := s.request(r, Page{})
		s.headers(w, req)
		v := View{Body: ui.Login(req.Env, "", local(req.Query.Get("next")), true), Bare: true, Status: http.StatusGone}
		s.render(w, req, Page{Title: "login.title"}, v)
	})
}

// SignOutHandler answers POST /logout.
func (s *Server) SignOutHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.cfg.SignOut(w, r); err != nil {
			s.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	})
}

// login shows the form. A link that was clicked carries the secret in its
// query and fills the form; opening needs a press, so that a program that
// looks at links in messages does not use it up.
func (s *Server) login(_ context.Context, r *Request) (View, error) {
	if r.Who.May(access.Auditor) {
		return View{Redirect: local(r.Query.Get("next"))}, nil
	}
	token := r.Query.Get("token")
	return View{Body: ui.Login(r.Env, token, local(r.Query.Get("next")), false), Bare: true}, nil
}

// secretOf takes the secret out of what was pasted: itself or the whole link.
func secretOf(s string) string {
	s = strings.TrimSpace(s)
	if u, err := url.Parse(s); err == nil && u.Query().Get("token") != "" {
		return u.Query().Get("token")
	}
	return s
}

func (s *Server) preferences(_ context.Context, r *Request) (View, error) {
	if err := r.ParseForm(); err != nil {
		return View{}, err
	}
	set := func(name, value string) {
		http.SetCookie(r.writer(), &http.Cookie{
			Name: name, Value: value, Path: "/", MaxAge: 400 * 24 * 3600,
			SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: s.cfg.Secure,
		})
	}
	if lang := r.PostForm.Get("lang"); slices.Contains(ui.Languages(), lang) {
		set(langCookie, lang)
	}
	switch theme := r.PostForm.Get("theme"); {
	case slices.Contains(themes(), theme):
		set(themeCookie, theme)
	case theme == "system":
		set(themeCookie, "system")
	}
	return View{Redirect: local(r.PostForm.Get("back"))}, nil
}

// local returns the path of ours that s names, or the first page. A path that
// a browser could take for another host is none.
func local(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\n\r\t") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}
