// Package posture is the first page: how far the whole is out of true, what
// leans now, what turned since yesterday and what falls due next.
package posture

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
	"prumo.dev/prumo/internal/web/frameworks"
	"prumo.dev/prumo/internal/web/ui"
)

// A Store answers what the page shows.
type Store interface {
	Posture(ctx context.Context, at time.Time) (monitor.Posture, error)
	Changes(ctx context.Context, since time.Time, limit int) ([]monitor.Change, error)
	Findings(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Finding], error)
	Strip(ctx context.Context, checks []string, source, fact string, days int) (map[string][]monitor.Day, error)
}

// Area is the page with what it needs.
type Area struct {
	Store     Store
	Catalogue web.Catalogue
}

// Page returns the first page.
func (a Area) Page() web.Page {
	return web.Page{Pattern: "GET /{$}", Title: "nav.posture", Nav: "posture", Role: access.Auditor, Live: true, Load: a.load}
}

// maxLeaning is how many checks the page names.
const maxLeaning = 10

// A leaning is a check that fails, or that cannot be judged.
type leaning struct {
	check    string
	title    string
	kind     string
	severity check.Severity
	counts   monitor.Counts
	owner    string
	since    time.Time
	due      time.Time
	late     bool
	days     []monitor.Day
}

func (l leaning) status() monitor.Status { return web.Shown(l.counts) }

// out says how many are out of true, or were not seen.
func (l leaning) out(e *ui.Env) string {
	whole := ui.Judged(l.counts)
	if l.counts.Fail == 0 {
		return e.T("posture.unseen", "Of", e.Of(l.counts.Unknown, whole))
	}
	return e.T("posture.failing", "Of", e.Of(l.counts.Fail, whole), "Kind", web.KindName(e, l.kind, whole))
}

type view struct {
	posture    monitor.Posture
	plumb      ui.Plumb
	controls   framework.Tally
	leaning    []leaning
	more       int
	changes    []monitor.Change
	due        []monitor.Finding
	frameworks []frameworks.Standing
	catalogue  web.Catalogue
}

func (a Area) load(ctx context.Context, r *web.Request) (web.View, error) {
	p, err := a.Store.Posture(ctx, r.At)
	if err != nil {
		return web.View{}, fmt.Errorf("read the posture: %w", err)
	}
	if len(p.Sources) == 0 && p.Counts.Total() == 0 {
		return web.Body(first(r.Env, a.Catalogue)), nil
	}
	v := view{posture: p, plumb: plumb(p), catalogue: a.Catalogue}
	controls := a.Catalogue.Controls(p.ByCheck)
	for _, s := range controls {
		v.controls = add(v.controls, s.Status)
	}
	if !r.Past() { // of a past day there is no such list: the newest changes come first
		if v.changes, err = a.Store.Changes(ctx, r.Now.Add(-24*time.Hour), 12); err != nil {
			return web.View{}, fmt.Errorf("read what changed: %w", err)
		}
	}
	open, err := a.Store.Findings(ctx, monitor.Filter{OpenOnly: true, Sort: "due", Limit: 500, At: r.At})
	if err != nil {
		return web.View{}, fmt.Errorf("read the findings: %w", err)
	}
	v.due = nextDue(open.Items, 8)
	if v.leaning, v.more, err = a.leaning(ctx, r.Tag, p.ByCheck, open.Items); err != nil {
		return web.View{}, err
	}
	v.frameworks = frameworks.Standings(a.Catalogue.Library, r.Tag, web.Statuses(controls))
	return web.Body(page(r.Env, v)), nil
}

func add(t framework.Tally, s framework.Status) framework.Tally {
	n := framework.TallyOf(s)
	return framework.Tally{
		Pass: t.Pass + n.Pass, Fail: t.Fail + n.Fail, Unknown: t.Unknown + n.Unknown,
		Excepted: t.Excepted + n.Excepted, NotApplicable: t.NotApplicable + n.NotApplicable, NotCovered: t.NotCovered + n.NotCovered,
	}
}

// plumb takes the shares of now and of 30 days ago.
func plumb(p monitor.Posture) ui.Plumb {
	whole := ui.Judged(p.Counts)
	out := ui.Plumb{Fail: ui.Share(p.Counts.Fail, whole), Unknown: ui.Share(p.Counts.Unknown, whole), Before: -1}
	if i := len(p.Trend) - 31; i >= 0 && ui.Judged(p.Trend[i].Counts) > 0 {
		out.Before = ui.Share(p.Trend[i].Counts.Fail, ui.Judged(p.Trend[i].Counts))
	}
	return out
}

// nextDue are the open findings that fall due first.
func nextDue(open []monitor.Finding, n int) []monitor.Finding {
	out := slices.DeleteFunc(slices.Clone(open), func(f monitor.Finding) bool { return f.DueAt.IsZero() })
	slices.SortStableFunc(out, func(a, b monitor.Finding) int { return a.DueAt.Compare(b.DueAt) })
	return out[:min(n, len(out))]
}

// leaning gathers the checks that fail, worst first, then those that nobody can judge.
func (a Area) leaning(ctx context.Context, lang string, byCheck []monitor.CheckCount, open []monitor.Finding) ([]leaning, int, error) {
	sums := map[string]monitor.Counts{}
	for _, n := range byCheck {
		sums[n.Check] = sums[n.Check].Add(n.Counts)
	}
	var out []leaning
	for id, c := range sums {
		if c.Fail == 0 && c.Unknown == 0 {
			continue
		}
		l := leaning{check: id, title: a.Catalogue.Title(id, lang), severity: a.Catalogue.Severity(id), counts: c}
		if d, ok := a.Catalogue.Checks().ByID(id); ok {
			l.kind = d.Kind
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(x, y leaning) int {
		switch xf, yf := x.counts.Fail > 0, y.counts.Fail > 0; {
		case xf && !yf:
			return -1
		case yf && !xf:
			return 1
		case x.severity != y.severity:
			return int(y.severity) - int(x.severity)
		case x.counts.Fail != y.counts.Fail:
			return int(y.counts.Fail - x.counts.Fail)
		}
		return strings.Compare(x.check, y.check)
	})
	more := max(len(out)-maxLeaning, 0)
	out = out[:min(len(out), maxLeaning)]
	ids := make([]string, len(out))
	for i := range out {
		ids[i] = out[i].check
		fill(&out[i], open)
	}
	if len(ids) == 0 {
		return nil, 0, nil
	}
	strips, err := a.Store.Strip(ctx, ids, "", "", 90)
	if err != nil {
		return nil, 0, fmt.Errorf("read the strips: %w", err)
	}
	for i := range out {
		out[i].days = strips[out[i].check]
	}
	return out, more, nil
}

// fill takes owner, age and due date from the check's open findings.
func fill(l *leaning, open []monitor.Finding) {
	for _, f := range open {
		if f.Check != l.check {
			continue
		}
		if l.since.IsZero() || f.OpenedAt.Before(l.since) {
			l.since = f.OpenedAt
		}
		if !f.DueAt.IsZero() && (l.due.IsZero() || f.DueAt.Before(l.due)) {
			l.due, l.late = f.DueAt, f.Late
		}
		if l.owner == "" {
			l.owner = f.Owner
		}
	}
}
