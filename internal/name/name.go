// Package name holds the one rule for what people may call a source, a route
// or a token. A name stands in addresses, in prumo.yaml, in commands and in
// evidence, so that it must read the same in each.
//
// Start at Valid.
package name

import (
	"net/mail"
	"regexp"
)

// Pattern is the rule as a regular expression.
const Pattern = `^[a-z0-9][a-z0-9-]{0,62}$`

// Rule is the rule in words, to follow "give it a name of" or "use".
const Rule = "small letters, digits and hyphens, at most 63, a hyphen not first"

// maxAddress is the longest mail address that a token may speak as.
const maxAddress = 254

var form = regexp.MustCompile(Pattern)

// Valid reports whether a text can name a source, a route or a token.
func Valid(s string) bool { return form.MatchString(s) }

// ValidToken reports whether a text can name a token: a name, or the mail
// address of the person for whom it speaks, by which they are known as owner.
func ValidToken(s string) bool {
	if Valid(s) {
		return true
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == "" && len(s) <= maxAddress
}
