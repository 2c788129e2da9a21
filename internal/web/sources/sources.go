// Package sources shows the connected systems: how honestly each was read,
// what it lacks, how fast news travels from it, and the form that connects one.
package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show.
type Store interface {
	Sources(ctx context.Context) ([]monitor.Source, error)
}

// A Draft is a source as the form says it.
type Draft struct {
	Name      string
	Connector string
	Every     time.Duration // 0: the connector's own rhythm
	Settings  map[string]any
}

// Actions are what a person sets going. Save checks a draft against its
// connector and answers a *web.Invalid that names the field where it cannot work.
type Actions interface {
	ReadSource(ctx context.Context, name string) error
	SaveSource(ctx context.Context, by string, d Draft) error
	DeleteSource(ctx context.Context, by, name string) error
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Actions   Actions
	Catalogue web.Catalogue
}

// Pages returns all pages of the area.
func (a Area) Pages() []web.Page {
	read := web.Page{Nav: "sources", Title: "nav.sources", Role: access.Auditor, Live: true}
	write := web.Page{Nav: "sources", Title: "sources.connect", Role: access.Manager}
	at := func(p web.Page, pattern string, load func(context.Context, *web.Request) (web.View, error)) web.Page {
		p.Pattern, p.Load = pattern, load
		return p
	}
	return []web.Page{
		at(read, "GET /sources", a.list),
		at(read, "GET /sources/{name}", a.one),
		at(write, "GET /sources/new", a.form),
		at(write, "POST /sources", a.save),
		at(write, "POST /sources/{name}/read", a.read),
		at(write, "POST /sources/{name}/delete", a.remove),
	}
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	all, err := a.Store.Sources(ctx)
	if err != nil {
		return web.View{}, fmt.Errorf("list sources: %w", err)
	}
	return web.Body(list(r.Env, all, a.Catalogue)), nil
}

func (a Area) find(ctx context.Context, name string) (monitor.Source, error) {
	all, err := a.Store.Sources(ctx)
	if err != nil {
		return monitor.Source{}, fmt.Errorf("list sources: %w", err)
	}
	i := slices.IndexFunc(all, func(s monitor.Source) bool { return s.Name == name })
	if i < 0 {
		return monitor.Source{}, web.ErrNotFound
	}
	return all[i], nil
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	s, err := a.find(ctx, r.PathValue("name"))
	if err != nil {
		return web.View{}, err
	}
	info, _ := a.Catalogue.Connector(s.Connector)
	return web.View{
		Title: s.Name, Body: one(r.Env, s, info, a.Catalogue.ManifestOf(s.Connector), a.Catalogue.System(s.Connector)),
		Crumbs: []ui.Crumb{{Text: r.T("nav.sources"), Href: r.Link("/sources")}, {Text: s.Name}},
	}, nil
}

func (a Area) read(ctx context.Context, r *web.Request) (web.View, error) {
	s, err := a.find(ctx, r.PathValue("name"))
	if err != nil {
		return web.View{}, err
	}
	if err := a.Actions.ReadSource(ctx, s.Name); err != nil {
		return web.View{}, fmt.Errorf("read source %s: %w", s.Name, err)
	}
	return web.View{Redirect: Path(s.Name)}, nil
}

func (a Area) remove(ctx context.Context, r *web.Request) (web.View, error) {
	s, err := a.find(ctx, r.PathValue("name"))
	if err != nil {
		return web.View{}, err
	}
	if s.FromFile {
		return web.View{}, &web.Invalid{Text: r.T("sources.fromfile")}
	}
	if err := a.Actions.DeleteSource(ctx, r.Who.Name, s.Name); err != nil {
		return web.View{}, fmt.Errorf("delete source %s: %w", s.Name, err)
	}
	return web.View{Redirect: "/sources"}, nil
}

