package edge

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// An authority issues certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Root"}, NotBefore: time.Now().Add(-10 * 365 * 24 * time.Hour),
		NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate; change alters the template.
func (a *authority) issue(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0x1f), Subject: pkix.Name{CommonName: "app.acme.test"}, DNSNames: []string{"app.acme.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve starts a TLS server and returns its address.
func serve(t *testing.T, config *tls.Config, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = config
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// routes is a dialer that knows where each address of a test really is; any
// other is refused.
func routes(to map[string]string) connector.Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		real, ok := to[address]
		if !ok {
			real = "127.0.0.1:1"
		}
		return (&net.Dialer{}).DialContext(ctx, network, real)
	}
}

func collect(t *testing.T, e connector.Connector, dial connector.Dialer, s connector.Settings) *connector.Memory {
	t.Helper()
	m := connector.Record()
	run := connector.Run{Source: "outside", Settings: s, Dial: dial, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := e.Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func endpoint(t *testing.T, m *connector.Memory) fact.Endpoint {
	t.Helper()
	for _, f := range m.Facts() {
		if f.Kind == "endpoint" {
			k, _ := fact.KindNamed(f.Kind)
			d, err := fact.Decode(k, f.Data)
			if err != nil {
				t.Fatal(err)
			}
			return d.(fact.Endpoint)
		}
	}
	t.Fatal("no endpoint was emitted")
	return fact.Endpoint{}
}

func look(t *testing.T, a *authority, config *tls.Config, h http.Handler) (fact.Endpoint, connector.ScopeResult) {
	t.Helper()
	m := collect(t, New(), routes(map[string]string{"app.acme.test:443": serve(t, config, h)}),
		connector.Settings{"hosts": []string{"app.acme.test:443"}, "ca": a.file, "timeout": int64(2)})
	return endpoint(t, m), m.Scopes()[0]
}

func good(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/.well-known/security.txt" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("Contact: mailto:security@acme.test\nExpires: 2030-01-01T00:00:00Z\nCanonical: https://app.acme.test/.well-known/security.txt\n"))
		return
	}
	h := w.Header()
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	http.SetCookie(w, &http.Cookie{Name: "s", Value: "x", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// want fails unless a field is known and has the value.
func want[T comparable](t *testing.T, field string, got fact.Opt[T], v T) {
	t.Helper()
	if g, ok := got.Get(); !ok || g != v {
		t.Errorf("%s: got %v (known: %t), want %v", field, g, ok, v)
	}
}

func TestGoodEndpoint(t *testing.T) {
	a := newAuthority(t)
	f, scope := look(t, a, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil, nil)}, MinVersion: tls.VersionTLS12}, http.HandlerFunc(good))
	if scope.Reading != fact.Complete {
		t.Errorf("scope: got %s (%s), want complete", scope.Reading, scope.Detail.Why)
	}
	for name, o := range map[string]fact.Opt[bool]{
		"reachable": f.Reachable, "tls": f.TLS, "tls13": f.TLS13, "cert_trusted": f.CertTrusted, "cert_name": f.CertName, "cert_key_strong": f.CertKeyStrong,
		"http_redirects": f.HTTPRedirects, "hsts": f.HSTS, "csp": f.CSP, "frame_protection": f.FrameProtection, "no_sniff": f.NoSniff,
		"security_txt": f.SecurityTxt, "security_txt_valid": f.SecurityTxtValid, "web": f.Web,
	} {
		want(t, name, o, true)
	}
	for name, o := range map[string]fact.Opt[bool]{
		"legacy_tls": f.LegacyTLS, "csp_unsafe": f.CSPUnsafe, "server_version": f.ServerVersion, "security_txt_signed": f.SecurityTxtSigned,
	} {
		want(t, name, o, false)
	}
	want(t, "tls_min_version", f.TLSMinVersion, "1.2")
	want(t, "cert_key_type", f.CertKeyType, "ecdsa")
	want(t, "cert_serial", f.CertSerial, "1f")
	want(t, "referrer_policy", f.ReferrerPolicy, "no-referrer")
	want(t, "hsts_max_age", f.HSTSMaxAge, 31536000)
	if c := f.Cookies.Or(nil); len(c) != 1 || c[0] != (fact.Cookie{Name: "s", Secure: true, HTTPOnly: true, SameSite: "lax"}) {
		t.Errorf("cookies: got %+v", c)
	}
}

func TestCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // weak on purpose
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tc := range []struct {
		name                    string
		cert                    tls.Certificate
		trusted, named, current bool
		strong                  bool
	}{
		{"good", a.issue(t, nil, nil), true, true, true, true},
		{"expired", a.issue(t, nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-48*time.Hour), now.Add(-time.Hour) }), true, true, false, true},
		{"wrong name", a.issue(t, nil, func(c *x509.Certificate) { c.DNSNames = []string{"www.acme.test"} }), true, false, true, true},
		{"unknown authority", other.issue(t, nil, nil), false, true, true, true},
		{"weak key", a.issue(t, weak, nil), true, true, true, false},
		{"no server certificate", a.issue(t, nil, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), false, true, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, _ := look(t, a, &tls.Config{Certificates: []tls.Certificate{tc.cert}}, http.HandlerFunc(good))
			want(t, "cert_trusted", f.CertTrusted, tc.trusted)
			want(t, "cert_name", f.CertName, tc.named)
			want(t, "cert_key_strong", f.CertKeyStrong, tc.strong)
			if end, ok := f.CertNotAfter.Get(); !ok || end.After(now) != tc.current {
				t.Errorf("cert_not_after: got %v (known: %t), want current: %t", end, ok, tc.current)
			}
		})
	}
}

