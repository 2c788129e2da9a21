package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

func newComposer(t testing.TB) *Composer {
	t.Helper()
	c, err := NewComposer()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func testEvent(kind monitor.CauseKind, things int) Event {
	at := time.Date(2026, 11, 23, 14, 32, 5, 0, time.UTC)
	g := Group{
		Check: "account-has-mfa", Version: 2, Kind: "account", Severity: check.High, Count: things, Owner: "ana@acme.test",
		Title:    check.Text{"en": "Every account has a second factor", "pt-BR": "Toda conta tem um segundo fator", "es": "Cada cuenta tiene un segundo factor"},
		Fix:      check.Text{"en": "Ask for a second factor.", "pt-BR": "Peça um segundo fator.", "es": "Pida un segundo factor."},
		Controls: []Control{{ID: "mfa", Title: check.Text{"en": "Strong sign-in", "pt-BR": "Acesso forte", "es": "Acceso fuerte"}}},
	}
	for i := range min(things, MaxItems) {
		item := Item{
			Finding: fmt.Sprintf("f%d", i), Fact: fmt.Sprintf("code/user%d", i), Name: fmt.Sprintf("user%d", i),
			Message: check.Text{"en": "signs in with a password alone", "pt-BR": "entra só com senha", "es": "entra solo con contraseña"},
			Fields:  []Field{{"account.mfa", "false"}}, ObservedAt: at.Add(-time.Minute), OpenedAt: at, DueAt: at.AddDate(0, 2, 0),
			Actor: "mallory", Ledger: 1234567,
		}
		if kind == monitor.CauseRecovered {
			item.ClosedAt, item.ClosedWhy = at, "passed"
		}
		g.Items = append(g.Items, item)
	}
	return Event{ID: "c1", Kind: kind, Source: "code", Owner: "ana@acme.test", Severity: check.High, At: at, EventAt: at.Add(-2 * time.Minute), Count: things, Groups: []Group{g}}
}

func options(lang string) Options {
	return Options{Route: "seg", Lang: lang, Detail: DetailFull, BaseURL: "https://prumo.acme.test", Organisation: "Acme"}
}

// TestSaysWhatIsAsked holds the list of S20 in every language: control, thing,
// evidence, owner, due date, fix, and a link.
func TestSaysWhatIsAsked(t *testing.T) {
	c := newComposer(t)
	wants := map[string][]string{
		"en": {
			"[High] Every account has a second factor: fails for user0 (code)", "Control: Strong sign-in (mfa)", "Owner: ana@acme.test",
			"Due: 23 Jan 2027, 14:32", "How to mend it: Ask for a second factor.", "Observed: 23 Nov 2026, 14:31:05 UTC", "Ledger: leaf 1,234,567", "Changed by: mallory",
		},
		"pt-BR": {
			"[Alta] Toda conta tem um segundo fator: falha em user0 (code)", "Controle: Acesso forte (mfa)", "Responsável: ana@acme.test",
			"Prazo: 23 jan. 2027, 14h32", "Como corrigir: Peça um segundo fator.", "Observado: 23 nov. 2026, 14h31min05s UTC", "Registro: folha 1.234.567", "Mudado por: mallory",
		},
		"es": {
			"[Alta] Cada cuenta tiene un segundo factor: falla en user0 (code)", "Control: Acceso fuerte (mfa)", "Responsable: ana@acme.test",
			"Plazo: 23 ene 2027, 14:32", "Cómo corregirlo: Pida un segundo factor.", "Observado: 23 nov 2026, 14:31:05 UTC", "Registro: hoja 1.234.567", "Cambiado por: mallory",
		},
	}
	for _, lang := range Languages() {
		e := testEvent(monitor.CauseFailing, 1)
		m, err := c.Compose(e, e.Groups, options(lang))
		if err != nil {
			t.Fatal(err)
		}
		page := visible(t, m.HTML)
		for _, want := range append(wants[lang], "account.mfa = false", "code/user0", "https://prumo.acme.test/findings/f0") {
			if !strings.Contains(m.Subject+"\n"+m.Text, want) {
				t.Errorf("%s: the text does not say %q:\n%s", lang, want, m.Text)
			}
			value := want[strings.Index(want, ": ")+1:]
			if !strings.Contains(page+m.HTML, strings.TrimSpace(value)) && !strings.Contains(m.Subject, want) {
				t.Errorf("%s: the page does not say %q:\n%s", lang, value, page)
			}
		}
	}
}

// visible returns the words of a page as a reader sees them.
func visible(t testing.TB, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatalf("the page is not HTML: %v", err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(strings.Join(strings.Fields(n.Data), " ") + " ")
		}
	}
	return b.String()
}

