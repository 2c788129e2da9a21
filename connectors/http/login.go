package http

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"prumo.dev/prumo/internal/connector"
)

// A login signs requests in the way that the settings choose.
type login struct {
	http    *http.Client
	s       connector.Settings
	token   string // of OAuth2; empty: none was asked for yet
	renewed bool   // once in a reading, so that a refusal is not asked about for ever
}

func newLogin(run connector.Run) *login {
	// A token's address answers itself: what it is sent is never sent on.
	c := *run.HTTP
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &login{http: &c, s: run.Settings}
}

// sign adds the credential to a request's headers.
func (l *login) sign(ctx context.Context, h http.Header) error {
	switch {
	case l.s.Text("token") != "" && l.s.Text("token_header") != "":
		h.Set(l.s.Text("token_header"), l.s.Text("token"))
	case l.s.Text("token") != "":
		h.Set("Authorization", "Bearer "+l.s.Text("token"))
	case l.s.Text("user") != "":
		h.Set("Authorization", basic(l.s.Text("user"), l.s.Text("password")))
	case l.s.Text("token_url") != "":
		if l.token == "" {
			var err error
			if l.token, err = l.fetch(ctx); err != nil {
				return fmt.Errorf("token: %w", err)
			}
		}
		h.Set("Authorization", "Bearer "+l.token)
	}
	return nil
}

// renew forgets a token that was refused; it reports whether another may help.
func (l *login) renew() bool {
	if l.token == "" || l.renewed {
		return false
	}
	l.token, l.renewed = "", true
	return true
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// fetch gets a token by client credentials (RFC 6749, 4.4). Servers must take
// the client's secret in the Authorization header; some take it in the body only.
func (l *login) fetch(ctx context.Context) (string, error) {
	token, err := l.ask(ctx, false)
	if status := (*connector.StatusError)(nil); errors.As(err, &status) && (status.Status == http.StatusBadRequest || status.Status == http.StatusUnauthorized) {
		token, err = l.ask(ctx, true)
		if errors.As(err, &status) && status.Status == http.StatusBadRequest { // how this protocol says no
			err = &connector.StatusError{Status: http.StatusUnauthorized, Path: status.Path}
		}
	}
	return token, err
}

func (l *login) ask(ctx context.Context, inBody bool) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if s := l.s.List("scopes"); len(s) > 0 {
		form.Set("scope", strings.Join(s, " "))
	}
	for name, values := range l.s.Map("token_parameters") {
		form[name] = values
	}
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	id, secret := l.s.Text("client_id"), l.s.Text("client_secret")
	if inBody {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	} else {
		h.Set("Authorization", basic(url.QueryEscape(id), url.QueryEscape(secret)))
	}
	reply, err := l.post(ctx, form.Encode(), h)
	if err != nil {
		return "", err
	}
	var t struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
	}
	if err := reply.Decode(&t); err != nil {
		return "", err
	}
	if t.Token == "" || !httpguts.ValidHeaderFieldValue(t.Token) || t.Type != "" && !strings.EqualFold(t.Type, "bearer") {
		return "", fmt.Errorf("the token's answer holds no bearer token: %w", connector.ErrFormat)
	}
	return t.Token, nil
}

// post asks for a token, and once more where the first answer may pass: asking
// twice changes nothing at the system.
func (l *login) post(ctx context.Context, body string, h http.Header) (connector.Reply, error) {
	reply, err := l.postOnce(ctx, body, h)
	wait, again := passing(err)
	if !again || ctx.Err() != nil {
		return reply, err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return l.postOnce(ctx, body, h)
	case <-ctx.Done():
		return reply, ctx.Err()
	}
}

// passing says whether to ask again, and after what time.
func passing(err error) (time.Duration, bool) {
	const most, usual = 5 * time.Second, 250 * time.Millisecond
	if status := (*connector.StatusError)(nil); errors.As(err, &status) {
		later := status.Status == http.StatusTooManyRequests || status.Status >= 500
		return max(status.RetryAfter, usual), later && status.RetryAfter <= most
	}
	for _, no := range []error{connector.ErrHost, connector.ErrNetwork, connector.ErrTooLarge, connector.ErrFormat} {
		if errors.Is(err, no) {
			return 0, false
		}
	}
	return usual, err != nil
}

func (l *login) postOnce(ctx context.Context, body string, h http.Header) (connector.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.s.Text("token_url"), strings.NewReader(body))
	if err != nil {
		return connector.Reply{}, fmt.Errorf("make a request: %w", connector.ErrFormat)
	}
	req.Header = h
	res, err := l.http.Do(req)
	if err != nil {
		return connector.Reply{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return connector.Reply{}, fmt.Errorf("%w: %w", connector.ErrCut, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return connector.Reply{}, &connector.StatusError{Status: res.StatusCode, Path: req.URL.Path, RetryAfter: connector.RetryAfter(res.Header, time.Now())}
	}
	return connector.Reply{Status: res.StatusCode, Header: res.Header, Body: raw, URL: req.URL}, nil
}
