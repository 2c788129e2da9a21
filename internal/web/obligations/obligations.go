// Package obligations shows what falls due: findings to mend, passes that end
// by themselves and exceptions that run out, by their day, as a list or as a
// month.
package obligations

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show.
type Store interface {
	Obligations(ctx context.Context, f monitor.ObligationFilter) (monitor.Page[monitor.Obligation], error)
}

// Feeds makes and ends the addresses under which a calendar program reads the
// list. Make returns the address once; it ends the one that the same person had.
type Feeds interface {
	MakeFeed(ctx context.Context, by, query string) (address string, err error)
	EndFeed(ctx context.Context, by string) error
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Feeds     Feeds
	Catalogue web.Catalogue
}

// Pages returns all pages of the area.
func (a Area) Pages() []web.Page {
	page := func(pattern string, load func(context.Context, *web.Request) (web.View, error)) web.Page {
		return web.Page{Pattern: pattern, Title: "nav.obligations", Nav: "obligations", Role: access.Auditor, Load: load}
	}
	return []web.Page{
		page("GET /obligations", a.load),
		page("POST /obligations/feed", a.feed),
		page("POST /obligations/feed/end", a.endFeed),
	}
}

// feed makes the address of a calendar and shows it once. It keeps the filters
// of the list that it was made from.
func (a Area) feed(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	q := url.Values{"lang": {r.Tag}}
	for _, key := range []string{"owner", "duty", "kind", "check", "source", "severity"} {
		if v := r.PostForm[key]; len(v) > 0 {
			q[key] = v
		}
	}
	address, err := a.Feeds.MakeFeed(ctx, r.Who.Name, q.Encode())
	if err != nil {
		return web.View{}, fmt.Errorf("make a calendar feed: %w", err)
	}
	return web.View{Body: feedMade(r.Env, address), Crumbs: []ui.Crumb{{Text: r.T("nav.obligations"), Href: r.Link("/obligations")}, {Text: r.T("feed.title")}}}, nil
}

func (a Area) endFeed(ctx context.Context, r *web.Request) (web.View, error) {
	if err := a.Feeds.EndFeed(ctx, r.Who.Name); err != nil {
		return web.View{}, fmt.Errorf("end a calendar feed: %w", err)
	}
	return web.View{Redirect: "/obligations"}, nil
}

// kept are the filters of a list that its calendar keeps.
func kept(e *ui.Env) [][2]string {
	var out [][2]string
	for _, key := range []string{"owner", "duty", "kind", "check", "source", "severity"} {
		for _, v := range e.Query[key] {
			out = append(out, [2]string{key, v})
		}
	}
	return out
}

// maxMonth is how many obligations a month counts; a busier one says "and more".
const maxMonth = 1000

type view struct {
	page      monitor.Page[monitor.Obligation]
	groups    []group
	month     *month
	tabs      []ui.Tab
	filters   []ui.Filter
	catalogue web.Catalogue
	day       time.Time // the only day that is shown; zero: all
}

// A group is what falls due in one span, such as this week.
type group struct {
	key   string
	items []monitor.Obligation
}

func (a Area) load(ctx context.Context, r *web.Request) (web.View, error) {
	f := a.filter(r)
	v := view{catalogue: a.Catalogue, filters: filters(r.Env)}
	asMonth := r.Query.Get("view") == "month"
	for _, t := range []string{"", "month"} {
		key := "list"
		if t != "" {
			key = t
		}
		v.tabs = append(v.tabs, ui.Tab{Text: r.T("obligations.view." + key), Href: r.With("view", t), On: t == r.Query.Get("view"), Count: -1})
	}
	if day, err := time.ParseInLocation(time.DateOnly, r.Query.Get("day"), r.Zone); err == nil && !asMonth {
		v.day, f.From, f.To = day, day, day.AddDate(0, 0, 1)
	}
	if asMonth {
		v.month = newMonth(r)
		f.From, f.To, f.Limit, f.Cursor = v.month.first, v.month.first.AddDate(0, 1, 0), maxMonth, ""
	}
	var err error
	if v.page, err = a.Store.Obligations(ctx, f); err != nil {
		return web.View{}, fmt.Errorf("list obligations: %w", err)
	}
	if asMonth {
		v.month.fill(r, v.page)
	} else {
		v.groups = grouped(v.page.Items, r.Local(r.Now))
	}
	return web.Body(list(r.Env, v)), nil
}

func (a Area) filter(r *web.Request) monitor.ObligationFilter {
	f := FilterOf(r.Query, a.Catalogue.Checks())
	f.Text, f.Limit, f.Cursor = r.Query.Get("q"), r.Limit(), r.Query.Get("cursor")
	return f
}

// FilterOf reads which obligations an address asks for.
func FilterOf(q url.Values, set *check.Set) monitor.ObligationFilter {
	f := monitor.ObligationFilter{
		Filter:  monitor.Filter{Owner: q["owner"], Kind: q["kind"], Check: q["check"], Source: q["source"], Severity: web.Severities(q["severity"])},
		Leaning: monitor.Leaning(set),
	}
	for _, d := range monitor.Duties() {
		if slices.Contains(q["duty"], string(d)) {
			f.Duty = append(f.Duty, d)
		}
	}
	return f
}

