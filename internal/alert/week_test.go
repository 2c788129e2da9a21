package alert

import (
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// TestWeeklyKeepsItsHour walks over the changes of clocks.
func TestWeeklyKeepsItsHour(t *testing.T) {
	for _, c := range []struct{ zone, weekly, after, want, begin string }{
		{"", "monday 09:00", "2026-11-23T08:59:59Z", "2026-11-23T09:00:00Z", "2026-11-16T09:00:00Z"},
		{"", "monday 09:00", "2026-11-23T09:00:00Z", "2026-11-30T09:00:00Z", "2026-11-23T09:00:00Z"},
		{"America/Sao_Paulo", "monday 09:00", "2026-11-23T11:59:00Z", "2026-11-23T12:00:00Z", "2026-11-16T12:00:00Z"},
		// Berlin goes forward on 29 March 2026 and back on 25 October.
		{"Europe/Berlin", "monday 09:00", "2026-03-23T08:00:00Z", "2026-03-30T07:00:00Z", "2026-03-23T08:00:00Z"},
		{"Europe/Berlin", "monday 09:00", "2026-10-19T07:00:00Z", "2026-10-26T08:00:00Z", "2026-10-19T07:00:00Z"},
		{"Europe/Berlin", "sunday 02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-22T01:30:00Z"}, // left out
		{"Europe/Berlin", "sunday 02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-18T00:30:00Z"}, // twice: the first
		{"Europe/Berlin", "sunday 02:30", "2026-10-25T00:30:00Z", "2026-11-01T01:30:00Z", "2026-10-25T00:30:00Z"},
		{"Pacific/Kiritimati", "monday 00:00", "2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z", "2026-11-15T10:00:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		r := Route{Zone: c.zone, Weekly: c.weekly}
		got, ok := r.NextWeekly(after)
		if s := got.Format(time.RFC3339); !ok || s != c.want {
			t.Errorf("%s in %q after %s: got %s, want %s", c.weekly, c.zone, c.after, s, c.want)
		}
		if s := r.WeekBefore(got).Format(time.RFC3339); s != c.begin {
			t.Errorf("%s in %q: the week of %s begins at %s, want %s", c.weekly, c.zone, c.want, s, c.begin)
		}
	}
	if _, ok := (Route{}).NextWeekly(time.Unix(0, 0)); ok {
		t.Error("a route without a summary has one")
	}
}

// FuzzWeekly holds that what is accepted has a next instant, in every place.
func FuzzWeekly(f *testing.F) {
	for _, s := range []string{"monday 09:00", " Friday   23:59", "monday", "monday 24:00", "someday 09:00", "monday 9:00", ""} {
		f.Add(s, int64(1790000000))
	}
	f.Fuzz(func(t *testing.T, s string, sec int64) {
		got, err := weekly(Problem{Route: "x", Field: "weekly"}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: 3})
		if err != nil {
			if !strings.Contains(err.Error(), "weekly") || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("%q: the problem names no place: %v", s, err)
			}
			return
		}
		after := time.Unix(sec%(1<<32), 0)
		for _, zone := range []string{"", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"} {
			next, ok := (Route{Zone: zone, Weekly: got}).NextWeekly(after)
			if gap := next.Sub(after); !ok || gap <= 0 || gap > 8*24*time.Hour {
				t.Errorf("%q in %q after %s: %s, %v", got, zone, after, next, ok)
			}
		}
	})
}
