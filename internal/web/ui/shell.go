package ui

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// initials are at most two letters that stand for a name.
func initials(name string) string {
	var out []rune
	for word := range strings.FieldsSeq(name) {
		r, _ := utf8.DecodeRuneInString(word)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out = append(out, unicode.ToUpper(r))
		}
	}
	switch len(out) {
	case 0:
		return "?"
	case 1:
		return string(out)
	}
	return string([]rune{out[0], out[len(out)-1]})
}

// themeAttribute sets the look that the reader chose; without it the system's decides.
func (e *Env) themeAttribute() templ.Attributes {
	if e.Theme == "" {
		return nil
	}
	return templ.Attributes{"data-theme": e.Theme}
}

// keys are the names in the address without some.
func (e *Env) keys(but []string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(e.Query)) {
		if !slices.Contains(but, k) {
			out = append(out, k)
		}
	}
	return out
}
