// Package kratos reads the identities of an Ory Kratos: who may sign in, with
// which second factor, and when each did so last. It sends GET requests only,
// to the administration API, and never asks for a password's hash, a seed or a
// recovery code.
//
// Start at Connector.Collect in collect.go; factor.go says what counts as a
// second factor.
package kratos

import (
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads Ory Kratos. It holds no state.
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
	defaultTripwire = 20
	tripwireEvery   = 30 * time.Second
)

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    "kratos",
		Title: "Ory Kratos",
		Summary: connector.Text{
			"en":    "Reads identities with their second factors, state and last sign-in, and what the identity server demands.",
			"pt-BR": "Lê identidades com seus segundos fatores, estado e última entrada, e o que o servidor de identidades exige.",
			"es":    "Lee identidades con sus segundos factores, estado y última entrada, y lo que exige el servidor de identidades.",
		},
		Origin: fact.OriginAPI,
		Kinds:  []string{"account", "tenant"},
		Fields: append(reachSettings(), meaningSettings()...),
		Permissions: []connector.Permission{
			{
				Name: "GET /admin/identities", Kinds: []string{"account", "tenant"},
				Why: connector.Text{"en": "Identities, their state and their second factors", "pt-BR": "Identidades, seu estado e seus segundos fatores", "es": "Identidades, su estado y sus segundos factores"},
			},
			{
				Name: "GET /admin/sessions", Kinds: []string{"account"},
				Why: connector.Text{"en": "When each identity signed in last", "pt-BR": "Quando cada identidade entrou pela última vez", "es": "Cuándo entró cada identidad por última vez"},
			},
		},
		Every:    5 * time.Minute,
		Tripwire: tripwireEvery,
		Announces: []connector.Text{{
			"en":    "Changes that people make in their own settings, where Kratos has a web_hook action for them",
			"pt-BR": "Mudanças que as pessoas fazem nas próprias configurações, onde o Kratos tem uma ação web_hook para elas",
			"es":    "Cambios que las personas hacen en su propia configuración, donde Kratos tiene una acción web_hook para ellos",
		}},
	}
}

// reachSettings say where the system is and how it is asked.
func reachSettings() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Required: true,
			Label: connector.Text{"en": "Address of the administration API", "pt-BR": "Endereço da API de administração", "es": "Dirección de la API de administración"},
			Hint:  connector.Text{"en": "For example http://127.0.0.1:4434, or a project's address at Ory Network", "pt-BR": "Por exemplo http://127.0.0.1:4434, ou o endereço de um projeto na Ory Network", "es": "Por ejemplo http://127.0.0.1:4434, o la dirección de un proyecto en Ory Network"},
		},
		{
			Name: "token", Type: connector.FieldSecret,
			Label: connector.Text{"en": "API key", "pt-BR": "Chave de API", "es": "Clave de API"},
			Hint:  connector.Text{"en": "Of Ory Network, or of what guards the address; Kratos itself asks for none", "pt-BR": "Da Ory Network, ou do que protege o endereço; o próprio Kratos não pede nenhuma", "es": "De Ory Network, o de lo que protege la dirección; el propio Kratos no pide ninguna"},
		},
		{
			Name: "webhook_secret", Type: connector.FieldSecret,
			Label: connector.Text{"en": "Secret of the web_hook actions", "pt-BR": "Segredo das ações web_hook", "es": "Secreto de las acciones web_hook"},
			Hint:  connector.Text{"en": "Kratos sends it in the header Prumo-Secret; without it no message is taken", "pt-BR": "O Kratos o envia no cabeçalho Prumo-Secret; sem ele nenhuma mensagem é aceita", "es": "Kratos lo envía en la cabecera Prumo-Secret; sin él no se acepta ningún mensaje"},
		},
		{
			Name: "config", Type: connector.FieldPath,
			Label: connector.Text{"en": "Configuration file of Kratos", "pt-BR": "Arquivo de configuração do Kratos", "es": "Archivo de configuración de Kratos"},
			Hint:  connector.Text{"en": "YAML or JSON on this machine; the rules of passwords and sessions stand only there", "pt-BR": "YAML ou JSON nesta máquina; as regras de senhas e sessões só constam ali", "es": "YAML o JSON en esta máquina; las reglas de contraseñas y sesiones solo constan allí"},
		},
		{
			Name: "sessions", Type: connector.FieldBool, Default: true,
			Label: connector.Text{"en": "Read sessions", "pt-BR": "Ler sessões", "es": "Leer sesiones"},
			Hint:  connector.Text{"en": "They tell the last sign-in; off: it is not known", "pt-BR": "Elas dizem a última entrada; desligado: não se sabe", "es": "Dicen la última entrada; apagado: no se sabe"},
		},
		{
			Name: "tripwire_requests", Type: connector.FieldInt, Default: defaultTripwire,
			Label: connector.Text{"en": "Tripwire requests every 30 seconds", "pt-BR": "Requisições de vigia a cada 30 segundos", "es": "Peticiones de vigía cada 30 segundos"},
			Hint:  connector.Text{"en": "Each looks at up to 500 identities; the rest takes turns", "pt-BR": "Cada uma olha até 500 identidades; o resto espera a vez", "es": "Cada una mira hasta 500 identidades; el resto espera su turno"},
		},
	}
}

