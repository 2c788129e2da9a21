package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/monitor"
)

// An ObligationInput narrows the list of what falls due.
type ObligationInput struct {
	Duty     []string  `query:"duty,explode" doc:"any of mend, lean, exception"`
	Check    []string  `query:"check,explode"`
	Kind     []string  `query:"kind,explode"`
	Source   []string  `query:"source,explode"`
	Severity []string  `query:"severity,explode"`
	Owner    []string  `query:"owner,explode"`
	Control  []string  `query:"control,explode"`
	Q        string    `query:"q" doc:"part of a check's or thing's id, name or owner"`
	From     time.Time `query:"from" doc:"due at it or later"`
	To       time.Time `query:"to" doc:"due before it"`
	Overdue  bool      `query:"overdue" doc:"only what is late"`
	Limit    int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor   string    `query:"cursor"`
}

// An ObligationView is something that falls due.
type ObligationView struct {
	Key       string    `json:"key" doc:"the same while the thing is the same, also when its date moves"`
	Duty      string    `json:"duty" doc:"mend: a finding; lean: a pass that ends by itself; exception: an exception that ends"`
	Due       time.Time `json:"due"`
	Late      bool      `json:"late"`
	Check     string    `json:"check"`
	Fact      string    `json:"fact,omitempty"`
	Name      string    `json:"name,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Source    string    `json:"source,omitempty"`
	Owner     string    `json:"owner"`
	Severity  string    `json:"severity,omitempty"`
	Finding   string    `json:"finding,omitempty"`
	Exception string    `json:"exception,omitempty"`
}

func (a *api) obligations(h huma.API) {
	o := op(http.MethodGet, "/api/v1/obligations", "list-obligations", "What falls due, the earliest first", access.Auditor)
	huma.Register(h, o, func(ctx context.Context, in *ObligationInput) (*Reply[List[ObligationView]], error) {
		shared := ListInput{Check: in.Check, Kind: in.Kind, Source: in.Source, Severity: in.Severity, Owner: in.Owner, Control: in.Control, Q: in.Q, Limit: in.Limit, Cursor: in.Cursor}
		base, err := shared.filter()
		if err != nil {
			return nil, err
		}
		f := monitor.ObligationFilter{Filter: base, From: in.From, To: in.To, Overdue: in.Overdue, Leaning: monitor.Leaning(a.cfg.Checks())}
		for _, d := range apart(in.Duty) {
			if !slices.Contains(monitor.Duties(), monitor.Duty(d)) {
				return nil, huma.Error422UnprocessableEntity("duty " + d + " does not exist; use mend, lean or exception")
			}
			f.Duty = append(f.Duty, monitor.Duty(d))
		}
		page, err := a.cfg.Reader.Obligations(ctx, f)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		out := List[ObligationView]{Items: make([]ObligationView, 0, len(page.Items)), Next: page.Next}
		for _, x := range page.Items {
			out.Items = append(out.Items, obligationView(x))
		}
		return &Reply[List[ObligationView]]{out}, nil
	})
}

func obligationView(o monitor.Obligation) ObligationView {
	v := ObligationView{
		Key: o.Key, Duty: string(o.Duty), Due: o.Due, Late: o.Late, Check: o.Check, Fact: o.Fact, Name: o.Name, Kind: o.Kind,
		Source: o.Source, Owner: o.Owner, Finding: o.Finding, Exception: o.Except,
	}
	if o.Severity > 0 {
		v.Severity = o.Severity.String()
	}
	return v
}
