package channel_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

// TestRetryAfter checks what a receiver may ask for: seconds or a date, never
// the past, never more than a day.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "0": 0, "-5": 0, "soon": 0, "1.5": 0, "99999999999": 24 * time.Hour,
		"99999999999999999999999999": 0, "Mon, 23 Nov 2026 14:10:00 GMT": 10 * time.Minute, "Mon, 23 Nov 2026 13:10:00 GMT": 0,
		"Mon, 23 Nov 2099 13:10:00 GMT": 24 * time.Hour,
	} {
		if got := channel.RetryAfter(text, now); got != want {
			t.Errorf("Retry-After: %q: got %v, want %v", text, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "120", "-1", "Mon, 23 Nov 2026 14:10:00 GMT", "99999999999999999999"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if got := channel.RetryAfter(text, now); got < 0 || got > 24*time.Hour {
			t.Errorf("%q: got %v", text, got)
		}
	})
}

func TestClipKeepsCharactersWhole(t *testing.T) {
	family := "👩‍👩‍👧‍👦"
	for _, c := range []struct {
		text  string
		limit int
		count channel.Measure
		want  string
	}{
		{"short", 5, channel.Runes, "short"},
		{"longer", 5, channel.Runes, "long…"},
		{"a b c", 3, channel.Runes, "a…"},
		{"cafe\u0301s", 5, channel.Runes, "caf…"}, // the accent goes with its letter
		{"ab" + family + "c", 6, channel.Runes, "ab…"},
		{"ab" + family + "cd", 10, channel.Runes, "ab" + family + "…"},
		{"👍🏽👍🏽", 3, channel.Runes, "👍🏽…"},
		{"日本語", 7, channel.Bytes, "日…"},
		{"日本語", 9, channel.Bytes, "日本語"},
		{"😀😀😀", 5, channel.Units, "😀😀…"},
		{"abc", 0, channel.Runes, ""},
	} {
		if got := channel.Clip(c.text, c.limit, c.count); got != c.want {
			t.Errorf("%q to %d: got %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func FuzzClip(f *testing.F) {
	for _, s := range channeltest.Hostile() {
		f.Add(s, 7)
	}
	f.Add("a\xff\xfe\u0301b", 2)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1000))
		for _, m := range []channel.Measure{channel.Runes, channel.Units, channel.Bytes} {
			got := channel.Clip(s, limit, m)
			if m(got) > limit || utf8.ValidString(s) && !utf8.ValidString(got) {
				t.Errorf("%q to %d: got %q", s, limit, got)
			}
		}
	})
}

func TestDefuse(t *testing.T) {
	for _, s := range append(channeltest.Hostile(), "x@here", "X@EVERYONE!", "İ@all", "hi @channel.", "www.evil.test") {
		got := strings.ToLower(channel.Defuse(s))
		for _, bad := range []string{"@everyone", "@here", "<!", "<@", "<#", "](", "://", "www.", " @", "@channel"} {
			if strings.Contains(got, bad) && bad != " @" || strings.Contains(got+" ", " @a") || strings.HasPrefix(got, "@a") {
				t.Errorf("%q becomes %q with %q", s, got, bad)
			}
		}
	}
	for _, s := range []string{"it@acme.test", "ana@all-hands.test", "account.mfa = false", "a < b", "1 & 2"} {
		if got := channel.Defuse(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func FuzzDefuse(f *testing.F) {
	for _, s := range channeltest.Hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := channel.Defuse(s)
		for _, bad := range []string{"<!", "<@", "](", "://", "@everyone"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q becomes %q with %q", s, got, bad)
			}
		}
		if utf8.ValidString(s) && strings.ReplaceAll(got, "\u200b", "") != strings.ReplaceAll(s, "\u200b", "") {
			t.Errorf("%q loses something: %q", s, got)
		}
	})
}

// TestFitCounts: whatever is left out is counted, and what is shown and what
// is counted add up.
func TestFitCounts(t *testing.T) {
	m := channel.Markup{Bullet: "- ", Indent: "  "}
	for _, limit := range []int{200, 500, 1000, 4000, 100000} {
		for _, shape := range [][2]int{{1, 1}, {1000, 1}, {7, 3}, {1, 20}} {
			c := channeltest.Many([]string{"ana"}, shape[0], shape[1])
			text := channel.Fit(c, limit, channel.Runes, m.Write)
			if n := channel.Runes(text); n > limit {
				t.Errorf("%v in %d: %d characters", shape, limit, n)
			}
		}
	}
	c := channeltest.Many([]string{"ana"}, 50, 4)
	for ok := true; ok; c, ok = channel.Shrink(c) {
		total := c.Dropped
		for _, b := range c.Blocks {
			total += len(b.Items) + b.More()
		}
		if total != 200 {
			t.Fatalf("shown and left out are %d, want 200", total)
		}
	}
}

func TestReasonKeepsSecrets(t *testing.T) {
	got := channel.Reason("no such token s3cr3t/x\nor s3cr3t%2Fx \x00 \u202e "+strings.Repeat("y", 500), "s3cr3t/x", "", "ab")
	if strings.Contains(got, "s3cr3t") || strings.ContainsAny(got, "\n\x00\u202e") || channel.Runes(got) > 160 {
		t.Errorf("got %q", got)
	}
}

func FuzzReason(f *testing.F) {
	f.Add("the key topsecret is wrong", "topsecret")
	f.Fuzz(func(t *testing.T, words, secret string) {
		got := channel.Reason(words, secret)
		if channel.Runes(got) > 160 || len(secret) >= 4 && strings.Contains(got, secret) && !strings.Contains("•••…", secret) {
			t.Errorf("%q without %q: got %q", words, secret, got)
		}
	})
}
