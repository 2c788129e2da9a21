package ui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// A run is a stretch of days with the same worst status.
type run struct {
	status monitor.Status
	from   int // index of its first day
	n      int
}

func runs(days []monitor.Day) []run {
	var out []run
	for i, d := range days {
		if len(out) > 0 && out[len(out)-1].status == d.Worst {
			out[len(out)-1].n++
			continue
		}
		out = append(out, run{status: d.Worst, from: i, n: 1})
	}
	return out
}

// A mark is one path of a strip.
type mark struct{ Class, D, Width, Dash string }

// miniMarks draws a strip two units a day and 16 high.
func miniMarks(days []monitor.Day) []mark {
	var pass, unknown, na strings.Builder
	var out []mark
	for _, r := range runs(days) {
		x, w := float64(2*r.from), float64(2*r.n)
		switch r.status {
		case monitor.StatusPass:
			for i := range r.n {
				fmt.Fprintf(&pass, "M%.1f 5V12", x+float64(2*i)+.5)
			}
		case monitor.StatusUnknown:
			for i := 0; i < r.n; i += 2 {
				fmt.Fprintf(&unknown, "M%.1f 3V14", x+float64(2*i)+.5)
			}
		case monitor.StatusNotApplicable:
			fmt.Fprintf(&na, "M%.1f 11.5h%.1f", x, w)
		case monitor.StatusFail:
			w = max(w, 4)
			out = append(out, mark{Class: "f", D: fmt.Sprintf("M%.1f 0h%.1fl3.2 16h-%.1fz", x-1.6, w, w)})
		case monitor.StatusExcepted:
			w = max(w, 4)
			out = append(out, mark{Class: "e", Width: "1.1", D: fmt.Sprintf("M%.1f 3h%.1fl2.2 10.5h-%.1fz", x-1, w, w)})
		}
	}
	for _, m := range []mark{
		{Class: "p", Width: "1", D: pass.String()},
		{Class: "u", Width: "1.2", Dash: "2 2", D: unknown.String()},
		{Class: "nl", Width: "1.2", Dash: "1 3", D: na.String()},
	} {
		if m.D != "" {
			out = append([]mark{m}, out...)
		}
	}
	return out
}

// wideMarks draws half a strip eight units a day.
func wideMarks(days []monitor.Day) []mark {
	var out []mark
	for i, d := range days {
		x := float64(8*i + 4)
		switch d.Worst {
		case monitor.StatusPass:
			out = append(out, mark{Class: "p", Width: "1.6", D: fmt.Sprintf("M%.0f 8V26", x)})
		case monitor.StatusFail:
			out = append(out, mark{Class: "f", D: fmt.Sprintf("M%.0f 2h3.2l5.2 26h-3.2z", x-4)})
		case monitor.StatusUnknown:
			out = append(out, mark{Class: "u", Width: "1.8", Dash: "3.6 3.6", D: fmt.Sprintf("M%.0f 6V28", x)})
		case monitor.StatusExcepted:
			out = append(out, mark{Class: "e", Width: "1.4", D: fmt.Sprintf("M%.1f 4 %.0f 27.3M%.1f 27.6h6.8", x-2.6, x+2, x-3.4)})
		case monitor.StatusNotApplicable:
			out = append(out, mark{Class: "nl", Width: "1.6", D: fmt.Sprintf("M%.1f 24h2", x-1)})
		}
	}
	return out
}

// A label is a text on an axis.
type label struct {
	X, Y   string
	Text   string
	Anchor string
}

// months returns the first days of months among the days, as labels below half a strip.
func (e *Env) months(days []monitor.Day, last bool) []label {
	var out []label
	for i, d := range days {
		t, err := time.Parse(time.DateOnly, d.Date)
		if err != nil || t.Day() != 1 {
			continue
		}
		out = append(out, label{X: fmt.Sprint(8*i + 4), Y: "48", Text: e.Date(t, e.Now)})
	}
	if last {
		out = append(out, label{X: "360", Y: "48", Text: e.T("strip.today"), Anchor: "end"})
	}
	return out
}

