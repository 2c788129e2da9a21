package ui

import (
	"fmt"
	"strings"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// A trend draws the failing share of days, with the unknown share on top.
type trend struct {
	Line, Area string
	Grid       []label // their Y is the line's
	Dates      []label
	LastX      string
	LastY      string
	Low, High  float64
	Now        float64
	Drawn      bool
}

const (
	trendW   = 496.0
	trendTop = 18.0
	trendBot = 186.0
)

// trendOf makes the drawing; days without a judged verdict break nothing but
// are left out.
func (e *Env) trendOf(days []monitor.Day) trend {
	t := trend{Low: 1}
	top := 0.0
	for _, d := range days {
		j := Judged(d.Counts)
		if j == 0 {
			continue
		}
		f := Share(d.Counts.Fail, j)
		t.Low, t.High, t.Now = min(t.Low, f), max(t.High, f), f
		top = max(top, f+Share(d.Counts.Unknown, j))
		t.Drawn = true
	}
	if !t.Drawn {
		t.Low = 0
		return t
	}
	step := niceStep(top)
	scale := step * 3
	x := func(i int) float64 { return trendW * float64(i) / float64(max(len(days)-1, 1)) }
	y := func(v float64) float64 { return trendBot - (trendBot-trendTop)*min(v/scale, 1) }
	var line, back []string
	for i, d := range days {
		j := Judged(d.Counts)
		if j == 0 {
			continue
		}
		f := Share(d.Counts.Fail, j)
		line = append(line, fmt.Sprintf("%.1f %.1f", x(i), y(f)))
		back = append([]string{fmt.Sprintf("%.1f %.1f", x(i), y(f+Share(d.Counts.Unknown, j)))}, back...)
		t.LastX, t.LastY = fmt.Sprintf("%.1f", x(i)), fmt.Sprintf("%.1f", y(f))
	}
	t.Line = "M" + strings.Join(line, "L")
	t.Area = "M" + strings.Join(line, "L") + "L" + strings.Join(back, "L") + "z"
	for i := range 4 {
		v := step * float64(i)
		t.Grid = append(t.Grid, label{Y: fmt.Sprintf("%.1f", y(v)), Text: e.percent(e.gridNumber(v*100, step*100))})
	}
	t.Dates = e.trendDates(days, x)
	return t
}

func (e *Env) gridNumber(v, step float64) string {
	if step < 1 {
		return e.Dec(v, 1)
	}
	return e.Dec(v, 0)
}

func (e *Env) trendDates(days []monitor.Day, x func(int) float64) []label {
	var out []label
	for i := 0; i < len(days)-15; i += 30 {
		d, err := time.Parse(time.DateOnly, days[i].Date)
		if err != nil {
			continue
		}
		out = append(out, label{X: fmt.Sprintf("%.1f", x(i)), Y: "204", Text: e.Date(d, e.Now)})
	}
	return append(out, label{X: fmt.Sprintf("%.0f", trendW), Y: "204", Text: e.T("strip.today"), Anchor: "end"})
}

// niceStep returns a third of a scale that holds top.
func niceStep(top float64) float64 {
	for _, s := range []float64{.005, .01, .02, .05, .1, .2, .25, .34} {
		if top <= s*3 {
			return s
		}
	}
	return .34
}
