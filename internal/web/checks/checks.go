// Package checks shows the checks in force: what each asks, whom it judges,
// what it says of them and what would make it pass.
package checks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show.
type Store interface {
	CheckCounts(ctx context.Context, at time.Time) ([]monitor.CheckCount, error)
	Strip(ctx context.Context, checks []string, source, fact string, days int) (map[string][]monitor.Day, error)
	Verdicts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Verdict], error)
	Sources(ctx context.Context) ([]monitor.Source, error)
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Catalogue web.Catalogue
}

// List returns the page of all checks.
func (a Area) List() web.Page {
	return web.Page{Pattern: "GET /checks", Title: "nav.checks", Nav: "checks", Role: access.Auditor, Live: true, Load: a.list}
}

// One returns the page of a check.
func (a Area) One() web.Page {
	return web.Page{Pattern: "GET /checks/{id}", Title: "nav.checks", Nav: "checks", Role: access.Auditor, Live: true, Load: a.one}
}

type row struct {
	check  *check.Check
	counts monitor.Counts
	days   []monitor.Day
}

type listView struct {
	rows    []row
	all     int
	filters []ui.Filter
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	counts, err := a.Store.CheckCounts(ctx, r.At)
	if err != nil {
		return web.View{}, fmt.Errorf("count verdicts: %w", err)
	}
	sums := map[string]monitor.Counts{}
	for _, n := range counts {
		sums[n.Check] = sums[n.Check].Add(n.Counts)
	}
	v := listView{all: len(a.Catalogue.Checks().All()), filters: filters(r.Env)}
	var ids []string
	for _, k := range a.Catalogue.Checks().All() {
		if wanted(r.Env, k, sums[k.ID]) {
			v.rows = append(v.rows, row{check: k, counts: sums[k.ID]})
			ids = append(ids, k.ID)
		}
	}
	strips, err := a.strips(ctx, ids)
	if err != nil {
		return web.View{}, err
	}
	for i := range v.rows {
		v.rows[i].days = strips[v.rows[i].check.ID]
	}
	order(v.rows, web.Sort(r.Env, "state", "title", "severity", "judged", "fail", "unknown"), r.Tag)
	return web.Body(list(r.Env, v)), nil
}

func (a Area) strips(ctx context.Context, ids []string) (map[string][]monitor.Day, error) {
	if len(ids) == 0 {
		return map[string][]monitor.Day{}, nil
	}
	strips, err := a.Store.Strip(ctx, ids, "", "", 90)
	if err != nil {
		return nil, fmt.Errorf("read the strips: %w", err)
	}
	return strips, nil
}

func filters(e *ui.Env) []ui.Filter {
	status := append(web.StatusOptions(e), ui.Option{Value: "not_covered", Text: e.T("status.not_covered")})
	return []ui.Filter{
		{Key: "status", Text: e.T("col.status"), Options: status},
		{Key: "severity", Text: e.T("col.severity"), Options: web.SeverityOptions(e)},
		{Key: "kind", Text: e.T("col.kind"), Options: web.KindOptions(e)},
	}
}

func wanted(e *ui.Env, k *check.Check, c monitor.Counts) bool {
	has := func(key, value string) bool { return len(e.Query[key]) == 0 || slices.Contains(e.Query[key], value) }
	if !has("status", string(web.Shown(c))) || !has("severity", k.Severity.String()) || !has("kind", k.Kind) {
		return false
	}
	q := strings.ToLower(strings.TrimSpace(e.Query.Get("q")))
	return q == "" || strings.Contains(strings.ToLower(k.ID+" "+k.Title.In(e.Tag)), q)
}

