package access_test

import (
	"strings"
	"testing"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/name"
)

func TestTokenNamesAreTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		for want, got := range map[string]string{
			"control-owner-": access.TokenName(access.ControlOwner, ""),
			"ci-":            access.TokenName(access.Nobody, "ci"),
		} {
			if seen[got] || !strings.HasPrefix(got, want) || !name.Valid(got) {
				t.Fatalf("got the name %q, want a new one that begins with %q", got, want)
			}
			seen[got] = true
		}
	}
	if got := access.TokenName(access.Nobody, strings.Repeat("s", 63)); !name.Valid(got) {
		t.Errorf("a long source makes the name %q", got)
	}
}
