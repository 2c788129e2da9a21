package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func exam(style string) channeltest.Exam {
	return channeltest.Exam{
		New: func(c *http.Client) channel.Channel { return New(Config{HTTP: c}) },
		Words: func(url string) string {
			return fmt.Sprintf("{url: %q, style: %s}", url+"/services/T0/B0/topsecret-token", style)
		},
		Secrets: []string{"topsecret-token"}, Accept: ok,
	}
}

func TestExam(t *testing.T) {
	t.Run("slack", func(t *testing.T) { channeltest.Run(t, exam(styleSlack)) })
	t.Run("markdown", func(t *testing.T) { channeltest.Run(t, exam(styleMarkdown)) })
}

// follows holds a message against the limits that Slack publishes
// (docs.slack.dev: Block Kit reference, "Blocks", "Header", "Section",
// "Context", "Text object"; "Sending messages using incoming webhooks").
func follows(t *testing.T, m message) {
	t.Helper()
	if m.Text == "" || channel.Units(m.Text) > maxText {
		t.Errorf("the text has %d characters", channel.Units(m.Text))
	}
	if len(m.Blocks) > 50 {
		t.Errorf("%d blocks, Slack takes 50", len(m.Blocks))
	}
	for i, b := range m.Blocks {
		one := func(x *text, kinds string, limit int) {
			if x == nil || x.Text == "" || !strings.Contains(kinds, x.Type) || channel.Units(x.Text) > limit {
				t.Errorf("block %d (%s): the text %+v is none of %s within %d", i, b.Type, x, kinds, limit)
			}
		}
		switch b.Type {
		case "header":
			one(b.Text, "plain_text", 150)
		case "section":
			one(b.Text, "plain_text mrkdwn", 3000)
		case "context":
			if len(b.Elements) == 0 || len(b.Elements) > 10 {
				t.Errorf("a context of %d elements, Slack takes 1 to 10", len(b.Elements))
			}
			for _, x := range b.Elements {
				one(x, "plain_text mrkdwn", 3000)
			}
		default:
			t.Errorf("block %d is a %s", i, b.Type)
		}
		if x := b.Text; x != nil && x.Emoji != nil && x.Type != "plain_text" {
			t.Errorf("block %d: emoji belongs to plain_text only", i)
		}
	}
}

// everything is all that a message shows.
func everything(m message) string {
	out := m.Text
	for _, b := range m.Blocks {
		if b.Text != nil {
			out += "\n" + b.Text.Text
		}
		for _, e := range b.Elements {
			out += "\n" + e.Text
		}
	}
	return out
}

func blocksOnly(m message) string { m.Text = ""; return everything(m) }

