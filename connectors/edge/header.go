package edge

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"net/http"

	"prumo.dev/prumo/internal/fact"
)

// readHeaders judges nothing: it says what the page's headers say. An answer
// that leads away shows no page, so what guards a page is unknown there.
func readHeaders(got page, secure bool, f *fact.Endpoint) {
	h := got.header
	if secure {
		age, ok := hsts(got.hsts)
		f.HSTS = fact.Some(ok && age > 0)
		f.HSTSMaxAge = fact.SomeIf(age, ok)
	}
	f.ServerVersion = fact.Some(tellsVersion(h))
	cookies := []fact.Cookie{}
	for _, c := range got.cookies {
		cookies = append(cookies, fact.Cookie{Name: cleanText(c.Name, 100), Secure: c.Secure, HTTPOnly: c.HttpOnly, SameSite: sameSite(c.SameSite)})
	}
	slices.SortStableFunc(cookies, func(a, b fact.Cookie) int { return strings.Compare(a.Name, b.Name) })
	f.Cookies = fact.Some(slices.CompactFunc(cookies, func(a, b fact.Cookie) bool { return a == b }))
	if got.leaves {
		return
	}
	policies := h.Values("Content-Security-Policy")
	f.CSP = fact.Some(len(policies) > 0)
	if len(policies) > 0 {
		f.CSPPolicy = fact.Some(cleanText(strings.Join(policies, ", "), 4000))
		f.CSPUnsafe = fact.Some(cspUnsafe(policies))
	}
	f.FrameProtection = fact.Some(frameProtected(h.Values("X-Frame-Options"), policies))
	f.NoSniff = fact.Some(strings.EqualFold(strings.TrimSpace(h.Get("X-Content-Type-Options")), "nosniff"))
	f.ReferrerPolicy = fact.Some(cleanText(strings.ToLower(strings.Join(h.Values("Referrer-Policy"), ", ")), 200))
}

// hsts reads max-age of Strict-Transport-Security; a header without it says nothing (RFC 6797).
func hsts(value string) (age int64, ok bool) {
	for _, part := range strings.Split(value, ";") {
		k, v, has := strings.Cut(strings.TrimSpace(part), "=")
		if !has || !strings.EqualFold(strings.TrimSpace(k), "max-age") {
			continue
		}
		n, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(v), `"`), 10, 64)
		if err != nil || n < 0 {
			return 0, false
		}
		return n, true
	}
	return 0, false
}

// directives reads one policy; the first of two directives of a name stands.
func directives(policy string) map[string][]string {
	out := map[string][]string{}
	for _, d := range strings.Split(policy, ";") {
		w := strings.Fields(d)
		if len(w) == 0 {
			continue
		}
		name := strings.ToLower(w[0])
		if _, twice := out[name]; !twice {
			out[name] = w[1:]
		}
	}
	return out
}

// cspUnsafe reports that inline scripts or eval are allowed by every policy
// sent; a browser applies all of them. A nonce, a hash or strict-dynamic makes
// browsers ignore 'unsafe-inline'.
func cspUnsafe(policies []string) bool {
	inline, eval := true, true
	for _, header := range policies {
		for _, policy := range strings.Split(header, ",") {
			if strings.TrimSpace(policy) == "" {
				continue
			}
			i, e := allows(directives(policy))
			inline, eval = inline && i, eval && e
		}
	}
	return inline || eval
}

func allows(d map[string][]string) (inline, eval bool) {
	fallback, restricted := d["script-src"]
	if !restricted {
		fallback, restricted = d["default-src"]
	}
	for _, name := range []string{"script-src-elem", "script-src-attr"} {
		sources, ok := d[name]
		if !ok {
			sources, ok = fallback, restricted
		}
		inline = inline || !ok || allowsInline(sources)
	}
	return inline, !restricted || hasSource(fallback, "'unsafe-eval'")
}

func allowsInline(sources []string) bool {
	for _, s := range sources {
		s = strings.ToLower(s)
		if strings.HasPrefix(s, "'nonce-") || strings.HasPrefix(s, "'sha256-") || strings.HasPrefix(s, "'sha384-") || strings.HasPrefix(s, "'sha512-") || s == "'strict-dynamic'" {
			return false
		}
	}
	return hasSource(sources, "'unsafe-inline'")
}

func hasSource(sources []string, want string) bool {
	return slices.ContainsFunc(sources, func(s string) bool { return strings.EqualFold(s, want) })
}

func frameProtected(options, policies []string) bool {
	for _, header := range policies {
		for _, policy := range strings.Split(header, ",") {
			ancestors, ok := directives(policy)["frame-ancestors"]
			if !ok {
				continue
			}
			if !slices.ContainsFunc(ancestors, func(a string) bool { return a == "*" || a == "http:" || a == "https:" }) {
				return true
			}
		}
	}
	for _, o := range options {
		o = strings.ToUpper(strings.TrimSpace(o))
		if o == "DENY" || o == "SAMEORIGIN" {
			return true
		}
	}
	return false
}

// tellsVersion reports a header that names a version, such as nginx/1.18.0.
func tellsVersion(h http.Header) bool {
	version := regexp.MustCompile(`[/ ]v?\d|\d+\.\d+`)
	for _, name := range []string{"Server", "X-Powered-By", "X-Generator"} {
		if version.MatchString(h.Get(name)) {
			return true
		}
	}
	return h.Get("X-AspNet-Version") != "" || h.Get("X-AspNetMvc-Version") != ""
}

func sameSite(s http.SameSite) string {
	switch s {
	case http.SameSiteLaxMode:
		return "lax"
	case http.SameSiteStrictMode:
		return "strict"
	case http.SameSiteNoneMode:
		return "none"
	}
	return ""
}

// cleanText makes a stranger's text fit to be kept: UTF-8, one line, at most n code points.
func cleanText(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