// order sorts the rows; by state means what leans first, then what is not known.
func order(rows []row, by, lang string) {
	name := strings.TrimPrefix(by, "-")
	less := func(a, b row) int {
		switch name {
		case "title":
			return strings.Compare(a.check.Title.In(lang), b.check.Title.In(lang))
		case "severity":
			return cmp.Compare(a.check.Severity, b.check.Severity)
		case "judged":
			return cmp.Compare(ui.Judged(a.counts), ui.Judged(b.counts))
		case "fail":
			return cmp.Compare(a.counts.Fail, b.counts.Fail)
		case "unknown":
			return cmp.Compare(a.counts.Unknown, b.counts.Unknown)
		}
		if c := cmp.Compare(urgency(a), urgency(b)); c != 0 {
			return c
		}
		return cmp.Compare(b.check.Severity, a.check.Severity)
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if name != by {
			return less(b, a)
		}
		return less(a, b)
	})
}

func urgency(r row) int {
	switch web.Shown(r.counts) {
	case monitor.StatusFail:
		return 0
	case monitor.StatusUnknown:
		return 1
	case monitor.StatusExcepted:
		return 2
	case monitor.StatusPass:
		return 3
	}
	return 4
}

type oneView struct {
	check     *check.Check
	counts    monitor.Counts
	bySource  []monitor.CheckCount
	days      []monitor.Day
	verdicts  monitor.Page[monitor.Verdict]
	filters   []ui.Filter
	catalogue web.Catalogue
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	k, ok := a.Catalogue.Checks().ByID(r.PathValue("id"))
	if !ok {
		return web.View{}, web.ErrNotFound
	}
	v := oneView{check: k, catalogue: a.Catalogue}
	counts, err := a.Store.CheckCounts(ctx, r.At)
	if err != nil {
		return web.View{}, fmt.Errorf("count verdicts: %w", err)
	}
	for _, n := range counts {
		if n.Check == k.ID {
			v.counts = v.counts.Add(n.Counts)
			v.bySource = append(v.bySource, n)
		}
	}
	strips, err := a.strips(ctx, []string{k.ID})
	if err != nil {
		return web.View{}, err
	}
	v.days = strips[k.ID]
	sources, err := a.Store.Sources(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list sources: %w", err)
	}
	v.filters = []ui.Filter{
		{Key: "status", Text: r.T("col.status"), Options: web.StatusOptions(r.Env)},
		{Key: "source", Text: r.T("col.source"), Options: web.SourceOptions(sources)},
	}
	v.verdicts, err = a.Store.Verdicts(ctx, monitor.Filter{
		Check: []string{k.ID}, Status: web.StatusesIn(r.Query["status"]), Source: r.Query["source"], Text: r.Query.Get("q"),
		Sort: web.Sort(r.Env, "status", "fact", "source", "since"), Limit: r.Limit(), Cursor: r.Query.Get("cursor"), At: r.At,
	})
	if err != nil {
		return web.View{}, fmt.Errorf("list verdicts: %w", err)
	}
	title := k.Title.In(r.Tag)
	return web.View{
		Title: title, Body: one(r.Env, v),
		Crumbs: []ui.Crumb{{Text: r.T("nav.checks"), Href: r.Link("/checks")}, {Text: title}},
	}, nil
}

// ThingLink returns where a verdict's fact is shown: a set has no page of its own.
func ThingLink(e *ui.Env, v monitor.Verdict) string {
	if strings.HasPrefix(v.Fact, "set:") {
		return e.Link("/things", "kind", v.Kind)
	}
	return e.Link(ui.ThingPath(v.Source, v.Fact), "kind", v.Kind)
}

// ThingName is what people call the fact of a verdict.
func ThingName(e *ui.Env, v monitor.Verdict) string {
	if rest, ok := strings.CutPrefix(v.Fact, "set:"); ok {
		_, source, _ := strings.Cut(rest, ":")
		if source != "" {
			return e.T("set.of.source", "Kind", web.KindName(e, v.Kind, 2), "Source", source)
		}
		return e.T("set.of", "Kind", web.KindName(e, v.Kind, 2))
	}
	if v.Name != "" {
		return v.Name
	}
	return v.Fact
}

// wantStatus is the status that an example must give.
func wantStatus(o check.Outcome) monitor.Status { return monitor.Status(o.String()) }
