package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Reply is a whole answer with a status of success.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	URL    *url.URL // where it came from, after redirects
}

// Fetch gets an address. An answer that is no success is a *StatusError; no
// error holds the query of the address.
func Fetch(ctx context.Context, c *http.Client, address string, header http.Header) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Reply{}, fmt.Errorf("make a request: %w", ErrFormat)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := c.Do(req)
	if err != nil {
		return Reply{}, withoutQuery(req, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Reply{}, fmt.Errorf("GET %s%s: %w: %w", req.URL.Host, req.URL.Path, ErrCut, err)
	}
	r := Reply{Status: res.StatusCode, Header: res.Header, Body: body, URL: req.URL}
	if res.Request != nil {
		r.URL = res.Request.URL
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return Reply{}, statusError(c, req, r)
	}
	return r, nil
}

func statusError(c *http.Client, req *http.Request, r Reply) error {
	e := &StatusError{Status: r.Status, Path: req.URL.Path, Body: r.Body[:min(len(r.Body), 4<<10)]}
	t, ok := c.Transport.(*transport)
	if !ok {
		return e
	}
	e.RetryAfter = RetryAfter(r.Header, t.cfg.Now())
	e.Path = t.redact.Text(e.Path)
	e.Body = []byte(t.redact.Text(string(e.Body)))
	return e
}

// withoutQuery unwraps net/http's error, whose message holds the whole address.
func withoutQuery(req *http.Request, err error) error {
	var ce *callError
	if errors.As(err, &ce) {
		return ce
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fmt.Errorf("%s %s%s: %w", req.Method, req.URL.Host, req.URL.Path, err)
}

// Decode reads a JSON answer into v. More than one value, an empty answer and
// null, where v is a list or an object, are ErrFormat: none of them means
// "there is nothing".
func (r Reply) Decode(v any) error {
	body := bytes.TrimSpace(r.Body)
	if len(body) == 0 {
		return fmt.Errorf("%s: empty: %w", r.path(), ErrFormat)
	}
	if bytes.Equal(body, []byte("null")) {
		return fmt.Errorf("%s: null: %w", r.path(), ErrFormat)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: not the expected JSON: %w", r.path(), ErrFormat)
	}
	return nil
}

func (r Reply) path() string {
	if r.URL == nil {
		return "answer"
	}
	return r.URL.Path
}

// Next returns the address of the next page from the Link header (RFC 8288),
// or "". It is resolved against the page's own address; the client refuses it
// if it leads to another host.
func (r Reply) Next() (string, error) {
	ref := linkNext(r.Header.Values("Link"))
	if ref == "" {
		return "", nil
	}
	u, err := url.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("%s: next page: %w", r.path(), ErrFormat)
	}
	if r.URL != nil {
		u = r.URL.ResolveReference(u)
	}
	return u.String(), nil
}

// linkNext finds the target of rel="next" in Link headers.
func linkNext(values []string) string {
	for _, v := range values {
		for v != "" {
			start := strings.IndexByte(v, '<')
			if start < 0 {
				break
			}
			end := strings.IndexByte(v[start:], '>')
			if end < 0 {
				break
			}
			target := v[start+1 : start+end]
			params, rest := linkParams(v[start+end+1:])
			if isNext(params) {
				return target
			}
			v = rest
		}
	}
	return ""
}

// linkParams cuts a link's parameters off at the comma that is not within quotes.
func linkParams(s string) (params, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(k), "rel") {
			continue
		}
		for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(v), `"`)) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
	}
	return false
}
