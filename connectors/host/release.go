package host

import (
	"context"
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// releases holds the last day of security fixes of each release, for machines
// that do not carry that knowledge themselves.
//
//go:embed releases.csv
var releases string

// release says which system it is and until when its maker mends it. The
// machine's own knowledge (os-release's SUPPORT_END, the distro-info tables)
// is asked before ours.
func (l *look) release(_ context.Context, f *fact.Host) {
	f.Kernel = fact.SomeIf(l.sys.kernel(), l.sys.kernel() != "")
	if t, ok := bootTime(l.sys.text("/proc/stat")); ok && !l.container {
		f.BootedAt = fact.Some(t)
	}
	b, err := l.sys.read("/etc/os-release")
	if err != nil {
		if b, err = l.sys.read("/usr/lib/os-release"); err != nil {
			return
		}
	}
	osr := parseOSRelease(string(b))
	name := osr["PRETTY_NAME"]
	if name == "" {
		name = strings.TrimSpace(osr["NAME"] + " " + osr["VERSION_ID"])
	}
	f.OS = fact.SomeIf(name, name != "")
	end, ok := l.supportEnd(osr)
	if !ok {
		return
	}
	f.SupportEndsAt = fact.Some(end)
	f.Supported = fact.Some(l.now().Before(end))
}

func (l *look) supportEnd(osr map[string]string) (time.Time, bool) {
	if t, err := time.Parse(time.DateOnly, osr["SUPPORT_END"]); err == nil {
		return endOf(t), true
	}
	id, version := osr["ID"], osr["VERSION_ID"]
	if version == "" {
		return time.Time{}, false // rolling: every update is the newest
	}
	var t time.Time
	var ok bool
	if id == "debian" || id == "ubuntu" {
		t, ok = distroInfo(l.sys.text("/usr/share/distro-info/"+id+".csv"), version, l.column(id))
	}
	if !ok {
		t, ok = releaseEnd(releases, id, version)
	}
	return endOf(t), ok
}

// column is the column of the distro-info table with the last day of the fixes
// that this machine gets: Debian's LTS comes through the same archive, Ubuntu's
// extended fixes only to machines that are attached to Ubuntu Pro.
func (l *look) column(id string) string {
	if id == "debian" {
		return "eol-lts"
	}
	var pro struct {
		Attached bool `json:"attached"`
		Services []struct{ Name, Status string }
	}
	if b, err := l.sys.read("/var/lib/ubuntu-advantage/status.json"); err == nil && json.Unmarshal(b, &pro) == nil && pro.Attached {
		for _, s := range pro.Services {
			if s.Name == "esm-infra" && s.Status == "enabled" {
				return "eol-esm"
			}
		}
	}
	return "eol"
}

// endOf is the last instant of the day.
func endOf(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, time.UTC)
}

// distroInfo finds a release in one of the tables of Debian's package
// distro-info-data. A release without the column's date falls back to its eol.
func distroInfo(table, version, column string) (time.Time, bool) {
	lines := strings.Split(table, "\n")
	head := strings.Split(lines[0], ",")
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, v := range strings.Split(line, ",") {
			if i < len(head) {
				row[head[i]] = v
			}
		}
		number, _, _ := strings.Cut(row["version"], " ")
		if number == "" || number != version {
			continue
		}
		for _, c := range []string{column, "eol"} {
			if t, err := time.Parse(time.DateOnly, row[c]); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// releaseEnd finds a release in our table, by its whole version or by its major one.
func releaseEnd(table, id, version string) (time.Time, bool) {
	for try := version; try != ""; {
		for _, line := range strings.Split(table, "\n") {
			c := strings.Split(line, ",")
			if len(c) == 3 && c[0] == id && c[1] == try {
				t, err := time.Parse(time.DateOnly, strings.TrimSpace(c[2]))
				return t, err == nil
			}
		}
		i := strings.LastIndex(try, ".")
		if i < 0 {
			break
		}
		try = try[:i]
	}
	return time.Time{}, false
}

// parseOSRelease reads KEY=value lines with the shell's simple quotes.
func parseOSRelease(text string) map[string]string {
	out := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(k, "#") {
			continue
		}
		if len(v) >= 2 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0] {
			v = v[1 : len(v)-1]
		}
		out[k] = strings.ToValidUTF8(v, "\uFFFD")
	}
	return out
}

func bootTime(stat string) (time.Time, bool) {
	for _, line := range strings.Split(stat, "\n") {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			return time.Unix(n, 0).UTC(), err == nil && n > 0
		}
	}
	return time.Time{}, false
}
