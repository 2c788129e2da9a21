// Package ldap reads a directory: OpenLDAP or another server of the published
// schemas, or Active Directory. It reads accounts with their groups, locks and
// ends, and what the directory demands of passwords. It only searches, asks for
// attributes by name and never for a password's hash.
//
// What a directory hides it leaves out without a word, so a reading is as whole
// as its credential is allowed to see.
//
// Start at Connector.Collect in collect.go; conn.go holds what is spoken.
package ldap

import (
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads a directory. It holds no state.
type Connector struct{}

// New returns the connector.
func New() connector.Connector { return Connector{} }

// The connector's abilities.
var (
	_ connector.Rereader   = Connector{}
	_ connector.Tripwirer  = Connector{}
	_ connector.Identifier = Connector{}
)

const (
	defaultTripwire = 20
	tripwireEvery   = 30 * time.Second
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "ldap",
		Title: "LDAP",
		Summary: connector.Text{
			"en":    "Reads the accounts of a directory (OpenLDAP, Active Directory) with their groups, locks and ends, and its rules for passwords.",
			"pt-BR": "Lê as contas de um diretório (OpenLDAP, Active Directory) com seus grupos, bloqueios e prazos, e suas regras de senha.",
			"es":    "Lee las cuentas de un directorio (OpenLDAP, Active Directory) con sus grupos, bloqueos y plazos, y sus reglas de contraseñas.",
		},
		Origin: fact.OriginAPI,
		Kinds:  []string{"account", "tenant"},
		Fields: append(reachSettings(), meaningSettings()...),
		Permissions: []connector.Permission{{
			Name: "read of accounts, groups and pwdPolicy entries, with their operational attributes", Kinds: []string{"account", "tenant"},
			Why: connector.Text{"en": "Accounts, groups, locks and rules for passwords; no password", "pt-BR": "Contas, grupos, bloqueios e regras de senha; nenhuma senha", "es": "Cuentas, grupos, bloqueos y reglas de contraseñas; ninguna contraseña"},
		}},
		Every:    5 * time.Minute,
		Tripwire: tripwireEvery,
	}
}

// reachSettings say where the directory is and how it is spoken to.
func reachSettings() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Required: true,
			Label: connector.Text{"en": "Address of the directory", "pt-BR": "Endereço do diretório", "es": "Dirección del directorio"},
			Hint:  connector.Text{"en": "ldaps://directory.example.com, or ldap:// with StartTLS", "pt-BR": "ldaps://diretorio.example.com, ou ldap:// com StartTLS", "es": "ldaps://directorio.example.com, o ldap:// con StartTLS"},
		},
		{
			Name: "bind_dn", Type: connector.FieldText,
			Label: connector.Text{"en": "Name to sign in with", "pt-BR": "Nome para entrar", "es": "Nombre para entrar"},
			Hint:  connector.Text{"en": "Such as cn=prumo,ou=services,dc=example,dc=com, or prumo@example.com in Active Directory", "pt-BR": "Como cn=prumo,ou=services,dc=example,dc=com, ou prumo@example.com no Active Directory", "es": "Como cn=prumo,ou=services,dc=example,dc=com, o prumo@example.com en Active Directory"},
		},
		{
			Name: "password", Type: connector.FieldSecret,
			Label: connector.Text{"en": "Password", "pt-BR": "Senha", "es": "Contraseña"},
		},
		{
			Name: "base", Type: connector.FieldText,
			Label: connector.Text{"en": "Where to search", "pt-BR": "Onde buscar", "es": "Dónde buscar"},
			Hint:  connector.Text{"en": "Such as dc=example,dc=com; empty: what the directory names", "pt-BR": "Como dc=example,dc=com; vazio: o que o diretório indicar", "es": "Como dc=example,dc=com; vacío: lo que indique el directorio"},
		},
		{
			Name: "ca", Type: connector.FieldText, Lines: true,
			Label: connector.Text{"en": "Certificate authority", "pt-BR": "Autoridade certificadora", "es": "Autoridad certificadora"},
			Hint:  connector.Text{"en": "In PEM; empty: those that this machine trusts", "pt-BR": "Em PEM; vazio: as em que esta máquina confia", "es": "En PEM; vacío: aquellas en las que confía esta máquina"},
		},
		{
			Name: "plain", Type: connector.FieldBool,
			Label: connector.Text{"en": "Without encryption", "pt-BR": "Sem criptografia", "es": "Sin cifrado"},
			Hint:  connector.Text{"en": "The password crosses the network in the clear; only for a directory on this machine", "pt-BR": "A senha passa em claro pela rede; só para um diretório nesta máquina", "es": "La contraseña cruza la red en claro; solo para un directorio en esta máquina"},
		},
		{
			Name: "patience", Type: connector.FieldInt, Default: 20,
			Label: connector.Text{"en": "Seconds to wait for an answer", "pt-BR": "Segundos de espera por uma resposta", "es": "Segundos de espera por una respuesta"},
		},
		{
			Name: "tripwire_requests", Type: connector.FieldInt, Default: defaultTripwire,
			Label: connector.Text{"en": "Tripwire requests every 30 seconds", "pt-BR": "Requisições de vigia a cada 30 segundos", "es": "Peticiones de vigía cada 30 segundos"},
			Hint:  connector.Text{"en": "Each looks at up to 500 entries; those beyond are seen by readings only", "pt-BR": "Cada uma olha até 500 entradas; as demais só são vistas pelas leituras", "es": "Cada una mira hasta 500 entradas; las demás solo las ven las lecturas"},
		},
	}
}

