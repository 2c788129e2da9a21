package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/api"
)

const cookieName = "prumo_session"

// A door is what stands before every page and operation.
type door struct {
	keeper access.Keeper
	hosts  []string // names that a request may come by; empty: any
	secure bool     // reached over TLS: cookies say so
	drill  bool
	log    *slog.Logger
}

// openPaths answer without a session: they say nothing, or check for themselves.
func openPath(p string) bool {
	return p == "/healthz" || p == "/readyz" || p == "/metrics" || p == "/login" || p == "/ingest/v1/facts" ||
		strings.HasPrefix(p, "/hooks/") || strings.HasPrefix(p, "/act/") || strings.HasPrefix(p, "/calendar/") || strings.HasPrefix(p, "/assets/") || p == "/favicon.ico"
}

// wrap puts the door before next.
func (d *door) wrap(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		api.Problem(w, http.StatusForbidden, "this request came from another site; open Prumo itself and do it there")
	}))
	guarded := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID()
		ctx := api.WithRequestID(r.Context(), id)
		d.headers(w.Header(), id)
		defer d.rescue(ctx, w, id)
		if !d.knownHost(r.Host) {
			api.Problem(w, http.StatusMisdirectedRequest, "this host name is not Prumo's; use the address that it printed at its start, or set PRUMO_PUBLIC_URL")
			return
		}
		p, byCookie, err := d.who(ctx, r)
		if err != nil && !errors.Is(err, access.ErrDenied) {
			d.log.ErrorContext(ctx, "session could not be checked", "request", id, "error", err)
			api.Problem(w, http.StatusServiceUnavailable, "sign-in cannot be checked at the moment; try again, and name request "+id+" if it stays")
			return
		}
		if p.Role == access.Nobody && !openPath(r.URL.Path) {
			d.unknown(w, r)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/ingest/") {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		}
		h := next
		if byCookie || r.URL.Path == "/login" {
			h = guarded
		}
		h.ServeHTTP(w, r.WithContext(access.With(ctx, p)))
	})
}

func (d *door) headers(h http.Header, id string) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Request-Id", id)
	if d.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if d.drill {
		h.Set("Prumo-Drill", "true")
	}
}

func (d *door) rescue(ctx context.Context, w http.ResponseWriter, id string) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http's own sentinel is compared as it is thrown
		panic(v)
	}
	d.log.ErrorContext(ctx, "request panicked", "request", id, "panic", v, "stack", string(debug.Stack()))
	api.Problem(w, http.StatusInternalServerError, "something went wrong here, not with your request; name request "+id+" to whoever runs this instance")
}

// knownHost keeps names that an attacker points at this address (DNS rebinding) out.
func (d *door) knownHost(host string) bool {
	if len(d.hosts) == 0 {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return slices.Contains(d.hosts, strings.ToLower(strings.Trim(name, "[]")))
}

// hostNames are the names that requests may come by.
func hostNames(addr, publicURL string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if h, _, err := net.SplitHostPort(addr); err == nil && h != "" {
		names = append(names, strings.ToLower(h))
	}
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" {
		names = append(names, strings.ToLower(u.Hostname()))
	}
	if h, _, err := net.SplitHostPort(addr); err == nil && (h == "" || net.ParseIP(h).IsUnspecified()) {
		names = append(names, interfaceAddresses()...)
	}
	return names
}

func interfaceAddresses() []string {
	var out []string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// who finds whose request it is: a bearer token, or the session cookie.
func (d *door) who(ctx context.Context, r *http.Request) (p access.Principal, byCookie bool, err error) {
	if scheme, t, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		p, err = d.keeper.Bearer(ctx, strings.TrimSpace(t))
		return p, false, err
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return access.Principal{}, false, nil //nolint:nilerr // no cookie: nobody
	}
	p, err = d.keeper.Session(ctx, c.Value)
	return p, true, err
}

// unknown sends a person to the sign-in page and tells a program what to send.
func (d *door) unknown(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") || r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("WWW-Authenticate", "Bearer")
		api.Problem(w, http.StatusUnauthorized, "sign in, or send a token as Authorization: Bearer")
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// signIn turns a one-time link into a session. It reports whether it did.
func (d *door) signIn(w http.ResponseWriter, r *http.Request, link string) error {
	s, err := d.keeper.Open(r.Context(), link)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: s, Path: "/", HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(access.SessionLife / time.Second),
	})
	return nil
}

func (d *door) signOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: d.secure, MaxAge: -1, SameSite: http.SameSiteLaxMode})
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil //nolint:nilerr // no session to end
	}
	return d.keeper.End(r.Context(), c.Value)
}

func requestID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}
