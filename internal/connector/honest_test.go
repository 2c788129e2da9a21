package connector

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/fact"
)

func TestHonest(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want fact.Reading
		why  string
	}{
		{nil, fact.Complete, ""},
		{&StatusError{Status: 401}, fact.Forbidden, "refused the credential"},
		{fmt.Errorf("list: %w", &StatusError{Status: 403}), fact.Forbidden, "may not see"},
		{&StatusError{Status: 404}, fact.Forbidden, "hides"},
		{&StatusError{Status: 429, RetryAfter: time.Minute}, fact.Partial, "fewer"},
		{&StatusError{Status: 500}, fact.Partial, "500"},
		{&StatusError{Status: 302}, fact.Partial, "302"},
		{ErrHost, fact.Partial, "another host"},
		{ErrNetwork, fact.Partial, "network"},
		{ErrTooLarge, fact.Partial, "longer"},
		{ErrCut, fact.Partial, "cut"},
		{ErrCapped, fact.Partial, "less"},
		{ErrFormat, fact.Partial, "form"},
		{context.Canceled, fact.Partial, "cancelled"},
		{context.DeadlineExceeded, fact.Partial, "in time"},
		{os.ErrDeadlineExceeded, fact.Partial, "in time"},
		{&net.DNSError{Name: "secret.example"}, fact.Partial, "resolved"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, fact.Partial, "reached"},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, fact.Partial, "broke"},
		{errors.New("internal cause"), fact.Partial, "failed"},
	} {
		got, d := Honest(tt.err)
		if got != tt.want || !strings.Contains(d.Why, tt.why) || tt.err != nil && d.Why == "" {
			t.Errorf("Honest(%v) = %s, %q; want %s with %q", tt.err, got, d.Why, tt.want, tt.why)
		}
		if strings.Contains(d.Why, "internal cause") || strings.Contains(d.Why, "secret.example") {
			t.Errorf("Honest(%v) tells %q", tt.err, d.Why)
		}
	}
}

func TestHonestCertificate(t *testing.T) {
	var unknown error = x509.UnknownAuthorityError{}
	if passing(unknown) {
		t.Error("an untrusted certificate is tried again")
	}
}

func TestTally(t *testing.T) {
	var y Tally
	if r, d := y.Result(); r != fact.Complete || d.Why != "" {
		t.Errorf("empty: got %s %q, want complete", r, d.Why)
	}
	y.Missing(&StatusError{Status: 403}, "read:organization")
	if r, d := y.Result(); r != fact.Forbidden || d.Permission != "read:organization" || d.Forbidden != 1 || d.Status != 403 {
		t.Errorf("refused: got %s %+v", r, d)
	}
	y.Add(&StatusError{Status: 429, RetryAfter: time.Minute})
	if r, d := y.Result(); r != fact.Partial || d.RetryAfter != time.Minute || d.Forbidden != 1 {
		t.Errorf("refused and cut: got %s %+v", r, d)
	}
}

func TestDecodeRefusesWhatIsNoAnswer(t *testing.T) {
	for _, body := range []string{"", " ", "null", "[1", "[1] [2]", "<html>", "{}"} {
		var v []int
		if err := (Reply{Body: []byte(body)}).Decode(&v); !errors.Is(err, ErrFormat) {
			t.Errorf("Decode(%q) = %v, want ErrFormat", body, err)
		}
	}
	var v []int
	if err := (Reply{Body: []byte(" [1] ")}).Decode(&v); err != nil || len(v) != 1 {
		t.Errorf("Decode([1]) = %v, %v", v, err)
	}
}

