package teams

import (
	"encoding/json"
	"fmt"
	"strings"

	"prumo.dev/prumo/internal/alert/channel"
)

// maxMessage is how many bytes a message holds: Teams takes 28 KB, of which
// some are left for what the workflow adds. maxActions is what Teams shows.
const (
	maxMessage = 26 << 10
	maxActions = 6
	version    = "1.5" // the newest that Teams knows
)

// A message is what a workflow takes.
type message struct {
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

// A card is an Adaptive Card.
type card struct {
	Schema       string    `json:"$schema"`
	Type         string    `json:"type"`
	Version      string    `json:"version"`
	Lang         string    `json:"lang,omitempty"`
	FallbackText string    `json:"fallbackText,omitempty"`
	Body         []element `json:"body"`
	Actions      []action  `json:"actions,omitempty"`
}

// An element is a RichTextBlock, or a Container of them.
type element struct {
	Type      string    `json:"type"`
	Inlines   []run     `json:"inlines,omitempty"`
	Style     string    `json:"style,omitempty"` // of a container: attention, good, warning, emphasis
	Items     []element `json:"items,omitempty"`
	Spacing   string    `json:"spacing,omitempty"`
	Separator bool      `json:"separator,omitempty"`
}

// A run is text without any markup.
type run struct {
	Type         string  `json:"type"`
	Text         string  `json:"text"`
	Weight       string  `json:"weight,omitempty"`
	Size         string  `json:"size,omitempty"`
	FontType     string  `json:"fontType,omitempty"`
	IsSubtle     bool    `json:"isSubtle,omitempty"`
	SelectAction *action `json:"selectAction,omitempty"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// compose writes the message within its limit.
func compose(m channel.Message) ([]byte, error) {
	c := m.Card
	for {
		body, err := json.Marshal(message{Type: "message", Attachments: []attachment{{
			ContentType: "application/vnd.microsoft.card.adaptive", Content: layout(c, m.Lang),
		}}})
		if err != nil {
			return nil, fmt.Errorf("write the card: %w", err)
		}
		smaller, ok := channel.Shrink(c)
		if len(body) <= maxMessage || !ok {
			return body, nil
		}
		c = smaller
	}
}

// style is the colour of the head.
func style(status string) string {
	switch status {
	case "fail":
		return "attention"
	case "pass":
		return "good"
	case "unknown":
		return "warning"
	default:
		return "emphasis"
	}
}

func layout(c channel.Card, lang string) card {
	lang, _, _ = strings.Cut(lang, "-") // two letters, or the reader refuses it
	head := []element{line(run{Text: c.Title, Weight: "Bolder", Size: "Medium"})}
	if c.Drill != "" {
		head = append(head, line(run{Text: c.Drill, Weight: "Bolder"}))
	}
	head = append(head, line(run{Text: c.Word, Weight: "Bolder"}, run{Text: " · " + c.Head}))
	out := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: version, Lang: lang,
		FallbackText: c.Title, Body: []element{{Type: "Container", Style: style(c.Status), Items: head}},
	}
	out.Body = append(out.Body, pairs(c.Facts)...)
	for _, b := range c.Blocks {
		out.Body = append(out.Body, block(c, b))
	}
	if c.Dropped > 0 && c.Left != nil {
		out.Body = append(out.Body, line(run{Text: c.Left(c.Dropped)}))
	}
	if c.MoreChecks != "" {
		out.Body = append(out.Body, line(run{Text: c.MoreChecks}))
	}
	out.Body = append(out.Body, line(run{Text: c.Why + " " + c.Zone, IsSubtle: true, Size: "Small"}))
	for _, l := range append([]channel.Link{c.Link}, c.Acts...) {
		if len(out.Actions) < maxActions {
			out.Actions = append(out.Actions, open(l))
		}
	}
	return out
}

func open(l channel.Link) action { return action{Type: "Action.OpenUrl", Title: l.Text, URL: l.URL} }

func line(runs ...run) element {
	for i := range runs {
		runs[i].Type = "TextRun"
	}
	return element{Type: "RichTextBlock", Inlines: runs}
}

func pairs(list []channel.Pair) []element {
	out := make([]element, 0, len(list))
	for _, p := range list {
		e := line(run{Text: p.Label + ": ", Weight: "Bolder"}, run{Text: p.Value})
		e.Spacing = "None"
		out = append(out, e)
	}
	return out
}

func block(c channel.Card, b channel.Block) element {
	items := []element{line(run{Text: b.Title, Weight: "Bolder"})}
	items = append(items, pairs(b.Facts)...)
	for _, t := range b.Items {
		items = append(items, thing(c, t))
	}
	if n := b.More(); n > 0 && c.Left != nil {
		items = append(items, line(run{Text: c.Left(n)}))
	}
	if b.Fix != "" {
		items = append(items, pairs([]channel.Pair{{Label: c.Fix, Value: b.Fix}})...)
	}
	return element{Type: "Container", Items: items, Separator: true}
}

func thing(c channel.Card, t channel.Thing) element {
	name := run{Text: t.Name, Weight: "Bolder"}
	if t.Link.URL != "" {
		a := open(t.Link)
		name.SelectAction = &a
	}
	head := line(name)
	if t.ID != "" {
		head = line(name, run{Text: " (" + t.ID + ")", IsSubtle: true})
	}
	items := []element{head}
	if t.Message != "" {
		items = append(items, line(run{Text: t.Message}))
	}
	if len(t.Evidence) > 0 {
		runs := []run{{Text: c.Evidence + ": ", Weight: "Bolder"}}
		for i, e := range t.Evidence {
			if i > 0 {
				runs = append(runs, run{Text: " · "})
			}
			runs = append(runs, run{Text: e.Label + " = " + e.Value, FontType: "Monospace"})
		}
		items = append(items, line(runs...))
	}
	items = append(items, pairs(t.Facts)...)
	if t.Fix != "" {
		items = append(items, pairs([]channel.Pair{{Label: c.Fix, Value: t.Fix}})...)
	}
	return element{Type: "Container", Items: items, Style: "emphasis"}
}
