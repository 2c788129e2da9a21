// Package connectors lists the systems that Prumo reads. Each connector lives
// in a folder of its own; adding one is that folder and one line here.
package connectors

import (
	"os"

	"prumo.dev/prumo/connectors/edge"
	"prumo.dev/prumo/connectors/exec"
	"prumo.dev/prumo/connectors/git"
	"prumo.dev/prumo/connectors/gitea"
	"prumo.dev/prumo/connectors/github"
	"prumo.dev/prumo/connectors/host"
	"prumo.dev/prumo/connectors/http"
	"prumo.dev/prumo/connectors/kratos"
	"prumo.dev/prumo/connectors/kubernetes"
	"prumo.dev/prumo/connectors/ldap"
	"prumo.dev/prumo/connectors/postgres"
	"prumo.dev/prumo/connectors/push"
	"prumo.dev/prumo/connectors/sql"
	"prumo.dev/prumo/internal/connector"
)

// All returns every connector, in the order in which the console lists them.
func All() []connector.Connector {
	return []connector.Connector{
		host.New(),
		edge.New(),
		git.New(),
		gitea.New(),
		github.New(),
		kratos.New(),
		kubernetes.New(),
		ldap.New(),
		postgres.New(),
		http.New(),
		sql.New(),
		exec.New(os.LookupEnv),
		push.New(),
	}
}
