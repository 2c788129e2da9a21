package ticket

import (
	"strings"
	"unicode"

	"prumo.dev/prumo/internal/alert/channel"
)

// gap is a character of no width.
const gap = "\u200b"

// Mark is how a mark stands in a text of markdown: unseen, and found again.
func Mark(mark string) string { return "<!-- prumo:" + mark + " -->" }

// Marked reports whether a text holds the mark.
func Marked(text, mark string) bool { return strings.Contains(text, Mark(mark)) }

// Markdown writes a card as markdown with its mark, within the limit.
func Markdown(c channel.Card, mark string, limit int) string {
	tail := "\n\n" + Mark(mark)
	m := channel.Markup{
		Escape: Escape,
		Strong: func(s string) string { return "**" + s + "**" },
		Code:   code,
		Link: func(t, u string) string {
			return "[" + t + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(u) + ")"
		},
		Bullet: "- ",
		Indent: "  ",
	}
	// Two spaces at its end keep a line a line of its own.
	write := func(c channel.Card) string {
		return strings.ReplaceAll(strings.ReplaceAll(m.Write(c), "\n", "  \n"), "\n  \n", "\n\n")
	}
	return channel.Fit(c, limit-channel.Units(tail), channel.Units, write) + tail
}

// code writes a value as code: no markup works in it. Its backticks are
// quotes, and references are parted all the same, for whoever copies it.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "-->", "--"+gap+">").Replace(part(channel.Defuse(s))) + "`"
}

// Escape makes outside text plain in markdown as GitHub, Gitea and GitLab read
// it: no markup, no HTML, no mention, no reference to another issue, no quick
// action.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range part(channel.Defuse(s)) {
		if r < 0x80 && (unicode.IsPunct(r) || unicode.IsSymbol(r)) && !strings.ContainsRune(".,:;%/='\"?()", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// part puts a character of no width behind each sign that begins a reference
// (@ana, #1, !2, ~label, $3, %milestone, &4) and before a slash that begins a
// word, which GitLab reads as a command at the start of a line.
func part(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		start := i == 0 || unicode.IsSpace(runes[i-1])
		if r == '/' && start {
			b.WriteString(gap)
		}
		b.WriteRune(r)
		if strings.ContainsRune("@#!~$%&^", r) && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]) {
			if r != '@' || i == 0 || !unicode.IsLetter(runes[i-1]) && !unicode.IsDigit(runes[i-1]) {
				b.WriteString(gap)
			}
		}
	}
	return b.String()
}
