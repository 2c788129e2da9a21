package connector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate and its key, in PEM.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", raw)
}

func TestAPrivateAuthorityAndAClientCertificate(t *testing.T) {
	cert, key := certificate(t, "prumo")
	asked := ""
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			asked = r.TLS.PeerCertificates[0].Subject.CommonName
		}
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	other, _ := certificate(t, "other")
	info := Info{ID: "x", Fields: TLSFields()}
	for name, c := range map[string]struct {
		settings Settings
		reached  bool
		as       string
	}{
		"nothing set":             {Settings{}, false, ""},
		"its authority":           {Settings{PrivateCA: ca}, true, ""},
		"another authority":       {Settings{PrivateCA: other}, false, ""},
		"with a certificate":      {Settings{PrivateCA: ca, ClientCertificate: cert, ClientKey: key}, true, "prumo"},
		"certificate, no private": {Settings{ClientCertificate: cert, ClientKey: key}, false, ""},
	} {
		asked = ""
		cfg, err := TLSOf(info, c.settings)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		client := NewClient(ClientConfig{Hosts: []string{srv.URL}, Dial: NewDialer(NetworkPolicy{AllowAll: true}), TLS: cfg, Attempts: 1})
		_, err = Fetch(t.Context(), client, srv.URL, nil)
		client.CloseIdleConnections()
		if (err == nil) != c.reached || asked != c.as {
			t.Errorf("%s: got %v as %q, want reached %v as %q", name, err, asked, c.reached, c.as)
		}
	}
}

func TestTLSSettingsThatCannotWork(t *testing.T) {
	cert, key := certificate(t, "a")
	_, other := certificate(t, "b")
	info := Info{ID: "x", Fields: TLSFields()}
	for name, s := range map[string]Settings{
		"no PEM": {PrivateCA: "acme"}, "a key for an authority": {PrivateCA: key}, "without a key": {ClientCertificate: cert},
		"without a certificate": {ClientKey: key}, "of another": {ClientCertificate: cert, ClientKey: other},
	} {
		_, err := TLSOf(info, s)
		if !errors.Is(err, ErrSettings) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: got %v, want a wrong setting without the key", name, err)
		}
	}
	if _, err := Check(info, map[string]any{PrivateCA: "acme"}, FromConsole); !errors.Is(err, ErrSettings) {
		t.Errorf("an authority that is none was taken: %v", err)
	}
	if cfg, err := TLSOf(Info{ID: "y", Fields: []Field{{Name: PrivateCA, Type: FieldText}}}, Settings{PrivateCA: "acme"}); cfg != nil || err != nil {
		t.Errorf("another connector's own setting was taken: %v, %v", cfg, err)
	}
}
