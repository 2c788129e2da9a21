package ticket

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

// page renders markdown as GitHub's flavour has it.
func page(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var links = regexp.MustCompile(`<a href="([^"]*)"`)

// TestNamesStayNames renders names that want to be more: no link but ours, no
// image, no heading, no mention, no reference, no command, and one mark.
func TestNamesStayNames(t *testing.T) {
	for _, name := range channeltest.Hostile() {
		text := Markdown(channeltest.Many([]string{name}, 3, 1), "alert_case", 65536)
		html := page(t, text)
		for _, l := range links.FindAllStringSubmatch(html, -1) {
			if !strings.HasPrefix(l[1], "https://prumo.acme.test/") && !strings.HasPrefix(l[1], "mailto:it@acme.test") {
				t.Errorf("%q: a link leads to %s", name, l[1])
			}
		}
		for _, bad := range []string{"<script", "<img", "<h1", "<h2", "<table", "<pre", "<at>", "<blockquote", "<em", "<del"} {
			if strings.Contains(html, bad) {
				t.Errorf("%q: the page holds %s:\n%.1500s", name, bad, html)
			}
		}
		for _, bad := range []string{"@everyone", "@here", "@all", "@ana", "@root", "#1", "#2"} {
			if strings.Contains(html, bad) {
				t.Errorf("%q: the page holds %s", name, bad)
			}
		}
		for _, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "/") {
				t.Errorf("%q: a line is a command: %q", name, line)
			}
		}
		if n := strings.Count(text, "<!-- prumo:"); n != 1 || !Marked(text, "alert_case") {
			t.Errorf("%q: %d marks", name, n)
		}
	}
}

func TestLongCardsAreCounted(t *testing.T) {
	text := Markdown(channeltest.Many([]string{"日本語", "x"}, 1000, 1), "alert_case", 2000)
	if channel.Units(text) > 2000 || !strings.Contains(text, "more") || !Marked(text, "alert_case") {
		t.Errorf("%d characters:\n%s", channel.Units(text), text)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range channeltest.Hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := channeltest.Card()
		// As the composer gives it: one line, no control characters.
		s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == 0x85 }), " ")
		c.Blocks[0].Items[0].Name, c.Blocks[0].Items[0].Message = s, s
		c.Blocks[0].Items[0].Evidence = []channel.Pair{{Label: "x", Value: s}}
		text := Markdown(c, "alert_case", 65536)
		if strings.Count(text, "<!-- prumo:") != 1 {
			t.Errorf("%q writes a mark", s)
		}
		for _, l := range links.FindAllStringSubmatch(page(t, text), -1) {
			if !strings.HasPrefix(l[1], "https://prumo.acme.test/") && !strings.HasPrefix(l[1], "mailto:") {
				t.Errorf("%q: a link leads to %s", s, l[1])
			}
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{`{"message":"Not Found"}`, `{"message":{"title":["is too long"]}}`, `{"errorMessages":["x"],"errors":{}}`, `[]`, `{"error":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, body []byte) { _ = Words(body) })
}

func TestWords(t *testing.T) {
	for body, want := range map[string]string{
		`{"message":"Not Found"}`: "Not Found", `{"message":{"title":["is too long"]}}`: "title:is too long",
		`{"errorMessages":["no such issue"],"errors":{}}`: "no such issue", `<html>`: "", `{"error":"insufficient_scope"}`: "insufficient_scope",
	} {
		if got := Words([]byte(body)); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}
