package git

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

func TestSecrets(t *testing.T) {
	program := testkit.Tool(t, "gitleaks")
	c := newCheckout(t)
	secret := "ghp_" + strings.Repeat("a1B2c3D4e5", 4)[:36]
	c.commit("first", "readme", "hello")
	m := read(t, c.settings(connector.Settings{"gitleaks": program}))
	want(t, "secrets_found", repository(t, m).SecretsFound, 0)
	leaked := c.commit("leak", "config.env", "TOKEN="+secret+"\n", ".gitleaks.toml", "[allowlist]\npaths = ['''.*''']\n")
	c.commit("hide", "config.env", "\n")
	m = read(t, c.settings(connector.Settings{"gitleaks": program}))
	wantReading(t, m, fact.Complete)
	f := repository(t, m)
	want(t, "secrets_found", f.SecretsFound, 1)
	if got := f.SecretLocations.Or(nil); len(got) != 1 || got[0] != "config.env:1 github-pat "+leaked[:12] {
		t.Errorf("secret_locations: got %q", got)
	}
	for _, x := range m.Facts() {
		if bytes.Contains(x.Data, []byte(secret[:12])) {
			t.Errorf("%s holds the secret", x.ID)
		}
	}
}

func TestReport(t *testing.T) {
	c := newCheckout(t)
	c.commit("first")
	report := filepath.Join(t.TempDir(), "report.json")
	write := func(s string) {
		if err := os.WriteFile(report, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := c.settings(connector.Settings{"gitleaks_report": report})
	for text, found := range map[string]int64{
		"[]": 0,
		`[{"RuleID":"aws","File":"a.env","StartLine":3,"Secret":"AKIAXXXX","Match":"k=AKIAXXXX"}]`:                                                                                 1,
		`{"runs":[{"results":[{"ruleId":"aws","locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.env"},"region":{"startLine":3,"snippet":{"text":"AKIAXXXX"}}}}]}]}]}`: 1,
	} {
		write(text)
		m := read(t, settings)
		want(t, text, repository(t, m).SecretsFound, found)
		for _, f := range m.Facts() {
			if bytes.Contains(f.Data, []byte("AKIA")) {
				t.Errorf("%s holds the secret", f.Data)
			}
		}
	}
	for _, text := range []string{"", "{}", "nonsense", "[{"} {
		write(text)
		m := read(t, settings)
		wantReading(t, m, fact.Partial)
		unknown(t, text, repository(t, m).SecretsFound)
	}
	write("[]")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(report, past, past); err != nil {
		t.Fatal(err)
	}
	unknown(t, "an old report", repository(t, read(t, settings)).SecretsFound)
}