func filters(e *ui.Env) []ui.Filter {
	var duties []ui.Option
	for _, d := range monitor.Duties() {
		duties = append(duties, ui.Option{Value: string(d), Text: e.T("duty." + string(d))})
	}
	return []ui.Filter{
		{Key: "duty", Text: e.T("obligations.duty"), Options: duties},
		{Key: "severity", Text: e.T("col.severity"), Options: web.SeverityOptions(e)},
		{Key: "kind", Text: e.T("col.kind"), Options: web.KindOptions(e)},
		{Key: "owner", Text: e.T("col.owner")},
		{Key: "source", Text: e.T("col.source")},
		{Key: "check", Text: e.T("col.check")},
	}
}

// grouped parts a list that comes in the order of its days. A week ends in
// seven days and a month in thirty, so that a Sunday does not empty the week.
func grouped(items []monitor.Obligation, now time.Time) []group {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	key := func(o monitor.Obligation) string {
		switch {
		case o.Due.Before(now):
			return "late"
		case o.Due.Before(day.AddDate(0, 0, 8)):
			return "week"
		case o.Due.Before(day.AddDate(0, 0, 31)):
			return "month"
		}
		return "later"
	}
	var out []group
	for _, o := range items {
		k := key(o)
		if n := len(out); n == 0 || out[n-1].key != k {
			out = append(out, group{key: k})
		}
		out[len(out)-1].items = append(out[len(out)-1].items, o)
	}
	return out
}

// A month is a page of a calendar.
type month struct {
	first      time.Time // its first day
	prev, next string
	weeks      [][]cell
	more       bool // there are more than it counts
}

// A cell is a day of a month; the zero cell is none.
type cell struct {
	day    time.Time
	n      int64
	worst  monitor.Status
	today  bool
	href   string
	exists bool
}

func newMonth(r *web.Request) *month {
	first, err := time.ParseInLocation("2006-01", r.Query.Get("month"), r.Zone)
	now := r.Local(r.Now)
	if err != nil || first.Year() < 2000 || first.Year() > 2200 {
		first = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	}
	return &month{
		first: first, prev: r.With("month", first.AddDate(0, -1, 0).Format("2006-01")), next: r.With("month", first.AddDate(0, 1, 0).Format("2006-01")),
	}
}

// fill counts the days. Weeks begin on Monday (ISO 8601).
func (m *month) fill(r *web.Request, page monitor.Page[monitor.Obligation]) {
	m.more = page.Next != ""
	count := map[int]*cell{}
	for _, o := range page.Items {
		d := r.Local(o.Due).Day()
		if count[d] == nil {
			count[d] = &cell{}
		}
		count[d].n++
		if s := sign(o); count[d].worst == "" || s == monitor.StatusFail {
			count[d].worst = s
		}
	}
	var week []cell
	for range (int(m.first.Weekday()) + 6) % 7 {
		week = append(week, cell{})
	}
	today := r.Local(r.Now).Format(time.DateOnly)
	for d := m.first; d.Month() == m.first.Month(); d = d.AddDate(0, 0, 1) {
		c := cell{day: d, exists: true, today: d.Format(time.DateOnly) == today, href: dayLink(r, d)}
		if n := count[d.Day()]; n != nil {
			c.n, c.worst = n.n, n.worst
		}
		if week = append(week, c); len(week) == 7 {
			m.weeks, week = append(m.weeks, week), nil
		}
	}
	for len(week) > 0 && len(week) < 7 {
		week = append(week, cell{})
	}
	if week != nil {
		m.weeks = append(m.weeks, week)
	}
}

// dayLink leads from a day of the month to its list, with the same filters.
func dayLink(r *web.Request, d time.Time) string {
	return r.Link("/obligations", "day", d.Format(time.DateOnly), "owner", r.Query.Get("owner"), "duty", r.Query.Get("duty"), "kind", r.Query.Get("kind"))
}

// sign is how things stand now with what falls due.
func sign(o monitor.Obligation) monitor.Status {
	switch o.Duty {
	case monitor.DutyMend:
		return monitor.StatusFail
	case monitor.DutyExcept:
		return monitor.StatusExcepted
	}
	return monitor.StatusPass
}

// path is where an obligation is worked on.
func path(e *ui.Env, o monitor.Obligation) string {
	switch {
	case o.Finding != "":
		return e.Link("/findings/" + o.Finding)
	case o.Except != "":
		return e.Link("/exceptions") + "#x-" + o.Except
	case o.Fact != "":
		return e.Link(ui.ThingPath(o.Source, o.Fact), "kind", o.Kind)
	}
	return e.Link("/checks/" + o.Check)
}

func name(o monitor.Obligation) string {
	switch {
	case o.Name != "":
		return o.Name
	case o.Fact != "":
		return o.Fact
	}
	return o.Source
}
