// Package tickettest is a small working forge for tests: issues as GitHub's
// and Gitea's published descriptions have them, in memory.
package tickettest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/channel/channeltest"
)

// A Forge keeps the issues of acme/security.
type Forge struct {
	Prefix   string // of its paths
	Auth     string // the Authorization that it accepts
	Page     string
	MaxTitle int
	MaxBody  int
	Pulls    bool // pull requests stand among the issues, with the marks of all

	mu     sync.Mutex // guards what follows
	issues []*issue
	lose   bool
}

type issue struct {
	Number    int            `json:"number"`
	Title     string         `json:"title"`
	Body      string         `json:"body"`
	State     string         `json:"state"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Pull      map[string]any `json:"pull_request,omitempty"`
	comments  []comment
	labels    []string
}

type comment struct {
	Body      string    `json:"body"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Lose drops the connection after the next issue was opened.
func (f *Forge) Lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = true
}

// Fill opens n issues of other people.
func (f *Forge) Fill(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.issues = append(f.issues, &issue{Number: len(f.issues) + 1, Title: "other", State: "open", CreatedAt: channeltest.At(), UpdatedAt: channeltest.At()})
	}
}

// All returns the issues, without pull requests.
func (f *Forge) All() []channeltest.Issue {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]channeltest.Issue, 0, len(f.issues))
	for _, i := range f.issues {
		one := channeltest.Issue{Title: i.Title, Body: i.Body, Open: i.State == "open"}
		for _, c := range i.comments {
			one.Comments = append(one.Comments, c.Body)
		}
		out = append(out, one)
	}
	return out
}

// Labels returns those of an issue.
func (f *Forge) Labels(number int) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issues[number-1].labels
}

// ServeHTTP implements http.Handler.
func (f *Forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest, ok := strings.CutPrefix(r.URL.Path, f.Prefix+"/repos/acme/security/issues")
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	if r.Header.Get("Authorization") != f.Auth {
		refuse(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if parts[0] == "" {
		f.list(w, r)
		return
	}
	n, err := strconv.Atoi(parts[0])
	if err != nil || n < 1 || n > len(f.issues) {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	one := f.issues[n-1]
	switch {
	case len(parts) == 2 && parts[1] == "comments" && r.Method == http.MethodGet:
		answer(w, http.StatusOK, one.comments)
	case len(parts) == 2 && parts[1] == "comments" && r.Method == http.MethodPost:
		f.comment(w, r, one)
	case len(parts) == 1 && r.Method == http.MethodPatch:
		change(w, r, one)
	default:
		refuse(w, http.StatusMethodNotAllowed, "no")
	}
}

func (f *Forge) list(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		f.open(w, r)
		return
	}
	q := r.URL.Query()
	since, err := time.Parse(time.RFC3339, q.Get("since"))
	if err != nil || q.Get("state") != "all" {
		refuse(w, http.StatusUnprocessableEntity, "since, state")
		return
	}
	var all []*issue
	for _, i := range f.issues {
		if !i.UpdatedAt.Before(since) {
			all = append(all, i)
		}
	}
	if f.Pulls && len(f.issues) > 0 {
		marks := ""
		for _, i := range f.issues {
			marks += i.Body
		}
		all = append([]*issue{{Number: 0, Body: marks, Pull: map[string]any{"url": "x"}, CreatedAt: channeltest.At()}}, all...)
	}
	answer(w, http.StatusOK, page(all, q, f.Page))
}

func page(all []*issue, q url.Values, name string) []*issue {
	size, _ := strconv.Atoi(q.Get(name))
	n, _ := strconv.Atoi(q.Get("page"))
	if size == 0 {
		size = 30
	}
	from := min(max(0, n-1)*size, len(all))
	return slices.Clone(all[from:min(from+size, len(all))])
}

func (f *Forge) open(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Title, Body string
		Labels      []string
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Title == "" || channel.Units(in.Title) > f.MaxTitle || channel.Units(in.Body) > f.MaxBody {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	one := &issue{Number: len(f.issues) + 1, Title: in.Title, Body: in.Body, State: "open", CreatedAt: channeltest.At(), UpdatedAt: channeltest.At(), labels: in.Labels}
	f.issues = append(f.issues, one)
	if f.lose {
		f.lose = false
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusCreated, one)
}

func (f *Forge) comment(w http.ResponseWriter, r *http.Request, one *issue) {
	var in comment
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Body == "" || channel.Units(in.Body) > f.MaxBody {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	in.UpdatedAt = channeltest.At()
	one.comments = append(one.comments, in)
	answer(w, http.StatusCreated, in)
}

func change(w http.ResponseWriter, r *http.Request, one *issue) {
	var in struct{ State string }
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.State != "open" && in.State != "closed" {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	one.State = in.State
	answer(w, http.StatusOK, one)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"message": fmt.Sprint(why)})
}
