package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/config"
)

func env(name string) string { return map[string]string{"HOOK": "s3cret"}[name] }

func TestTheContractsExampleIsRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"token": "abc\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "checks"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, problems, err := config.Parse(filepath.Join(dir, "prumo.yaml"), []byte(`
organisation: {name: Acme, languages: [en, pt-BR]}
checks: [./checks]
sources:
  - {name: code, connector: gitea, every: 5m, settings: {url: "http://127.0.0.1:3000", token: {file: ./token}, webhook_secret: {env: HOOK}}}
  - {name: outside, connector: edge, every: 1h, settings: {hosts: ["app.acme.test:443"], domains: [acme.test]}}
  - {name: push, connector: push}
routes:
  - {name: bus, to: {webhook: {url: "https://hooks.acme.test/prumo", secret: {env: HOOK}}}}
allow_networks: [10.1.0.0/16, 192.0.2.7]
`), env)
	if err != nil || len(problems) > 0 {
		t.Fatalf("error %v, problems %v", err, problems)
	}
	if len(cfg.Sources) != 3 || cfg.Sources[0].Every != 5*time.Minute {
		t.Fatalf("sources %+v", cfg.Sources)
	}
	if s := cfg.Sources[0].Settings; s["token"] != "abc" || s["webhook_secret"] != "s3cret" {
		t.Errorf("secrets are not in place: %v", s)
	}
	if len(cfg.AllowNetworks) != 2 || cfg.AllowNetworks[1].Bits() != 32 {
		t.Errorf("networks %v", cfg.AllowNetworks)
	}
	if p := config.ResolveSecrets(cfg.Routes[0].YAML, "prumo.yaml", env); p != nil {
		t.Fatal(p)
	}
	b, err := yaml.Marshal(cfg.Routes[0].YAML)
	if err != nil || !strings.Contains(string(b), "s3cret") {
		t.Errorf("route %s, %v: the secret is not in place", b, err)
	}
}

func TestEveryProblemIsToldAndTheRestHolds(t *testing.T) {
	text := `organisation: {name: Acme, colour: red}
sources:
  - {name: Bad Name, connector: edge}
  - {name: good, connector: edge}
  - {name: good, connector: edge}
  - {name: slow, connector: edge, every: 1s}
  - {name: dark, connector: gitea, settings: {token: {env: NOT_SET}}}
allow_networks: [everywhere]
colour: red
`
	cfg, problems, err := config.Parse("prumo.yaml", []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Sources) != 1 || cfg.Sources[0].Name != "good" {
		t.Errorf("kept %+v, want the good source only", cfg.Sources)
	}
	for line, want := range map[int]string{1: "colour", 3: "Bad Name", 5: "twice", 6: "rhythm", 7: "NOT_SET", 8: "network", 9: "colour"} {
		found := false
		for _, p := range problems {
			found = found || p.Line == line && strings.Contains(p.What, want) && p.Do != ""
		}
		if !found {
			t.Errorf("line %d: no problem names %q in %v", line, want, problems)
		}
	}
}

func TestWhatIsNoYAMLSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"a: [": "prumo.yaml:", "a: 1\n---\nb: 2\n": "second document", strings.Repeat("#", 2<<20): "1 MB",
	} {
		if _, _, err := config.Parse("prumo.yaml", []byte(text), env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	look := func(m map[string]string) func(string) (string, bool) {
		return func(n string) (string, bool) { v, ok := m[n]; return v, ok }
	}
	e, err := config.FromEnv(look(nil))
	if err != nil || e.Addr != "127.0.0.1:8420" || e.Data != "./data" || e.Drill {
		t.Errorf("defaults %+v, %v", e, err)
	}
	if e, err = config.FromEnv(look(map[string]string{"PRUMO_CLOCK_OFFSET": "0s"})); err != nil || !e.Drill {
		t.Errorf("an offset of 0s is a drill: %+v, %v", e, err)
	}
	for name, bad := range map[string]string{"PRUMO_ADDR": "8420", "PRUMO_PUBLIC_URL": "prumo.example", "PRUMO_CLOCK_OFFSET": "tomorrow"} {
		if _, err := config.FromEnv(look(map[string]string{name: bad})); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error %v, want one that names it", name, bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("sources:\n  - {name: a, connector: b, every: 5m, settings: {x: {env: HOOK}}}\n")
	f.Add("a: &a [*a]\n")
	f.Add("organisation: [1]\nroutes: {a: b}\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, problems, err := config.Parse("prumo.yaml", []byte(text), env)
		if err == nil && cfg == nil {
			t.Error("neither a configuration nor an error")
		}
		for _, p := range problems {
			if p.What == "" || p.Do == "" {
				t.Errorf("problem without words: %+v", p)
			}
		}
	})
}
