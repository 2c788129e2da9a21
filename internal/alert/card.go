package alert

import (
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/check"
)

// card gives what the templates show in pieces, for channels that lay it out
// themselves.
func (w writer) card(v view) channel.Card {
	c := channel.Card{
		Status: v.Status, Title: w.title(), Word: v.Word, Head: v.Head, Drill: v.Drill, Organisation: v.Organisation,
		Facts: pairs(v.Facts), MoreChecks: v.MoreChecks, Link: channel.Link{Text: v.LinkText, URL: v.Link},
		Acts: v.Acts, Why: v.Why, Zone: v.Zone, Evidence: v.LabelEvidence, Fix: v.LabelFix,
		Left: func(n int) string { return w.count("more", n, nil) },
	}
	for _, b := range v.Blocks {
		block := channel.Block{Title: b.Title, Facts: pairs(b.Facts), Fix: b.Fix, Count: b.Count}
		for _, t := range b.Items {
			item := channel.Thing{Name: t.Name, ID: t.ID, Message: t.Message, Fix: t.Fix, Facts: pairs(t.Facts)}
			for _, f := range t.Fields {
				item.Evidence = append(item.Evidence, channel.Pair{Label: f.Path, Value: f.Value})
			}
			if t.Link != "" {
				item.Link = channel.Link{Text: t.LinkText, URL: t.Link}
			}
			block.Items = append(block.Items, item)
		}
		c.Blocks = append(c.Blocks, block)
	}
	return c
}

// title is the subject of a first message, whatever this one answers.
func (w writer) title() string {
	w.options.Subject = ""
	return w.subject()
}

func pairs(list []pair) []channel.Pair {
	out := make([]channel.Pair, 0, len(list))
	for _, p := range list {
		out = append(out, channel.Pair(p))
	}
	return out
}

// worstName is the name of the worst severity; "" where there is none. It
// names no thing, so that a message that is only a link may carry it.
func (w writer) worstName() string {
	if s := w.worst(); s >= check.Low && s <= check.Critical {
		return s.String()
	}
	return ""
}
