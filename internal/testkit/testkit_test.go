package testkit

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPostgresGivesEachCallItsOwnEmptyDatabase(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	if a == b {
		t.Fatalf("got the same database twice: %s", a)
	}
	for _, address := range []string{a, b} {
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE x (y int)"); err != nil {
			t.Errorf("create a table in %s: %v", address, err)
		}
	}
}

func TestPostgresDropsItsDatabase(t *testing.T) {
	var address string
	t.Run("inner", func(t *testing.T) { address = Postgres(t) })
	if address == "" {
		t.Skip("the inner test was skipped")
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("the database outlived its test")
	}
}

func TestPostgresClusterEndsWithItsTest(t *testing.T) {
	var c *Cluster
	t.Run("inner", func(t *testing.T) {
		c = PostgresCluster(t, true)
		if err := c.identify(); err != nil {
			t.Error(err)
		}
	})
	if c == nil {
		t.Skip("the inner test was skipped")
	}
	if err := c.identify(); err == nil {
		t.Error("the server outlived its test")
	}
	if _, err := os.Stat(c.proc.spec.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the server's folder outlived its test: %v", err)
	}
}

func TestGiteaProtectsABranchAndDeliversAWebhook(t *testing.T) {
	g := Gitea(t)
	got := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Gitea-Event")
	}))
	defer hook.Close()

	g.Must("POST", "/orgs", map[string]any{"username": "acme"})
	g.Must("POST", "/orgs/acme/repos", map[string]any{"name": "app", "auto_init": true, "default_branch": "main"})
	g.Must("POST", "/repos/acme/app/hooks", map[string]any{
		"type": "gitea", "active": true, "events": []string{"push"},
		"config": map[string]any{"url": hook.URL, "content_type": "json", "secret": nonce()},
	})
	file := map[string]any{"content": "YQ==", "message": "add a", "branch": "main"}
	g.Must("POST", "/repos/acme/app/contents/a", file)
	select {
	case event := <-got:
		if event != "push" {
			t.Errorf("got webhook %q, want push", event)
		}
	case <-time.After(20 * time.Second):
		t.Error("no webhook arrived")
	}

	g.Must("POST", "/repos/acme/app/branch_protections", map[string]any{"rule_name": "main", "enable_push": false})
	if status, body := g.API("POST", "/repos/acme/app/contents/b", file); status != http.StatusForbidden {
		t.Errorf("a push to a protected branch answered %d, want 403: %s", status, body)
	}
	token := g.User("bob")
	status, body := g.APIAs(token, "GET", "/user", nil)
	var user struct{ Login string }
	if err := json.Unmarshal(body, &user); err != nil || user.Login != "bob" {
		t.Errorf("got %d %s, want bob", status, body)
	}
}

// Gitea runs "git config --global"; it must write its own file and nobody else's. It
// once replaced /dev/null, which the environment named, by a file.
func TestGiteaWritesNobodysGitSettings(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "gitconfig")
	t.Setenv("GIT_CONFIG_GLOBAL", mine)
	Gitea(t)
	if _, err := os.Stat(mine); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Gitea wrote to the global git configuration of whoever runs the tests: %v", err)
	}
}

func TestMailpitTakesRefusesAndShowsMail(t *testing.T) {
	m := Mailpit(t)
	send := func(subject string) error {
		u, err := url.Parse(m.SMTPURL)
		if err != nil {
			t.Fatal(err)
		}
		body := "From: a@acme.test\r\nTo: b@acme.test\r\nMessage-ID: <" + subject + "@acme.test>\r\nSubject: " + subject + "\r\n\r\nhello\r\n"
		return smtp.SendMail(u.Host, nil, "a@acme.test", []string{"b@acme.test"}, []byte(body))
	}
	if err := send("one"); err != nil {
		t.Fatal(err)
	}
	m.Fail("Sender", 451)
	if err := send("two"); err == nil || !strings.Contains(err.Error(), "451") {
		t.Errorf("got %v, want a refusal with 451", err)
	}
	m.Mend()
	if err := send("three"); err != nil {
		t.Fatal(err)
	}
	list := m.Wait(2, 5*time.Second)
	if len(list) != 2 || list[0].Subject != "one" || list[1].Subject != "three" {
		t.Fatalf("got %+v, want one and three", list)
	}
	first := m.WaitFor("subject:one", 5*time.Second)
	if first.MessageID != "one@acme.test" || first.From != "a@acme.test" || first.To[0] != "b@acme.test" ||
		!strings.Contains(first.Text, "hello") || first.Created.IsZero() || len(first.Header["Subject"]) != 1 {
		t.Errorf("got %+v", first)
	}
	m.Clear()
	if n := m.Count(); n != 0 {
		t.Errorf("got %d mails after Clear, want 0", n)
	}
}

