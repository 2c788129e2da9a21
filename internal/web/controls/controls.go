// Package controls shows what the organisation does, which checks prove it and
// which requirements it answers.
package controls

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the pages show.
type Store interface {
	CheckCounts(ctx context.Context, at time.Time) ([]monitor.CheckCount, error)
	Strip(ctx context.Context, checks []string, source, fact string, days int) (map[string][]monitor.Day, error)
	Findings(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Finding], error)
	Exceptions(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Exception], error)
}

// Area is the pages with what they need.
type Area struct {
	Store     Store
	Catalogue web.Catalogue
}

// List returns the page of all controls.
func (a Area) List() web.Page {
	return web.Page{Pattern: "GET /controls", Title: "nav.controls", Nav: "controls", Role: access.Auditor, Live: true, Load: a.list}
}

// One returns the page of a control.
func (a Area) One() web.Page {
	return web.Page{Pattern: "GET /controls/{id}", Title: "nav.controls", Nav: "controls", Role: access.Auditor, Live: true, Load: a.one}
}

// A row is one control in the list.
type row struct {
	control framework.Control
	status  framework.ControlStatus
	checks  int
	days    []monitor.Day
}

type group struct {
	domain string
	rows   []row
}

type listView struct {
	groups  []group
	filters []ui.Filter
	tally   framework.Tally
	shown   int
}

func (a Area) list(ctx context.Context, r *web.Request) (web.View, error) {
	counts, err := a.Store.CheckCounts(ctx, r.At)
	if err != nil {
		return web.View{}, fmt.Errorf("count verdicts: %w", err)
	}
	strips, err := a.Store.Strip(ctx, a.proving(), "", "", 90)
	if err != nil {
		return web.View{}, fmt.Errorf("read the strips: %w", err)
	}
	status := a.Catalogue.Controls(counts)
	v := listView{filters: a.filters(r.Env)}
	byDomain := map[string][]row{}
	var domains []string
	for _, c := range a.Catalogue.Library.Controls() {
		s := status[c.ID]
		v.tally = tally(v.tally, s.Status)
		if !a.wanted(r.Env, c, s) {
			continue
		}
		if byDomain[c.Domain] == nil {
			domains = append(domains, c.Domain)
		}
		checks := a.Catalogue.ChecksOf(c.ID)
		byDomain[c.Domain] = append(byDomain[c.Domain], row{control: c, status: s, checks: len(checks), days: Worst(checks, strips)})
		v.shown++
	}
	for _, d := range domains {
		v.groups = append(v.groups, group{domain: d, rows: byDomain[d]})
	}
	return web.Body(list(r.Env, a.Catalogue.Library, v)), nil
}

func tally(t framework.Tally, s framework.Status) framework.Tally {
	n := framework.TallyOf(s)
	return framework.Tally{
		Pass: t.Pass + n.Pass, Fail: t.Fail + n.Fail, Unknown: t.Unknown + n.Unknown,
		Excepted: t.Excepted + n.Excepted, NotApplicable: t.NotApplicable + n.NotApplicable, NotCovered: t.NotCovered + n.NotCovered,
	}
}

// proving are the ids of all checks that prove any control.
func (a Area) proving() []string {
	var out []string
	for _, k := range a.Catalogue.Checks().All() {
		if len(k.Controls) > 0 {
			out = append(out, k.ID)
		}
	}
	return out
}

func (a Area) filters(e *ui.Env) []ui.Filter {
	status := append(web.StatusOptions(e), ui.Option{Value: string(framework.NotCovered), Text: e.T("status.not_covered")})
	var domains, frames []ui.Option
	for _, c := range a.Catalogue.Library.Controls() {
		if !slices.ContainsFunc(domains, func(o ui.Option) bool { return o.Value == c.Domain }) {
			domains = append(domains, ui.Option{Value: c.Domain, Text: a.Catalogue.Library.Term("domains", c.Domain).In(e.Tag)})
		}
	}
	for _, f := range a.Catalogue.Library.Frameworks() {
		frames = append(frames, ui.Option{Value: f.ID, Text: f.Name.In(e.Tag)})
	}
	return []ui.Filter{
		{Key: "status", Text: e.T("col.status"), Options: status},
		{Key: "domain", Text: e.T("col.domain"), Options: domains},
		{Key: "framework", Text: e.T("col.framework"), Options: frames},
	}
}

