package channel

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A Measure says how long a text is as the other side counts: the sum over
// its code points.
type Measure func(string) int

// Runes counts code points.
func Runes(s string) int { return utf8.RuneCountInString(s) }

// Units counts UTF-16 units, which is never less than the characters that
// somebody else may count.
func Units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// Bytes counts bytes of UTF-8.
func Bytes(s string) int { return len(s) }

// Clip cuts a text to the limit in whole characters, with … at its end where
// something was cut: an accent, a skin tone or the parts of a joined sign stay
// with what they belong to.
func Clip(s string, limit int, length Measure) string {
	if length(s) <= limit {
		return s
	}
	const mark = "…"
	room := limit - length(mark)
	if room < 0 {
		return ""
	}
	end := 0 // of what fits
	for used := 0; end < len(s); {
		_, size := utf8.DecodeRuneInString(s[end:])
		if used += length(s[end : end+size]); used > room {
			break
		}
		end += size
	}
	return strings.TrimRight(s[:whole(s, end)], " ") + mark
}

// whole moves the end of a cut back to where a character begins.
func whole(s string, end int) int {
	for end > 0 {
		next, _ := utf8.DecodeRuneInString(s[end:])
		last, size := utf8.DecodeLastRuneInString(s[:end])
		if last != '\u200d' && !joins(next) {
			break
		}
		end -= size
	}
	return end
}

// joins reports whether a code point belongs to the one before it.
func joins(r rune) bool {
	return r == '\u200d' || unicode.Is(unicode.M, r) || r >= 0x1F3FB && r <= 0x1F3FF || r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0020 && r <= 0xE007F
}

// Fit writes a card so that it is at most limit long: what does not fit is
// left out thing by thing from the end, and write counts it (Block.More,
// Card.Dropped). Only a card that is too long without any thing is cut.
func Fit(c Card, limit int, length Measure, write func(Card) string) string {
	for {
		text := write(c)
		if length(text) <= limit {
			return text
		}
		smaller, ok := Shrink(c)
		if !ok {
			return Clip(text, limit, length)
		}
		c = smaller
	}
}

// Shrink leaves the last thing of a card out, or its last block where that has
// no thing left. ok is false when nothing is left to leave out. The card that
// it was given is not changed.
func Shrink(c Card) (smaller Card, ok bool) {
	if len(c.Blocks) == 0 {
		return c, false
	}
	blocks := append([]Block(nil), c.Blocks...)
	last := &blocks[len(blocks)-1]
	switch {
	case len(last.Items) > 0 && (len(last.Items) > 1 || len(blocks) > 1 || last.Count > 1):
		last.Items = last.Items[:len(last.Items)-1]
	case len(blocks) > 1:
		c.Dropped += last.Count
		blocks = blocks[:len(blocks)-1]
	default:
		return shorten(c)
	}
	c.Blocks = blocks
	return c, true
}

// shorten cuts the texts of the only thing that is left, so that its link and
// its due date survive.
func shorten(c Card) (Card, bool) {
	b := c.Blocks[0]
	if len(b.Items) == 0 {
		return c, false
	}
	t := b.Items[0]
	if len(t.Evidence) > 1 {
		t.Evidence = t.Evidence[:len(t.Evidence)-1]
	} else if n := max(Runes(t.Message), Runes(b.Fix), Runes(t.Fix), Runes(t.ID), evidenceLength(t)); n > 60 {
		t.Message, t.Fix, t.ID, b.Fix = Clip(t.Message, n/2, Runes), Clip(t.Fix, n/2, Runes), Clip(t.ID, n/2, Runes), Clip(b.Fix, n/2, Runes)
		if len(t.Evidence) == 1 {
			t.Evidence = []Pair{{t.Evidence[0].Label, Clip(t.Evidence[0].Value, n/2, Runes)}}
		}
	} else {
		return c, false
	}
	b.Items = append([]Thing{t}, b.Items[1:]...)
	c.Blocks = []Block{b}
	return c, true
}

func evidenceLength(t Thing) int {
	if len(t.Evidence) == 0 {
		return 0
	}
	return Runes(t.Evidence[0].Value)
}