func TestOldProtocols(t *testing.T) {
	a := newAuthority(t)
	cert := []tls.Certificate{a.issue(t, nil, nil)}
	var suites []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites = append(suites, s.ID)
	}
	for _, tc := range []struct {
		low, high uint16
		versions  string
		legacy    bool
	}{
		{tls.VersionTLS10, tls.VersionTLS13, "1.0 1.1 1.2 1.3", true},
		{tls.VersionTLS11, tls.VersionTLS12, "1.1 1.2", true},
		{tls.VersionTLS13, tls.VersionTLS13, "1.3", false},
		{tls.VersionTLS10, tls.VersionTLS10, "1.0", true},
	} {
		f, scope := look(t, a, &tls.Config{Certificates: cert, MinVersion: tc.low, MaxVersion: tc.high, CipherSuites: suites}, http.HandlerFunc(good)) //nolint:gosec // old on purpose
		if got := strings.Join(f.TLSVersions.Or(nil), " "); got != tc.versions {
			t.Errorf("versions: got %q, want %q (%s)", got, tc.versions, scope.Detail.Why)
		}
		want(t, "legacy_tls", f.LegacyTLS, tc.legacy)
	}
}

// A server that closes the connection on a version that it does not speak is
// told apart from a line that is cut.
func TestClosedHandshake(t *testing.T) {
	a := newAuthority(t)
	address := serve(t, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil, nil)}, MinVersion: tls.VersionTLS12}, http.HandlerFunc(good))
	for _, tc := range []struct {
		name  string
		cuts  func(hello []byte) bool
		known bool
	}{
		{"old versions are closed", func(h []byte) bool { return len(h) > 10 && h[9] == 3 && h[10] < 3 }, true},
		{"everything is closed", func([]byte) bool { return true }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cutter := cutBefore(t, address, tc.cuts)
			m := collect(t, New(), routes(map[string]string{"app.acme.test:443": cutter}), connector.Settings{"hosts": []string{"app.acme.test"}, "ca": a.file, "timeout": int64(2)})
			f, scope := endpoint(t, m), m.Scopes()[0]
			if f.TLSVersions.Known() != tc.known || f.LegacyTLS.Known() != tc.known {
				t.Errorf("tls_versions %v, legacy_tls %v: want known: %t", f.TLSVersions, f.LegacyTLS, tc.known)
			}
			if complete := scope.Reading == fact.Complete; complete != tc.known {
				t.Errorf("scope: got %s (%s)", scope.Reading, scope.Detail.Why)
			}
		})
	}
}

// cutBefore relays connections, and closes those whose first bytes it dislikes.
func cutBefore(t *testing.T, to string, cuts func([]byte) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				n, err := c.Read(b)
				if err != nil || cuts(b[:n]) {
					return
				}
				up, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer up.Close()
				_, _ = up.Write(b[:n])
				go func() { _, _ = copyAll(up, c) }()
				_, _ = copyAll(c, up)
			}()
		}
	}()
	return l.Addr().String()
}

func copyAll(to, from net.Conn) (int64, error) {
	defer to.Close()
	b := make([]byte, 32<<10)
	var all int64
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return all, err
			}
			all += int64(n)
		}
		if err != nil {
			return all, err
		}
	}
}

