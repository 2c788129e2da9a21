package edge

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A survey looks at one domain.
type survey struct {
	options
	name string
	dns  *resolver

	unseen []string
}

// failed notes an answer that did not come, and reports whether there was one.
func (s *survey) failed(what string, err error) bool {
	if err == nil {
		return false
	}
	_, d := connector.Honest(err)
	why := d.Why
	if why == "the reading failed" {
		why = "the DNS server did not answer the question"
	}
	if w := what + ": " + why; !slices.Contains(s.unseen, w) {
		s.unseen = append(s.unseen, w)
	}
	return true
}

func (s *survey) look(ctx context.Context) finding {
	f := fact.Domain{Name: fact.Some(s.name)}
	soa, err := s.dns.ask(ctx, s.name, dns.TypeSOA)
	if !s.failed("SOA", err) {
		f.Exists = fact.Some(!soa.nothing)
	}
	if f.Exists.Or(true) && ctx.Err() == nil {
		s.servers(ctx, &f)
		s.spf(ctx, &f)
		s.dkim(ctx, &f)
		s.dmarc(ctx, &f)
		s.caa(ctx, &f)
		s.mtaSTS(ctx, &f)
		if err == nil {
			s.dnssec(ctx, soa.zone, &f)
		}
	}
	return finding{scope: "domain " + s.name, kind: "domain", id: "edge/" + s.name, data: f, tally: s.unseen}
}

func (s *survey) servers(ctx context.Context, f *fact.Domain) {
	ns, err := s.dns.ask(ctx, s.name, dns.TypeNS)
	if !s.failed("NS", err) {
		names := []string{}
		for _, rr := range ns.records {
			if n, ok := rr.(*dns.NS); ok {
				names = append(names, strings.ToLower(strings.TrimSuffix(n.Ns, ".")))
			}
		}
		slices.Sort(names)
		f.Nameservers = fact.Some(names)
	}
	mx, err := s.dns.ask(ctx, s.name, dns.TypeMX)
	if !s.failed("MX", err) {
		f.SendsMail = fact.Some(slices.ContainsFunc(mx.records, func(rr dns.RR) bool {
			m, ok := rr.(*dns.MX)
			return ok && m.Mx != "." // a null MX says that it takes no mail (RFC 7505)
		}))
	}
}

// dkim asks for the keys of the selectors that the settings name. A key that
// was taken back is none.
func (s *survey) dkim(ctx context.Context, f *fact.Domain) {
	selectors := append(slices.Clone(s.selectors["*"]), s.selectors[s.name]...)
	if len(selectors) == 0 {
		return
	}
	slices.Sort(selectors)
	has, missing, unsure := []string{}, []string{}, false
	for _, sel := range slices.Compact(selectors) {
		texts, err := s.dns.texts(ctx, sel+"._domainkey."+s.name)
		switch {
		case s.failed("DKIM "+sel, err):
			unsure = true
		case slices.ContainsFunc(texts, dkimKey):
			has = append(has, sel)
		default:
			missing = append(missing, sel)
		}
	}
	if !unsure {
		f.DKIMSelectors, f.DKIMMissing = fact.Some(has), fact.Some(missing)
	}
	f.DKIM = fact.SomeIf(len(missing) == 0, !unsure || len(missing) > 0)
}

// dkimKey reports a record that holds a public key (RFC 6376, section 3.6.1).
func dkimKey(record string) bool {
	tags := tagList(record)
	v, hasVersion := tags["v"]
	return (!hasVersion || v == "DKIM1") && tags["p"] != ""
}

// tagList reads "name=value; name=value"; the first of two tags of a name stands.
func tagList(record string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(record, ";") {
		k, v, ok := strings.Cut(part, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		if _, twice := out[k]; ok && !twice {
			out[k] = strings.TrimSpace(v)
		}
	}
	return out
}

// mtaSTS reports exactly one record that announces a policy (RFC 8461, section 3.1).
func (s *survey) mtaSTS(ctx context.Context, f *fact.Domain) {
	texts, err := s.dns.texts(ctx, "_mta-sts."+s.name)
	if s.failed("MTA-STS", err) {
		return
	}
	n := 0
	for _, t := range texts {
		if tags := tagList(t); strings.HasPrefix(t, "v=STSv1") && tags["v"] == "STSv1" && tags["id"] != "" {
			n++
		}
	}
	f.MTASTS = fact.Some(n == 1)
}

// caa climbs from the domain to the top; the first name with CAA records
// decides (RFC 8659, section 3).
func (s *survey) caa(ctx context.Context, f *fact.Domain) {
	for name := s.name; name != ""; {
		got, err := s.dns.ask(ctx, name, dns.TypeCAA)
		if s.failed("CAA", err) {
			return
		}
		if len(got.records) > 0 {
			limits, issuers := readCAA(got.records)
			f.CAA, f.CAAIssuers = fact.Some(limits), fact.Some(issuers)
			return
		}
		_, name, _ = strings.Cut(name, ".")
	}
	f.CAA, f.CAAIssuers = fact.Some(false), fact.Some([]string{})
}

// readCAA returns whether the records limit who may issue, and who may.
func readCAA(records []dns.RR) (limits bool, issuers []string) {
	issuers = []string{}
	for _, rr := range records {
		c, ok := rr.(*dns.CAA)
		if !ok || !strings.EqualFold(c.Tag, "issue") {
			continue
		}
		limits = true
		who, _, _ := strings.Cut(c.Value, ";")
		if who = cleanText(strings.ToLower(strings.TrimSpace(who)), 253); who != "" && !slices.Contains(issuers, who) {
			issuers = append(issuers, who)
		}
	}
	slices.Sort(issuers)
	return limits, issuers
}

// dnssec asks for the DS record at the parent and the keys at the zone, and
// relies on a resolver that validates: one that does not proves nothing, in
// either direction.
func (s *survey) dnssec(ctx context.Context, zone string, f *fact.Domain) {
	if zone == "" || zone != s.name && !strings.HasSuffix(s.name, "."+zone) {
		zone = s.name
	}
	root, err := s.dns.ask(ctx, ".", dns.TypeDNSKEY)
	if err != nil || !root.secure {
		return // the resolver does not validate, or its root cannot be asked
	}
	ds, err := s.dns.ask(ctx, zone, dns.TypeDS)
	if s.failed("DNSSEC", err) {
		return
	}
	if len(ds.records) == 0 {
		f.DNSSEC = fact.Some(false)
		return
	}
	keys, err := s.dns.ask(ctx, zone, dns.TypeDNSKEY)
	if s.failed("DNSSEC", err) {
		return
	}
	f.DNSSEC = fact.Some(ds.secure && keys.secure && len(keys.records) > 0)
}

// organisation is the name that was registered, under which a domain's own
// DMARC record is looked for if it has none (RFC 7489, section 3.2).
func organisation(name string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return name
	}
	return org
}
