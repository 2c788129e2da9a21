package alert

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// owner is who answers for everything in the message, if it is one.
func (w writer) owner() (name string, same bool) {
	for i, g := range w.groups {
		if i > 0 && g.Owner != name {
			return "", false
		}
		name = g.Owner
	}
	return name, true
}

func (w writer) ownerWord(name string) string {
	if name = tidy(name, maxShort); name == "" {
		return w.say("nobody", nil)
	}
	return name
}

// block writes one check and as many of its things as there is room for.
func (w writer) block(g Group, room *int) block {
	b := block{Count: g.Count, Title: tidy(g.Title.In(w.lang), maxLong), Fix: tidy(g.Fix.In(w.lang), maxLong)}
	id := tidy(g.Check, maxShort)
	if b.Title == "" {
		b.Title = id
	}
	b.Facts = append(b.Facts, pair{w.say("label_check", nil), id}, pair{w.say("label_severity", nil), w.severity(g.Severity)})
	if _, same := w.owner(); !same {
		b.Facts = append(b.Facts, pair{w.say("label_owner", nil), w.ownerWord(g.Owner)})
	}
	if len(g.Controls) > 0 {
		names := make([]string, 0, len(g.Controls))
		for _, c := range g.Controls {
			names = append(names, controlName(c, w.lang))
		}
		b.Facts = append(b.Facts, pair{w.count("label_controls", len(names), nil), strings.Join(names, "; ")})
	}
	if w.event.Kind == monitor.CauseRecovered {
		b.Fix = ""
	}
	shown := min(len(g.Items), *room)
	*room -= shown
	for _, i := range g.Items[:shown] {
		b.Items = append(b.Items, w.thing(i))
	}
	if rest := g.Count - shown; rest > 0 {
		b.More = w.count("more", rest, nil)
	}
	return b
}

func controlName(c Control, lang string) string {
	id := tidy(c.ID, maxShort)
	if title := tidy(c.Title.In(lang), maxShort); title != "" {
		return title + " (" + id + ")"
	}
	return id
}

func (w writer) thing(i Item) thing {
	t := thing{Name: itemName(i), ID: tidy(i.Fact, maxLong), Message: tidy(i.Message.In(w.lang), maxLong)}
	if t.Name == t.ID {
		t.ID = ""
	}
	add := func(label, value string) { t.Facts = append(t.Facts, pair{w.say(label, nil), value}) }
	if w.event.Kind == monitor.CauseRecovered {
		t.Message = w.closed(i.ClosedWhy)
		if !i.ClosedAt.IsZero() {
			add("label_closed", w.exact(i.ClosedAt))
		}
	} else {
		t.Fix = tidy(i.Fix.In(w.lang), maxLong)
		if !i.DueAt.IsZero() {
			add("label_due", w.moment(i.DueAt, w.event.At))
		}
	}
	if !i.ObservedAt.IsZero() {
		add("label_observed", w.exact(i.ObservedAt))
	}
	if i.Ledger > 0 {
		add("label_ledger", w.say("ledger_leaf", map[string]any{"N": w.number(i.Ledger)}))
	}
	if i.Actor != "" {
		add("label_actor", tidy(i.Actor, maxShort))
	}
	for _, f := range i.Fields {
		t.Fields = append(t.Fields, Field{Path: tidy(f.Path, maxShort), Value: tidy(f.Value, maxLong)})
	}
	if i.Finding != "" {
		t.Link, t.LinkText = w.findingLink(i.Finding), w.say("open_finding", nil)
	}
	return t
}

func (w writer) closed(why string) string {
	switch why {
	case "gone":
		return w.say("closed_gone", nil)
	case "passed", "":
		return w.say("closed_passed", nil)
	default:
		return w.say("closed_check", nil)
	}
}

// findingLink is the page of one finding.
func (w writer) findingLink(id string) string {
	return w.options.BaseURL + "/findings/" + url.PathEscape(id)
}

// link is the page that shows everything the message is about.
func (w writer) link() string {
	e := w.event
	switch {
	case e.Kind == CauseTest:
		return w.options.BaseURL + "/alerts"
	case e.Kind == KindWeekly:
		return w.options.BaseURL + "/"
	case e.Kind == KindDigest:
		return w.options.BaseURL + "/findings"
	case e.kind() == monitor.CauseStale:
		if w.options.Detail == DetailLink {
			return w.options.BaseURL + "/sources"
		}
		return w.options.BaseURL + "/sources/" + url.PathEscape(e.Source)
	case w.options.Detail == DetailLink:
		return w.options.BaseURL + "/findings"
	case w.total() == 1 && len(w.groups) == 1 && len(w.groups[0].Items) == 1 && w.groups[0].Items[0].Finding != "":
		return w.findingLink(w.groups[0].Items[0].Finding)
	}
	q := url.Values{}
	if e.Source != "" {
		q.Set("source", e.Source)
	}
	if len(w.groups) == 1 && w.groups[0].Check != "" {
		q.Set("check", w.groups[0].Check)
	}
	return w.options.BaseURL + "/findings?" + q.Encode()
}

// dueFirst is the earliest due date among the things that are named.
func dueFirst(groups []Group) time.Time {
	var first time.Time
	for _, g := range groups {
		for _, i := range g.Items {
			if !i.DueAt.IsZero() && (first.IsZero() || i.DueAt.Before(first)) {
				first = i.DueAt
			}
		}
	}
	return first
}

// checksOf names the checks of the groups, sorted.
func checksOf(groups []Group) []string {
	out := make([]string, 0, len(groups))
	for _, g := range groups {
		if g.Check != "" {
			out = append(out, g.Check)
		}
	}
	slices.Sort(out)
	return out
}