func TestPlainAndClosed(t *testing.T) {
	plainServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Server", "nginx/1.18.0") }))
	defer plainServer.Close()
	m := collect(t, New(), routes(map[string]string{"app.acme.test:8080": plainServer.Listener.Addr().String()}),
		connector.Settings{"hosts": []string{"app.acme.test:8080", "gone.acme.test:443"}, "timeout": int64(2)})
	f := endpoint(t, m)
	want(t, "tls", f.TLS, false)
	want(t, "web", f.Web, true)
	want(t, "server_version", f.ServerVersion, true)
	if f.HSTS.Known() {
		t.Error("hsts is known on plain HTTP")
	}
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("%s: got %s (%s), want complete", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

func TestRedirect(t *testing.T) {
	a := newAuthority(t)
	secure := serve(t, &tls.Config{Certificates: []tls.Certificate{a.issue(t, nil, nil)}}, http.HandlerFunc(good))
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    fact.Opt[bool]
		reading fact.Reading
	}{
		"to https": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://app.acme.test/")
			w.WriteHeader(http.StatusMovedPermanently)
		}, fact.Some(true), fact.Complete},
		"to plain elsewhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://www.acme.test/")
			w.WriteHeader(http.StatusFound)
		}, fact.Some(false), fact.Complete},
		"serves the page": {func(http.ResponseWriter, *http.Request) {}, fact.Some(false), fact.Complete},
		"fails":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, fact.Opt[bool]{}, fact.Partial},
		"cut":             {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fact.Opt[bool]{}, fact.Partial},
		"slow":            {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, fact.Opt[bool]{}, fact.Partial},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tc.handler)
			defer s.Close()
			m := collect(t, New(), routes(map[string]string{"app.acme.test:443": secure, "app.acme.test:80": s.Listener.Addr().String()}),
				connector.Settings{"hosts": []string{"app.acme.test"}, "ca": a.file, "timeout": int64(1)})
			f, scope := endpoint(t, m), m.Scopes()[0]
			if f.HTTPRedirects != tc.want || scope.Reading != tc.reading {
				t.Errorf("got %v, %s (%s), want %v, %s", f.HTTPRedirects, scope.Reading, scope.Detail.Why, tc.want, tc.reading)
			}
		})
	}
}

// What fails, is cut, slow or refused leaves its fields unknown and the scope partial.
func TestBrokenWeb(t *testing.T) {
	a := newAuthority(t)
	cert := a.issue(t, nil, nil)
	for name, h := range map[string]http.HandlerFunc{
		"500":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"429":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"cut in the header": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut in the body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("half"))
		},
		"slow":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"circle": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			m := collect(t, New(), routes(map[string]string{"app.acme.test:443": serve(t, &tls.Config{Certificates: []tls.Certificate{cert}}, h)}),
				connector.Settings{"hosts": []string{"app.acme.test"}, "ca": a.file, "timeout": int64(1)})
			f, scope := endpoint(t, m), m.Scopes()[0]
			if scope.Reading != fact.Partial || f.CSP.Known() || f.SecurityTxt.Known() {
				t.Errorf("got %s, csp %v, security_txt %v; want partial and unknown", scope.Reading, f.CSP, f.SecurityTxt)
			}
			want(t, "cert_trusted", f.CertTrusted, true)
		})
	}
}

func TestForbiddenNetwork(t *testing.T) {
	m := collect(t, New(), connector.NewDialer(connector.NetworkPolicy{}), connector.Settings{"hosts": []string{"127.0.0.1:22"}})
	f, scope := endpoint(t, m), m.Scopes()[0]
	if f.Reachable.Known() || scope.Reading == fact.Complete {
		t.Errorf("got reachable %v, %s; want unknown and not complete", f.Reachable, scope.Reading)
	}
}

func TestSettings(t *testing.T) {
	for _, s := range []connector.Settings{
		{}, {"hosts": []string{"http://a.test/"}}, {"hosts": []string{"a.test:0"}}, {"hosts": []string{"a.test:99999"}}, {"hosts": []string{"a b"}},
		{"domains": []string{"a/b"}}, {"domains": []string{""}}, {"domains": []string{"a.test"}, "resolver": "dns.test"}, {"hosts": []string{"a.test"}, "ca": "/nonexistent"},
	} {
		if _, err := readOptions(s); err == nil {
			t.Errorf("%v: got no error", s)
		}
	}
	o, err := readOptions(connector.Settings{"hosts": []string{"Bücher.test", "[::1]:8443", "A.test.:443", "a.test"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range o.hosts {
		got = append(got, h.String())
	}
	if want := "xn--bcher-kva.test:443 [::1]:8443 a.test:443"; strings.Join(got, " ") != want {
		t.Errorf("hosts: got %q, want %q", got, want)
	}
}
