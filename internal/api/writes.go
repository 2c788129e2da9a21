package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/monitor"
)

// An ExceptionInput asks for a failure to be accepted for a while.
type ExceptionInput struct {
	Check    string    `json:"check" minLength:"1" doc:"check whose failure is accepted"`
	Fact     string    `json:"fact,omitempty" doc:"id of the thing; empty: every thing of the source, or of the check"`
	Source   string    `json:"source,omitempty" doc:"source; empty: every source"`
	Reason   string    `json:"reason" minLength:"1" maxLength:"4000"`
	Ends     time.Time `json:"ends" doc:"end, at most a year ahead"`
	Approver string    `json:"approver" minLength:"1" doc:"name of whoever is to approve, as their token or session carries it: neither who asks nor the owner of the check or thing; a token of role owner may approve in their stead"`
	Guard    string    `json:"guard,omitempty" doc:"check that must stay green meanwhile"`
}

// A SourceInput is a source as made in the console or by a program.
type SourceInput struct {
	Name      string         `json:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$"`
	Connector string         `json:"connector" minLength:"1"`
	Every     string         `json:"every,omitempty" doc:"rhythm such as 5m; empty: the connector's own"`
	Owner     string         `json:"owner,omitempty"`
	Enabled   *bool          `json:"enabled,omitempty" doc:"default true"`
	Settings  map[string]any `json:"settings,omitempty" doc:"by the connector's fields; a secret that is left out keeps its value"`
}

// An OwnerInput gives a check, a source or a thing to somebody.
type OwnerInput struct {
	Check  string `json:"check,omitempty"`
	Source string `json:"source,omitempty"`
	Fact   string `json:"fact,omitempty" doc:"id of a thing; source must name where it is"`
	Owner  string `json:"owner" doc:"e-mail address; empty takes the owner away"`
}

type idInput struct {
	ID string `path:"id"`
}

type noBody struct{}

func (a *api) writes(h huma.API) {
	act := a.cfg.Actions
	accepted := op(http.MethodPost, "/api/v1/sources/{name}/read", "read-source", "Read a source now", access.ControlOwner)
	accepted.DefaultStatus = http.StatusAccepted
	a.do(h, accepted, act.ReadSource)

	save := op(http.MethodPost, "/api/v1/sources", "save-source", "Connect a system, or change how it is read", access.Manager)
	save.DefaultStatus = http.StatusNoContent
	huma.Register(h, save, func(ctx context.Context, in *struct{ Body SourceInput }) (*noBody, error) {
		return nil, a.fail(ctx, act.SaveSource(ctx, in.Body))
	})
	a.do(h, op(http.MethodDelete, "/api/v1/sources/{name}", "delete-source", "Disconnect a system; what it said stays in history", access.Manager), act.DeleteSource)

	ask := op(http.MethodPost, "/api/v1/exceptions", "request-exception", "Ask for a failure to be accepted", access.ControlOwner)
	ask.DefaultStatus = http.StatusCreated
	huma.Register(h, ask, a.requestException)
	a.doID(h, op(http.MethodPost, "/api/v1/exceptions/{id}/approve", "approve-exception", "Approve an exception", access.Manager), act.ApproveException)
	a.doID(h, op(http.MethodPost, "/api/v1/exceptions/{id}/revoke", "revoke-exception", "End an exception now", access.ControlOwner), act.RevokeException)

	own := op(http.MethodPut, "/api/v1/owners", "set-owner", "Say who answers for a check, a source or a thing", access.Manager)
	own.DefaultStatus = http.StatusNoContent
	huma.Register(h, own, func(ctx context.Context, in *struct{ Body OwnerInput }) (*noBody, error) {
		return nil, a.fail(ctx, act.SetOwner(ctx, access.From(ctx).Name, in.Body))
	})
	a.silenceWrites(h)
	a.routeWrites(h)
	a.doID(h, op(http.MethodPost, "/api/v1/deliveries/{id}/resend", "resend-delivery", "Send a message again that could not be delivered", access.ControlOwner),
		func(ctx context.Context, _, id string) error { return act.Resend(ctx, id) })
}

