// Package push is the connector of sources that send their facts themselves,
// by POST /ingest/v1/facts: remote collectors and pipelines. It reads nothing.
package push

import (
	"context"
	"fmt"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// New returns the connector.
func New() connector.Connector { return push{} }

type push struct{}

// Info implements connector.Connector.
func (push) Info() connector.Info {
	var kinds []string
	for _, k := range fact.Kinds() {
		kinds = append(kinds, k.Name)
	}
	return connector.Info{
		ID: "push", Title: "Push", Origin: fact.OriginPushed, Kinds: kinds,
		Summary: connector.Text{
			"en":    "Facts that a remote collector or a pipeline sends, as lines, to /ingest/v1/facts",
			"pt-BR": "Fatos que um coletor remoto ou um pipeline envia, em linhas, a /ingest/v1/facts",
			"es":    "Hechos que un recolector remoto o un pipeline envía, por líneas, a /ingest/v1/facts",
		},
	}
}

// Collect implements connector.Connector; there is nothing to read.
func (push) Collect(context.Context, connector.Run, connector.Emit) error {
	return fmt.Errorf("%w: a push source is not read; send its facts to /ingest/v1/facts", connector.ErrSettings)
}
