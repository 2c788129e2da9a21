package ui_test

import (
	"strings"
	"testing"

	"prumo.dev/prumo/internal/web/ui"
)

func TestProseAndTemplateEscape(t *testing.T) {
	for in, want := range map[string]string{
		"run `a < b` now":          "run <code>a &lt; b</code> now",
		"<b>{{account.login}}</b>": "&lt;b&gt;<code>account.login</code>&lt;/b&gt;",
		"open {{ and ` alone":      "open {{ and ` alone",
	} {
		var b strings.Builder
		if err := ui.Template(in).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("Template(%q) = %q, want %q", in, b.String(), want)
		}
	}
	var b strings.Builder
	if err := ui.Prose("{{x}} `<y>`").Render(t.Context(), &b); err != nil || b.String() != "{{x}} <code>&lt;y&gt;</code>" {
		t.Errorf("Prose: %q %v", b.String(), err)
	}
}
