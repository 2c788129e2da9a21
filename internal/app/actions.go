package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/config"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/name"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/store/alertstore"
)

// told marks an error as one that the caller can put right.
func told(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", api.ErrInput, err)
}

// ReadSource implements api.Actions.
func (e *engine) ReadSource(ctx context.Context, name string) error {
	e.mu.Lock()
	row, ok := e.rows[name]
	e.mu.Unlock()
	if ok && row.Connector == "push" {
		return told(fmt.Errorf("source %s is sent its facts; there is nothing to read: send them to /ingest/v1/facts", name))
	}
	err := e.ask(ctx, name)
	if errors.Is(err, collect.ErrNoSource) {
		return api.ErrNotFound
	}
	return err
}

// SaveSource implements api.Actions: what the file says cannot be changed here.
func (e *engine) SaveSource(ctx context.Context, in api.SourceInput) error {
	every, err := rhythm(in.Every)
	if err != nil {
		return told(err)
	}
	c, ok := e.connectors[in.Connector]
	if !ok {
		return told(fmt.Errorf("connector %q does not exist; /api/v1/connectors lists them", in.Connector))
	}
	if !name.Valid(in.Name) {
		return told(fmt.Errorf("a source cannot be called %q; use %s", in.Name, name.Rule))
	}
	e.mu.Lock()
	old, exists := e.rows[in.Name]
	e.mu.Unlock()
	if exists && old.FromFile {
		return told(fmt.Errorf("source %s is written in prumo.yaml; change it there", in.Name))
	}
	r := sourceRow{Name: in.Name, Connector: in.Connector, Every: every, Owner: in.Owner, Settings: in.Settings}
	r.Disabled = in.Enabled != nil && !*in.Enabled
	if exists && old.Connector == r.Connector {
		r.Settings = keepSecrets(c.Info(), old.Settings, in.Settings)
	}
	if _, err := connector.Check(c.Info(), r.Settings, connector.FromConsole); err != nil {
		return told(err)
	}
	if err := e.in.put(ctx, areaSource, r.Name, r); err != nil {
		return err
	}
	return e.reload(ctx)
}

func rhythm(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < config.MinEvery {
		return 0, fmt.Errorf("every: %q is not a rhythm; write a duration of 10s or more, such as 5m", s)
	}
	return d, nil
}

// keepSecrets lets a secret that was left out keep its value, unless an
// address changed: a secret never follows to another host.
func keepSecrets(info connector.Info, old, in map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		out[k] = v
	}
	for _, f := range info.Fields {
		if f.Type == connector.FieldURL && old[f.Name] != in[f.Name] {
			return out
		}
	}
	for _, f := range info.Fields {
		if v, given := in[f.Name]; f.Type == connector.FieldSecret && (!given || v == "") && old[f.Name] != nil {
			out[f.Name] = old[f.Name]
		}
	}
	return out
}

// DeleteSource implements api.Actions.
func (e *engine) DeleteSource(ctx context.Context, name string) error {
	e.mu.Lock()
	r, ok := e.rows[name]
	_, broken := e.bad[name]
	e.mu.Unlock()
	switch {
	case !ok && !broken:
		return api.ErrNotFound
	case r.FromFile:
		return told(fmt.Errorf("source %s is written in prumo.yaml; remove it there", name))
	}
	if err := e.in.settings.Delete(ctx, areaSource, name); err != nil {
		return err
	}
	return e.reload(ctx)
}

// RequestException implements api.Actions.
func (e *engine) RequestException(ctx context.Context, by string, in api.ExceptionInput) (monitor.Exception, error) {
	x, err := e.mon.RequestException(ctx, monitor.ExceptionRequest{
		Check: in.Check, Fact: in.Fact, Source: in.Source, Reason: in.Reason, Requester: by, Approver: in.Approver,
		Ends: in.Ends, Guard: in.Guard,
	})
	return x, e.heard(err)
}

// ApproveException implements api.Actions: whoever the request was put to, or
// an owner of the instance in their stead.
func (e *engine) ApproveException(ctx context.Context, by, id string) error {
	if err := e.knowsException(ctx, id); err != nil {
		return err
	}
	if access.From(ctx).May(access.Owner) {
		return e.heard(e.mon.ApproveInstead(ctx, id, by))
	}
	return e.heard(e.mon.ApproveException(ctx, id, by))
}

// RevokeException implements api.Actions.
func (e *engine) RevokeException(ctx context.Context, by, id string) error {
	if err := e.knowsException(ctx, id); err != nil {
		return err
	}
	return e.heard(e.mon.RevokeException(ctx, id, by))
}

// knowsException tells an id that names nothing from one that is refused.
func (e *engine) knowsException(ctx context.Context, id string) error {
	_, found, err := e.in.db.Exception(ctx, id)
	if err == nil && !found {
		return api.ErrNotFound
	}
	return err
}

// Silence implements api.Actions.
func (e *engine) Silence(ctx context.Context, q monitor.SilenceRequest) ([]string, error) {
	ids, err := e.mon.Silence(ctx, q)
	return ids, e.heard(err)
}

// EndSilence implements api.Actions.
func (e *engine) EndSilence(ctx context.Context, by, id string) error {
	return e.heard(e.mon.EndSilence(ctx, id, by))
}

