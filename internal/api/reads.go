package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/monitor"
)

// A List is a part of a list.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"cursor of the rest; absent at the end"`
}

// A Reply wraps a body for huma.
type Reply[T any] struct{ Body T }

// ListInput are the filters that lists share.
type ListInput struct {
	Status   []string  `query:"status,explode" doc:"any of pass, fail, unknown, not_applicable, excepted; this and the other lists may be given several times or with commas"`
	Check    []string  `query:"check,explode"`
	Kind     []string  `query:"kind,explode"`
	Source   []string  `query:"source,explode"`
	Fact     string    `query:"fact" doc:"exact id"`
	Severity []string  `query:"severity,explode"`
	Owner    []string  `query:"owner,explode"`
	Control  []string  `query:"control,explode"`
	Q        string    `query:"q" doc:"part of a check's or thing's id, name or owner"`
	Open     bool      `query:"open" doc:"findings: only open ones"`
	Closed   bool      `query:"closed" doc:"findings: only closed ones"`
	Gone     bool      `query:"gone" doc:"facts: also those that are gone"`
	At       time.Time `query:"at" doc:"as of this instant"`
	Sort     string    `query:"sort" doc:"one of the orders that the list names; - before it turns it round"`
	Limit    int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor   string    `query:"cursor"`
}

func (in ListInput) filter() (monitor.Filter, error) {
	f := monitor.Filter{
		Check: apart(in.Check), Kind: apart(in.Kind), Source: apart(in.Source), Fact: in.Fact, Owner: apart(in.Owner), Control: apart(in.Control),
		Text: in.Q, OpenOnly: in.Open, ClosedOnly: in.Closed, Gone: in.Gone, At: in.At, Sort: in.Sort, Limit: in.Limit, Cursor: in.Cursor,
	}
	for _, s := range apart(in.Status) {
		st := monitor.Status(s)
		switch st {
		case monitor.StatusPass, monitor.StatusFail, monitor.StatusUnknown, monitor.StatusNotApplicable, monitor.StatusExcepted:
			f.Status = append(f.Status, st)
		default:
			return f, huma.Error422UnprocessableEntity("status " + s + " does not exist; use pass, fail, unknown, not_applicable or excepted")
		}
	}
	for _, s := range apart(in.Severity) {
		v, ok := severity(s)
		if !ok {
			return f, huma.Error422UnprocessableEntity("severity " + s + " does not exist; use low, medium, high or critical")
		}
		f.Severity = append(f.Severity, v)
	}
	return f, nil
}

// apart splits values at commas, so that a=x,y and a=x&a=y say the same.
func apart(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}

// past refuses an instant that has not come: nothing is known of it.
func (a *api) past(at time.Time) error {
	if at.After(a.cfg.Now().Add(fact.MaxFuture)) {
		return huma.Error422UnprocessableEntity("at lies in the future; leave it out for now")
	}
	return nil
}

func severity(s string) (check.Severity, bool) {
	for v := check.Low; v <= check.Critical; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}

// list registers one list operation.
// It refuses an order that is not among sorts, so that a misspelt one is told.
func list[T, V any](a *api, h huma.API, o huma.Operation, sorts []string, load func(context.Context, monitor.Filter) (monitor.Page[T], error), view func(T) V) {
	o.Description = "Orders: " + strings.Join(sorts, ", ") + "."
	if len(sorts) == 0 {
		o.Description = "It has one order."
	}
	huma.Register(h, o, func(ctx context.Context, in *ListInput) (*Reply[List[V]], error) {
		f, err := in.filter()
		if err != nil {
			return nil, err
		}
		if err := a.past(in.At); err != nil {
			return nil, err
		}
		if err := sortable(in.Sort, sorts); err != nil {
			return nil, err
		}
		p, err := load(ctx, f)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		out := List[V]{Items: make([]V, 0, len(p.Items)), Next: p.Next}
		for _, it := range p.Items {
			out.Items = append(out.Items, view(it))
		}
		return &Reply[List[V]]{out}, nil
	})
}

// sortable refuses an order that the list does not have.
func sortable(asked string, sorts []string) error {
	switch {
	case asked == "" || slices.Contains(sorts, strings.TrimPrefix(asked, "-")):
		return nil
	case len(sorts) == 0:
		return huma.Error400BadRequest("sort " + strconv.Quote(asked) + " does not exist; this list has one order, leave sort out")
	}
	return huma.Error400BadRequest("sort " + strconv.Quote(asked) + " does not exist; use " + strings.Join(sorts, ", ") + ", with - before it to turn it round")
}

