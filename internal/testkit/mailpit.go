package testkit

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// A Mail is a Mailpit server: it takes mail by SMTP, keeps it, and shows it.
type Mail struct {
	SMTPURL string // smtp://127.0.0.1:PORT
	HTTPURL string // its pages and API

	t testing.TB
}

// A Message is one mail as it was received.
type Message struct {
	ID        string // Mailpit's own
	MessageID string // the Message-ID header, without its brackets
	From      string
	To        []string
	Subject   string
	Text      string
	HTML      string
	Header    map[string][]string
	Created   time.Time // when it was accepted
}

// Mailpit starts a Mailpit server that keeps its mail until the test ends.
func Mailpit(t testing.TB) *Mail {
	t.Helper()
	program := Tool(t, "mailpit")
	m, err := retry(func() (*Mail, error) { return newMailpit(t, program) })
	if err != nil {
		missing(t, err)
	}
	return m
}

func newMailpit(t testing.TB, program string) (*Mail, error) {
	dir, err := workDir("mailpit", nil)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	host := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	m := &Mail{SMTPURL: "smtp://" + host(0), HTTPURL: "http://" + host(1), t: t}
	p, err := start(spec{
		name: "Mailpit", dir: dir, port: ports[1], within: 15 * time.Second,
		args: []string{
			program, "--smtp", host(0), "--listen", host(1), "--database", dir + "/mail.db",
			"--disable-version-check", "--enable-chaos", "--max", "0",
		},
		ready: func() error { return getJSON(m.HTTPURL+"/api/v1/info", nil) },
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stopLogged(t, p) })
	return m, nil
}

// Messages returns every mail that was accepted, oldest first.
func (m *Mail) Messages() []Message {
	m.t.Helper()
	list, err := m.list("")
	if err != nil {
		m.t.Fatal(err)
	}
	return list
}

// Count returns how many mails were accepted.
func (m *Mail) Count() int {
	m.t.Helper()
	var answer struct{ Total int }
	if err := getJSON(m.HTTPURL+"/api/v1/messages?limit=1", &answer); err != nil {
		m.t.Fatal(err)
	}
	return answer.Total
}

// Wait returns the mails once there are at least n, or fails the test.
func (m *Mail) Wait(n int, within time.Duration) []Message {
	m.t.Helper()
	deadline := time.Now().Add(within)
	for m.Count() < n {
		if time.Now().After(deadline) {
			m.t.Fatalf("got %d mails within %s, want %d", m.Count(), within, n)
		}
		time.Sleep(25 * time.Millisecond)
	}
	return m.Messages()
}

// WaitFor returns the oldest mail that Mailpit's search finds (`subject:x`,
// `to:a@b.test`, `message-id:…`), or fails the test.
func (m *Mail) WaitFor(query string, within time.Duration) Message {
	m.t.Helper()
	deadline := time.Now().Add(within)
	for {
		list, err := m.list(query)
		if err != nil {
			m.t.Fatal(err)
		}
		if len(list) > 0 {
			return list[0]
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("got no mail for %q within %s, of %d", query, within, m.Count())
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// Fail makes every delivery fail with an SMTP status (451 for later, 550 for never)
// at the named step: Sender, Recipient or Authentication. Mend ends it.
func (m *Mail) Fail(step string, status int) {
	m.t.Helper()
	m.chaos(map[string]any{step: map[string]int{"ErrorCode": status, "Probability": 100}})
}

// Mend accepts mail again.
func (m *Mail) Mend() {
	m.t.Helper()
	m.chaos(map[string]any{})
}

// Clear deletes every mail.
func (m *Mail) Clear() {
	m.t.Helper()
	if err := m.simple(http.MethodDelete, "/api/v1/messages", map[string]any{}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Mail) chaos(triggers map[string]any) {
	m.t.Helper()
	if err := m.simple(http.MethodPut, "/api/v1/chaos", triggers); err != nil {
		m.t.Fatal(err)
	}
}

func (m *Mail) simple(method, path string, in any) error {
	status, data, err := call(method, m.HTTPURL+path, nil, in)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("mailpit: %s %s answered %d: %s", method, path, status, data)
	}
	return nil
}

// list reads all pages; Mailpit gives the newest first.
func (m *Mail) list(query string) ([]Message, error) {
	const page = 200
	type entry struct {
		ID      string
		Created time.Time
	}
	var found []entry
	for {
		path := "/api/v1/messages"
		values := url.Values{"start": {strconv.Itoa(len(found))}, "limit": {strconv.Itoa(page)}}
		if query != "" {
			path = "/api/v1/search"
			values.Set("query", query)
		}
		var answer struct{ Messages []entry }
		if err := getJSON(m.HTTPURL+path+"?"+values.Encode(), &answer); err != nil {
			return nil, err
		}
		found = append(found, answer.Messages...)
		if len(answer.Messages) < page {
			break
		}
	}
	list := make([]Message, len(found))
	for i, e := range found {
		msg, err := m.message(e.ID)
		if err != nil {
			return nil, err
		}
		msg.Created = e.Created
		list[len(found)-1-i] = msg
	}
	return list, nil
}

func (m *Mail) message(id string) (Message, error) {
	type address struct{ Address string }
	var raw struct {
		ID, MessageID, Subject, Text, HTML string
		From                               address
		To                                 []address
	}
	msg := Message{}
	at := m.HTTPURL + "/api/v1/message/" + id
	if err := getJSON(at, &raw); err != nil {
		return msg, err
	}
	if err := getJSON(at+"/headers", &msg.Header); err != nil {
		return msg, err
	}
	msg.ID, msg.MessageID, msg.Subject, msg.Text, msg.HTML = raw.ID, raw.MessageID, raw.Subject, raw.Text, raw.HTML
	msg.From = raw.From.Address
	for _, to := range raw.To {
		msg.To = append(msg.To, to.Address)
	}
	return msg, nil
}
