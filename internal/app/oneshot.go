package app

import (
	"context"
	"encoding/json"

	"prumo.dev/prumo/internal/api"
)

type kindsCmd struct{}

// Run prints one JSON object: kind → JSON Schema of its data.
func (kindsCmd) Run(_ context.Context, p Process) error {
	e := json.NewEncoder(p.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(api.KindSchemas())
}