func (a *api) reads(h huma.API) {
	r := a.cfg.Reader
	get := func(path, id, summary string) huma.Operation {
		return op(http.MethodGet, path, id, summary, access.Auditor)
	}
	list(a, h, get("/api/v1/verdicts", "list-verdicts", "Verdicts, newest change first unless sorted otherwise"), []string{"severity", "status", "check", "kind", "source", "since", "fact", "name", "owner"}, r.Verdicts, verdictView)
	list(a, h, get("/api/v1/facts", "list-facts", "Things as their sources said them"), []string{"kind", "name", "source", "owner", "changed"}, r.Facts, factBody)
	list(a, h, get("/api/v1/findings", "list-findings", "Findings with owner and due date"), []string{"severity", "due", "opened"}, r.Findings, findingView)
	list(a, h, get("/api/v1/exceptions", "list-exceptions", "Accepted failures"), []string{"created", "ends", "check"}, r.Exceptions, exceptionView)
	list(a, h, get("/api/v1/silences", "list-silences", "Acknowledgements and mutes of alerts that hold now"), nil, r.Silences, silenceView)
	list(a, h, get("/api/v1/deliveries", "list-deliveries", "Who was told what and when"), nil, a.cfg.Actions.Deliveries, func(d DeliveryView) DeliveryView { return d })
	a.obligations(h)
	huma.Register(h, op(http.MethodGet, "/api/v1/posture", "get-posture", "How things stand", access.Auditor), a.posture)
	huma.Register(h, op(http.MethodGet, "/api/v1/sources", "list-sources", "Connected systems and what their readings covered", access.Auditor), a.sources)
	huma.Register(h, op(http.MethodGet, "/api/v1/sources/{name}", "get-source", "One connected system", access.Auditor), a.source)
	huma.Register(h, op(http.MethodGet, "/api/v1/routes", "list-routes", "Who is told of what", access.Viewer), a.routes)
}

// A PostureBody is how things stand.
type PostureBody struct {
	At      time.Time            `json:"at"`
	Counts  Counts               `json:"counts"`
	Open    int64                `json:"open_findings"`
	Late    int64                `json:"late_findings"`
	Latency Latency              `json:"latency"`
	Checks  map[string]Counts    `json:"checks"`
	Control map[string]ControlAt `json:"controls"`
	Sources []SourceView         `json:"sources"`
}

// A ControlAt is a control's folded status; covered is false where neither a
// check nor a record proves it.
type ControlAt struct {
	Status  string `json:"status,omitempty" enum:"pass,fail,unknown,not_applicable,excepted"`
	Covered bool   `json:"covered"`
	Counts  Counts `json:"counts"`
}

type atInput struct {
	At time.Time `query:"at" doc:"as of this instant"`
}

func (a *api) posture(ctx context.Context, in *atInput) (*Reply[PostureBody], error) {
	if err := a.past(in.At); err != nil {
		return nil, err
	}
	p, err := a.cfg.Reader.Posture(ctx, in.At)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	out := PostureBody{
		At: p.At, Counts: counts(p.Counts), Open: p.Open, Late: p.Late, Latency: latency(p.Latency),
		Checks: map[string]Counts{}, Control: map[string]ControlAt{}, Sources: []SourceView{},
	}
	byCheck := map[string]monitor.Counts{}
	for _, c := range p.ByCheck {
		byCheck[c.Check] = byCheck[c.Check].Add(c.Counts)
	}
	for id, c := range byCheck {
		out.Checks[id] = counts(c)
	}
	a.foldControls(p.ByCheck, out.Control)
	for _, s := range p.Sources {
		out.Sources = append(out.Sources, sourceView(s))
	}
	return &Reply[PostureBody]{out}, nil
}

func (a *api) sources(ctx context.Context, _ *struct{}) (*Reply[List[SourceView]], error) {
	p, err := a.cfg.Reader.Posture(ctx, time.Time{})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	out := List[SourceView]{Items: []SourceView{}}
	for _, s := range p.Sources {
		out.Items = append(out.Items, sourceView(s))
	}
	return &Reply[List[SourceView]]{out}, nil
}

type nameInput struct {
	Name string `path:"name"`
}

func (a *api) source(ctx context.Context, in *nameInput) (*Reply[SourceView], error) {
	p, err := a.cfg.Reader.Posture(ctx, time.Time{})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	for _, s := range p.Sources {
		if s.Name == in.Name {
			return &Reply[SourceView]{sourceView(s)}, nil
		}
	}
	return nil, a.fail(ctx, ErrNotFound)
}

func (a *api) routes(ctx context.Context, _ *struct{}) (*Reply[List[RouteView]], error) {
	rs, err := a.cfg.Actions.Routes(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if rs == nil {
		rs = []RouteView{}
	}
	return &Reply[List[RouteView]]{List[RouteView]{Items: rs}}, nil
}