// meaningSettings say what the organisation's own traits and metadata mean.
func meaningSettings() []connector.Field {
	return []connector.Field{
		{
			Name: "name", Type: connector.FieldText,
			Label: connector.Text{"en": "Name of the user base", "pt-BR": "Nome da base de usuários", "es": "Nombre de la base de usuarios"},
			Hint:  connector.Text{"en": "Such as Employees; empty: the address", "pt-BR": "Como Funcionários; vazio: o endereço", "es": "Como Empleados; vacío: la dirección"},
		},
		{
			Name: "login_trait", Type: connector.FieldText,
			Label: connector.Text{"en": "Trait that holds the sign-in name", "pt-BR": "Atributo (trait) com o nome de entrada", "es": "Atributo (trait) con el nombre de entrada"},
			Hint:  connector.Text{"en": "Such as email or person.login; empty: username, or else email", "pt-BR": "Como email ou person.login; vazio: username, senão email", "es": "Como email o person.login; vacío: username, y si no email"},
		},
		{
			Name: "email_trait", Type: connector.FieldText, Default: "email",
			Label: connector.Text{"en": "Trait that holds the e-mail address", "pt-BR": "Atributo (trait) com o e-mail", "es": "Atributo (trait) con el correo"},
		},
		{
			Name: "name_traits", Type: connector.FieldList, Default: []string{"name"},
			Label: connector.Text{"en": "Traits that hold the name", "pt-BR": "Atributos (traits) com o nome", "es": "Atributos (traits) con el nombre"},
			Hint:  connector.Text{"en": "Joined in this order, such as name.first, name.last", "pt-BR": "Unidos nesta ordem, como name.first, name.last", "es": "Unidos en este orden, como name.first, name.last"},
		},
		{
			Name: "services", Type: connector.FieldList,
			Label: connector.Text{"en": "Identities of programs", "pt-BR": "Identidades de programas", "es": "Identidades de programas"},
			Hint:  connector.Text{"en": "Ids, sign-in names, or schema:NAME for every identity of a schema; the rest are people", "pt-BR": "Ids, nomes de entrada, ou schema:NOME para toda identidade de um schema; as demais são pessoas", "es": "Ids, nombres de entrada, o schema:NOMBRE para toda identidad de un schema; las demás son personas"},
		},
		{
			Name: "outside", Type: connector.FieldList,
			Label: connector.Text{"en": "Accounts of people from outside", "pt-BR": "Contas de pessoas de fora", "es": "Cuentas de personas de fuera"},
			Hint:  connector.Text{"en": "Ids, sign-in names, or schema:NAME; empty: not known", "pt-BR": "Ids, nomes de entrada, ou schema:NOME; vazio: não se sabe", "es": "Ids, nombres de entrada, o schema:NOMBRE; vacío: no se sabe"},
		},
		{
			Name: "admins", Type: connector.FieldList,
			Label: connector.Text{"en": "What makes an administrator", "pt-BR": "O que faz um administrador", "es": "Qué hace a un administrador"},
			Hint:  connector.Text{"en": "A key of metadata_admin, such as admin or role=owner, or schema:NAME; empty: not known", "pt-BR": "Uma chave de metadata_admin, como admin ou role=owner, ou schema:NOME; vazio: não se sabe", "es": "Una clave de metadata_admin, como admin o role=owner, o schema:NOMBRE; vacío: no se sabe"},
		},
		{
			Name: "mfa_required", Type: connector.FieldBool,
			Label: connector.Text{"en": "Your applications let nobody in without a second factor", "pt-BR": "Seus aplicativos não deixam ninguém entrar sem segundo fator", "es": "Sus aplicaciones no dejan entrar a nadie sin segundo factor"},
			Hint:  connector.Text{"en": "Kratos asks only who has enrolled one; empty: not known", "pt-BR": "O Kratos só pede a quem cadastrou um; vazio: não se sabe", "es": "Kratos solo lo pide a quien registró uno; vacío: no se sabe"},
		},
		{
			Name: "code_mfa", Type: connector.FieldBool,
			Label: connector.Text{"en": "Codes by e-mail or SMS are the second factor", "pt-BR": "Códigos por e-mail ou SMS são o segundo fator", "es": "Los códigos por correo o SMS son el segundo factor"},
			Hint:  connector.Text{"en": "selfservice.methods.code.mfa_enabled; empty: as the configuration file says", "pt-BR": "selfservice.methods.code.mfa_enabled; vazio: como diz o arquivo de configuração", "es": "selfservice.methods.code.mfa_enabled; vacío: como dice el archivo de configuración"},
		},
	}
}
