package channeltest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// An Exam is what a channel gives to be examined.
type Exam struct {
	New     func(*http.Client) channel.Channel
	Words   func(url string) string // a route's words that lead to the vendor
	Secrets []string                // that the words hold; the address of the vendor need not be one
	Accept  http.HandlerFunc        // how the vendor answers when all is well
}

// Run examines a channel.
func Run(t *testing.T, e Exam) {
	t.Run("says all", e.says)
	t.Run("answers", e.answers)
	t.Run("silence", e.silence)
	t.Run("settings", e.settings)
}

// send sends one failing message.
func (e Exam) send(t *testing.T, v *Vendor, card channel.Card) (channel.Dispatch, error) {
	t.Helper()
	ch := e.New(v.Client)
	d := Dispatch(Receiver(t, ch, e.Words(v.URL)), channel.KindFailing, 1, &Notes{})
	d.Message.Card = card
	return d, ch.Send(context.Background(), d)
}

// says holds that the message says what S20 asks for, and no secret of ours
// outside of where it belongs.
func (e Exam) says(t *testing.T) {
	v := NewVendor(t, e.Accept)
	d, err := e.send(t, v, Card())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range e.Secrets {
		if strings.Contains(d.Receiver.Label, s) || strings.Contains(d.Receiver.Key, s) {
			t.Errorf("the label or the key tells a secret: %q", d.Receiver.Label)
		}
	}
	if len(v.Seen()) == 0 {
		t.Error("nothing arrived")
	}
}

// answers holds what each status means.
func (e Exam) answers(t *testing.T) {
	v := NewVendor(t, e.Accept)
	for _, status := range []int{301, 307, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503} {
		var again bool
		v.Answer(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				again = true
			}
			w.Header().Set("Location", v.URL+"/elsewhere")
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(status)
			// A vendor that repeats what it was sent must not make us tell it.
			_, _ = fmt.Fprintf(w, `{"message":"no: %s %s","error":"x"}`, r.URL, strings.Join(e.Secrets, " "))
		})
		_, err := e.send(t, v, Card())
		if err == nil {
			t.Errorf("%d: accepted", status)
			continue
		}
		words, temporary := channel.Plain(err)
		if !strings.Contains(words, fmt.Sprint(status)) {
			t.Errorf("%d: got %q, want the status named", status, words)
		}
		if gone := status == http.StatusGone; channel.Gone(err) != gone || temporary == gone {
			t.Errorf("%d: gone %v, temporary %v", status, channel.Gone(err), temporary)
		}
		if status == http.StatusTooManyRequests && channel.After(err) != 90*time.Second {
			t.Errorf("429: rests %v, want 90 s", channel.After(err))
		}
		if again {
			t.Errorf("%d: the redirect was followed", status)
		}
		e.tellsNothing(t, err)
	}
}

// silence holds what is said when nobody answers.
func (e Exam) silence(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:1":     "the receiver could not be reached",
		"http://nowhere.invalid": "the receiver's name is not found",
	} {
		v := NewVendor(t, e.Accept)
		v.URL = address
		_, err := e.send(t, v, Card())
		if words, temporary := channel.Plain(err); words != want || !temporary {
			t.Errorf("%s: got %q, want %q", address, words, want)
		}
		e.tellsNothing(t, err)
	}
	ch := e.New(nil)
	err := ch.Send(context.Background(), Dispatch(Receiver(t, ch, e.Words("http://x.test")), channel.KindFailing, 1, &Notes{}))
	if words, temporary := channel.Plain(err); err == nil || !temporary || words == "" {
		t.Errorf("without a client: got %v", err)
	}
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
}

func (e Exam) tellsNothing(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, s := range e.Secrets {
			if strings.Contains(err.Error(), s) {
				t.Errorf("the error tells %q: %v", s, err)
			}
		}
	}
}

// settings holds that wrong words are refused without repeating them.
func (e Exam) settings(t *testing.T) {
	ch := e.New(nil)
	f, ok := ch.(channel.Former)
	if !ok {
		t.Fatal("the channel describes no fields")
	}
	good := e.Words("https://x.test")
	for _, words := range []string{
		"text", "{}", "{unknown: x}", "{" + f.Fields()[0].Name + ": {env: X}}",
		strings.Replace(good, "https://x.test", "ftp://x.test", 1), strings.Replace(good, "https://x.test", "https://me:topsecret@x.test", 1),
		strings.Replace(good, "https://x.test", "https://x.test/"+strings.Repeat("a", 3000), 1),
	} {
		if words == good {
			continue
		}
		_, err := Target(ch, words)
		if err == nil {
			t.Errorf("accepted %.80q", words)
			continue
		}
		for _, s := range append([]string{"topsecret"}, e.Secrets...) {
			if strings.Contains(err.Error(), s) {
				t.Errorf("the error tells a secret: %v", err)
			}
		}
	}
	if a, b := Receiver(t, ch, good), Receiver(t, ch, good); a.Key != b.Key {
		t.Errorf("the same receiver has two keys: %s, %s", a.Key, b.Key)
	}
}