type formView struct {
	info     connector.Info
	manifest connector.Manifest
	fields   []ui.Field
	local    []connector.Field // settings that only the machine's own file may hold
	errs     ui.Errors
}

func (a Area) form(_ context.Context, r *web.Request) (web.View, error) {
	crumbs := []ui.Crumb{{Text: r.T("nav.sources"), Href: "/sources"}, {Text: r.T("sources.connect")}}
	id := r.Query.Get("connector")
	if id == "" {
		return web.View{Body: choose(r.Env, a.Catalogue.Connectors), Crumbs: crumbs}, nil
	}
	info, ok := a.Catalogue.Connector(id)
	if !ok {
		return web.View{}, web.ErrNotFound
	}
	return a.formView(r, info, map[string][]string{"name": {info.ID}}, nil, 0), nil
}

func (a Area) formView(r *web.Request, info connector.Info, typed map[string][]string, errs ui.Errors, status int) web.View {
	v := formView{info: info, manifest: a.Catalogue.ManifestOf(info.ID), errs: errs, fields: fields(r.Env, info, typed)}
	for _, f := range info.Fields {
		if f.Local || f.Type == connector.FieldPath {
			v.local = append(v.local, f)
		}
	}
	return web.View{
		Body: form(r.Env, v), Status: status, Title: r.T("sources.connect.to", "System", info.Title),
		Crumbs: []ui.Crumb{{Text: r.T("nav.sources"), Href: "/sources"}, {Text: r.T("sources.connect"), Href: "/sources/new"}, {Text: info.Title}},
	}
}

