package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/app"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/testkit"
)

// A house is a running Prumo: the whole program in this process.
type house struct {
	t     *testing.T
	url   string
	link  string
	token string
	env   map[string]string
	stop  func()
	out   *output

	limits connector.ClientConfig // of the calls to sources
}

// An output is what the program prints, readable while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (h *house) lookup(name string) (string, bool) { v, ok := h.env[name]; return v, ok }

// command runs one command and returns what it printed and its exit status.
func (h *house) command(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	var out, errw bytes.Buffer
	code = app.Main(h.t.Context(), app.Process{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errw, LookupEnv: h.lookup})
	return out.String(), errw.String(), code
}

// open starts Prumo on a fresh data folder with the configuration.
func open(t *testing.T, yaml string, env map[string]string) *house {
	t.Helper()
	return openLimited(t, yaml, env, connector.ClientConfig{})
}

// openLimited is open with other limits of the calls to sources.
func openLimited(t *testing.T, yaml string, env map[string]string, limits connector.ClientConfig) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{limits: limits, t: t, env: map[string]string{"PRUMO_DATA": filepath.Join(dir, "data"), "PRUMO_ADDR": freeAddr(t)}, out: &output{}}
	for k, v := range env {
		h.env[k] = v
	}
	h.url = "http://" + h.env["PRUMO_ADDR"]
	file := filepath.Join(dir, "prumo.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start("serve", "--config", file)
	out, errw, code := h.command("token", "create", "--role", "owner")
	if code != 0 {
		t.Fatalf("token create: %d %s", code, errw)
	}
	h.token = strings.TrimSpace(out)
	return h
}