func TestSaysWhatIsAsked(t *testing.T) {
	slack := compose(channeltest.Card(), Settings{Style: styleSlack})
	follows(t, slack)
	mattermost := compose(channeltest.Card(), Settings{Style: styleMarkdown})
	follows(t, mattermost)
	for name, shown := range map[string]string{"blocks": blocksOnly(slack), "text": slack.Text, "markdown": strings.ReplaceAll(mattermost.Text, `\`, "")} {
		for _, want := range append(channeltest.Said(), "Acknowledge") {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: does not say %q:\n%s", name, want, shown)
			}
		}
	}
	if !strings.Contains(slack.Text, "<https://prumo.acme.test/findings?source=code&amp;check=account-has-mfa|Open in Prumo>") {
		t.Errorf("the link is not one of Slack's:\n%s", slack.Text)
	}
	if !strings.Contains(mattermost.Text, "[Open in Prumo](https://prumo.acme.test/findings?source=code&check=account-has-mfa)") {
		t.Errorf("the link is not one of markdown:\n%s", mattermost.Text)
	}
}

// TestNamesStayNames sends names that want to call people or to lead elsewhere.
func TestNamesStayNames(t *testing.T) {
	for _, style := range []string{styleSlack, styleMarkdown} {
		for _, name := range channeltest.Hostile() {
			c := channeltest.Many([]string{name}, 3, 1)
			m := compose(c, Settings{Style: style})
			follows(t, m)
			shown := strings.ToLower(everything(m))
			for _, bad := range []string{"<!", "<@", "<#", "@everyone", "@here", "@channel", "@all ", "](https://evil", "<https://evil", "https://evil", "<script", " @ana", "\n@ana"} {
				if i := strings.Index(shown, bad); i >= 0 && !header(m, bad) {
					t.Errorf("%s: the name %q becomes %q in:\n%s", style, name, bad, shown[max(0, i-60):min(len(shown), i+60)])
				}
			}
		}
	}
}

// header reports whether the words stand in the header only, which is plain
// text: there nothing calls anybody.
func header(m message, bad string) bool {
	for i, b := range m.Blocks {
		if b.Type == "header" {
			m.Blocks = append(append([]block(nil), m.Blocks[:i]...), m.Blocks[i+1:]...)
			break
		}
	}
	return !strings.Contains(strings.ToLower(everything(m)), bad)
}

func TestManyThingsAreCounted(t *testing.T) {
	for _, shape := range [][2]int{{20, 1}, {1000, 1}, {30, 5}, {2, 20}} {
		c := channeltest.Many([]string{"a<b>&c 👩‍👩‍👧‍👦", "long name"}, shape[0], shape[1])
		m := compose(c, Settings{Style: styleSlack})
		follows(t, m)
		if !strings.Contains(blocksOnly(m), "more") || !strings.Contains(m.Text, "more") {
			t.Errorf("%v: what was left out is not counted:\n%s", shape, m.Text)
		}
		d := compose(c, Settings{Style: styleMarkdown, URL: "https://discord.com/api/webhooks/1/x/slack"})
		if n := channel.Units(d.Text); n > 2000 {
			t.Errorf("%v: %d characters for Discord", shape, n)
		}
		if !strings.Contains(d.Text, "more") || !strings.Contains(d.Text, "Open in Prumo") {
			t.Errorf("%v: Discord gets no count or no link:\n%s", shape, d.Text)
		}
	}
	c := channeltest.Many([]string{"x"}, 1000, 1)
	m := compose(c, Settings{Style: styleSlack})
	named := 0
	for _, b := range m.Blocks {
		if b.Text != nil && strings.Contains(b.Text.Text, "Open the finding") {
			named++
		}
	}
	if want := fmt.Sprintf("and %d more", 1000-named); !strings.Contains(blocksOnly(m), want) {
		t.Errorf("%d things are named, and the message does not say %q", named, want)
	}
}

// TestRefusedBlocksGoAsText: a message without its looks is better than none.
func TestRefusedBlocksGoAsText(t *testing.T) {
	v := channeltest.NewVendor(t, func(w http.ResponseWriter, r *http.Request) {
		var m message
		if json.NewDecoder(r.Body).Decode(&m) != nil || len(m.Blocks) > 0 {
			http.Error(w, "invalid_blocks", http.StatusBadRequest)
			return
		}
		ok(w, r)
	})
	ch := New(Config{HTTP: v.Client})
	to := channeltest.Receiver(t, ch, exam(styleSlack).Words(v.URL))
	if err := ch.Send(context.Background(), channeltest.Dispatch(to, channel.KindFailing, 1, &channeltest.Notes{})); err != nil {
		t.Fatal(err)
	}
	seen := v.Seen()
	if len(seen) != 2 || strings.Contains(string(seen[1].Body), `"blocks"`) || !strings.Contains(string(seen[1].Body), "account-has-mfa") {
		t.Errorf("got %d requests, the last: %s", len(seen), seen[len(seen)-1].Body)
	}
}

func TestStyleFollowsTheHost(t *testing.T) {
	ch := New(Config{})
	for url, want := range map[string]string{
		"https://hooks.slack.com/services/T/B/x": styleSlack, "https://chat.acme.test/hooks/x": styleMarkdown,
		"https://discord.com/api/webhooks/1/x/slack": styleMarkdown, "https://hooks.slack.com.evil.test/x": styleMarkdown,
	} {
		var s Settings
		if err := json.Unmarshal(channeltest.Receiver(t, ch, fmt.Sprintf("{url: %q}", url)).Config, &s); err != nil || s.Style != want {
			t.Errorf("%s: got %q, %v, want %q", url, s.Style, err, want)
		}
	}
	if r := channeltest.Receiver(t, ch, `{url: "https://hooks.slack.com/services/T/B/x", name: "#security"}`); r.Label != "#security (hooks.slack.com)" {
		t.Errorf("label: got %q", r.Label)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range channeltest.Hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := channeltest.Card()
		c.Blocks[0].Items[0].Name, c.Title = s, s
		m := compose(c, Settings{Style: styleSlack})
		follows(t, m)
		rest := m.Text
		for _, l := range []string{"<https://prumo.acme.test/findings/f7|", "<https://prumo.acme.test/findings?", "<https://prumo.acme.test/act/a?"} {
			rest = strings.ReplaceAll(rest, l, "")
		}
		if strings.Contains(rest, "<") {
			t.Errorf("%q opens a tag of Slack's: %s", s, rest)
		}
	})
}
