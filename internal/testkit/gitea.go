package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seedVersion rises when what a seeded Gitea holds changes.
const seedVersion = "2"

// A GiteaServer is a running Gitea with one administrator and nothing else in it.
type GiteaServer struct {
	URL        string // http://127.0.0.1:PORT
	AdminUser  string
	AdminToken string // every scope

	t    testing.TB
	name string
}

// Gitea starts a server on a fresh copy of an instance that is set up once per
// machine. Its webhooks may reach loopback.
func Gitea(t testing.TB) *GiteaServer {
	t.Helper()
	program := Tool(t, "gitea")
	seed, err := giteaSeed(program)
	if err != nil {
		missing(t, err)
	}
	g, err := retry(func() (*GiteaServer, error) { return newGitea(t, program, seed) })
	if err != nil {
		missing(t, err)
	}
	return g
}

// API makes a request as the administrator below /api/v1, with body as JSON unless it
// is nil, and returns the status and the answer's body.
func (g *GiteaServer) API(method, path string, body any) (int, json.RawMessage) {
	g.t.Helper()
	return g.APIAs(g.AdminToken, method, path, body)
}

// APIAs is API with another account's token.
func (g *GiteaServer) APIAs(token, method, path string, body any) (int, json.RawMessage) {
	g.t.Helper()
	header := http.Header{"Authorization": {"token " + token}}
	status, data, err := call(method, g.URL+"/api/v1"+path, header, body)
	if err != nil {
		g.t.Fatal(err)
	}
	return status, data
}

// Must is API that fails the test unless the status is below 300, and returns the
// answer's object, or nil where it is a list or empty.
func (g *GiteaServer) Must(method, path string, body any) map[string]any {
	g.t.Helper()
	status, data := g.API(method, path, body)
	if status >= http.StatusMultipleChoices {
		g.t.Fatalf("gitea: %s %s answered %d: %s", method, path, status, data)
	}
	var object map[string]any
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &object); err != nil {
			g.t.Fatalf("gitea: %s %s: %v", method, path, err)
		}
	}
	return object
}

// User makes an account and returns a token with every scope for it.
func (g *GiteaServer) User(name string) string {
	g.t.Helper()
	password := "p-" + nonce()
	g.Must("POST", "/admin/users", map[string]any{
		"username": name, "email": name + "@acme.test", "password": password, "must_change_password": false,
	})
	req := map[string]any{"name": "test", "scopes": []string{"all"}}
	data, err := json.Marshal(req)
	if err != nil {
		g.t.Fatal(err)
	}
	hr, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.URL+"/api/v1/users/"+name+"/tokens", strings.NewReader(string(data)))
	if err != nil {
		g.t.Fatal(err)
	}
	hr.SetBasicAuth(name, password)
	hr.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(hr)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	var token struct {
		SHA1 string `json:"sha1"`
	}
	if err := json.NewDecoder(res.Body).Decode(&token); err != nil || token.SHA1 == "" {
		g.t.Fatalf("gitea: token of %s: status %d, %v", name, res.StatusCode, err)
	}
	return token.SHA1
}

func newGitea(t testing.TB, program, seed string) (*GiteaServer, error) {
	dir, err := workDir("gitea", nil)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(filepath.Join(dir, "work"), os.DirFS(filepath.Join(seed, "work"))); err != nil {
		return nil, fmt.Errorf("copy the seeded Gitea: %w", err)
	}
	token, err := os.ReadFile(filepath.Join(seed, "token"))
	if err != nil {
		return nil, fmt.Errorf("read the seeded Gitea: %w", err)
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	g := &GiteaServer{
		URL: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), AdminUser: "root-admin",
		AdminToken: strings.TrimSpace(string(token)), t: t, name: "prumo-" + nonce(),
	}
	if err := giteaConfig(dir, program, g.name, ports[0]); err != nil {
		return nil, err
	}
	p, err := start(spec{
		name: "Gitea", dir: dir, port: ports[0], within: 60 * time.Second,
		args: []string{program, "web", "--config", filepath.Join(dir, "app.ini"), "--work-path", filepath.Join(dir, "work")},
		env:  giteaEnv(dir), ready: g.identify,
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stopLogged(t, p) })
	return g, nil
}

