package connector

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A NetworkPolicy says which addresses a source may reach. The zero value
// allows the public internet only.
type NetworkPolicy struct {
	AllowAll bool           // the source is written in prumo.yaml on the machine
	Allow    []netip.Prefix // allow_networks
}

// Permits returns ErrNetwork, wrapped with the address, if the policy refuses it.
func (p NetworkPolicy) Permits(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if p.AllowAll || slices.ContainsFunc(p.Allow, func(n netip.Prefix) bool { return n.Contains(a) }) {
		return nil
	}
	if why := internalAddress(a); why != "" {
		return fmt.Errorf("%s (%s): %w; name the network in allow_networks, or write the source in prumo.yaml", a, why, ErrNetwork)
	}
	return nil
}

// NewDialer returns a Dialer that applies the policy to each address after its
// name was resolved, just before the connection is made: a name that resolves
// differently the second time gains nothing.
func NewDialer(policy NetworkPolicy) Dialer {
	d := &net.Dialer{
		Timeout: 15 * time.Second,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return policy.permitsDial(network, address)
		},
	}
	return d.DialContext
}

func (p NetworkPolicy) permitsDial(network, address string) error {
	if p.AllowAll {
		return nil
	}
	if !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return fmt.Errorf("network %s: %w", network, ErrNetwork)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, ErrNetwork)
	}
	return p.Permits(ap.Addr())
}

// internalAddress says why an address is not one of the public internet, or "".
func internalAddress(a netip.Addr) string {
	switch {
	case !a.IsValid(), a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate():
		return "private"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	}
	for _, r := range reserved() {
		if netip.MustParsePrefix(r.prefix).Contains(a) {
			return r.why
		}
	}
	if v4, ok := embedded(a); ok {
		return internalAddress(v4)
	}
	return ""
}

type reservedNetwork struct{ prefix, why string }

func reserved() []reservedNetwork {
	return []reservedNetwork{
		{"0.0.0.0/8", "this network"},
		{"100.64.0.0/10", "shared by a carrier"},
		{"168.63.129.16/32", "metadata"},
		{"192.0.0.0/24", "protocol assignments"},
		{"192.0.2.0/24", "documentation"},
		{"198.18.0.0/15", "benchmarks"},
		{"198.51.100.0/24", "documentation"},
		{"203.0.113.0/24", "documentation"},
		{"240.0.0.0/4", "reserved"},
		{"64:ff9b:1::/48", "local translation"},
		{"100::/64", "discard"},
		{"2001:db8::/32", "documentation"},
		{"fec0::/10", "site-local"},
	}
}

// embedded returns the IPv4 address that an IPv6 address of a translation
// scheme leads to: NAT64, 6to4, Teredo (whose client address is inverted) and
// the old IPv4-compatible form.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	b := a.As16()
	for _, s := range []struct {
		prefix string
		at     int
		xor    byte
	}{{"64:ff9b::/96", 12, 0}, {"2002::/16", 2, 0}, {"2001::/32", 12, 0xff}, {"::/96", 12, 0}} {
		if netip.MustParsePrefix(s.prefix).Contains(a) {
			return netip.AddrFrom4([4]byte{b[s.at] ^ s.xor, b[s.at+1] ^ s.xor, b[s.at+2] ^ s.xor, b[s.at+3] ^ s.xor}), true
		}
	}
	return netip.Addr{}, false
}
