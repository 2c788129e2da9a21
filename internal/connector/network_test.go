package connector

import (
	"errors"
	"net/netip"
	"testing"
)

func TestNetworkPolicy(t *testing.T) {
	allow := NetworkPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for _, tt := range []struct {
		policy  NetworkPolicy
		address string
		ok      bool
	}{
		{NetworkPolicy{}, "1.1.1.1", true},
		{NetworkPolicy{}, "2606:4700::1111", true},
		{NetworkPolicy{}, "127.0.0.1", false},
		{NetworkPolicy{}, "::1", false},
		{NetworkPolicy{}, "::ffff:127.0.0.1", false},
		{NetworkPolicy{}, "10.0.0.1", false},
		{NetworkPolicy{}, "172.16.0.1", false},
		{NetworkPolicy{}, "192.168.1.1", false},
		{NetworkPolicy{}, "169.254.169.254", false},
		{NetworkPolicy{}, "168.63.129.16", false},
		{NetworkPolicy{}, "100.100.100.200", false},
		{NetworkPolicy{}, "fd00:ec2::254", false},
		{NetworkPolicy{}, "fe80::1%eth0", false},
		{NetworkPolicy{}, "224.0.0.1", false},
		{NetworkPolicy{}, "ff02::1", false},
		{NetworkPolicy{}, "0.0.0.0", false},
		{NetworkPolicy{}, "0.1.2.3", false},
		{NetworkPolicy{}, "255.255.255.255", false},
		{NetworkPolicy{}, "::", false},
		{NetworkPolicy{}, "64:ff9b::7f00:1", false},
		{NetworkPolicy{}, "64:ff9b::101:101", true},
		{NetworkPolicy{}, "2002:7f00:1::1", false},
		{NetworkPolicy{}, "2001:0:0:0:0:0:80ff:fffe", false},
		{NetworkPolicy{}, "::127.0.0.1", false},
		{allow, "10.1.2.3", true},
		{allow, "::ffff:10.1.2.3", true},
		{allow, "10.2.2.3", false},
		{NetworkPolicy{AllowAll: true}, "127.0.0.1", true},
	} {
		err := tt.policy.Permits(netip.MustParseAddr(tt.address))
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrNetwork) {
			t.Errorf("%s: got %v, want permitted %v", tt.address, err, tt.ok)
		}
	}
	if err := (NetworkPolicy{}).permitsDial("unix", "/run/x.sock"); !errors.Is(err, ErrNetwork) {
		t.Errorf("unix socket: got %v, want ErrNetwork", err)
	}
}