// identify looks for the name that this instance was given, and tries the token.
func (g *GiteaServer) identify() error {
	_, page, err := call(http.MethodGet, g.URL+"/user/login", nil, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(string(page), g.name) {
		return fmt.Errorf("%s is another Gitea than %s", g.URL, g.name)
	}
	status, _, err := call(http.MethodGet, g.URL+"/api/v1/user", http.Header{"Authorization": {"token " + g.AdminToken}}, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s refuses the seeded token: %d", g.URL, status)
	}
	return nil
}

// giteaSeed returns the folder of an instance with its schema, its secrets and its
// administrator, which is made on first use under a lock.
func giteaSeed(program string) (string, error) {
	seed := filepath.Join(filepath.Dir(program), "seed-"+seedVersion)
	lock, err := os.OpenFile(seed+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the seeded Gitea: %w", err)
	}
	defer lock.Close() // which also unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the seeded Gitea: %w", err)
	}
	if _, err := os.Stat(filepath.Join(seed, "token")); err == nil {
		return seed, nil
	}
	if err := os.RemoveAll(seed); err != nil {
		return "", fmt.Errorf("clear the seeded Gitea: %w", err)
	}
	if err := makeSeed(seed, program); err != nil {
		return "", fmt.Errorf("seed Gitea: %w", err)
	}
	return seed, nil
}

// makeSeed writes the token last: a seed without it is made again.
func makeSeed(seed, program string) error {
	if err := os.MkdirAll(filepath.Join(seed, "work", "data"), 0o700); err != nil {
		return err
	}
	if err := giteaConfig(seed, program, "seed", 1); err != nil {
		return err
	}
	run := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		flags := []string{"--config", filepath.Join(seed, "app.ini"), "--work-path", filepath.Join(seed, "work")}
		cmd := exec.CommandContext(ctx, program, append(args, flags...)...)
		cmd.Env = append(os.Environ(), giteaEnv(seed)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("gitea %s: %w\n%s%s", args[0], err, out, stderr.String())
		}
		return strings.TrimSpace(string(out)), nil
	}
	if _, err := run("migrate"); err != nil {
		return err
	}
	_, err := run("admin", "user", "create", "--admin", "--username", "root-admin", "--random-password",
		"--email", "root-admin@acme.test", "--must-change-password=false")
	if err != nil {
		return err
	}
	token, err := run("admin", "user", "generate-access-token", "--username", "root-admin",
		"--token-name", "tests", "--scopes", "all", "--raw")
	if err != nil {
		return err
	}
	// Warnings may stand before it.
	token = token[strings.LastIndexByte(token, '\n')+1:]
	if len(token) != 40 {
		return fmt.Errorf("gitea printed no token: %s", token)
	}
	return os.WriteFile(filepath.Join(seed, "token"), []byte(token), 0o600)
}

// giteaEnv keeps Gitea and its git away from the settings of whoever runs the tests.
// Gitea writes to the global configuration of git, wherever the environment says that
// is: as root and with /dev/null it would replace the device by a file.
func giteaEnv(dir string) []string {
	return []string{
		"GITEA_WORK_DIR=" + filepath.Join(dir, "work"), "HOME=" + dir, "GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT=true",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(dir, "gitconfig"), "USER=" + giteaUser(),
	}
}

// giteaUser must be the user that Gitea runs as, or it refuses to start.
func giteaUser() string {
	out, err := exec.CommandContext(context.Background(), "id", "-un").Output()
	if err != nil {
		return "root"
	}
	return strings.TrimSpace(string(out))
}

func giteaConfig(dir, program, name string, port int) error {
	p := strconv.Itoa(port)
	// The secrets are the same in every copy, since the seeded rows depend on them.
	// They guard a server on loopback that lives for one test.
	text := `APP_NAME = ` + name + `
RUN_USER = ` + giteaUser() + `
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = http
HTTP_ADDR = 127.0.0.1
HTTP_PORT = ` + p + `
ROOT_URL = http://127.0.0.1:` + p + `/
LOCAL_ROOT_URL = http://127.0.0.1:` + p + `/
STATIC_ROOT_PATH = ` + filepath.Join(filepath.Dir(program), "static") + `
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false
[database]
DB_TYPE = sqlite3
SQLITE_TIMEOUT = 30000
SQLITE_JOURNAL_MODE = WAL
[security]
INSTALL_LOCK = true
SECRET_KEY = only-for-tests-on-loopback
INTERNAL_TOKEN = only-for-tests-on-loopback
MIN_PASSWORD_LENGTH = 6
PASSWORD_COMPLEXITY = off
PASSWORD_HASH_ALGO = pbkdf2$1000$50
[oauth2]
ENABLED = false
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 5
[indexer]
REPO_INDEXER_ENABLED = false
ISSUE_INDEXER_TYPE = db
[actions]
ENABLED = true
[packages]
ENABLED = false
[cron.update_checker]
ENABLED = false
[session]
PROVIDER = memory
[log]
MODE = console
LEVEL = warn
[other]
SHOW_FOOTER_VERSION = false
`
	return os.WriteFile(filepath.Join(dir, "app.ini"), []byte(text), 0o600)
}
