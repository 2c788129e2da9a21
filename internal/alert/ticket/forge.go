package ticket

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// A Forge is issues of a repository as GitHub's REST API has them, and Gitea's,
// which is made after it.
type Forge struct {
	REST
	Issues   string // the path of the list: /repos/OWNER/NAME/issues
	Labels   []string
	Page     string // the parameter that says how many a page holds
	Kinds    string // a parameter that leaves out all but issues; "" where there is none
	MaxTitle int
	MaxBody  int
}

// pageSize is how many a page holds.
const pageSize = 50

// An issue is the part of one that we read.
type issue struct {
	Number    int64           `json:"number"`
	Body      string          `json:"body"`
	CreatedAt time.Time       `json:"created_at"`
	Pull      *map[string]any `json:"pull_request"`
}

// Find lists what changed since then; the list is read whole, since a search
// engine lags behind what was just opened.
func (f Forge) Find(ctx context.Context, mark string, since time.Time) (string, error) {
	found := int64(0)
	for page := 1; page <= MaxPages; page++ {
		q := url.Values{
			"state": {"all"}, "since": {since.UTC().Format(time.RFC3339)}, "sort": {"created"}, "direction": {"asc"},
			f.Page: {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(page)},
		}
		if f.Kinds != "" {
			q.Set("type", f.Kinds)
		}
		var list []issue
		if err := f.Do(ctx, http.MethodGet, f.Issues+"?"+q.Encode(), nil, &list); err != nil {
			return "", err
		}
		for _, i := range list {
			if i.Pull == nil && Marked(i.Body, mark) && (found == 0 || i.Number < found) {
				found = i.Number
			}
		}
		if len(list) < pageSize {
			break
		}
	}
	if found == 0 {
		return "", nil
	}
	return strconv.FormatInt(found, 10), nil
}

// Open opens an issue.
func (f Forge) Open(ctx context.Context, mark string, c channel.Card) (string, error) {
	in := map[string]any{"title": channel.Clip(c.Title, f.MaxTitle, channel.Units), "body": Markdown(c, mark, f.MaxBody)}
	if len(f.Labels) > 0 {
		in["labels"] = f.Labels
	}
	var out issue
	if err := f.Do(ctx, http.MethodPost, f.Issues, in, &out); err != nil {
		return "", err
	}
	if out.Number <= 0 {
		return "", &channel.Failure{Plain: "the receiver opened an issue and did not say its number", Temporary: true}
	}
	return strconv.FormatInt(out.Number, 10), nil
}

// Comment adds a comment unless one with the mark is there.
func (f Forge) Comment(ctx context.Context, number, mark string, since time.Time, c channel.Card) error {
	at := f.Issues + "/" + url.PathEscape(number) + "/comments"
	for page := 1; page <= MaxPages; page++ {
		q := url.Values{"since": {since.UTC().Format(time.RFC3339)}, f.Page: {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(page)}}
		var list []struct {
			Body string `json:"body"`
		}
		if err := f.Do(ctx, http.MethodGet, at+"?"+q.Encode(), nil, &list); err != nil {
			return Deleted(err)
		}
		for _, one := range list {
			if Marked(one.Body, mark) {
				return nil
			}
		}
		if len(list) != pageSize {
			break
		}
	}
	return Deleted(f.Do(ctx, http.MethodPost, at, map[string]any{"body": Markdown(c, mark, f.MaxBody)}, nil))
}

// SetOpen opens or closes an issue.
func (f Forge) SetOpen(ctx context.Context, number string, open bool) error {
	state := "closed"
	if open {
		state = "open"
	}
	return Deleted(f.Do(ctx, http.MethodPatch, f.Issues+"/"+url.PathEscape(number), map[string]any{"state": state}, nil))
}
