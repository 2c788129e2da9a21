package jira

import (
	"encoding/json"
	"strings"
	"unicode"

	"prumo.dev/prumo/internal/alert/channel"
)

// A node is one of Atlassian's document format. Text nodes know no markup, so
// names from outside stay names.
type node struct {
	Type    string         `json:"type"`
	Version int            `json:"version,omitempty"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Text    string         `json:"text,omitempty"`
	Marks   []node         `json:"marks,omitempty"`
	Content []node         `json:"content,omitempty"`
}

// document writes a card as a document of at most maxText characters of JSON,
// which is never less than what Jira counts.
func document(c channel.Card, mark string) node {
	for {
		doc := layout(c, mark)
		raw, err := json.Marshal(doc)
		smaller, ok := channel.Shrink(c)
		if err != nil || channel.Units(string(raw)) <= maxText || !ok {
			return doc
		}
		c = smaller
	}
}

func text(s string, marks ...string) node {
	n := node{Type: "text", Text: s}
	for _, m := range marks {
		n.Marks = append(n.Marks, node{Type: m})
	}
	return n
}

func link(l channel.Link) node {
	return node{Type: "text", Text: l.Text, Marks: []node{{Type: "link", Attrs: map[string]any{"href": l.URL}}}}
}

// paragraph leaves out texts that are empty, which the format refuses.
func paragraph(inline ...node) node {
	p := node{Type: "paragraph"}
	for _, n := range inline {
		if n.Type != "text" || n.Text != "" {
			p.Content = append(p.Content, n)
		}
	}
	return p
}

// lines joins lines to one paragraph.
func lines(list ...[]node) node {
	var all []node
	for i, l := range list {
		if i > 0 {
			all = append(all, node{Type: "hardBreak"})
		}
		all = append(all, l...)
	}
	return paragraph(all...)
}

func pairs(list []channel.Pair) [][]node {
	out := make([][]node, 0, len(list))
	for _, p := range list {
		out = append(out, []node{text(p.Label+": ", "strong"), text(p.Value)})
	}
	return out
}

func layout(c channel.Card, mark string) node {
	doc := node{Type: "doc", Version: 1}
	add := func(n node) {
		if len(n.Content) > 0 {
			doc.Content = append(doc.Content, n)
		}
	}
	add(paragraph(text(c.Drill, "strong")))
	add(paragraph(text(c.Word, "strong"), text(" · "+c.Head)))
	add(lines(pairs(c.Facts)...))
	for _, b := range c.Blocks {
		add(paragraph(text(b.Title, "strong")))
		add(lines(pairs(b.Facts)...))
		list := node{Type: "bulletList"}
		for _, t := range b.Items {
			list.Content = append(list.Content, node{Type: "listItem", Content: []node{thing(c, t)}})
		}
		if n := b.More(); n > 0 && c.Left != nil {
			list.Content = append(list.Content, node{Type: "listItem", Content: []node{paragraph(text(c.Left(n)))}})
		}
		add(list)
		if b.Fix != "" {
			add(lines(pairs([]channel.Pair{{Label: c.Fix, Value: b.Fix}})...))
		}
	}
	if c.Dropped > 0 && c.Left != nil {
		add(paragraph(text(c.Left(c.Dropped))))
	}
	add(paragraph(text(c.MoreChecks)))
	links := []node{link(c.Link)}
	for _, l := range c.Acts {
		links = append(links, text(" · "), link(l))
	}
	add(paragraph(links...))
	if mark != "" {
		add(paragraph(text("prumo:"+mark, "code")))
	}
	return doc
}

func thing(c channel.Card, t channel.Thing) node {
	head := []node{text(t.Name, "strong")}
	if t.ID != "" {
		head = append(head, text(" ("+t.ID+")"))
	}
	all := [][]node{head}
	if t.Message != "" {
		all = append(all, []node{text(t.Message)})
	}
	if len(t.Evidence) > 0 {
		shown := []node{text(c.Evidence + ": ")}
		for i, e := range t.Evidence {
			if i > 0 {
				shown = append(shown, text(" · "))
			}
			shown = append(shown, text(e.Label+" = "+e.Value, "code"))
		}
		all = append(all, shown)
	}
	all = append(all, pairs(t.Facts)...)
	if t.Fix != "" {
		all = append(all, pairs([]channel.Pair{{Label: c.Fix, Value: t.Fix}})...)
	}
	if t.Link.URL != "" {
		all = append(all, []node{link(t.Link)})
	}
	return lines(all...)
}

// wiki is the markup of version 2.
func wiki() channel.Markup {
	return channel.Markup{
		Escape: escape,
		Strong: func(s string) string { return "*" + s + "*" },
		Link: func(t, u string) string {
			return "[" + t + "|" + strings.NewReplacer("|", "%7C", "]", "%5D").Replace(u) + "]"
		},
		Bullet: "* ",
	}
}

// escape puts a backslash before each sign that the markup gives a meaning.
func escape(s string) string {
	var b strings.Builder
	for _, r := range channel.Defuse(s) {
		if r < 0x80 && (unicode.IsPunct(r) || unicode.IsSymbol(r)) && strings.ContainsRune(`{}[]|*_-+^~!?@#\<>`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