func TestToxiproxyTroublesAnUpstream(t *testing.T) {
	x := Toxiproxy(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 10_000))
	}))
	defer upstream.Close()
	p := x.Proxy(strings.TrimPrefix(upstream.URL, "http://"))
	// A kept connection would be older than the trouble.
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	read := func() (int, time.Duration, error) {
		began := time.Now()
		res, err := client.Get("http://" + p.Addr)
		if err != nil {
			return 0, time.Since(began), err
		}
		defer res.Body.Close()
		n, err := new(bytes.Buffer).ReadFrom(res.Body)
		return int(n), time.Since(began), err
	}
	healthy := func() {
		t.Helper()
		if n, _, err := read(); n != 10_000 || err != nil {
			t.Fatalf("got %d bytes, %v, want 10000", n, err)
		}
	}
	healthy()
	p.Slow(300 * time.Millisecond)
	if _, took, err := read(); err != nil || took < 250*time.Millisecond {
		t.Errorf("slow: took %s, %v", took, err)
	}
	p.Mend()
	for name, trouble := range map[string]func(){
		"cut": func() { p.Cut(500) }, "reset": p.Reset, "hang": p.Hang, "down": p.Down,
	} {
		trouble()
		if n, _, err := read(); err == nil {
			t.Errorf("%s: read %d bytes without an error", name, n)
		}
		p.Mend()
	}
	healthy()
}

func TestChromiumAndNodeRun(t *testing.T) {
	script := filepath.Join(t.TempDir(), "page.cjs")
	text := `const { chromium } = require('playwright-core');
(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  await page.setContent('<title>plumb</title>');
  console.log(await page.title());
  await browser.close();
})();`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := Node(t, script).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "plumb" {
		t.Errorf("got %q, %v, want plumb", out, err)
	}
}

func TestToolsAreInTheVersionThatTheRepositoryNames(t *testing.T) {
	for _, name := range []string{"gitea", "mailpit", "toxiproxy", "gitleaks", "templ"} {
		path := Tool(t, name)
		dir, module, _ := modules(name)
		version, err := required(dir, module)
		if err != nil {
			t.Fatal(err)
		}
		if want := name + "-" + version; filepath.Base(filepath.Dir(path)) != want {
			t.Errorf("%s is %s, want it in %s", name, path, want)
		}
	}
}

// A server that somebody else runs on our port must never pass for ours.
func TestAnothersServerIsRefused(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, err := workDir("stranger", nil)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := l.Addr().(*net.TCPAddr)
	_, err = start(spec{
		name: "stranger", dir: dir, args: []string{"sleep", "60"}, port: addr.Port, within: 5 * time.Second,
		ready: func() error { _, err := os.Stat(filepath.Join(dir, "pid")); return err },
	})
	if err == nil || !strings.Contains(err.Error(), "belongs to another process") {
		t.Errorf("got %v, want a refusal of the stranger's port", err)
	}
}

// A server ends even when the test binary is killed.
func TestServersEndWhenTheirStarterIsKilled(t *testing.T) {
	if os.Getenv("TESTKIT_CHILD") != "" {
		fmt.Println(startOrphan(t))
		time.Sleep(time.Minute)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "TESTKIT_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanln(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d outlived its starter", pid)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// startOrphan starts a server that really listens and returns its process id.
func startOrphan(t *testing.T) int {
	t.Helper()
	program := Tool(t, "toxiproxy")
	dir, err := workDir("orphan", nil)
	if err != nil {
		t.Fatal(err)
	}
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := start(spec{
		name: "orphan", dir: dir, port: ports[0], within: 5 * time.Second,
		args:  []string{program, "-host", "127.0.0.1", "-port", fmt.Sprint(ports[0])},
		ready: func() error { return getJSON(fmt.Sprintf("http://127.0.0.1:%d/version", ports[0]), nil) },
	})
	if err != nil {
		t.Fatal(err)
	}
	pid, err := p.pid()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// recorder is a test that notes how it ended.
type recorder struct {
	testing.TB
	fatal, skipped bool
}

func (r *recorder) Helper()      {}
func (r *recorder) Fatal(...any) { r.fatal = true; runtime.Goexit() }
func (r *recorder) Skip(...any)  { r.skipped = true; runtime.Goexit() }

func TestAnAbsentSystemFailsInCIAndIsSkippedOnALaptop(t *testing.T) {
	t.Setenv("PRUMO_TOOLS", t.TempDir())
	for _, c := range []struct {
		ci   string
		want recorder
	}{{"true", recorder{fatal: true}}, {"", recorder{skipped: true}}} {
		t.Setenv("CI", c.ci)
		got := recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Tool(&got, "gitea")
		}()
		<-done
		if got != c.want {
			t.Errorf("CI=%q: got %+v, want %+v", c.ci, got, c.want)
		}
	}
}
