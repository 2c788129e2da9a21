// Package kubernetes reads a Kubernetes cluster through its API server: the
// control plane as far as it shows itself, roles and who holds them, Pods by
// what made them, network policies and ingresses. It lists and never changes
// anything; the only requests that are no GET ask the API server what our own
// credential may do, which stores nothing. It never reads a Secret's value.
//
// Start at Connector.Collect in collect.go; grant.go and pod.go hold the rules.
package kubernetes

import (
	"slices"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A Connector reads Kubernetes. It holds no state.
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

const system = "kubernetes"

// Info implements connector.Connector.
func (Connector) Info() connector.Info {
	return connector.Info{
		ID:    system,
		Title: "Kubernetes",
		Summary: connector.Text{
			"en":    "Reads the control plane, roles and who holds them, Pods, network policies and ingresses of a cluster.",
			"pt-BR": "Lê o plano de controle, os papéis e quem os tem, os Pods, as políticas de rede e os ingresses de um cluster.",
			"es":    "Lee el plano de control, los roles y quién los tiene, los Pods, las políticas de red y los ingresses de un clúster.",
		},
		Origin:      fact.OriginAPI,
		Kinds:       []string{"cluster", "cluster_namespace", "workload", "grant", "account", "endpoint", "network_rule", "log_source", "secret"},
		Fields:      slices.Concat(settings(), connector.TLSFields()),
		Permissions: permissions(),
		Every:       5 * time.Minute,
		Tripwire:    30 * time.Second,
	}
}

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

func settings() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Required: true,
			Label: text("Address of the API server", "Endereço do servidor da API", "Dirección del servidor de la API"),
			Hint:  text("As `kubectl cluster-info` shows it", "Como `kubectl cluster-info` mostra", "Como lo muestra `kubectl cluster-info`"),
		},
		{
			Name: "token", Type: connector.FieldSecret,
			Label: text("Token", "Token", "Token"),
			Hint: text(
				"Of the ServiceAccount that the manifest makes; or give a client certificate below",
				"Da ServiceAccount que o manifesto cria; ou informe abaixo um certificado de cliente",
				"De la ServiceAccount que crea el manifiesto; o indique abajo un certificado de cliente"),
		},
		{
			Name: "cluster", Type: connector.FieldText, Check: checkName,
			Label: text("Name of the cluster", "Nome do cluster", "Nombre del clúster"),
			Hint: text(
				"In the names of everything that is read; empty: the host of the address. Do not change it later",
				"Entra no nome de tudo o que é lido; vazio: o host do endereço. Não mude depois",
				"Entra en el nombre de todo lo que se lee; vacío: el host de la dirección. No lo cambie después"),
		},
		{
			Name: "bots", Type: connector.FieldList,
			Label: text("Users that are programs", "Usuários que são programas", "Usuarios que son programas"),
			Hint: text(
				"Users named in bindings that no person signs in as; Kubernetes does not tell",
				"Usuários citados em bindings com os quais nenhuma pessoa entra; o Kubernetes não diz",
				"Usuarios nombrados en bindings con los que no entra ninguna persona; Kubernetes no lo dice"),
		},
		{
			Name: "system_namespaces", Type: connector.FieldList,
			Label: text("Namespaces of the cluster itself", "Namespaces do próprio cluster", "Namespaces del propio clúster"),
			Hint: text(
				"Besides kube-system, kube-public and kube-node-lease",
				"Além de kube-system, kube-public e kube-node-lease",
				"Además de kube-system, kube-public y kube-node-lease"),
		},
		{
			Name: "secrets", Type: connector.FieldBool,
			Label: text("Read the age of Secrets", "Ler a idade dos Secrets", "Leer la edad de los Secrets"),
			Hint: text(
				"Prumo asks for names and dates only, but Kubernetes has no right for that alone: the token could then read every Secret. Off unless you accept it",
				"O Prumo pede só nomes e datas, mas o Kubernetes não tem um direito só para isso: o token poderia então ler todos os Secrets. Desligado, a menos que você aceite",
				"Prumo pide solo nombres y fechas, pero Kubernetes no tiene un derecho solo para eso: el token podría entonces leer todos los Secrets. Apagado, salvo que usted lo acepte"),
		},
		{
			Name: "requests_per_second", Type: connector.FieldInt, Default: 10,
			Label: text("Requests a second", "Requisições por segundo", "Peticiones por segundo"),
			Hint:  text("Bounds everything that is asked of the server", "Limita tudo o que se pede ao servidor", "Limita todo lo que se pide al servidor"),
		},
	}
}

