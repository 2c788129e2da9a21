package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"prumo.dev/prumo/internal/alert/channel"
)

func newSecret(t testing.TB) string {
	t.Helper()
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

func dispatch(t testing.TB, url, secret string) channel.Dispatch {
	t.Helper()
	to, err := Receiver(Settings{URL: url, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return channel.Dispatch{ID: "alert_x", Receiver: to, Message: channel.Message{Payload: []byte(`{"type":"prumo.test"}`), Drill: true}, Now: time.Now()}
}

// TestVerifiedByTheStandardLibrary checks what we sign with the scheme's own
// library, which is not ours, and that each part of it is signed.
func TestVerifiedByTheStandardLibrary(t *testing.T) {
	secret := newSecret(t)
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var verr, changed, moved error
	var drill string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		verr, drill = wh.Verify(body, r.Header), r.Header.Get("Prumo-Drill")
		changed = wh.Verify(append(body, ' '), r.Header)
		r.Header.Set("Webhook-Id", "other")
		moved = wh.Verify(body, r.Header)
	}))
	defer server.Close()
	if err := New(Config{HTTP: server.Client()}).Send(context.Background(), dispatch(t, server.URL, secret)); err != nil {
		t.Fatal(err)
	}
	if verr != nil || drill != "true" {
		t.Errorf("verify: got %v, drill %q", verr, drill)
	}
	if changed == nil || moved == nil {
		t.Errorf("a changed body or id is accepted: %v, %v", changed, moved)
	}
}

func TestAnswers(t *testing.T) {
	status, hits := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		if r.URL.Path == "/elsewhere" {
			t.Error("the redirect was followed")
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		if status == 500 { // more than anybody wants to read
			_, err := io.CopyN(w, zeros{}, 1<<20)
			if err != nil {
				return
			}
		}
	}))
	defer server.Close()
	ch := New(Config{HTTP: server.Client()})
	for _, c := range []struct {
		status    int
		ok        bool
		temporary bool
	}{{200, true, false}, {204, true, false}, {302, false, true}, {307, false, true}, {400, false, true}, {401, false, true}, {404, false, true}, {410, false, false}, {429, false, true}, {500, false, true}} {
		status = c.status
		err := ch.Send(context.Background(), dispatch(t, server.URL+"/secret-token", newSecret(t)))
		if (err == nil) != c.ok {
			t.Errorf("%d: got %v", c.status, err)
			continue
		}
		words, temporary := channel.Plain(err)
		if err != nil && (temporary != c.temporary || !strings.Contains(words, fmt.Sprint(c.status)) || strings.Contains(words, "secret-token")) {
			t.Errorf("%d: got %q, temporary %v", c.status, words, temporary)
		}
	}
	if hits != 10 {
		t.Errorf("the receiver was asked %d times, want 10", hits)
	}
}

// TestRetryAfter checks what a receiver may ask for.
func TestRetryAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "90")
		if r.URL.Path == "/gone" {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ch := New(Config{HTTP: server.Client()})
	err := ch.Send(context.Background(), dispatch(t, server.URL, newSecret(t)))
	if channel.After(err) != 90*time.Second || channel.Gone(err) {
		t.Errorf("503: after %v, gone %v", channel.After(err), channel.Gone(err))
	}
	if err := ch.Send(context.Background(), dispatch(t, server.URL+"/gone", newSecret(t))); !channel.Gone(err) {
		t.Errorf("410: got %v, want gone", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestSlowAndAbsentReceivers(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	ch := New(Config{HTTP: server.Client(), Timeout: 100 * time.Millisecond})
	cases := map[string]string{
		server.URL + "/secret-token":               "the receiver gave no answer in time",
		"http://127.0.0.1:1/secret-token":          "the receiver could not be reached",
		"http://nowhere.invalid/hook/secret-token": "the receiver's name is not found",
	}
	for url, want := range cases {
		err := ch.Send(context.Background(), dispatch(t, url, newSecret(t)))
		words, temporary := channel.Plain(err)
		if words != want || !temporary {
			t.Errorf("%s: got %q, want %q", url, words, want)
		}
		for ; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "secret-token") {
				t.Errorf("%s: the error tells the address: %v", url, err)
			}
		}
	}
	if words, temporary := channel.Plain(New(Config{}).Send(context.Background(), dispatch(t, server.URL, newSecret(t)))); words != "this instance sends nothing over HTTP" || !temporary {
		t.Errorf("without a client: got %q", words)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for _, secret := range []string{"", "whsec_", "short", "whsec_c2hvcnQ=", "whsec_!!!!", strings.Repeat("A", 400)} {
		if _, err := Receiver(Settings{URL: "https://x.test", Secret: secret}); err == nil {
			t.Errorf("accepted the secret %q", secret)
		} else if len(secret) > 8 && strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}
