package web

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestLocalNeverLeadsToAnotherHost(t *testing.T) {
	for in, want := range map[string]string{
		"": "/", "/findings?a=b": "/findings?a=b", "//evil.example": "/", "https://evil.example/": "/", "/\\evil.example": "/",
		"javascript:alert(1)": "/", "/%2F/evil": "/", "findings": "/", "/a\nb": "/", "/%2fevil.example": "/",
	} {
		if got := local(in); got != want && !(want == "/" && strings.HasPrefix(got, "/") && !strings.HasPrefix(got, "//") && harmless(got)) {
			t.Errorf("local(%q) = %q, want %q", in, got, want)
		}
	}
}

func harmless(s string) bool {
	u, err := url.Parse("https://prumo.example" + s)
	return err == nil && u.Host == "prumo.example"
}

func FuzzLocal(f *testing.F) {
	f.Add("/findings")
	f.Add("//evil")
	f.Fuzz(func(t *testing.T, s string) {
		got := local(s)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") || !harmless(got) {
			t.Errorf("local(%q) = %q", s, got)
		}
	})
}

func FuzzSecretOf(f *testing.F) {
	f.Add("http://127.0.0.1:8420/login?token=abc")
	f.Add(" abc ")
	f.Fuzz(func(t *testing.T, s string) {
		if got := secretOf(s); len(got) > len(s) && !strings.Contains(s, "%") {
			t.Errorf("secretOf(%q) = %q", s, got)
		}
	})
}

func TestSecretOf(t *testing.T) {
	for in, want := range map[string]string{" abc\n": "abc", "http://127.0.0.1:8420/login?token=abc": "abc", "/login?token=x&y=z": "x"} {
		if got := secretOf(in); got != want {
			t.Errorf("secretOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPast(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]bool{"2026-11-22T10:00": true, "2026-11-22T10:00:00Z": true, "2026-11-24T10:00": false, "": false, "yesterday": false} {
		if got := !past(in, now, time.UTC).IsZero(); got != want {
			t.Errorf("past(%q) = %v, want %v", in, got, want)
		}
	}
}
