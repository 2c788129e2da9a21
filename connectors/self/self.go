// Package self is the connector through which Prumo is a source of itself: the
// health of its collectors, its timer, its alerts and its own settings become
// facts that the same checks judge.
package self

import (
	"context"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Part is one part of Prumo as it says about itself.
type Part struct {
	ID   string // such as self/source/code
	Data fact.Collector
}

// Report tells how every part fares. An error means that Prumo could not look
// at itself, which makes the reading partial.
type Report func(ctx context.Context) ([]Part, error)

// New returns the connector of this instance.
func New(report Report) connector.Connector { return self{report} }

type self struct{ report Report }

const scope = "prumo"

// Info implements connector.Connector.
func (self) Info() connector.Info {
	return connector.Info{
		ID: "self", Title: "Prumo", Origin: fact.OriginHost, Kinds: []string{"collector"}, Every: 30 * time.Second, Local: true,
		Summary: connector.Text{
			"en":    "This instance: collectors, timer, alerts, exceptions and settings",
			"pt-BR": "Esta instância: coletores, relógio, alertas, exceções e configurações",
			"es":    "Esta instancia: recolectores, reloj, alertas, excepciones y ajustes",
		},
	}
}

// Collect implements connector.Connector.
func (s self) Collect(ctx context.Context, _ connector.Run, emit connector.Emit) error {
	if err := emit.Open(connector.Scope{Name: scope, Kinds: []string{"collector"}}); err != nil {
		return err
	}
	parts, err := s.report(ctx)
	reading, detail := fact.Complete, connector.Detail{}
	if err != nil {
		reading, detail.Why = fact.Partial, "a part of Prumo could not be looked at"
	}
	for _, p := range parts {
		if err := emit.Fact(scope, p.ID, p.Data); err != nil {
			return err
		}
	}
	return emit.Close(scope, reading, detail)
}
