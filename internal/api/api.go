// Package api is the JSON interface: everything that the pages do, for
// programs. Each operation stands in one table with its least role; the
// OpenAPI description is generated from it.
//
// Start at New.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
)

// A Reader answers questions about what is stored.
type Reader interface {
	Verdicts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Verdict], error)
	Facts(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.FactView], error)
	Findings(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Finding], error)
	Exceptions(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Exception], error)
	Silences(ctx context.Context, f monitor.Filter) (monitor.Page[monitor.Silence], error)
	Obligations(ctx context.Context, f monitor.ObligationFilter) (monitor.Page[monitor.Obligation], error)
	Posture(ctx context.Context, at time.Time) (monitor.Posture, error)
}

// Actions are what a caller can set going. Errors that wrap ErrInput are told
// to the caller in words; ErrNotFound becomes 404; all others become 500 with
// a request id and no cause.
type Actions interface {
	ReadSource(ctx context.Context, name string) error
	SaveSource(ctx context.Context, s SourceInput) error
	DeleteSource(ctx context.Context, name string) error
	RequestException(ctx context.Context, by string, in ExceptionInput) (monitor.Exception, error)
	ApproveException(ctx context.Context, by, id string) error
	RevokeException(ctx context.Context, by, id string) error
	SetOwner(ctx context.Context, by string, in OwnerInput) error
	Silence(ctx context.Context, q monitor.SilenceRequest) ([]string, error)
	EndSilence(ctx context.Context, by, id string) error
	Routes(ctx context.Context) ([]RouteView, error)
	SaveRoute(ctx context.Context, name string, body map[string]any) error
	DeleteRoute(ctx context.Context, name string) error
	TestRoute(ctx context.Context, name string) error
	Deliveries(ctx context.Context, f monitor.Filter) (monitor.Page[DeliveryView], error)
	Resend(ctx context.Context, id string) error
}

// The errors that a caller is told about.
var (
	ErrInput    = errors.New("input")
	ErrNotFound = errors.New("not found")
)

// Config is what the interface is given.
type Config struct {
	Reader     Reader
	Actions    Actions
	Checks     func() *check.Set
	Library    *framework.Library
	Connectors []connector.Info
	Now        func() time.Time
	Log        *slog.Logger
	Version    string
	BadCursor  func(error) bool // says whether a list refused its cursor
}

// New registers every operation on mux and returns the description.
func New(mux *http.ServeMux, cfg Config) huma.API {
	c := huma.DefaultConfig("Prumo", cfg.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.RejectUnknownQueryParameters = true // a misspelt filter must not answer with everything
	c.Info.Description = "Posture, verdicts, facts, findings, exceptions, sources and routes of a Prumo instance."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	h := humago.New(mux, c)
	h.UseMiddleware(requireRole(h))
	a := &api{cfg: cfg}
	a.reads(h)
	a.writes(h)
	a.catalogue(h)
	serveDescription(mux, h)
	unmatched(mux, h)
	return h
}

type api struct{ cfg Config }

// serveDescription answers /api/openapi.json to anybody who may read.
func serveDescription(mux *http.ServeMux, h huma.API) {
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		if !access.From(r.Context()).May(access.Auditor) {
			Problem(w, http.StatusUnauthorized, "sign in, or send a token as Authorization: Bearer")
			return
		}
		b, err := h.OpenAPI().MarshalJSON()
		if err != nil {
			Problem(w, http.StatusInternalServerError, "the description could not be written")
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
		_, _ = w.Write(b) // the client is gone; nothing to do about it
	})
}

// unmatched answers paths and methods of the interface that do not exist.
func unmatched(mux *http.ServeMux, h huma.API) {
	for path, item := range h.OpenAPI().Paths {
		var allow []string
		for method, o := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if o != nil {
				allow = append(allow, method)
			}
		}
		slices.Sort(allow)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			Problem(w, http.StatusMethodNotAllowed, r.Method+" does nothing here; use "+strings.Join(allow, " or "))
		})
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, _ *http.Request) {
		Problem(w, http.StatusNotFound, "there is no such path; /api/openapi.json lists them")
	})
}

const roleKey = "x-least-role"

// op describes an operation with its least role.
func op(method, path, id, summary string, least access.Role) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Metadata:     map[string]any{roleKey: least},
		Extensions:   map[string]any{roleKey: least.String()},
		Security:     []map[string][]string{{"token": {}}},
		MaxBodyBytes: 1 << 20,
	}
}

// requireRole refuses an operation without a least role, and whoever has less.
func requireRole(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		least, ok := ctx.Operation().Metadata[roleKey].(access.Role)
		p := access.From(ctx.Context())
		switch {
		case !ok || least == access.Nobody:
			_ = huma.WriteErr(h, ctx, http.StatusForbidden, "this operation has no least role")
		case p.Role == access.Nobody:
			ctx.SetHeader("WWW-Authenticate", "Bearer")
			_ = huma.WriteErr(h, ctx, http.StatusUnauthorized, "sign in, or send a token as Authorization: Bearer")
		case !p.May(least):
			_ = huma.WriteErr(h, ctx, http.StatusForbidden, "this needs the role "+least.String()+" or a higher one")
		default:
			next(ctx)
		}
	}
}

// fail turns an error into a problem: known ones in words, others without their cause.
func (a *api) fail(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return huma.Error404NotFound("there is no such thing")
	case a.cfg.BadCursor != nil && a.cfg.BadCursor(err):
		return huma.Error422UnprocessableEntity("this cursor is not one of this list and its filters; leave it out to begin again")
	case errors.Is(err, ErrInput):
		return huma.Error422UnprocessableEntity(Plain(err))
	}
	id := RequestID(ctx)
	a.cfg.Log.ErrorContext(ctx, "request failed", "request", id, "error", err)
	return huma.Error500InternalServerError("something went wrong here, not with your request; try again, and name request " + id + " if it stays")
}

// Plain drops the marker of ErrInput from the text.
func Plain(err error) string {
	s := err.Error()
	const marker = "input: "
	if len(s) > len(marker) && s[:len(marker)] == marker {
		return s[len(marker):]
	}
	return s
}
