package ldap

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// maxText bounds a value that is kept.
const maxText = 1000

// text returns the first non-empty value among the attributes.
func text(e *goldap.Entry, names ...string) string {
	for _, n := range names {
		if v := strings.TrimSpace(strings.ToValidUTF8(e.GetEqualFoldAttributeValue(n), "")); v != "" {
			return strings.ToValidUTF8(v[:min(len(v), maxText)], "")
		}
	}
	return ""
}

func number(e *goldap.Entry, name string) (int64, bool) {
	n, err := strconv.ParseInt(text(e, name), 10, 64)
	return n, err == nil
}

func isClass(e *goldap.Entry, names ...string) bool {
	for _, c := range e.GetEqualFoldAttributeValues("objectClass") {
		for _, n := range names {
			if strings.EqualFold(c, n) {
				return true
			}
		}
	}
	return false
}

// moment reads a GeneralizedTime such as 20260131100000Z or 20260131100000.123Z.
func moment(e *goldap.Entry, names ...string) (time.Time, bool) {
	return parseMoment(text(e, names...))
}

func parseMoment(s string) (time.Time, bool) {
	for _, layout := range []string{"20060102150405Z", "20060102150405.999999999Z", "20060102150405-0700", "200601021504Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return plausible(t.UTC())
		}
	}
	return time.Time{}, false
}

// forever is what Active Directory writes for a time that never comes.
const forever = math.MaxInt64

// fileTime reads Active Directory's 100 nanoseconds since 1601.
func fileTime(n int64) (time.Time, bool) {
	if n <= 0 || n == forever {
		return time.Time{}, false
	}
	const until1970 = 11644473600
	return plausible(time.Unix(n/1e7-until1970, n%1e7*100).UTC())
}

// days reads the days since 1970 of shadow accounts.
func days(n int64) (time.Time, bool) {
	if n < 0 || n > 1e7 {
		return time.Time{}, false
	}
	return plausible(time.Unix(n*86400, 0).UTC())
}

func plausible(t time.Time) (time.Time, bool) { return t, t.Year() >= 1900 && t.Year() < 9999 }

// interval reads Active Directory's negative 100 nanoseconds; never is true for
// a span without end.
func interval(n int64) (d time.Duration, never bool) {
	if n == math.MinInt64 || n < -math.MaxInt64/100 {
		return 0, true
	}
	return time.Duration(-n) * 100, false
}

// sidText writes a binary security identifier as S-1-5-21-…, or "".
func sidText(b []byte) string {
	if len(b) < 8 || b[0] != 1 || len(b) != 8+4*int(b[1]) {
		return ""
	}
	authority := binary.BigEndian.Uint64(append([]byte{0, 0}, b[2:8]...))
	var s strings.Builder
	fmt.Fprintf(&s, "S-1-%d", authority)
	for i := range int(b[1]) {
		fmt.Fprintf(&s, "-%d", binary.LittleEndian.Uint32(b[8+4*i:]))
	}
	return s.String()
}

// relative is the last part of a security identifier.
func relative(sid string) string { return sid[strings.LastIndexByte(sid, '-')+1:] }

// normal writes a name in one way, whatever its case, spaces and escapes; "" for
// what is no name.
func normal(dn string) string {
	d, err := goldap.ParseDN(dn)
	if err != nil || len(d.RDNs) == 0 {
		return ""
	}
	return strings.ToLower(d.String())
}
