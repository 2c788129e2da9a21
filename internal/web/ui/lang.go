// Package ui holds the pieces that pages are made of: status, tables, filters,
// strips and charts, and how numbers, times and words are written in each
// language. It knows the look and no page; it reads no database.
//
// Start at Env, which every piece is given.
package ui

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"prumo.dev/prumo/internal/web/locales"
)

// Languages returns the languages that pages are written in, the fallback first.
func Languages() []string { return []string{"en", "pt-BR", "es"} }

// Words holds the texts of all languages.
type Words struct {
	bundle  *i18n.Bundle
	matcher language.Matcher
	tags    []string
}

// LoadWords reads the texts that were built into the program.
func LoadWords() (*Words, error) {
	b := i18n.NewBundle(language.English)
	b.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	w := &Words{bundle: b, tags: Languages()}
	var tags []language.Tag
	for _, tag := range w.tags {
		name := tag + ".toml"
		raw, err := fs.ReadFile(locales.Files(), name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if _, err := b.ParseMessageFileBytes(raw, name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		tags = append(tags, language.MustParse(tag))
	}
	w.matcher = language.NewMatcher(tags)
	return w, nil
}

// Choose returns the language for a reader: what they chose, else the nearest
// that their browser asks for. chosen may be anything, also nothing.
func (w *Words) Choose(chosen, acceptLanguage string) string {
	for _, tag := range w.tags {
		if tag == chosen {
			return tag
		}
	}
	asked, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(asked) == 0 {
		return w.tags[0]
	}
	_, i, confidence := w.matcher.Match(asked...)
	if confidence == language.No {
		return w.tags[0]
	}
	return w.tags[i]
}

// In returns the texts in a language of Languages.
func (w *Words) In(lang string) *Lang {
	return &Lang{Tag: lang, loc: i18n.NewLocalizer(w.bundle, lang, w.tags[0])}
}

// A Lang writes texts, numbers and times in one language.
type Lang struct {
	Tag string
	loc *i18n.Localizer
}

// T returns the text of a key. with are names and values for its {{.Name}}s.
// A key that no language has returns itself; a test keeps that from happening.
func (l *Lang) T(key string, with ...any) string {
	return l.localize(key, &i18n.LocalizeConfig{MessageID: key, TemplateData: pairs(with)})
}

// N returns the text of a key in the form for n; {{.N}} is n as people write it.
func (l *Lang) N(key string, n int64, with ...any) string {
	data := pairs(with)
	data["N"] = l.Num(n)
	return l.localize(key, &i18n.LocalizeConfig{MessageID: key, TemplateData: data, PluralCount: n})
}

// Has reports whether there is a text for the key.
func (l *Lang) Has(key string) bool {
	_, err := l.loc.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: map[string]any{}})
	return err == nil
}

func (l *Lang) localize(key string, c *i18n.LocalizeConfig) string {
	s, err := l.loc.Localize(c)
	if err != nil && s == "" {
		return key
	}
	return s
}

func pairs(with []any) map[string]any {
	data := map[string]any{}
	for i := 0; i+1 < len(with); i += 2 {
		data[fmt.Sprint(with[i])] = with[i+1]
	}
	return data
}

// Cap writes a text with a large first letter, for the beginning of a line.
func Cap(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// Or returns the text of a key, or fallback where there is none. It serves
// words that come from outside, such as the name of a field.
func (l *Lang) Or(key, fallback string) string {
	if strings.TrimSpace(key) == "" || !l.Has(key) {
		return fallback
	}
	return l.T(key)
}
