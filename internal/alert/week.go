package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// weekly reads when a summary of the week leaves, as in "monday 09:00".
func weekly(at Problem, n *yaml.Node) (string, error) {
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	s = strings.Join(strings.Fields(strings.ToLower(s)), " ")
	if _, _, _, ok := weekTime(s); !ok {
		at.Line, at.What = n.Line, fmt.Sprintf("%q is not a day and a time", clip(s, 60))
		at.Do = "write a weekday in English and a time, such as monday 09:00"
		return "", &at
	}
	return s, nil
}

// weekTime reads what weekly wrote.
func weekTime(s string) (day time.Weekday, hour, minute int, ok bool) {
	name, clockText, found := strings.Cut(s, " ")
	i := slices.Index(weekdays(), name)
	hour, minute, valid := clockTime(clockText)
	if !found || i < 0 || !valid || hour == 24 {
		return 0, 0, 0, false
	}
	return time.Weekday(i), hour, minute, true
}

// NextWeekly returns the first instant after another at which the route's
// summary is due: the same hour of its clocks in every week, also where these
// change. ok is false where the route has none.
func (r Route) NextWeekly(after time.Time) (next time.Time, ok bool) {
	day, hour, minute, ok := weekTime(r.Weekly)
	if !ok {
		return time.Time{}, false
	}
	in := r.zone()
	local := after.In(in)
	d := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	d = d.AddDate(0, 0, (int(day)-int(d.Weekday())+7)%7)
	for range 3 {
		if t := localTime(d, hour, minute, in); t.After(after) {
			return t.UTC(), true
		}
		d = d.AddDate(0, 0, 7)
	}
	return time.Time{}, false
}

// WeekBefore returns when the week begins that a summary of an instant tells.
func (r Route) WeekBefore(at time.Time) time.Time {
	day := at.In(r.zone()).AddDate(0, 0, -7)
	_, hour, minute, ok := weekTime(r.Weekly)
	if !ok {
		return day.UTC()
	}
	return localTime(day, hour, minute, r.zone()).UTC()
}

// Sums says whether a summary of the route counts a group that a source's check found.
func (r Route) Sums(source string, g Group) bool {
	return anyOf(r.When.Source, source) && r.When.group(g)
}

// SortLeans puts the worst first, then the largest, then by name.
func (k *Week) SortLeans() {
	slices.SortFunc(k.Leans, func(a, b WeekLine) int {
		switch {
		case a.Severity != b.Severity:
			return int(b.Severity) - int(a.Severity)
		case a.Count != b.Count:
			return b.Count - a.Count
		}
		return strings.Compare(a.Check, b.Check)
	})
}
