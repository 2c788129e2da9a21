package alertstore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A mailbox is a real mail server.
type mailbox struct {
	smtp, http string
}

// startMailpit starts the real mail server, or says why not: on a laptop the
// test is skipped, in CI it fails.
func startMailpit(t testing.TB, flags ...string) *mailbox {
	t.Helper()
	tools := os.Getenv("PRUMO_TOOLS")
	if tools == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		tools = filepath.Join(home, ".cache", "prumo-tools")
	}
	found, err := filepath.Glob(filepath.Join(tools, "mailpit-*", "mailpit"))
	if err != nil || len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Mailpit under " + tools + "; run tools/setup.sh mailpit")
		}
		t.Skip("no Mailpit; run tools/setup.sh mailpit")
	}
	m := &mailbox{smtp: freePort(t), http: freePort(t)}
	args := append([]string{"--listen", m.http, "--smtp", m.smtp, "--disable-version-check", "--database", filepath.Join(t.TempDir(), "mail.db"), "--max", "0"}, flags...)
	cmd := exec.Command(found[0], args...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Mailpit: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, 10*time.Second, "Mailpit to answer", func() bool {
		res, err := http.Get("http://" + m.http + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	return m
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func eventually(t testing.TB, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", patience, what)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// A mail is one received message.
type mail struct {
	ID, MessageID, Subject, Text, HTML string
	To                                 []struct{ Address string }
	Created                            time.Time
	Header                             map[string][]string
}

func (m *mailbox) get(t testing.TB, path string, into any) {
	t.Helper()
	res, err := http.Get("http://" + m.http + path)
	if err != nil {
		t.Fatalf("ask Mailpit: %v", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("ask Mailpit: %v", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("Mailpit said %q: %v", raw, err)
	}
}

// list returns the received mails in the order of their arrival, without bodies.
func (m *mailbox) list(t testing.TB) []mail {
	t.Helper()
	var all []mail
	for {
		var page struct {
			Messages []mail
			Total    int
		}
		m.get(t, fmt.Sprintf("/api/v1/messages?limit=200&start=%d", len(all)), &page)
		all = append(all, page.Messages...)
		if len(page.Messages) == 0 || len(all) >= page.Total {
			break
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

// read returns one mail with bodies and headers.
func (m *mailbox) read(t testing.TB, id string) mail {
	t.Helper()
	var out mail
	m.get(t, "/api/v1/message/"+url.PathEscape(id), &out)
	m.get(t, "/api/v1/message/"+url.PathEscape(id)+"/headers", &out.Header)
	return out
}

// wait returns the mails once there are n of them.
func (m *mailbox) wait(t testing.TB, n int, patience time.Duration) []mail {
	t.Helper()
	var got []mail
	eventually(t, patience, fmt.Sprintf("%d mails", n), func() bool {
		got = m.list(t)
		return len(got) >= n
	})
	return got
}

// chaos makes a share of the mail server's answers fail.
func (m *mailbox) chaos(t testing.TB, what string, code, percent int) {
	t.Helper()
	body := fmt.Sprintf(`{%q:{"ErrorCode":%d,"Probability":%d}}`, what, code, percent)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://"+m.http+"/api/v1/chaos", stringReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("set Mailpit's chaos: got %d", res.StatusCode)
	}
}
