package findings

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/exceptions"
	"prumo.dev/prumo/internal/web/ui"
)

// maxActs is how many findings one act takes: as many as a page can show.
const maxActs = 200

// maxExport is how many rows an export holds at most.
const maxExport = 100_000

// Acts are what a person sets going for many findings at once. They answer a
// *web.Invalid where a rule stands against it.
type Acts struct {
	SetOwner func(ctx context.Context, by, source, id, owner string) error
	SetDue   func(ctx context.Context, by, finding string, due time.Time) error
	Except   func(ctx context.Context, by string, r exceptions.Request) error
	Silence  func(ctx context.Context, q monitor.SilenceRequest) error
	Speak    func(ctx context.Context, by, id string) error // takes an acknowledgement or a mute back
}

// Act returns what is done with the findings that were chosen.
func (a Area) Act() web.Page {
	return web.Page{Pattern: "POST /findings/act", Title: "nav.findings", Nav: "findings", Role: access.ControlOwner, Load: a.act}
}

// Speak returns what takes an acknowledgement or a mute back.
func (a Area) Speak() web.Page {
	return web.Page{Pattern: "POST /findings/{id}/speak", Title: "nav.findings", Nav: "findings", Role: access.ControlOwner, Load: a.speak}
}

func (a Area) speak(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	if err := a.Acts.Speak(ctx, r.Who.Name, r.PostForm.Get("silence")); err != nil {
		return web.View{}, err
	}
	return web.View{Redirect: "/findings/" + url.PathEscape(r.PathValue("id"))}, nil
}

// Export returns the filtered list as a table for spreadsheets.
func (a Area) Export() web.Page {
	return web.Page{Pattern: "GET /findings.csv", Title: "nav.findings", Nav: "findings", Role: access.Auditor, Load: a.export}
}

// act does one thing with every chosen finding. What went well stands, and
// what did not is told with its reason.
func (a Area) act(ctx context.Context, r *web.Request) (web.View, error) {
	if err := r.ParseForm(); err != nil {
		return web.View{}, err
	}
	ids := r.PostForm["finding"]
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return web.View{}, &web.Invalid{Text: r.T("findings.act.none")}
	}
	if len(ids) > maxActs {
		return web.View{}, &web.Invalid{Text: r.T("findings.act.many", "N", r.Num(maxActs))}
	}
	do, err := a.deed(r)
	if err != nil {
		return web.View{}, err
	}
	done := 0
	var refused []string
	for _, id := range ids {
		f, ok, err := a.Store.Finding(ctx, id)
		if err != nil {
			return web.View{}, fmt.Errorf("read a finding: %w", err)
		}
		if !ok || f.ClosedAt != nil {
			refused = append(refused, r.T("findings.act.closed", "Name", web.Cut(id, 60)))
			continue
		}
		var invalid *web.Invalid
		switch err := do(ctx, f); {
		case err == nil:
			done++
		case errors.As(err, &invalid):
			refused = append(refused, web.Cut(name(f), 120)+": "+invalid.Text)
		case errors.Is(err, web.ErrNotFound):
			refused = append(refused, r.T("findings.act.closed", "Name", web.Cut(name(f), 120)))
		default:
			return web.View{}, fmt.Errorf("act on finding %s: %w", id, err)
		}
	}
	if len(refused) > 0 {
		text := r.T("findings.act.some", "N", r.Num(int64(done)), "Of", r.Num(int64(len(ids)))) + " " + strings.Join(refused[:min(len(refused), 5)], " · ")
		return web.View{}, &web.Invalid{Text: text}
	}
	return web.View{Redirect: backTo(r.PostForm.Get("back"), done)}, nil
}

// backTo is the list that the form came from, with how many were changed.
func backTo(back string, done int) string {
	q := url.Values{}
	u, err := url.Parse(back)
	own := err == nil && u.Host == "" && u.Scheme == ""
	if own && strings.HasPrefix(u.Path, "/findings/") && strings.Count(u.Path, "/") == 2 {
		return u.EscapedPath() // one finding's own page
	}
	if own && u.Path == "/findings" {
		q = u.Query()
	}
	q.Set("done", strconv.Itoa(done))
	return "/findings?" + q.Encode()
}

