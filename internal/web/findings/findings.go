// Package findings shows what fails: the list that people work off, and each
// finding with its evidence, its reason and how to mend it.
package findings

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/alerts"
	"prumo.dev/prumo/internal/web/checks"
	"prumo.dev/prumo/internal/web/things"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show. Finding returns false where there is none.
type Store interface {
	Findings(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Finding], error)
	Finding(ctx context.Context, id string) (monitor.Finding, bool, error)
	Fact(ctx context.Context, source, kind, id string) (monitor.FactView, bool, error)
	Intervals(ctx context.Context, f monitor.Filter) ([]monitor.Interval, error)
	Sources(ctx context.Context) ([]monitor.Source, error)
}

// A Finder finds the source of a thing that another one names.
type Finder interface {
	Facts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.FactView], error)
}

// Area is the pages with what they need.
type Area struct {
	Store      Store
	Finder     Finder
	Deliveries alerts.Log
	Acts       Acts
	Catalogue  web.Catalogue
}

// List returns the page of findings.
func (a Area) List() web.Page {
	return web.Page{Pattern: "GET /findings", Title: "nav.findings", Nav: "findings", Role: access.Auditor, Live: true, Load: a.list}
}

// One returns the page of a finding.
func (a Area) One() web.Page {
	return web.Page{Pattern: "GET /findings/{id}", Title: "nav.findings", Nav: "findings", Role: access.Auditor, Live: true, Load: a.one}
}

type group struct {
	severity check.Severity
	items    []monitor.Finding
}

type listView struct {
	page      monitor.Page[monitor.Finding]
	groups    []group
	grouped   bool
	view      string
	tabs      []ui.Tab
	filters   []ui.Filter
	catalogue web.Catalogue
	none      bool // there is no finding at all
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	sources, err := a.Store.Sources(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list sources: %w", err)
	}
	v := listView{catalogue: a.Catalogue, view: r.Query.Get("view"), filters: a.filters(r.Env, sources)}
	f := a.filter(r)
	if v.page, err = a.Store.Findings(ctx, f); err != nil {
		return web.View{}, fmt.Errorf("list findings: %w", err)
	}
	if v.view == "late" {
		v.page = late(v.page)
	}
	if n, err := strconv.ParseInt(r.Query.Get("done"), 10, 64); err == nil && n > 0 && n <= maxActs {
		r.Notice("", r.N("findings.act.done", n))
		r.Query.Del("done") // the links of the page lead on without it
	}
	v.grouped = f.OpenOnly && strings.TrimPrefix(f.Sort, "-") == "severity"
	v.groups = grouped(v.page.Items, v.grouped)
	v.tabs = tabs(r.Env, v.view)
	v.none = len(v.page.Items) == 0 && !r.Narrowed(v.filters)
	return web.Body(list(r.Env, v)), nil
}

// filter reads which findings the address asks for.
func (a Area) filter(r *web.Request) monitor.Filter {
	view := r.Query.Get("view")
	f := monitor.Filter{
		OpenOnly: view != "closed", ClosedOnly: view == "closed",
		Severity: web.Severities(r.Query["severity"]), Source: r.Query["source"], Kind: r.Query["kind"], Owner: r.Query["owner"],
		Control: r.Query["control"], Check: r.Query["check"], Status: web.StatusesIn(r.Query["status"]),
		Text: r.Query.Get("q"), Sort: web.Sort(r.Env, "-severity", "severity", "opened", "due"),
		Limit: r.Limit(), Cursor: r.Query.Get("cursor"), At: r.At,
	}
	if view == "late" { // the list ends where the first that is not late begins
		f.Sort = "due"
	}
	return f
}

// late keeps what is overdue; the list comes sorted by due date, so that it
// ends where the first that is not late begins.
func late(p monitor.Page[monitor.Finding]) monitor.Page[monitor.Finding] {
	all := len(p.Items)
	p.Items = slices.DeleteFunc(p.Items, func(f monitor.Finding) bool { return !f.Late })
	if len(p.Items) < all {
		p.Next = ""
	}
	p.Total = -1
	return p
}

func grouped(items []monitor.Finding, by bool) []group {
	if !by {
		return []group{{items: items}}
	}
	var out []group
	for _, f := range items {
		if n := len(out); n > 0 && out[n-1].severity == f.Severity {
			out[n-1].items = append(out[n-1].items, f)
			continue
		}
		out = append(out, group{severity: f.Severity, items: []monitor.Finding{f}})
	}
	return out
}

func tabs(e *ui.Env, view string) []ui.Tab {
	var out []ui.Tab
	for _, v := range []string{"", "late", "closed"} {
		name := v
		if name == "" {
			name = "open"
		}
		t := ui.Tab{Text: e.T("findings.view." + name), Href: e.With("view", v), On: v == view, Count: -1}
		if v == "" {
			t.Count = e.Counts["findings"]
		}
		out = append(out, t)
	}
	return out
}

func (a Area) filters(e *ui.Env, sources []monitor.Source) []ui.Filter {
	var controls []ui.Option
	for _, c := range a.Catalogue.Library.Controls() {
		if len(a.Catalogue.ChecksOf(c.ID)) > 0 {
			controls = append(controls, ui.Option{Value: c.ID, Text: c.Title.In(e.Tag)})
		}
	}
	return []ui.Filter{
		{Key: "severity", Text: e.T("col.severity"), Options: web.SeverityOptions(e)},
		{Key: "status", Text: e.T("col.status"), Options: web.StatusOptions(e)},
		{Key: "source", Text: e.T("col.source"), Options: web.SourceOptions(sources)},
		{Key: "kind", Text: e.T("col.kind"), Options: web.KindOptions(e)},
		{Key: "control", Text: e.T("col.control"), Options: controls},
		{Key: "owner", Text: e.T("col.owner")},
		{Key: "check", Text: e.T("col.check")},
	}
}

