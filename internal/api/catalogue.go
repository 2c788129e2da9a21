package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
)

// A CheckView is a check as the interface shows it.
type CheckView struct {
	ID       string            `json:"id"`
	Version  int               `json:"version"`
	Kind     string            `json:"kind"`
	Severity string            `json:"severity"`
	Each     bool              `json:"each"`
	Title    map[string]string `json:"title"`
	Message  map[string]string `json:"message"`
	Fix      map[string]string `json:"fix"`
	When     string            `json:"when,omitempty"`
	Pass     string            `json:"pass"`
	Params   map[string]any    `json:"params,omitempty"`
	Controls []string          `json:"controls"`
	Fresh    string            `json:"fresh"`
	Digest   string            `json:"digest"`
}

func checkView(c *check.Check) CheckView {
	return CheckView{
		ID: c.ID, Version: c.Version, Kind: c.Kind, Severity: c.Severity.String(), Each: c.Each, Title: c.Title,
		Message: c.Def.Message, Fix: c.Fix, When: c.When, Pass: c.Pass, Params: c.Params, Controls: c.Controls,
		Fresh: c.Fresh.String(), Digest: c.Digest,
	}
}

// A ControlView is a control with its requirements.
type ControlView struct {
	ID        string            `json:"id"`
	Domain    string            `json:"domain"`
	Title     map[string]string `json:"title"`
	Objective map[string]string `json:"objective"`
	Checks    []string          `json:"checks"`
	Mappings  []MappingView     `json:"mappings"`
}

// A MappingView ties a control to a requirement.
type MappingView struct {
	Framework   string `json:"framework"`
	Requirement string `json:"requirement"`
	Source      string `json:"source" doc:"where the link comes from"`
	ReviewedBy  string `json:"reviewed_by" doc:"empty: unreviewed"`
}

// A FrameworkView is a framework with its requirements.
type FrameworkView struct {
	ID           string            `json:"id"`
	Version      int               `json:"version"`
	Edition      string            `json:"edition"`
	Name         map[string]string `json:"name"`
	Issuer       string            `json:"issuer"`
	Requirements int               `json:"requirements"`
}

// A ConnectorView is a connector that sources can be made of.
type ConnectorView struct {
	ID      string            `json:"id"`
	Title   string            `json:"title"`
	Summary map[string]string `json:"summary"`
	Kinds   []string          `json:"kinds"`
	Fields  []FieldView       `json:"fields"`
	Local   bool              `json:"local" doc:"only prumo.yaml on the machine may make such a source"`
}

// A FieldView is one setting of a connector.
type FieldView struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Label    map[string]string `json:"label"`
	Required bool              `json:"required"`
	Local    bool              `json:"local"`
}

func (a *api) catalogue(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/api/v1/checks", "list-checks", "Checks in force", access.Auditor), a.checks)
	huma.Register(h, op(http.MethodGet, "/api/v1/checks/{id}", "get-check", "One check", access.Auditor), a.check)
	huma.Register(h, op(http.MethodGet, "/api/v1/controls", "list-controls", "Controls with their requirements", access.Auditor), a.controls)
	huma.Register(h, op(http.MethodGet, "/api/v1/frameworks", "list-frameworks", "Frameworks", access.Auditor), a.frameworks)
	huma.Register(h, op(http.MethodGet, "/api/v1/connectors", "list-connectors", "Connectors and their settings", access.Viewer), a.connectors)
	huma.Register(h, op(http.MethodGet, "/api/v1/kinds", "list-kinds", "Fact kinds with the JSON Schema of their data", access.Auditor), kinds)
}

func (a *api) checks(context.Context, *struct{}) (*Reply[List[CheckView]], error) {
	out := List[CheckView]{Items: []CheckView{}}
	for _, c := range a.cfg.Checks().All() {
		out.Items = append(out.Items, checkView(c))
	}
	return &Reply[List[CheckView]]{out}, nil
}

func (a *api) check(ctx context.Context, in *idInput) (*Reply[CheckView], error) {
	c, ok := a.cfg.Checks().ByID(in.ID)
	if !ok {
		return nil, a.fail(ctx, ErrNotFound)
	}
	return &Reply[CheckView]{checkView(c)}, nil
}

func (a *api) controls(context.Context, *struct{}) (*Reply[List[ControlView]], error) {
	proofs := framework.ProofsOf(a.cfg.Checks().All())
	out := List[ControlView]{Items: []ControlView{}}
	for _, c := range a.cfg.Library.Controls() {
		v := ControlView{ID: c.ID, Domain: c.Domain, Title: c.Title, Objective: c.Objective, Checks: []string{}, Mappings: []MappingView{}}
		for _, k := range proofs[c.ID] {
			v.Checks = append(v.Checks, k.ID)
		}
		for _, l := range a.cfg.Library.RequirementsOf(c.ID) {
			v.Mappings = append(v.Mappings, MappingView{
				Framework: l.Framework, Requirement: l.Requirement.ID, Source: string(l.Mapping.Source), ReviewedBy: l.Mapping.ReviewedBy,
			})
		}
		out.Items = append(out.Items, v)
	}
	return &Reply[List[ControlView]]{out}, nil
}

func (a *api) frameworks(context.Context, *struct{}) (*Reply[List[FrameworkView]], error) {
	out := List[FrameworkView]{Items: []FrameworkView{}}
	for _, f := range a.cfg.Library.Frameworks() {
		out.Items = append(out.Items, FrameworkView{
			ID: f.ID, Version: f.Version, Edition: f.Edition, Name: f.Name, Issuer: f.Issuer, Requirements: len(f.Requirements),
		})
	}
	return &Reply[List[FrameworkView]]{out}, nil
}

func (a *api) connectors(context.Context, *struct{}) (*Reply[List[ConnectorView]], error) {
	out := List[ConnectorView]{Items: []ConnectorView{}}
	for _, c := range a.cfg.Connectors {
		v := ConnectorView{ID: c.ID, Title: c.Title, Summary: c.Summary, Kinds: c.Kinds, Fields: []FieldView{}, Local: c.Local}
		for _, f := range c.Fields {
			v.Fields = append(v.Fields, FieldView{Name: f.Name, Type: string(f.Type), Label: f.Label, Required: f.Required, Local: f.Local})
		}
		out.Items = append(out.Items, v)
	}
	return &Reply[List[ConnectorView]]{out}, nil
}

func kinds(context.Context, *struct{}) (*Reply[map[string]any], error) {
	return &Reply[map[string]any]{KindSchemas()}, nil
}

// KindSchemas returns the JSON Schema of each kind's data, by kind.
func KindSchemas() map[string]any {
	out := map[string]any{}
	for _, k := range fact.Kinds() {
		out[k.Name] = k.Schema()
	}
	return out
}

func (a *api) foldControls(byCheck []monitor.CheckCount, out map[string]ControlAt) {
	for id, st := range a.cfg.Library.FoldControls(a.cfg.Checks().All(), byCheck) {
		at := ControlAt{Covered: st.Status != framework.NotCovered, Counts: counts(st.Counts.Shown())}
		if at.Covered {
			at.Status = string(st.Status)
		}
		out[id] = at
	}
}
