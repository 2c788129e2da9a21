package alert

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/monitor"
)

// wayWords are a route's words for every channel over HTTP but the signed
// webhook, whose payload has tests of its own.
func wayWords(url string) map[string]string {
	return map[string]string{
		"slack":     fmt.Sprintf("{url: %q, style: slack}", url+"/hook"),
		"teams":     fmt.Sprintf("{url: %q}", url+"/hook"),
		"pagerduty": fmt.Sprintf("{key: e93facc04764012d7bfb002500d5d1a6, url: %q}", url),
		"opsgenie":  fmt.Sprintf("{key: k-e-y, url: %q}", url),
		"ntfy":      fmt.Sprintf("{url: %q}", url+"/topic"),
		"github":    fmt.Sprintf("{url: %q, repository: acme/security, token: t-o-k}", url),
		"gitea":     fmt.Sprintf("{url: %q, repository: acme/security, token: t-o-k}", url),
		"gitlab":    fmt.Sprintf("{url: %q, project: acme/security, token: t-o-k}", url),
		"jira":      fmt.Sprintf("{url: %q, project: SEC, token: t-o-k, api: \"3\"}", url),
	}
}

// An other is the other side of every channel: it accepts whatever opens or
// tells something and keeps its body.
type other struct {
	mu   sync.Mutex
	body string // guarded by mu
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method == http.MethodGet {
		if strings.HasPrefix(r.URL.Path, "/rest/") {
			_, _ = io.WriteString(w, `{"issues":[],"fields":{"status":{"statusCategory":{"key":"done"}}}}`)
			return
		}
		_, _ = io.WriteString(w, "[]")
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.body += string(body)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"number":1,"iid":1,"key":"SEC-1"}`)
}

func (o *other) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.body
	o.body = ""
	return out
}

// sendWay sends an event through a channel and returns what arrived, with the
// escapes of JSON, of markdown and of Slack taken out.
func sendWay(t *testing.T, name string, e Event, o Options) string {
	t.Helper()
	side := &other{}
	server := httptest.NewServer(side)
	defer server.Close()
	channels, err := Channels(ChannelConfig{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parser{Channels: channels}.Parse([]byte("{name: r, to: {" + name + ": " + wayWords(server.URL)[name] + "}}"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := newComposer(t).Compose(e, e.Groups, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range channels {
		if c.Name() != name {
			continue
		}
		d := channel.Dispatch{
			ID: "alert_x", Receiver: r.To[name].Receivers[0], Message: m, At: e.At, Now: e.At.Add(time.Second),
			Cases: []channel.Case{{Key: "alert_x", Left: 1, At: e.At}},
		}
		if err := c.Send(context.Background(), d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	got := side.take()
	for _, pair := range [][2]string{{`\u0026`, "&"}, {`\u003c`, "<"}, {`\u003e`, ">"}, {"&amp;", "&"}, {"\u200b", ""}, {`\\`, ""}} {
		got = strings.ReplaceAll(got, pair[0], pair[1])
	}
	return got
}

// TestEveryWaySaysWhatIsAsked holds the list of S20 for every channel in every
// language: control, thing, evidence, owner, due date, fix and a link.
func TestEveryWaySaysWhatIsAsked(t *testing.T) {
	wants := map[string][]string{
		"en":    {"Strong sign-in (mfa)", "Owner", "23 Jan 2027, 14:32", "Ask for a second factor.", "signs in with a password alone"},
		"pt-BR": {"Acesso forte (mfa)", "Responsável", "23 jan. 2027, 14h32", "Peça um segundo fator.", "entra só com senha"},
		"es":    {"Acceso fuerte (mfa)", "Responsable", "23 ene 2027, 14:32", "Pida un segundo factor.", "entra solo con contraseña"},
	}
	for name := range wayWords("") {
		for _, lang := range Languages() {
			got := sendWay(t, name, testEvent(monitor.CauseFailing, 1), options(lang))
			for _, want := range append(wants[lang], "ana@acme.test", "account.mfa", "user0", "https://prumo.acme.test/findings/f0") {
				if !strings.Contains(got, want) {
					t.Errorf("%s in %s does not say %q:\n%s", name, lang, want, got)
				}
			}
		}
	}
}

// TestEveryWayKeepsQuietWithDetailLink: a count and a link, nothing that names
// a thing.
func TestEveryWayKeepsQuietWithDetailLink(t *testing.T) {
	for name := range wayWords("") {
		o := options("en")
		o.Detail = DetailLink
		got := sendWay(t, name, testEvent(monitor.CauseFailing, 3), o)
		for _, never := range []string{"user0", "code", "account", "mfa", "ana@", "second factor", "mallory", "password"} {
			if strings.Contains(strings.ReplaceAll(got, "dedup_key", ""), never) {
				t.Errorf("%s tells %q:\n%s", name, never, got)
			}
		}
		if !strings.Contains(got, "3 new findings") || !strings.Contains(got, "https://prumo.acme.test/findings") {
			t.Errorf("%s has no count or no link:\n%s", name, got)
		}
	}
}

// TestEveryWayHasAPlaceInTheDocs: each channel has a section with a route that
// parses.
func TestEveryWayHasAPlaceInTheDocs(t *testing.T) {
	raw, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	channels, err := Channels(ChannelConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p := Parser{Channels: channels, Secret: func(n *yaml.Node) (string, error) {
		if n.Kind != yaml.MappingNode {
			return PlainSecret(n)
		}
		secrets := map[string]string{
			"HOOK": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "SLACK_HOOK": "https://hooks.slack.com/services/T/B/x",
			"TEAMS_HOOK": "https://x.logic.azure.com/workflows/x?sig=y", "NTFY_TOPIC": "https://ntfy.sh/acme",
		}
		if s := secrets[n.Content[1].Value]; s != "" {
			return s, nil
		}
		return "topsecret", nil
	}}
	shown := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(routes:.*?)```").FindAllSubmatch(raw, -1) {
		var file struct{ Routes yaml.Node }
		if err := yaml.Unmarshal(block[1], &file); err != nil {
			t.Fatal(err)
		}
		routes, problems := p.ParseAll(&file.Routes)
		for _, err := range problems {
			t.Error(err)
		}
		for _, r := range routes {
			for name := range r.To {
				shown[name] = true
			}
		}
	}
	for _, c := range channels {
		if !shown[c.Name()] {
			t.Errorf("docs/alerts.md shows no route to %s", c.Name())
		}
	}
}
