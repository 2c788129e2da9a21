package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// maxHandles bounds how many open files are looked at to name a port's program.
const maxHandles = 200_000

// A socket is one listening line of /proc/net.
type socket struct {
	addr  netip.AddrPort
	inode string
}

// listeners lists the ports that the machine listens on. A datagram socket on a
// port that the kernel hands out to clients is an answer in flight, not a
// service, and is left out.
func (l *look) listeners(ctx context.Context, f *fact.Host) {
	low, high := 32768, 60999
	if r := strings.Fields(l.sys.text("/proc/sys/net/ipv4/ip_local_port_range")); len(r) == 2 {
		if a, err := strconv.Atoi(r[0]); err == nil {
			low = a
		}
		if b, err := strconv.Atoi(r[1]); err == nil {
			high = b
		}
	}
	out := []fact.Listener{}
	owner := l.socketOwners(ctx)
	for _, t := range []struct{ file, protocol, state string }{
		{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
	} {
		b, err := l.sys.read("/proc/net/" + t.file)
		if err != nil {
			if strings.HasSuffix(t.file, "6") && !l.sys.exists("/proc/net/if_inet6") {
				continue // no IPv6 on this machine
			}
			return // half a list would look like closed ports
		}
		for _, s := range parseSockets(string(b), t.state) {
			port := int(s.addr.Port())
			if t.protocol == "udp" && port >= low && port <= high {
				continue
			}
			out = append(out, fact.Listener{
				Protocol: t.protocol, Address: s.addr.Addr().String(), Port: int64(port),
				Process: owner[s.inode], Public: !s.addr.Addr().Unmap().IsLoopback(),
			})
		}
	}
	slices.SortFunc(out, func(a, b fact.Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Process, b.Process))
	})
	f.Listeners = fact.Some(slices.Compact(out))
}

// socketOwners finds the program behind each socket, where the account may see it.
func (l *look) socketOwners(ctx context.Context) map[string]string {
	out := map[string]string{}
	pids, err := l.sys.list("/proc")
	if err != nil {
		return out
	}
	looked := 0
	for _, pid := range pids {
		if _, err := strconv.Atoi(pid); err != nil || ctx.Err() != nil || looked > maxHandles {
			continue
		}
		handles, err := l.sys.list("/proc/" + pid + "/fd")
		if err != nil {
			continue
		}
		comm := ""
		for _, h := range handles {
			looked++
			inode, ok := strings.CutPrefix(l.sys.link("/proc/"+pid+"/fd/"+h), "socket:[")
			if !ok {
				continue
			}
			if comm == "" {
				comm = strings.ToValidUTF8(l.sys.text("/proc/"+pid+"/comm"), "\uFFFD")
			}
			out[strings.TrimSuffix(inode, "]")] = comm
		}
	}
	return out
}

// parseSockets reads the lines of a /proc/net table that are in the state and
// have no partner.
func parseSockets(text, state string) []socket {
	var out []socket
	for _, line := range strings.Split(text, "\n") {
		w := strings.Fields(line)
		if len(w) < 10 || w[3] != state {
			continue
		}
		addr, ok := parseHexAddr(w[1])
		if remote, remoteOK := parseHexAddr(w[2]); !ok || !remoteOK || remote.Port() != 0 {
			continue
		}
		out = append(out, socket{addr: addr, inode: w[9]})
	}
	return out
}

// parseHexAddr reads the kernel's form: each 32 bits in the machine's byte order.
func parseHexAddr(s string) (netip.AddrPort, bool) {
	ip, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	p, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || (len(raw) != 4 && len(raw) != 16) {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	a, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a, uint16(p)), ok
}
