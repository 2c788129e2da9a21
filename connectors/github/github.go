// Package github reads GitHub: organisations and who is in them, repositories
// with what guards their default branch (classic protection and rulesets),
// pipelines, environments, keys, alerts, merged changes and commits that went
// past review. Its REST requests are GETs, but for the one that an App makes to
// get its token; its GraphQL requests are queries.
//
// GitHub hides what a credential may not see: it answers 404, leaves fields out
// or gives a shorter list. So a list is complete only if it is as long as GitHub
// says it is, or the credential is known to see everything.
//
// Start at Connector.Collect in collect.go; protection.go says how classic
// protection and rulesets combine, api.go how requests are spared.
package github

import (
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads GitHub. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// The connector's abilities.
var (
	_ connector.Webhooker  = Connector{}
	_ connector.Rereader   = Connector{}
	_ connector.Tripwirer  = Connector{}
	_ connector.Identifier = Connector{}
	_ connector.Manifester = Connector{}
)

const (
	defaultURL      = "https://api.github.com"
	defaultDays     = 90
	defaultTripwire = 5
	defaultRate     = 12 // GitHub's secondary limit is 900 points a minute, a GET is one
	tripwireEvery   = 30 * time.Second
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "github",
		Title: "GitHub",
		Summary: connector.Text{
			"en":    "Reads organisations, accounts, repositories with their protection, pipelines, alerts and merged changes.",
			"pt-BR": "Lê organizações, contas, repositórios com sua proteção, pipelines, alertas e mudanças integradas.",
			"es":    "Lee organizaciones, cuentas, repositorios con su protección, pipelines, alertas y cambios integrados.",
		},
		Origin: fact.OriginAPI,
		Kinds: []string{
			"tenant", "account", "repository", "secret", "pipeline", "environment", "vulnerability", "change", "commit", "log_source",
		},
		Fields:      settings(),
		Permissions: permissions(),
		Every:       15 * time.Minute,
		Tripwire:    tripwireEvery,
		Announces: []connector.Text{
			{"en": "Pushes, direct ones included", "pt-BR": "Envios (push), inclusive os diretos", "es": "Envíos (push), también los directos"},
			{"en": "Merged pull requests and their reviews", "pt-BR": "Pull requests integrados e suas revisões", "es": "Pull requests integrados y sus revisiones"},
			{"en": "Branch protection and rulesets", "pt-BR": "Proteção de branches e conjuntos de regras", "es": "Protección de ramas y conjuntos de reglas"},
			{"en": "Members, teams, collaborators, deploy keys and Apps", "pt-BR": "Membros, equipes, colaboradores, chaves de deploy e Apps", "es": "Miembros, equipos, colaboradores, claves de despliegue y Apps"},
			{"en": "Security alerts and private reports", "pt-BR": "Alertas de segurança e relatos privados", "es": "Alertas de seguridad e informes privados"},
			{"en": "Repositories made, deleted and made public", "pt-BR": "Repositórios criados, apagados e tornados públicos", "es": "Repositorios creados, borrados y hechos públicos"},
		},
	}
}
