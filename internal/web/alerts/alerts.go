// Package alerts shows who is told what: the routes, and every message with
// whether it arrived.
package alerts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Delivery is one message to one receiver.
type Delivery struct {
	ID        string
	Cause     string
	Route     string
	Channel   string
	Receiver  string
	State     string // pending, sent, dead
	Attempts  int
	LastError string
	CreatedAt time.Time
	SentAt    *time.Time
}

// A Log answers what was sent. Of the filter it knows Text (a cause), Status
// (a state, as text), Limit and Cursor.
type Log interface {
	Deliveries(ctx context.Context, f monitor.Filter) (monitor.Page[Delivery], error)
}

// Actions are what a person sets going. SaveRoute reads the same as a route of
// prumo.yaml (name, when, to, detail, language, recoveries) and answers a
// *web.Invalid where it cannot work.
type Actions interface {
	Routes(ctx context.Context) ([]alert.Route, error)
	SaveRoute(ctx context.Context, by string, body map[string]any) error
	DeleteRoute(ctx context.Context, by, name string) error
	TestRoute(ctx context.Context, name, language string) error
	Resend(ctx context.Context, id string) error
}

// Area is the pages with what they need.
type Area struct {
	Log       Log
	Actions   Actions
	Sources   func(ctx context.Context) ([]monitor.Source, error)
	Catalogue web.Catalogue
}

// Pages returns all pages of the area.
func (a Area) Pages() []web.Page {
	page := func(pattern, title string, role access.Role, load func(context.Context, *web.Request) (web.View, error)) web.Page {
		return web.Page{Pattern: pattern, Title: title, Nav: "alerts", Role: role, Load: load}
	}
	return []web.Page{
		page("GET /alerts", "nav.alerts", access.Auditor, a.list),
		page("GET /alerts/new", "alerts.new", access.Manager, a.form),
		page("POST /alerts/routes", "alerts.new", access.Manager, a.save),
		page("POST /alerts/routes/{name}/delete", "nav.alerts", access.Manager, a.remove),
		page("POST /alerts/routes/{name}/test", "nav.alerts", access.Manager, a.test),
		page("POST /alerts/deliveries/{id}/resend", "nav.alerts", access.Manager, a.resend),
	}
}

type listView struct {
	routes     []alert.Route
	deliveries monitor.Page[Delivery]
	filters    []ui.Filter
	done       string // key of what was just done
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	routes, err := a.Actions.Routes(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list routes: %w", err)
	}
	v := listView{routes: routes, filters: []ui.Filter{{Key: "state", Text: r.T("col.state"), Options: []ui.Option{
		{Value: "sent", Text: r.T("delivery.sent")}, {Value: "pending", Text: r.T("delivery.pending")}, {Value: "dead", Text: r.T("delivery.dead")},
	}}}}
	f := monitor.Filter{Text: r.Query.Get("q"), Limit: r.Limit(), Cursor: r.Query.Get("cursor")}
	for _, s := range r.Query["state"] {
		f.Status = append(f.Status, monitor.Status(s))
	}
	if v.deliveries, err = a.Log.Deliveries(ctx, f); err != nil {
		return web.View{}, fmt.Errorf("list deliveries: %w", err)
	}
	if done := r.Query.Get("done"); done == "test" || done == "resend" {
		v.done = done
	}
	return web.Body(list(r.Env, v)), nil
}

type formView struct {
	fields  []ui.Field
	errs    ui.Errors
	typed   url.Values
	sources []monitor.Source
	ways    []way
}

func (a Area) form(ctx context.Context, r *web.Request) (web.View, error) {
	return a.formView(ctx, r, url.Values{"recoveries": {"true"}, "detail": {"full"}}, nil, 0)
}

func (a Area) formView(ctx context.Context, r *web.Request, typed url.Values, errs ui.Errors, status int) (web.View, error) {
	sources, err := a.Sources(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list sources: %w", err)
	}
	lang := []ui.Option{{Value: "", Text: r.T("alerts.lang.own")}}
	for _, tag := range alert.Languages() {
		lang = append(lang, ui.Option{Value: tag, Text: r.T("lang." + tag)})
	}
	ways, err := waysOf(r, typed)
	if err != nil {
		return web.View{}, fmt.Errorf("list channels: %w", err)
	}
	v := formView{errs: errs, typed: typed, sources: sources, ways: ways, fields: []ui.Field{
		{Name: "name", Label: r.T("alerts.name"), Value: typed.Get("name")},
		{Name: "email", Label: r.T("alerts.email"), Hint: r.T("alerts.email.hint"), Type: "list", Optional: true, Value: typed.Get("email")},
		{Name: "owner", Label: r.T("alerts.owner"), Type: "checkbox", Checked: typed.Get("owner") == "true"},
		{Name: "webhook", Label: r.T("alerts.webhook"), Hint: r.T("alerts.webhook.hint"), Type: "url", Optional: true, Value: typed.Get("webhook")},
		{Name: "secret", Label: r.T("alerts.secret"), Hint: r.T("alerts.secret.hint"), Type: "password", Optional: true},
		{Name: "detail", Label: r.T("alerts.detail"), Type: "select", Value: typed.Get("detail"), Options: []ui.Option{
			{Value: "full", Text: r.T("alerts.detail.full")}, {Value: "link", Text: r.T("alerts.detail.link")},
		}},
		{Name: "language", Label: r.T("prefs.language"), Type: "select", Optional: true, Value: typed.Get("language"), Options: lang},
		{Name: "recoveries", Label: r.T("alerts.recoveries"), Type: "checkbox", Checked: typed.Get("recoveries") == "true"},
	}}
	return web.View{
		Body: form(r.Env, v), Status: status,
		Crumbs: []ui.Crumb{{Text: r.T("nav.alerts"), Href: "/alerts"}, {Text: r.T("alerts.new")}},
	}, nil
}