func (h *house) start(args ...string) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	errw := &output{}
	go func() {
		done <- app.Main(ctx, app.Process{Args: args, Stdin: strings.NewReader(""), Stdout: h.out, Stderr: errw, LookupEnv: h.lookup, Limits: h.limits})
	}()
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			cancel()
			if code := <-done; code != 0 {
				h.t.Errorf("prumo ended with %d:\n%s", code, errw)
			}
		})
	}
	h.t.Cleanup(h.stop)
	h.t.Cleanup(func() {
		if h.t.Failed() {
			h.t.Logf("prumo said:\n%s", errw)
		}
	})
	h.until("Prumo answers", 20*time.Second, func() bool {
		res, err := http.Get(h.url + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	h.link = regexp.MustCompile(`http://\S+/login\?token=\S+`).FindString(h.out.String())
}

func (h *house) until(what string, within time.Duration, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// call asks the API and decodes the answer into v, if v is not nil.
func (h *house) call(method, path string, body, v any) int {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		enc, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = bytes.NewReader(enc)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(h.t.Context()), method, h.url+path, r)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if v != nil && res.StatusCode < 300 {
		if err := json.Unmarshal(data, v); err != nil {
			h.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	if res.StatusCode >= 500 {
		h.t.Errorf("%s %s: %d %s", method, path, res.StatusCode, data)
	}
	return res.StatusCode
}

type verdict struct{ Check, Fact, Status, Outcome, Reason, Owner string }

// verdicts lists verdicts by the query.
func (h *house) verdicts(query string) []verdict {
	h.t.Helper()
	var page struct{ Items []verdict }
	if code := h.call(http.MethodGet, "/api/v1/verdicts?limit=1000&"+query, nil, &page); code != http.StatusOK {
		h.t.Fatalf("verdicts: status %d", code)
	}
	return page.Items
}

// status is the status of one check on one fact, or "".
func (h *house) status(check, fact string) string {
	h.t.Helper()
	for _, v := range h.verdicts("check=" + check) {
		if v.Fact == fact {
			return v.Status
		}
	}
	return ""
}

func TestNewcomerSeesTrueVerdictsAboutThisMachine(t *testing.T) {
	h := open(t, "", nil)
	h.until("verdicts about this machine, this checkout and Prumo itself", time.Minute, func() bool {
		return len(h.verdicts("source=host")) > 0 && len(h.verdicts("source=self")) > 0
	})
	if h.link == "" {
		t.Fatalf("the start printed no sign-in link:\n%s", h.out)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(url string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	if code, body := get(h.link); code != http.StatusOK || !strings.Contains(body, "<h1") {
		t.Fatalf("the link led to %d: %.300s", code, body)
	}
	for _, p := range []string{"/", "/findings", "/controls", "/checks", "/things", "/sources", "/exceptions", "/alerts", "/frameworks"} {
		if code, body := get(h.url + p); code != http.StatusOK {
			t.Errorf("%s: status %d: %.200s", p, code, body)
		}
	}
	browser.Jar, err = cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := get(h.link); code == http.StatusOK && len(browser.Jar.Cookies(mustURL(t, h.url))) > 0 {
		t.Error("the link opened a second session")
	}
}

func TestOneServerAFolder(t *testing.T) {
	h := open(t, "", nil)
	h.env["PRUMO_ADDR"] = freeAddr(t)
	if _, errw, code := h.command("serve"); code != 2 || !strings.Contains(errw, "another prumo") {
		t.Errorf("a second server on the same folder: status %d, %q; want 2 and words", code, errw)
	}
	if _, errw, code := h.command("token", "create", "--role", "viewer"); code != 0 {
		t.Errorf("a token beside the server: status %d, %q", code, errw)
	}
}

func TestNothingAnswersWithoutSessionOrToken(t *testing.T) {
	h := open(t, "", nil)
	for path, want := range map[string]int{
		"/api/v1/posture": 401, "/api/v1/verdicts": 401, "/api/openapi.json": 401, "/healthz": 200, "/readyz": 200, "/metrics": 200,
		"/things": 303, "/": 303,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
		req.Host = "evil.example"
		if res, err = c.Do(req); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s by a foreign host name: status %d, want 421", path, res.StatusCode)
		}
	}
}

func TestPushedFactsAreJudgedAndGoneOnlyWhenComplete(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { pushedFacts(t, nil) })
	t.Run("postgres", func(t *testing.T) {
		if testing.Short() {
			t.Skip("starts PostgreSQL")
		}
		pushedFacts(t, map[string]string{"PRUMO_DATABASE_URL": testkit.Postgres(t)})
	})
}

func pushedFacts(t *testing.T, env map[string]string) {
	h := open(t, "sources:\n  - {name: fleet, connector: push}\n", env)
	line := func(id string, encrypted bool) string {
		return fmt.Sprintf(`{"kind":"host","id":%q,"source":"fleet","observed_at":%q,"data":{"name":%q,"container":false,"disk_encrypted":%v}}`,
			id, time.Now().UTC().Format(time.RFC3339), id, encrypted) + "\n"
	}
	var a struct {
		Accepted int
		Refused  []struct {
			Line  int
			Error string
		}
	}
	push := func(query, body string) int {
		t.Helper()
		return h.call(http.MethodPost, "/ingest/v1/facts?source=fleet"+query, body, &a)
	}
	if code := push("&complete=true", line("a", true)+"{}\n"+line("b", false)); code != 200 || a.Accepted != 2 || len(a.Refused) != 1 {
		t.Fatalf("push: %d %+v", code, a)
	}
	h.until("verdicts of the push", 10*time.Second, func() bool { return h.status("host-disk-encrypted", "b") == "fail" })
	if got := h.status("host-disk-encrypted", "a"); got != "pass" {
		t.Errorf("a is %q, want pass", got)
	}
	push("", line("a", false))
	h.until("a fails", 10*time.Second, func() bool { return h.status("host-disk-encrypted", "a") == "fail" })
	if got := h.status("host-disk-encrypted", "b"); got != "fail" {
		t.Errorf("b is %q after a partial push without it, want fail still", got)
	}
	push("&complete=true", line("a", true))
	h.until("b is gone", 10*time.Second, func() bool { return h.status("host-disk-encrypted", "b") == "" })
	if got := h.status("host-disk-encrypted", "a"); got != "pass" {
		t.Errorf("a is %q, want pass", got)
	}
	if code := push("", "nonsense\n"); code != http.StatusUnprocessableEntity {
		t.Errorf("a push without a good line: status %d, want 422", code)
	}
	if code := h.call(http.MethodPost, "/ingest/v1/facts?source=nobody", line("a", true), nil); code != http.StatusUnprocessableEntity {
		t.Errorf("a push to no source: status %d, want 422", code)
	}
}

// TestProtectionRemovedIsTold is the story of the whole: a real Gitea, a real
// mail server; a branch protection goes, a mail arrives, it comes back, the
// finding closes.
func TestProtectionRemovedIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Gitea and waits for its tripwire")
	}
	git, mail := testkit.Gitea(t), testkit.Mailpit(t)
	git.Must("POST", "/orgs", map[string]any{"username": "acme"})
	git.Must("POST", "/orgs/acme/repos", map[string]any{"name": "web", "auto_init": true, "default_branch": "main"})
	protect := map[string]any{
		"rule_name": "main", "enable_push": false, "required_approvals": 1, "dismiss_stale_approvals": true,
		"block_on_rejected_reviews": true, "enable_status_check": true, "status_check_contexts": []string{"test"}, "block_admin_merge_override": true,
	}
	git.Must("POST", "/repos/acme/web/branch_protections", protect)
	h := open(t, `
organisation: {name: Acme, languages: [en], owner: lead@acme.test}
sources:
  - {name: code, connector: gitea, every: 10m, settings: {url: "`+git.URL+`", token: {env: GITEA_TOKEN}, webhook_secret: hush, organisations: [acme]}}
routes:
  - {name: security, to: {email: [security@acme.test]}}
`, map[string]string{"GITEA_TOKEN": git.AdminToken, "PRUMO_SMTP_URL": mail.SMTPURL})
	t.Cleanup(func() {
		if t.Failed() { // a message that is late says why: its attempts and the receiver's answers
			var sent any
			h.call(http.MethodGet, "/api/v1/deliveries?limit=100", nil, &sent)
			t.Logf("deliveries: %+v", sent)
		}
	})
	const repo, check = "web", "repository-default-branch-protected"
	find := func() (v verdict) {
		for _, v := range h.verdicts("source=code&check=" + check) {
			if strings.HasSuffix(v.Fact, repo) {
				return v
			}
		}
		return v
	}
	h.until("the first reading", time.Minute, func() bool { return find().Status == "pass" })
	mail.Wait(1, 20*time.Second) // what the new source found failing at first sight

	git.Must("DELETE", "/repos/acme/web/branch_protections/main", nil)
	broke := time.Now()
	h.until("the verdict turns", 45*time.Second, func() bool { return find().Status == "fail" })
	var got testkit.Message
	h.until("the mail", 15*time.Second, func() bool {
		for _, m := range mail.Messages() {
			if strings.Contains(m.Text, "Every default branch is protected") && strings.Contains(m.Text, "acme/web") && m.Created.After(broke) {
				got = m
				return true
			}
		}
		return false
	})
	t.Logf("mail %s after the change", got.Created.Sub(broke).Round(time.Millisecond))
	for _, want := range []string{"acme/web", "lead@acme.test", h.url} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("the mail does not name %q:\n%s", want, got.Text)
		}
	}
	git.Must("POST", "/repos/acme/web/branch_protections", protect)
	h.until("the finding closes", 45*time.Second, func() bool { return find().Status == "pass" })
	h.until("the recovery is told in the same thread", 30*time.Second, func() bool {
		for _, m := range mail.Messages() {
			if strings.Contains(strings.Join(m.Header["References"], " "), got.MessageID) {
				return true
			}
		}
		return false
	})
}

