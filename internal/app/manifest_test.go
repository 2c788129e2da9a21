package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs one command and returns its status and what it wrote.
func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(context.Background(), Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, LookupEnv: os.LookupEnv,
	})
	return code, out.String(), errs.String()
}

// A manifest asks for what the checks need and for nothing else.
func TestManifestAsksForTheLeast(t *testing.T) {
	code, out, errs := runCommand(t, "sources", "manifest", "gitea")
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs)
	}
	for _, want := range []string{"read:repository", "read:organization", "read:user"} {
		if !strings.Contains(out, want) {
			t.Errorf("the manifest lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "write:") {
		t.Errorf("the manifest asks to write:\n%s", out)
	}
	if code, _, errs = runCommand(t, "sources", "manifest", "gitae"); code != exitMisuse || !strings.Contains(errs, "gitea") {
		t.Errorf("an unknown connector: status %d, %q; it should name those that there are", code, errs)
	}
}

// With a file, only its sources count.
func TestManifestOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prumo.yaml")
	text := "sources:\n  - {name: outside, connector: edge, settings: {hosts: [\"app.acme.test:443\"]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCommand(t, "sources", "manifest", "--config", file)
	if code != 0 {
		t.Fatalf("status %d: %s", code, errs)
	}
	if strings.Contains(out, "Gitea") || !strings.Contains(out, "no credential") {
		t.Errorf("want edge alone, which needs no credential:\n%s", out)
	}
}
