package fact

import (
	"strings"
	"testing"
)

// BenchmarkCanonical brings an account of about 1 KB to its canonical form.
func BenchmarkCanonical(b *testing.B) {
	k, _ := KindNamed("account")
	raw := []byte(`{"login":"user-1","name":"User 1","email":"user-1@acme.test","system":"idp","type":"human","active":true,"admin":false,"mfa":true,` +
		`"never_signed_in":false,"last_sign_in":"2026-03-01T00:00:00Z","created_at":"2024-01-01T00:00:00Z","roles":["reader"],"groups":["a"` + strings.Repeat(`,"group-of-people-000"`, 36) + `]}`)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Canonical(k, raw); err != nil {
			b.Fatal(err)
		}
	}
}
