// Package gitea reads a Gitea server: repositories with the protection of their
// default branch, accounts, keys, pipelines, merged changes and commits that
// went past review. It only ever sends GET requests.
//
// What Gitea hides looks like what is not there: an organisation's list of
// repositories or members is short, not refused, for whom may not see all. So
// a list is complete only if the credential is known to see everything.
//
// Start at Connector.Collect in collect.go; protection.go holds Gitea's rules.
package gitea

import (
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads Gitea. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// The connector's abilities.
var (
	_ connector.Webhooker  = Connector{}
	_ connector.Rereader   = Connector{}
	_ connector.Tripwirer  = Connector{}
	_ connector.Identifier = Connector{}
)

const (
	defaultDays     = 90
	defaultTripwire = 200
	tripwireEvery   = 30 * time.Second
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "gitea",
		Title: "Gitea",
		Summary: connector.Text{
			"en":    "Reads repositories with their protection, members, keys, pipelines and merged changes.",
			"pt-BR": "Lê repositórios com sua proteção, membros, chaves, pipelines e mudanças integradas.",
			"es":    "Lee repositorios con su protección, miembros, claves, pipelines y cambios integrados.",
		},
		Origin:      fact.OriginAPI,
		Kinds:       []string{"repository", "account", "secret", "pipeline", "change", "commit"},
		Fields:      settings(),
		Permissions: permissions(),
		Every:       5 * time.Minute,
		Tripwire:    tripwireEvery,
		Announces: []connector.Text{
			{"en": "Pushes, direct ones included", "pt-BR": "Envios (push), inclusive os diretos", "es": "Envíos (push), también los directos"},
			{"en": "Merged pull requests", "pt-BR": "Pull requests integrados", "es": "Pull requests integrados"},
			{"en": "Repositories made and deleted", "pt-BR": "Repositórios criados e apagados", "es": "Repositorios creados y borrados"},
		},
	}
}

