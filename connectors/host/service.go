package host

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/fact"
)

// clock asks the kernel whether its time is kept in step. A container has the
// clock of its host.
func (l *look) clock(_ context.Context, f *fact.Host) {
	if l.container {
		return
	}
	f.TimeSynchronised = fact.SomeIf(l.sys.inStep())
}

// logs says whether a system log is kept: rsyslog or syslog-ng runs, or the
// journal is on disk. A forwarder is known by its program or by rsyslog's rules;
// finding none proves nothing, since there are more than we know.
func (l *look) logs(_ context.Context, f *fact.Host) {
	syslog, known := l.procs.any("rsyslogd", "syslog-ng", "syslogd", "metalog")
	journald, _ := l.procs.any("systemd-journald")
	kept := journald && len(l.sys.glob("/var/log/journal/*/*.journal")) > 0
	f.Logging = fact.SomeIf(syslog || kept, syslog || kept || known)
	forwarder, _ := l.procs.any("vector", "fluent-bit", "fluentd", "td-agent", "filebeat", "promtail", "alloy", "otelcol", "otelcol-contrib",
		"splunkd", "nxlog", "systemd-journal-upload", "amazon-cloudwatch-agent", "google_cloud_ops_agent", "wazuh-logcollector", "datadog-agent")
	if forwarder || syslog && l.rsyslogForwards() {
		f.LogsForwarded = fact.Some(true)
	} else if v, ok := f.Logging.Get(); ok && !v {
		f.LogsForwarded = fact.Some(false)
	}
	audit, known := l.procs.any("auditd", "auditbeat", "go-audit")
	f.AuditDaemon = fact.SomeIf(audit, audit || known)
}

func (l *look) rsyslogForwards() bool {
	for _, name := range append([]string{"/etc/rsyslog.conf"}, l.sys.glob("/etc/rsyslog.d/*.conf")...) {
		if rsyslogForwards(l.sys.text(name)) {
			return true
		}
	}
	return false
}

// rsyslogForwards finds a rule that sends events to another machine, in the
// classic form (*.* @@host) or as an action (omfwd, omrelp).
func rsyslogForwards(text string) bool {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Contains(line, `"omfwd"`) || strings.Contains(line, `"omrelp"`) {
			return true
		}
		if w := strings.Fields(line); len(w) == 2 && strings.HasPrefix(w[1], "@") && strings.Contains(w[0], ".") {
			return true
		}
	}
	return false
}

// restart says whether an installed update waits for a restart: Debian's marker,
// or a newer kernel on disk than the one that runs.
func (l *look) restart(_ context.Context, f *fact.Host) {
	if l.container {
		return
	}
	if l.sys.exists("/run/reboot-required") || l.sys.exists("/var/run/reboot-required") {
		f.RebootNeeded = fact.Some(true)
		return
	}
	running := l.sys.kernel()
	var installed []string
	for _, p := range l.sys.glob("/boot/vmlinuz-*") {
		if v := strings.TrimPrefix(p, "/boot/vmlinuz-"); !strings.Contains(v, "rescue") {
			installed = append(installed, v)
		}
	}
	if running == "" || !slices.Contains(installed, running) {
		return // the kernel comes from elsewhere
	}
	newer := slices.ContainsFunc(installed, func(v string) bool { return compareVersions(v, running) > 0 })
	f.RebootNeeded = fact.Some(newer)
}

// compareVersions compares kernel versions number by number.
func compareVersions(a, b string) int {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '-' || r == '_' || r == '+' })
	}
	as, bs := split(a), split(b)
	for i := range min(len(as), len(bs)) {
		x, xerr := strconv.Atoi(as[i])
		y, yerr := strconv.Atoi(bs[i])
		switch {
		case xerr == nil && yerr == nil && x != y:
			return x - y
		case xerr != nil || yerr != nil:
			if c := strings.Compare(as[i], bs[i]); c != 0 {
				return c
			}
		}
	}
	return len(as) - len(bs)
}
