package githubtest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed testdata/openapi.json
var describedAPI []byte

// A Description is GitHub's published description of its REST API, pruned to
// what is used here.
type Description struct {
	paths    map[string]map[string]operation
	compiler *jsonschema.Compiler
	mu       sync.Mutex // guards compiled and problems
	compiled map[string]*jsonschema.Schema
	problems []string
	seen     map[string]bool
}

type operation struct {
	Parameters []struct {
		Name, In string
		Required bool
		Schema   json.RawMessage
	}
	Responses map[string]struct {
		Content map[string]json.RawMessage
	}
	RequestBody *struct {
		Content map[string]json.RawMessage
	}
}

// Describe reads the description.
func Describe() (*Description, error) {
	var raw map[string]any
	if err := json.Unmarshal(describedAPI, &raw); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	d := &Description{compiled: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	var typed struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(describedAPI, &typed); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	d.paths = typed.Paths
	d.compiler = jsonschema.NewCompiler()
	d.compiler.DefaultDraft(jsonschema.Draft4)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("https://api.test/openapi.json", nullable(raw)); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	return d, nil
}

// nullable turns OpenAPI 3.0's "nullable" into JSON Schema.
func nullable(v any) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = nullable(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = nullable(x[k])
		}
		if x["nullable"] == true {
			delete(x, "nullable")
			return map[string]any{"anyOf": []any{x, map[string]any{"type": "null"}}}
		}
	}
	return v
}

func pointer(keys ...string) string {
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1")
	}
	return "https://api.test/openapi.json#/" + strings.Join(keys, "/")
}

// find returns the described path of a request.
func (d *Description) find(path string) string {
	best := ""
	for p := range d.paths {
		if fitsPath(p, path) && (best == "" || strings.Count(p, "{") < strings.Count(best, "{")) {
			best = p
		}
	}
	return best
}

func fitsPath(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !strings.HasPrefix(a[i], "{") && a[i] != b[i] {
			return false
		}
	}
	return true
}

func (d *Description) schema(keys ...string) (*jsonschema.Schema, error) {
	at := pointer(keys...)
	if s, ok := d.compiled[at]; ok {
		return s, nil
	}
	s, err := d.compiler.Compile(at)
	d.compiled[at] = s
	return s, err
}

// Check holds a body to the schema of an answer.
func (d *Description) Check(method, path, status string, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	op, ok := d.paths[path][strings.ToLower(method)]
	if !ok {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	r, ok := op.Responses[status]
	if !ok || r.Content["application/json"] == nil {
		return nil
	}
	s, err := d.schema("paths", path, strings.ToLower(method), "responses", status, "content", "application/json", "schema")
	if err != nil {
		return err
	}
	return validate(s, body)
}

func validate(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func (d *Description) problem(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	if !d.seen[p] {
		d.seen[p] = true
		d.problems = append(d.problems, p)
	}
}

// Problems lists what did not fit, each once.
func (d *Description) Problems() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.problems)
}

// Watch holds every request and every answer of a handler to the description.
// GraphQL is held to its own schema by the handler.
func (d *Description) Watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if r.URL.Path != "/graphql" {
			d.watch(r, body, rec)
		} else if bytes.Contains(rec.Body.Bytes(), []byte(`"undefinedField"`)) {
			d.mu.Lock()
			d.problem("a query does not fit the schema: %s", rec.Body)
			d.mu.Unlock()
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func (d *Description) watch(r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	path := d.find(r.URL.EscapedPath())
	d.mu.Lock()
	op, ok := d.paths[path][strings.ToLower(r.Method)]
	switch {
	case !ok:
		d.problem("%s %s is not described", r.Method, r.URL.Path)
	default:
		d.query(r, path, op)
		d.body(r, path, op, body)
	}
	d.mu.Unlock()
	if ok && rec.Code != http.StatusNotModified && rec.Code < 300 && rec.Code != http.StatusNoContent {
		if err := d.Check(r.Method, path, fmt.Sprint(rec.Code), rec.Body.Bytes()); err != nil {
			d.mu.Lock()
			d.problem("answer to %s %s: %v", r.Method, path, err)
			d.mu.Unlock()
		}
	}
}

func (d *Description) query(r *http.Request, path string, op operation) {
	for name, values := range r.URL.Query() {
		i := slices.IndexFunc(op.Parameters, func(p struct {
			Name, In string
			Required bool
			Schema   json.RawMessage
		},
		) bool {
			return p.In == "query" && p.Name == name
		})
		if i < 0 {
			d.problem("%s %s has no parameter %s", r.Method, path, name)
			continue
		}
		s, err := d.schema("paths", path, strings.ToLower(r.Method), "parameters", fmt.Sprint(i), "schema")
		if err != nil {
			d.problem("parameter %s of %s: %v", name, path, err)
			continue
		}
		text, _ := json.Marshal(values[0])
		if validate(s, []byte(values[0])) != nil && validate(s, text) != nil {
			d.problem("%s %s: %s=%s does not fit", r.Method, path, name, values[0])
		}
	}
}

func (d *Description) body(r *http.Request, path string, op operation, body []byte) {
	if op.RequestBody == nil || len(body) == 0 {
		return
	}
	s, err := d.schema("paths", path, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema")
	if err == nil {
		err = validate(s, body)
	}
	if err != nil {
		d.problem("body of %s %s: %v", r.Method, path, err)
	}
}
