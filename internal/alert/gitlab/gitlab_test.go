package gitlab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

const token = "glpat-topsecret-token"

func fresh(c *http.Client) channel.Channel { return New(Config{HTTP: c}) }

func words(url string) string {
	return fmt.Sprintf(`{url: %q, project: acme/security, token: %s, labels: "security, prumo"}`, url, token)
}

// A gitlab keeps a project's issues by the published documentation of the
// Issues API and the Notes API: iid, description, state_event, created_after.
type gitlab struct {
	mu     sync.Mutex // guards what follows
	issues []channeltest.Issue
	labels string
	lose   bool
}

func (g *gitlab) all() []channeltest.Issue {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]channeltest.Issue(nil), g.issues...)
}

func (g *gitlab) drop() { g.mu.Lock(); g.lose = true; g.mu.Unlock() }

// ServeHTTP implements http.Handler.
func (g *gitlab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/projects/acme%2Fsecurity/issues")
	switch {
	case !ok:
		answer(w, 404, map[string]any{"message": "404 Project Not Found"})
		return
	case r.Header.Get("PRIVATE-TOKEN") != token:
		answer(w, 401, map[string]any{"message": "401 Unauthorized"})
		return
	}
	var in struct{ Title, Description, Labels, Body, StateEvent string }
	if r.Method != http.MethodGet {
		var raw map[string]string
		if json.NewDecoder(r.Body).Decode(&raw) != nil {
			answer(w, 400, map[string]any{"message": "400 Bad request"})
			return
		}
		in.Title, in.Description, in.Labels, in.Body, in.StateEvent = raw["title"], raw["description"], raw["labels"], raw["body"], raw["state_event"]
	}
	number, notes, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	n, _ := strconv.Atoi(number)
	switch {
	case number == "" && r.Method == http.MethodGet:
		g.list(w, r)
	case number == "" && r.Method == http.MethodPost:
		if in.Title == "" || channel.Units(in.Title) > 255 || len(in.Description) > 1048576 {
			answer(w, 400, map[string]any{"message": map[string]any{"title": []string{"is too long"}}})
			return
		}
		g.issues, g.labels = append(g.issues, channeltest.Issue{Title: in.Title, Body: in.Description, Open: true}), in.Labels
		if g.lose {
			g.lose = false
			panic(http.ErrAbortHandler)
		}
		answer(w, 201, map[string]any{"iid": len(g.issues), "id": 9000 + len(g.issues), "state": "opened"})
	case n < 1 || n > len(g.issues):
		answer(w, 404, map[string]any{"message": "404 Not found"})
	case notes == "notes" && r.Method == http.MethodGet:
		list := []map[string]any{}
		for _, c := range g.issues[n-1].Comments {
			list = append(list, map[string]any{"body": c})
		}
		answer(w, 200, list)
	case notes == "notes" && r.Method == http.MethodPost && in.Body != "":
		g.issues[n-1].Comments = append(g.issues[n-1].Comments, in.Body)
		answer(w, 201, map[string]any{"id": 1})
	case notes == "" && r.Method == http.MethodPut && (in.StateEvent == "close" || in.StateEvent == "reopen"):
		g.issues[n-1].Open = in.StateEvent == "reopen"
		answer(w, 200, map[string]any{"iid": n})
	default:
		answer(w, 405, map[string]any{"error": "405 Not Allowed"})
	}
}

func (g *gitlab) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if _, err := time.Parse(time.RFC3339, q.Get("created_after")); err != nil || q.Get("state") != "all" || q.Get("scope") != "all" {
		answer(w, 400, map[string]any{"error": "created_after is invalid"})
		return
	}
	size, _ := strconv.Atoi(q.Get("per_page"))
	page, _ := strconv.Atoi(q.Get("page"))
	from := min((page-1)*size, len(g.issues))
	list := []map[string]any{}
	for i, one := range g.issues[from:min(from+size, len(g.issues))] {
		list = append(list, map[string]any{"iid": from + i + 1, "id": 9001 + from + i, "description": one.Body})
	}
	answer(w, 200, list)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func TestExam(t *testing.T) {
	channeltest.Run(t, channeltest.Exam{New: fresh, Words: words, Secrets: []string{token}, Accept: (&gitlab{}).ServeHTTP})
}

func TestStory(t *testing.T) {
	g := &gitlab{}
	v := channeltest.NewVendor(t, g.ServeHTTP)
	channeltest.Tickets(t, fresh, channeltest.Tracker{Client: v.Client, Words: words(v.URL), Issues: g.all, Lose: g.drop})
	if g.labels != "security,prumo" {
		t.Errorf("labels: got %q", g.labels)
	}
	for _, i := range g.all() {
		for _, text := range append(i.Comments, i.Body) {
			for _, line := range strings.Split(text, "\n") {
				if strings.HasPrefix(strings.TrimSpace(line), "/") {
					t.Errorf("a line is a quick action: %q", line)
				}
			}
		}
	}
}

func TestRateLimit(t *testing.T) {
	v := channeltest.NewVendor(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("RateLimit-Remaining", "0")
		w.Header().Set("RateLimit-Reset", fmt.Sprint(channeltest.At().Add(6*time.Minute).Unix()))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ch := fresh(v.Client)
	err := ch.Send(t.Context(), channeltest.Dispatch(channeltest.Receiver(t, ch, words(v.URL)), channel.KindFailing, 1, &channeltest.Notes{}))
	if after := channel.After(err); after != 5*time.Minute {
		t.Errorf("rests %v, want 5 min", after)
	}
}
