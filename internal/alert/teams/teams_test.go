package teams

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const secret = "topsecret-signature"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url string) string {
	return fmt.Sprintf("{url: %q}", url+"/workflows/0a1b/triggers/manual/paths/invoke?api-version=1&sig="+secret)
}

func accept(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{New: fresh, Words: words, Secrets: []string{secret}, Accept: accept})
}

func described(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("testdata/message.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("message.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("message.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// follows composes a card and holds it against the description and the limit
// of Teams, 28 KB a message.
func follows(t *testing.T, s *jsonschema.Schema, c channel.Card) string {
	t.Helper()
	body, err := compose(channel.Message{Card: c, Lang: "pt-BR"})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("the card is not as described: %v\n%.1500s", err, body)
	}
	if len(body) > 28<<10 {
		t.Errorf("a message of %d bytes, Teams takes 28 KB", len(body))
	}
	return string(body)
}

func TestSaysWhatIsAsked(t *testing.T) {
	s := described(t)
	for _, status := range []string{"fail", "pass", "unknown", "plain"} {
		c := channeltest.Card()
		c.Status = status
		body := follows(t, s, c)
		for _, want := range append(channeltest.Said(), "Acknowledge", `"lang":"pt"`) {
			if !strings.Contains(body, want) {
				t.Errorf("does not say %q: %s", want, body)
			}
		}
	}
}

func TestManyThingsAreCounted(t *testing.T) {
	s := described(t)
	for _, name := range channeltest.Hostile() {
		for _, shape := range [][2]int{{1000, 1}, {3, 20}} {
			if body := follows(t, s, channeltest.Many([]string{name}, shape[0], shape[1])); !strings.Contains(body, "more") {
				t.Errorf("%q %v: what was left out is not counted", name, shape)
			}
		}
	}
}
