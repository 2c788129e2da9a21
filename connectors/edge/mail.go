package edge

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

const (
	maxSPFLookups = 40 // where counting stops; 10 are allowed
	maxSPFTerms   = 500
)

// spf reads the domain's SPF record and counts the look-ups that it costs
// (RFC 7208). A name that cannot be asked leaves the count unknown.
func (s *survey) spf(ctx context.Context, f *fact.Domain) {
	texts, err := s.dns.texts(ctx, s.name)
	if s.failed("SPF", err) {
		return
	}
	records := spfRecords(texts)
	f.SPF = fact.Some(len(records) == 1)
	if len(records) != 1 {
		return
	}
	f.SPFRecord = fact.Some(cleanText(records[0], 4000))
	w := &spfWalk{s: s, known: true}
	all := w.record(ctx, records[0], map[string]bool{s.name: true})
	if all != "" {
		f.SPFAll = fact.Some(all)
	}
	f.SPFLookups = fact.SomeIf(int64(w.lookups), w.known)
}

// spfRecords are the texts that are SPF records: their version and nothing glued to it.
func spfRecords(texts []string) []string {
	var out []string
	for _, t := range texts {
		if l := strings.ToLower(t); l == "v=spf1" || strings.HasPrefix(l, "v=spf1 ") {
			out = append(out, t)
		}
	}
	return out
}

// A spfWalk follows include and redirect.
type spfWalk struct {
	s       *survey
	lookups int
	known   bool // every name that matters was asked
}

// record walks one record and returns what it says of everybody else, "none"
// if nothing, "" if that could not be found out.
func (w *spfWalk) record(ctx context.Context, record string, above map[string]bool) string {
	p := parseSPF(record)
	for _, m := range p.mechanisms {
		if !m.asks() || w.lookups >= maxSPFLookups {
			continue
		}
		w.lookups++
		if m.name == "include" {
			w.follow(ctx, m.value, above)
		}
	}
	if p.all != "" {
		return p.all
	}
	if p.redirect == "" {
		return "none"
	}
	w.lookups++
	return w.follow(ctx, p.redirect, above)
}

// follow walks the record of another name.
func (w *spfWalk) follow(ctx context.Context, name string, above map[string]bool) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || strings.Contains(name, "%") || above[name] || w.lookups >= maxSPFLookups {
		// A macro depends on the sender; a circle has no end.
		w.known = w.known && !strings.Contains(name, "%")
		if above[name] {
			w.lookups = maxSPFLookups
		}
		return ""
	}
	texts, err := w.s.dns.texts(ctx, name)
	if w.s.failed("SPF "+cleanText(name, 253), err) {
		w.known = false
		return ""
	}
	records := spfRecords(texts)
	if len(records) != 1 {
		return "none"
	}
	inner := map[string]bool{name: true}
	for n := range above {
		inner[n] = true
	}
	return w.record(ctx, records[0], inner)
}

type spfMechanism struct{ name, value string }

// asks reports a mechanism that costs a look-up (RFC 7208, section 4.6.4).
func (m spfMechanism) asks() bool {
	return slices.Contains([]string{"include", "a", "mx", "ptr", "exists"}, m.name)
}

type spfRecord struct {
	mechanisms []spfMechanism
	all        string
	redirect   string
}

// parseSPF reads a record's terms up to all: what stands after it is never reached.
func parseSPF(record string) spfRecord {
	var p spfRecord
	terms := strings.Fields(record)
	if len(terms) > maxSPFTerms {
		terms = terms[:maxSPFTerms]
	}
	for _, t := range terms[min(1, len(terms)):] {
		lower := strings.ToLower(t)
		if v, ok := strings.CutPrefix(lower, "redirect="); ok {
			if p.redirect == "" {
				p.redirect = v
			}
			continue
		}
		qualifier := "pass"
		switch lower[0] {
		case '+':
			lower = lower[1:]
		case '-':
			qualifier, lower = "fail", lower[1:]
		case '~':
			qualifier, lower = "softfail", lower[1:]
		case '?':
			qualifier, lower = "neutral", lower[1:]
		}
		if p.all != "" {
			continue
		}
		if lower == "all" {
			p.all = qualifier
			continue
		}
		name, value, _ := strings.Cut(lower, ":")
		name, _, _ = strings.Cut(name, "/")
		if strings.Contains(name, "=") {
			continue // a modifier
		}
		p.mechanisms = append(p.mechanisms, spfMechanism{name: name, value: value})
	}
	return p
}

// dmarc reads the domain's DMARC record, or that of the organisation's domain,
// whose sp rules over names below it (RFC 7489).
func (s *survey) dmarc(ctx context.Context, f *fact.Domain) {
	records, err := s.dmarcRecords(ctx, s.name)
	if s.failed("DMARC", err) {
		return
	}
	below := false
	if org := organisation(s.name); len(records) == 0 && org != s.name {
		below = true
		if records, err = s.dmarcRecords(ctx, org); s.failed("DMARC", err) {
			return
		}
	}
	f.DMARC = fact.Some(len(records) == 1)
	if len(records) != 1 {
		return
	}
	d, ok := parseDMARC(records[0], below)
	f.DMARCRecord = fact.Some(cleanText(records[0], 2000))
	if !ok {
		f.DMARC = fact.Some(false) // receivers drop a record without a policy and without reports
		return
	}
	f.DMARCPolicy, f.DMARCPercent, f.DMARCReports = fact.Some(d.policy), fact.Some(d.percent), fact.Some(d.reports)
}

func (s *survey) dmarcRecords(ctx context.Context, name string) ([]string, error) {
	texts, err := s.dns.texts(ctx, "_dmarc."+name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(texts, func(t string) bool {
		v, rest, _ := strings.Cut(t, ";")
		k, version, ok := strings.Cut(v, "=")
		return !ok || strings.TrimSpace(k) != "v" || strings.TrimSpace(version) != "DMARC1" || rest == "" && !strings.Contains(t, ";")
	}), nil
}

type dmarcRecord struct {
	policy  string
	percent int64
	reports bool
}

// parseDMARC reads a record; below says that it is read for a name below the
// one that holds it. A record without a policy that receivers know counts as
// none if it asks for reports, and is dropped if it does not (section 6.6.3).
func parseDMARC(record string, below bool) (dmarcRecord, bool) {
	tags := tagList(record)
	d := dmarcRecord{policy: strings.ToLower(tags["p"]), percent: 100}
	if sp, ok := tags["sp"]; ok && below {
		d.policy = strings.ToLower(sp)
	}
	for _, uri := range strings.Split(tags["rua"], ",") {
		uri = strings.ToLower(strings.TrimSpace(uri))
		d.reports = d.reports || strings.HasPrefix(uri, "mailto:") && strings.Contains(uri, "@") || strings.HasPrefix(uri, "https:")
	}
	if n, err := strconv.ParseInt(tags["pct"], 10, 64); err == nil && n >= 0 && n <= 100 {
		d.percent = n
	}
	if !slices.Contains([]string{"none", "quarantine", "reject"}, d.policy) {
		d.policy = "none"
		return d, d.reports
	}
	return d, true
}
