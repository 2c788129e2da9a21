// Package exceptions shows accepted failures and takes the requests for them:
// who asks, why, until when, and which check must stay green meanwhile.
package exceptions

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show.
type Store interface {
	Exceptions(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Exception], error)
}

// A Request is an exception as the form asks for it.
type Request struct {
	Check, Fact, Source string
	Reason              string
	Ends                time.Time
	Approver            string
	Guard               string // check that must stay green
}

// Actions are what a person sets going. They answer a *web.Invalid where a
// rule stands against it, such as approving one's own request.
type Actions interface {
	RequestException(ctx context.Context, by string, r Request) error
	ApproveException(ctx context.Context, by, id string) error
	RevokeException(ctx context.Context, by, id string) error
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Actions   Actions
	Catalogue web.Catalogue
}

// Pages returns all pages of the area.
func (a Area) Pages() []web.Page {
	page := func(pattern, title string, role access.Role, load func(context.Context, *web.Request) (web.View, error)) web.Page {
		return web.Page{Pattern: pattern, Title: title, Nav: "exceptions", Role: role, Load: load}
	}
	return []web.Page{
		page("GET /exceptions", "nav.exceptions", access.Auditor, a.list),
		page("GET /exceptions/new", "exception.ask", access.ControlOwner, a.form),
		page("POST /exceptions", "exception.ask", access.ControlOwner, a.save),
		page("POST /exceptions/{id}/approve", "nav.exceptions", access.Manager, a.approve),
		page("POST /exceptions/{id}/revoke", "nav.exceptions", access.Manager, a.revoke),
	}
}

type listView struct {
	page      monitor.Page[monitor.Exception]
	catalogue web.Catalogue
	filters   []ui.Filter
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	page, err := a.Store.Exceptions(ctx, monitor.Filter{
		Text: r.Query.Get("q"), Check: r.Query["check"], Source: r.Query["source"],
		Sort: web.Sort(r.Env, "-created", "ends", "check"), Limit: r.Limit(), Cursor: r.Query.Get("cursor"), At: r.At,
	})
	if err != nil {
		return web.View{}, fmt.Errorf("list exceptions: %w", err)
	}
	v := listView{page: page, catalogue: a.Catalogue, filters: []ui.Filter{
		{Key: "check", Text: r.T("col.check")}, {Key: "source", Text: r.T("col.source")},
	}}
	return web.Body(list(r.Env, v)), nil
}

type formView struct {
	fields []ui.Field
	errs   ui.Errors
}

func (a Area) form(_ context.Context, r *web.Request) (web.View, error) {
	typed := url.Values{
		"check": {r.Query.Get("check")}, "fact": {r.Query.Get("fact")}, "source": {r.Query.Get("source")},
		"ends": {r.Local(r.Now).AddDate(0, 0, 30).Format(time.DateOnly)},
	}
	return a.formView(r, typed, nil, 0), nil
}

func (a Area) formView(r *web.Request, typed url.Values, errs ui.Errors, status int) web.View {
	var all []ui.Option
	for _, k := range a.Catalogue.Checks().All() {
		all = append(all, ui.Option{Value: k.ID, Text: k.Title.In(r.Tag)})
	}
	guards := append([]ui.Option{{Value: "", Text: r.T("exception.noguard")}}, all...)
	v := formView{errs: errs, fields: []ui.Field{
		{Name: "check", Label: r.T("col.check"), Type: "select", Value: typed.Get("check"), Options: all},
		{Name: "source", Label: r.T("col.source"), Hint: r.T("exception.source.hint"), Optional: true, Value: typed.Get("source")},
		{Name: "fact", Label: r.T("col.thing"), Hint: r.T("exception.fact.hint"), Optional: true, Value: typed.Get("fact")},
		{Name: "reason", Label: r.T("col.reason"), Hint: r.T("exception.reason.hint"), Type: "textarea", Value: typed.Get("reason")},
		{Name: "ends", Label: r.T("exception.ends"), Hint: r.T("exception.ends.hint"), Type: "date", Value: typed.Get("ends")},
		{Name: "approver", Label: r.T("exception.approver"), Hint: r.T("exception.approver.hint"), Value: typed.Get("approver")},
		{Name: "guard", Label: r.T("exception.guard"), Hint: r.T("exception.guard.hint"), Type: "select", Optional: true, Value: typed.Get("guard"), Options: guards},
	}}
	return web.View{
		Body: form(r.Env, v), Status: status,
		Crumbs: []ui.Crumb{{Text: r.T("nav.exceptions"), Href: "/exceptions"}, {Text: r.T("exception.ask")}},
	}
}

func (a Area) save(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	req, errs := a.read(r)
	if len(errs) == 0 {
		err := a.Actions.RequestException(ctx, r.Who.Name, req)
		var invalid *web.Invalid
		switch {
		case err == nil:
			return web.View{Redirect: "/exceptions"}, nil
		case errors.As(err, &invalid):
			errs = ui.Errors{invalid.Field: invalid.Text}
		default:
			return web.View{}, fmt.Errorf("request an exception: %w", err)
		}
	}
	return a.formView(r, r.PostForm, errs, http.StatusUnprocessableEntity), nil
}

// read takes the form. Its end is the end of that day where the reader is.
func (a Area) read(r *web.Request) (Request, ui.Errors) {
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	errs := ui.Errors{}
	req := Request{
		Check: get("check"), Fact: get("fact"), Source: get("source"), Reason: get("reason"),
		Approver: get("approver"), Guard: get("guard"),
	}
	if _, ok := a.Catalogue.Checks().ByID(req.Check); !ok {
		errs["check"] = r.T("form.required", "Name", r.T("col.check"))
	}
	if req.Reason == "" {
		errs["reason"] = r.T("form.required", "Name", r.T("col.reason"))
	}
	if req.Approver == "" {
		errs["approver"] = r.T("form.required", "Name", r.T("exception.approver"))
	}
	day, err := time.ParseInLocation(time.DateOnly, get("ends"), r.Zone)
	req.Ends = day.AddDate(0, 0, 1)
	if err != nil || !req.Ends.After(r.Now) || req.Ends.After(r.Now.AddDate(1, 0, 1)) {
		errs["ends"] = r.T("exception.ends.wrong")
	}
	return req, errs
}

func (a Area) approve(ctx context.Context, r *web.Request) (web.View, error) {
	if err := a.Actions.ApproveException(ctx, r.Who.Name, r.PathValue("id")); err != nil {
		return web.View{}, err
	}
	return web.View{Redirect: "/exceptions"}, nil
}

func (a Area) revoke(ctx context.Context, r *web.Request) (web.View, error) {
	if err := a.Actions.RevokeException(ctx, r.Who.Name, r.PathValue("id")); err != nil {
		return web.View{}, err
	}
	return web.View{Redirect: "/exceptions"}, nil
}

// stateOf is a word for where an exception stands.
func stateOf(x monitor.Exception, now time.Time) string {
	switch {
	case x.RevokedAt != nil:
		return "revoked"
	case !x.Ends.After(now):
		return "ended"
	case x.ApprovedAt == nil:
		return "waiting"
	case !x.Active:
		return "suspended"
	}
	return "active"
}

// sign is the sign beside the word: only an active one covers a failure.
func sign(state string) monitor.Status {
	switch state {
	case "active":
		return monitor.StatusExcepted
	case "suspended":
		return monitor.StatusFail
	case "waiting":
		return monitor.StatusUnknown
	}
	return monitor.StatusNotApplicable
}
