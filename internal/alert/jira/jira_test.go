package jira

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const token = "topsecret-token"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url, api string) string {
	return fmt.Sprintf(`{url: %q, project: SEC, user: bot@acme.test, token: %s, labels: security, api: "%s"}`, url, token, api)
}

// A jira keeps a project's issues by the published documentation of the REST
// API: key, labels, transitions with the category of their status.
type jira struct {
	t      *testing.T
	api    string
	schema *jsonschema.Schema

	mu     sync.Mutex // guards what follows
	issues []channeltest.Issue
	labels [][]string
	lose   bool
}

func newJira(t *testing.T, api string) *jira { return &jira{t: t, api: api, schema: described(t)} }

// described is the schema of Atlassian's document format.
func described(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile("testdata/adf.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("adf.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("adf.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text checks a description or a comment and returns its words.
func (j *jira) text(raw json.RawMessage) string {
	if j.api == "2" {
		var s string
		if json.Unmarshal(raw, &s) != nil || s == "" || channel.Units(s) > 32767 {
			j.t.Errorf("not a text of version 2: %.200s", raw)
		}
		return s
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		j.t.Fatal(err)
	}
	if err := j.schema.Validate(doc); err != nil {
		j.t.Errorf("the document is not as described: %v\n%.1000s", err, raw)
	}
	if len(raw) > 32767*4 {
		j.t.Errorf("a document of %d bytes", len(raw))
	}
	var n node
	if err := json.Unmarshal(raw, &n); err != nil {
		j.t.Fatal(err)
	}
	return shown(n)
}

func shown(n node) string {
	out := n.Text
	for _, m := range n.Marks {
		if href, ok := m.Attrs["href"].(string); ok {
			out += " " + href
		}
	}
	for _, c := range n.Content {
		out += shown(c)
	}
	if n.Type == "paragraph" || n.Type == "hardBreak" {
		out += "\n"
	}
	return out
}

var byLabel = regexp.MustCompile(`^project = "SEC" AND labels = "(prumo-[a-z_]+)" ORDER BY created ASC$`)

// ServeHTTP implements http.Handler.
func (j *jira) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.Path, "/rest/api/"+j.api)
	if _, pass, basic := r.BasicAuth(); !basic || pass != token {
		reply(w, 401, map[string]any{"errorMessages": []string{"You are not authenticated"}})
		return
	}
	search := map[string]string{"2": "/search", "3": "/search/jql"}[j.api]
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	switch {
	case !ok:
		reply(w, 404, map[string]any{"errorMessages": []string{"no such path"}})
	case rest == search && r.Method == http.MethodGet:
		j.search(w, r)
	case rest == "/issue" && r.Method == http.MethodPost:
		j.create(w, r)
	case parts[0] == "issue" && len(parts) > 1:
		var n int
		if _, err := fmt.Sscanf(parts[1], "SEC-%d", &n); err != nil || n < 1 || n > len(j.issues) {
			reply(w, 404, map[string]any{"errorMessages": []string{"Issue does not exist"}})
			return
		}
		j.issue(w, r, &j.issues[n-1], strings.Join(parts[2:], "/"))
	default:
		reply(w, 404, map[string]any{"errorMessages": []string{"no such path"}})
	}
}

func (j *jira) search(w http.ResponseWriter, r *http.Request) {
	found := byLabel.FindStringSubmatch(r.URL.Query().Get("jql"))
	if found == nil {
		reply(w, 400, map[string]any{"errorMessages": []string{"Error in the JQL Query"}})
		return
	}
	list := []map[string]any{}
	for i, labels := range j.labels {
		if slices.Contains(labels, found[1]) {
			list = append(list, map[string]any{"key": fmt.Sprintf("SEC-%d", i+1)})
		}
	}
	reply(w, 200, map[string]any{"issues": list})
}

func (j *jira) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Fields struct {
			Project     struct{ Key string }
			Issuetype   struct{ Name string }
			Summary     string
			Description json.RawMessage
			Labels      []string
		}
	}
	f := &in.Fields
	if json.NewDecoder(r.Body).Decode(&in) != nil || f.Project.Key != "SEC" || f.Issuetype.Name != "Task" || f.Summary == "" || channel.Units(f.Summary) > 255 {
		reply(w, 400, map[string]any{"errors": map[string]string{"summary": "Summary must be less than 255 characters."}})
		return
	}
	j.issues, j.labels = append(j.issues, channeltest.Issue{Title: f.Summary, Body: j.text(f.Description), Open: true}), append(j.labels, f.Labels)
	if j.lose {
		j.lose = false
		panic(http.ErrAbortHandler)
	}
	reply(w, 201, map[string]any{"id": "1", "key": fmt.Sprintf("SEC-%d", len(j.issues))})
}

