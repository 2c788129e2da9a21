package email

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/testkit"
)

func TestParseURL(t *testing.T) {
	good := map[string]Server{
		"smtp://mail.acme.test":                          {Host: "mail.acme.test", Port: 25, TLS: TLSOpportunistic},
		"smtp://mail.acme.test:2525":                     {Host: "mail.acme.test", Port: 2525, TLS: TLSOpportunistic},
		"smtp://u:p%40ss@mail.acme.test":                 {Host: "mail.acme.test", Port: 587, User: "u", Password: "p@ss", TLS: TLSRequired},
		"smtp://u:p@127.0.0.1:1025":                      {Host: "127.0.0.1", Port: 1025, User: "u", Password: "p", TLS: TLSOpportunistic},
		"smtps://u:p@mail.acme.test":                     {Host: "mail.acme.test", Port: 465, User: "u", Password: "p", TLS: TLSImplicit},
		"smtp://mail.acme.test?tls=required":             {Host: "mail.acme.test", Port: 25, TLS: TLSRequired},
		"smtp://[::1]:25/?tls=off&from=Prumo@ACME.test":  {Host: "::1", Port: 25, TLS: TLSOff, From: "Prumo@acme.test"},
		"smtp://u:p@mail.acme.test:25?tls=opportunistic": {Host: "mail.acme.test", Port: 25, User: "u", Password: "p", TLS: TLSOpportunistic},
	}
	for text, want := range good {
		if got, err := ParseURL(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	bad := map[string]string{
		"mail.acme.test:25":                    "use smtp:// or smtps://",
		"http://mail.acme.test":                "use smtp:// or smtps://",
		"smtp://":                              "names no host",
		"smtp://hunter2@mail.acme.test":        "a user without a password",
		"smtp://u:hunter2@mail.acme.test:x":    "is not a URL",
		"smtp://u:hunter2@mail.acme.test:0":    "from 1 to 65535",
		"smtp://u:hunter2@h/inbox":             "something after the host",
		"smtp://u:hunter2@h?tls=maybe":         "required, opportunistic or off",
		"smtps://u:hunter2@h?tls=off":          "with smtp:// only",
		"smtp://u:hunter2@h?pool=3":            `unknown option "pool"`,
		"smtp://u:hunter2@h?from=a%0d%0ab":     "is not a mail address",
		"smtp://u:hun\nter2@h":                 "is not a URL",
		"smtp://u:hunter2@h:1:2":               "is not a URL",
		"smtp://u:hunter2@mail.acme.test#frag": "something after the host",
	}
	for text, want := range bad {
		_, err := ParseURL(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error tells the password: %v", text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("smtp://u:p@h:25?tls=off&from=a@b")
	f.Add("smtps://[::1]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseURL(text)
		if err == nil && (s.Host == "" || s.Port < 1 || s.Port > 65535 || s.TLS == "") {
			t.Fatalf("accepted %q as %+v", text, s)
		}
	})
}

func dispatch() channel.Dispatch {
	return channel.Dispatch{
		ID: "alert_x", MessageID: "alert_x@acme.test", Receiver: channel.Receiver{Key: "ops@acme.test"},
		Message: channel.Message{Lang: "en", Subject: "Hello", Text: "plain", HTML: "<p>rich</p>"}, Now: time.Now(),
	}
}

func newChannel(t testing.TB, c Config) *Channel {
	t.Helper()
	ch, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	return ch
}

// FuzzHeaders writes mails with hostile values and reads them back: no value
// ends its header, and nobody is added to the receivers.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"a\r\nBcc: v@x.test", "a\nX: y", "é\r\n\r\nbody", strings.Repeat("long ", 300), "\x00", "=?utf-8?q?a=0d=0aBcc:_v?=", "a\u2028b"} {
		f.Add(s)
	}
	ch, err := New(Config{URL: "smtp://127.0.0.1:1", From: "prumo@acme.test", FromName: "Prumo"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ch.from.Name = s
		d := dispatch()
		d.Message.Subject, d.ID, d.MessageID, d.Message.Lang, d.Message.Text = s, s, s, s, s
		d.Thread = []string{s, "b"}
		m, err := ch.compose(d)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := m.WriteTo(&out); err != nil {
			return
		}
		got, err := mail.ReadMessage(&out)
		if err != nil {
			t.Fatalf("the mail cannot be read: %v", err)
		}
		for name := range got.Header {
			switch name {
			case "From", "To", "Subject", "Date", "Message-Id", "In-Reply-To", "References", "Auto-Submitted", "X-Auto-Response-Suppress",
				"Prumo-Delivery", "Content-Language", "Mime-Version", "Content-Type", "Content-Transfer-Encoding":
			default:
				t.Fatalf("a header %q came in by %q", name, s)
			}
			if len(got.Header[name]) != 1 {
				t.Fatalf("header %s is there %d times", name, len(got.Header[name]))
			}
		}
		if to := got.Header.Get("To"); to != "<ops@acme.test>" {
			t.Fatalf("the mail goes to %q", to)
		}
	})
}

// A greeter counts the connections on their way to the mail server.
func greeter(t testing.TB, target string) (address string, count func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	n := make(chan int, 1)
	n <- 0
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			n <- <-n + 1
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				return
			}
			pipe := func(a, b net.Conn) {
				defer a.Close()
				defer b.Close()
				buf := make([]byte, 4096)
				for {
					k, err := a.Read(buf)
					if err != nil {
						return
					}
					if _, err := b.Write(buf[:k]); err != nil {
						return
					}
				}
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	return l.Addr().String(), func() int { k := <-n; n <- k; return k }
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	box := testkit.Mailpit(t)
	address, count := greeter(t, strings.TrimPrefix(box.SMTPURL, "smtp://"))
	ch := newChannel(t, Config{URL: "smtp://" + address})
	for range 20 {
		if err := ch.Send(context.Background(), dispatch()); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("20 mails took %d connections, want 1", n)
	}
	if n := box.Count(); n != 20 {
		t.Errorf("got %d mails, want 20", n)
	}
}

func TestServerThatHungUpIsDialledAgain(t *testing.T) {
	box := testkit.Mailpit(t)
	ch := newChannel(t, Config{URL: box.SMTPURL})
	if err := ch.Send(context.Background(), dispatch()); err != nil {
		t.Fatal(err)
	}
	ch.pool.free[0].conn.Close()
	if err := ch.Send(context.Background(), dispatch()); err != nil {
		t.Fatalf("after the server hung up: %v", err)
	}
	if n := box.Count(); n != 2 {
		t.Errorf("got %d mails, want 2", n)
	}
}

// silent accepts connections and says nothing.
func silent(t testing.TB) string {
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
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

func TestFailuresInPlainWords(t *testing.T) {
	box := testkit.Mailpit(t)
	closed := silent(t)
	cases := []struct {
		url, want string
		step      string
		status    int
		temporary bool
	}{
		{url: "", want: "no mail server is set; set PRUMO_SMTP_URL and start again", temporary: true},
		{url: "smtp://127.0.0.1:1", want: "the mail server does not answer at its port", temporary: true},
		{url: "smtp://nowhere.invalid", want: "the mail server's name is not found", temporary: true},
		{url: "smtp://" + closed, want: "the mail server gave no answer in time", temporary: true},
		{url: box.SMTPURL + "?tls=required", want: "the mail server offers no encryption, and it is required", temporary: true},
		{url: box.SMTPURL, step: "Sender", status: 451, want: "the mail server refused it with 451 at the sender", temporary: true},
		{url: box.SMTPURL, step: "Recipient", status: 550, want: "the mail server refused it with 550 at the receiver"},
	}
	for _, c := range cases {
		if c.step != "" {
			box.Fail(c.step, c.status)
		}
		ch := newChannel(t, Config{URL: c.url, Timeout: 700 * time.Millisecond})
		err := ch.Send(context.Background(), dispatch())
		words, temporary := channel.Plain(err)
		if err == nil || words != c.want || temporary != c.temporary {
			t.Errorf("%s %s: got %q (temporary %v), want %q (%v)", c.url, c.step, words, temporary, c.want, c.temporary)
		}
		box.Mend()
	}
}

func TestCancelledSendEndsAtOnce(t *testing.T) {
	ch := newChannel(t, Config{URL: "smtp://" + silent(t), Timeout: 20 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := ch.Send(ctx, dispatch())
	if took := time.Since(start); err == nil || took > 3*time.Second {
		t.Errorf("got %v after %s, want an error at once", err, took)
	}
}

// certificate makes an authority's own certificate for 127.0.0.1 in two files.
func certificate(t testing.TB) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	return cert, key, roots
}

// TestEncryptedFromTheStart puts TLS before the real mail server.
func TestEncryptedFromTheStart(t *testing.T) {
	box := testkit.Mailpit(t)
	certFile, keyFile, roots := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(box.SMTPURL, "smtp://"))
			if err != nil {
				return
			}
			go func() { defer in.Close(); copyAll(out, in) }()
			go func() { defer out.Close(); copyAll(in, out) }()
		}
	}()
	url := "smtps://" + l.Addr().String()
	if err := newChannel(t, Config{URL: url, TLS: TLSConfig{Roots: roots}}).Send(context.Background(), dispatch()); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	err = newChannel(t, Config{URL: url}).Send(context.Background(), dispatch())
	if words, _ := channel.Plain(err); !strings.Contains(words, "certificate is not trusted") {
		t.Errorf("without its authority: got %q", words)
	}
	if n := box.Count(); n != 1 {
		t.Errorf("got %d mails, want 1", n)
	}
}

func copyAll(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