func kindsOfCauses() []monitor.CauseKind {
	return []monitor.CauseKind{monitor.CauseFailing, monitor.CauseRecovered, monitor.CauseStale, monitor.CauseExcepted, CauseTest, KindReminder, KindUnmuted, KindDigest, KindWeekly}
}

// dress gives an event what its kind needs.
func dress(e Event, n int, first bool) Event {
	switch e.Kind {
	case KindReminder:
		e.About, e.Of, e.FirstAt, e.Times = "c0", monitor.CauseFailing, e.At.Add(-26*time.Hour), 3
		if first {
			e.Times = 0
		}
	case KindUnmuted:
		e.By, e.Why = "ana@acme.test", "1234567"
	case KindDigest:
		e.Groups = nil
		for i := range min(n, 50) {
			h := Held{Subject: "user" + fmt.Sprint(i), Kind: monitor.CauseFailing, At: e.At, Count: 3, Open: i % 4 % 3}
			if i%5 == 4 {
				h.Kind = monitor.CauseRecovered
			}
			e.Digest = append(e.Digest, h)
		}
	case KindWeekly:
		line := WeekLine{Check: "account-has-mfa", Title: e.Groups[0].Title, Severity: check.High, Count: n, New: 2}
		e.Week = &Week{
			From: e.At.AddDate(0, 0, -7), To: e.At, Open: n, New: 2, Mended: 4, Late: 1, Due: len(e.Groups[0].Items), DueSoon: e.Groups[0].Items,
			Times: [3]Lapse{{time.Second, time.Minute}, {90 * time.Second, 49 * time.Hour}, {time.Hour, 200 * time.Hour}}, Sources: 3, Known: 1234567, Unknown: 1,
		}
		e.Groups, e.Source, e.Owner = nil, "", ""
		if first {
			e.Week.Open, e.Week.Silent = 0, []string{"code"}
		} else {
			e.Week.Leans = []WeekLine{line}
		}
	}
	return e
}

// every calls fn with each kind of message in a language.
func every(t *testing.T, c *Composer, lang string, fn func(name string, m channel.Message)) {
	t.Helper()
	for _, kind := range kindsOfCauses() {
		for _, n := range []int{1, 3, 1_000_000} {
			for _, detail := range []Detail{DetailFull, DetailLink} {
				for _, first := range []bool{false, true} {
					e := testEvent(kind, n)
					e.First = first
					if first {
						e.Groups = append(e.Groups, Group{Check: "x-y", Severity: check.Low, Count: 2, Title: check.Text{"en": "T", "pt-BR": "T", "es": "T"}})
					}
					if kind == monitor.CauseStale {
						e.Groups, e.Since, e.Why = []Group{{Count: 1}}, e.At.Add(-time.Hour), "401"
					}
					e = dress(e, n, first)
					o := options(lang)
					o.Detail, o.Drill, o.Act = detail, true, "https://prumo.acme.test/act/t"
					m, err := c.Compose(e, e.Groups, o)
					if err != nil {
						t.Fatal(err)
					}
					fn(fmt.Sprintf("%s/%s/%d/%s/%v", lang, kind, n, detail, first), m)
				}
			}
		}
	}
}