// fields makes the form: a name, the connector's settings, a rhythm. Secrets
// are never put back into a page.
func fields(e *ui.Env, info connector.Info, typed map[string][]string) []ui.Field {
	first := func(name string) string {
		if v := typed[name]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	out := []ui.Field{{Name: "name", Label: e.T("sources.name"), Hint: e.T("sources.name.hint"), Value: first("name")}}
	for _, f := range info.Fields {
		if f.Local || f.Type == connector.FieldPath {
			continue
		}
		u := ui.Field{Name: "s-" + f.Name, Label: f.Label.In(e.Tag), Hint: f.Hint.In(e.Tag), Optional: !f.Required, Value: first("s-" + f.Name)}
		if _, sent := typed["connector"]; !sent && f.Default != nil && u.Value == "" {
			u.Value = fmt.Sprint(f.Default)
		}
		switch f.Type {
		case connector.FieldURL:
			u.Type = "url"
		case connector.FieldSecret:
			u.Type, u.Value = "password", ""
		case connector.FieldInt:
			u.Type = "number"
		case connector.FieldBool:
			u.Type, u.Checked = "checkbox", u.Value == "true"
		case connector.FieldList:
			u.Type, u.Hint = "list", join(u.Hint, e.T("sources.list.hint"))
		case connector.FieldDocument:
			u.Type = "document"
		case connector.FieldMap:
			u.Type, u.Hint = "list", join(u.Hint, e.T("sources.map.hint"))
		}
		if f.Lines {
			u.Type = "lines"
		}
		out = append(out, u)
	}
	return append(out, ui.Field{
		Name: "every", Label: e.T("sources.every"), Optional: true, Value: first("every"),
		Hint: e.T("sources.every.hint", "Span", e.Span(info.Every)),
	})
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return strings.TrimSuffix(a, ".") + ". " + b
}

func (a Area) save(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	info, ok := a.Catalogue.Connector(r.PostForm.Get("connector"))
	if !ok || info.Local {
		return web.View{}, web.ErrNotFound
	}
	d, errs := draft(r, info)
	if len(errs) == 0 {
		err := a.Actions.SaveSource(ctx, r.Who.Name, d)
		var invalid *web.Invalid
		switch {
		case err == nil:
			return web.View{Redirect: Path(d.Name)}, nil
		case errors.As(err, &invalid):
			errs = ui.Errors{fieldOf(info, invalid.Field): invalid.Text}
		default:
			return web.View{}, fmt.Errorf("save source %s: %w", d.Name, err)
		}
	}
	return a.formView(r, info, r.PostForm, errs, http.StatusUnprocessableEntity), nil
}

// fieldOf is the form's name of a setting.
func fieldOf(info connector.Info, name string) string {
	if slices.ContainsFunc(info.Fields, func(f connector.Field) bool { return f.Name == name && !f.Local }) {
		return "s-" + name
	}
	if name == "name" || name == "every" {
		return name
	}
	return ""
}

// draft reads the form. What the connector itself asks for is checked by Save.
func draft(r *web.Request, info connector.Info) (Draft, ui.Errors) {
	errs := ui.Errors{}
	d := Draft{Name: strings.TrimSpace(r.PostForm.Get("name")), Connector: info.ID, Settings: map[string]any{}}
	if d.Name == "" || len(d.Name) > 64 {
		errs["name"] = r.T("sources.name.wrong")
	}
	if s := strings.TrimSpace(r.PostForm.Get("every")); s != "" {
		every, err := time.ParseDuration(s)
		if err != nil || every < 10*time.Second || every > 31*24*time.Hour {
			errs["every"] = r.T("sources.every.wrong")
		}
		d.Every = every
	}
	for _, f := range info.Fields {
		if f.Local || f.Type == connector.FieldPath {
			continue
		}
		name := "s-" + f.Name
		v, err := value(f.Type, r.PostForm.Get(name))
		switch {
		case err != nil:
			errs[name] = r.T("form.number")
		case v == nil && f.Required:
			errs[name] = r.T("form.required", "Name", f.Label.In(r.Tag))
		case v != nil:
			d.Settings[f.Name] = v
		}
	}
	return d, errs
}

// value turns what was typed into what a setting holds; nil: nothing was typed.
func value(t connector.FieldType, s string) (any, error) {
	if t == connector.FieldDocument && strings.TrimSpace(s) != "" {
		return s, nil // its first line may be indented
	}
	s = strings.TrimSpace(s)
	switch {
	case t == connector.FieldBool:
		return s == "true", nil
	case s == "":
		return nil, nil
	case t == connector.FieldInt:
		return strconv.ParseInt(s, 10, 64)
	case t == connector.FieldList:
		return items(lines(s)), nil
	case t == connector.FieldMap:
		out := map[string]any{}
		for _, l := range lines(s) {
			k, v, _ := strings.Cut(l, ":")
			out[strings.TrimSpace(k)] = items(lines(strings.ReplaceAll(v, ",", "\n")))
		}
		return out, nil
	}
	return s, nil
}

func items(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// Path returns the path of a source's page.
func Path(name string) string { return "/sources/" + escape(name) }

// state is the sign of a source's last reading. Nothing that was not complete
// is a pass, and none of it is a failure: what was not seen is unknown.
func state(result string) monitor.Status {
	if result == string(fact.Complete) {
		return monitor.StatusPass
	}
	return monitor.StatusUnknown
}

// stateWord is the word beside the sign.
func stateWord(e *ui.Env, s monitor.Source) string {
	if s.LastResult == "" {
		return e.T("reading.never")
	}
	return e.Or("reading."+s.LastResult, s.LastResult)
}

// seen sums what the scopes covered; of is 0 where a scope does not say.
func seen(s monitor.Source) (n, of, forbidden int64) {
	known := true
	for _, c := range s.Scopes {
		n += c.Seen
		of += c.Of
		forbidden += c.Forbidden
		known = known && c.Of > 0
	}
	if !known {
		of = 0
	}
	return n, of, forbidden
}

// troubled are the scopes that were not read completely.
func troubled(s monitor.Source) []monitor.ScopeState {
	var out []monitor.ScopeState
	for _, c := range s.Scopes {
		if c.LastResult != fact.Complete {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b monitor.ScopeState) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
