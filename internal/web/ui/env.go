package ui

import (
	"net/url"
	"slices"
	"time"

	"prumo.dev/prumo/internal/monitor"
)

// An Env is what a page knows about its reader and its moment. It is made for
// one request and never shared.
type Env struct {
	*Lang
	Assets *Assets
	Now    time.Time
	At     time.Time // the past instant that is shown; zero: now
	Zone   *time.Location
	Nonce  string
	Path   string     // of this page, without its query
	Query  url.Values // of this page
	Theme  string     // prumo-light, prumo-dark, or "" for the system's
	Drill  bool
	Org    string
	User   string // "" when nobody is signed in
	Act    bool   // the reader may run the programme (sources, routes, approvals), and now is shown
	Own    bool   // the reader may answer for controls (exceptions, owners), and now is shown
	Live   bool   // the page is refreshed when something changed
	Nav    string // the item of the navigation that the page belongs to
	Counts map[string]int64
	// notices stand above the page: what was done, or what of the address was not followed.
	notices []notice
}

type notice struct {
	kind monitor.Status
	text string
}

// Notice says a sentence above the page that is being made; kind is that of a
// Note, "" is plain.
func (e *Env) Notice(kind monitor.Status, sentence string) {
	e.notices = append(e.notices, notice{kind, sentence})
}

// A Crumb is one step of the way to a page.
type Crumb struct{ Text, Href string }

// Instant returns the instant that the page shows.
func (e *Env) Instant() time.Time {
	if e.At.IsZero() {
		return e.Now
	}
	return e.At
}

// Past reports that the page shows a past instant.
func (e *Env) Past() bool { return !e.At.IsZero() }

// Local returns the time in the reader's zone.
func (e *Env) Local(t time.Time) time.Time { return t.In(e.Zone) }

// Day writes the day of an instant.
func (e *Env) Day(t time.Time) string { return e.Date(e.Local(t), e.Local(e.Now)) }

// Moment writes the day and time of an instant.
func (e *Env) Moment(t time.Time) string { return e.DateTime(e.Local(t), e.Local(e.Now)) }

// Link returns the address of another page of ours with the given query; it
// keeps the past instant, if one is shown.
func (e *Env) Link(path string, query ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		q.Add(query[i], query[i+1])
	}
	if e.Past() {
		q.Set("at", e.At.UTC().Format(time.RFC3339))
	}
	return address(path, q)
}

// With returns the address of this page with a key of its query set, or taken
// away where value is empty. The place in the list begins anew.
func (e *Env) With(key, value string) string {
	q := e.copyQuery()
	q.Del("cursor")
	q.Del(key)
	if value != "" {
		q.Set(key, value)
	}
	return address(e.Path, q)
}

// Toggle returns the address of this page with a value added to a key of its
// query, or taken away where it is there.
func (e *Env) Toggle(key, value string) string {
	q := e.copyQuery()
	q.Del("cursor")
	if i := slices.Index(q[key], value); i >= 0 {
		q[key] = slices.Delete(q[key], i, i+1)
	} else {
		q.Add(key, value)
	}
	return address(e.Path, q)
}

// Cursor returns the address of this page at another place of its list.
func (e *Env) Cursor(cursor string) string {
	q := e.copyQuery()
	q.Del("cursor")
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return address(e.Path, q)
}

// Here returns the address of this page.
func (e *Env) Here() string { return address(e.Path, e.copyQuery()) }

func (e *Env) copyQuery() url.Values {
	q := url.Values{}
	for k, v := range e.Query {
		q[k] = slices.Clone(v)
	}
	return q
}

func address(path string, q url.Values) string {
	for k, v := range q {
		if len(v) == 0 {
			delete(q, k)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// ThingPath returns the path of a thing's page. The kind goes along, since an
// id is unique only within a source and a kind.
func ThingPath(source, id string) string {
	return "/things/" + url.PathEscape(source) + "/" + url.PathEscape(id)
}
