package http

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
)

// Limits of the reading of one map.
const (
	maxPages = 10_000
	maxRows  = 200_000
	maxBytes = 512 << 20
)

// A reader is one reading.
type reader struct {
	run   connector.Run
	emit  connector.Emit
	base  *url.URL
	login *login
	file  *mapping.Page // read once for all maps
	fault error         // why the file could not be read
}

// errEmit is the failure of whoever takes the facts, not of the system.
type errEmit struct{ error }

func (e errEmit) Unwrap() error { return e.error }

// Collect implements connector.Connector. Each map is a scope of its own.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	maps, err := parseMaps(run.Settings.Text("maps"))
	if err != nil {
		return fmt.Errorf("%w: maps: %w", connector.ErrSettings, err)
	}
	r := &reader{run: run, emit: emit}
	if address := run.Settings.Text("url"); address != "" {
		if r.base, err = url.Parse(address); err != nil || run.HTTP == nil {
			return fmt.Errorf("%w: url: it cannot be read", connector.ErrSettings)
		}
		r.login = newLogin(run)
	} else if run.Settings.Text("file") == "" {
		return fmt.Errorf("%w: url is missing; set the address of the system", connector.ErrSettings)
	}
	for _, e := range maps {
		if err := r.scope(ctx, e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *reader) scope(ctx context.Context, e endpoint) error {
	s, err := e.Open(r.emit)
	if err != nil {
		return err
	}
	w := walk{e: e, scope: s, total: -1}
	if r.base == nil {
		err = r.readFile(&w)
	} else {
		err = r.pages(ctx, &w)
	}
	if emit := (errEmit{}); errors.As(err, &emit) {
		return emit.error
	}
	reading, detail := connector.Honest(err)
	if misfit := (*mapping.Misfit)(nil); errors.As(err, &misfit) {
		detail.Why = misfit.Why
	}
	if w.total > 0 {
		detail.Of = w.total
	}
	return s.Close(reading, detail)
}

// A walk is how far the reading of one map has come.
type walk struct {
	e     endpoint
	scope *mapping.Scope
	rows  int
	bytes int
	total int // as the system says; -1: it does not
}

// take makes facts of one answer's rows and returns how many rows it held.
func (w *walk) take(p mapping.Page) (int, error) {
	if err := p.Failed(); err != nil {
		return 0, err
	}
	rows, err := w.e.items.Rows(p)
	if err != nil {
		return 0, err
	}
	if err := w.count(p); err != nil {
		return 0, err
	}
	for _, row := range rows {
		if w.rows++; w.rows > maxRows {
			return 0, &mapping.Misfit{Why: fmt.Sprintf("there are more than %d rows; make several maps, each with a part", maxRows)}
		}
		if err := w.scope.Row(row); err != nil {
			return 0, errEmit{err}
		}
	}
	return len(rows), nil
}

// count takes the number of things that the system says there are.
func (w *walk) count(p mapping.Page) error {
	if w.e.of == nil {
		return nil
	}
	n, ok, err := w.e.of.Count(p)
	if err != nil || !ok && w.total < 0 {
		return &mapping.Misfit{Why: "the answer does not say how many there are where `of` looks for it"}
	}
	if ok {
		w.total = n
	}
	return nil
}

// short reports that the system gave less than it said there is.
func (w *walk) short() error {
	if w.rows < w.total {
		return fmt.Errorf("%d of %d rows: %w", w.rows, w.total, connector.ErrCapped)
	}
	return nil
}

// pages reads a list page by page.
func (r *reader) pages(ctx context.Context, w *walk) error {
	at, err := w.e.start(r.base)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var last [sha256.Size]byte
	for n := 0; ; n++ {
		switch {
		case n == maxPages:
			return &mapping.Misfit{Why: fmt.Sprintf("there are more than %d pages; ask for larger ones with size", maxPages)}
		case seen[at.String()]:
			return &mapping.Misfit{Why: "the next page leads back to one that was read before"}
		}
		seen[at.String()] = true
		reply, err := r.fetch(ctx, at)
		if err != nil {
			return err
		}
		if w.bytes += len(reply.Body); w.bytes > maxBytes {
			return fmt.Errorf("%w of %d bytes", connector.ErrTooLarge, maxBytes)
		}
		sum := sha256.Sum256(reply.Body)
		page, err := mapping.ReadPage(reply.Body)
		if err != nil {
			return err
		}
		page = page.With(reply.Header)
		rows, err := w.take(page)
		if err != nil {
			return err
		}
		if n > 0 && rows > 0 && sum == last {
			return &mapping.Misfit{Why: "the same page came twice; the system does not know the parameter " + w.e.parameter}
		}
		last = sum
		next, err := w.after(reply, page, at, n, rows)
		if err != nil {
			return err
		}
		if next == nil {
			return w.short()
		}
		at = next
	}
}

// after returns the address of the page that follows, or nil.
func (w *walk) after(reply connector.Reply, page mapping.Page, at *url.URL, n, rows int) (*url.URL, error) {
	more, err := w.more(page)
	if err != nil || more == no {
		return nil, err
	}
	var next *url.URL
	switch w.e.paging {
	case pagingNone:
		return nil, linked(reply)
	case pagingLink:
		next, err = resolve(reply.Next, reply, at)
	case pagingNext:
		next, err = resolve(func() (string, error) { return w.e.next.Text(page) }, reply, at)
	case pagingCursor:
		var mark string
		if mark, err = w.e.next.Text(page); mark != "" {
			next = with(at, map[string]string{w.e.parameter: mark})
		}
	case pagingPage:
		if rows > 0 && !w.all() {
			next = with(at, map[string]string{w.e.parameter: strconv.Itoa(w.e.first + n + 1)})
		}
	case pagingOffset:
		if rows > 0 && !w.all() {
			next = with(at, map[string]string{w.e.parameter: strconv.Itoa(w.e.first + w.rows)})
		}
	}
	if err == nil && next == nil && more == yes {
		return nil, &mapping.Misfit{Why: "the answer says that there is more and does not say where"}
	}
	return next, err
}

// all reports that as many rows came as the system says there are.
func (w *walk) all() bool { return w.total >= 0 && w.rows >= w.total }

type answer int

const (
	silent answer = iota
	no
	yes
)

// more asks the answer whether a page follows.
func (w *walk) more(p mapping.Page) (answer, error) {
	if w.e.more == nil {
		return silent, nil
	}
	is, ok, err := w.e.more.True(p)
	switch {
	case err != nil || !ok:
		return silent, &mapping.Misfit{Why: "the answer does not say whether there is more where `more` looks for it"}
	case is:
		return yes, nil
	default:
		return no, nil
	}
}

// linked refuses a list of which the system says that it goes on.
func linked(reply connector.Reply) error {
	next, err := reply.Next()
	if err == nil && next != "" {
		err = &mapping.Misfit{Why: "the system says that a page follows; set `paging: link`"}
	}
	return err
}

// resolve turns what the system says of the next page into an address. One of
// another host is connector.ErrHost, whether or not the client may go there.
func resolve(say func() (string, error), reply connector.Reply, at *url.URL) (*url.URL, error) {
	ref, err := say()
	if err != nil || ref == "" {
		return nil, err
	}
	from := at
	if reply.URL != nil {
		from = reply.URL
	}
	u, err := from.Parse(ref)
	if err != nil {
		return nil, &mapping.Misfit{Why: "the address of the next page is not readable"}
	}
	if !sameOrigin(u, at) || u.User != nil {
		return nil, fmt.Errorf("next page: %w", connector.ErrHost)
	}
	u.Fragment = ""
	return u, nil
}

// fetch gets one page. A page that did not change since the last reading is
// answered from memory where the system gives entity tags.
func (r *reader) fetch(ctx context.Context, at *url.URL) (connector.Reply, error) {
	kept, have := r.recall(at)
	reply, err := r.try(ctx, at, kept.ETag)
	if status := (*connector.StatusError)(nil); errors.As(err, &status) {
		switch {
		case status.Status == http.StatusNotModified && have:
			return connector.Reply{Status: http.StatusOK, Header: kept.Header, Body: kept.Body, URL: at}, nil
		case status.Status == http.StatusUnauthorized && r.login.renew():
			reply, err = r.try(ctx, at, "")
		}
	}
	switch {
	case err != nil:
		return reply, err
	case reply.URL != nil && !sameOrigin(reply.URL, r.base):
		return reply, fmt.Errorf("redirect: %w", connector.ErrHost)
	case reply.Status == http.StatusPartialContent:
		return reply, fmt.Errorf("status 206: %w", connector.ErrCapped)
	}
	r.keep(at, reply)
	return reply, nil
}

func (r *reader) try(ctx context.Context, at *url.URL, tag string) (connector.Reply, error) {
	h := constant(r.run.Settings)
	if err := r.login.sign(ctx, h); err != nil {
		return connector.Reply{}, err
	}
	if tag != "" {
		h.Set("If-None-Match", tag)
	}
	return connector.Fetch(ctx, r.run.HTTP, at.String(), h)
}
