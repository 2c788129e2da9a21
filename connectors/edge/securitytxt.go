package edge

import (
	"context"
	"mime"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"prumo.dev/prumo/internal/fact"
)

const maxSecurityTxt = 32 << 10

// lookSecurityTxt reads /.well-known/security.txt. Another host that it leads
// to is not followed.
func (p *probe) lookSecurityTxt(ctx context.Context, base string, f *fact.Endpoint) {
	address := base + "/.well-known/security.txt"
	got, err := p.get(ctx, address)
	switch {
	case err != nil:
		p.miss("security.txt: " + whyWeb(err))
	case got.leaves:
		p.miss("security.txt leads to another host, which was not followed")
	case got.status == http.StatusTooManyRequests || got.status >= 500 || got.status == http.StatusUnauthorized || got.status == http.StatusForbidden:
		p.miss("security.txt: the host did not show it")
	case got.status != http.StatusOK:
		f.SecurityTxt = fact.Some(false)
	default:
		p.readSecurityTxt(got, f)
	}
}

func (p *probe) readSecurityTxt(got page, f *fact.Endpoint) {
	kind, params, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	s := parseSecurityTxt(got.body)
	if kind != "text/plain" && len(s.contacts) == 0 {
		f.SecurityTxt = fact.Some(false) // a page that answers every address
		return
	}
	if kind != "text/plain" {
		s.problem("it must be served as text/plain")
	} else if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		s.problem("its charset must be utf-8")
	}
	if !got.whole || len(got.body) > maxSecurityTxt {
		s.problem("it is longer than 32 KB")
	}
	if len(s.canonical) > 0 && !slices.Contains(s.canonical, got.at.String()) {
		s.problem("Canonical does not name the address that it was read at")
	}
	f.SecurityTxt = fact.Some(true)
	f.SecurityTxtSigned = fact.Some(s.signed)
	f.SecurityTxtErrors = fact.Some(append([]string{}, s.problems...))
	f.SecurityTxtValid = fact.Some(len(s.problems) == 0)
	f.SecurityTxtExpires = fact.SomeIf(s.expires, !s.expires.IsZero())
}

// A securityTxt is a file as RFC 9116 describes it.
type securityTxt struct {
	contacts  []string
	canonical []string
	expires   time.Time
	signed    bool // it stands in an OpenPGP cleartext envelope; the signature itself is not verified
	problems  []string
}

func (s *securityTxt) problem(what string) {
	if !slices.Contains(s.problems, what) {
		s.problems = append(s.problems, what)
	}
}

// parseSecurityTxt reads the fields and notes every rule that the file breaks.
func parseSecurityTxt(b []byte) *securityTxt {
	s := &securityTxt{}
	if !utf8.Valid(b) {
		s.problem("it must be UTF-8")
	}
	lines := s.unwrap(strings.Split(strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n"), "\n"))
	counts := map[string]int{}
	for _, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			s.problem("a line is neither a field nor a comment")
			continue
		}
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		counts[name]++
		s.field(name, value)
	}
	if counts["contact"] == 0 {
		s.problem("Contact is missing")
	}
	switch {
	case counts["expires"] == 0:
		s.problem("Expires is missing")
	case counts["expires"] > 1:
		s.problem("Expires appears more than once")
	}
	if counts["preferred-languages"] > 1 {
		s.problem("Preferred-Languages appears more than once")
	}
	return s
}

func (s *securityTxt) field(name, value string) {
	switch name {
	case "contact":
		s.contacts = append(s.contacts, value)
		if !contactURI(value) {
			s.problem("Contact must be an https:, mailto: or tel: address")
		}
	case "expires":
		t, err := time.Parse(time.RFC3339, strings.ToUpper(value))
		if err != nil {
			s.problem("Expires is not an RFC 3339 time")
			return
		}
		if s.expires.IsZero() || t.Before(s.expires) {
			s.expires = t.UTC().Truncate(time.Second)
		}
	case "canonical", "policy", "hiring", "acknowledgments", "csaf":
		if !webURI(value) {
			s.problem(strings.ToUpper(name[:1]) + name[1:] + " must be an https: address")
		}
		if name == "canonical" {
			s.canonical = append(s.canonical, value)
		}
	case "encryption":
		u, err := url.Parse(value)
		if err != nil || !slices.Contains([]string{"https", "openpgp4fpr", "dns"}, strings.ToLower(u.Scheme)) {
			s.problem("Encryption must be an https:, openpgp4fpr: or dns: address")
		}
	case "preferred-languages":
		for _, l := range strings.Split(value, ",") {
			if strings.TrimSpace(l) == "" {
				s.problem("Preferred-Languages holds an empty entry")
			}
		}
	}
}

func webURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.EqualFold(u.Scheme, "https") && u.Host != ""
}

func contactURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		return u.Host != ""
	case "mailto":
		address, _, _ := strings.Cut(u.Opaque, "?")
		address, err := url.PathUnescape(address)
		if err != nil {
			return false
		}
		_, err = mail.ParseAddress(address)
		return err == nil
	case "tel":
		return u.Opaque != ""
	}
	return false
}

// unwrap takes the file out of its OpenPGP cleartext envelope, if it has one
// (RFC 9580, section 7).
func (s *securityTxt) unwrap(lines []string) []string {
	start := slices.IndexFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "-----BEGIN PGP SIGNED MESSAGE-----" })
	if start < 0 {
		return lines
	}
	outside := func(part []string) bool {
		return slices.ContainsFunc(part, func(l string) bool { l = strings.TrimSpace(l); return l != "" && !strings.HasPrefix(l, "#") })
	}
	if outside(lines[:start]) {
		s.problem("text stands outside the signature")
	}
	body := lines[start+1:]
	blank := slices.IndexFunc(body, func(l string) bool { return strings.TrimSpace(l) == "" })
	signature := slices.IndexFunc(body, func(l string) bool { return strings.TrimSpace(l) == "-----BEGIN PGP SIGNATURE-----" })
	end := slices.IndexFunc(body, func(l string) bool { return strings.TrimSpace(l) == "-----END PGP SIGNATURE-----" })
	if blank < 0 || signature < blank || end < signature {
		s.problem("its OpenPGP signature is broken")
		return body
	}
	if outside(body[end+1:]) {
		s.problem("text stands outside the signature")
	}
	s.signed = slices.ContainsFunc(body[signature+1:end], func(l string) bool { return strings.TrimSpace(l) != "" })
	var out []string
	for _, l := range body[blank+1 : signature] {
		out = append(out, strings.TrimPrefix(l, "- "))
	}
	return out
}
