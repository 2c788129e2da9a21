package host

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// families are the addresses that a rule set refuses.
type families struct{ v4, v6 bool }

// firewall asks the rule sets in force, not a service's name: a rule set counts
// where what comes in and is not asked for is dropped or rejected, for IPv4 and,
// if the machine speaks it, IPv6.
func (l *look) firewall(ctx context.Context, f *fact.Host) {
	if l.container {
		return
	}
	var got families
	asked := 0
	if out, err := l.command(ctx, "firewall", 3*time.Second, "nft", "-j", "list", "ruleset"); err == nil {
		if fam, ok := nftRefuses(out); ok {
			got, asked = fam, asked+1
		}
	} else if !errors.Is(err, errAbsent) {
		return
	}
	if !got.v4 || !got.v6 {
		v4, a := l.iptables(ctx, "iptables-save")
		v6, b := l.iptables(ctx, "ip6tables-save")
		got.v4, got.v6 = got.v4 || v4, got.v6 || v6
		if a && b {
			asked++
		}
	}
	if asked == 0 {
		return
	}
	f.Firewall = fact.Some(got.v4 && (got.v6 || !l.speaksIPv6()))
}

func (l *look) iptables(ctx context.Context, program string) (refuses, known bool) {
	out, err := l.command(ctx, "firewall", 3*time.Second, program)
	if err != nil {
		return false, false
	}
	return iptablesRefuses(string(out)), true
}

// speaksIPv6 reports an IPv6 address that is not of the loopback interface.
func (l *look) speaksIPv6() bool {
	for _, line := range strings.Split(l.sys.text("/proc/net/if_inet6"), "\n") {
		if w := strings.Fields(line); len(w) == 6 && w[5] != "lo" {
			return true
		}
	}
	return false
}

type nftChain struct {
	Family, Table, Name, Hook, Policy string
}

type nftRule struct {
	Family, Table, Chain string
	Expr                 []map[string]json.RawMessage
}

// nftRefuses reads `nft -j list ruleset`. An input chain refuses by its policy,
// or by a last rule that drops or rejects everything.
func nftRefuses(out []byte) (families, bool) {
	var doc struct {
		Nftables []struct {
			Chain *nftChain
			Rule  *nftRule
		}
	}
	if json.Unmarshal(out, &doc) != nil || doc.Nftables == nil {
		return families{}, false
	}
	var got families
	mark := func(family string) {
		got.v4 = got.v4 || family == "ip" || family == "inet"
		got.v6 = got.v6 || family == "ip6" || family == "inet"
	}
	last := map[nftChain]*nftRule{}
	for _, e := range doc.Nftables {
		if e.Rule != nil {
			last[nftChain{Family: e.Rule.Family, Table: e.Rule.Table, Name: e.Rule.Chain}] = e.Rule
		}
	}
	for _, e := range doc.Nftables {
		if e.Chain == nil || e.Chain.Hook != "input" {
			continue
		}
		r := last[nftChain{Family: e.Chain.Family, Table: e.Chain.Table, Name: e.Chain.Name}]
		if e.Chain.Policy == "drop" || r != nil && r.refusesAll() {
			mark(e.Chain.Family)
		}
	}
	return got, true
}

// refusesAll reports a rule that drops or rejects without a condition; counting
// and logging on the way change nothing.
func (r *nftRule) refusesAll() bool {
	refuses := false
	for _, e := range r.Expr {
		for name := range e {
			switch name {
			case "drop", "reject":
				refuses = true
			case "counter", "log":
			default:
				return false
			}
		}
	}
	return refuses
}

// iptablesRefuses reads the answer of iptables-save: the INPUT chain of the
// filter table refuses by its policy, or by a last rule without a condition.
func iptablesRefuses(text string) bool {
	table, policy, last := "", "", ""
	for _, line := range strings.Split(text, "\n") {
		w := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = strings.TrimSpace(line[1:])
		case table != "filter" || len(w) < 2:
		case w[0] == ":INPUT":
			policy = w[1]
		case w[0] == "-A" && w[1] == "INPUT":
			last = strings.Join(w[2:], " ")
		}
	}
	return policy == "DROP" || last == "-j DROP" || strings.HasPrefix(last, "-j REJECT")
}
