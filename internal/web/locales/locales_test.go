package locales_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"prumo.dev/prumo/internal/web/locales"
)

// read returns the texts of a language: key → forms; a text without forms has one, "other".
func read(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	raw, err := fs.ReadFile(locales.Files(), lang+".toml")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := toml.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for key, v := range all {
		forms := map[string]string{}
		switch v := v.(type) {
		case string:
			forms["other"] = v
		case map[string]any:
			for form, s := range v {
				forms[form] = fmt.Sprint(s)
			}
		}
		out[key] = forms
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

func placeholders(s string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestLanguagesAreEqual: each language has every text, in the forms that its
// grammar needs, with the same values in it.
func TestLanguagesAreEqual(t *testing.T) {
	en := read(t, "en")
	for lang, forms := range map[string][]string{"pt-BR": {"one", "many", "other"}, "es": {"one", "many", "other"}} {
		other := read(t, lang)
		for key, texts := range en {
			theirs, ok := other[key]
			if !ok {
				t.Errorf("%s: %q is missing", lang, key)
				continue
			}
			if len(texts) > 1 {
				for _, f := range forms {
					if theirs[f] == "" {
						t.Errorf("%s: %q lacks the form %s", lang, key, f)
					}
				}
			}
			if strings.TrimSpace(theirs["other"]) == "" {
				t.Errorf("%s: %q is empty", lang, key)
			}
			if a, b := placeholders(texts["other"]), placeholders(theirs["other"]); !slices.Equal(a, b) {
				t.Errorf("%s: %q has the values %v, English has %v", lang, key, b, a)
			}
		}
		for key := range other {
			if _, ok := en[key]; !ok {
				t.Errorf("%s: %q is not in English", lang, key)
			}
		}
	}
}

// source is the text of all hand-written files of the pages.
func source(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := filepath.Ext(path); ext != ".templ" && ext != ".go" || strings.HasSuffix(path, "_templ.go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// families are the keys that are put together: prefix → where the rest comes from.
// The rest is checked by the tests of the pages, which show no key.
func families() []string {
	return []string{
		"act.done.", "alerts.detail.", "alerts.done.", "change.", "channel.", "delivery.", "duty.", "error.", "exception.state.", "findings.none.",
		"findings.step.", "findings.view.", "kind.", "lang.", "nav.", "obligations.group.", "obligations.view.", "origin.", "reading.", "severity.", "silence.by.", "silence.is.", "sources.note.", "status.", "way.",
	}
}

// TestKeys: every key that the code names is a text, and every text is named.
func TestKeys(t *testing.T) {
	en := read(t, "en")
	named := map[string]bool{}
	call := regexp.MustCompile(`\b(?:T|N|Or|Rich|RichN)\("([a-z0-9_.]+)"(\s*\+)?`)
	literal := regexp.MustCompile(`"([a-z0-9_]+(?:\.[a-z0-9_]+)+)"`)
	for path, text := range source(t) {
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			switch {
			case m[2] != "" && !slices.Contains(families(), m[1]):
				t.Errorf("%s: %q+… is no family of keys", path, m[1])
			case m[2] == "" && en[m[1]] == nil:
				t.Errorf("%s: %q is no text", path, m[1])
			}
			named[m[1]] = true
		}
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			named[m[1]] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(en)) {
		inFamily := slices.ContainsFunc(families(), func(f string) bool { return strings.HasPrefix(key, f) })
		if !named[key] && !inFamily {
			t.Errorf("%q is not used", key)
		}
	}
}

// TestNoTextInTempl: what people read stands in the language files. A text node
// of a template holds signs and names only.
func TestNoTextInTempl(t *testing.T) {
	allowed := []string{"Prumo", "JSON", "prumo.yaml", "p95"}
	node := regexp.MustCompile(`>([^<>{}]*[A-Za-zÀ-ÿ]{2,}[^<>{}]*)<`)
	label := regexp.MustCompile(`\b(?:aria-label|title|placeholder|alt)="([^"]*)"`)
	for path, text := range source(t) {
		if !strings.HasSuffix(path, ".templ") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "//") {
				continue
			}
			for _, m := range append(node.FindAllStringSubmatch(line, -1), label.FindAllStringSubmatch(line, -1)...) {
				if s := strings.TrimSpace(m[1]); s != "" && !slices.Contains(allowed, strings.Trim(s, "· ")) && !strings.ContainsAny(s, "=();") {
					t.Errorf("%s:%d: %q is written into the page", path, i+1, s)
				}
			}
		}
	}
}