func (a Area) wanted(e *ui.Env, c framework.Control, s framework.ControlStatus) bool {
	if want := e.Query["status"]; len(want) > 0 && !slices.Contains(want, string(s.Status)) {
		return false
	}
	if want := e.Query["domain"]; len(want) > 0 && !slices.Contains(want, c.Domain) {
		return false
	}
	if want := e.Query["framework"]; len(want) > 0 && !slices.ContainsFunc(a.Catalogue.Library.RequirementsOf(c.ID), func(l framework.Link) bool { return slices.Contains(want, l.Framework) }) {
		return false
	}
	q := strings.ToLower(strings.TrimSpace(e.Query.Get("q")))
	return q == "" || strings.Contains(strings.ToLower(c.ID+" "+c.Title.In(e.Tag)+" "+c.Objective.In(e.Tag)), q)
}

// Worst folds the strips of several checks: the worst status of each day.
func Worst(checks []*check.Check, strips map[string][]monitor.Day) []monitor.Day {
	rank := []monitor.Status{"", monitor.StatusNotApplicable, monitor.StatusPass, monitor.StatusExcepted, monitor.StatusUnknown, monitor.StatusFail}
	var out []monitor.Day
	for _, k := range checks {
		days := strips[k.ID]
		if out == nil {
			out = slices.Clone(days)
			continue
		}
		for i := range min(len(days), len(out)) {
			out[i].Counts = out[i].Counts.Add(days[i].Counts)
			if slices.Index(rank, days[i].Worst) > slices.Index(rank, out[i].Worst) {
				out[i].Worst = days[i].Worst
			}
		}
	}
	return out
}

// A proof is one check of a control.
type proof struct {
	check  *check.Check
	counts monitor.Counts
	days   []monitor.Day
}

type oneView struct {
	control    framework.Control
	status     framework.ControlStatus
	proofs     []proof
	days       []monitor.Day
	findings   []monitor.Finding
	more       bool
	exceptions []monitor.Exception
	links      []framework.Link
	library    *framework.Library
	catalogue  web.Catalogue
}

func (a Area) one(ctx context.Context, r *web.Request) (web.View, error) {
	c, ok := a.Catalogue.Library.Control(r.PathValue("id"))
	if !ok {
		return web.View{}, web.ErrNotFound
	}
	counts, err := a.Store.CheckCounts(ctx, r.At)
	if err != nil {
		return web.View{}, fmt.Errorf("count verdicts: %w", err)
	}
	v := oneView{
		control: c, status: a.Catalogue.Controls(counts)[c.ID], links: a.Catalogue.Library.RequirementsOf(c.ID),
		library: a.Catalogue.Library, catalogue: a.Catalogue,
	}
	if err := a.proofs(ctx, r, counts, &v); err != nil {
		return web.View{}, err
	}
	title := c.Title.In(r.Tag)
	return web.View{
		Title: title, Body: one(r.Env, v),
		Crumbs: []ui.Crumb{{Text: r.T("nav.controls"), Href: r.Link("/controls")}, {Text: title}},
	}, nil
}

// proofs gathers what the control's checks say, their open findings and exceptions.
func (a Area) proofs(ctx context.Context, r *web.Request, counts []monitor.CheckCount, v *oneView) error {
	checks := a.Catalogue.ChecksOf(v.control.ID)
	if len(checks) == 0 {
		return nil
	}
	ids := make([]string, len(checks))
	for i, k := range checks {
		ids[i] = k.ID
	}
	strips, err := a.Store.Strip(ctx, ids, "", "", 90)
	if err != nil {
		return fmt.Errorf("read the strips: %w", err)
	}
	for _, k := range checks {
		p := proof{check: k, days: strips[k.ID]}
		for _, n := range counts {
			if n.Check == k.ID {
				p.counts = p.counts.Add(n.Counts)
			}
		}
		v.proofs = append(v.proofs, p)
	}
	v.days = Worst(checks, strips)
	open, err := a.Store.Findings(ctx, monitor.Filter{Check: ids, OpenOnly: true, Sort: "due", Limit: 20, At: r.At})
	if err != nil {
		return fmt.Errorf("read the findings: %w", err)
	}
	v.findings, v.more = open.Items, open.Next != ""
	ex, err := a.Store.Exceptions(ctx, monitor.Filter{Check: ids, Limit: 50, At: r.At})
	if err != nil {
		return fmt.Errorf("read the exceptions: %w", err)
	}
	for _, x := range ex.Items {
		if x.Active {
			v.exceptions = append(v.exceptions, x)
		}
	}
	return nil
}

// days counts the days of each status.
func days(list []monitor.Day, s monitor.Status) int64 {
	var n int64
	for _, d := range list {
		if d.Worst == s {
			n++
		}
	}
	return n
}