// TestPushPastReviewIsToldWithinSeconds: the webhook announces it.
func TestPushPastReviewIsToldWithinSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Gitea")
	}
	git, mail := testkit.Gitea(t), testkit.Mailpit(t)
	git.Must("POST", "/orgs", map[string]any{"username": "acme"})
	git.Must("POST", "/orgs/acme/repos", map[string]any{"name": "web", "auto_init": true, "default_branch": "main"})
	h := open(t, `
sources:
  - {name: code, connector: gitea, every: 10m, settings: {url: "`+git.URL+`", token: {env: GITEA_TOKEN}, webhook_secret: hush, organisations: [acme]}}
routes:
  - {name: security, to: {email: [security@acme.test]}}
`, map[string]string{"GITEA_TOKEN": git.AdminToken, "PRUMO_SMTP_URL": mail.SMTPURL})
	git.Must("POST", "/repos/acme/web/hooks", map[string]any{
		"type": "gitea", "active": true, "events": []string{"push"}, "config": map[string]any{"url": h.url + "/hooks/code", "content_type": "json", "secret": "hush"},
	})
	h.until("the first reading", time.Minute, func() bool { return len(h.verdicts("source=code&kind=repository")) > 0 })
	before := len(h.verdicts("source=code&kind=commit&status=fail"))
	start := time.Now()
	git.Must("POST", "/repos/acme/web/contents/evil.txt", map[string]any{
		"branch": "main", "message": "past review", "content": base64.StdEncoding.EncodeToString([]byte("x")),
	})
	h.until("the verdict on the commit", 20*time.Second, func() bool {
		return len(h.verdicts("source=code&kind=commit&status=fail")) > before
	})
	h.until("the mail", 10*time.Second, func() bool {
		for _, m := range mail.Messages() {
			if m.Created.After(start) && strings.Contains(m.Text, "past review") {
				t.Logf("mail %s after the push", m.Created.Sub(start).Round(time.Millisecond))
				return true
			}
		}
		return false
	})
}
