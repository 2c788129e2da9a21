package name_test

import (
	"strings"
	"testing"

	"prumo.dev/prumo/internal/name"
)

func TestNames(t *testing.T) {
	for s, want := range map[string]struct{ valid, token bool }{
		"code": {true, true}, "0": {true, true}, "a-b-": {true, true}, strings.Repeat("a", 63): {true, true},
		"": {}, "-a": {}, "Security": {}, "on call": {}, "a_b": {}, "a/b": {}, "é": {}, "a\n": {}, strings.Repeat("a", 64): {},
		"ann@acme.test": {false, true}, "Ann@Acme.test": {false, true}, "Ann <ann@acme.test>": {}, "<ann@acme.test>": {}, "ann@": {},
		"ann@acme.test\n": {}, strings.Repeat("a", 260) + "@acme.test": {},
	} {
		if got := name.Valid(s); got != want.valid {
			t.Errorf("Valid(%q): got %v", s, got)
		}
		if got := name.ValidToken(s); got != want.token {
			t.Errorf("ValidToken(%q): got %v", s, got)
		}
	}
}
