package ui

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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
