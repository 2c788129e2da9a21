package check

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedChecks loads every check of the public format's page and runs its examples.
func TestDocumentedChecks(t *testing.T) {
	text, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 4 {
		t.Fatalf("got %d checks", len(blocks))
	}
	for _, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		for _, p := range parse(t, b).RunExamples() {
			t.Errorf("%v in\n%s", p, b)
		}
	}
}
