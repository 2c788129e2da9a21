package postgres

import (
	_ "embed"
	"strings"
	"time"
)

// releases holds the last day of fixes of each major release.
//
//go:embed releases.csv
var releases string

// major is the major release of a version such as "15.14 (Debian 15.14-0)".
func major(version string) string {
	parts := strings.Split(number(version), ".")
	if parts[0] == "9" && len(parts) > 1 {
		return "9." + parts[1]
	}
	return parts[0]
}

// number is the version without what a distributor adds to it.
func number(version string) string {
	n, _, _ := strings.Cut(strings.TrimSpace(version), " ")
	return n
}

// supportEnd is the last instant of fixes of a release that the table knows.
func supportEnd(table, release string) (time.Time, bool) {
	for line := range strings.Lines(table) {
		name, day, ok := strings.Cut(strings.TrimSpace(line), ",")
		if !ok || name != release {
			continue
		}
		t, err := time.Parse(time.DateOnly, day)
		return t.Add(24*time.Hour - time.Second), err == nil
	}
	return time.Time{}, false
}
