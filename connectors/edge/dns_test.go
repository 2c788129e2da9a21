package edge

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A zone is what a DNS server of a test knows.
type zone struct {
	records   []string
	fails     map[string]int // "name TYPE" → rcode; -1: no answer at all
	secure    bool           // it validates
	truncates bool           // no answer fits in a datagram
}

// serveDNS starts a DNS server over UDP and TCP on one port of loopback.
func serveDNS(t *testing.T, z zone) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		if m := z.answer(t, r, w.RemoteAddr().Network()); m != nil {
			_ = w.WriteMsg(m)
		}
	})
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: p, Handler: h}} {
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return l.Addr().String()
}

func (z zone) answer(t *testing.T, r *dns.Msg, network string) *dns.Msg {
	q := r.Question[0]
	m := new(dns.Msg)
	m.SetReply(r)
	m.AuthenticatedData = z.secure
	if code, ok := z.fails[strings.TrimSuffix(q.Name, ".")+" "+dns.TypeToString[q.Qtype]]; ok {
		if code < 0 {
			return nil
		}
		m.Rcode = code
		return m
	}
	if z.truncates && network == "udp" {
		m.Truncated = true
		return m
	}
	exists := q.Name == "."
	for _, line := range z.records {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Errorf("record %q: %v", line, err)
			continue
		}
		if strings.EqualFold(rr.Header().Name, q.Name) {
			exists = true
			if rr.Header().Rrtype == q.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		exists = exists || strings.HasSuffix(rr.Header().Name, "."+q.Name)
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	return m
}

func survey1(t *testing.T, z zone, name string, selectors map[string][]string) (fact.Domain, connector.ScopeResult) {
	t.Helper()
	m := collect(t, New(), (&net.Dialer{}).DialContext, connector.Settings{
		"domains": []string{name}, "dkim_selectors": selectors, "resolver": serveDNS(t, z), "timeout": int64(1),
	})
	k, _ := fact.KindNamed("domain")
	d, err := fact.Decode(k, m.Facts()[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	return d.(fact.Domain), m.Scopes()[0]
}

func acme() zone {
	return zone{secure: true, records: []string{
		"acme.test. 60 IN SOA ns1.acme.test. admin.acme.test. 1 2 3 4 5",
		"acme.test. 60 IN NS ns1.acme.test.", "acme.test. 60 IN MX 10 mail.acme.test.",
		`acme.test. 60 IN TXT "something else"`, `acme.test. 60 IN TXT "v=spf1 a mx include:_spf.acme.test " "-all"`,
		`_spf.acme.test. 60 IN TXT "v=spf1 include:_deep.acme.test ip4:192.0.2.1 ~all"`, `_deep.acme.test. 60 IN TXT "v=spf1 exists:%{i}.acme.test -all"`,
		`s1._domainkey.acme.test. 60 IN TXT "v=DKIM1; k=rsa; p=MIIB"`, `s2._domainkey.acme.test. 60 IN TXT "v=DKIM1; p="`,
		`_dmarc.acme.test. 60 IN TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:d@acme.test"`,
		`acme.test. 60 IN CAA 0 issue "letsencrypt.org; validationmethods=dns-01"`, `acme.test. 60 IN CAA 0 iodef "mailto:s@acme.test"`,
		`_mta-sts.acme.test. 60 IN TXT "v=STSv1; id=20260101"`,
		"acme.test. 60 IN DS 1 13 2 AABBCCDDEEFF00112233445566778899AABBCCDDEEFF00112233445566778899",
		"acme.test. 60 IN DNSKEY 257 3 13 AAAA",
		"www.acme.test. 60 IN A 192.0.2.1",
	}}
}

func TestDomain(t *testing.T) {
	f, scope := survey1(t, acme(), "acme.test", map[string][]string{"*": {"s1"}, "acme.test": {"s2", "s3"}})
	if scope.Reading != fact.Complete {
		t.Errorf("scope: got %s (%s), want complete", scope.Reading, scope.Detail.Why)
	}
	want(t, "exists", f.Exists, true)
	want(t, "sends_mail", f.SendsMail, true)
	want(t, "spf", f.SPF, true)
	want(t, "spf_all", f.SPFAll, "fail")
	want(t, "spf_lookups", f.SPFLookups, 5)
	want(t, "dkim", f.DKIM, false)
	want(t, "dmarc", f.DMARC, true)
	want(t, "dmarc_policy", f.DMARCPolicy, "reject")
	want(t, "dmarc_percent", f.DMARCPercent, 100)
	want(t, "dmarc_reports", f.DMARCReports, true)
	want(t, "caa", f.CAA, true)
	want(t, "dnssec", f.DNSSEC, true)
	want(t, "mta_sts", f.MTASTS, true)
	for _, d := range []string{
		cmp.Diff(f.DKIMSelectors.Or(nil), []string{"s1"}), cmp.Diff(f.DKIMMissing.Or(nil), []string{"s2", "s3"}),
		cmp.Diff(f.CAAIssuers.Or(nil), []string{"letsencrypt.org"}), cmp.Diff(f.Nameservers.Or(nil), []string{"ns1.acme.test"}),
	} {
		if d != "" {
			t.Error(d)
		}
	}
}

func TestDomainBelow(t *testing.T) {
	z := acme()
	f, scope := survey1(t, z, "www.acme.test", nil)
	want(t, "spf", f.SPF, false)
	want(t, "dmarc_policy", f.DMARCPolicy, "quarantine")
	want(t, "caa", f.CAA, true)
	if f.DKIM.Known() || scope.Reading != fact.Complete {
		t.Errorf("dkim %v, scope %s (%s)", f.DKIM, scope.Reading, scope.Detail.Why)
	}
}

func TestDomainGone(t *testing.T) {
	f, scope := survey1(t, acme(), "other.test", nil)
	want(t, "exists", f.Exists, false)
	if f.SPF.Known() || f.DMARC.Known() || f.CAA.Known() || scope.Reading != fact.Complete {
		t.Errorf("got %+v, %s", f, scope.Reading)
	}
}

// What the server fails at, refuses or leaves without an answer is unknown,
// and the scope is partial; the rest goes on.
func TestDomainFailures(t *testing.T) {
	for _, code := range []int{dns.RcodeServerFailure, dns.RcodeRefused, -1} {
		for name, known := range map[string]func(fact.Domain) bool{
			"acme.test SOA":               func(f fact.Domain) bool { return f.Exists.Known() },
			"acme.test NS":                func(f fact.Domain) bool { return f.Nameservers.Known() },
			"acme.test MX":                func(f fact.Domain) bool { return f.SendsMail.Known() },
			"acme.test TXT":               func(f fact.Domain) bool { return f.SPF.Known() },
			"_deep.acme.test TXT":         func(f fact.Domain) bool { return f.SPFLookups.Known() },
			"s1._domainkey.acme.test TXT": func(f fact.Domain) bool { return f.DKIM.Known() },
			"_dmarc.acme.test TXT":        func(f fact.Domain) bool { return f.DMARC.Known() || f.DMARCPolicy.Known() },
			"acme.test CAA":               func(f fact.Domain) bool { return f.CAA.Known() },
			"acme.test DS":                func(f fact.Domain) bool { return f.DNSSEC.Known() },
			"acme.test DNSKEY":            func(f fact.Domain) bool { return f.DNSSEC.Known() },
			"_mta-sts.acme.test TXT":      func(f fact.Domain) bool { return f.MTASTS.Known() },
		} {
			t.Run(fmt.Sprintf("%s %d", name, code), func(t *testing.T) {
				t.Parallel()
				z := acme()
				z.fails = map[string]int{name: code}
				f, scope := survey1(t, z, "acme.test", map[string][]string{"*": {"s1"}})
				if known(f) {
					t.Errorf("the field is known: %+v", f)
				}
				if scope.Reading != fact.Partial {
					t.Errorf("scope: got %s, want partial", scope.Reading)
				}
				if name != "_dmarc.acme.test TXT" && !f.DMARC.Or(false) {
					t.Error("dmarc: the rest did not go on")
				}
			})
		}
	}
}

func TestTruncated(t *testing.T) {
	z := acme()
	z.truncates = true
	f, scope := survey1(t, z, "acme.test", nil)
	want(t, "spf", f.SPF, true)
	if scope.Reading != fact.Complete {
		t.Errorf("scope: got %s (%s)", scope.Reading, scope.Detail.Why)
	}
}

func TestDNSSEC(t *testing.T) {
	z := acme()
	z.secure = false
	if f, _ := survey1(t, z, "acme.test", nil); f.DNSSEC.Known() {
		t.Errorf("got %v from a resolver that does not validate, want unknown", f.DNSSEC)
	}
	z = zone{secure: true, records: []string{"acme.test. 60 IN SOA ns1.acme.test. admin.acme.test. 1 2 3 4 5"}}
	f, _ := survey1(t, z, "acme.test", nil)
	want(t, "dnssec", f.DNSSEC, false)
}

func TestSPF(t *testing.T) {
	for _, tc := range []struct {
		name    string
		records []string
		spf     fact.Opt[bool]
		all     fact.Opt[string]
		lookups fact.Opt[int64]
	}{
		{"none", []string{`acme.test. IN TXT "hello"`}, fact.Some(false), fact.Opt[string]{}, fact.Opt[int64]{}},
		{"two", []string{`acme.test. IN TXT "v=spf1 -all"`, `acme.test. IN TXT "V=SPF1 ~all"`}, fact.Some(false), fact.Opt[string]{}, fact.Opt[int64]{}},
		{"glued", []string{`acme.test. IN TXT "v=spf10 -all"`}, fact.Some(false), fact.Opt[string]{}, fact.Opt[int64]{}},
		{"open", []string{`acme.test. IN TXT "v=spf1 +all"`}, fact.Some(true), fact.Some("pass"), fact.Some[int64](0)},
		{"no all", []string{`acme.test. IN TXT "v=spf1 a:x.test/24 mx ptr"`}, fact.Some(true), fact.Some("none"), fact.Some[int64](3)},
		{"redirect", []string{`acme.test. IN TXT "v=spf1 redirect=r.test"`, `r.test. IN TXT "v=spf1 mx ?all"`}, fact.Some(true), fact.Some("neutral"), fact.Some[int64](2)},
		{"after all", []string{`acme.test. IN TXT "v=spf1 ~all include:r.test"`}, fact.Some(true), fact.Some("softfail"), fact.Some[int64](0)},
		{"circle", []string{`acme.test. IN TXT "v=spf1 include:acme.test -all"`}, fact.Some(true), fact.Some("fail"), fact.Some[int64](maxSPFLookups)},
		{"macro", []string{`acme.test. IN TXT "v=spf1 include:%{d}.r.test -all"`}, fact.Some(true), fact.Some("fail"), fact.Opt[int64]{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, _ := survey1(t, zone{records: tc.records}, "acme.test", nil)
			if f.SPF != tc.spf || f.SPFAll != tc.all || f.SPFLookups != tc.lookups {
				t.Errorf("got %v %v %v, want %v %v %v", f.SPF, f.SPFAll, f.SPFLookups, tc.spf, tc.all, tc.lookups)
			}
		})
	}
}

func TestParseDMARC(t *testing.T) {
	for _, tc := range []struct {
		record  string
		below   bool
		policy  string
		percent int64
		reports bool
		ok      bool
	}{
		{"v=DMARC1; p=none", false, "none", 100, false, true},
		{"v=DMARC1;p=Reject;pct=50;rua=mailto:a@b.test!10m", false, "reject", 50, true, true},
		{"v=DMARC1; p=reject; sp=none", true, "none", 100, false, true},
		{"v=DMARC1; rua=mailto:a@b.test", false, "none", 100, true, true},
		{"v=DMARC1; p=what", false, "none", 100, false, false},
		{"v=DMARC1; p=reject; pct=900", false, "reject", 100, false, true},
	} {
		d, ok := parseDMARC(tc.record, tc.below)
		if d.policy != tc.policy || d.percent != tc.percent || d.reports != tc.reports || ok != tc.ok {
			t.Errorf("%q: got %+v %t", tc.record, d, ok)
		}
	}
}
