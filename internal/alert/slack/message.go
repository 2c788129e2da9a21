package slack

import (
	"net/url"
	"strings"

	"prumo.dev/prumo/internal/alert/channel"
)

// Limits as published: a message holds at most 50 blocks, a header 150
// characters, a section's text 3,000. Of text more than 4,000 characters are
// not recommended; Discord takes 2,000, Rocket.Chat 5,000, Mattermost 16,383.
// Characters are counted in UTF-16 units, which is never too few.
const (
	maxBlocks  = 50
	maxHeader  = 150
	maxSection = 3000
	maxText    = 4000
	maxDiscord = 2000
)

// A message is what is posted.
type message struct {
	Text        string  `json:"text"`
	Blocks      []block `json:"blocks,omitempty"`
	Parse       string  `json:"parse,omitempty"`
	UnfurlLinks *bool   `json:"unfurl_links,omitempty"`
	UnfurlMedia *bool   `json:"unfurl_media,omitempty"`
}

// A block is a header, a section or a context.
type block struct {
	Type     string  `json:"type"`
	Text     *text   `json:"text,omitempty"`
	Elements []*text `json:"elements,omitempty"`
}

type text struct {
	Type     string `json:"type"` // plain_text, mrkdwn
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"` // nothing is made a link or a mention
}

// compose writes the message for a receiver.
func compose(c channel.Card, s Settings) message {
	no := false
	limit := maxText
	if s.Style == styleMarkdown {
		if discord(s.URL) {
			limit = maxDiscord
		}
		return message{Text: words(c, markdown(), limit)}
	}
	return message{
		Text: words(c, mrkdwn(), limit), Blocks: blocks(c), Parse: "none", UnfurlLinks: &no, UnfurlMedia: &no,
	}
}

func discord(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.HasPrefix(u.Path, "/api/webhooks/") && strings.HasSuffix(u.Path, "/slack")
}

// words is the whole message as one text, its title first.
func words(c channel.Card, m channel.Markup, limit int) string {
	return channel.Fit(c, limit, channel.Units, func(c channel.Card) string {
		return m.Strong(m.Escape(c.Title)) + "\n" + m.Write(c) + "\n" + m.Escape(c.Why+" "+c.Zone)
	})
}

// mrkdwn is Slack's own markup.
func mrkdwn() channel.Markup {
	return channel.Markup{
		Escape: escape,
		Strong: func(s string) string { return "*" + strings.ReplaceAll(s, "*", "∗") + "*" },
		Code:   func(s string) string { return "`" + escape(strings.ReplaceAll(s, "`", "'")) + "`" },
		Link:   func(t, u string) string { return "<" + amp(u) + "|" + strings.ReplaceAll(t, "|", "/") + ">" },
		Bullet: "• ",
		Indent: "    ",
	}
}

func amp(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "%3C", ">", "%3E", "|", "%7C").Replace(s)
}

// escape replaces the three characters that Slack's markup gives a meaning.
// What calls people or leads elsewhere is parted first, for those who read the
// text otherwise.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(channel.Defuse(s))
}

// markdown is what Mattermost, Rocket.Chat and Discord read.
func markdown() channel.Markup {
	plain := func(s string) string {
		s = strings.NewReplacer("<", "‹", ">", "›").Replace(channel.Defuse(s))
		return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "~", `\~`, "|", `\|`, "[", `\[`, "]", `\]`, "#", `\#`).Replace(s)
	}
	return channel.Markup{
		Escape: plain,
		Strong: func(s string) string { return "**" + s + "**" },
		Code: func(s string) string {
			return "`" + strings.NewReplacer("`", "'", "<", "‹", ">", "›").Replace(channel.Defuse(s)) + "`"
		},
		Link: func(t, u string) string {
			return "[" + t + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(u) + ")"
		},
		Bullet: "- ",
		Indent: "  ",
	}
}

// blocks lays the card out, one section a thing, within Slack's limits.
func blocks(c channel.Card) []block {
	for {
		list, fits := layout(c)
		if fits {
			return list
		}
		smaller, ok := channel.Shrink(c)
		if !ok {
			return list
		}
		c = smaller
	}
}

// layout makes the blocks of a card and says whether nothing had to be cut.
func layout(c channel.Card) (list []block, fits bool) {
	m := mrkdwn()
	fits = true
	section := func(lines ...string) {
		s := strings.Join(lines, "\n")
		if channel.Units(s) > maxSection {
			fits = false
			s = channel.Clip(s, maxSection, channel.Units)
		}
		list = append(list, block{Type: "section", Text: &text{Type: "mrkdwn", Text: s, Verbatim: true}})
	}
	pairs := func(head string, facts []channel.Pair) []string {
		lines := []string{head}
		for _, p := range facts {
			lines = append(lines, m.Escape(p.Label)+": "+m.Escape(p.Value))
		}
		return lines
	}
	no := false
	if title := channel.Clip(c.Title, maxHeader, channel.Units); title != "" {
		list = append(list, block{Type: "header", Text: &text{Type: "plain_text", Text: title, Emoji: &no}})
	}
	if c.Drill != "" {
		section(m.Strong(m.Escape(c.Drill)))
	}
	section(pairs(m.Strong(m.Escape(c.Word))+" · "+m.Escape(c.Head), c.Facts)...)
	for _, b := range c.Blocks {
		lines := pairs(m.Strong(m.Escape(b.Title)), b.Facts)
		if b.Fix != "" {
			lines = append(lines, m.Escape(c.Fix)+": "+m.Escape(b.Fix))
		}
		section(lines...)
		for _, t := range b.Items {
			section(thing(m, c, t)...)
		}
		if n := b.More(); n > 0 && c.Left != nil {
			section(m.Escape(c.Left(n)))
		}
	}
	if c.Dropped > 0 && c.Left != nil {
		section(m.Escape(c.Left(c.Dropped)))
	}
	if c.MoreChecks != "" {
		section(m.Escape(c.MoreChecks))
	}
	links := []string{m.Link(m.Escape(c.Link.Text), c.Link.URL)}
	for _, l := range c.Acts {
		links = append(links, m.Link(m.Escape(l.Text), l.URL))
	}
	section(strings.Join(links, " · "))
	foot := channel.Clip(m.Escape(c.Why+" "+c.Zone), maxSection, channel.Units)
	list = append(list, block{Type: "context", Elements: []*text{{Type: "mrkdwn", Text: foot, Verbatim: true}}})
	return list, fits && len(list) <= maxBlocks
}

// thing writes one thing as lines.
func thing(m channel.Markup, c channel.Card, t channel.Thing) []string {
	head := m.Strong(m.Escape(t.Name))
	if t.ID != "" {
		head += " (" + m.Escape(t.ID) + ")"
	}
	lines := []string{head}
	if t.Message != "" {
		lines = append(lines, m.Escape(t.Message))
	}
	if len(t.Evidence) > 0 {
		shown := make([]string, 0, len(t.Evidence))
		for _, e := range t.Evidence {
			shown = append(shown, m.Code(e.Label+" = "+e.Value))
		}
		lines = append(lines, m.Escape(c.Evidence)+": "+strings.Join(shown, " · "))
	}
	for _, p := range t.Facts {
		lines = append(lines, m.Escape(p.Label)+": "+m.Escape(p.Value))
	}
	if t.Fix != "" {
		lines = append(lines, m.Escape(c.Fix)+": "+m.Escape(t.Fix))
	}
	if t.Link.URL != "" {
		lines = append(lines, m.Link(m.Escape(t.Link.Text), t.Link.URL))
	}
	return lines
}
