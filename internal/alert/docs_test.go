package alert

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
)

// document returns the first fenced block of a language in docs/alerts.md.
func document(t *testing.T, lang string) []byte {
	t.Helper()
	raw, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + lang + "\n(.*?)```").FindSubmatch(raw)
	if found == nil {
		t.Fatalf("docs/alerts.md has no %s block", lang)
	}
	return found[1]
}

func documented() (Event, Options) {
	e, o := testEvent(monitor.CauseFailing, 1), options("en")
	e.ID, e.Owner, o.Route = "9f2c6d1e", "it@acme.test", "bus"
	g := &e.Groups[0]
	g.Owner = e.Owner
	g.Fix = check.Text{"en": "Ask ana to enrol a second factor."}
	i := &g.Items[0]
	i.Finding, i.Fact, i.Name, i.Actor, i.Ledger = "f7", "code/ana", "ana", "bob", 4711
	i.Message, i.DueAt = check.Text{"en": "ana signs in with a password alone"}, e.At.AddDate(0, 1, 0)
	return e, o
}

func TestDocumentedRoutesParse(t *testing.T) {
	var file struct{ Routes yaml.Node }
	if err := yaml.Unmarshal(document(t, "yaml"), &file); err != nil {
		t.Fatal(err)
	}
	p := testParser(t)
	p.Secret = func(n *yaml.Node) (string, error) {
		if n.Kind == yaml.MappingNode {
			return "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", nil
		}
		return PlainSecret(n)
	}
	routes, problems := p.ParseAll(&file.Routes)
	for _, err := range problems {
		t.Error(err)
	}
	if len(routes) != 4 {
		t.Errorf("got %d routes, want 4", len(routes))
	}
}

func TestDocumentedMessagesAreWhatIsSent(t *testing.T) {
	e, o := documented()
	m, err := newComposer(t).Compose(e, e.Groups, o)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(m.Payload, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document(t, "json"), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the documented payload differs (-documented +sent):\n%s", d)
	}
	o.Route = "security"
	if m, err = newComposer(t).Compose(e, e.Groups, o); err != nil {
		t.Fatal(err)
	}
	text := "Subject: " + m.Subject + "\n\n" + m.Text
	if d := cmp.Diff(string(document(t, "text")), string(bytes.TrimSpace([]byte(text)))+"\n"); d != "" {
		t.Errorf("the documented mail differs (-documented +sent):\n%s", d)
	}
}