// A want is a right that a reading needs, as RBAC writes it.
type want struct {
	group, resource string // of a list
	path            string // of a GET that is no resource
	kinds           []string
	why             connector.Text
}

func (w want) name() string {
	switch {
	case w.path != "":
		return "get " + w.path
	case w.group != "":
		return "list " + w.resource + "." + w.group
	default:
		return "list " + w.resource
	}
}

const (
	groupRBAC    = "rbac.authorization.k8s.io"
	groupNetwork = "networking.k8s.io"
	pathMetrics  = "/metrics"
)

func wants() []want {
	rights := []string{"grant", "account", "cluster"}
	why := text("Roles and who holds them", "Papéis e quem os tem", "Roles y quién los tiene")
	return []want{
		{resource: "namespaces", kinds: []string{"cluster_namespace"}, why: text("Namespaces and their Pod Security level", "Namespaces e seu nível de Pod Security", "Namespaces y su nivel de Pod Security")},
		{resource: "nodes", kinds: []string{"cluster"}, why: text("Versions of the machines", "Versões das máquinas", "Versiones de las máquinas")},
		{
			resource: "pods", kinds: []string{"workload", "cluster_namespace", "cluster", "log_source"},
			why: text("What runs, with which rights; how the API server was started", "O que roda e com quais direitos; como o servidor da API foi iniciado", "Qué se ejecuta y con qué derechos; cómo se inició el servidor de la API"),
		},
		{resource: "serviceaccounts", kinds: []string{"account"}, why: text("Accounts of programs", "Contas de programas", "Cuentas de programas")},
		{group: groupRBAC, resource: "clusterroles", kinds: rights, why: why},
		{group: groupRBAC, resource: "clusterrolebindings", kinds: rights, why: why},
		{group: groupRBAC, resource: "roles", kinds: rights, why: why},
		{group: groupRBAC, resource: "rolebindings", kinds: rights, why: why},
		{group: groupNetwork, resource: "networkpolicies", kinds: []string{"cluster_namespace", "network_rule"}, why: text("Who may talk to whom", "Quem pode falar com quem", "Quién puede hablar con quién")},
		{group: groupNetwork, resource: "ingresses", kinds: []string{"endpoint"}, why: text("What is served outside, and whether encrypted", "O que é servido para fora, e se com criptografia", "Qué se sirve hacia fuera, y si va cifrado")},
		{path: pathMetrics, kinds: []string{"cluster", "log_source"}, why: text("Whether Secrets are kept encrypted and requests are logged", "Se os Secrets são guardados criptografados e as requisições registradas", "Si los Secrets se guardan cifrados y las peticiones se registran")},
		{resource: "secrets", kinds: []string{"secret"}, why: text("The age of Secrets, if the setting `secrets` is on; lets the token read them", "A idade dos Secrets, se a opção `secrets` estiver ligada; deixa o token lê-los", "La edad de los Secrets, si la opción `secrets` está encendida; deja al token leerlos")},
	}
}

func permissions() []connector.Permission {
	var out []connector.Permission
	for _, w := range wants() {
		out = append(out, connector.Permission{Name: w.name(), Why: w.why, Kinds: w.kinds})
	}
	return out
}