func (a Area) save(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	errs := ui.Errors{}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if name == "" || len(name) > 64 {
		errs["name"] = r.T("form.required", "Name", r.T("alerts.name"))
	}
	body := map[string]any{"name": name, "detail": r.PostForm.Get("detail"), "recoveries": r.PostForm.Get("recoveries") == "true"}
	if lang := r.PostForm.Get("language"); lang != "" {
		body["language"] = lang
	}
	to := receivers(r.PostForm)
	if err := addWays(to, r.PostForm); err != nil {
		return web.View{}, fmt.Errorf("list channels: %w", err)
	}
	if len(to) == 0 {
		errs["email"] = r.T("alerts.nobody")
	}
	body["to"] = to
	if when := conditions(r.PostForm); len(when) > 0 {
		body["when"] = when
	}
	if len(errs) == 0 {
		err := a.Actions.SaveRoute(ctx, r.Who.Name, body)
		var invalid *web.Invalid
		switch {
		case err == nil:
			return web.View{Redirect: "/alerts"}, nil
		case errors.As(err, &invalid):
			errs[invalid.Field] = invalid.Text
		default:
			return web.View{}, fmt.Errorf("save route %s: %w", name, err)
		}
	}
	return a.formView(ctx, r, r.PostForm, errs, http.StatusUnprocessableEntity)
}

// receivers says whom a route tells, as prumo.yaml would.
func receivers(form url.Values) map[string]any {
	to := map[string]any{}
	var mails []any
	for l := range strings.FieldsFuncSeq(form.Get("email"), func(c rune) bool { return c == '\n' || c == ',' || c == ' ' || c == '\r' }) {
		mails = append(mails, l)
	}
	if form.Get("owner") == "true" {
		mails = append(mails, "owner")
	}
	if len(mails) > 0 {
		to["email"] = mails
	}
	if u := strings.TrimSpace(form.Get("webhook")); u != "" {
		hook := map[string]any{"url": u}
		if s := form.Get("secret"); s != "" {
			hook["secret"] = s
		}
		to["webhook"] = hook
	}
	return to
}

func conditions(form url.Values) map[string]any {
	when := map[string]any{}
	for _, k := range []string{"severity", "source", "kind"} {
		var values []any
		for _, v := range form["when-"+k] {
			values = append(values, v)
		}
		if len(values) > 0 {
			when[k] = values
		}
	}
	return when
}

func (a Area) remove(ctx context.Context, r *web.Request) (web.View, error) {
	route, err := a.find(ctx, r.PathValue("name"))
	if err != nil {
		return web.View{}, err
	}
	if route.FromFile {
		return web.View{}, &web.Invalid{Text: r.T("alerts.fromfile")}
	}
	if err := a.Actions.DeleteRoute(ctx, r.Who.Name, route.Name); err != nil {
		return web.View{}, fmt.Errorf("delete route %s: %w", route.Name, err)
	}
	return web.View{Redirect: "/alerts"}, nil
}

func (a Area) find(ctx context.Context, name string) (alert.Route, error) {
	routes, err := a.Actions.Routes(ctx)
	if err != nil {
		return alert.Route{}, fmt.Errorf("list routes: %w", err)
	}
	i := slices.IndexFunc(routes, func(r alert.Route) bool { return r.Name == name })
	if i < 0 {
		return alert.Route{}, web.ErrNotFound
	}
	return routes[i], nil
}

func (a Area) test(ctx context.Context, r *web.Request) (web.View, error) {
	route, err := a.find(ctx, r.PathValue("name"))
	if err != nil {
		return web.View{}, err
	}
	if err := a.Actions.TestRoute(ctx, route.Name, r.Tag); err != nil {
		return web.View{}, fmt.Errorf("test route %s: %w", route.Name, err)
	}
	return web.View{Redirect: "/alerts?done=test#deliveries"}, nil
}

func (a Area) resend(ctx context.Context, r *web.Request) (web.View, error) {
	if err := a.Actions.Resend(ctx, r.PathValue("id")); err != nil {
		return web.View{}, fmt.Errorf("resend: %w", err)
	}
	return web.View{Redirect: "/alerts?done=resend#deliveries"}, nil
}

// conditionsOf says in words what a route waits for.
func conditionsOf(e *ui.Env, w alert.When) []string {
	var out []string
	add := func(name string, values []string, word func(string) string) {
		if len(values) == 0 {
			return
		}
		var words []string
		for _, v := range values {
			words = append(words, web.Cut(word(v), 60))
		}
		out = append(out, e.T("alerts.when", "Name", name, "Values", strings.Join(words, ", ")))
	}
	same := func(s string) string { return s }
	add(e.T("col.severity"), w.Severity, func(s string) string { return e.Or("severity."+s, s) })
	add(e.T("col.source"), w.Source, same)
	add(e.T("col.kind"), w.Kind, func(s string) string { return web.KindName(e, s, 1) })
	add(e.T("col.control"), w.Control, same)
	add(e.T("col.check"), w.Check, same)
	add(e.T("col.owner"), w.Owner, same)
	return out
}

// tells says in words whom a route tells.
func tells(e *ui.Env, r alert.Route) []string {
	var out []string
	for _, channel := range slices.Sorted(maps.Keys(r.To)) {
		t := r.To[channel]
		for _, x := range t.Receivers {
			out = append(out, e.Or("channel."+channel, channel)+": "+web.Cut(x.Label, 120))
		}
		if t.Owner {
			out = append(out, e.Or("channel."+channel, channel)+": "+e.T("alerts.theowner"))
		}
	}
	return out
}
