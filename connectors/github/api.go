package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

const (
	pageSize   = "per_page=100"
	maxPages   = 2000
	apiVersion = "2022-11-28"
	// maxPause is how long a query that GitHub put off is waited for within a reading.
	maxPause = 5 * time.Second
)

// An api asks GitHub. Answers come with an ETag: what was answered before is
// asked with it, and an answer of 304 costs nothing of the primary rate limit.
// Once GitHub asks for fewer requests, none is sent until the time that it
// named, also by later readings.
type api struct {
	run   connector.Run
	base  string
	graph string
	auth  *auth
	until map[string]time.Time // resource → when it may be asked again
	tired bool                 // a request failed, and failed again
}

// The resources whose limits are counted apart; everything is the secondary limit's.
const (
	resourceREST       = "core"
	resourceGraph      = "graphql"
	resourceEverything = "everything"
)

func newAPI(run connector.Run) (*api, error) {
	base := strings.TrimSuffix(run.Settings.Text("url"), "/")
	if base == "" {
		base = defaultURL
	}
	graph := base + "/graphql"
	if server, ok := strings.CutSuffix(base, "/api/v3"); ok {
		graph = server + "/api/graphql"
	}
	a := &api{run: run, base: base, graph: graph, until: map[string]time.Time{}}
	var err error
	a.auth, err = newAuth(run)
	return a, err
}

// An answered page of the REST API, as the memo keeps it: only what is read of it.
type page struct {
	ETag string          `json:"etag"`
	Next string          `json:"next,omitempty"`
	Body json.RawMessage `json:"body"`
}

// fetch gets an address under the organisation's credential into v, a pointer,
// and returns the address of the next page.
func (a *api) fetch(ctx context.Context, org, address string, v any) (next string, err error) {
	if err := a.mayAsk(resourceREST); err != nil {
		return "", err
	}
	auth, err := a.auth.header(ctx, a, org)
	if err != nil {
		return "", err
	}
	known, old := a.recall(address)
	if old {
		auth.Set("If-None-Match", known.ETag)
	}
	r, err := a.send(ctx, http.MethodGet, address, auth, nil)
	var se *connector.StatusError
	if old && errors.As(err, &se) && se.Status == http.StatusNotModified {
		if json.Unmarshal(known.Body, v) != nil {
			return "", fmt.Errorf("%s: %w", se.Path, connector.ErrFormat)
		}
		return known.Next, nil
	}
	if err != nil {
		return "", err
	}
	if err := r.Decode(v); err != nil {
		return "", err
	}
	next, err = r.Next()
	if err != nil {
		return "", err
	}
	a.keep(address, r.Header.Get("ETag"), next, v)
	return next, nil
}

func (a *api) recall(address string) (page, bool) {
	if a.run.Memo == nil {
		return page{}, false
	}
	b, ok := a.run.Memo.Recall("rest " + address)
	var p page
	return p, ok && json.Unmarshal(b, &p) == nil && p.ETag != ""
}

func (a *api) keep(address, etag, next string, v any) {
	if a.run.Memo == nil || etag == "" {
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		return
	}
	if b, err := json.Marshal(page{ETag: etag, Next: next, Body: body}); err == nil {
		a.run.Memo.Keep("rest "+address, b)
	}
}

// send makes one request. An answer that is no success is a StatusError; one
// that asks for fewer requests has status 429, whatever GitHub wrote.
func (a *api) send(ctx context.Context, method, address string, header http.Header, body []byte) (connector.Reply, error) {
	var r connector.Reply
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return r, fmt.Errorf("make a request: %w", connector.ErrFormat)
	}
	if body == nil {
		req.Body, req.GetBody = nil, nil
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := a.run.HTTP.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // its message holds the whole address
		}
		return r, fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return r, fmt.Errorf("%s %s: %w: %w", method, req.URL.Path, connector.ErrCut, err)
	}
	r = connector.Reply{Status: res.StatusCode, Header: res.Header, Body: got, URL: req.URL}
	if res.Request != nil {
		r.URL = res.Request.URL
	}
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		a.noteSpent(r)
		return r, nil
	}
	return r, a.refusal(req.URL.Path, r)
}

