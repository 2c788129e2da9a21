package http

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector/mapping"
)

// The ways in which systems cut a list into pages.
const (
	pagingNone   = "none"   // one answer holds everything
	pagingLink   = "link"   // the Link header names the next page (RFC 8288)
	pagingPage   = "page"   // pages are numbered
	pagingOffset = "offset" // a page starts after so many rows
	pagingCursor = "cursor" // the answer holds the mark of the next page
	pagingNext   = "next"   // the answer holds the address of the next page
)

// keys are what a map may say beside the mapping.
func keys() []string {
	return []string{"path", "items", "of", "more", "paging", "parameter", "size", "size_parameter", "first", "cursor", "next"}
}

// An endpoint is a map with the way to its rows.
type endpoint struct {
	*mapping.Map
	path          string
	items         *mapping.List
	of, more      *mapping.Value // nil: the answer does not say
	paging        string
	parameter     string
	size, first   int
	sizeParameter string
	next          *mapping.Value // of cursor and next
}

// asks reports whether the map says what only a system that is asked needs.
func (e endpoint) asks() bool {
	return e.path != "" || e.Extra["paging"] != "" || e.next != nil || e.Extra["size"] != ""
}

// parseMaps reads the declaration and compiles all that stands in it.
func parseMaps(text string) ([]endpoint, error) {
	maps, err := mapping.Parse(text, keys()...)
	if err != nil {
		return nil, err
	}
	out := make([]endpoint, 0, len(maps))
	var problems []error
	for _, m := range maps {
		e, errs := parseEndpoint(m)
		for _, err := range errs {
			problems = append(problems, fmt.Errorf("map %s: %w", m.Name, err))
		}
		out = append(out, e)
	}
	return out, errors.Join(problems...)
}

func parseEndpoint(m *mapping.Map) (endpoint, []error) {
	e := endpoint{Map: m, path: m.Extra["path"], paging: m.Extra["paging"]}
	var problems []error
	add := func(what string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", what, err))
		}
	}
	add("path", checkPath(e.path))
	var err error
	e.items, err = mapping.NewList(m.Extra["items"])
	add("items", err)
	value := func(name string) *mapping.Value {
		if m.Extra[name] == "" {
			return nil
		}
		v, err := mapping.NewValue(m.Extra[name])
		add(name, err)
		return v
	}
	e.of, e.more = value("of"), value("more")
	cursor, next := value("cursor"), value("next")
	if e.paging == "" {
		e.paging = pagingLink
		switch {
		case cursor != nil:
			e.paging = pagingCursor
		case next != nil:
			e.paging = pagingNext
		}
	}
	e.next = cursor
	if next != nil {
		e.next = next
	}
	add("paging", e.pages(cursor, next))
	return e, problems
}

// pages checks and fills in what belongs to the way of paging.
func (e *endpoint) pages(cursor, next *mapping.Value) error {
	all := []string{pagingNone, pagingLink, pagingPage, pagingOffset, pagingCursor, pagingNext}
	numbered := e.paging == pagingPage || e.paging == pagingOffset
	switch {
	case !slices.Contains(all, e.paging):
		return fmt.Errorf("%q is no way of paging; there are %s", e.paging, strings.Join(all, ", "))
	case (e.paging == pagingCursor) != (cursor != nil):
		return errors.New("cursor is an expression for the mark of the next page, such as page.meta.next_cursor, and belongs to `paging: cursor`")
	case (e.paging == pagingNext) != (next != nil):
		return errors.New("next is an expression for the address of the next page, such as page.links.next, and belongs to `paging: next`")
	case e.Extra["parameter"] != "" && !numbered && e.paging != pagingCursor:
		return errors.New("parameter belongs to paging by page, offset or cursor")
	case e.Extra["first"] != "" && !numbered:
		return errors.New("first belongs to paging by page or offset")
	case e.more != nil && !numbered && e.paging != pagingCursor:
		return errors.New("more belongs to paging by page, offset or cursor")
	case e.Extra["size_parameter"] != "" && e.Extra["size"] == "":
		return errors.New("size_parameter needs size, the number of rows to ask for")
	}
	usual := map[string][3]string{
		pagingNone: {"", "per_page", "0"}, pagingLink: {"", "per_page", "0"}, pagingNext: {"", "per_page", "0"},
		pagingPage: {"page", "per_page", "1"}, pagingOffset: {"offset", "limit", "0"}, pagingCursor: {"cursor", "limit", "0"},
	}[e.paging]
	or := func(name, def string) string {
		if v := e.Extra[name]; v != "" {
			return v
		}
		return def
	}
	e.parameter, e.sizeParameter = or("parameter", usual[0]), or("size_parameter", usual[1])
	var err error
	if e.first, err = count(or("first", usual[2])); err != nil {
		return fmt.Errorf("first: %w", err)
	}
	if e.size, err = count(or("size", "0")); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	return nil
}

func count(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0, errors.New("it must be a whole number from 0 to 1000000")
	}
	return n, nil
}

// checkPath takes a path below the source's address, with or without a query.
func checkPath(p string) error {
	if p == "" {
		return nil
	}
	u, err := url.Parse(p)
	if err != nil || !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "?") || strings.HasPrefix(p, "//") ||
		u.Host != "" || u.Scheme != "" || u.Fragment != "" || strings.Contains(p, "\\") {
		return errors.New("it must start with / and go on from the source's url, such as /v1/people?state=active")
	}
	return nil
}

// start is the address of the first page.
func (e endpoint) start(base *url.URL) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(base.String(), "/") + e.path)
	if err != nil || !sameOrigin(u, base) || u.User != nil {
		return nil, checkPath("x")
	}
	set := map[string]string{}
	if e.size > 0 {
		set[e.sizeParameter] = strconv.Itoa(e.size)
	}
	if e.paging == pagingPage || e.paging == pagingOffset && e.first > 0 {
		set[e.parameter] = strconv.Itoa(e.first)
	}
	return with(u, set), nil
}

// with returns the address with parameters set; the others stay as they are.
func with(u *url.URL, set map[string]string) *url.URL {
	out := *u
	if len(set) == 0 {
		return &out
	}
	q := out.Query()
	for name, value := range set {
		q.Set(name, value)
	}
	out.RawQuery = q.Encode()
	return &out
}
