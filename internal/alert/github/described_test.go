package github

import (
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

// An operation is one of GitHub's published description.
type operation struct {
	Parameters []struct {
		Name, In string
		Schema   any
	}
	Body any
}

// described reads the operations on issues from GitHub's published OpenAPI
// description.
func described(t *testing.T) map[string]map[string]operation {
	t.Helper()
	raw, err := os.ReadFile("testdata/issues.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Paths
}

func fits(t *testing.T, schema, value any) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("s.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// check holds one request against the description: the path, the method, every
// parameter and the body. Properties that the description does not name are
// refused, though its schemas let them through.
func check(t *testing.T, paths map[string]map[string]operation, s channeltest.Seen) {
	t.Helper()
	path := "/repos/{owner}/{repo}" + regexp.MustCompile(`/[0-9]+`).ReplaceAllString(strings.TrimPrefix(s.Path, "/repos/acme/security"), "/{issue_number}")
	op, ok := paths[path][strings.ToLower(s.Method)]
	if !ok {
		t.Errorf("%s %s is not described", s.Method, s.Path)
		return
	}
	q, err := url.ParseQuery(s.Query)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range op.Parameters {
		text, given := q.Get(p.Name), q.Has(p.Name)
		if p.In != "query" || !given {
			continue
		}
		var value any = text
		if n, err := strconv.Atoi(text); err == nil {
			value = n
		}
		if err := fits(t, p.Schema, value); err != nil {
			t.Errorf("%s %s: %s=%s: %v", s.Method, path, p.Name, text, err)
		}
		q.Del(p.Name)
	}
	if len(q) > 0 {
		t.Errorf("%s %s: parameters that are not described: %v", s.Method, path, q)
	}
	if op.Body == nil {
		if len(s.Body) > 0 {
			t.Errorf("%s %s has a body", s.Method, path)
		}
		return
	}
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(string(s.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fits(t, op.Body, body); err != nil {
		t.Errorf("%s %s: %v", s.Method, path, err)
	}
	known := op.Body.(map[string]any)["properties"].(map[string]any)
	for name := range body.(map[string]any) {
		if known[name] == nil {
			t.Errorf("%s %s: %q is not described", s.Method, path, name)
		}
	}
}

// TestRequestsAreAsDescribed tells the story and holds each request.
func TestRequestsAreAsDescribed(t *testing.T) {
	f := forge()
	v := channeltest.NewVendor(t, f.ServeHTTP)
	channeltest.Tickets(t, fresh, channeltest.Tracker{Client: v.Client, Words: words(v.URL), Issues: f.All})
	paths, kinds := described(t), map[string]bool{}
	for _, s := range v.Seen() {
		check(t, paths, s)
		kinds[s.Method] = true
	}
	if len(kinds) != 3 {
		t.Errorf("the story makes %v requests, want GET, POST and PATCH", kinds)
	}
}