func settings() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Required: true,
			Label: connector.Text{"en": "Address of the server", "pt-BR": "Endereço do servidor", "es": "Dirección del servidor"},
			Hint:  connector.Text{"en": "For example https://git.example.com", "pt-BR": "Por exemplo https://git.example.com", "es": "Por ejemplo https://git.example.com"},
		},
		{
			Name: "token", Type: connector.FieldSecret, Required: true,
			Label: connector.Text{"en": "Access token", "pt-BR": "Token de acesso", "es": "Token de acceso"},
			Hint: connector.Text{
				"en":    "With read:repository, read:organization and read:user, of an owner of the organisations",
				"pt-BR": "Com read:repository, read:organization e read:user, de um proprietário das organizações",
				"es":    "Con read:repository, read:organization y read:user, de un propietario de las organizaciones",
			},
		},
		{
			Name: "webhook_secret", Type: connector.FieldSecret,
			Label: connector.Text{"en": "Secret of the webhook", "pt-BR": "Segredo do webhook", "es": "Secreto del webhook"},
			Hint:  connector.Text{"en": "The same as in Gitea's webhook; without it no message is taken", "pt-BR": "O mesmo do webhook no Gitea; sem ele nenhuma mensagem é aceita", "es": "El mismo del webhook en Gitea; sin él no se acepta ningún mensaje"},
		},
		{
			Name: "organisations", Type: connector.FieldList,
			Label: connector.Text{"en": "Organisations", "pt-BR": "Organizações", "es": "Organizaciones"},
			Hint:  connector.Text{"en": "Empty: every one that the token's account belongs to", "pt-BR": "Vazio: todas a que a conta do token pertence", "es": "Vacío: todas a las que pertenece la cuenta del token"},
		},
		{
			Name: "days", Type: connector.FieldInt, Default: defaultDays,
			Label: connector.Text{"en": "Days of changes to read", "pt-BR": "Dias de mudanças a ler", "es": "Días de cambios que se leen"},
			Hint:  connector.Text{"en": "Merged changes and commits older than this are left out", "pt-BR": "Mudanças e commits mais antigos ficam de fora", "es": "Los cambios y commits más antiguos quedan fuera"},
		},
		{
			Name: "production", Type: connector.FieldMap,
			Label: connector.Text{"en": "Branches that reach production", "pt-BR": "Branches que chegam à produção", "es": "Ramas que llegan a producción"},
			Hint:  connector.Text{"en": "Repository and its branches, such as acme/web: main; empty: not known", "pt-BR": "Repositório e seus branches, como acme/web: main; vazio: não se sabe", "es": "Repositorio y sus ramas, como acme/web: main; vacío: no se sabe"},
		},
		{
			Name: "jobs", Type: connector.FieldMap,
			Label: connector.Text{"en": "What the pipelines' jobs do", "pt-BR": "O que fazem os jobs dos pipelines", "es": "Qué hacen los trabajos de los pipelines"},
			Hint:  connector.Text{"en": "test, code-scan, dependency-scan, secret-scan or end-to-end, and the names of jobs", "pt-BR": "test, code-scan, dependency-scan, secret-scan ou end-to-end, e os nomes dos jobs", "es": "test, code-scan, dependency-scan, secret-scan o end-to-end, y los nombres de los trabajos"},
		},
		{
			Name: "bots", Type: connector.FieldList,
			Label: connector.Text{"en": "Accounts of programs", "pt-BR": "Contas de programas", "es": "Cuentas de programas"},
			Hint:  connector.Text{"en": "Gitea does not tell programs from people; empty: not known", "pt-BR": "O Gitea não distingue programas de pessoas; vazio: não se sabe", "es": "Gitea no distingue programas de personas; vacío: no se sabe"},
		},
		{
			Name: "tripwire_requests", Type: connector.FieldInt, Default: defaultTripwire,
			Label: connector.Text{"en": "Tripwire requests every 30 seconds", "pt-BR": "Requisições de vigia a cada 30 segundos", "es": "Peticiones de vigía cada 30 segundos"},
			Hint:  connector.Text{"en": "Bounds what the tripwire asks of the server", "pt-BR": "Limita o que a vigia pede ao servidor", "es": "Limita lo que la vigía pide al servidor"},
		},
		{
			Name: "requests_per_second", Type: connector.FieldInt, Default: 10,
			Label: connector.Text{"en": "Requests a second", "pt-BR": "Requisições por segundo", "es": "Peticiones por segundo"},
			Hint:  connector.Text{"en": "Bounds everything that is asked of the server", "pt-BR": "Limita tudo o que se pede ao servidor", "es": "Limita todo lo que se pide al servidor"},
		},
	}
}

func permissions() []connector.Permission {
	return []connector.Permission{
		{
			Name: "read:repository", Kinds: []string{"repository", "secret", "pipeline", "change", "commit"},
			Why: connector.Text{"en": "Repositories, protection, keys, changes", "pt-BR": "Repositórios, proteção, chaves, mudanças", "es": "Repositorios, protección, claves, cambios"},
		},
		{
			Name: "read:organization", Kinds: []string{"repository", "account"},
			Why: connector.Text{"en": "Organisations, members and teams", "pt-BR": "Organizações, membros e equipes", "es": "Organizaciones, miembros y equipos"},
		},
		{
			Name: "read:user", Kinds: []string{"repository", "account"},
			Why: connector.Text{"en": "Whose token it is, and so whether it sees everything", "pt-BR": "De quem é o token e, assim, se vê tudo", "es": "De quién es el token y, así, si lo ve todo"},
		},
		{
			Name: "owner of the organisation", Kinds: []string{"repository", "secret"},
			Why: connector.Text{"en": "Branch protection and deploy keys are shown to administrators only", "pt-BR": "Proteção de branches e chaves de deploy só são mostradas a administradores", "es": "La protección de ramas y las claves de despliegue solo se muestran a administradores"},
		},
	}
}
