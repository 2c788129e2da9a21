package webtest

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/web/ui"
)

// Paths are addresses of every page that the store can fill.
func (s *Store) Paths() []string {
	out := []string{
		"/", "/findings", "/findings?view=late", "/findings?view=closed", "/findings?done=3", "/findings?severity=high&q=a&sort=-due",
		"/findings?q=" + url.QueryEscape(Evil()[1]), "/exceptions", "/exceptions/new", "/exceptions/new?check=account-has-mfa&fact=" + url.QueryEscape(Evil()[0]),
		"/controls", "/controls?status=fail", "/controls?q=zzzz", "/controls/mfa-enforced", "/frameworks", "/frameworks/soc2", "/frameworks/nist-csf-2.0",
		"/checks", "/checks?sort=-fail&severity=critical", "/checks?kind=" + url.QueryEscape(Evil()[2]), "/checks/account-has-mfa", "/checks/admins-are-few", "/checks/account-has-mfa?status=fail",
		"/things", "/things?kind=account&rows=100", "/things?q=zzzz", "/sources", "/sources/new", "/sources/new?connector=gitea", "/sources/new?connector=host",
		"/alerts", "/alerts?state=dead", "/alerts/new",
		"/?at=2026-11-01T10:00", "/findings?at=2026-11-01T10:00:00Z", "/things?at=2026-11-01T10:00",
	}
	out = slices.DeleteFunc(out, func(p string) bool {
		_, ok := s.Library.Control("mfa-enforced")
		return p == "/controls/mfa-enforced" && !ok
	})
	if c := s.Library.Controls(); len(c) > 0 {
		out = append(out, "/controls/"+c[0].ID)
	}
	for i, f := range s.facts {
		if i%23 == 0 {
			out = append(out, ui.ThingPath(f.Source, f.ID)+"?kind="+f.Kind)
		}
	}
	for i, f := range s.findings {
		if i%19 == 0 {
			out = append(out, "/findings/"+f.ID)
		}
	}
	for _, x := range s.sources {
		out = append(out, "/sources/"+url.PathEscape(x.Name))
	}
	return out
}

// Acts reports that a page is for those who may change things.
func Acts(path string) bool {
	return strings.HasPrefix(path, "/sources/new") || strings.HasPrefix(path, "/alerts/new") || strings.HasPrefix(path, "/exceptions/new")
}

// Connectors are a few systems to connect, with every type of field.
func Connectors() []connector.Info {
	t := func(en, pt, es string) connector.Text { return connector.Text{"en": en, "pt-BR": pt, "es": es} }
	return []connector.Info{
		{
			ID: "gitea", Title: "Gitea", Every: 5 * time.Minute, Tripwire: 30 * time.Second, Origin: fact.OriginAPI, Kinds: []string{"repository", "account", "change"},
			Summary:   t("Repositories with their protection, members and merged changes", "Repositórios com sua proteção, membros e mudanças", "Repositorios con su protección, miembros y cambios"),
			Announces: []connector.Text{t("pushes", "envios", "envíos"), t("merged pull requests", "pull requests incorporados", "pull requests fusionados")},
			Fields: []connector.Field{
				{Name: "url", Type: connector.FieldURL, Required: true, Label: t("Address", "Endereço", "Dirección"), Hint: t("Where its pages are", "Onde ficam as páginas", "Dónde están sus páginas")},
				{Name: "token", Type: connector.FieldSecret, Required: true, Label: t("Token", "Token", "Token")},
				{Name: "organisations", Type: connector.FieldList, Label: t("Organisations", "Organizações", "Organizaciones")},
				{Name: "archived", Type: connector.FieldBool, Label: t("Archived repositories too", "Também os arquivados", "También los archivados")},
				{Name: "days", Type: connector.FieldInt, Default: int64(90), Label: t("Days of history", "Dias de histórico", "Días de historial")},
				{Name: "jobs", Type: connector.FieldMap, Label: t("What jobs cover", "O que os jobs cobrem", "Qué cubren los jobs")},
				{Name: "ca_file", Type: connector.FieldPath, Local: true, Label: t("Own authority", "Autoridade própria", "Autoridad propia")},
			},
			Permissions: []connector.Permission{
				{Name: "read:repository", Why: t("repositories and their rules", "repositórios e suas regras", "repositorios y sus reglas"), Kinds: []string{"repository", "change"}},
				{Name: "read:organization", Why: t("members and teams", "membros e equipes", "miembros y equipos"), Kinds: []string{"account"}},
			},
		},
		{ID: "edge", Title: "TLS, HTTP and DNS", Every: time.Hour, Origin: fact.OriginAPI, Kinds: []string{"endpoint", "domain"}, Summary: t("What anybody sees from outside: certificates, headers, mail rules", "O que se vê de fora: certificados, cabeçalhos, regras de e-mail", "Lo que se ve desde fuera: certificados, cabeceras, reglas de correo"), Fields: []connector.Field{{Name: "hosts", Type: connector.FieldList, Required: true, Label: t("Hosts", "Máquinas", "Máquinas")}}},
		{ID: "host", Title: "This machine", Local: true, Every: 5 * time.Minute, Origin: fact.OriginHost, Kinds: []string{"host", "account"}, Summary: t("The Linux machine that Prumo runs on", "A máquina Linux em que o Prumo roda", "La máquina Linux en la que corre Prumo"), Fields: []connector.Field{{Name: "sudo", Type: connector.FieldBool, Local: true, Label: t("With sudo", "Com sudo", "Con sudo")}}},
		{ID: "push", Title: "Facts that you send", Origin: fact.OriginPushed, Kinds: []string{"item"}, Summary: t("Fact lines by HTTP, from CI and remote collectors", "Linhas de fatos por HTTP, de CI e coletores remotos", "Líneas de hechos por HTTP, de CI y recolectores remotos")},
	}
}
