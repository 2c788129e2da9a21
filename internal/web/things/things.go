// Package things shows facts: what each source said of each thing, what the
// checks say of it, and how it changed.
package things

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show. Facts lists facts without their data;
// Fact reads one with it and answers false where there is none.
type Store interface {
	Facts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.FactView], error)
	Fact(ctx context.Context, source, kind, id string) (monitor.FactView, bool, error)
	FactHistory(ctx context.Context, source, kind, id string) ([]monitor.FactVersion, error)
	Verdicts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Verdict], error)
	Intervals(ctx context.Context, f monitor.Filter) ([]monitor.Interval, error)
	NamedBy(ctx context.Context, source, kind, id string, limit int) ([]monitor.FactView, error)
}

// A Frame answers what stands around a thing: the sources, and the last days of checks.
type Frame interface {
	Sources(ctx context.Context) ([]monitor.Source, error)
	Strip(ctx context.Context, checks []string, source, fact string, days int) (map[string][]monitor.Day, error)
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Frame     Frame
	Catalogue web.Catalogue
	SetOwner  func(ctx context.Context, by, source, id, owner string) error
}

// List returns the page of all things.
func (a Area) List() web.Page {
	return web.Page{Pattern: "GET /things", Title: "nav.things", Nav: "things", Role: access.Auditor, Live: true, Load: a.list}
}

// One returns the page of a thing.
func (a Area) One() web.Page {
	return web.Page{Pattern: "GET /things/{source}/{id...}", Title: "nav.things", Nav: "things", Role: access.Auditor, Live: true, Load: a.one}
}

// Owner returns what sets the owner of a thing.
func (a Area) Owner() web.Page {
	return web.Page{Pattern: "POST /owners", Title: "nav.things", Role: access.ControlOwner, Load: a.owner}
}

type listView struct {
	page    monitor.Page[monitor.FactView]
	filters []ui.Filter
	sources int
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	sources, err := a.Frame.Sources(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list sources: %w", err)
	}
	v := listView{sources: len(sources), filters: []ui.Filter{
		{Key: "kind", Text: r.T("col.kind"), Options: web.KindOptions(r.Env)},
		{Key: "source", Text: r.T("col.source"), Options: web.SourceOptions(sources)},
		{Key: "gone", Text: r.T("things.gone"), One: true, Options: []ui.Option{{Value: "yes", Text: r.T("things.gone.too")}}},
	}}
	v.page, err = a.Store.Facts(ctx, monitor.Filter{
		Kind: r.Query["kind"], Source: r.Query["source"], Text: r.Query.Get("q"), Gone: r.Query.Get("gone") == "yes",
		Sort: web.Sort(r.Env, "name", "kind", "source", "changed"), Limit: r.Limit(), Cursor: r.Query.Get("cursor"), At: r.At,
	})
	if err != nil {
		return web.View{}, fmt.Errorf("list facts: %w", err)
	}
	return web.Body(list(r.Env, v)), nil
}

type oneView struct {
	fact      monitor.FactView
	name      string
	fields    []Field
	refs      []ref
	namedBy   []monitor.FactView
	more      bool // others name it as well
	verdicts  []monitor.Verdict
	strips    map[string][]monitor.Day
	history   []Event
	cut       bool
	catalogue web.Catalogue
}

// A ref is a thing that the fact names.
type ref struct {
	field, kind, id, href string
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	source, id := r.PathValue("source"), r.PathValue("id")
	f, err := a.find(ctx, r, source, id)
	if err != nil {
		return web.View{}, err
	}
	v := oneView{fact: f, name: Name(f), catalogue: a.Catalogue}
	page, err := a.Store.Verdicts(ctx, monitor.Filter{Fact: id, Source: []string{source}, Kind: []string{f.Kind}, Limit: 200, At: r.At})
	if err != nil {
		return web.View{}, fmt.Errorf("list verdicts: %w", err)
	}
	v.verdicts = sorted(page.Items)
	if err := a.past(ctx, r, &v); err != nil {
		return web.View{}, err
	}
	v.fields = Fields(r.Env, f.Kind, v.fact.Data)
	for _, x := range v.fields {
		if x.Ref != "" && x.Known {
			v.refs = append(v.refs, ref{field: x.Name, kind: x.Ref, id: x.Value, href: r.Link("/things", "kind", x.Ref, "q", x.Value)})
		}
	}
	if v.namedBy, err = a.Store.NamedBy(ctx, source, f.Kind, id, maxNamed+1); err != nil {
		return web.View{}, fmt.Errorf("list what names a fact: %w", err)
	}
	if v.more = len(v.namedBy) > maxNamed; v.more {
		v.namedBy = v.namedBy[:maxNamed]
	}
	return web.View{
		Title: v.name, Body: one(r.Env, v),
		Crumbs: []ui.Crumb{
			{Text: r.T("nav.things"), Href: r.Link("/things")},
			{Text: ui.Cap(web.KindName(r.Env, f.Kind, 2)), Href: r.Link("/things", "kind", f.Kind)}, {Text: v.name},
		},
	}, nil
}