// deed reads what is to be done with each finding.
func (a Area) deed(r *web.Request) (func(context.Context, monitor.Finding) error, error) {
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	by := r.Who.Name
	switch r.PostForm.Get("do") {
	case "owner":
		owner := get("owner")
		return func(ctx context.Context, f monitor.Finding) error {
			if f.Source == "" {
				return &web.Invalid{Text: r.T("findings.act.set")}
			}
			return a.Acts.SetOwner(ctx, by, f.Source, f.Fact, owner)
		}, nil
	case "due":
		day, err := time.ParseInLocation(time.DateOnly, get("due"), r.Zone)
		due := day.AddDate(0, 0, 1).Add(-time.Second)
		if err != nil || due.Before(r.Now) || due.After(r.Now.AddDate(2, 0, 0)) {
			return nil, &web.Invalid{Field: "due", Text: r.T("findings.act.due.wrong")}
		}
		return func(ctx context.Context, f monitor.Finding) error { return a.Acts.SetDue(ctx, by, f.ID, due) }, nil
	case "except":
		day, err := time.ParseInLocation(time.DateOnly, get("ends"), r.Zone)
		q := exceptions.Request{Reason: get("reason"), Approver: get("approver"), Ends: day.AddDate(0, 0, 1)}
		switch {
		case q.Reason == "":
			return nil, &web.Invalid{Field: "reason", Text: r.T("form.required", "Name", r.T("col.reason"))}
		case q.Approver == "":
			return nil, &web.Invalid{Field: "approver", Text: r.T("form.required", "Name", r.T("exception.approver"))}
		case err != nil || !q.Ends.After(r.Now) || q.Ends.After(r.Now.AddDate(1, 0, 1)):
			return nil, &web.Invalid{Field: "ends", Text: r.T("exception.ends.wrong")}
		}
		return func(ctx context.Context, f monitor.Finding) error {
			q := q
			q.Check, q.Fact, q.Source = f.Check, f.Fact, f.Source
			return a.Acts.Except(ctx, by, q)
		}, nil
	case "acknowledge", "mute":
		q, err := silence(r, get("why"), get("until"))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, f monitor.Finding) error {
			q := q
			q.Finding = f.ID
			return a.Acts.Silence(ctx, q)
		}, nil
	}
	return nil, &web.Invalid{Text: r.T("findings.act.what")}
}

// silence reads an acknowledgement or a mute. The last day counts whole.
func silence(r *web.Request, why, until string) (monitor.SilenceRequest, error) {
	q := monitor.SilenceRequest{Kind: monitor.SilenceKind(r.PostForm.Get("do")), Reason: why, By: r.Who.Name, Via: "console"}
	if q.Kind == monitor.Acknowledge {
		return q, nil // until it is mended
	}
	day, err := time.ParseInLocation(time.DateOnly, until, r.Zone)
	last := r.Now.Add(web.LongestMute)
	switch {
	case why == "":
		return q, &web.Invalid{Field: "why", Text: r.T("form.required", "Name", r.T("col.reason"))}
	case err != nil || day.After(last) || !day.AddDate(0, 0, 1).After(r.Now):
		return q, &web.Invalid{Field: "until", Text: r.T("silence.until.wrong")}
	}
	if q.Until = day.AddDate(0, 0, 1); q.Until.After(last) {
		q.Until = last
	}
	return q, nil
}

// export writes the filtered list, all its pages one after another.
func (a Area) export(ctx context.Context, r *web.Request) (web.View, error) {
	f := a.filter(r)
	f.Limit, f.Cursor = 1000, ""
	page, err := a.Store.Findings(ctx, f)
	if err != nil {
		return web.View{}, fmt.Errorf("list findings: %w", err)
	}
	return web.View{Download: &web.Download{
		Name: "prumo-findings-" + r.Now.UTC().Format("2006-01-02") + ".csv", Type: "text/csv; charset=utf-8; header=present",
		Write: func(w io.Writer) error {
			c, err := ui.NewCSV(w)
			if err != nil {
				return err
			}
			if err := ui.CSV(c, "id", "severity", "status", "check", "title", "kind", "fact", "name", "source", "owner", "reason", "opened", "due", "late", "closed", "closed_why", "silences"); err != nil {
				return err
			}
			for n := 0; ; {
				whole := len(page.Items)
				if r.Query.Get("view") == "late" {
					page = late(page)
				}
				if err := a.rows(c, r, page.Items); err != nil {
					return err
				}
				if n += whole; page.Next == "" || n >= maxExport {
					return c.Error()
				}
				f.Cursor = page.Next
				if page, err = a.Store.Findings(ctx, f); err != nil {
					return fmt.Errorf("list findings: %w", err)
				}
			}
		},
	}}, nil
}

func (a Area) rows(c *csv.Writer, r *web.Request, items []monitor.Finding) error {
	for _, f := range items {
		closed := ""
		if f.ClosedAt != nil {
			closed = f.ClosedAt.UTC().Format(time.RFC3339)
		}
		if err := ui.CSV(c, f.ID, f.Severity.String(), string(status(f)), f.Check, a.Catalogue.Title(f.Check, r.Tag), f.Kind, f.Fact, f.Name, f.Source, f.Owner,
			f.Reason, f.OpenedAt.UTC().Format(time.RFC3339), f.DueAt.UTC().Format(time.RFC3339), strconv.FormatBool(f.Late && f.ClosedAt == nil), closed, f.ClosedWhy, silences(f)); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// exportLink is the address of the same list as a table.
func exportLink(e *ui.Env) string {
	q := url.Values{}
	for k, v := range e.Query {
		if k != "cursor" && k != "rows" && k != "done" {
			q[k] = v
		}
	}
	if len(q) == 0 {
		return "/findings.csv"
	}
	return "/findings.csv?" + q.Encode()
}

// silences says in one cell who acknowledged or muted a finding, and until when.
func silences(f monitor.Finding) string {
	var out []string
	for _, s := range f.Silences {
		t := string(s.Kind) + " by " + s.By
		if s.Until != nil {
			t += " until " + s.Until.UTC().Format(time.RFC3339)
		}
		out = append(out, t)
	}
	return strings.Join(out, "; ")
}