// tally says in words what a strip shows.
func (e *Env) tally(days []monitor.Day) string {
	n := map[monitor.Status]int64{}
	for _, d := range days {
		n[d.Worst]++
	}
	var parts []string
	for _, s := range Statuses() {
		if n[s] > 0 {
			parts = append(parts, e.T("strip.part", "N", e.Num(n[s]), "Status", e.T("status."+string(s))))
		}
	}
	if len(parts) == 0 {
		return e.T("strip.nothing")
	}
	return e.N("strip.days", int64(len(days)), "Parts", strings.Join(parts, ", "))
}

// Statuses lists the statuses in the order of every legend.
func Statuses() []monitor.Status {
	return []monitor.Status{
		monitor.StatusPass, monitor.StatusFail, monitor.StatusUnknown,
		monitor.StatusExcepted, monitor.StatusNotApplicable,
	}
}

// Judged is the number of verdicts that a share is taken of: all but those
// that do not apply.
func Judged(c monitor.Counts) int64 { return c.Total() - c.NotApplicable }

// Share is part of whole, or 0 of nothing.
func Share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

const (
	plumbX, plumbY = 46.0, 20.0
	plumbR         = 222.0
	plumbMax       = 0.15 // beyond it the line leans no further
)

// lean returns the angle of a failing share: 2.4 degrees a point.
func lean(share float64) float64 { return min(share, plumbMax) * 240 }

func onArc(deg, r float64) (x, y float64) {
	a := deg * math.Pi / 180
	return plumbX + r*math.Sin(a), plumbY + r*math.Cos(a)
}

// A Plumb is the drawing of the first page.
type Plumb struct {
	Fail    float64 // failing share
	Unknown float64 // unknown share, on top of it
	Before  float64 // failing share 30 days ago; negative: not known
}

func (p Plumb) rotate() string { return fmt.Sprintf("rotate(%.2f 46 20)", -lean(p.Fail)) }

func (p Plumb) sector() string {
	if p.Unknown <= 0 {
		return ""
	}
	a, b := lean(p.Fail), lean(p.Fail+p.Unknown)
	if b-a < 0.4 {
		return ""
	}
	ax, ay := onArc(a, 34)
	bx, by := onArc(a, plumbR)
	cx, cy := onArc(b, plumbR)
	dx, dy := onArc(b, 34)
	return fmt.Sprintf("M%.1f %.1fL%.1f %.1fA222 222 0 0 0 %.1f %.1fL%.1f %.1fz", ax, ay, bx, by, cx, cy, dx, dy)
}

func (p Plumb) before() string {
	if p.Before < 0 {
		return ""
	}
	x, y := onArc(lean(p.Before), plumbR)
	return fmt.Sprintf("M46 20L%.1f %.1f", x, y)
}

// plumbTicks draws the scale: half points, points and labels at every five.
func (e *Env) plumbTicks() (paths []string, labels []label) {
	for i := 0; i <= 30; i++ {
		deg, long := float64(i)*1.2, 4.0
		switch {
		case i%10 == 0:
			long = 11
		case i%2 == 0:
			long = 7
		}
		ax, ay := onArc(deg, plumbR)
		bx, by := onArc(deg, plumbR+long)
		paths = append(paths, fmt.Sprintf("M%.1f %.1fL%.1f %.1f", ax, ay, bx, by))
		if i%10 == 0 {
			lx, ly := onArc(deg, plumbR+24)
			text := e.percent(e.Num(int64(i / 2)))
			if i == 0 {
				text = "0"
			}
			labels = append(labels, label{X: fmt.Sprintf("%.1f", lx), Y: fmt.Sprintf("%.1f", ly+4), Text: text, Anchor: "middle"})
		}
	}
	return paths, labels
}
