package demo

import (
	"fmt"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// outside invents what the internet sees: endpoints with their certificates, and domains.
func (w *world) outside() {
	hosts := []string{
		"www.quillwort.example", "app.quillwort.example", "api.quillwort.example", "auth.quillwort.example", "status.quillwort.example",
		"docs.quillwort.example", "partners.quillwort.example", "forge.quillwort.example", "support.quillwort.example", "cdn.quillwort.example",
		"old.quillwort.example", "www.quillwort.test", "quillwort.example", "mail.quillwort.example",
	}
	for i, h := range hosts {
		w.endpoint(i, h)
	}
	for i, d := range []string{"quillwort.example", "quillwort.test", "quillwort-status.example", "quillwort-mail.example", "quill-wort.example"} {
		w.domain(i, d)
	}
}

// certEnd is the end of a certificate of 90 days that is renewed 30 days
// before; a host whose renewal stopped keeps its last one.
func (w *world) certEnd(i int, at time.Time) time.Time {
	switch i {
	case 6:
		return w.now.Add(6 * day) // nobody renewed it
	case 10:
		return w.ago(26 * time.Hour) // ended yesterday
	}
	anchor := w.start.Add(time.Duration(i*4) * day)
	for anchor.Before(at) {
		anchor = anchor.Add(60 * day)
	}
	return anchor.Add(30 * day)
}

func (w *world) endpoint(i int, host string) {
	port := int64(443)
	if host == "mail.quillwort.example" {
		port = 465
	}
	down := span{}
	if i == 9 {
		down = w.trouble("outside", 17, 1)
	}
	bareCookie, oldTLS := span{}, span{}
	switch i {
	case 8:
		bareCookie = w.trouble("outside", 11, 0)
	case 10:
		oldTLS = w.trouble("outside", 400, 0)
	case 2:
		oldTLS = w.trouble("outside", 55, 2)
	}
	w.vary("outside", "endpoints", fmt.Sprintf("outside/%s:%d", host, port), func(at time.Time) fact.Data {
		f := fact.Endpoint{Host: some(host), Port: some(port), Reachable: some(!down.holds(at))}
		if down.holds(at) {
			return f
		}
		end := w.certEnd(i, at)
		f.TLS, f.CertTrusted, f.CertName = some(true), some(true), some(i != 11)
		f.TLSVersions, f.TLSMinVersion, f.LegacyTLS, f.TLS13 = some([]string{"1.2", "1.3"}), some("1.2"), some(false), some(true)
		if oldTLS.holds(at) {
			f.TLSVersions, f.TLSMinVersion, f.LegacyTLS = some([]string{"1.0", "1.1", "1.2", "1.3"}), some("1.0"), some(true)
		}
		f.CertNames, f.CertIssuer, f.CertNotBefore, f.CertNotAfter = some([]string{host}), some("Invented Root R1"), some(end.Add(-90*day)), some(end)
		f.CertKeyType, f.CertKeyBits, f.CertKeyStrong = some("ecdsa"), some[int64](256), some(true)
		if i == 10 {
			f.CertKeyType, f.CertKeyBits, f.CertKeyStrong = some("rsa"), some[int64](1024), some(false)
		}
		f.Web = some(port == 443)
		if port == 443 {
			w.headers(i, bareCookie.holds(at), &f)
		}
		return f
	})
}

func (w *world) headers(i int, bareCookie bool, f *fact.Endpoint) {
	f.HTTPStatus, f.HTTPRedirects = some[int64](200), unless(i == 5, i != 10)
	f.HSTS, f.HSTSMaxAge = some(i != 10), unless(i == 10, int64(31536000))
	if i == 4 {
		f.HSTSMaxAge = some[int64](3600)
	}
	f.CSP = some(i%4 != 3)
	if i%4 != 3 {
		f.CSPPolicy, f.CSPUnsafe = some("default-src 'self'"), some(i == 0 || i == 8)
	}
	f.FrameProtection, f.NoSniff, f.ServerVersion = some(i != 10), some(i%6 != 5), some(i == 10)
	f.ReferrerPolicy = some("strict-origin-when-cross-origin")
	f.Cookies = some([]fact.Cookie{{Name: "session", Secure: !bareCookie, HTTPOnly: true, SameSite: "lax"}})
	f.SecurityTxt = some(i == 0 || i == 1 || i == 12)
	if i == 0 || i == 1 || i == 12 {
		f.SecurityTxtValid, f.SecurityTxtErrors, f.SecurityTxtSigned = some(i != 1), some([]string{}), some(i == 0)
		f.SecurityTxtExpires = some(w.now.Add(time.Duration(24+i*90) * day))
		if i == 1 {
			f.SecurityTxtErrors = some([]string{"no Contact field"})
		}
	}
}

func (w *world) domain(i int, name string) {
	weak := span{}
	if i == 1 {
		weak = w.trouble("outside", 35, 0)
	}
	w.vary("outside", "domains", "outside/"+name, func(at time.Time) fact.Data {
		mail := i == 0 || i == 3
		policy := "reject"
		if weak.holds(at) || i == 4 {
			policy = "none"
		}
		f := fact.Domain{
			Name: some(name), Exists: some(true), Nameservers: some([]string{"ns1.dns.example", "ns2.dns.example"}), SendsMail: some(mail),
			SPF: some(i != 4), DMARC: some(true), DMARCPolicy: some(policy), DMARCRecord: some("v=DMARC1; p=" + policy), DMARCPercent: some[int64](100),
			DMARCReports: some(i != 4), CAA: some(i != 2), CAAIssuers: some([]string{"invented-root.example"}), DNSSEC: unless(i == 3, i != 1),
			MTASTS: some(i == 0), ExpiresAt: some(w.now.Add(time.Duration(60+i*130) * day)),
		}
		if i != 4 {
			f.SPFRecord, f.SPFAll, f.SPFLookups = some("v=spf1 include:_spf.mail.example -all"), some("fail"), some(int64(2+i))
		}
		if mail {
			f.DKIM, f.DKIMSelectors, f.DKIMMissing = some(i == 0), some([]string{"s1"}), some([]string{})
			if i == 3 {
				f.DKIMMissing = some([]string{"s2"})
			}
		}
		return f
	})
}

// storage invents the cloud: buckets and volumes, network rules and access keys.
func (w *world) storage() {
	types := []string{"bucket", "bucket", "volume", "snapshot", "backup", "share"}
	leak := w.trouble("cloud", 8, 0.5)
	for i := range 18 {
		name := fmt.Sprintf("qw-%s-%02d", types[i%6], i+1)
		owner := w.staff[i%14].id
		w.vary("cloud", "storages", "cloud/"+name, func(at time.Time) fact.Data {
			return fact.Storage{
				Name: some(name), Type: some(types[i%6]), Public: some(i == 7 || i == 1 && leak.holds(at)), Encrypted: unless(i == 9, i != 11), TLSOnly: some(i%8 != 5),
				Versioned: some(i%4 != 2), Logged: some(i%5 != 3), Sensitive: some(i%3 == 0), Region: some([]string{"south-1", "west-3"}[i%2]),
				BackedUpAt: some(at.Truncate(2 * day).Add(-4 * time.Hour)), Owner: some(owner),
			}
		})
	}
	open := w.trouble("cloud", 27, 3)
	for i := range 22 {
		port := []int64{443, 443, 22, 5432, 80, 9200, 6379, 25}[i%8]
		t := w.vary("cloud", "network-rules", fmt.Sprintf("cloud/rule-%02d", i+1), func(at time.Time) fact.Data {
			wide := port == 443 || port == 80 || i == 10 && open.holds(at) || i == 21
			nets := []string{"10.20.0.0/16"}
			if wide {
				nets = []string{"0.0.0.0/0", "::/0"}
			}
			return fact.NetworkRule{
				Name: some(fmt.Sprintf("rule-%02d", i+1)), Group: some([]string{"edge", "private", "admin"}[i%3]), Direction: some("in"), Allow: some(true),
				Protocol: some("tcp"), FromPort: some(port), ToPort: some(port), Networks: some(nets), Anywhere: some(wide),
			}
		})
		if i%9 == 4 { // given up within the quarter
			t.gone = w.trouble("cloud", float64(10+i), 0).from
		}
	}
	for i := range 16 {
		w.add("cloud", "keys", fmt.Sprintf("cloud/key-%02d", i+1), fact.Secret{
			Name: some(fmt.Sprintf("…%04X", 4096+i*917)), Type: some([]string{"access-key", "token", "encryption-key", "certificate"}[i%4]), Active: some(i%7 != 6),
			Write: some(i%2 == 0), CreatedAt: some(w.ago(time.Duration(15+i*17) * day)), RotatedAt: some(w.ago(time.Duration(5+i*9) * day)),
			LastUsedAt: some(w.ago(time.Duration(1+i*i) * day)), NeverEnds: some(i%3 == 0), Rotates: some(i%4 == 2), Owner: some(w.staff[(i*5)%70].id),
			Exposed: some(false),
		})
	}
}
