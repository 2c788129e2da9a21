package ui_test

import (
	"testing"
	"time"

	"prumo.dev/prumo/internal/web/ui"
)

func words(t *testing.T) *ui.Words {
	t.Helper()
	w, err := ui.LoadWords()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestNumbersAndTimes(t *testing.T) {
	w := words(t)
	now := time.Date(2026, 11, 23, 14, 32, 0, 0, time.UTC)
	for _, c := range []struct {
		what       string
		got        func(l *ui.Lang) string
		en, pt, es string
	}{
		{"thousands", func(l *ui.Lang) string { return l.Num(1207) }, "1,207", "1.207", "1207"},
		{"ten thousands", func(l *ui.Lang) string { return l.Num(12075) }, "12,075", "12.075", "12.075"},
		{"millions", func(l *ui.Lang) string { return l.Num(-1234567) }, "−1,234,567", "−1.234.567", "−1.234.567"},
		{"decimals", func(l *ui.Lang) string { return l.Dec(12075.5, 1) }, "12,075.5", "12.075,5", "12.075,5"},
		{"share", func(l *ui.Lang) string { return l.Pct(.034) }, "3.4%", "3,4%", "3,4\u202f%"},
		{"a little is not nothing", func(l *ui.Lang) string { return l.Pct(.0001) }, "<\u202f0.1%", "<\u202f0,1%", "<\u202f0,1\u202f%"},
		{"nearly all is not all", func(l *ui.Lang) string { return l.Pct(.9999) }, ">\u202f99.9%", ">\u202f99,9%", ">\u202f99,9\u202f%"},
		{"day of this year", func(l *ui.Lang) string { return l.Date(now, now) }, "23\u00a0Nov", "23\u00a0nov.", "23\u00a0nov"},
		{"day of another year", func(l *ui.Lang) string { return l.Date(now.AddDate(1, 0, 0), now) }, "23\u00a0Nov\u00a02027", "23\u00a0nov.\u00a02027", "23\u00a0nov\u00a02027"},
		{"time of day", func(l *ui.Lang) string { return l.DateTime(now, now) }, "23\u00a0Nov, 14:32", "23\u00a0nov., 14h32", "23\u00a0nov, 14:32"},
		{"two units", func(l *ui.Lang) string { return l.Span(5*time.Hour + 20*time.Minute) }, "5\u202fh 20\u202fmin", "5\u202fh 20\u202fmin", "5\u202fh 20\u202fmin"},
		{"days", func(l *ui.Lang) string { return l.Span(49 * time.Hour) }, "2 days", "2 dias", "2 días"},
		{"short", func(l *ui.Lang) string { return l.Span(600 * time.Millisecond) }, "600\u202fms", "600\u202fms", "600\u202fms"},
		{"ago", func(l *ui.Lang) string { return l.Relative(now.Add(-2*time.Minute), now) }, "2\u202fmin ago", "há 2\u202fmin", "hace 2\u202fmin"},
		{"ahead", func(l *ui.Lang) string { return l.Relative(now.Add(3*time.Hour), now) }, "in 3\u202fh", "em 3\u202fh", "en 3\u202fh"},
		{"long ago", func(l *ui.Lang) string { return l.Relative(now.AddDate(0, 0, -8), now) }, "15\u00a0Nov", "15\u00a0nov.", "15\u00a0nov"},
		{"one and many", func(l *ui.Lang) string { return l.N("things.unsaid", 1) + "; " + l.N("things.unsaid", 1000000) }, "1 field not said; 1,000,000 fields not said", "1 campo não informado; 1.000.000 campos não informados", "1 campo no indicado; 1.000.000 campos no indicados"},
	} {
		for lang, want := range map[string]string{"en": c.en, "pt-BR": c.pt, "es": c.es} {
			if got := c.got(w.In(lang)); got != want {
				t.Errorf("%s in %s: got %q, want %q", c.what, lang, got, want)
			}
		}
	}
}

func TestChooseLanguage(t *testing.T) {
	w := words(t)
	for _, c := range []struct{ chosen, accept, want string }{
		{"", "", "en"},
		{"", "pt", "pt-BR"},
		{"", "pt-PT, en;q=0.5", "pt-BR"},
		{"", "es-MX;q=0.9, de", "es"},
		{"", "de, fr", "en"},
		{"es", "pt", "es"},
		{"xx<script>", "pt-BR", "pt-BR"},
		{"", "\x00;;q=", "en"},
	} {
		if got := w.Choose(c.chosen, c.accept); got != c.want {
			t.Errorf("Choose(%q, %q) = %q, want %q", c.chosen, c.accept, got, c.want)
		}
	}
}