// TestNoEnglishIsLeft compares the words of every message in Portuguese and
// Spanish with the English vocabulary of our own message file.
func TestNoEnglishIsLeft(t *testing.T) {
	c := newComposer(t)
	english := vocabulary(t, "en")
	names := []string{"prumo", "acme", "code", "account", "mfa", "user", "seg", "ana", "test", "utc", "false", "has", "mallory", "findings", "sources", "routes", "check", "source", "https"}
	for _, lang := range Languages()[1:] {
		// Words that both languages write alike.
		shared := map[string][]string{"pt-BR": {"a", "no", "real"}, "es": {"a", "no", "real", "control"}}[lang]
		every(t, c, lang, func(name string, m channel.Message) {
			links := regexp.MustCompile(`https://\S+`)
			for _, word := range words(links.ReplaceAllString(m.Subject+" "+m.Text+" "+visible(t, m.HTML), "")) {
				if english[word] && !slices.Contains(shared, word) && !slices.Contains(names, word) {
					t.Errorf("%s: the English word %q is left in\n%s\n%s", name, word, m.Subject, m.Text)
				}
			}
			for id := range ids(t) {
				if strings.Contains(id, "_") && strings.Contains(m.Text+m.Subject, id) {
					t.Errorf("%s: the id %q has no words", name, id)
				}
			}
		})
	}
}

func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
}

func ids(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	return wordsFile(t, "en")
}

