package git

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A checkout is a real repository made for one test.
type checkout struct {
	t   *testing.T
	dir string
	env []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	if program("git") == "" {
		t.Fatal("git is not installed")
	}
	c := &checkout{t: t, dir: filepath.Join(t.TempDir(), "web")}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@acme.test", "GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@acme.test",
	}
	c.git("init", "-q", "-b", "main")
	return c
}

func (c *checkout) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files, by name and content, and commits them.
func (c *checkout) commit(message string, files ...string) string {
	c.t.Helper()
	for i := 0; i+1 < len(files); i += 2 {
		name := filepath.Join(c.dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
	c.git("add", "-A")
	c.git("commit", "-q", "--allow-empty", "-m", message)
	return c.git("rev-parse", "HEAD")
}

func (c *checkout) settings(more connector.Settings) connector.Settings {
	s := connector.Settings{"path": c.dir}
	for k, v := range more {
		s[k] = v
	}
	return s
}

func read(t *testing.T, s connector.Settings) *connector.Memory {
	t.Helper()
	m, err := tryRead(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tryRead(t *testing.T, s connector.Settings) (*connector.Memory, error) {
	t.Helper()
	m := connector.Record()
	var log bytes.Buffer
	run := connector.Run{Source: "repo", Settings: s, Dial: (&net.Dialer{}).DialContext, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}
	err := New().Collect(t.Context(), run, m)
	for _, name := range []string{"token", "ssh_key"} {
		if secret := s.Text(name); secret != "" && (strings.Contains(log.String(), secret) || err != nil && strings.Contains(err.Error(), secret)) {
			t.Errorf("%s appears in the log or the error", name)
		}
	}
	return m, err
}

func repository(t *testing.T, m *connector.Memory) fact.Repository {
	t.Helper()
	return decoded[fact.Repository](t, m, "repository")[0]
}

func decoded[T any](t *testing.T, m *connector.Memory, kind string) []T {
	t.Helper()
	var out []T
	k, _ := fact.KindNamed(kind)
	for _, f := range m.Facts() {
		if f.Kind != kind {
			continue
		}
		d, err := fact.Decode(k, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, any(d).(T))
	}
	return out
}

func want[T comparable](t *testing.T, field string, got fact.Opt[T], v T) {
	t.Helper()
	if g, ok := got.Get(); !ok || g != v {
		t.Errorf("%s: got %v (known: %t), want %v", field, g, ok, v)
	}
}

func unknown[T any](t *testing.T, field string, got fact.Opt[T]) {
	t.Helper()
	if v, ok := got.Get(); ok {
		t.Errorf("%s: got %v, want unknown", field, v)
	}
}

func wantReading(t *testing.T, m *connector.Memory, reading fact.Reading) connector.Detail {
	t.Helper()
	for _, s := range m.Scopes() {
		if s.Reading != reading {
			t.Errorf("scope %s: got %s (%s), want %s", s.Scope.Name, s.Reading, s.Detail.Why, reading)
		}
	}
	return m.Scopes()[0].Detail
}

const workflowText = `name: CI
on: [push, pull_request]
permissions: {contents: read}
jobs:
  unit: {runs-on: x, steps: [{uses: actions/checkout@v4}, {run: go test ./...}]}
  scan: {name: Code scan, runs-on: x, steps: [{uses: ./local}, {uses: "a/b@0123456789012345678901234567890123456789"}]}
  dead: {if: false, runs-on: x}
`

func TestRepository(t *testing.T) {
	c := newCheckout(t)
	head := c.commit("first", "CODEOWNERS", "* @ana\n", "docs/SECURITY.md", "mail us", ".github/workflows/ci.yml", workflowText,
		"package.json", `{"dependencies":{"a":"1"}}`, "app/package.json", `{"devDependencies":{"b":"1"}}`, "package-lock.json", "{}",
		"go.mod", "module x\nrequire y v1\n", "node_modules/z/package.json", `{"dependencies":{"a":"1"}}`, "lib/package.json", `{"name":"lib"}`,
		"requirements.txt", "flask==1\n", "tool/requirements.txt", "flask>=1\n")
	m := read(t, c.settings(connector.Settings{"production": true, "jobs": map[string][]string{
		"test": {"unit*"}, "code-scan": {"Code scan"}, "secret-scan": {"leaks"}, "end-to-end": {"dead"},
	}}))
	wantReading(t, m, fact.Complete)
	f := repository(t, m)
	want(t, "name", f.Name, "web")
	want(t, "default_branch", f.DefaultBranch, "main")
	want(t, "head_commit", f.HeadCommit, head)
	want(t, "empty", f.Empty, false)
	want(t, "production", f.Production, true)
	want(t, "code_owners", f.CodeOwners, true)
	want(t, "security_policy", f.SecurityPolicy, true)
	want(t, "lock_files", f.LockFiles, false)
	if d := cmp.Diff(f.UnlockedManifests.Or(nil), []string{"go.mod", "tool/requirements.txt"}); d != "" {
		t.Error(d)
	}
	want(t, "runs_tests", f.RunsTests, true)
	want(t, "runs_code_scan", f.RunsCodeScan, true)
	want(t, "runs_secret_scan", f.RunsSecretScan, false)
	want(t, "runs_end_to_end", f.RunsEndToEnd, false)
	unknown(t, "runs_dependency_scan", f.RunsDependencyScan)
	unknown(t, "direct_pushes", f.DirectPushes)
	want(t, "commits_in_period", f.CommitsInPeriod, 1)
	want(t, "signed_share", f.SignedShare, 0)
	p := decoded[fact.Pipeline](t, m, "pipeline")[0]
	want(t, "engine", p.Engine, "github-actions")
	want(t, "on_pull_request", p.OnPullRequest, true)
	want(t, "pinned_actions", p.PinnedActions, false)
	want(t, "token_read_only", p.TokenReadOnly, true)
	if d := cmp.Diff([][]string{p.Jobs.Or(nil), p.Covers.Or(nil), p.Unpinned.Or(nil)}, [][]string{{"dead", "scan", "unit"}, {"code-scan", "test"}, {"actions/checkout@v4"}}); d != "" {
		t.Error(d)
	}
}

func TestHistory(t *testing.T) {
	c := newCheckout(t)
	c.commit("first")
	c.git("switch", "-q", "-c", "feature")
	c.commit("work")
	c.git("switch", "-q", "main")
	c.git("merge", "-q", "--no-ff", "-m", "Merge feature", "feature")
	c.commit("squashed (#12)")
	c.commit("reviewed\n\nReviewed-by: Bia <bia@acme.test>")
	c.commit("self\n\nReviewed-by: Ana <ana@acme.test>")
	direct := c.commit("straight to production")
	for _, tc := range []struct {
		marks  []string
		direct int64
	}{
		{[]string{"merge"}, 5}, {[]string{"number"}, 5}, {[]string{"reviewed-by"}, 5}, {[]string{"merge", "number", "reviewed-by"}, 3},
	} {
		m := read(t, c.settings(connector.Settings{"review_marks": tc.marks}))
		f := repository(t, m)
		want(t, "direct_pushes", f.DirectPushes, tc.direct)
		want(t, "commits_in_period", f.CommitsInPeriod, 7)
		commits := decoded[fact.Commit](t, m, "commit")
		if len(commits) != int(tc.direct) || !slices.ContainsFunc(commits, func(k fact.Commit) bool { return k.SHA.Or("") == direct }) {
			t.Errorf("%v: got %d commits past review, want %d with %s", tc.marks, len(commits), tc.direct, direct)
		}
		for _, k := range commits {
			want(t, "reviewed", k.Reviewed, false)
		}
	}
}

func TestPeriod(t *testing.T) {
	c := newCheckout(t)
	old := time.Now().Add(-100 * 24 * time.Hour).Format(time.RFC3339)
	c.env = append(c.env, "GIT_COMMITTER_DATE="+old, "GIT_AUTHOR_DATE="+old)
	c.commit("old")
	c.env = c.env[:len(c.env)-2]
	c.commit("new")
	want(t, "90 days", repository(t, read(t, c.settings(nil))).CommitsInPeriod, 1)
	want(t, "120 days", repository(t, read(t, c.settings(connector.Settings{"period": int64(120)}))).CommitsInPeriod, 2)
}

func TestShallow(t *testing.T) {
	c := newCheckout(t)
	for i := range 3 {
		c.commit(fmt.Sprint("commit ", i))
	}
	to := filepath.Join(t.TempDir(), "shallow")
	c.git("clone", "-q", "--depth=1", "file://"+c.dir, to)
	m := read(t, connector.Settings{"path": to, "review_marks": []string{"merge"}})
	if d := wantReading(t, m, fact.Partial); !strings.Contains(d.Why, "shallow") {
		t.Errorf("why: got %q", d.Why)
	}
	f := repository(t, m)
	unknown(t, "commits_in_period", f.CommitsInPeriod)
	unknown(t, "signed_share", f.SignedShare)
	unknown(t, "direct_pushes", f.DirectPushes)
}

func TestHeads(t *testing.T) {
	t.Run("empty", func(t *testing.T) {
		m := read(t, newCheckout(t).settings(nil))
		wantReading(t, m, fact.Complete)
		want(t, "empty", repository(t, m).Empty, true)
		unknown(t, "code_owners", repository(t, m).CodeOwners)
	})
	t.Run("detached", func(t *testing.T) {
		c := newCheckout(t)
		c.commit("first")
		head := c.commit("second")
		c.git("checkout", "-q", "HEAD~1")
		f := repository(t, read(t, c.settings(nil)))
		want(t, "default_branch", f.DefaultBranch, "main")
		want(t, "head_commit", f.HeadCommit, head)
	})
	t.Run("branch of the settings", func(t *testing.T) {
		c := newCheckout(t)
		head := c.commit("first")
		c.git("branch", "release")
		c.commit("second")
		f := repository(t, read(t, c.settings(connector.Settings{"branch": "release"})))
		want(t, "head_commit", f.HeadCommit, head)
		if _, err := tryRead(t, c.settings(connector.Settings{"branch": "gone"})); !errors.Is(err, connector.ErrSettings) || !strings.Contains(err.Error(), "release") {
			t.Errorf("a branch that is gone: got %v", err)
		}
	})
	t.Run("bare, worktree and folder below", func(t *testing.T) {
		c := newCheckout(t)
		c.commit("first", "a/b", "c")
		bare, tree := filepath.Join(t.TempDir(), "bare.git"), filepath.Join(t.TempDir(), "tree")
		c.git("clone", "-q", "--bare", c.dir, bare)
		c.git("worktree", "add", "-q", tree)
		for _, path := range []string{bare, tree, filepath.Join(c.dir, "a")} {
			f := repository(t, read(t, connector.Settings{"path": path}))
			want(t, path, f.CommitsInPeriod, 1)
		}
	})
	t.Run("sha256", func(t *testing.T) {
		c := newCheckout(t)
		c.dir = filepath.Join(t.TempDir(), "sha")
		exec.Command("git", "init", "-q", "-b", "main", "--object-format=sha256", c.dir).Run()
		head := c.commit("first")
		want(t, "head_commit", repository(t, read(t, c.settings(nil))).HeadCommit, head)
	})
}

// A hostile repository runs nothing of its own, and its odd names break nothing.
func TestHostile(t *testing.T) {
	c := newCheckout(t)
	trap := filepath.Join(t.TempDir(), "trap")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch '"+trap+"'\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.commit("first", "a\nb\tc \"d\".txt", "x", ".gitattributes", "* filter=evil diff=evil\n",
		".gitmodules", "[submodule \"s\"]\n\tpath = s\n\turl = ext::"+script+"\n", ".lfsconfig", "[lfs]\nurl = https://evil.test\n")
	if err := os.Symlink("/etc/passwd", filepath.Join(c.dir, "CODEOWNERS")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(c.dir, "package.json")); err != nil {
		t.Fatal(err)
	}
	c.git("add", "-A")
	c.git("commit", "-q", "-m", "links")
	for _, kv := range []string{
		"core.fsmonitor=" + script, "core.hooksPath=" + filepath.Dir(script), "core.pager=" + script, "core.sshCommand=" + script, "gpg.program=" + script,
		"log.showSignature=true", "diff.external=" + script, "diff.evil.textconv=" + script, "filter.evil.smudge=" + script, "filter.evil.clean=" + script,
		"core.alternateRefsCommand=" + script, "uploadpack.packObjectsHook=" + script, "alias.rev-list=!" + script, "remote.origin.url=ext::" + script,
		"extensions.partialClone=origin", "remote.origin.promisor=true", "protocol.allow=always", "core.editor=" + script, "credential.helper=!" + script,
	} {
		k, v, _ := strings.Cut(kv, "=")
		cmd := exec.Command("git", "config", k, v)
		cmd.Dir, cmd.Env = c.dir, c.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", kv, err, out)
		}
	}
	for _, hook := range []string{"post-checkout", "pre-auto-gc", "reference-transaction", "fsmonitor-watchman"} {
		b, _ := os.ReadFile(script)
		if err := os.WriteFile(filepath.Join(c.dir, ".git", "hooks", hook), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := read(t, c.settings(connector.Settings{"review_marks": []string{"merge"}, "keyring": t.TempDir()}))
	wantReading(t, m, fact.Complete)
	f := repository(t, m)
	want(t, "code_owners", f.CodeOwners, false)
	want(t, "lock_files", f.LockFiles, true)
	if _, err := os.Stat(trap); err == nil {
		t.Fatal("the repository ran a program of its own")
	}
}

func TestAddresses(t *testing.T) {
	for _, u := range []string{
		"ext::sh -c id", "file:///etc", "git://a.test/x", "http://a.test/x", "-oProxyCommand=id", "--upload-pack=id", "ssh://-oProxyCommand=id/x", "https://",
		"https://a.test", "https://u:p@a.test/x", "https://a.test/x?y=1", "/etc", "../x", "git@-evil:x", "git@a.test:-x", "ssh://a.test", "fd::7/x", "https://a.test/x\ny",
		"ssh://a b@a.test/x", "transport::https://a.test/x", `C:\x`,
	} {
		if _, err := parseRemote(u); !errors.Is(err, connector.ErrSettings) {
			t.Errorf("%q: got %v, want an error of settings", u, err)
		}
	}
	for u, want := range map[string]remote{
		"https://a.test/x/y.git":     {https: true, host: "a.test", port: "443", path: "/x/y.git"},
		"ssh://git@a.test:2222/x":    {user: "git", host: "a.test", port: "2222", path: "/x"},
		"git@a.test:acme/web.git":    {user: "git", host: "a.test", port: "22", path: "acme/web.git"},
		"https://a.test:8443/x/y":    {https: true, host: "a.test", port: "8443", path: "/x/y"},
		"https://[2001:db8::1]/x/y":  {},
		"ssh://git@[2001:db8::1]/x/": {},
	} {
		got, err := parseRemote(u)
		if strings.Contains(u, "::") {
			continue // refused above for its ::, which git could take for a helper
		}
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v", u, got, err)
		}
	}
}

func TestSettings(t *testing.T) {
	for name, s := range map[string]connector.Settings{
		"nothing": {}, "both": {"path": "/x", "url": "https://a.test/x"}, "job": {"path": "/x", "jobs": map[string][]string{"tests": {"a"}}},
		"pattern": {"path": "/x", "jobs": map[string][]string{"test": {"["}}}, "mark": {"path": "/x", "review_marks": []string{"trust me"}},
		"branch": {"path": "/x", "branch": "--upload-pack=x"}, "absent": {"path": "/nonexistent"}, "no repository": {"path": t.TempDir()},
		"ssh without key": {"url": "git@a.test:x/y"},
	} {
		if _, err := tryRead(t, s); !errors.Is(err, connector.ErrSettings) {
			t.Errorf("%s: got %v, want an error of settings", name, err)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	c := newCheckout(t)
	c.commit("first")
	slow := filepath.Join(t.TempDir(), "gitleaks")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\nsleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	m := read(t, c.settings(connector.Settings{"gitleaks": slow, "timeout": int64(1)}))
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("the reading took %s", d)
	}
	wantReading(t, m, fact.Partial)
	unknown(t, "secrets_found", repository(t, m).SecretsFound)
}

func TestSignatures(t *testing.T) {
	c := newCheckout(t)
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	c.commit("unsigned")
	c.git("-c", "gpg.format=ssh", "-c", "user.signingkey="+key, "commit", "-q", "--allow-empty", "-S", "-m", "signed")
	unknown(t, "without keys", repository(t, read(t, c.settings(nil))).SignedShare)
	pub, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(t.TempDir(), "signers")
	for line, share := range map[string]float64{"ana@acme.test " + string(pub): 0.5, "": 0} {
		if err := os.WriteFile(signers, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		m := read(t, c.settings(connector.Settings{"allowed_signers": signers}))
		want(t, "signed_share", repository(t, m).SignedShare, share)
	}
}
