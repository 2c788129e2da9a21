package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestUsedLinkIsGone opens the printed link twice: the second time it is gone,
// opens nothing, and the page says how to get another.
func TestUsedLinkIsGone(t *testing.T) {
	h := open(t, "", nil)
	h.until("the sign-in link", 20*time.Second, func() bool { return h.link != "" })
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i, want := range []int{http.StatusSeeOther, http.StatusGone} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.link, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || res.StatusCode != want || (len(res.Cookies()) > 0) != (i == 0) {
			t.Errorf("time %d: status %d, want %d; cookies %v", i+1, res.StatusCode, want, res.Cookies())
		}
		if i == 1 && !strings.Contains(string(body), "prumo login-link") {
			t.Errorf("the page does not say what to do: %.300s", body)
		}
	}
}

func TestTokensHaveNamesThatHold(t *testing.T) {
	h := open(t, "", nil)
	for _, name := range []string{"On Call", "CI", "a b"} {
		if _, errw, code := h.command("token", "create", "--role", "viewer", "--name", name); code == 0 || !strings.Contains(errw, "cannot be called") {
			t.Errorf("a token named %q: status %d, %q", name, code, errw)
		}
	}
	if _, errw, code := h.command("token", "create", "--role", "viewer", "--name", "ann@acme.test"); code != 0 {
		t.Errorf("a token named after an address: status %d, %q", code, errw)
	}
}
