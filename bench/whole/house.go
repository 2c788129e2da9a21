package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A house is a Prumo that runs as a process of its own on a data folder that
// stays over its starts.
type house struct {
	ctx     context.Context //nolint:containedctx // of the whole run
	plan    plan
	dir     string
	out     *table
	program string
	addr    string
	token   string
	env     []string
	facts   inventory
	read    time.Time // of the observations sent last

	process *exec.Cmd
	said    *spoken
}

// spoken is what the process printed.
type spoken struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// quietSources replaces the sources that are there by themselves by ones that
// read nothing.
const quietSources = `  - {name: host, connector: push}
  - {name: self, connector: push}
`

// configure writes prumo.yaml. The check judges the set of all accounts.
func (h *house) configure(sources, rest string) error {
	check := `id: bench-administrators
version: 1
kind: account
each: false
severity: medium
title: {en: There are one or two administrators}
pass: accounts.filter(a, a.admin).size() >= 1 && accounts.filter(a, a.admin).size() <= 2
message: {en: "There are {{accounts.filter(a, a.admin).size()}} administrators"}
fix: {en: "Take the right from the others."}
controls: [mfa-everywhere]
examples:
  - {name: one, want: pass, accounts: [{login: a, admin: true}]}
  - {name: none, want: fail, accounts: [{login: a, admin: false}]}
  - {name: silent, want: unknown, accounts: [{login: a}]}
`
	text := "organisation: {name: Acme, languages: [en], owner: lead@acme.test}\nchecks: [./checks]\nsources:\n" +
		"  - {name: fleet, connector: push}\n  - {name: quiet, connector: push}\n" + sources + rest
	return errors.Join(
		os.MkdirAll(filepath.Join(h.dir, "checks"), 0o755), os.MkdirAll(filepath.Join(h.dir, "here"), 0o755),
		os.WriteFile(filepath.Join(h.dir, "checks", "administrators.yaml"), []byte(check), 0o600),
		os.WriteFile(filepath.Join(h.dir, "prumo.yaml"), []byte(text), 0o600),
	)
}

func (h *house) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(h.ctx, h.program, args...)
	cmd.Dir = filepath.Join(h.dir, "here") // not a checkout
	cmd.Env = append(os.Environ(), "PRUMO_DATA="+h.data(), "PRUMO_ADDR="+h.addr)
	cmd.Env = append(cmd.Env, h.env...)
	return cmd
}

func (h *house) data() string { return filepath.Join(h.dir, "data") }
func (h *house) url() string  { return "http://" + h.addr }

// start starts it and returns how long it took until it was ready.
func (h *house) start() (time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	h.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return 0, err
	}
	h.said = &spoken{}
	h.process = h.command("serve", "--config", filepath.Join(h.dir, "prumo.yaml"))
	h.process.Stdout, h.process.Stderr = h.said, h.said
	h.process.WaitDelay = time.Second
	begun := time.Now()
	if err := h.process.Start(); err != nil {
		return 0, err
	}
	for time.Since(begun) < 2*time.Minute {
		res, err := http.Get(h.url() + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(begun), nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("prumo was not ready within two minutes:\n%s", h.said)
}

// stop ends the process that start began.
func (h *house) stop() error {
	if h.process == nil {
		return nil
	}
	p := h.process
	h.process = nil
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.Wait(); err != nil {
		return fmt.Errorf("prumo ended with %w:\n%s", err, h.said)
	}
	return nil
}

// A usage is what the process has used so far.
type usage struct {
	cpu             time.Duration
	rss, anon, peak float64 // MB
}

func (h *house) used() (u usage, err error) {
	if runtime.GOOS != "linux" {
		return u, errors.New("memory and CPU time are read from /proc")
	}
	proc := "/proc/" + strconv.Itoa(h.process.Process.Pid)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			continue
		}
		switch f[0] {
		case "VmRSS:":
			u.rss = kb * 1024 / 1e6
		case "RssAnon:":
			u.anon = kb * 1024 / 1e6
		case "VmHWM:":
			u.peak = kb * 1024 / 1e6
		}
	}
	stat, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return u, err
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, i := range []int{11, 12} { // user and system time, in hundredths
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n) * 10 * time.Millisecond
	}
	return u, nil
}

// freshPeak forgets the most memory that the process had.
func (h *house) freshPeak() error {
	return os.WriteFile("/proc/"+strconv.Itoa(h.process.Process.Pid)+"/clear_refs", []byte("5"), 0o200)
}

// login makes a token and returns a client that carries a session.
func (h *house) login() (*http.Client, error) {
	out, err := h.command("token", "create", "--role", "owner", "--name", "bench").Output()
	if err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	h.token = strings.TrimSpace(string(out))
	link, err := h.command("login-link").Output()
	if err != nil {
		return nil, fmt.Errorf("make a sign-in link: %w", err)
	}
	u := regexp.MustCompile(`http://\S+`).FindString(string(link))
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(u)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if len(res.Cookies()) == 0 {
		return nil, fmt.Errorf("the sign-in link opened no session: status %d", res.StatusCode)
	}
	cookie := res.Cookies()[0]
	return &http.Client{Transport: carrier(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			r.Header.Set("Authorization", "Bearer "+h.token)
		} else {
			r.Header.Set("Accept", "text/html")
			r.AddCookie(cookie)
		}
		return http.DefaultTransport.RoundTrip(r)
	})}, nil
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// push sends a complete reading of n accounts.
func (h *house) push(source string, n int, at time.Time) error {
	req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, h.url()+"/ingest/v1/facts?complete=true&source="+source, h.facts.lines(source, n, at))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var got struct {
		Accepted int
		Refused  []struct{ Error string }
	}
	if err := json.NewDecoder(bufio.NewReader(res.Body)).Decode(&got); err != nil {
		return fmt.Errorf("push %s: status %d: %w", source, res.StatusCode, err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	if got.Accepted != n {
		return fmt.Errorf("push %s: %d of %d facts were taken: %v", source, got.Accepted, n, got.Refused)
	}
	return err
}
