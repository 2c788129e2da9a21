// Package channeltest is the exam of every channel that speaks HTTP: that it
// keeps its secrets, honours what the other side asks for, and stays within its
// limits with whatever names the messages hold. Start at Run.
package channeltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
)

// At is the instant of every message.
func At() time.Time { return time.Date(2026, 11, 23, 14, 32, 5, 0, time.UTC) }

// A Seen is one request as the other side got it.
type Seen struct {
	Method, Path, Query string
	Header              http.Header
	Body                []byte
}

// A Vendor is the other side: it notes what it gets and answers what it is told.
type Vendor struct {
	URL    string
	Client *http.Client

	mu     sync.Mutex // guards what follows
	seen   []Seen
	answer http.HandlerFunc
}

// NewVendor starts one that answers by the handler.
func NewVendor(t testing.TB, answer http.HandlerFunc) *Vendor {
	t.Helper()
	v := &Vendor{answer: answer}
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	v.URL, v.Client = server.URL, server.Client()
	return v
}

// ServeHTTP implements http.Handler.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	v.mu.Lock()
	v.seen = append(v.seen, Seen{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: body})
	answer := v.answer
	v.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	answer(w, r)
}

// Answer changes what it answers from now on.
func (v *Vendor) Answer(answer http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answer = answer
}

// Seen returns what it got, and forgets it.
func (v *Vendor) Seen() []Seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.seen
	v.seen = nil
	return out
}

// Receiver reads a receiver from a route's words.
func Receiver(t testing.TB, ch channel.Channel, words string) channel.Receiver {
	t.Helper()
	to, err := Target(ch, words)
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	if len(to.Receivers) != 1 {
		t.Fatalf("%s: got %d receivers, want 1", words, len(to.Receivers))
	}
	return to.Receivers[0]
}

// Target reads a route's words.
func Target(ch channel.Channel, words string) (channel.Target, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(words), &n); err != nil {
		return channel.Target{}, err
	}
	return ch.Target(n.Content[0], func(n *yaml.Node) (string, error) {
		if n.Kind != yaml.ScalarNode {
			return "", errors.New("is not text")
		}
		return n.Value, nil
	})
}

// Notes is what channels remember, as the store keeps it.
type Notes struct {
	mu    sync.Mutex
	notes map[string]string // guarded by mu
	Fail  error             // returned by Remember
}

// Remember implements Dispatch.Remember.
func (n *Notes) Remember(_ context.Context, key, note string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Fail != nil {
		return n.Fail
	}
	if n.notes == nil {
		n.notes = map[string]string{}
	}
	n.notes[key] = note
	return nil
}

// Forget loses all of it.
func (n *Notes) Forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = nil
}

// Note returns what was remembered.
func (n *Notes) Note(key string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.notes[key]
}

// Dispatch is one message of a kind about one case.
func Dispatch(to channel.Receiver, kind string, left int, notes *Notes) channel.Dispatch {
	key := "alert_case"
	d := channel.Dispatch{
		ID: "alert_" + kind, MessageID: "alert_" + kind + "@prumo.acme.test", Receiver: to, At: At(), Now: At().Add(time.Minute),
		Message: channel.Message{
			Lang: "en", Kind: kind, Worst: "high", Subject: "[High] Every account has a second factor: fails for ana (code)",
			Payload: []byte(`{"data":{"source":"code"}}`), Card: Card(),
		},
	}
	d.Cases = []channel.Case{{Key: key, Left: left, At: At(), Note: notes.Note(key)}}
	d.Remember = notes.Remember
	return d
}

