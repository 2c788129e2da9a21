package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// A Span is a length of time that is written as in "4h" or "30m".
type Span time.Duration

// MarshalText writes it as it is read.
func (s Span) MarshalText() ([]byte, error) {
	text := time.Duration(s).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-len(zero)+1]
		}
	}
	return []byte(text), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = Span(d)
	return err
}

// weekdays are written in English, as keys are.
func weekdays() []string {
	return []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
}

// A Quiet is a stretch of the day, on some weekdays, in which messages are held.
type Quiet struct {
	Days     []string `json:"days,omitempty"` // on which it begins; none: every day
	From     string   `json:"from"`           // 20:00
	To       string   `json:"to"`             // 08:00, of the next day where it is not later than From; 24:00 is the day's end
	Critical bool     `json:"critical"`       // what is critical is told all the same
}

// clockTime reads 08:30; 24:00 is allowed.
func clockTime(s string) (hour, minute int, ok bool) {
	h, m, found := strings.Cut(s, ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	ok = found && len(h) == 2 && len(m) == 2 && err1 == nil && err2 == nil && hour >= 0 && minute >= 0 && minute < 60 &&
		(hour < 24 || hour == 24 && minute == 0)
	return hour, minute, ok
}

// localTime is the instant at which the clocks of a place show a time on a
// day. A time that a change of the clocks leaves out is the instant of the
// change; of one that comes twice it is the first.
func localTime(day time.Time, hour, minute int, in *time.Location) time.Time {
	y, m, d := day.Date()
	t := time.Date(y, m, d, hour, minute, 0, 0, in)
	want := time.Date(y, m, d, hour, minute, 0, 0, time.UTC)
	start, end := t.ZoneBounds()
	switch shown := wall(t); {
	case shown.Before(want):
		return end
	case shown.After(want):
		return start
	case start.IsZero():
		return t
	}
	_, now := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	if first := t.Add(-time.Duration(before-now) * time.Second); before > now && first.Before(start) && wall(first).Equal(want) {
		return first
	}
	return t
}

// wall is what the clocks show, as if it were UTC.
func wall(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// zone returns the place of the route's times.
func (r Route) zone() *time.Location {
	if loc, err := time.LoadLocation(r.Zone); err == nil {
		return loc
	}
	return time.UTC
}

// span is the stretch of a quiet time that begins on a day.
func (q Quiet) span(day time.Time, in *time.Location) (from, to time.Time) {
	fh, fm, _ := clockTime(q.From)
	th, tm, _ := clockTime(q.To)
	end := day
	if th*60+tm <= fh*60+fm {
		end = day.AddDate(0, 0, 1)
	}
	return localTime(day, fh, fm, in), localTime(end, th, tm, in)
}

// maxQuiet is how many stretches of quiet may follow each other without a gap.
const maxQuiet = 16

// QuietUntil returns when a message that is due at an instant may leave, or
// zero if it may leave at once.
func (r Route) QuietUntil(at time.Time, critical bool) time.Time {
	t, in := at, r.zone()
	for range maxQuiet {
		next := r.quietEnd(t, critical, in)
		if next.IsZero() {
			break
		}
		t = next
	}
	if t.Equal(at) {
		return time.Time{}
	}
	return t.UTC()
}

// quietEnd is the end of the longest stretch of quiet that covers an instant; zero: none does.
func (r Route) quietEnd(t time.Time, critical bool, in *time.Location) time.Time {
	var end time.Time
	local := t.In(in)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for _, q := range r.Quiet {
		for _, d := range []time.Time{day.AddDate(0, 0, -1), day} {
			from, to := q.span(d, in)
			on := len(q.Days) == 0 || slices.Contains(q.Days, weekdays()[d.Weekday()])
			if on && (!critical || !q.Critical) && !t.Before(from) && to.After(t) && to.After(end) {
				end = to
			}
		}
	}
	return end
}

// neverLoud reports that quiet follows quiet for as long as one looks.
func (r Route) neverLoud() bool {
	if len(r.Quiet) == 0 {
		return false
	}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	until := r.QuietUntil(at, false)
	return !until.IsZero() && !r.quietEnd(until, false, r.zone()).IsZero()
}

// A Step tells further people while nobody has taken care.
type Step struct {
	After    Span                      `json:"after"`
	Severity []string                  `json:"severity,omitempty"` // none: all that the route tells
	To       map[string]channel.Target `json:"to"`
}
