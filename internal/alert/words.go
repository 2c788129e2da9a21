package alert

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed locales/*.json
var locales embed.FS

// loadWords reads the message files of every language.
func loadWords() (*i18n.Bundle, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	for _, lang := range Languages() {
		if _, err := bundle.LoadMessageFileFS(locales, "locales/active."+lang+".json"); err != nil {
			return nil, fmt.Errorf("read the words of alerts in %s: %w", lang, err)
		}
	}
	return bundle, nil
}

// Language returns the language of ours that suits the first tag that has one.
func Language(tags ...string) string {
	for _, tag := range tags {
		for _, lang := range Languages() {
			if strings.EqualFold(tag, lang) {
				return lang
			}
		}
		for _, lang := range Languages() {
			base, _, _ := strings.Cut(lang, "-")
			asked, _, _ := strings.Cut(strings.ToLower(tag), "-")
			if asked == base {
				return lang
			}
		}
	}
	return Languages()[0]
}

// A speaker says things in one language.
type speaker struct {
	lang string
	loc  *i18n.Localizer
}

func newSpeaker(b *i18n.Bundle, lang string) speaker {
	return speaker{lang: lang, loc: i18n.NewLocalizer(b, lang)}
}

// say returns the words of an id. A missing id is a fault of ours that the
// tests find; a message that shows the id still arrives.
func (s speaker) say(id string, data map[string]any) string {
	return s.localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: data}, id)
}

// count returns the words of an id for n things.
func (s speaker) count(id string, n int, data map[string]any) string {
	all := map[string]any{"N": s.number(int64(n))}
	for k, v := range data {
		all[k] = v
	}
	return s.localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: all, PluralCount: n}, id)
}

func (s speaker) localize(c *i18n.LocalizeConfig, id string) string {
	text, err := s.loc.Localize(c)
	if err != nil {
		return id
	}
	return text
}

// number writes a whole number as the language does.
func (s speaker) number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	if s.lang == "es" && n < 10000 && n > -10000 {
		return digits
	}
	mark := "."
	if s.lang == "en" {
		mark = ","
	}
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteString(mark)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// months by language, shortened as the language shortens them.
func months(lang string) []string {
	switch lang {
	case "pt-BR":
		return []string{"jan.", "fev.", "mar.", "abr.", "mai.", "jun.", "jul.", "ago.", "set.", "out.", "nov.", "dez."}
	case "es":
		return []string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"}
	default:
		return []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
	}
}

// day writes a date; the year only where it is not the year of ref.
func (s speaker) day(t, ref time.Time) string {
	t, ref = t.UTC(), ref.UTC()
	out := strconv.Itoa(t.Day()) + " " + months(s.lang)[t.Month()-1]
	if t.Year() != ref.Year() {
		out += " " + strconv.Itoa(t.Year())
	}
	return out
}

// moment writes a date and a time to the minute.
func (s speaker) moment(t, ref time.Time) string {
	layout := "15:04"
	if s.lang == "pt-BR" {
		layout = "15h04"
	}
	return s.day(t, ref) + ", " + t.UTC().Format(layout)
}

// exact writes an instant as evidence does: with year, seconds and zone.
func (s speaker) exact(t time.Time) string {
	layout := "15:04:05 UTC"
	if s.lang == "pt-BR" {
		layout = "15h04min05s UTC"
	}
	return s.day(t, time.Time{}) + ", " + t.UTC().Format(layout)
}

// tidy makes outside text safe to stand on one line of ours: no control
// characters, no characters that turn the direction of what follows, no more
// than limit characters. Letters of any script stay.
func tidy(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c':
			return -1
		case unicode.Is(unicode.Co, r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	return clip(strings.Join(strings.Fields(s), " "), limit)
}
