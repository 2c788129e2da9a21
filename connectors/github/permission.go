package github

import (
	"encoding/json"
	"slices"

	"prumo.dev/prumo/internal/connector"
)

// A need is one permission of a GitHub App or a fine-grained token, both of
// which GitHub names alike.
type need struct {
	key   string // as in an App's permissions
	name  string // as people see it
	kinds []string
	app   bool // only Apps have it
	org   bool // of the organisation, not of repositories
	why   connector.Text
}

// needs are the permissions that the connector reads with; all are of reading.
func needs() []need {
	return []need{
		{key: "metadata", name: "Metadata: read", kinds: []string{"repository", "account"}, why: connector.Text{
			"en": "Repositories, collaborators and rulesets", "pt-BR": "Repositórios, colaboradores e conjuntos de regras", "es": "Repositorios, colaboradores y conjuntos de reglas",
		}},
		{key: "administration", name: "Administration: read", kinds: []string{"repository", "secret"}, why: connector.Text{
			"en": "Branch protection, deploy keys, Actions settings", "pt-BR": "Proteção de branches, chaves de deploy, configurações do Actions", "es": "Protección de ramas, claves de despliegue, ajustes de Actions",
		}},
		{key: "contents", name: "Contents: read", kinds: []string{"repository", "pipeline", "commit"}, why: connector.Text{
			"en": "Commits, CODEOWNERS, SECURITY.md, workflow files", "pt-BR": "Commits, CODEOWNERS, SECURITY.md, arquivos de workflow", "es": "Commits, CODEOWNERS, SECURITY.md, archivos de workflow",
		}},
		{key: "pull_requests", name: "Pull requests: read", kinds: []string{"change", "commit"}, why: connector.Text{
			"en": "Merged changes and their reviews", "pt-BR": "Mudanças integradas e suas revisões", "es": "Cambios integrados y sus revisiones",
		}},
		{key: "checks", name: "Checks: read", kinds: []string{"change"}, why: connector.Text{
			"en": "Results of checks", "pt-BR": "Resultados das verificações", "es": "Resultados de las comprobaciones",
		}},
		{key: "statuses", name: "Commit statuses: read", kinds: []string{"change"}, why: connector.Text{
			"en": "Results that other systems report", "pt-BR": "Resultados que outros sistemas informam", "es": "Resultados que informan otros sistemas",
		}},
		{key: "actions", name: "Actions: read", kinds: []string{"environment"}, why: connector.Text{
			"en": "Environments and who may deploy to them", "pt-BR": "Ambientes e quem pode implantar neles", "es": "Entornos y quién puede desplegar en ellos",
		}},
		{key: "vulnerability_alerts", name: "Dependabot alerts: read", kinds: []string{"vulnerability"}, why: connector.Text{
			"en": "Weaknesses in dependencies", "pt-BR": "Fraquezas em dependências", "es": "Debilidades en dependencias",
		}},
		{key: "security_events", name: "Code scanning alerts: read", kinds: []string{"vulnerability", "repository"}, why: connector.Text{
			"en": "Weaknesses in the code, and when it was last scanned", "pt-BR": "Fraquezas no código e quando foi examinado pela última vez", "es": "Debilidades en el código y cuándo se examinó por última vez",
		}},
		{key: "secret_scanning_alerts", name: "Secret scanning alerts: read", kinds: []string{"vulnerability"}, why: connector.Text{
			"en": "Committed secrets, never their values", "pt-BR": "Segredos em commits, nunca seus valores", "es": "Secretos en commits, nunca sus valores",
		}},
		{key: "repository_advisories", name: "Repository security advisories: read", kinds: []string{"vulnerability"}, why: connector.Text{
			"en": "Private vulnerability reports", "pt-BR": "Relatos privados de vulnerabilidade", "es": "Informes privados de vulnerabilidad",
		}},
		{key: "members", name: "Members: read", org: true, kinds: []string{"account", "tenant"}, why: connector.Text{
			"en": "Members and teams", "pt-BR": "Membros e equipes", "es": "Miembros y equipos",
		}},
		{key: "organization_administration", name: "Organization administration: read", org: true, kinds: []string{"tenant", "account", "repository", "log_source"}, why: connector.Text{
			"en": "Settings, installed Apps, rulesets and audit log of the organisation", "pt-BR": "Configurações, Apps instalados, conjuntos de regras e registro de auditoria da organização", "es": "Ajustes, Apps instaladas, conjuntos de reglas y registro de auditoría de la organización",
		}},
		{key: "organization_personal_access_tokens", name: "Personal access tokens: read", org: true, app: true, kinds: []string{"secret"}, why: connector.Text{
			"en": "Fine-grained tokens that may enter the organisation; for Apps only", "pt-BR": "Tokens granulares que podem entrar na organização; só para Apps", "es": "Tokens granulares que pueden entrar en la organización; solo para Apps",
		}},
	}
}

// ownerNeeded is what no permission of an App or a token stands for.
const ownerNeeded = "owner of the organisation"

func permissions() []connector.Permission {
	var out []connector.Permission
	for _, n := range needs() {
		out = append(out, connector.Permission{Name: n.name, Why: n.why, Kinds: n.kinds})
	}
	return append(out, connector.Permission{Name: ownerNeeded, Kinds: []string{"account", "tenant"}, Why: connector.Text{
		"en":    "Who has no second factor, which GitHub tells owners only",
		"pt-BR": "Quem não tem segundo fator, o que o GitHub só diz a proprietários",
		"es":    "Quién no tiene segundo factor, que GitHub solo dice a los propietarios",
	}})
}

// Manifest implements connector.Manifester: an App manifest, which GitHub
// takes to make an App with these permissions and events.
func (Connector) Manifest(kinds []string) connector.Manifest {
	perms := map[string]string{}
	for _, n := range needs() {
		if slices.ContainsFunc(n.kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			perms[n.key] = "read"
		}
	}
	perms["metadata"] = "read"                 // GitHub gives no App less
	b, _ := json.MarshalIndent(map[string]any{ //nolint:errchkjson // texts and lists of texts cannot fail
		"name": "Prumo reader", "url": "https://prumo.dev", "public": false,
		"hook_attributes":     map[string]any{"url": "https://PRUMO/hooks/SOURCE", "active": true},
		"default_permissions": perms, "default_events": events(perms),
	}, "", "  ")
	return connector.Manifest{
		File: "prumo-github-app.json", Text: string(b) + "\n",
		How: connector.Text{
			"en":    "Post it as a GitHub App manifest for the organisation, or set the same permissions by hand; then install the App in all repositories.",
			"pt-BR": "Envie-o como manifesto de GitHub App da organização, ou defina as mesmas permissões à mão; depois instale o App em todos os repositórios.",
			"es":    "Envíelo como manifiesto de GitHub App de la organización, o ponga los mismos permisos a mano; luego instale la App en todos los repositorios.",
		},
	}
}

// events are the webhooks that an App with the permissions may subscribe to.
func events(perms map[string]string) []string {
	out := []string{"repository"}
	for key, names := range map[string][]string{
		"contents": {"push"}, "pull_requests": {"pull_request", "pull_request_review"},
		"administration":       {"branch_protection_rule", "deploy_key", "repository_ruleset"},
		"members":              {"member", "membership", "organization", "team", "team_add"},
		"vulnerability_alerts": {"dependabot_alert"}, "security_events": {"code_scanning_alert"},
		"secret_scanning_alerts": {"secret_scanning_alert"}, "repository_advisories": {"repository_advisory"},
	} {
		if perms[key] != "" {
			out = append(out, names...)
		}
	}
	return sorted(out)
}
