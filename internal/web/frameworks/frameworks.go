// Package frameworks shows standards and laws: which requirements are covered
// by controls that were judged, and how sure the mapping is.
package frameworks

import (
	"context"
	"fmt"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store counts verdicts.
type Store interface {
	CheckCounts(ctx context.Context, at time.Time) ([]monitor.CheckCount, error)
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Catalogue web.Catalogue
}

// List returns the page of all frameworks.
func (a Area) List() web.Page {
	return web.Page{Pattern: "GET /frameworks", Title: "nav.frameworks", Nav: "frameworks", Role: access.Auditor, Live: true, Load: a.list}
}

// One returns the page of a framework.
func (a Area) One() web.Page {
	return web.Page{Pattern: "GET /frameworks/{id}", Title: "nav.frameworks", Nav: "frameworks", Role: access.Auditor, Live: true, Load: a.one}
}

// A Standing is how a framework stands now.
type Standing struct {
	ID, Name, Edition string
	Fold              framework.FrameworkStatus
}

// Standings folds the statuses of controls into all frameworks.
func Standings(l *framework.Library, lang string, status map[string]framework.Status) []Standing {
	var out []Standing
	for _, f := range l.Frameworks() {
		out = append(out, Standing{ID: f.ID, Name: f.Name.In(lang), Edition: f.Edition, Fold: f.Fold(status)})
	}
	return out
}

func (a Area) statuses(ctx context.Context, at time.Time) (map[string]framework.Status, error) {
	counts, err := a.Store.CheckCounts(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("count verdicts: %w", err)
	}
	return web.Statuses(a.Catalogue.Controls(counts)), nil
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	status, err := a.statuses(ctx, r.At)
	if err != nil {
		return web.View{}, err
	}
	return web.Body(list(r.Env, Standings(a.Catalogue.Library, r.Tag, status))), nil
}

type view struct {
	f       framework.Framework
	fold    framework.FrameworkStatus
	each    map[string]framework.RequirementStatus
	control map[string]framework.Status
	library *framework.Library
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	f, ok := a.Catalogue.Library.Framework(r.PathValue("id"))
	if !ok {
		return web.View{}, web.ErrNotFound
	}
	status, err := a.statuses(ctx, r.At)
	if err != nil {
		return web.View{}, err
	}
	v := view{f: f, fold: f.Fold(status), each: map[string]framework.RequirementStatus{}, control: status, library: a.Catalogue.Library}
	for _, rs := range v.fold.Each {
		v.each[rs.ID] = rs
	}
	name := f.Name.In(r.Tag)
	return web.View{
		Title: name, Body: one(r.Env, v),
		Crumbs: []ui.Crumb{{Text: r.T("nav.frameworks"), Href: r.Link("/frameworks")}, {Text: name}},
	}, nil
}

// statusOf is the status of a control; one that nobody judged is not covered.
func (v view) statusOf(control string) monitor.Status {
	if s, ok := v.control[control]; ok {
		return monitor.Status(s)
	}
	return monitor.Status(framework.NotCovered)
}

func (v view) title(control, lang string) string {
	if c, ok := v.library.Control(control); ok {
		return c.Title.In(lang)
	}
	return control
}
