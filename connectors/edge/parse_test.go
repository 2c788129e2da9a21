package edge

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSecurityTxt(t *testing.T) {
	const ok = "Contact: https://acme.test/report\nExpires: 2030-01-01T00:00:00.000Z\n"
	signed := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + ok + "- -----\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
	for _, tc := range []struct {
		name, text, problem string
		signed              bool
	}{
		{"good", "# hello\r\n\r\n" + ok + "Preferred-Languages: en, pt-BR\r\nX-Other: 1\r\n", "", false},
		{"telephone", "contact: tel:+55-11-5555-0100\n" + ok, "", false},
		{"no contact", "Expires: 2030-01-01T00:00:00Z\n", "Contact is missing", false},
		{"no end", "Contact: mailto:a@acme.test\n", "Expires is missing", false},
		{"two ends", ok + "Expires: 2031-01-01T00:00:00Z\n", "Expires appears more than once", false},
		{"bad end", "Contact: mailto:a@acme.test\nExpires: tomorrow\n", "Expires is not an RFC 3339 time", false},
		{"plain address", "Contact: a@acme.test\nExpires: 2030-01-01T00:00:00Z\n", "Contact must be an https:, mailto: or tel: address", false},
		{"insecure", "Contact: http://acme.test\nExpires: 2030-01-01T00:00:00Z\n", "Contact must be an https:, mailto: or tel: address", false},
		{"insecure policy", ok + "Policy: http://acme.test\n", "Policy must be an https: address", false},
		{"languages twice", ok + "Preferred-Languages: en\nPreferred-Languages: es\n", "Preferred-Languages appears more than once", false},
		{"no field", ok + "hello world\n", "a line is neither a field nor a comment", false},
		{"signed", strings.Replace(signed, "- -----\n", "", 1), "", true},
		{"broken signature", strings.Split(signed, "-----END")[0], "its OpenPGP signature is broken", false},
		{"outside", ok + strings.Replace(signed, "- -----\n", "", 1), "text stands outside the signature", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := parseSecurityTxt([]byte(tc.text))
			if tc.problem == "" && len(s.problems) > 0 || tc.problem != "" && !slices.Contains(s.problems, tc.problem) {
				t.Errorf("got %q, want %q", s.problems, tc.problem)
			}
			if s.signed != tc.signed {
				t.Errorf("signed: got %t, want %t", s.signed, tc.signed)
			}
		})
	}
	early := parseSecurityTxt([]byte(ok + "Expires: 2029-01-01T00:00:00Z\n"))
	if early.expires.Year() != 2029 {
		t.Errorf("two ends: got %v, want the earlier one", early.expires)
	}
}

func TestCSP(t *testing.T) {
	for _, tc := range []struct {
		policies []string
		unsafe   bool
	}{
		{[]string{"default-src 'self'"}, false},
		{[]string{"default-src 'self' 'unsafe-inline'"}, true},
		{[]string{"script-src 'self' 'unsafe-eval'"}, true},
		{[]string{"script-src 'nonce-abc' 'unsafe-inline'"}, false},
		{[]string{"img-src 'self'"}, true},
		{[]string{"default-src 'self'; style-src 'unsafe-inline'"}, false},
		{[]string{"script-src 'self'; script-src-attr 'unsafe-inline'"}, true},
		{[]string{"script-src 'unsafe-inline'", "script-src 'self'"}, false},
		{[]string{"script-src 'unsafe-inline', script-src 'self'"}, false},
	} {
		if got := cspUnsafe(tc.policies); got != tc.unsafe {
			t.Errorf("%q: got %t, want %t", tc.policies, got, tc.unsafe)
		}
	}
}

func TestHeaders(t *testing.T) {
	for value, want := range map[string]int64{"max-age=10": 10, "includeSubDomains; Max-Age = \"20\"": 20, "max-age=0": 0, "max-age=-1": -1, "preload": -1, "": -1} {
		age, ok := hsts(value)
		if !ok {
			age = -1
		}
		if age != want {
			t.Errorf("hsts %q: got %d, want %d", value, age, want)
		}
	}
	for _, tc := range []struct {
		options, policies []string
		want              bool
	}{
		{nil, nil, false}, {[]string{"deny"}, nil, true}, {[]string{"ALLOW-FROM https://a.test"}, nil, false},
		{nil, []string{"frame-ancestors *"}, false}, {nil, []string{"default-src *; frame-ancestors 'self'"}, true},
	} {
		if got := frameProtected(tc.options, tc.policies); got != tc.want {
			t.Errorf("%q %q: got %t, want %t", tc.options, tc.policies, got, tc.want)
		}
	}
	for server, want := range map[string]bool{"nginx": false, "nginx/1.18.0": true, "Apache/2": true, "cloudflare": false, "": false, "Microsoft-IIS/10.0": true} {
		if got := tellsVersion(http.Header{"Server": {server}}); got != want {
			t.Errorf("%q: got %t, want %t", server, got, want)
		}
	}
}

func FuzzSecurityTxt(f *testing.F) {
	f.Add([]byte("Contact: mailto:a@b.test\nExpires: 2030-01-01T00:00:00Z\n"))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n\na\n-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := parseSecurityTxt(b)
		if len(s.problems) == 0 && (len(s.contacts) == 0 || s.expires.IsZero()) {
			t.Errorf("no problem with %q", b)
		}
	})
}

func FuzzSPF(f *testing.F) {
	f.Add("v=spf1 a mx include:x.test redirect=y.test -all")
	f.Add("v=spf1 + - ~ ?")
	f.Fuzz(func(t *testing.T, s string) {
		p := parseSPF(s)
		if len(p.mechanisms) > maxSPFTerms {
			t.Errorf("%d mechanisms", len(p.mechanisms))
		}
	})
}

func FuzzDMARC(f *testing.F) {
	f.Add("v=DMARC1; p=reject; pct=10; rua=mailto:a@b.test")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := parseDMARC(s, false); ok && (d.percent < 0 || d.percent > 100 || d.policy == "") {
			t.Errorf("%q: %+v", s, d)
		}
	})
}

func FuzzCSP(f *testing.F) {
	f.Add("default-src 'self'; script-src 'nonce-a', img-src *")
	f.Fuzz(func(t *testing.T, s string) {
		_ = cspUnsafe([]string{s})
		_, _ = hsts(s)
		if c := cleanText(s, 50); !utf8.ValidString(c) || len([]rune(c)) > 50 {
			t.Errorf("%q: %q", s, c)
		}
	})
}
