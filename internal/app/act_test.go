package app_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestLinkInAMessageActs follows the link of a message without a session:
// looking changes nothing, the press acknowledges in the receiver's name, and
// a link that was changed is gone.
func TestLinkInAMessageActs(t *testing.T) {
	links := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p struct {
			Data struct{ Acknowledge string }
		}
		if err := json.NewDecoder(r.Body).Decode(&p); err == nil && p.Data.Acknowledge != "" {
			links <- p.Data.Acknowledge
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	key := make([]byte, 24)
	rand.Read(key)
	secret := base64.StdEncoding.EncodeToString(key)
	h := open(t, "sources:\n  - {name: fleet, connector: push}\nroutes:\n  - {name: bus, when: {check: [host-disk-encrypted]}, to: {webhook: {url: \""+receiver.URL+"\", secret: whsec_"+secret+"}}}\n", nil)
	h.call(http.MethodPost, "/ingest/v1/facts?source=fleet", hostLine("b", false, time.Now()), nil)
	var link string
	select {
	case link = <-links:
	case <-time.After(20 * time.Second):
		t.Fatal("no message with a link came")
	}
	held := func() string {
		var page struct {
			Items []struct{ Kind, By, Via string }
		}
		h.call(http.MethodGet, "/api/v1/silences", nil, &page)
		out := ""
		for _, s := range page.Items {
			out += s.Kind + " by " + s.By + " via " + s.Via
		}
		return out
	}
	if code, body := visit(t, http.MethodGet, link, nil); code != http.StatusOK || held() != "" || !strings.Contains(body, "Acknowledge") {
		t.Errorf("looking: status %d, held %q: %.300s", code, held(), body)
	}
	for name, c := range map[string]struct {
		link string
		form url.Values
		want int
	}{
		"no reason":    {link, url.Values{"do": {"mute"}, "days": {"7"}}, 422},
		"no end":       {link, url.Values{"do": {"mute"}, "why": {"x"}, "days": {"3000"}}, 422},
		"another deed": {link, url.Values{"do": {"forget"}}, 422},
		"changed":      {link[:len(link)-2] + "xx", url.Values{"do": {"acknowledge"}}, 410},
		"nothing":      {link[:strings.LastIndex(link, "/")+1] + "a.b.c", url.Values{"do": {"acknowledge"}}, 410},
	} {
		if code, body := visit(t, http.MethodPost, c.link, c.form); code != c.want || held() != "" {
			t.Errorf("%s: status %d, want %d; held %q: %.200s", name, code, c.want, held(), body)
		}
	}
	if code, _ := visit(t, http.MethodPost, link, url.Values{"do": {"acknowledge"}}); code != http.StatusOK || !strings.HasPrefix(held(), "acknowledge by ") || !strings.HasSuffix(held(), "via link") {
		t.Errorf("the press: status %d, held %q", code, held())
	}
}

// visit asks as a browser without a session would.
func visit(t *testing.T, method, address string, form url.Values) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, readAll(t, res.Body)
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
