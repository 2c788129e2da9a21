package framework

import (
	"maps"
	"slices"
	"strings"
)

// Fallback is the language that a text is read in when the reader's own is
// missing.
const Fallback = "en"

// A Text is the same text in several languages, by BCP 47 tag.
type Text map[string]string

// In returns the text in the language, or the nearest that there is.
func (t Text) In(lang string) string {
	s, _ := t.Lookup(lang)
	return s
}

// Lookup returns the text nearest to the language and the language that it is
// in, so that a page can mark a text which is not in the reader's language:
// the tag itself, then another tag of the same language (es for es-MX, pt-BR
// for pt), then English, then whatever there is.
func (t Text) Lookup(lang string) (text, in string) {
	tags := slices.Sorted(maps.Keys(t))
	base := baseOf(lang)
	for _, fits := range []func(tag string) bool{
		func(tag string) bool { return strings.EqualFold(tag, lang) },
		func(tag string) bool { return base != "" && strings.EqualFold(tag, base) },
		func(tag string) bool { return base != "" && baseOf(tag) == base },
		func(tag string) bool { return tag == Fallback },
		func(string) bool { return true },
	} {
		for _, tag := range tags {
			if fits(tag) && t[tag] != "" {
				return t[tag], tag
			}
		}
	}
	return "", ""
}

func baseOf(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return base
}