func wordsFile(t testing.TB, lang string) map[string]json.RawMessage {
	t.Helper()
	raw, err := fs.ReadFile(locales, "locales/active."+lang+".json")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func vocabulary(t testing.TB, lang string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, raw := range wordsFile(t, lang) {
		text := regexp.MustCompile(`\{\{[^}]*\}\}|"(one|many|other)":`).ReplaceAllString(string(raw), " ")
		for _, w := range words(text) {
			out[w] = true
		}
	}
	return out
}

func TestEveryLanguageHasEveryMessage(t *testing.T) {
	en := wordsFile(t, "en")
	field := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	for _, lang := range Languages()[1:] {
		other := wordsFile(t, lang)
		for id, raw := range en {
			if _, ok := other[id]; !ok {
				t.Errorf("%s has no %s", lang, id)
				continue
			}
			want, got := field.FindAllString(string(raw), -1), field.FindAllString(string(other[id]), -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(slices.Compact(want), slices.Compact(got)) {
				t.Errorf("%s %s uses %v, English uses %v", lang, id, got, want)
			}
			if bytes.HasPrefix(raw, []byte("{")) && !bytes.Contains(other[id], []byte(`"many"`)) {
				t.Errorf("%s %s lacks the form for millions", lang, id)
			}
		}
		for id := range other {
			if _, ok := en[id]; !ok {
				t.Errorf("%s has %s, which English has not", lang, id)
			}
		}
	}
}

func TestLinkHoldsNothingButCounts(t *testing.T) {
	c := newComposer(t)
	for _, lang := range Languages() {
		every(t, c, lang, func(name string, m channel.Message) {
			if !strings.Contains(name, "/link/") {
				return
			}
			for _, secret := range []string{"user", "mfa", "code", "ana@", "mallory", "second factor", "segundo", "High", "Alta", "401"} {
				if strings.Contains(m.Subject+m.Text+m.HTML+string(m.Payload), secret) {
					t.Errorf("%s tells %q:\n%s\n%s", name, secret, m.Text, m.Payload)
				}
			}
		})
	}
}

func TestDrillIsMarked(t *testing.T) {
	c := newComposer(t)
	marks := map[string]string{"en": "DRILL", "pt-BR": "SIMULAÇÃO", "es": "SIMULACRO"}
	for lang, mark := range marks {
		every(t, c, lang, func(name string, m channel.Message) {
			if !strings.HasPrefix(m.Subject, mark) || !strings.HasPrefix(m.Text, mark) || !strings.Contains(m.HTML, mark) || !m.Drill || !strings.Contains(string(m.Payload), `"drill":true`) {
				t.Errorf("%s is not marked as a drill: %q", name, m.Subject)
			}
		})
	}
}

func TestGoneIsNotCalledPassed(t *testing.T) {
	e := testEvent(monitor.CauseRecovered, 1)
	e.Groups[0].Items[0].ClosedWhy = "gone"
	m, err := newComposer(t).Compose(e, e.Groups, options("en"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.Text, "Pass ·") || !strings.Contains(m.Text, "no longer exists") {
		t.Errorf("got\n%s", m.Text)
	}
}

func TestNumbersAndDates(t *testing.T) {
	b, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 14, 32, 5, 0, time.FixedZone("", -3*3600))
	cases := []struct{ lang, small, large, moment string }{
		{"en", "1,207", "-1,234,567", "23 Nov, 17:32"},
		{"pt-BR", "1.207", "-1.234.567", "23 nov., 17h32"},
		{"es", "1207", "-1.234.567", "23 nov, 17:32"},
	}
	for _, c := range cases {
		s := newSpeaker(b, c.lang)
		if got := s.number(1207); got != c.small {
			t.Errorf("%s: got %s, want %s", c.lang, got, c.small)
		}
		if got := s.number(-1234567); got != c.large {
			t.Errorf("%s: got %s, want %s", c.lang, got, c.large)
		}
		if got := s.moment(at, at); got != c.moment {
			t.Errorf("%s: got %s, want %s", c.lang, got, c.moment)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		tags []string
		want string
	}{{nil, "en"}, {[]string{"pt"}, "pt-BR"}, {[]string{"pt-PT"}, "pt-BR"}, {[]string{"es-MX"}, "es"}, {[]string{"fr", "ES"}, "es"}, {[]string{"", "fr"}, "en"}, {[]string{"PT-br"}, "pt-BR"}} {
		if got := Language(c.tags...); got != c.want {
			t.Errorf("%q: got %s, want %s", c.tags, got, c.want)
		}
	}
}

// FuzzCompose puts hostile text everywhere a source or a person may write.
func FuzzCompose(f *testing.F) {
	for _, s := range []string{
		"a\r\nBcc: victim@x.test", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "\u202egnp.exe", "\x00\x1b[31m",
		strings.Repeat("å", 5000), "{{.Subject}}", "مرحبا", "\xff\xfe", "javascript:alert(1)", "%0d%0a", "a\u2028b", "",
	} {
		f.Add(s)
	}
	c := newComposer(f)
	f.Fuzz(func(t *testing.T, s string) {
		e := testEvent(monitor.CauseFailing, 2)
		e.Source, e.Owner, e.Why = s, s, s
		g := &e.Groups[0]
		g.Title, g.Fix = check.Text{"en": s}, check.Text{"en": s}
		g.Controls = append(g.Controls, Control{ID: s, Title: check.Text{"en": s}})
		i := &g.Items[0]
		i.Finding, i.Fact, i.Name, i.Actor, i.Message = s, s, s, s, check.Text{"en": s}
		i.Fields = []Field{{Path: s, Value: s}}
		o := options("en")
		o.Route, o.Organisation = s, s
		m, err := c.Compose(e, e.Groups, o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(m.Subject, unicode.IsControl) || len([]rune(m.Subject)) > maxSubject {
			t.Fatalf("subject: %q", m.Subject)
		}
		if strings.ContainsFunc(m.Text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r >= 0x202a && r <= 0x202e }) {
			t.Fatalf("the text has control characters: %q", m.Text)
		}
		if !json.Valid(m.Payload) {
			t.Fatalf("payload: %s", m.Payload)
		}
		again, err := c.Compose(e, e.Groups, o)
		if err != nil || again.HTML != m.HTML || again.Text != m.Text || string(again.Payload) != string(m.Payload) {
			t.Fatal("the same event has another message")
		}
		onlyOurTags(t, m.HTML)
	})
}

// onlyOurTags fails if a page has an element or attribute that its template
// does not, or a link that leads elsewhere.
func onlyOurTags(t testing.TB, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	tags := []string{"html", "head", "meta", "title", "body", "table", "tbody", "tr", "td", "h1", "h2", "p", "div", "span", "strong", "bdi", "br", "a"}
	attributes := []string{"lang", "charset", "name", "content", "style", "role", "width", "cellpadding", "cellspacing", "border", "align", "href"}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if !slices.Contains(tags, n.Data) {
			t.Fatalf("the page has a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if !slices.Contains(attributes, a.Key) {
				t.Fatalf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "https://prumo.acme.test/") {
				t.Fatalf("a link leads to %q", a.Val)
			}
		}
	}
}
