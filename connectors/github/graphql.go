package github

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// A denial is a part of a query that GitHub would not answer.
type denial struct {
	path   []string // names of the fields that lead there; numbers are left out
	status int
}

// denials of one query.
type denials []denial

// of returns the refusal of a field, wherever below an alias, or of the alias
// itself or all of the query.
func (d denials) of(alias, field string) error {
	for _, x := range d {
		if len(x.path) > 0 && x.path[0] != alias {
			continue
		}
		if len(x.path) <= 1 || x.path[len(x.path)-1] == field {
			return &connector.StatusError{Status: x.status, Path: "/graphql"}
		}
	}
	return nil
}

type graphError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Path    []any  `json:"path"`
}

// query asks the GraphQL API. What GitHub refuses of it comes back as denials;
// any other trouble is an error.
func (a *api) query(ctx context.Context, org, text string, vars map[string]any, v any) (denials, error) {
	if err := a.mayAsk(resourceGraph); err != nil {
		return nil, err
	}
	h, err := a.auth.header(ctx, a, org)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"query": text, "variables": vars})
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	r, err := a.post(ctx, a.graph, h, body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []graphError    `json:"errors"`
	}
	if err := r.Decode(&answer); err != nil {
		return nil, err
	}
	denied, err := a.judge(r, answer.Errors)
	if err != nil {
		return nil, err
	}
	if len(answer.Data) == 0 || bytes.Equal(answer.Data, []byte("null")) {
		if len(denied) > 0 {
			return denied, denied[0].err()
		}
		return nil, fmt.Errorf("graphql: no data: %w", connector.ErrFormat)
	}
	if err := json.Unmarshal(answer.Data, v); err != nil {
		return nil, fmt.Errorf("graphql: %w", connector.ErrFormat)
	}
	return denied, nil
}

func (d denial) err() error { return &connector.StatusError{Status: d.status, Path: "/graphql"} }

// judge sorts the errors of an answer.
func (a *api) judge(r connector.Reply, all []graphError) (denials, error) {
	var out denials
	for _, e := range all {
		d := denial{path: names(e.Path)}
		switch e.Type {
		case "FORBIDDEN", "INSUFFICIENT_SCOPES":
			d.status = http.StatusForbidden
		case "NOT_FOUND":
			d.status = http.StatusNotFound
		case "RATE_LIMITED", "RATE_LIMIT":
			wait := a.noteSpent(r)
			return nil, &connector.StatusError{Status: http.StatusTooManyRequests, RetryAfter: wait, Path: "/graphql"}
		default:
			return nil, &connector.StatusError{Status: http.StatusBadGateway, Path: "/graphql"}
		}
		out = append(out, d)
	}
	return out, nil
}

func names(path []any) []string {
	var out []string
	for _, p := range path {
		if s, ok := p.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// post sends a request that changes nothing at GitHub, or only makes a token,
// and so may be made again when it failed for a passing reason.
func (a *api) post(ctx context.Context, address string, header http.Header, body []byte) (connector.Reply, error) {
	header = header.Clone()
	header.Set("Content-Type", "application/json")
	for try := 1; ; try++ {
		r, err := a.send(ctx, http.MethodPost, address, header, body)
		wait, again := repeat(err, try)
		if !again || a.tired {
			a.tired = a.tired || try > 1 && err != nil // the next query of this reading is sent once
			return r, err
		}
		if pause(ctx, wait) != nil {
			return r, err
		}
		a.rest(resourceEverything, time.Time{})
	}
}

// repeat says whether to make a request again, and after what time.
func repeat(err error, try int) (time.Duration, bool) {
	var se *connector.StatusError
	switch {
	case err == nil, try > 1, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, connector.ErrHost), errors.Is(err, connector.ErrNetwork), errors.Is(err, connector.ErrTooLarge):
		return 0, false
	case !errors.As(err, &se):
		return soon, true
	case se.Status == http.StatusTooManyRequests:
		return se.RetryAfter, se.RetryAfter > 0 && se.RetryAfter <= maxPause
	default:
		return soon, se.Status >= 500
	}
}

// soon is how long a cut or failed query waits before it is sent once more.
const soon = 100 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
