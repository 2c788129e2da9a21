package host

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// updates counts the security updates that wait, from the package lists that
// the machine has: it fetches nothing. Without lists the answer is unknown.
func (l *look) updates(ctx context.Context, f *fact.Host) {
	if l.sys.program("apt-get") != "" {
		l.aptUpdates(ctx, f)
		return
	}
	if l.sys.program("dnf") == "" {
		return
	}
	if t, ok := l.newest("/var/cache/dnf/last_makecache", "/var/cache/dnf", "/var/cache/libdnf5"); ok {
		f.UpdatesCheckedAt = fact.Some(t)
	}
	osr := parseOSRelease(l.sys.text("/etc/os-release"))
	if osr["ID"] == "centos" {
		return // its repositories do not say which updates are about security
	}
	out, err := l.command(ctx, "security_updates", 12*time.Second, "dnf", "-C", "-q", "updateinfo", "list", "--security", "--updates")
	if err == nil {
		f.SecurityUpdates = fact.Some(dnfSecurity(string(out)))
	}
}

func (l *look) aptUpdates(ctx context.Context, f *fact.Host) {
	lists, err := l.sys.list("/var/lib/apt/lists")
	if err != nil {
		return
	}
	hasSecurity := slices.ContainsFunc(lists, func(n string) bool {
		return strings.Contains(n, "security") && (strings.HasSuffix(n, "Release") || strings.Contains(n, "Packages"))
	})
	if !hasSecurity {
		return // no list of a security archive: nothing waiting would be a guess
	}
	if t, ok := l.newest("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists/partial", "/var/lib/apt/lists"); ok {
		f.UpdatesCheckedAt = fact.Some(t)
	}
	out, err := l.command(ctx, "security_updates", 12*time.Second, "apt-get",
		"-s", "-q", "-o", "Debug::NoLocking=1", "-o", "APT::Get::Show-User-Simulation-Note=0", "dist-upgrade")
	if err == nil {
		f.SecurityUpdates = fact.Some(aptSecurity(string(out)))
	}
}

func (l *look) newest(names ...string) (time.Time, bool) {
	var best time.Time
	for _, n := range names {
		if t, ok := l.sys.changed(n); ok && t.After(best) {
			best = t
		}
	}
	return best, !best.IsZero()
}

// aptSecurity counts the installed packages that a simulated upgrade would
// replace from a security archive:
//
//	Inst libc6 [2.36-9] (2.36-9+deb12u9 Debian-Security:12/stable-security [amd64])
func aptSecurity(text string) int64 {
	var n int64
	for _, line := range strings.Split(text, "\n") {
		rest, ok := strings.CutPrefix(line, "Inst ")
		if !ok {
			continue
		}
		old := strings.IndexByte(rest, '[')
		from := strings.IndexByte(rest, '(')
		if old < 0 || from < 0 || old > from {
			continue // a new package, not an update
		}
		origin, _, _ := strings.Cut(rest[from:], ")")
		if strings.Contains(origin, "Debian-Security:") || strings.Contains(origin, "-security") {
			n++
		}
	}
	return n
}

// dnfSecurity counts the packages in dnf's list of security advisories: the
// advisory, its severity and the package on each line.
func dnfSecurity(text string) int64 {
	seen := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		w := strings.Fields(line)
		if len(w) >= 3 && strings.ContainsAny(w[0], "-:") && strings.Contains(w[0], "20") {
			seen[w[2]] = true
		}
	}
	return int64(len(seen))
}

// automatic says whether security updates install themselves: the setting, the
// program that it starts, and what starts that.
func (l *look) automatic(ctx context.Context, f *fact.Host) {
	switch {
	case l.sys.program("apt-config") != "":
		out, err := l.command(ctx, "automatic_updates", 3*time.Second, "apt-config", "dump")
		if err != nil {
			return
		}
		c := aptConfig(string(out))
		on := c.number("APT::Periodic::Unattended-Upgrade") && c.number("APT::Periodic::Update-Package-Lists") &&
			c.number("APT::Periodic::Enable") && l.sys.program("unattended-upgrade") != ""
		if !on {
			f.AutomaticUpdates = fact.Some(false)
			return
		}
		f.AutomaticUpdates = l.timer("apt-daily-upgrade.timer", l.sys.exists("/etc/cron.daily/apt-compat"))
	case l.sys.program("dnf") != "":
		b, err := l.sys.read("/etc/dnf/automatic.conf")
		if err != nil {
			f.AutomaticUpdates = fact.SomeIf(false, isAbsent(err))
			return
		}
		installs := l.timer("dnf-automatic-install.timer", false).Or(false)
		plain := l.timer("dnf-automatic.timer", false).Or(false) || l.timer("dnf5-automatic.timer", false).Or(false)
		if installs || plain && iniYes(string(b), "apply_updates") {
			f.AutomaticUpdates = fact.Some(true)
			return
		}
		f.AutomaticUpdates = fact.SomeIf(false, l.systemd)
	}
}

// timer reports whether systemd starts a timer, or cron does in its place. On a
// machine where neither runs nobody knows what starts it.
func (l *look) timer(name string, cron bool) fact.Opt[bool] {
	if l.systemd {
		if l.sys.link("/etc/systemd/system/"+name) == "/dev/null" {
			return fact.Some(false)
		}
		return fact.Some(len(l.sys.glob("/etc/systemd/system/*.wants/"+name)) > 0 || len(l.sys.glob("/usr/lib/systemd/system/*.wants/"+name)) > 0)
	}
	if runs, _ := l.procs.any("cron", "crond", "anacron"); runs && cron {
		return fact.Some(true)
	}
	return fact.Opt[bool]{}
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// An aptSettings is apt's configuration in force.
type aptSettings map[string]string

// number reports a setting that is on; apt counts days, and "always" is on too.
// Enable is on unless it says otherwise.
func (c aptSettings) number(key string) bool {
	v, ok := c[key]
	if !ok {
		return strings.HasSuffix(key, "::Enable")
	}
	return v != "0" && v != ""
}

// aptConfig reads the answer of `apt-config dump`: lines of KEY "value";.
func aptConfig(text string) aptSettings {
	c := aptSettings{}
	for _, line := range strings.Split(text, "\n") {
		k, v, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok {
			c[k] = strings.Trim(strings.TrimSuffix(v, ";"), `"`)
		}
	}
	return c
}

func iniYes(text, key string) bool {
	for _, line := range strings.Split(text, "\n") {
		k, v, ok := strings.Cut(line, "=")
		if ok && strings.TrimSpace(k) == key {
			v = strings.ToLower(strings.TrimSpace(v))
			return v == "yes" || v == "true" || v == "1"
		}
	}
	return false
}
