package jira

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/alert/ticket"
)

// Limits of an issue, in characters.
const (
	maxSummary = 255
	maxText    = 32767
)

// A system is a project's issues. Their numbers are keys such as SEC-12.
type system struct {
	ticket.REST
	settings Settings
}

// label is how a mark stands among the labels.
func label(mark string) string { return "prumo-" + mark }

// Find searches for the mark's label. Jira's search may be some seconds behind
// what was just opened; the record of the number covers that time.
func (s system) Find(ctx context.Context, mark string, _ time.Time) (string, error) {
	path := "/search"
	if s.settings.API == "3" {
		path = "/search/jql"
	}
	q := url.Values{
		"jql":        {`project = "` + s.settings.Project + `" AND labels = "` + label(mark) + `" ORDER BY created ASC`},
		"maxResults": {"1"}, "fields": {"labels"},
	}
	var out struct {
		Issues []struct {
			Key string `json:"key"`
		} `json:"issues"`
	}
	if err := s.Do(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &out); err != nil || len(out.Issues) == 0 {
		return "", err
	}
	return out.Issues[0].Key, nil
}

// Open opens an issue.
func (s system) Open(ctx context.Context, mark string, c channel.Card) (string, error) {
	in := map[string]any{"fields": map[string]any{
		"project": map[string]any{"key": s.settings.Project}, "issuetype": map[string]any{"name": s.settings.Type},
		"summary":     channel.Clip(c.Title, maxSummary, channel.Units),
		"description": s.text(c, ""), "labels": append([]string{"prumo", label(mark)}, s.settings.Labels...),
	}}
	var out struct {
		Key string `json:"key"`
	}
	if err := s.Do(ctx, http.MethodPost, "/issue", in, &out); err != nil {
		return "", err
	}
	if out.Key == "" || strings.ContainsAny(out.Key, " /") {
		return "", &channel.Failure{Plain: "the receiver opened an issue and did not say its key", Temporary: true}
	}
	return out.Key, nil
}

// text is the card as this version of the API takes it.
func (s system) text(c channel.Card, mark string) any {
	if s.settings.API == "3" {
		return document(c, mark)
	}
	tail := ""
	if mark != "" {
		tail = "\n\nprumo:" + mark
	}
	return channel.Fit(c, maxText-len(tail), channel.Units, wiki().Write) + tail
}

// Comment adds a comment unless one with the mark is there.
func (s system) Comment(ctx context.Context, number, mark string, _ time.Time, c channel.Card) error {
	at := "/issue/" + url.PathEscape(number) + "/comment"
	var out struct {
		Comments []struct {
			Body any `json:"body"`
		} `json:"comments"`
	}
	if err := s.Do(ctx, http.MethodGet, at+"?orderBy=-created&maxResults=100", nil, &out); err != nil {
		return ticket.Deleted(err)
	}
	for _, one := range out.Comments {
		if holds(one.Body, "prumo:"+mark) {
			return nil
		}
	}
	return ticket.Deleted(s.Do(ctx, http.MethodPost, at, map[string]any{"body": s.text(c, mark)}, nil))
}

// holds looks for a text at the end of any text within a value.
func holds(v any, text string) bool {
	switch x := v.(type) {
	case string:
		return strings.HasSuffix(strings.TrimSpace(x), text)
	case []any:
		for _, one := range x {
			if holds(one, text) {
				return true
			}
		}
	case map[string]any:
		for _, one := range x {
			if holds(one, text) {
				return true
			}
		}
	}
	return false
}

// SetOpen makes the transition that leads to a status of the category done, or
// out of it. An issue that is where it should be is left alone.
func (s system) SetOpen(ctx context.Context, number string, open bool) error {
	at := "/issue/" + url.PathEscape(number)
	var now struct {
		Fields struct {
			Status status `json:"status"`
		} `json:"fields"`
	}
	if err := s.Do(ctx, http.MethodGet, at+"?fields=status", nil, &now); err != nil {
		return ticket.Deleted(err)
	}
	if now.Fields.Status.done() != open {
		return nil
	}
	var list struct {
		Transitions []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
			To   status `json:"to"`
		} `json:"transitions"`
	}
	if err := s.Do(ctx, http.MethodGet, at+"/transitions", nil, &list); err != nil {
		return ticket.Deleted(err)
	}
	for _, t := range list.Transitions {
		named := s.settings.Done == "" || strings.EqualFold(t.Name, s.settings.Done) || strings.EqualFold(t.To.Name, s.settings.Done)
		if t.To.done() != open && (open || named) {
			return ticket.Deleted(s.Do(ctx, http.MethodPost, at+"/transitions", map[string]any{"transition": map[string]any{"id": t.ID}}, nil))
		}
	}
	if open {
		return nil // a workflow without a way back: the comment tells
	}
	return &channel.Failure{Plain: "no transition of the issue " + number + " leads to a status that is done; name it with `done`, or allow it to this user", Temporary: true}
}

type status struct {
	Name     string `json:"name"`
	Category struct {
		Key string `json:"key"`
	} `json:"statusCategory"`
}

func (s status) done() bool { return s.Category.Key == "done" }