// refusal turns an answer that is no success into an error, and remembers how
// long GitHub wants to be left alone.
func (a *api) refusal(path string, r connector.Reply) error {
	e := &connector.StatusError{Status: r.Status, Path: path, RetryAfter: connector.RetryAfter(r.Header, a.run.Now()), Body: r.Body[:min(len(r.Body), 4<<10)]}
	if r.Status != http.StatusForbidden && r.Status != http.StatusTooManyRequests {
		return e
	}
	spent := r.Header.Get("X-RateLimit-Remaining") == "0"
	secondary := bytes.Contains(bytes.ToLower(e.Body), []byte("secondary rate limit"))
	switch {
	case spent && e.RetryAfter == 0:
		e.RetryAfter = a.noteSpent(r)
	case secondary && e.RetryAfter == 0:
		e.RetryAfter = time.Minute // GitHub's own advice where it names no time
	case r.Status == http.StatusForbidden && e.RetryAfter == 0:
		return e
	}
	if e.RetryAfter > 0 && !spent {
		a.rest(resourceEverything, a.run.Now().Add(e.RetryAfter))
	}
	e.Status = http.StatusTooManyRequests
	return e
}

// noteSpent remembers that a primary limit is used up, and until when.
func (a *api) noteSpent(r connector.Reply) time.Duration {
	if r.Header.Get("X-RateLimit-Remaining") != "0" {
		return 0
	}
	at, err := strconv.ParseInt(r.Header.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	until := time.Unix(at, 0)
	name := r.Header.Get("X-RateLimit-Resource")
	if name == "" {
		name = resourceREST
	}
	a.rest(name, until)
	return min(max(until.Sub(a.run.Now()), 0), 2*time.Hour)
}

// rest lets a resource be until a time, at most two hours from now; the zero
// time ends it.
func (a *api) rest(resource string, until time.Time) {
	if end := a.run.Now().Add(2 * time.Hour); until.After(end) {
		until = end
	}
	a.until[resource] = until
	if a.run.Memo != nil {
		a.run.Memo.Keep("rest until "+resource, []byte(strconv.FormatInt(until.UnixMicro(), 10)))
	}
}

// mayAsk returns the answer that GitHub would give while a limit is used up.
func (a *api) mayAsk(resource string) error {
	now := a.run.Now()
	for _, name := range []string{resource, resourceEverything} {
		until := a.until[name]
		if a.run.Memo != nil {
			if b, ok := a.run.Memo.Recall("rest until " + name); ok {
				if us, err := strconv.ParseInt(string(b), 10, 64); err == nil {
					until = time.UnixMicro(us)
				}
			}
		}
		if until.After(now) {
			return &connector.StatusError{Status: http.StatusTooManyRequests, RetryAfter: until.Sub(now), Path: "/" + name}
		}
	}
	return nil
}

// get reads one object of an organisation.
func get[T any](ctx context.Context, a *api, org, path string) (T, error) {
	var v T
	_, err := a.fetch(ctx, org, a.base+path, &v)
	return v, err
}

// list reads a whole list, page by page.
func list[T any](ctx context.Context, a *api, org, path string) ([]T, error) {
	var all []T
	err := pages(ctx, a, org, path, func(part []T) (int, error) {
		all = append(all, part...)
		return len(part), nil
	})
	return all, err
}

// pages reads the pages of a list; take says how many things were on one.
func pages[P any](ctx context.Context, a *api, org, path string, take func(P) (int, error)) error {
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	address := a.base + path + sep + pageSize
	for range maxPages {
		var part P
		next, err := a.fetch(ctx, org, address, &part)
		if err != nil {
			return err
		}
		if _, err := take(part); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		address = next
	}
	return fmt.Errorf("%s: more than %d pages: %w", path, maxPages, connector.ErrCapped)
}

// repoPath is the API path of a repository.
func repoPath(full string) string {
	owner, name, _ := strings.Cut(full, "/")
	return "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
}

func orgPath(org string) string { return "/orgs/" + url.PathEscape(org) }

// said returns the message of a refusal in GitHub's words, for telling apart
// what is not there from what is hidden; it is never shown.
func said(err error) (status int, message string) {
	var se *connector.StatusError
	if !errors.As(err, &se) {
		return 0, ""
	}
	var m struct{ Message string }
	_ = json.Unmarshal(se.Body, &m)
	return se.Status, m.Message
}
