// Package postgres reads a PostgreSQL server: how connections are encrypted,
// which access rules it has, how it keeps passwords, its roles, its log and its
// release. It needs no superuser and only ever opens read-only transactions.
//
// What the server hides from the credential stays unknown, and the scope says
// which grant is missing. A password's hash never leaves the server: the server
// itself is asked for its kind.
//
// Start at Connector.Collect in collect.go; hba.go holds the access rules.
package postgres

import (
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads PostgreSQL. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// The connector's abilities.
var (
	_ connector.Rereader   = Connector{}
	_ connector.Tripwirer  = Connector{}
	_ connector.Identifier = Connector{}
	_ connector.Manifester = Connector{}
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "postgres",
		Title: "PostgreSQL",
		Summary: connector.Text{
			"en":    "Reads encryption, access rules, password storage, roles, logging and release of a server.",
			"pt-BR": "Lê criptografia, regras de acesso, guarda de senhas, papéis, registros e versão de um servidor.",
			"es":    "Lee cifrado, reglas de acceso, custodia de contraseñas, roles, registros y versión de un servidor.",
		},
		Origin:      fact.OriginAPI,
		Kinds:       []string{"database", "database_role", "account", "log_source"},
		Fields:      settings(),
		Permissions: permissions(),
		Every:       5 * time.Minute,
		Tripwire:    30 * time.Second,
	}
}

func settings() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldSecret, Required: true,
			Label: connector.Text{"en": "Address with role and password", "pt-BR": "Endereço com papel e senha", "es": "Dirección con rol y contraseña"},
			Hint: connector.Text{
				"en":    "postgres://prumo:PASSWORD@db.example.com:5432/app?sslmode=verify-full",
				"pt-BR": "postgres://prumo:SENHA@db.example.com:5432/app?sslmode=verify-full",
				"es":    "postgres://prumo:CLAVE@db.example.com:5432/app?sslmode=verify-full",
			},
		},
		{
			Name: "ca", Type: connector.FieldText, Lines: true,
			Label: connector.Text{"en": "Certificate authority", "pt-BR": "Autoridade certificadora", "es": "Autoridad de certificación"},
			Hint: connector.Text{
				"en":    "Certificates in PEM that sign the server's own; in prumo.yaml {file: ca.pem}; empty: those of this machine",
				"pt-BR": "Certificados em PEM que assinam o do servidor; em prumo.yaml {file: ca.pem}; vazio: os desta máquina",
				"es":    "Certificados en PEM que firman el del servidor; en prumo.yaml {file: ca.pem}; vacío: los de esta máquina",
			},
		},
		{
			Name: "databases", Type: connector.FieldList,
			Label: connector.Text{"en": "Databases", "pt-BR": "Bancos de dados", "es": "Bases de datos"},
			Hint: connector.Text{
				"en":    "Whose extensions are listed; empty: only the one in the address",
				"pt-BR": "Cujas extensões são listadas; vazio: só o do endereço",
				"es":    "Cuyas extensiones se listan; vacío: solo la de la dirección",
			},
		},
		{
			Name: "host", Type: connector.FieldText,
			Label: connector.Text{"en": "Machine that it runs on", "pt-BR": "Máquina em que roda", "es": "Máquina en la que corre"},
			Hint: connector.Text{
				"en":    "Id of a host that another source reads, such as host/db1: whether the data are on an encrypted disk is its to say",
				"pt-BR": "Id de uma máquina que outra fonte lê, como host/db1: é ela que diz se os dados estão em disco criptografado",
				"es":    "Id de una máquina que lee otra fuente, como host/db1: ella dice si los datos están en un disco cifrado",
			},
		},
		{
			Name: "services", Type: connector.FieldList,
			Label: connector.Text{"en": "Roles of programs", "pt-BR": "Papéis de programas", "es": "Roles de programas"},
			Hint:  connector.Text{"en": "PostgreSQL does not tell programs from people", "pt-BR": "O PostgreSQL não distingue programas de pessoas", "es": "PostgreSQL no distingue programas de personas"},
		},
		{
			Name: "people", Type: connector.FieldMap,
			Label: connector.Text{"en": "Roles of people", "pt-BR": "Papéis de pessoas", "es": "Roles de personas"},
			Hint: connector.Text{
				"en":    "Role and the id of its person, such as ana: kratos/ana@example.com",
				"pt-BR": "Papel e o id da pessoa, como ana: kratos/ana@example.com",
				"es":    "Rol y el id de su persona, como ana: kratos/ana@example.com",
			},
		},
	}
}

// The grants, in the words of PostgreSQL. The checks' needs name them.
const (
	grantMonitor = "GRANT pg_monitor TO prumo"
	grantHBA     = "GRANT SELECT ON pg_hba_file_rules TO prumo; GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO prumo"
	grantHash    = "GRANT SELECT ON prumo.role_hash TO prumo"
)

func permissions() []connector.Permission {
	return []connector.Permission{
		{
			Name: grantMonitor, Kinds: []string{"database", "log_source"},
			Why: connector.Text{
				"en":    "Settings that are hidden from others (audit extension, data directory), replicas, the time of the last event in the log",
				"pt-BR": "Configurações ocultas aos demais (extensão de auditoria, diretório de dados), réplicas, hora do último evento no registro",
				"es":    "Ajustes ocultos a los demás (extensión de auditoría, directorio de datos), réplicas, hora del último evento del registro",
			},
		},
		{
			Name: grantHBA, Kinds: []string{"database"},
			Why: connector.Text{"en": "The access rules of pg_hba.conf", "pt-BR": "As regras de acesso do pg_hba.conf", "es": "Las reglas de acceso de pg_hba.conf"},
		},
		{
			Name: grantHash, Kinds: []string{"database_role"},
			Why: connector.Text{
				"en":    "How each role's password is kept, through a view that shows the kind of the hash and not the hash",
				"pt-BR": "Como a senha de cada papel é guardada, por uma visão que mostra o tipo do hash, e não o hash",
				"es":    "Cómo se guarda la contraseña de cada rol, por una vista que muestra el tipo del hash y no el hash",
			},
		},
	}
}