// A SilenceInput acknowledges or mutes the alerts about a finding or a cause.
type SilenceInput struct {
	Kind    string    `json:"kind" enum:"acknowledge,mute" doc:"acknowledge: somebody takes care, nobody is reminded; mute: nothing is sent"`
	Finding string    `json:"finding,omitempty" doc:"id of a finding"`
	Cause   string    `json:"cause,omitempty" doc:"id of a cause, with all that it found"`
	Reason  string    `json:"reason,omitempty" maxLength:"1000" doc:"a mute must say why"`
	Until   time.Time `json:"until,omitempty" doc:"a mute must end, at most 30 days ahead; an acknowledgement without an end holds until it is mended"`
}

func (a *api) silenceWrites(h huma.API) {
	type ids struct {
		IDs []string `json:"ids"`
	}
	ask := op(http.MethodPost, "/api/v1/silences", "silence-alerts", "Acknowledge or mute alerts; it changes no verdict", access.ControlOwner)
	ask.DefaultStatus = http.StatusCreated
	huma.Register(h, ask, func(ctx context.Context, in *struct{ Body SilenceInput }) (*Reply[ids], error) {
		made, err := a.cfg.Actions.Silence(ctx, monitor.SilenceRequest{
			Kind: monitor.SilenceKind(in.Body.Kind), Finding: in.Body.Finding, Cause: in.Body.Cause, Reason: in.Body.Reason,
			By: access.From(ctx).Name, Via: "api", Until: in.Body.Until,
		})
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return &Reply[ids]{ids{made}}, nil
	})
	a.doID(h, op(http.MethodDelete, "/api/v1/silences/{id}", "end-silence", "Take an acknowledgement or a mute back", access.ControlOwner), a.cfg.Actions.EndSilence)
}

func (a *api) routeWrites(h huma.API) {
	act := a.cfg.Actions
	type routeInput struct {
		Name string         `path:"name"`
		Body map[string]any `doc:"when, to, detail, language, recoveries"`
	}
	put := op(http.MethodPut, "/api/v1/routes/{name}", "save-route", "Say who is told of what", access.Manager)
	put.DefaultStatus = http.StatusNoContent
	huma.Register(h, put, func(ctx context.Context, in *routeInput) (*noBody, error) {
		return nil, a.fail(ctx, act.SaveRoute(ctx, in.Name, in.Body))
	})
	a.do(h, op(http.MethodDelete, "/api/v1/routes/{name}", "delete-route", "Remove a route", access.Manager), act.DeleteRoute)
	test := op(http.MethodPost, "/api/v1/routes/{name}/test", "test-route", "Send a test message through a route", access.Manager)
	test.DefaultStatus = http.StatusAccepted
	a.do(h, test, act.TestRoute)
}

// do registers an operation on a named thing that answers nothing.
func (a *api) do(h huma.API, o huma.Operation, f func(context.Context, string) error) {
	if o.DefaultStatus == 0 {
		o.DefaultStatus = http.StatusNoContent
	}
	huma.Register(h, o, func(ctx context.Context, in *nameInput) (*noBody, error) {
		return nil, a.fail(ctx, f(ctx, in.Name))
	})
}

// doID is do for a thing with an id, with the name of whoever asks.
func (a *api) doID(h huma.API, o huma.Operation, f func(ctx context.Context, by, id string) error) {
	o.DefaultStatus = http.StatusNoContent
	huma.Register(h, o, func(ctx context.Context, in *idInput) (*noBody, error) {
		return nil, a.fail(ctx, f(ctx, access.From(ctx).Name, in.ID))
	})
}

func (a *api) requestException(ctx context.Context, in *struct{ Body ExceptionInput }) (*Reply[ExceptionView], error) {
	if in.Body.Approver = strings.TrimSpace(in.Body.Approver); in.Body.Approver == "" {
		return nil, huma.Error422UnprocessableEntity("approver: say who is to approve")
	}
	e, err := a.cfg.Actions.RequestException(ctx, access.From(ctx).Name, in.Body)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &Reply[ExceptionView]{exceptionView(e)}, nil
}