// Card is a message about one thing.
func Card() channel.Card {
	return channel.Card{
		Status: "fail", Title: "[High] Every account has a second factor: fails for ana (code)", Word: "Fail", Head: "1 thing fails",
		Organisation: "Acme",
		Facts:        []channel.Pair{{Label: "Source", Value: "code"}, {Label: "Owner", Value: "it@acme.test"}},
		Blocks: []channel.Block{{
			Title: "Every account has a second factor", Count: 1, Fix: "Ask ana to enrol a second factor.",
			Facts: []channel.Pair{{Label: "Check", Value: "account-has-mfa"}, {Label: "Severity", Value: "High"}, {Label: "Control", Value: "Strong sign-in (mfa)"}},
			Items: []channel.Thing{{
				Name: "ana", ID: "code/ana", Message: "ana signs in with a password alone",
				Evidence: []channel.Pair{{Label: "account.mfa", Value: "false"}},
				Facts:    []channel.Pair{{Label: "Due", Value: "23 Dec, 14:32"}},
				Link:     channel.Link{Text: "Open the finding", URL: "https://prumo.acme.test/findings/f7"},
			}},
		}},
		Link:     channel.Link{Text: "Open in Prumo", URL: "https://prumo.acme.test/findings?source=code&check=account-has-mfa"},
		Acts:     []channel.Link{{Text: "Acknowledge", URL: "https://prumo.acme.test/act/a?k=1&s=2"}},
		Why:      "You receive this because the route “security” names you.",
		Zone:     "Times are in UTC.",
		Evidence: "Evidence", Fix: "How to mend it",
		Left: func(n int) string { return fmt.Sprintf("and %d more", n) },
	}
}

// Said is what Card's message must say, in whatever form.
func Said() []string {
	return []string{
		"account-has-mfa", "Strong sign-in (mfa)", "ana", "account.mfa", "it@acme.test", "23 Dec, 14:32",
		"Ask ana to enrol a second factor.", "https://prumo.acme.test/findings/f7",
	}
}

// Hostile are names that try to be more than names.
func Hostile() []string {
	return []string{
		"<!channel>", "<!here|x>", "<@U012AB3CD>", "<#C024BE7LR>", "@everyone", "@here", "@channel", "@all", "x@everyone", "@ana",
		"[click](https://evil.test/login)", "<https://evil.test|Open in Prumo>", "https://evil.test/login", "![x](https://evil.test/p.png)",
		"*bold* _x_ ~y~ `z`", "```\nrm -rf /\n```", "<script>alert(1)</script>", "<!-- prumo:alert_case -->", "/close", "/assign @root", "fixes #1", "acme/code#2",
		"{noformat}{code}", "h1. big", "|table|", "!image.png!", "[~admin]", "{{ }}", "<at>ana</at>", "\u202egnp.exe", "a\u0301\u0301\u0301", "👩‍👩‍👧‍👦", "%3Cscript%3E", "\"}],\"x\":[{\"",
	}
}

// Many is a message about many things with these names, the longest that the
// composer lets through.
func Many(names []string, count, blocks int) channel.Card {
	c := Card()
	b := c.Blocks[0]
	c.Blocks = nil
	for i := range blocks {
		one := b
		one.Title = fmt.Sprintf("%s %d", names[i%len(names)], i)
		one.Fix, one.Count, one.Items = long(names[i%len(names)], 600), count, nil
		one.Facts = append([]channel.Pair{{Label: "Control", Value: long(names[i%len(names)], 120)}}, b.Facts...)
		for j := range min(count, 20/blocks) {
			t := b.Items[0]
			name := names[(i+j)%len(names)]
			t.Name, t.ID, t.Message = long(name, 120), fmt.Sprintf("%s-%d-%d", long(name, 500), i, j), long(name, 600)
			t.Evidence = nil
			for k := range 8 {
				t.Evidence = append(t.Evidence, channel.Pair{Label: fmt.Sprintf("account.f%d", k), Value: long(name, 200)})
			}
			one.Items = append(one.Items, t)
		}
		c.Blocks = append(c.Blocks, one)
	}
	c.Title = long(names[0], 180)
	return c
}

// long repeats a name up to a number of characters.
func long(name string, limit int) string {
	return channel.Clip(strings.Repeat(name+" ", limit/max(1, len([]rune(name)))+1), limit, channel.Runes)
}
