package alertstore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/seal"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/testkit"
)

// A chat is a Slack-compatible webhook, or PagerDuty: it keeps what it gets.
type chat struct {
	mu     sync.Mutex // guards bodies and status
	bodies []string
	status int
}

func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	c.bodies = append(c.bodies, string(body))
}

func (c *chat) got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.bodies...)
}

func (c *chat) answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// recoverOne closes the first open finding of a cause and tells it by another.
func (f *seed) recoverOne(t testing.TB, cause, of string, run int64) {
	t.Helper()
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		id, err := f.causeTx(ctx, tx, cause, "recovered", run, "", 1)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE finding SET closed_at = $1, closed_why = 'passed', recovered = $2
			WHERE id = (SELECT MIN(f.id) FROM finding f JOIN cause c ON c.id = f.cause WHERE c.ext = $3 AND f.closed_at IS NULL)`,
			store.Micros(tx.Now()), id, of); err != nil {
			return err
		}
		return f.s.Enqueue(ctx, tx, monitor.Cause{ID: cause, Kind: monitor.CauseRecovered, Check: checkMFA, Source: "code", Run: run, Count: 1})
	})
}

// TestChatAndTicketOnARealForge is the whole path: what fails is told in a chat
// and opens one issue; a restart in between, a lost record and a repeat open no
// second one; a part that recovers is commented, the rest closes it.
func TestChatAndTicketOnARealForge(t *testing.T) {
	g := testkit.Gitea(t)
	g.Must("POST", "/orgs", map[string]any{"username": "acme"})
	g.Must("POST", "/orgs/acme/repos", map[string]any{"name": "security"})
	room := &chat{}
	server := httptest.NewServer(room)
	defer server.Close()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	change := func(c *Config) {
		keeper, err := seal.Open(key)
		if err != nil {
			t.Fatal(err)
		}
		c.Seal, c.HTTP = keeper, http.DefaultClient
	}
	f, s := open(t, "", dir, change)
	route(t, s, fmt.Sprintf(`{name: all, to: {slack: {url: %q}, gitea: {url: %q, repository: acme/security, token: %s}}}`, server.URL+"/hooks/x", g.URL, g.AdminToken))
	f.begin(t, 1)
	f.fail(t, "c1", 1, "", 2)
	f.end(t, 1)
	sent := func(n int) {
		t.Helper()
		eventually(t, 15*time.Second, fmt.Sprintf("%d messages", n), func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
			return err == nil && len(p.Items) == n
		})
	}
	sent(2)
	one := onlyIssue(t, g)
	if one.State != "open" || one.Comments != 0 || !strings.Contains(one.Body, "c1-0") {
		t.Fatalf("after the failure: %+v", one)
	}
	if got := room.got(); len(got) != 1 || !strings.Contains(got[0], "Second factor (mfa)") {
		t.Fatalf("the chat got %q", got)
	}

	// The process dies after the forge's yes and before our record of it.
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	f.db.Close()
	f, s = open(t, "", dir, change)
	letter := only(t, s, Filter{Cause: "c1", Channel: []string{"gitea"}})
	f.write(t, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM alert_case"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE alert_delivery SET state = 'pending', sent_at = 0 WHERE id = $1", letter.ID); err != nil {
			return err
		}
		return s.insert(ctx, tx, letterJob{Letter: letter.ID}, 2)
	})
	sent(2)
	onlyIssue(t, g)

	f.recoverOne(t, "c2", "c1", 1)
	sent(4)
	if one := onlyIssue(t, g); one.State != "open" || one.Comments != 1 {
		t.Errorf("after a part recovered: %+v", one)
	}
	f.recover(t, "c3", "c1", 1, "")
	sent(6)
	if one := onlyIssue(t, g); one.State != "closed" || one.Comments != 2 {
		t.Errorf("after the recovery: %+v", one)
	}
	if got := room.got(); len(got) != 3 || !strings.Contains(got[2], "Recovered") {
		t.Errorf("the chat got %q", got)
	}
	if _, err := s.Test(context.Background(), "all"); err != nil {
		t.Fatal(err)
	}
	sent(8)
}

type forgeIssue struct {
	Number   int
	State    string
	Body     string
	Comments int
}

func onlyIssue(t *testing.T, g *testkit.GiteaServer) forgeIssue {
	t.Helper()
	status, raw := g.API("GET", "/repos/acme/security/issues?state=all&type=issues", nil)
	var list []forgeIssue
	if err := json.Unmarshal(raw, &list); status != http.StatusOK || err != nil {
		t.Fatalf("list issues: %d, %v", status, err)
	}
	if len(list) != 1 {
		t.Fatalf("%d issues, want 1: %s", len(list), raw)
	}
	return list[0]
}

// TestRecoveryWaitsForItsFailure: an incident whose failure could not be told
// yet is not resolved before it is opened.
func TestRecoveryWaitsForItsFailure(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		duty := &chat{status: http.StatusServiceUnavailable}
		server := httptest.NewServer(duty)
		defer server.Close()
		dir := t.TempDir()
		f, s := open(t, url, dir, func(c *Config) {
			keeper, err := seal.Open(filepath.Join(dir, "key"))
			if err != nil {
				t.Fatal(err)
			}
			c.Seal, c.HTTP = keeper, http.DefaultClient
		})
		route(t, s, fmt.Sprintf(`{name: duty, to: {pagerduty: {key: e93facc04764012d7bfb002500d5d1a6, url: %q}}}`, server.URL))
		f.begin(t, 1)
		f.fail(t, "c1", 1, "", 1)
		f.end(t, 1)
		f.recover(t, "c2", "c1", 1, "")
		eventually(t, 10*time.Second, "an attempt", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{Cause: "c1"})
			return err == nil && len(p.Items) == 1 && p.Items[0].Attempts > 0
		})
		time.Sleep(time.Second)
		if d := only(t, s, Filter{Cause: "c2"}); d.State != Pending || d.Attempts != 0 {
			t.Errorf("the recovery did not wait: %+v", d)
		}
		duty.answer(0)
		eventually(t, 10*time.Second, "both", func() bool {
			p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
			return err == nil && len(p.Items) == 2
		})
		story, keys := duty.events(t)
		if !strings.HasPrefix(story, "trigger") || !strings.HasSuffix(story, "resolve") || len(keys) != 1 {
			t.Errorf("got %q under %d keys", story, len(keys))
		}
	})
}

// events reads what PagerDuty got: the actions in their order, and the keys.
func (c *chat) events(t *testing.T) (actions string, keys map[string]bool) {
	t.Helper()
	keys = map[string]bool{}
	var list []string
	for _, body := range c.got() {
		var e struct {
			Action string `json:"event_action"`
			Key    string `json:"dedup_key"`
		}
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatal(err)
		}
		list, keys[e.Key] = append(list, e.Action), true
	}
	return strings.Join(list, " "), keys
}

// TestEndedExceptionOpensTheSameIncident: what an exception covered and shows
// again is the case that its failure opened, and its recovery resolves it.
func TestEndedExceptionOpensTheSameIncident(t *testing.T) {
	both(t, func(t *testing.T, url string) {
		duty := &chat{}
		server := httptest.NewServer(duty)
		defer server.Close()
		f, s := open(t, url, t.TempDir(), func(c *Config) { c.Seal, c.HTTP = testBox(t), http.DefaultClient })
		route(t, s, fmt.Sprintf(`{name: duty, to: {pagerduty: {key: e93facc04764012d7bfb002500d5d1a6, url: %q}}}`, server.URL))
		f.begin(t, 1)
		f.fail(t, "c1", 1, "", 2)
		f.end(t, 1)
		sent := func(n int) {
			t.Helper()
			eventually(t, 10*time.Second, fmt.Sprintf("%d messages", n), func() bool {
				p, err := s.Deliveries(context.Background(), Filter{State: []State{Sent}})
				return err == nil && len(p.Items) == n
			})
		}
		sent(1)
		f.write(t, func(ctx context.Context, tx *store.Tx) error {
			if _, err := f.causeTx(ctx, tx, "over", "excepted", 1, "", 2); err != nil {
				return err
			}
			now := store.Micros(tx.Now())
			if _, err := tx.Exec(ctx, `INSERT INTO exception (id, ext, chk, fid, source, reason, requester, created_at, ends_at)
				VALUES (1, 'e1', 'account-has-mfa', '', '', 'r', 'a', $1, $1)`, now); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO exception_span (id, exception, from_at, to_at) VALUES (1, 1, 0, $1)", now); err != nil {
				return err
			}
			return s.Enqueue(ctx, tx, monitor.Cause{ID: "over", Run: 1})
		})
		sent(2)
		f.recover(t, "c2", "c1", 1, "")
		sent(3)
		if story, keys := duty.events(t); story != "trigger trigger resolve" || len(keys) != 1 {
			t.Errorf("got %q under %d keys", story, len(keys))
		}
	})
}