// meaningSettings say what the organisation's own entries mean.
func meaningSettings() []connector.Field {
	return []connector.Field{
		{
			Name: "user_filter", Type: connector.FieldText,
			Label: connector.Text{"en": "Filter of accounts", "pt-BR": "Filtro de contas", "es": "Filtro de cuentas"},
			Hint:  connector.Text{"en": "An LDAP filter; empty: the usual classes of accounts", "pt-BR": "Um filtro LDAP; vazio: as classes usuais de contas", "es": "Un filtro LDAP; vacío: las clases habituales de cuentas"},
		},
		{
			Name: "services", Type: connector.FieldList,
			Label: connector.Text{"en": "Accounts of programs", "pt-BR": "Contas de programas", "es": "Cuentas de programas"},
			Hint:  connector.Text{"en": "Sign-in names, entries, or a branch such as ou=services,dc=example,dc=com; the rest are people", "pt-BR": "Nomes de entrada, entradas, ou um ramo como ou=services,dc=example,dc=com; as demais são pessoas", "es": "Nombres de entrada, entradas, o una rama como ou=services,dc=example,dc=com; las demás son personas"},
		},
		{
			Name: "service_filter", Type: connector.FieldText,
			Label: connector.Text{"en": "Filter of programs' accounts", "pt-BR": "Filtro das contas de programas", "es": "Filtro de las cuentas de programas"},
			Hint:  connector.Text{"en": "Such as (employeeType=service); the rest are people", "pt-BR": "Como (employeeType=service); as demais são pessoas", "es": "Como (employeeType=service); las demás son personas"},
		},
		{
			Name: "outside", Type: connector.FieldList,
			Label: connector.Text{"en": "Accounts of people from outside", "pt-BR": "Contas de pessoas de fora", "es": "Cuentas de personas de fuera"},
			Hint:  connector.Text{"en": "Sign-in names, entries or a branch; empty: not known", "pt-BR": "Nomes de entrada, entradas ou um ramo; vazio: não se sabe", "es": "Nombres de entrada, entradas o una rama; vacío: no se sabe"},
		},
		{
			Name: "admin_groups", Type: connector.FieldList,
			Label: connector.Text{"en": "Groups of administrators", "pt-BR": "Grupos de administradores", "es": "Grupos de administradores"},
			Hint:  connector.Text{"en": "Names or entries; empty: those of Active Directory itself, elsewhere not known", "pt-BR": "Nomes ou entradas; vazio: os do próprio Active Directory, fora dele não se sabe", "es": "Nombres o entradas; vacío: los del propio Active Directory, fuera de él no se sabe"},
		},
		{
			Name: "policy", Type: connector.FieldText,
			Label: connector.Text{"en": "Default password policy", "pt-BR": "Política de senha padrão", "es": "Política de contraseñas por defecto"},
			Hint:  connector.Text{"en": "Its entry, where there are several", "pt-BR": "A entrada dela, onde há várias", "es": "Su entrada, donde hay varias"},
		},
	}
}
