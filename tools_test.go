package prumo_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/testkit"
)

// govulncheck offline must not read as a clean answer, and a finding must fail.
func TestVulnerabilityCheckAnswersHonestly(t *testing.T) {
	testkit.Tool(t, "govulncheck")
	db := vulnerabilities(t, `"database_specific":{"url":"https://acme.test/GO-2026-0001"},`)
	crash := vulnerabilities(t, "") // which govulncheck 1.9.0 does not survive
	for name, c := range map[string]struct {
		db   string
		ok   bool
		want string
	}{
		"unreachable": {"http://127.0.0.1:1", true, "could not check"},
		"misused":     {"gopher://x", false, "unsupported scheme"},
		"found":       {db, false, "GO-2026-0001"},
		"crashed":     {crash, false, "panic"},
	} {
		cmd := exec.CommandContext(t.Context(), "bash", "tools/vuln.sh", "./internal/fact")
		cmd.Env = append(os.Environ(), "PRUMO_VULNDB="+c.db)
		out, err := cmd.CombinedOutput()
		if (err == nil) != c.ok || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: got %v, want success %t and %q in:\n%s", name, err, c.ok, c.want, out)
		}
	}
}

// vulnerabilities writes a database that knows one hole, in a function that every
// package here uses.
func vulnerabilities(t *testing.T, link string) string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"index/db.json":      `{"modified":"2026-01-01T00:00:00Z"}`,
		"index/modules.json": `[{"path":"stdlib","vulns":[{"id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z"}]}]`,
		"ID/GO-2026-0001.json": `{"schema_version":"1.3.1","id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z",
"summary":"made for a test",` + link + `"details":"made for a test","affected":[{"package":{"name":"stdlib","ecosystem":"Go"},
"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
"ecosystem_specific":{"imports":[{"path":"encoding/json","symbols":["Unmarshal","Marshal","Decoder.Decode"]}]}}]}`,
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}
