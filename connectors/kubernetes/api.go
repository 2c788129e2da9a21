package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

const (
	pageSize = 500
	podPage  = 250 // a Pod may have 40 KB
	maxPages = 4000

	// asMetadata asks for names, labels, owners and dates without the rest.
	asMetadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
)

// An api asks an API server.
type api struct {
	http  *http.Client
	base  string
	token string
}

func newAPI(run connector.Run) api {
	return api{http: run.HTTP, base: strings.TrimSuffix(run.Settings.Text("url"), "/"), token: run.Settings.Text("token")}
}

func (a api) header(accept string) http.Header {
	h := http.Header{"Accept": {accept}}
	if a.token != "" {
		h.Set("Authorization", "Bearer "+a.token)
	}
	return h
}

func (a api) fetch(ctx context.Context, path, accept string) (connector.Reply, error) {
	return connector.Fetch(ctx, a.http, a.base+path, a.header(accept))
}

// get reads one object.
func (a api) get(ctx context.Context, path string, v any) error {
	r, err := a.fetch(ctx, path, "application/json")
	if err != nil {
		return err
	}
	return r.Decode(v)
}

// ask sends one of Kubernetes' questions about ourselves, which stores nothing.
// The client repeats no POST; a question may be repeated, so this does, once.
func (a api) ask(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	err = a.post(ctx, path, body, answer)
	if passing(err) && ctx.Err() == nil {
		err = a.post(ctx, path, body, answer)
	}
	return err
}

func (a api) post(ctx context.Context, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", connector.ErrFormat)
	}
	req.Header = a.header("application/json")
	req.Header.Set("Content-Type", "application/json")
	res, err := a.http.Do(req)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("POST %s: %w: %w", path, connector.ErrCut, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return &connector.StatusError{Status: res.StatusCode, Path: path}
	}
	return connector.Reply{Status: res.StatusCode, Header: res.Header, Body: got, URL: req.URL}.Decode(answer)
}

// A page is a part of a list. What proves that it is one is checked to be there:
// half a list must not pass for a list. Items may be null, which is how the server
// writes that a list of metadata is empty, but not left out.
type page[T any] struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Version   string `json:"resourceVersion"`
		Continue  string `json:"continue"`
		Remaining int64  `json:"remainingItemCount"`
	} `json:"metadata"`
	Items items[T] `json:"items"`
}

// Items are the things of a page; said tells an empty list from none.
type items[T any] struct {
	all  []T
	said bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *items[T]) UnmarshalJSON(b []byte) error {
	i.said = true
	return json.Unmarshal(b, &i.all)
}

func (p page[T]) check() error {
	if !strings.HasSuffix(p.Kind, "List") || p.Metadata.Version == "" || !p.Items.said {
		return fmt.Errorf("a list without its kind, version or items: %w", connector.ErrFormat)
	}
	if p.Metadata.Continue == "" && p.Metadata.Remaining > 0 {
		return fmt.Errorf("%d more: %w", p.Metadata.Remaining, connector.ErrCapped)
	}
	return nil
}

// errMoved means that a list changed its version between two pages.
var errMoved = errors.New("the list moved on while it was read")

// A listing says what to list and how to take it.
type listing[T, U any] struct {
	path   string
	accept string // "": whole objects
	limit  int    // 0: pageSize
	take   func(T) (U, error)
}

// list reads a whole list as of one version. Where the server has forgotten that
// version before the last page (410), it starts again, once.
func list[T, U any](ctx context.Context, a api, l listing[T, U]) ([]U, error) {
	all, err := listOnce(ctx, a, l)
	var se *connector.StatusError
	if errors.Is(err, errMoved) || errors.As(err, &se) && se.Status == http.StatusGone {
		all, err = listOnce(ctx, a, l)
	}
	if errors.Is(err, errMoved) {
		err = fmt.Errorf("%w: %w", err, connector.ErrCapped)
	}
	return all, err
}

func listOnce[T, U any](ctx context.Context, a api, l listing[T, U]) ([]U, error) {
	if l.limit == 0 {
		l.limit = pageSize
	}
	if l.accept == "" {
		l.accept = "application/json"
	}
	all := []U{}
	version, next := "", ""
	for range maxPages {
		p, err := fetchPage(ctx, a, l, next)
		if err != nil {
			return all, fmt.Errorf("list %s: %w", l.path, err)
		}
		if version != "" && p.Metadata.Version != version {
			return all, fmt.Errorf("list %s: %w", l.path, errMoved)
		}
		for _, item := range p.Items.all {
			u, err := l.take(item)
			if err != nil {
				return all, fmt.Errorf("list %s: %w", l.path, err)
			}
			all = append(all, u)
		}
		if p.Metadata.Continue == "" {
			return all, nil
		}
		if p.Metadata.Continue == next {
			return all, fmt.Errorf("list %s: the same page again: %w", l.path, connector.ErrFormat)
		}
		version, next = p.Metadata.Version, p.Metadata.Continue
	}
	return all, fmt.Errorf("list %s: more than %d pages: %w", l.path, maxPages, connector.ErrCapped)
}

func fetchPage[T, U any](ctx context.Context, a api, l listing[T, U], next string) (page[T], error) {
	sep := "?"
	if strings.Contains(l.path, "?") {
		sep = "&"
	}
	path := l.path + sep + "limit=" + strconv.Itoa(l.limit)
	if next != "" {
		path += "&continue=" + queryEscape(next)
	}
	var p page[T]
	r, err := a.fetch(ctx, path, l.accept)
	if err == nil {
		err = r.Decode(&p)
	}
	if err == nil {
		err = p.check()
	}
	return p, err
}

// passing reports an error that says nothing about the thing itself: what is
// known of it then stays as it was last seen.
func passing(err error) bool { return err != nil && !connector.Refused(err) }