// SetOwner implements api.Actions.
func (e *engine) SetOwner(ctx context.Context, _ string, in api.OwnerInput) error {
	switch {
	case in.Fact != "" && in.Source != "" && in.Check == "":
		return e.heard(e.mon.SetOwner(ctx, monitor.OwnFact, in.Source, in.Fact, in.Owner))
	case in.Check != "" && in.Fact == "" && in.Source == "":
		return e.heard(e.mon.SetOwner(ctx, monitor.OwnCheck, "", in.Check, in.Owner))
	case in.Source != "" && in.Check == "":
		return e.heard(e.mon.SetOwner(ctx, monitor.OwnSource, "", in.Source, in.Owner))
	}
	return told(errors.New("name a check, or a source, or a source and a fact"))
}

// heard turns the monitor's words into those of the interface.
func (e *engine) heard(err error) error {
	switch {
	case errors.Is(err, monitor.ErrInput):
		return told(errors.New(afterLast(err.Error(), monitor.ErrInput.Error()+": ")))
	case errors.Is(err, store.ErrNotFound):
		return api.ErrNotFound
	}
	return err
}

// afterLast is what follows the marker, or all where there is none.
func afterLast(text, marker string) string {
	if i := strings.LastIndex(text, marker); i >= 0 {
		return text[i+len(marker):]
	}
	return text
}

// Routes implements api.Actions.
func (e *engine) Routes(ctx context.Context) ([]api.RouteView, error) {
	rs, err := e.alerts.Routes(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]api.RouteView, 0, len(rs))
	for _, r := range rs {
		b, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		v := api.RouteView{Name: r.Name, FromFile: r.FromFile}
		if err := json.Unmarshal(b, &v.Route); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// SaveRoute implements api.Actions.
func (e *engine) SaveRoute(ctx context.Context, name string, body map[string]any) error {
	body["name"] = name
	b, err := json.Marshal(body)
	if err != nil {
		return told(err)
	}
	r, err := alert.Parser{Channels: e.alerts.Channels(), Secret: alert.PlainSecret}.Parse(b)
	if err != nil {
		return told(err)
	}
	return e.routed(e.alerts.SaveRoute(ctx, r))
}

// DeleteRoute implements api.Actions.
func (e *engine) DeleteRoute(ctx context.Context, name string) error {
	return e.routed(e.alerts.DeleteRoute(ctx, name))
}

// TestRoute implements api.Actions.
func (e *engine) TestRoute(ctx context.Context, name string) error {
	_, err := e.alerts.Test(ctx, name)
	return e.routed(err)
}

func (e *engine) routed(err error) error {
	var p *alert.Problem
	switch {
	case errors.As(err, &p), errors.Is(err, alertstore.ErrFromFile):
		return told(err)
	case errors.Is(err, store.ErrNotFound):
		return api.ErrNotFound
	}
	return err
}

// Deliveries implements api.Actions.
func (e *engine) Deliveries(ctx context.Context, f monitor.Filter) (monitor.Page[api.DeliveryView], error) {
	p, err := e.alerts.Deliveries(ctx, alertstore.Filter{Filter: f})
	if err != nil {
		return monitor.Page[api.DeliveryView]{}, err
	}
	out := monitor.Page[api.DeliveryView]{Next: p.Next, Total: p.Total}
	for _, d := range p.Items {
		out.Items = append(out.Items, api.DeliveryView{
			ID: d.ID, Cause: d.Cause, Route: d.Route, Channel: d.Channel, Receiver: d.Receiver, State: string(d.State),
			Attempts: d.Attempts, LastError: d.LastError, CreatedAt: d.CreatedAt, SentAt: d.SentAt,
		})
	}
	return out, nil
}

// Resend implements api.Actions.
func (e *engine) Resend(ctx context.Context, id string) error {
	return e.routed(e.alerts.Resend(ctx, id))
}

// setOwners puts the owners of the file into force.
func (e *engine) setOwners(ctx context.Context, owners []config.Owner) error {
	var errs []error
	for _, o := range owners {
		switch {
		case o.Check != "":
			errs = append(errs, e.mon.SetOwner(ctx, monitor.OwnCheck, "", o.Check, o.Owner))
		case o.Source != "":
			errs = append(errs, e.mon.SetOwner(ctx, monitor.OwnSource, "", o.Source, o.Owner))
		case o.Kind != "":
			for _, c := range e.checks.Load().ByKind(o.Kind) {
				errs = append(errs, e.mon.SetOwner(ctx, monitor.OwnCheck, "", c.ID, o.Owner))
			}
		}
	}
	return errors.Join(errs...)
}

// webhookClient carries webhooks of routes out. A route made in the console
// reaches the public internet and allow_networks only; one of the operator's
// file reaches what it names. The two never share a connection.
func (e *engine) webhookClient() *http.Client {
	return &http.Client{
		Timeout: 20 * time.Second,
		Transport: byTrust{
			console: transport(connector.NetworkPolicy{Allow: slices.Clone(e.file.AllowNetworks)}),
			file:    transport(connector.NetworkPolicy{AllowAll: true}),
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func transport(p connector.NetworkPolicy) *http.Transport {
	return &http.Transport{DialContext: connector.NewDialer(p), TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 20, IdleConnTimeout: time.Minute}
}

type byTrust struct{ console, file *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b byTrust) RoundTrip(r *http.Request) (*http.Response, error) {
	if channel.Trusted(r.Context()) {
		return b.file.RoundTrip(r)
	}
	return b.console.RoundTrip(r)
}