func (j *jira) issue(w http.ResponseWriter, r *http.Request, one *channeltest.Issue, what string) {
	status := func(open bool) map[string]any {
		if open {
			return map[string]any{"name": "To Do", "statusCategory": map[string]any{"key": "new"}}
		}
		return map[string]any{"name": "Erledigt", "statusCategory": map[string]any{"key": "done"}}
	}
	switch r.Method + " " + what {
	case "GET ":
		reply(w, 200, map[string]any{"fields": map[string]any{"status": status(one.Open)}})
	case "GET transitions":
		reply(w, 200, map[string]any{"transitions": []map[string]any{
			{"id": "11", "name": "Start", "to": status(true)}, {"id": "31", "name": "Fertig", "to": status(false)},
		}})
	case "POST transitions":
		var in struct{ Transition struct{ ID string } }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Transition.ID != "11" && in.Transition.ID != "31" {
			reply(w, 400, map[string]any{"errorMessages": []string{"no such transition"}})
			return
		}
		one.Open = in.Transition.ID == "11"
		w.WriteHeader(http.StatusNoContent)
	case "GET comment":
		list := []map[string]any{}
		for _, c := range one.Comments {
			list = append(list, map[string]any{"body": c})
		}
		reply(w, 200, map[string]any{"comments": list})
	case "POST comment":
		var in struct{ Body json.RawMessage }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			reply(w, 400, nil)
			return
		}
		one.Comments = append(one.Comments, strings.TrimSpace(j.text(in.Body)))
		reply(w, 201, map[string]any{"id": "1"})
	default:
		reply(w, 405, nil)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{
		New: fresh, Words: func(url string) string { return words(url, "3") }, Secrets: []string{token}, Accept: newJira(t, "3").ServeHTTP,
	})
}

func TestStory(t *testing.T) {
	for _, api := range []string{"2", "3"} {
		t.Run(api, func(t *testing.T) {
			j := newJira(t, api)
			v := channeltest.NewVendor(t, j.ServeHTTP)
			channeltest.Tickets(t, fresh, channeltest.Tracker{
				Client: v.Client, Words: words(v.URL, api), Lose: func() { j.mu.Lock(); j.lose = true; j.mu.Unlock() },
				Issues: func() []channeltest.Issue {
					j.mu.Lock()
					defer j.mu.Unlock()
					return append([]channeltest.Issue(nil), j.issues...)
				},
			})
			if l := j.labels[0]; !slices.Contains(l, "security") || !slices.Contains(l, "prumo") {
				t.Errorf("labels: %v", l)
			}
		})
	}
}

func TestVersionFollowsTheHost(t *testing.T) {
	for url, want := range map[string]string{"https://acme.atlassian.net": "3", "https://jira.acme.test": "2", "https://atlassian.net.evil.test": "2"} {
		var s Settings
		r := channeltest.Receiver(t, New(Config{}), fmt.Sprintf("{url: %q, project: SEC, token: x}", url))
		if err := json.Unmarshal(r.Config, &s); err != nil || s.API != want {
			t.Errorf("%s: got %q, %v", url, s.API, err)
		}
	}
	for _, project := range []string{"sec", `SEC" OR 1=1`, "", "S-1"} {
		if _, err := channeltest.Target(New(Config{}), fmt.Sprintf("{url: \"https://x.test\", project: %q, token: x}", project)); err == nil {
			t.Errorf("accepted the project %q", project)
		}
	}
}
