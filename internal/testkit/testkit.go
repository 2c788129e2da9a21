// Package testkit starts the real systems that tests talk to: PostgreSQL, Gitea,
// Mailpit, toxiproxy, Chromium. Every server gets a fresh port, is asked who it is
// before a test may use it, and ends with the test, or with the test binary
// however that ends. Only processes started here are ever signalled.
//
// A system that is not installed skips the test on a laptop, with the command that
// installs it, and fails it when CI=true: a real system is never replaced by a
// mock. tools/setup.sh installs all of them. No product code may import this
// package.
//
// Start with Postgres, Gitea, Mailpit, Toxiproxy and Tool.
package testkit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// errMissing means that something is not installed; its text says what to run.
var errMissing = errors.New("not installed")

// modules names, for each tool that tools/setup.sh builds, the folder under tools/
// whose go.mod says which version, and the module to look for there.
func modules(name string) (dir, module string, ok bool) {
	switch name {
	case "gitea":
		return "gitea", "code.gitea.io/gitea", true
	case "kratos":
		return "kratos", "github.com/ory/kratos", true
	case "kube-apiserver":
		return "kube-apiserver", "k8s.io/kubernetes", true
	case "mailpit":
		return "mailpit", "github.com/axllent/mailpit", true
	case "toxiproxy":
		return "toxiproxy", "github.com/Shopify/toxiproxy/v2", true
	case "gitleaks":
		return "gitleaks", "github.com/zricethezav/gitleaks/v8", true
	case "templ":
		return "templ", "github.com/a-h/templ", true
	case "golangci-lint":
		return "lint", "github.com/golangci/golangci-lint/v2", true
	case "gofumpt":
		return "lint", "mvdan.cc/gofumpt", true
	case "govulncheck":
		return "lint", "golang.org/x/vuln", true
	}
	return "", "", false
}

// Tool returns the path of a program that tools/setup.sh builds, in the version
// that the repository names, or of a program on PATH for any other name.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := tool(name)
	if err != nil {
		missing(t, err)
	}
	return path
}

// Chromium returns the path of the browser.
func Chromium(t testing.TB) string {
	t.Helper()
	return Tool(t, "chromium")
}

// Root returns the repository's root folder.
func Root(t testing.TB) string {
	t.Helper()
	root, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Node returns a command that runs a CommonJS script with the npm packages of
// tools/npm (playwright-core, axe-core) ready to be required.
func Node(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()
	node := Tool(t, "node")
	modules, err := npm()
	if err != nil {
		missing(t, err)
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "CHROMIUM="+Chromium(t))
	return cmd
}

// missing ends a test whose real system is absent: a failure in CI, where it must
// be there, and a skip with the remedy on a laptop.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || !errors.Is(err, errMissing) {
		t.Fatal(err)
	}
	t.Skip(err)
}

func tool(name string) (string, error) {
	dir, module, ours := modules(name)
	if !ours {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%s is %w; run tools/setup.sh apt", name, errMissing)
		}
		return path, nil
	}
	version, err := required(dir, module)
	if err != nil {
		return "", err
	}
	folder, err := toolsDir()
	if err != nil {
		return "", err
	}
	folder = filepath.Join(folder, name+"-"+version)
	if _, err := os.Stat(filepath.Join(folder, ".ok")); err != nil {
		return "", fmt.Errorf("%s %s is %w; run tools/setup.sh %s", name, version, errMissing, dir)
	}
	return filepath.Join(folder, name), nil
}

// npm returns the node_modules folder that belongs to the lock file.
func npm() (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(root, "tools", "npm", "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("read the npm lock file: %w", err)
	}
	folder, err := toolsDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	folder = filepath.Join(folder, "npm-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(filepath.Join(folder, ".ok")); err != nil {
		return "", fmt.Errorf("the npm packages are %w; run tools/setup.sh npm", errMissing)
	}
	return filepath.Join(folder, "node_modules"), nil
}

// required returns the version of module that tools/DIR/go.mod asks for.
func required(dir, module string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "tools", dir, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the version of %s: %w", module, err)
	}
	file, err := modfile.ParseLax(path, data, nil)
	if err != nil {
		return "", fmt.Errorf("read the version of %s: %w", module, err)
	}
	for _, r := range file.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", path, module)
}

func toolsDir() (string, error) {
	if dir := os.Getenv("PRUMO_TOOLS"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of tools: %w", err)
	}
	return filepath.Join(home, ".cache", "prumo-tools"), nil
}

// root walks up from the working folder, which go test sets to the package's own.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module prumo.dev/prumo\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find the repository: no go.mod of prumo.dev/prumo above the working folder")
		}
		dir = up
	}
}

// nonce is a short random text that tells one server from another.
func nonce() string { return strings.ToLower(rand.Text()[:12]) }
