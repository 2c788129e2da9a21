package alert

import (
	"strings"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/monitor"
)

// acts are what the receiver may do by a link.
func (w writer) acts() []channel.Link {
	if w.options.Act == "" || !w.event.Acts() {
		return nil
	}
	return []channel.Link{
		{Text: w.say("act_acknowledge", nil), URL: w.options.Act},
		{Text: w.say("act_mute", nil), URL: w.options.Act + "?do=mute"},
	}
}

// reminderHead says that it fails still, and why one hears of it again.
func (w writer) reminderHead() string {
	id := "head_reminder"
	switch {
	case w.event.Of == monitor.CauseStale:
		return w.say("head_reminder_stale", w.names())
	case w.event.Times == 0:
		id = "head_escalated"
	}
	return w.count(id, w.total(), map[string]any{"Lapse": w.lapse(w.event.At.Sub(w.event.FirstAt)), "Times": w.number(int64(w.event.Times))})
}

// held lists what was held: what fails still first, then what has passed.
func (w writer) held() []block {
	still := block{Title: w.say("digest_still", nil)}
	over := block{Title: w.say("digest_over", nil)}
	other := block{Title: w.say("digest_other", nil)}
	for _, h := range w.event.Digest {
		t := thing{Name: tidy(h.Subject, maxSubject), Facts: []pair{{w.say("label_detected", nil), w.exact(h.At)}}}
		if h.Link != "" {
			t.Link, t.LinkText = w.options.BaseURL+h.Link, w.say("open_finding", nil)
		}
		at := &other
		switch h.Kind {
		case monitor.CauseFailing, monitor.CauseExcepted, KindUnmuted, KindReminder, monitor.CauseStale:
			if at = &still; h.Open == 0 {
				at, t.Message = &over, w.say("digest_recovered", nil)
			} else if h.Open < h.Count {
				t.Message = w.count("digest_left", h.Open, map[string]any{"Of": w.number(int64(h.Count))})
			}
		}
		at.Count++
		if len(at.Items) < MaxItems {
			at.Items = append(at.Items, t)
		}
	}
	var out []block
	for _, b := range []block{still, over, other} {
		if b.Count == 0 {
			continue
		}
		if rest := b.Count - len(b.Items); rest > 0 {
			b.More = w.count("more", rest, nil)
		}
		out = append(out, b)
	}
	return out
}

// weekNames are the values that a summary's subject and head use.
func (w writer) weekNames() map[string]any {
	k := w.event.Week
	if k == nil {
		k = &Week{}
	}
	return map[string]any{
		"Open": w.number(int64(k.Open)), "New": w.number(int64(k.New)), "Mended": w.number(int64(k.Mended)),
		"From": w.day(k.From, k.To), "To": w.day(k.To, k.To),
	}
}

func (w writer) weekHead() string {
	if w.event.Week == nil || w.event.Week.Open == 0 {
		return w.say("head_weekly_none", w.weekNames())
	}
	return w.count("head_weekly", w.event.Week.Open, w.weekNames())
}

func (w writer) weekFacts() []pair {
	k := w.event.Week
	if k == nil {
		return nil
	}
	var out []pair
	add := func(label, value string) { out = append(out, pair{w.say(label, nil), value}) }
	n := func(v int) string { return w.number(int64(v)) }
	add("week_period", w.moment(k.From, time.Time{})+" – "+w.moment(k.To, time.Time{}))
	add("week_open", n(k.Open))
	add("week_new", n(k.New))
	add("week_mended", n(k.Mended))
	add("week_late", n(k.Late))
	add("week_due", n(k.Due))
	for i, label := range []string{"week_detect", "week_alert", "week_fix"} {
		if t := k.Times[i]; t.P95 > 0 {
			add(label, w.say("week_lapse", map[string]any{"P50": w.lapse(t.P50), "P95": w.lapse(t.P95)}))
		}
	}
	if all := k.Known + k.Unknown; all > 0 {
		add("week_coverage", w.say("week_known", map[string]any{"Known": w.number(k.Known), "All": w.number(all)}))
	}
	add("week_sources", w.say("week_read", map[string]any{"N": n(k.Sources - len(k.Silent)), "All": n(k.Sources)}))
	if len(k.Silent) > 0 {
		names := make([]string, 0, len(k.Silent))
		for _, s := range k.Silent {
			names = append(names, tidy(s, maxShort))
		}
		add("week_silent", clip(strings.Join(names, ", "), maxLong))
	}
	return out
}

func (w writer) weekBlocks() []block {
	k := w.event.Week
	if k == nil {
		return nil
	}
	var out []block
	if len(k.Leans) > 0 {
		b := block{Title: w.say("week_leans", nil), Count: len(k.Leans)}
		for _, l := range k.Leans[:min(len(k.Leans), MaxItems)] {
			t := thing{Name: tidy(l.Title.In(w.lang), maxLong), ID: tidy(l.Check, maxShort), Message: w.count("week_line", l.Count, map[string]any{"New": w.number(int64(l.New))})}
			if t.Name == "" {
				t.Name, t.ID = t.ID, ""
			}
			t.Facts = []pair{{w.say("label_severity", nil), w.severity(l.Severity)}}
			b.Items = append(b.Items, t)
		}
		if rest := len(k.Leans) - len(b.Items); rest > 0 {
			b.More = w.count("more", rest, nil)
		}
		out = append(out, b)
	}
	if len(k.DueSoon) > 0 {
		b := block{Title: w.say("week_due_soon", nil), Count: k.Due}
		for _, i := range k.DueSoon[:min(len(k.DueSoon), MaxItems)] {
			b.Items = append(b.Items, w.thing(i))
		}
		if rest := k.Due - len(b.Items); rest > 0 {
			b.More = w.count("more", rest, nil)
		}
		out = append(out, b)
	}
	return out
}

// lapse writes how long something took, to its two largest units.
func (s speaker) lapse(d time.Duration) string {
	d = max(d, 0)
	units := []struct {
		id string
		d  time.Duration
	}{{"unit_day", 24 * time.Hour}, {"unit_hour", time.Hour}, {"unit_minute", time.Minute}, {"unit_second", time.Second}}
	var parts []string
	for i, u := range units {
		n := int(d / u.d)
		if n == 0 && (len(parts) > 0 || i < len(units)-1) {
			if len(parts) > 0 {
				break
			}
			continue
		}
		d -= time.Duration(n) * u.d
		if parts = append(parts, s.count(u.id, n, nil)); len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}
