package host

import (
	"bytes"
	"strconv"
	"strings"
)

// setting finds out what kind of machine it is; the parts need to know before they ask.
func (l *look) setting() {
	l.name = "localhost"
	if name, err := l.sys.hostname(); err == nil && name != "" {
		l.name = name
	}
	l.systemd = l.sys.exists("/run/systemd/system")
	l.container = l.isContainer()
	l.virtual = l.isVirtual()
	l.procs = l.readProcesses()
}

// isContainer looks for what container engines leave behind. A marker file
// alone is not enough: virtual machines are made from container images too, and
// then the root is a block device of their own.
func (l *look) isContainer() bool {
	if l.sys.exists("/run/systemd/container") || l.sys.exists("/run/.containerenv") {
		return true
	}
	if env, err := l.sys.read("/proc/1/environ"); err == nil {
		for _, v := range bytes.Split(env, []byte{0}) {
			if bytes.HasPrefix(v, []byte("container=")) {
				return true
			}
		}
	}
	for _, word := range []string{"/docker", "/kubepods", "/lxc", "/containerd", "/libpod", "/crio"} {
		if strings.Contains(l.sys.text("/proc/1/cgroup"), word) {
			return true
		}
	}
	for _, m := range l.mounts() {
		if m.point == "/" {
			ownDisk := strings.HasPrefix(m.source, "/dev/") && m.root == "/"
			return m.fs == "overlay" || l.sys.exists("/.dockerenv") && !ownDisk
		}
	}
	return l.sys.exists("/.dockerenv")
}

// isVirtual reports that a hypervisor lies beneath: what it does with the
// disks' blocks is out of the machine's sight.
func (l *look) isVirtual() bool {
	for _, line := range strings.Split(l.sys.text("/proc/cpuinfo"), "\n") {
		if name, flags, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "flags" {
			return strings.Contains(" "+flags+" ", " hypervisor ")
		}
	}
	if l.sys.exists("/sys/hypervisor/type") || l.sys.exists("/proc/device-tree/hypervisor") {
		return true
	}
	dmi := strings.ToLower(l.sys.text("/sys/class/dmi/id/sys_vendor") + " " + l.sys.text("/sys/class/dmi/id/product_name"))
	for _, maker := range []string{"qemu", "kvm", "vmware", "virtualbox", "xen", "virtual machine", "amazon ec2", "google compute", "openstack", "parallels", "bhyve"} {
		if strings.Contains(dmi, maker) && !strings.Contains(dmi, "metal") {
			return true
		}
	}
	return false
}

// processes are the names of the programs that run.
type processes struct {
	names  map[string]bool
	hidden bool // the account sees its own processes only
}

// any reports whether one of the programs runs. Where not all processes can be
// seen, or the machine is a container, finding none says nothing.
func (p processes) any(names ...string) (runs, known bool) {
	for _, n := range names {
		if len(n) > 15 {
			n = n[:15] // the kernel keeps 15 bytes of a name
		}
		if p.names[n] {
			return true, true
		}
	}
	return false, !p.hidden
}

func (l *look) readProcesses() processes {
	p := processes{names: map[string]bool{}, hidden: l.container}
	names, err := l.sys.list("/proc")
	if err != nil || !l.sys.exists("/proc/1") {
		p.hidden = true
	}
	for _, pid := range names {
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		if comm := l.sys.text("/proc/" + pid + "/comm"); comm != "" {
			p.names[comm] = true
		}
	}
	return p
}