type oneView struct {
	f          monitor.Finding
	title      string
	message    string
	fix        string
	thing      string
	fields     []things.Field
	fact       monitor.FactView
	hasFact    bool
	steps      []step
	deliveries []alerts.Delivery
	def        *check.Check
	catalogue  web.Catalogue
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	f, ok, err := a.Store.Finding(ctx, r.PathValue("id"))
	if err != nil {
		return web.View{}, fmt.Errorf("read a finding: %w", err)
	}
	if !ok {
		return web.View{}, web.ErrNotFound
	}
	v := oneView{f: f, title: a.Catalogue.Title(f.Check, r.Tag), message: f.Message, catalogue: a.Catalogue}
	v.thing = checks.ThingName(r.Env, monitor.Verdict{Fact: f.Fact, Name: f.Name, Kind: f.Kind})
	if d, ok := a.Catalogue.Checks().ByID(f.Check); ok {
		v.def, v.fix = d, d.Fix.In(r.Tag)
	}
	if err := a.evidence(ctx, r, &v); err != nil {
		return web.View{}, err
	}
	intervals, err := a.Store.Intervals(ctx, monitor.Filter{Check: []string{f.Check}, Fact: f.Fact, Source: []string{f.Source}, Limit: 100})
	if err != nil {
		return web.View{}, fmt.Errorf("read the intervals: %w", err)
	}
	if a.Deliveries != nil && f.Cause != "" {
		page, err := a.Deliveries.Deliveries(ctx, monitor.Filter{Text: f.Cause, Limit: 20})
		if err != nil {
			return web.View{}, fmt.Errorf("list deliveries: %w", err)
		}
		v.deliveries = page.Items
	}
	v.steps = steps(f, intervals)
	return web.View{
		Title: v.title, Body: one(r.Env, v),
		Crumbs: []ui.Crumb{{Text: r.T("nav.findings"), Href: r.Link("/findings")}, {Text: v.title}},
	}, nil
}

// evidence reads the fact, fills the check's texts with it and picks the fields
// that the check reads.
func (a Area) evidence(ctx context.Context, r *web.Request, v *oneView) error {
	if strings.HasPrefix(v.f.Fact, "set:") {
		return nil
	}
	f, ok, err := a.Store.Fact(ctx, v.f.Source, v.f.Kind, v.f.Fact)
	if err != nil {
		return fmt.Errorf("read a fact: %w", err)
	}
	if !ok {
		return nil
	}
	v.fact, v.hasFact = f, true
	v.fields = things.Fields(r.Env, v.fact.Kind, v.fact.Data)
	if v.def == nil {
		return nil
	}
	v.fields = things.Reads(v.fields, v.def.When, v.def.Pass)
	in := check.Input{Fact: known(v.fact), Now: r.Now, Lookup: a.lookup(ctx)}
	if v.f.ClosedAt == nil {
		v.message = v.def.Message(in, r.Tag)
	}
	v.fix = v.def.FixText(in, r.Tag)
	return nil
}

func known(f monitor.FactView) *fact.Fact {
	return &fact.Fact{Kind: f.Kind, ID: f.ID, Source: f.Source, Scope: f.Scope, Origin: f.Origin, ObservedAt: f.ObservedAt, Data: f.Data}
}

// lookup finds what a fact names, so that a text can speak of it. A text that
// cannot be filled shows "?" in its place; nothing hangs on it.
func (a Area) lookup(ctx context.Context) check.Lookup {
	return func(kind string, id fact.Ref, from string) (*fact.Fact, bool) {
		f, ok, err := a.Store.Fact(ctx, from, kind, string(id))
		if err == nil && !ok {
			page, ferr := a.Finder.Facts(ctx, monitor.Filter{Kind: []string{kind}, Fact: string(id), Limit: 1})
			if ferr != nil || len(page.Items) == 0 {
				return nil, false
			}
			f, ok, err = a.Store.Fact(ctx, page.Items[0].Source, kind, string(id))
		}
		if err != nil || !ok {
			return nil, false
		}
		return known(f), true
	}
}

// A step is one line of what happened to a finding.
type step struct {
	at     time.Time
	key    string
	status monitor.Status
	reason string
	actor  string
}

// steps tells the story of a finding, newest first.
func steps(f monitor.Finding, intervals []monitor.Interval) []step {
	var out []step
	if f.EventAt != nil {
		out = append(out, step{at: *f.EventAt, key: "event", status: monitor.StatusFail, actor: f.Actor})
	}
	out = append(out, step{at: f.OpenedAt, key: "opened", status: monitor.StatusFail, reason: f.Reason})
	if f.AlertedAt != nil {
		out = append(out, step{at: *f.AlertedAt, key: "alerted", status: monitor.StatusNotApplicable})
	}
	for _, v := range intervals {
		if !v.From.After(f.OpenedAt) || f.ClosedAt != nil && v.From.After(*f.ClosedAt) {
			continue
		}
		out = append(out, step{at: v.From, key: "turned", status: monitor.Status(v.Outcome.String()), reason: v.Reason})
	}
	if f.ClosedAt != nil {
		out = append(out, step{at: *f.ClosedAt, key: "closed." + closedKey(f.ClosedWhy), status: monitor.StatusPass})
	}
	slices.SortStableFunc(out, func(a, b step) int { return b.at.Compare(a.at) })
	return out
}

func closedKey(why string) string {
	switch why {
	case "gone":
		return "gone"
	case "check removed":
		return "removed"
	}
	return "passed"
}
