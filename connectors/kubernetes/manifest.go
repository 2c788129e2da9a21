package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

const (
	manifestAccount = `# What Prumo needs to read this cluster, and nothing beyond: it may list these, and
# it may change nothing. Everybody who signed in may ask what he may do himself.
apiVersion: v1
kind: Namespace
metadata:
  name: prumo
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: prumo-reader
  namespace: prumo
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: prumo-reader
rules:
`
	manifestBinding = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: prumo-reader
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: prumo-reader
subjects:
  - kind: ServiceAccount
    name: prumo-reader
    namespace: prumo
`
	manifestSecrets = `  # The age of Secrets, for the setting "secrets". Kubernetes cannot grant names and
  # dates alone: with this rule the token can read every Secret. Take it out of its
  # comment only if you accept that.
  # - apiGroups: [""]
  #   resources: [secrets]
  #   verbs: [list]
`
)

// Manifest implements connector.Manifester: objects for kubectl.
func (Connector) Manifest(kinds []string) connector.Manifest {
	wanted := func(w want) bool {
		return slices.ContainsFunc(w.kinds, func(k string) bool { return slices.Contains(kinds, k) })
	}
	var b strings.Builder
	b.WriteString(manifestAccount)
	rules := 0
	for _, group := range []string{"", groupRBAC, groupNetwork} {
		var resources []string
		for _, w := range wants() {
			if w.path == "" && w.group == group && w.resource != "secrets" && wanted(w) {
				resources = append(resources, w.resource)
			}
		}
		if len(resources) > 0 {
			rules++
			fmt.Fprintf(&b, "  - apiGroups: [%q]\n    resources: [%s]\n    verbs: [list]\n", group, strings.Join(resources, ", "))
		}
	}
	for _, w := range wants() {
		if w.path != "" && wanted(w) {
			rules++
			fmt.Fprintf(&b, "  - nonResourceURLs: [%s]\n    verbs: [get]\n", w.path)
		}
	}
	text := b.String()
	if rules == 0 {
		text = strings.TrimSuffix(text, "rules:\n") + "rules: []\n"
	}
	if slices.Contains(kinds, "secret") {
		text += manifestSecrets
	}
	return connector.Manifest{
		File: "prumo-reader.yaml", Text: text + manifestBinding,
		How: connector.Text{
			"en":    "Apply it with `kubectl apply -f prumo-reader.yaml`, then make the token with `kubectl -n prumo create token prumo-reader --duration=2160h` and note when it ends.",
			"pt-BR": "Aplique com `kubectl apply -f prumo-reader.yaml`, depois crie o token com `kubectl -n prumo create token prumo-reader --duration=2160h` e anote quando ele termina.",
			"es":    "Aplíquelo con `kubectl apply -f prumo-reader.yaml`, luego cree el token con `kubectl -n prumo create token prumo-reader --duration=2160h` y anote cuándo termina.",
		},
	}
}
