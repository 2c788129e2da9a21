package ui

import (
	"strconv"
	"strings"
	"time"
)

// nnbsp stands between a number and its unit.
const nnbsp = "\u202f"

// Num writes a whole number with its groups.
func (l *Lang) Num(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	return sign + l.group(s)
}

// group puts separators between groups of three; Spanish begins with five figures.
func (l *Lang) group(s string) string {
	if len(s) < 4 || (l.Tag == "es" && len(s) < 5) {
		return s
	}
	sep := ","
	if l.Tag != "en" {
		sep = "."
	}
	var out []string
	for len(s) > 3 {
		out = append([]string{s[len(s)-3:]}, out...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, out...), sep)
}

// Dec writes a number with the given decimals.
func (l *Lang) Dec(f float64, decimals int) string {
	s := strconv.FormatFloat(f, 'f', decimals, 64)
	whole, frac, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	out := sign + l.group(whole)
	if frac == "" {
		return out
	}
	if l.Tag == "en" {
		return out + "." + frac
	}
	return out + "," + frac
}

// Pct writes a share of 1 as a percentage with one decimal. A share that is
// neither nothing nor all is never rounded to it.
func (l *Lang) Pct(share float64) string {
	p := share * 100
	switch {
	case p > 0 && p < 0.05:
		return "<" + nnbsp + l.percent(l.Dec(0.1, 1))
	case p > 99.95 && p < 100:
		return ">" + nnbsp + l.percent(l.Dec(99.9, 1))
	}
	return l.percent(l.Dec(p, 1))
}

func (l *Lang) percent(number string) string {
	if l.Tag == "es" {
		return number + nnbsp + "%"
	}
	return number + "%"
}

func (l *Lang) month(m time.Month) string {
	switch l.Tag {
	case "pt-BR":
		return [...]string{"jan.", "fev.", "mar.", "abr.", "mai.", "jun.", "jul.", "ago.", "set.", "out.", "nov.", "dez."}[m-1]
	case "es":
		return [...]string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"}[m-1]
	default:
		return m.String()[:3]
	}
}

// Date writes a day; its year only where it is not that of now.
func (l *Lang) Date(t, now time.Time) string {
	s := strconv.Itoa(t.Day()) + "\u00a0" + l.month(t.Month())
	if t.Year() != now.Year() {
		s += "\u00a0" + strconv.Itoa(t.Year())
	}
	return s
}

// Clock writes the time of day.
func (l *Lang) Clock(t time.Time) string {
	if l.Tag == "pt-BR" {
		return t.Format("15") + "h" + t.Format("04")
	}
	return t.Format("15:04")
}

// DateTime writes a day and the time of day.
func (l *Lang) DateTime(t, now time.Time) string { return l.Date(t, now) + ", " + l.Clock(t) }

// Exact writes an instant in seconds with its zone, as evidence needs it.
func (l *Lang) Exact(t time.Time) string {
	return l.Date(t, time.Time{}) + ", " + t.Format("15:04:05 MST")
}

// Span writes a length of time in its two largest units.
func (l *Lang) Span(d time.Duration) string {
	d = d.Abs()
	unit := func(n int64, u string) string { return l.Num(n) + nnbsp + u }
	switch {
	case d == 0:
		return unit(0, "s")
	case d < time.Second:
		return unit(max(d.Milliseconds(), 1), "ms")
	case d < 10*time.Second:
		return l.Dec(d.Seconds(), 1) + nnbsp + "s"
	case d < time.Minute:
		return unit(int64(d.Seconds()), "s")
	case d < time.Hour:
		m, s := int64(d/time.Minute), int64(d%time.Minute/time.Second)
		if s == 0 || m >= 10 {
			return unit(m, "min")
		}
		return unit(m, "min") + " " + unit(s, "s")
	case d < 48*time.Hour:
		h, m := int64(d/time.Hour), int64(d%time.Hour/time.Minute)
		if m == 0 {
			return unit(h, "h")
		}
		return unit(h, "h") + " " + unit(m, "min")
	}
	return l.N("span.days", int64(d/(24*time.Hour)))
}

// Coarse writes a length of time in one unit, for columns.
func (l *Lang) Coarse(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Minute:
		return l.Num(int64(d/time.Second)) + nnbsp + "s"
	case d < time.Hour:
		return l.Num(int64(d/time.Minute)) + nnbsp + "min"
	case d < 48*time.Hour:
		return l.Num(int64(d/time.Hour)) + nnbsp + "h"
	}
	return l.Num(int64(d/(24*time.Hour))) + nnbsp + "d"
}

// Relative writes an instant as people say it within seven days of now, and
// as a date beyond.
func (l *Lang) Relative(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d > 7*24*time.Hour || d < -7*24*time.Hour:
		return l.Date(t, now)
	case d >= 0 && d < 5*time.Second:
		return l.T("time.now")
	case d >= 0:
		return l.T("time.ago", "Span", l.Coarse(d))
	}
	return l.T("time.in", "Span", l.Coarse(-d))
}

// Month is the name of a month with its year, as a heading.
func (l *Lang) Month(t time.Time) string {
	names := [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	between := " "
	switch l.Tag {
	case "pt-BR":
		names = [...]string{"Janeiro", "Fevereiro", "Março", "Abril", "Maio", "Junho", "Julho", "Agosto", "Setembro", "Outubro", "Novembro", "Dezembro"}
		between = " de "
	case "es":
		names = [...]string{"Enero", "Febrero", "Marzo", "Abril", "Mayo", "Junio", "Julio", "Agosto", "Septiembre", "Octubre", "Noviembre", "Diciembre"}
		between = " de "
	}
	return names[t.Month()-1] + between + strconv.Itoa(t.Year())
}

// Weekday is the name of a day of the week.
func (l *Lang) Weekday(d time.Weekday) string {
	switch l.Tag {
	case "pt-BR":
		return [...]string{"domingo", "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado"}[d]
	case "es":
		return [...]string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"}[d]
	}
	return d.String()
}

// WeekdayShort is Weekday where there is little room.
func (l *Lang) WeekdayShort(d time.Weekday) string {
	switch l.Tag {
	case "pt-BR":
		return [...]string{"dom", "seg", "ter", "qua", "qui", "sex", "sáb"}[d]
	case "es":
		return [...]string{"dom", "lun", "mar", "mié", "jue", "vie", "sáb"}[d]
	}
	return d.String()[:3]
}
