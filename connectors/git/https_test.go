package git

import (
	"bytes"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// An upstream is a real git server over https.
type upstream struct {
	server *httptest.Server
	ca     string
	token  string
	breaks func(w http.ResponseWriter, r *http.Request) bool // answers in the server's place
}

func newUpstream(t *testing.T, c *checkout) *upstream {
	t.Helper()
	root := t.TempDir()
	bare := filepath.Join(root, "acme", "web.git")
	c.git("clone", "-q", "--bare", c.dir, bare)
	c.git("--git-dir="+bare, "config", "uploadpack.allowFilter", "true")
	c.git("--git-dir="+bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	backend := "/usr/lib/git-core/git-http-backend"
	if out, err := exec.Command("git", "--exec-path").Output(); err == nil {
		backend = filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	}
	u := &upstream{token: "s3cr3t-token-value"}
	h := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}, Stderr: &bytes.Buffer{}}
	u.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u.breaks != nil && u.breaks(w, r) {
			return
		}
		if _, password, _ := r.BasicAuth(); password != u.token {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if p := r.Header.Get("Git-Protocol"); p != "" {
			h := *h
			h.Env = append(slices.Clone(h.Env), "GIT_PROTOCOL="+p)
			h.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	u.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(u.server.Close)
	u.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(u.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *upstream) settings() connector.Settings {
	return connector.Settings{"url": u.server.URL + "/acme/web.git", "token": u.token, "ca": u.ca, "timeout": int64(20)}
}

func TestHTTPS(t *testing.T) {
	c := newCheckout(t)
	head := c.commit("first", ".github/workflows/ci.yml", workflowText, "CODEOWNERS", "* @ana\n", "SECURITY.md", "x", "go.mod", "module x\n")
	u := newUpstream(t, c)
	for _, leaks := range []string{"", "/bin/true"} { // with a scanner the clone is whole
		s := u.settings()
		if leaks != "" {
			s["gitleaks"] = leaks
		}
		m := read(t, s)
		f := repository(t, m)
		want(t, "head_commit", f.HeadCommit, head)
		want(t, "code_owners", f.CodeOwners, true)
		want(t, "lock_files", f.LockFiles, true)
		want(t, "name", f.Name, "acme/web")
		want(t, "default_branch", f.DefaultBranch, "main")
		if p := decoded[fact.Pipeline](t, m, "pipeline"); len(p) != 1 || !p[0].Jobs.Known() {
			t.Errorf("pipelines: got %+v", p)
		}
		if leaks == "" {
			wantReading(t, m, fact.Complete)
		}
	}
}

func TestHTTPSBroken(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", "big", strings.Repeat("0123456789abcdef", 20_000))
	u := newUpstream(t, c)
	status := func(n int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(n); return true }
	}
	elsewhere := 0
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for _, tc := range []struct {
		name    string
		change  func(connector.Settings)
		breaks  func(http.ResponseWriter, *http.Request) bool
		reading fact.Reading
	}{
		{"wrong token", func(s connector.Settings) { s["token"] = "another-secret-value" }, nil, fact.Forbidden},
		{"no token", func(s connector.Settings) { delete(s, "token") }, nil, fact.Forbidden},
		{"403", nil, status(http.StatusForbidden), fact.Forbidden},
		{"404", nil, status(http.StatusNotFound), fact.Forbidden},
		{"429", nil, status(http.StatusTooManyRequests), fact.Partial},
		{"500", nil, status(http.StatusInternalServerError), fact.Partial},
		{"unknown authority", func(s connector.Settings) { delete(s, "ca") }, nil, fact.Partial},
		{"cut in the header", nil, func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, fact.Partial},
		{"cut in the body", nil, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write([]byte("0008NAK\n"))
			return true
		}, fact.Partial},
		{"redirect to another host", nil, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusMovedPermanently)
			return true
		}, fact.Partial},
		{"slow", func(s connector.Settings) { s["timeout"] = int64(1) }, func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }, fact.Partial},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := u.settings()
			s["review_marks"] = []string{"merge"}
			if tc.change != nil {
				tc.change(s)
			}
			u.breaks = tc.breaks
			m := read(t, s)
			wantReading(t, m, tc.reading)
			if len(m.Facts()) != 0 {
				t.Errorf("got facts of a repository that could not be read: %s", m.Facts()[0].Data)
			}
			for _, r := range m.Scopes() {
				if r.Detail.Why == "" || strings.Contains(r.Detail.Why, s.Text("token")) && s.Text("token") != "" {
					t.Errorf("why: got %q", r.Detail.Why)
				}
			}
		})
	}
	if elsewhere > 0 {
		t.Errorf("%d requests reached another host", elsewhere)
	}
}

// What the dialer refuses, the git program cannot reach either.
func TestForbiddenNetwork(t *testing.T) {
	c := newCheckout(t)
	c.commit("first")
	u := newUpstream(t, c)
	m := connector.Record()
	run := connector.Run{Source: "repo", Settings: u.settings(), Dial: connector.NewDialer(connector.NetworkPolicy{}), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	if d := wantReading(t, m, fact.Partial); !strings.Contains(d.Why, "network") {
		t.Errorf("why: got %q", d.Why)
	}
}

func TestSizeLimit(t *testing.T) {
	c := newCheckout(t)
	noise := make([]byte, 6<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	c.commit("first", "big.bin", string(noise))
	u := newUpstream(t, c)
	s := u.settings()
	s["max_mb"], s["gitleaks"] = int64(1), "/bin/true"
	m := read(t, s)
	if d := wantReading(t, m, fact.Partial); !strings.Contains(d.Why, "max_mb") {
		t.Errorf("why: got %q", d.Why)
	}
}
