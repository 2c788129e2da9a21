package kubernetes

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/fact"
)

// releases holds the last day of fixes of each minor release.
//
//go:embed releases.csv
var releases string

var versionText = regexp.MustCompile(`^v?1\.([0-9]{1,4})(\.[0-9]+)?([-+].*)?$`)

// minor reads the minor release of a version such as v1.33.4-eks-1-33-4, and
// whether a vendor built it, who may mend it for longer.
func minor(version string) (n int, vendor string, ok bool) {
	m := versionText.FindStringSubmatch(version)
	if m == nil {
		return 0, "", false
	}
	n, err := strconv.Atoi(m[1])
	return n, m[3], err == nil
}

// supportEnd is the last instant of fixes of a minor release.
func supportEnd(n int) (time.Time, bool) {
	for line := range strings.Lines(releases) {
		name, day, ok := strings.Cut(strings.TrimSpace(line), ",")
		if !ok || name != "1."+strconv.Itoa(n) {
			continue
		}
		t, err := time.Parse(time.DateOnly, day)
		return t.Add(24*time.Hour - time.Second), err == nil
	}
	return time.Time{}, false
}

// supported says whether a version is still mended. After the project's own end
// a vendor's build may still be; its vendor says so, and we do not know.
func supported(version string, now time.Time) (is fact.Opt[bool], end fact.Opt[time.Time]) {
	n, vendor, ok := minor(version)
	if !ok {
		return is, end
	}
	last, known := supportEnd(n)
	if !known {
		return is, end
	}
	if now.After(last) {
		if longer(vendor) {
			return is, end
		}
		return fact.Some(false), fact.Some(last)
	}
	return fact.Some(true), fact.SomeIf(last, !longer(vendor))
}

func longer(vendor string) bool {
	return strings.Contains(vendor, "eks") || strings.Contains(vendor, "gke") || strings.Contains(vendor, "rke2") || strings.Contains(vendor, "-aks")
}

// maxSkew is how many minor releases a machine may be behind its control plane.
const maxSkew = 3

// outdated lists the machines whose version is no longer mended, too far behind
// the control plane, or ahead of it. A version that says nothing makes it unknown.
func outdated(nodes []apiNode, plane string, now time.Time) fact.Opt[[]string] {
	have, _, ok := minor(plane)
	out := []string{}
	for _, n := range nodes {
		v, _, readable := minor(n.Status.Info.Kubelet)
		if !readable || !ok {
			return fact.Opt[[]string]{}
		}
		is, _ := supported(n.Status.Info.Kubelet, now)
		mended, known := is.Get()
		if v > have || have-v > maxSkew || known && !mended {
			out = append(out, n.Meta.Name)
		}
	}
	return fact.Some(unique(out))
}
