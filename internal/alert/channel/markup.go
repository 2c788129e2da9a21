package channel

import (
	"strings"
	"unicode"
)

// gap is a character of no width. It parts what would be read as a mention or
// a link, and is not seen.
const gap = "\u200b"

// A Markup says how a card is written as one text. Escape makes outside text
// plain; the others get text that is escaped already. Nil ones leave it as it
// is.
type Markup struct {
	Escape func(string) string
	Strong func(string) string
	Code   func(string) string // of outside text that is not escaped
	Link   func(text, url string) string
	Bullet string // before a thing
	Indent string // before the lines of a thing
}

// Write writes the card: what happened, each check with its things, what is
// left out as a count, and the link.
func (m Markup) Write(c Card) string {
	var b strings.Builder
	line := func(parts ...string) {
		b.WriteString(strings.Join(parts, ""))
		b.WriteByte('\n')
	}
	if c.Drill != "" {
		line(m.strong(m.escape(c.Drill)))
		line()
	}
	line(m.strong(m.escape(c.Word)), " · ", m.escape(c.Head))
	line()
	for _, p := range c.Facts {
		line(m.pair("", p))
	}
	for _, block := range c.Blocks {
		line()
		m.block(line, c, block)
	}
	if c.Dropped > 0 && c.Left != nil {
		line()
		line(m.escape(c.Left(c.Dropped)))
	}
	if c.MoreChecks != "" {
		line()
		line(m.escape(c.MoreChecks))
	}
	line()
	links := []string{m.link(c.Link)}
	for _, l := range c.Acts {
		links = append(links, m.link(l))
	}
	line(strings.Join(links, " · "))
	return strings.TrimSpace(b.String())
}

func (m Markup) block(line func(...string), c Card, b Block) {
	line(m.strong(m.escape(b.Title)))
	for _, p := range b.Facts {
		line(m.pair("", p))
	}
	for _, t := range b.Items {
		m.thing(line, c, t)
	}
	if n := b.More(); n > 0 && c.Left != nil {
		line(m.Bullet, m.escape(c.Left(n)))
	}
	if b.Fix != "" {
		line()
		line(m.pair("", Pair{c.Fix, b.Fix}))
	}
}

func (m Markup) thing(line func(...string), c Card, t Thing) {
	name := m.strong(m.escape(t.Name))
	if t.ID != "" {
		name += " (" + m.escape(t.ID) + ")"
	}
	line(m.Bullet, name)
	if t.Message != "" {
		line(m.Indent, m.escape(t.Message))
	}
	if len(t.Evidence) > 0 {
		shown := make([]string, 0, len(t.Evidence))
		for _, e := range t.Evidence {
			shown = append(shown, m.code(e.Label+" = "+e.Value))
		}
		line(m.Indent, m.escape(c.Evidence), ": ", strings.Join(shown, " · "))
	}
	for _, p := range t.Facts {
		line(m.pair(m.Indent, p))
	}
	if t.Fix != "" {
		line(m.pair(m.Indent, Pair{c.Fix, t.Fix}))
	}
	if t.Link.URL != "" {
		line(m.Indent, m.link(t.Link))
	}
}

func (m Markup) pair(indent string, p Pair) string {
	return indent + m.escape(p.Label) + ": " + m.escape(p.Value)
}

func (m Markup) escape(s string) string {
	if m.Escape == nil {
		return s
	}
	return m.Escape(s)
}

func (m Markup) strong(s string) string {
	if m.Strong == nil || s == "" {
		return s
	}
	return m.Strong(s)
}

func (m Markup) code(s string) string {
	if m.Code == nil {
		return m.escape(s)
	}
	return m.Code(s)
}

func (m Markup) link(l Link) string {
	if m.Link == nil {
		return m.escape(l.Text) + ": " + l.URL
	}
	return m.Link(m.escape(l.Text), l.URL)
}

// Defuse keeps outside text from calling people or leading anywhere: a
// character of no width parts the signs that chat programs read as a mention
// (@all, <!channel>), as a link of markdown, or as an address.
func Defuse(s string) string {
	s = strings.NewReplacer("](", "]"+gap+"(", "www.", "www"+gap+".", "://", ":"+gap+"//", "<!", "<"+gap+"!", "<@", "<"+gap+"@", "<#", "<"+gap+"#", "<%", "<"+gap+"%").Replace(s)
	var b strings.Builder
	var last rune
	rest := strings.ToLower(s)
	same := len(rest) == len(s) // else places differ, and every @ is parted
	for i, r := range s {
		b.WriteRune(r)
		if r == '@' && (!unicode.IsLetter(last) && !unicode.IsDigit(last) || !same || calls(rest[i+1:])) {
			b.WriteString(gap)
		}
		last = r
	}
	return b.String()
}

// calls reports whether what follows an @ is a word that calls everybody,
// wherever it stands.
func calls(rest string) bool {
	for _, word := range []string{"everyone", "here", "channel", "all", "team"} {
		if after, ok := strings.CutPrefix(rest, word); ok {
			next := strings.TrimLeft(after, ".-_")
			if len(next) == len(after) && (after == "" || !isWord(after[0])) {
				return true
			}
			if word == "everyone" || word == "here" {
				return true
			}
		}
	}
	return false
}

func isWord(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 0x80 }
