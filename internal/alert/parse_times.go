package alert

import (
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Limits of a route's times.
const (
	minRepeat  = 5 * time.Minute
	maxRepeat  = 30 * 24 * time.Hour
	minAfter   = time.Minute
	maxSteps   = 20
	maxWindows = 20
)

// routeKeys are the keys of a route.
func routeKeys() []string {
	return []string{"name", "when", "to", "detail", "language", "recoveries", "repeat", "escalate", "time_zone", "quiet", "weekly"}
}

// setTimes reads the fields of a route that say when.
func (p Parser) setTimes(r *Route, at Problem, f field) (err error) {
	switch f.name {
	case "repeat":
		r.Repeat, err = span(at, f.value, minRepeat, maxRepeat)
	case "escalate":
		r.Escalate, err = p.steps(at, f.value)
	case "time_zone":
		r.Zone, err = timeZone(at, f.value)
	case "quiet":
		r.Quiet, err = quiets(at, f.value)
	case "weekly":
		r.Weekly, err = weekly(at, f.value)
	}
	return err
}

func boolean(at Problem, n *yaml.Node) (bool, error) {
	var b bool
	if n.Tag != "!!bool" || n.Decode(&b) != nil {
		at.Line, at.What, at.Do = n.Line, "is not true or false", "write true or false"
		return false, &at
	}
	return b, nil
}

func span(at Problem, n *yaml.Node, least, most time.Duration) (Span, error) {
	s, err := text(at, n)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most {
		at.Line, at.What = n.Line, fmt.Sprintf("%q is not a time from %s to %s", clip(s, 60), short(least), short(most))
		at.Do = "write hours and minutes, such as 4h or 30m"
		return 0, &at
	}
	return Span(d), nil
}

func short(d time.Duration) string {
	text, err := Span(d).MarshalText()
	if err != nil {
		return d.String()
	}
	return string(text)
}

func timeZone(at Problem, n *yaml.Node) (string, error) {
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	if _, err := time.LoadLocation(s); err != nil || strings.EqualFold(s, "local") {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q is not a time zone", clip(s, 60)), "write one such as America/Sao_Paulo or UTC"
		return "", &at
	}
	return s, nil
}

// items are the entries of a list, or the one that stands there without a list.
func items(at Problem, n *yaml.Node, most int) ([]*yaml.Node, error) {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}, nil
	}
	at.Line = n.Line
	if len(n.Content) == 0 {
		at.What, at.Do = "is an empty list", "leave it out, or write at least one entry"
		return nil, &at
	}
	if len(n.Content) > most {
		at.What = fmt.Sprintf("has more than %d entries", most)
		return nil, &at
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for _, c := range n.Content {
		out = append(out, resolve(c))
	}
	return out, nil
}

func (p Parser) steps(at Problem, n *yaml.Node) ([]Step, error) {
	nodes, err := items(at, n, maxSteps)
	if err != nil {
		return nil, err
	}
	var out []Step
	for _, n := range nodes {
		var s Step
		list, err := fields(at, n, []string{"after", "severity", "to"})
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			at := at
			at.Field += "." + f.name
			switch f.name {
			case "after":
				s.After, err = span(at, f.value, minAfter, maxRepeat)
			case "severity":
				s.Severity, err = texts(at, f.value, severities())
			case "to":
				s.To, err = p.to(at, f.value)
			}
			if err != nil {
				return nil, err
			}
		}
		at := at
		at.Line = n.Line
		if s.After == 0 {
			at.What, at.Do = "has a step without after", "say after how long, as in after: 30m"
			return nil, &at
		}
		if len(s.To) == 0 {
			at.What, at.Do = "has a step without to", "say whom to tell then"
			return nil, &at
		}
		out = append(out, s)
	}
	return out, nil
}

func clock(at Problem, n *yaml.Node, midnight bool) (string, error) {
	s, err := text(at, n)
	if err != nil {
		return "", err
	}
	if _, _, ok := clockTime(s); !ok || s == "24:00" && !midnight {
		at.Line, at.What, at.Do = n.Line, fmt.Sprintf("%q is not a time of day", clip(s, 60)), `write hours and minutes in quotes, such as "08:30"`
		return "", &at
	}
	return s, nil
}

func quiets(at Problem, n *yaml.Node) ([]Quiet, error) {
	nodes, err := items(at, n, maxWindows)
	if err != nil {
		return nil, err
	}
	var out []Quiet
	for _, n := range nodes {
		q := Quiet{Critical: true}
		list, err := fields(at, n, []string{"from", "to", "days", "critical"})
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			at := at
			at.Field += "." + f.name
			switch f.name {
			case "from":
				q.From, err = clock(at, f.value, false)
			case "to":
				q.To, err = clock(at, f.value, true)
			case "days":
				q.Days, err = texts(at, f.value, weekdays())
			case "critical":
				q.Critical, err = boolean(at, f.value)
			}
			if err != nil {
				return nil, err
			}
		}
		if q.From == "" || q.To == "" {
			at := at
			at.Line, at.What, at.Do = n.Line, "needs from and to", `write them as in {from: "20:00", to: "08:00"}`
			return nil, &at
		}
		out = append(out, q)
	}
	return out, nil
}
