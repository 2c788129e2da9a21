package host

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// A mount is one line of /proc/self/mountinfo.
type mount struct {
	device string // major:minor
	root   string // part of the file system that is mounted
	point  string
	fs     string
	source string
}

func (l *look) mounts() []mount {
	b, err := l.sys.read("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseMounts(string(b))
}

func parseMounts(text string) []mount {
	var out []mount
	for _, line := range strings.Split(text, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 6 || len(a) < 2 {
			continue
		}
		out = append(out, mount{device: b[2], root: unescape(b[3]), point: unescape(b[4]), fs: a[0], source: unescape(a[1])})
	}
	return out
}

// unescape turns the kernel's \040 and the like back into bytes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// sealed says whether what lies on a device is encrypted.
type sealed int

const (
	sealedUnknown sealed = iota
	sealedYes
	sealedNo
)

// disks judges every mount that lies on a disk. Boot partitions hold no data
// and stay open on an encrypted machine. In a container and under a hypervisor
// an open device says nothing: what lies beneath may be encrypted.
func (l *look) disks(_ context.Context, f *fact.Host) {
	f.Container = fact.Some(l.container)
	if l.container {
		return
	}
	open, seen, unsure := []string{}, false, false
	judge := func(point string, s sealed) {
		seen = true
		switch {
		case s == sealedNo && !l.virtual:
			if !slices.Contains(open, point) {
				open = append(open, point)
			}
		case s != sealedYes:
			unsure = true
		}
	}
	for _, m := range l.mounts() {
		if !onDisk(m) {
			continue
		}
		judge(m.point, l.sealedMount(m))
	}
	for _, dev := range swaps(l.sys.text("/proc/swaps")) {
		judge("[swap] "+dev, l.sealedDevice(l.blockName(dev), 0))
	}
	slices.Sort(open)
	switch {
	case len(open) > 0:
		f.DiskEncrypted = fact.Some(false)
	case seen && !unsure:
		f.DiskEncrypted = fact.Some(true)
	}
	f.UnencryptedMounts = fact.SomeIf(open, seen && (!unsure || len(open) > 0))
}

func onDisk(m mount) bool {
	if m.point == "/boot" || strings.HasPrefix(m.point, "/boot/") || m.point == "/efi" {
		return false
	}
	if m.fs == "zfs" || m.fs == "bcachefs" {
		return true
	}
	return strings.HasPrefix(m.source, "/dev/") && m.fs != "squashfs" && m.fs != "iso9660" && m.fs != "udf" &&
		m.fs != "devtmpfs" && !strings.HasPrefix(m.source, "/dev/loop") && !strings.HasPrefix(m.source, "/dev/fuse")
}

// swaps returns the block devices that memory is swapped to; a swap file lies
// on a mount, and zram in memory.
func swaps(text string) []string {
	var out []string
	for i, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) < 2 || f[1] != "partition" || strings.HasPrefix(f[0], "/dev/zram") {
			continue
		}
		out = append(out, unescape(f[0]))
	}
	return out
}

func (l *look) sealedMount(m mount) sealed {
	if m.fs == "zfs" || m.fs == "bcachefs" {
		return sealedUnknown
	}
	name := path.Base(l.sys.link("/sys/dev/block/" + m.device))
	if name == "." {
		name = l.blockName(m.source) // btrfs and the like show a device number of their own
	}
	return l.sealedDevice(name, 0)
}

// blockName turns /dev/mapper/root or /dev/sda1 into the kernel's name of the device.
func (l *look) blockName(dev string) string {
	if to := l.sys.link(dev); to != "" {
		return path.Base(to)
	}
	return path.Base(dev)
}

// sealedDevice walks from a device to those that it lies on: it is encrypted
// where it is itself a dm-crypt device, or where everything beneath it is.
func (l *look) sealedDevice(name string, depth int) sealed {
	dir := "/sys/class/block/" + name
	if depth > 8 || name == "" || name == "." || name == "/" || !l.sys.exists(dir) {
		return sealedUnknown
	}
	if strings.HasPrefix(l.sys.text(dir+"/dm/uuid"), "CRYPT-") {
		return sealedYes
	}
	below, err := l.sys.list(dir + "/slaves")
	if err != nil || len(below) == 0 {
		if strings.HasPrefix(name, "dm-") && err != nil {
			return sealedUnknown
		}
		return sealedNo
	}
	all := sealedYes
	for _, b := range below {
		switch l.sealedDevice(b, depth+1) {
		case sealedNo:
			return sealedNo
		case sealedUnknown:
			all = sealedUnknown
		}
	}
	return all
}
