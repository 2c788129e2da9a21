package gitea

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prumo.dev/prumo/internal/connector"
)

// A description is Gitea's own of its API (Swagger 2).
type description struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Ref string `json:"$ref"`
		} `json:"responses"`
	} `json:"paths"`
	Responses map[string]struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"responses"`
	Definitions map[string]map[string]any `json:"definitions"`
}

// describes holds each answer of the fake, and each request that the connector
// sends to it, to the description that the running server gives of itself.
func (w *world) describes(t *testing.T) {
	res, err := http.Get(w.URL + "/swagger.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var d description
	if err := json.NewDecoder(res.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	var raw any
	schemas := compileDescription(t, &d, &raw)
	checked := 0
	handler := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		newFake().ServeHTTP(rec, r)
		path := strings.TrimPrefix(r.URL.Path, "/api/v1")
		name := d.response(path)
		if name == "ContentsResponse" && bytes.HasPrefix(rec.Body.Bytes(), []byte("[")) {
			name = "ContentsListResponse" // a folder, which the description leaves out
		}
		if name == "" {
			t.Errorf("the description has no GET %s", path)
		} else if rec.Code == 200 {
			checked++
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(rec.Body.Bytes()))
			if err != nil {
				t.Error(err)
			} else if err := schemas[name].Validate(v); err != nil {
				t.Errorf("the fake's answer to %s does not fit %s: %v", path, name, err)
			}
		}
		for k, v := range rec.Header() {
			out.Header()[k] = v
		}
		out.WriteHeader(rec.Code)
		_, _ = out.Write(rec.Body.Bytes())
	})
	run := testRun(t, handler, nil)
	if err := New().Collect(t.Context(), run, connector.Record()); err != nil {
		t.Fatal(err)
	}
	if _, err := (Connector{}).Tripwire(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if checked < 30 {
		t.Errorf("only %d answers were checked", checked)
	}
	checkTags(t, d)
}

// response names the response of a GET, for the path of the description that fits best.
func (d description) response(path string) string {
	best, score := "", -1
	for template, ops := range d.Paths {
		op, ok := ops["get"]
		if n := fits(template, path); ok && n > score {
			best, score = strings.TrimPrefix(op.Responses["200"].Ref, "#/responses/"), n
		}
	}
	return best
}

// fits counts the parts of a path that are the template's own; -1: it is another path.
// {filepath} takes the rest.
func fits(template, path string) int {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	n := 0
	for i := range a {
		if a[i] == "{filepath}" && i < len(b) {
			return n
		}
		switch {
		case i >= len(b):
			return -1
		case strings.Contains(a[i], "}.{"):
			return -1 // a diff, which is never asked for
		case strings.HasPrefix(a[i], "{"):
		case a[i] == b[i]:
			n++
		default:
			return -1
		}
	}
	if len(a) != len(b) {
		return -1
	}
	return n
}

// compileDescription makes a JSON Schema of each response. Fields that the
// description does not know are refused; null stands for any object.
func compileDescription(t *testing.T, d *description, raw *any) map[string]*jsonschema.Schema {
	t.Helper()
	for _, def := range d.Definitions {
		def["additionalProperties"] = false
		props, _ := def["properties"].(map[string]any)
		for name, p := range props {
			if m, ok := p.(map[string]any); ok && m["$ref"] != nil {
				props[name] = map[string]any{"anyOf": []any{map[string]any{"$ref": m["$ref"]}, map[string]any{"type": "null"}}}
			}
		}
	}
	doc := map[string]any{"definitions": d.Definitions, "$schema": "http://json-schema.org/draft-07/schema#"}
	for name, r := range d.Responses {
		if r.Schema != nil {
			doc["response "+name] = r.Schema
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if *raw, err = jsonschema.UnmarshalJSON(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gitea.json", *raw); err != nil {
		t.Fatal(err)
	}
	out := map[string]*jsonschema.Schema{}
	for name, r := range d.Responses {
		if r.Schema == nil {
			continue
		}
		s, err := c.Compile("gitea.json#/response%20" + name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

// checkTags holds every field that we read to the description.
func checkTags(t *testing.T, d description) {
	t.Helper()
	for name, v := range map[string]any{
		"User": apiUser{}, "Team": apiTeam{}, "Repository": apiRepo{}, "Branch": apiBranch{}, "DeployKey": apiKey{}, "RepoCollaboratorPermission": apiPermission{},
		"ContentsResponse": apiEntry{}, "PullRequest": apiPull{}, "PullReview": apiReview{}, "CombinedStatus": apiStatuses{}, "Commit": apiCommit{},
		"BranchProtection": rule{}, "PRBranchInfo": apiRef{}, "Organization": apiOrg{}, "Activity": apiActivity{}, "ActionWorkflowRun": apiRun{}, "Hook": apiHook{},
	} {
		props, _ := d.Definitions[name]["properties"].(map[string]any)
		var known []string
		for p := range props {
			known = append(known, p)
		}
		rt := reflect.TypeOf(v)
		for i := range rt.NumField() {
			if tag := rt.Field(i).Tag.Get("json"); !slices.Contains(known, tag) {
				t.Error(fmt.Errorf("%s has no field %q", name, tag))
			}
		}
	}
}