// find reads the fact. An id is unique within a source and a kind: where the
// address names no kind and there are several, the first is shown.
func (a Area) find(ctx context.Context, r *web.Request, source, id string) (monitor.FactView, error) {
	f, ok, err := a.Store.Fact(ctx, source, r.Query.Get("kind"), id)
	if err != nil {
		return monitor.FactView{}, fmt.Errorf("read a fact: %w", err)
	}
	if !ok {
		return monitor.FactView{}, web.ErrNotFound
	}
	return f, nil
}

// past gathers strips and history.
func (a Area) past(ctx context.Context, r *web.Request, v *oneView) (err error) {
	var ids []string
	for _, x := range v.verdicts {
		ids = append(ids, x.Check)
	}
	if len(ids) > 0 {
		if v.strips, err = a.Frame.Strip(ctx, ids, v.fact.Source, v.fact.ID, 90); err != nil {
			return fmt.Errorf("read the strips: %w", err)
		}
	}
	versions, err := a.Store.FactHistory(ctx, v.fact.Source, v.fact.Kind, v.fact.ID)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	intervals, err := a.Store.Intervals(ctx, monitor.Filter{Fact: v.fact.ID, Source: []string{v.fact.Source}, Kind: []string{v.fact.Kind}, Limit: 200})
	if err != nil {
		return fmt.Errorf("read the intervals: %w", err)
	}
	if r.Past() {
		for _, x := range versions { // what it was then
			if !x.From.After(r.At) && (x.To == nil || x.To.After(r.At)) && !x.Gone {
				v.fact.Data = x.Data
			}
		}
	}
	v.history = History(versions, intervals, r.Instant())
	if len(v.history) > maxEvents {
		v.history, v.cut = v.history[:maxEvents], true
	}
	return nil
}

// sorted puts what fails first.
func sorted(list []monitor.Verdict) []monitor.Verdict {
	rank := []monitor.Status{monitor.StatusFail, monitor.StatusUnknown, monitor.StatusExcepted, monitor.StatusPass, monitor.StatusNotApplicable}
	slices.SortStableFunc(list, func(a, b monitor.Verdict) int {
		if d := slices.Index(rank, a.Status) - slices.Index(rank, b.Status); d != 0 {
			return d
		}
		return int(b.Severity) - int(a.Severity)
	})
	return list
}

// Name is what people call a fact.
func Name(f monitor.FactView) string {
	if f.Name != "" {
		return f.Name
	}
	return f.ID
}

// maxNamed is how many things that name a thing its page lists.
const maxNamed = 50

// maxEvents is how much of a history a page shows.
const maxEvents = 60

// An Event is one step of a thing's history.
type Event struct {
	At      time.Time
	Check   string // of a verdict that turned
	From    monitor.Status
	To      monitor.Status
	Reason  string
	First   bool // the thing was first seen
	Gone    bool // the thing went away
	Changes []ui.Change
}

// History merges the states of a thing with its verdicts, newest first. A
// verdict that was there from the first sight is no event.
func History(versions []monitor.FactVersion, intervals []monitor.Interval, now time.Time) []Event {
	var out []Event
	slices.SortFunc(versions, func(a, b monitor.FactVersion) int { return a.From.Compare(b.From) })
	for i, v := range versions {
		e := Event{At: v.From, First: i == 0, Gone: v.Gone}
		if i > 0 && !v.Gone {
			e.Changes = Changes(versions[i-1].Data, v.Data)
		}
		if e.First || e.Gone || len(e.Changes) > 0 {
			out = append(out, e)
		}
	}
	last := map[string]check.Outcome{}
	seen := map[string]bool{}
	slices.SortFunc(intervals, func(a, b monitor.Interval) int { return a.From.Compare(b.From) })
	for _, v := range intervals {
		if seen[v.Check] && last[v.Check] != v.Outcome || !seen[v.Check] && v.Outcome == check.Fail {
			e := Event{At: v.From, Check: v.Check, To: monitor.Status(v.Outcome.String()), Reason: v.Reason}
			if seen[v.Check] {
				e.From = monitor.Status(last[v.Check].String())
			}
			out = append(out, e)
		}
		seen[v.Check], last[v.Check] = true, v.Outcome
	}
	out = slices.DeleteFunc(out, func(e Event) bool { return e.At.After(now) })
	slices.SortStableFunc(out, func(a, b Event) int { return b.At.Compare(a.At) })
	return out
}

// owner takes the form that says who answers for a thing.
func (a Area) owner(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	source, id := r.PostForm.Get("source"), r.PostForm.Get("fact")
	if source == "" || id == "" {
		return web.View{Status: http.StatusUnprocessableEntity}, &web.Invalid{Text: r.T("owner.missing")}
	}
	if err := a.SetOwner(ctx, r.Who.Name, source, id, r.PostForm.Get("owner")); err != nil {
		return web.View{}, err
	}
	back := r.PostForm.Get("back")
	if u, err := url.Parse(back); err != nil || u.Host != "" || u.Scheme != "" || len(back) < 2 || back[0] != '/' || back[1] == '/' || back[1] == '\\' {
		back = ui.ThingPath(source, id)
	}
	return web.View{Redirect: back}, nil
}