func TestNext(t *testing.T) {
	base, _ := url.Parse("https://h/api/x?page=1")
	for _, tt := range []struct{ link, want string }{
		{"", ""},
		{`<https://h/api/x?page=2>; rel="next", <https://h/api/x?page=9>; rel="last"`, "https://h/api/x?page=2"},
		{`<https://h/api/x?page=9>; rel="last"; title="a, b <c>", </api/x?page=2>; rel=next`, "https://h/api/x?page=2"},
		{`<https://h/1>; rel="prev"`, ""},
		{`<https://evil.test/2>; rel="prev next"`, "https://evil.test/2"},
		{`<https://h/a`, ""},
	} {
		r := Reply{URL: base, Header: http.Header{"Link": {tt.link}}}
		if got, err := r.Next(); err != nil || got != tt.want {
			t.Errorf("Next of %s = %q, %v; want %q", tt.link, got, err, tt.want)
		}
	}
}

func FuzzLinkNext(f *testing.F) {
	f.Add(`<https://h/api/x?page=2>; rel="next", <https://h/api/x?page=9>; rel="last"`)
	f.Add(`<a>; title="x, <b>"; rel=next,<`)
	f.Fuzz(func(t *testing.T, link string) {
		got := linkNext([]string{link})
		if got != "" && !strings.Contains(link, "<"+got+">") {
			t.Errorf("linkNext(%q) = %q, which it does not hold", link, got)
		}
	})
}

func TestMemoryRefuses(t *testing.T) {
	m := Record()
	if err := m.Fact("s", "a", fact.Account{}); err == nil {
		t.Error("a fact in a scope that is not open was taken")
	}
	for _, step := range []struct {
		name string
		do   func() error
		ok   bool
	}{
		{"open", func() error { return m.Open(Scope{Name: "s", Kinds: []string{"account"}}) }, true},
		{"open twice", func() error { return m.Open(Scope{Name: "s", Kinds: []string{"account"}}) }, false},
		{"open nothing", func() error { return m.Open(Scope{Name: "t"}) }, false},
		{"fact", func() error { return m.Fact("s", "a", fact.Account{Login: fact.Some("a")}) }, true},
		{"fact twice", func() error { return m.Fact("s", "a", fact.Account{}) }, false},
		{"another kind", func() error { return m.Fact("s", "b", fact.Change{}) }, false},
		{"close", func() error { return m.Close("s", fact.Complete, Detail{Of: 1}) }, true},
		{"close twice", func() error { return m.Close("s", fact.Complete, Detail{}) }, false},
		{"fact after close", func() error { return m.Fact("s", "c", fact.Account{}) }, false},
	} {
		if err := step.do(); (err == nil) != step.ok {
			t.Errorf("%s: got %v, want taken %v", step.name, err, step.ok)
		}
	}
	if s := m.Scopes()[0]; s.Detail.Seen != 1 || s.Reading != fact.Complete || !s.Closed {
		t.Errorf("scope: %+v", s)
	}
	if len(m.Facts()) != 1 || string(m.Facts()[0].Data) != `{"login":"a"}` {
		t.Errorf("facts: %+v", m.Facts())
	}
}

// A header that breaks off is told in words, wherever it breaks.
func TestCutHeaderHasAReason(t *testing.T) {
	for sent, want := range map[string]string{
		"": "the connection broke", "HT": "an answer was not in the documented form", "HTTP/1.1 200 OK\r\n": "an answer was cut short",
		"HTTP/1.1 200 OK\r\nContent-Type": "an answer was cut short", "SSH-2.0-x\r\n\r\n": "an answer was not in the documented form",
	} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1024))
			_, _ = io.WriteString(c, sent)
			_ = c.Close()
		}()
		at := "http://" + l.Addr().String()
		c := NewClient(ClientConfig{Hosts: []string{at}, Dial: NewDialer(NetworkPolicy{AllowAll: true}), Attempts: 1})
		_, err = Fetch(t.Context(), c, at+"/x", http.Header{})
		if reading, d := Honest(err); reading != fact.Partial || d.Why != want {
			t.Errorf("%q: %s, %q; want partial, %q (%v)", sent, reading, d.Why, want, err)
		}
		_ = l.Close()
	}
}
