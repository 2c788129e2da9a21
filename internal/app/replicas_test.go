package app_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"prumo.dev/prumo/internal/app"
	"prumo.dev/prumo/internal/testkit"
)

const asProgram = "PRUMO_TEST_AS_PROGRAM"

// TestMain lets this test binary be the program, in a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	code := app.Main(ctx, app.Process{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv})
	stop()
	os.Exit(code)
}

// A replica is one process of several on one database.
type replica struct {
	*house
	cmd  *exec.Cmd
	errw *output
	done chan struct{}
}

// A replicaSet is a database with what its replicas share.
type replicaSet struct {
	t    *testing.T
	db   *sql.DB
	url  string
	dir  string
	file string
}

func (s *replicaSet) start(name string) *replica {
	s.t.Helper()
	h := &house{t: s.t, out: &output{}, env: map[string]string{
		"PRUMO_DATA": filepath.Join(s.dir, name), "PRUMO_ADDR": freeAddr(s.t), "PRUMO_DATABASE_URL": s.url,
		"PRUMO_KEY_FILE": filepath.Join(s.dir, "prumo.key"),
	}}
	h.url = "http://" + h.env["PRUMO_ADDR"]
	r := &replica{house: h, errw: &output{}, done: make(chan struct{})}
	r.cmd = exec.Command(os.Args[0], "serve", "--config", s.file)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = s.dir, h.out, r.errw
	r.cmd.Env = append(os.Environ(), asProgram+"=1")
	for k, v := range h.env {
		r.cmd.Env = append(r.cmd.Env, k+"="+v)
	}
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // how it ends is what the test brings about
		close(r.done)
	}()
	s.t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.done
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, r.errw)
		}
	})
	h.until(name+" answers", 20*time.Second, func() bool {
		res, err := http.Get(h.url + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return r
}

func (r *replica) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// number is the only value of a query.
func (s *replicaSet) number(query string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.db.QueryRowContext(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (s *replicaSet) epoch() int64 { return s.number("SELECT epoch FROM lease") }

// runs counts the readings of a source by their trigger.
func (s *replicaSet) runs(source, trigger string) int64 {
	s.t.Helper()
	return s.number("SELECT COUNT(*) FROM run r JOIN source s ON s.id = r.source WHERE s.name = $1 AND r.cause = $2", source, trigger)
}

// moved waits until another epoch has begun and has read the source.
func (s *replicaSet) moved(what string, before int64, within time.Duration, h *house) {
	s.t.Helper()
	from := time.Now()
	h.until(what, within, func() bool {
		return s.number("SELECT COUNT(*) FROM run r JOIN source s ON s.id = r.source WHERE s.name = 'outside' AND r.epoch > $1", before) > 0
	})
	s.t.Logf("%s: after %s", what, time.Since(from).Round(100*time.Millisecond))
}

func (r *replica) push(line string) {
	r.t.Helper()
	var a struct{ Accepted int }
	if code := r.call(http.MethodPost, "/ingest/v1/facts?source=fleet", line, &a); code != http.StatusOK || a.Accepted != 1 {
		r.t.Fatalf("push: status %d, accepted %d", code, a.Accepted)
	}
}

// watch counts the changes that an open page is told of.
func (r *replica) watch() <-chan time.Time {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/events", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	told := make(chan time.Time, 100)
	go func() {
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if lines.Text() == "event: changed" {
				told <- time.Now()
			}
		}
	}()
	return told
}

func drain(c <-chan time.Time) {
	for {
		select {
		case <-c:
		case <-time.After(1200 * time.Millisecond):
			return
		}
	}
}

// TestReplicas lets three processes share a database through the death, the
// stop and the leave of the one that collects.
func TestReplicas(t *testing.T) {
	outside := httptest.NewTLSServer(http.NotFoundHandler())
	defer outside.Close()
	s := &replicaSet{t: t, url: testkit.Postgres(t), dir: t.TempDir()}
	db, err := sql.Open("pgx", s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s.db, s.file = db, filepath.Join(s.dir, "prumo.yaml")
	yaml := fmt.Sprintf("sources:\n  - {name: fleet, connector: push}\n  - {name: outside, connector: edge, every: 10s, settings: {hosts: [%q]}}\n",
		strings.TrimPrefix(outside.URL, "https://"))
	if err := os.WriteFile(s.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	a := s.start("a")
	b := s.start("b")
	out, errw, code := a.command("token", "create", "--role", "owner")
	if code != 0 {
		t.Fatalf("token create: %d %s", code, errw)
	}
	a.token = strings.TrimSpace(out)
	b.token = a.token
	began := time.Now()

	s.together(a, b)
	s.once(a, began)
	c := s.killed(a, b)
	s.stopped(b, c)
	s.left(c, b)
	s.sound()
}

// together: facts come in at both, each sees the other's, and what is asked at
// the one is done by the other.
func (s *replicaSet) together(a, b *replica) {
	t, now := s.t, time.Now()
	a.push(hostLine("one", true, now))
	b.push(hostLine("two", false, now))
	for _, r := range []*replica{a, b} {
		r.until("both facts are judged", 5*time.Second, func() bool {
			return r.status("host-disk-encrypted", "one") == "pass" && r.status("host-disk-encrypted", "two") == "fail"
		})
	}
	for _, x := range []struct{ to, at *replica }{{a, b}, {b, a}} {
		told := x.at.watch()
		drain(told)
		from := time.Now()
		x.to.push(hostLine("live", x.to == a, from))
		select {
		case at := <-told:
			t.Logf("an open page of another replica was told after %s", at.Sub(from).Round(time.Millisecond))
		case <-time.After(time.Second):
			t.Error("an open page of another replica was not told within a second")
		}
	}
	before := s.runs("outside", "asked")
	if code := b.call(http.MethodPost, "/api/v1/sources/outside/read", nil, nil); code != http.StatusAccepted {
		t.Errorf("read now at the replica without the lease: status %d", code)
	}
	b.until("what was asked at another replica is read", 2*time.Second, func() bool { return s.runs("outside", "asked") > before })
}

// once: the source is read at its rhythm, by one of the two.
func (s *replicaSet) once(a *replica, began time.Time) {
	s.t.Helper()
	a.until("the next interval", 20*time.Second, func() bool { return s.runs("outside", "schedule") >= 2 })
	if n := s.number("SELECT COUNT(DISTINCT replica) FROM run WHERE epoch > 0"); n != 1 {
		s.t.Errorf("%d replicas read sources, want 1", n)
	}
	if n, most := s.runs("outside", "schedule"), int64(time.Since(began)/(10*time.Second))+2; n > most {
		s.t.Errorf("read %d times in %s at 10s, want at most %d", n, time.Since(began), most)
	}
}

// killed: the holder dies without a word; another collects within 15 s.
func (s *replicaSet) killed(a, b *replica) *replica {
	before := s.epoch()
	a.signal(syscall.SIGKILL)
	<-a.done
	b.push(hostLine("three", true, time.Now())) // takes no lease
	s.moved("taken over from a killed holder", before, 15*time.Second, b.house)
	c := s.start("c")
	c.token = a.token
	return c
}

// stopped: the holder stands still beyond its lease, and goes on when another
// holds it.
func (s *replicaSet) stopped(b, c *replica) {
	before := s.epoch()
	b.signal(syscall.SIGSTOP)
	s.moved("taken over from a stopped holder", before, 15*time.Second, c.house)
	old := s.number("SELECT COALESCE(MAX(id), 0) FROM run")
	b.signal(syscall.SIGCONT)
	b.until("the old holder steps down", 10*time.Second, func() bool { return strings.Contains(b.errw.String(), "reads no sources any more") })
	if n := s.number("SELECT COUNT(*) FROM run WHERE id > $1 AND epoch > 0 AND epoch <= $2", old, before); n != 0 {
		s.t.Errorf("the old holder wrote %d runs under its old lease", n)
	}
	b.until("the old holder serves", 5*time.Second, func() bool {
		return b.call(http.MethodPost, "/ingest/v1/facts?source=fleet", hostLine("four", true, time.Now()), nil) == http.StatusOK
	})
}

// left: the holder is told to stop; another takes over at once.
func (s *replicaSet) left(c, b *replica) {
	before := s.epoch()
	c.signal(syscall.SIGTERM)
	<-c.done
	s.moved("taken over from a holder that left", before, 4*time.Second, b.house)
}

// sound: nothing was said twice.
func (s *replicaSet) sound() {
	s.t.Helper()
	for what, query := range map[string]string{
		"open intervals of one check and fact": "SELECT COUNT(*) FROM (SELECT 1 FROM verdict WHERE to_at IS NULL GROUP BY chk, fact HAVING COUNT(*) > 1) x",
		"intervals that overlap": `SELECT COUNT(*) FROM verdict a JOIN verdict b ON a.chk = b.chk AND a.fact = b.fact AND a.id < b.id
			AND b.from_at < COALESCE(a.to_at, 9000000000000000000)`,
		"open findings of one check and fact": "SELECT COUNT(*) FROM (SELECT 1 FROM finding WHERE closed_at IS NULL GROUP BY chk, fact HAVING COUNT(*) > 1) x",
		"causes beyond one for a check's failures at the outside": `SELECT COUNT(*) FROM (SELECT 1 FROM finding f JOIN source s ON s.id = f.source
			WHERE s.name = 'outside' GROUP BY f.chk, f.fact HAVING COUNT(DISTINCT f.cause) > 1) x`,
		"findings that were opened twice":       "SELECT COUNT(*) FROM (SELECT 1 FROM finding GROUP BY chk, fact, opened_at HAVING COUNT(*) > 1) x",
		"runs of earlier leases that are open":  "SELECT COUNT(*) FROM run WHERE ended_at IS NULL AND cause <> 'check' AND epoch > 0 AND epoch < (SELECT epoch FROM lease)",
		"leaves of the ledger that are missing": "SELECT (SELECT size FROM ledger_head) - (SELECT COUNT(*) FROM ledger_leaf)",
	} {
		if n := s.number(query); n != 0 {
			s.t.Errorf("%s: %d", what, n)
		}
	}
}
