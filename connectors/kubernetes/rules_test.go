package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/connector"
)

// parsed reads a type from YAML, as the server's JSON would be read.
func parsed[T any](t *testing.T, text string) T {
	t.Helper()
	var raw any
	var v T
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPowers(t *testing.T) {
	for name, c := range map[string]struct {
		rules string
		want  powers
	}{
		"everything":        {`[{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]`, powers{admin: true, wildcard: true, secrets: true}},
		"to look":           {`[{verbs: [get, list], apiGroups: [""], resources: [pods]}]`, powers{}},
		"one secret":        {`[{verbs: [get], apiGroups: [""], resources: [secrets], resourceNames: [a]}]`, powers{secrets: true}},
		"to make a secret":  {`[{verbs: [create], apiGroups: [""], resources: [secrets]}]`, powers{}},
		"another secret":    {`[{verbs: [get], apiGroups: [acme.test], resources: [secrets]}]`, powers{}},
		"to see everything": {`[{verbs: [get], apiGroups: ["*"], resources: ["*"]}]`, powers{wildcard: true, secrets: true}},
		"to bind":           {`[{verbs: [bind], apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles]}]`, powers{admin: true}},
		"to give rights":    {`[{verbs: [create], apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings]}]`, powers{admin: true}},
		"to be another":     {`[{verbs: [impersonate], apiGroups: [""], resources: [groups]}]`, powers{admin: true}},
		"to be one other":   {`[{verbs: [impersonate], apiGroups: [""], resources: [users], resourceNames: [bob]}]`, powers{}},
		"to sweep":          {`[{verbs: [update, delete], apiGroups: ["*"], resources: ["*"]}]`, powers{wildcard: true}},
		"nothing":           {`[]`, powers{}},
	} {
		if got := powersOf(parsed[[]apiRule](t, c.rules)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// The label that Kubernetes' own bindings bear proves nothing.
func TestWhatCameWithKubernetes(t *testing.T) {
	const label = `labels: {kubernetes.io/bootstrapping: rbac-defaults}`
	for binding, want := range map[string]bool{
		`{metadata: {name: cluster-admin, ` + label + `}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: Group, name: "system:masters"}]}`:                       true,
		`{metadata: {name: cluster-admin, ` + label + `}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: eve}]}`:                                     false,
		`{metadata: {name: cluster-admin}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: Group, name: "system:masters"}]}`:                                      false,
		`{metadata: {name: "system:x", ` + label + `}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: a, namespace: kube-system}]}`:        false,
		`{metadata: {name: "system:x", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:x"}, subjects: [{kind: Group, name: "system:authenticated"}]}`:                       false,
		`{metadata: {name: "system:discovery", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:discovery"}, subjects: [{kind: Group, name: "system:authenticated"}]}`:       true,
		`{metadata: {name: "system:node-proxier", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:node-proxier"}, subjects: [{kind: User, name: "system:kube-proxy"}]}`:     true,
		`{metadata: {name: "system:x", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:x"}, subjects: [{kind: User, name: "system:serviceaccount:shop:default"}]}`:          false,
		`{metadata: {name: "system:x", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:x"}, subjects: [{kind: Group, name: "system:serviceaccounts"}]}`:                     false,
		`{metadata: {name: view, ` + label + `}, roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: a, namespace: kube-system}]}`:                       false,
		`{metadata: {name: "system:x", ` + label + `}, roleRef: {kind: ClusterRole, name: "system:x"}, subjects: [{kind: ServiceAccount, name: default, namespace: kube-system-two}]}`: false,
	} {
		b := parsed[apiBinding](t, binding)
		s, ok := subjectOf(b.Subjects[0], b.Meta.Namespace)
		if got := builtin(right{binding: b, subject: s}); got != want || !ok {
			t.Errorf("%s: %v, want %v", binding, got, want)
		}
	}
}

func TestPods(t *testing.T) {
	read := func(spec string) pod {
		p, err := readPod(parsed[apiPod](t, `{metadata: {name: a, namespace: shop}, spec: {`+spec+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, c := range map[string]struct {
		spec string
		is   func(pod) bool
	}{
		"root by the Pod":             {`securityContext: {runAsUser: 0}, containers: [{name: a}]`, func(p pod) bool { return p.root }},
		"root by its image":           {`containers: [{name: a}]`, func(p pod) bool { return p.root }},
		"the container's word counts": {`securityContext: {runAsUser: 0}, containers: [{name: a, securityContext: {runAsUser: 7}}]`, func(p pod) bool { return !p.root }},
		"one container is enough":     {`securityContext: {runAsUser: 7}, containers: [{name: a}], initContainers: [{name: b, securityContext: {runAsUser: 0}}]`, func(p pod) bool { return p.root }},
		"not root":                    {`securityContext: {runAsNonRoot: true}, containers: [{name: a}]`, func(p pod) bool { return !p.root }},
		"overridden":                  {`securityContext: {runAsNonRoot: true}, containers: [{name: a, securityContext: {runAsNonRoot: false}}]`, func(p pod) bool { return p.root }},
		"escalation unless forbidden": {`containers: [{name: a}]`, func(p pod) bool { return p.escalation }},
		"a capability that is all":    {`containers: [{name: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}}]`, func(p pod) bool { return p.escalation && p.capabilities[0] == "SYS_ADMIN" }},
		"unconfined":                  {`securityContext: {seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, securityContext: {seccompProfile: {type: Unconfined}}}]`, func(p pod) bool { return !p.seccomp }},
		"a privileged one has none":   {`securityContext: {seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, securityContext: {privileged: true}}]`, func(p pod) bool { return !p.seccomp && p.privileged && p.escalation }},
		"limits of the Pod":           {`resources: {limits: {memory: 1Gi}}, containers: [{name: a}]`, func(p pod) bool { return p.limits }},
		"limits of one":               {`containers: [{name: a, resources: {limits: {memory: 1Gi}}}, {name: b}]`, func(p pod) bool { return !p.limits }},
		"a token for another":         {`volumes: [{name: v, projected: {sources: [{serviceAccountToken: {audience: vault}}]}}], containers: [{name: a, volumeMounts: [{name: v}]}]`, func(p pod) bool { return !p.token }},
		"a token":                     {`volumes: [{name: v, projected: {sources: [{serviceAccountToken: {}}]}}], containers: [{name: a, volumeMounts: [{name: v}]}]`, func(p pod) bool { return p.token }},
	} {
		if p := read(c.spec); !c.is(p) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestImagesAndVariables(t *testing.T) {
	const sum = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for image, want := range map[string][2]bool{ // pinned, moving
		"nginx": {false, true}, "nginx:latest": {false, true}, "nginx:1.27": {false, false}, "reg.test:5000/nginx": {false, true},
		"reg.test:5000/nginx:1": {false, false}, "nginx" + sum: {true, false}, "nginx:latest" + sum: {true, false}, "nginx@sha256:x": {false, false},
	} {
		if got := [2]bool{pinned(image), movingTag(image)}; got != want {
			t.Errorf("%s: pinned, moving %v, want %v", image, got, want)
		}
	}
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"DB_PASSWORD", "x9f!", true},
		{"AWS_SECRET_ACCESS_KEY", "abc", true},
		{"githubToken", "ghp_x", true},
		{"api-key", "k", true},
		{"DB_PASSWORD", "", false},
		{"DB_PASSWORD", "$(OTHER)", false},
		{"DB_PASSWORD_FILE", "/run/secrets/x", false},
		{"TOKEN", "/var/run/token", false},
		{"TOKEN_TTL", "3600", false},
		{"REQUIRE_PASSWORD", "true", false},
		{"DATABASE_URL", "postgres://app:pw@db/app", true},
		{"DATABASE_URL", "postgres://app:$(PW)@db/app", false},
		{"DATABASE_URL", "postgres://db/app", false},
		{"NAME", "web", false},
	} {
		if got := looksSecret(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %v, want %v", c.name, c.value, got, c.want)
		}
	}
}

func TestVersions(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for version, want := range map[string]string{
		"v1.37.2": "true", "v1.34.1": "false", "v1.34.1+k3s1": "false", "v1.34.1-eks-abc": "unknown", "v1.31.4-gke.100": "unknown", "v1.36.0-gke.1": "true",
		"v1.99.0": "unknown", "two": "unknown", "": "unknown", "v2.1": "unknown",
	} {
		got := "unknown"
		is, _ := supported(version, at)
		if v, known := is.Get(); known {
			got = map[bool]string{true: "true", false: "false"}[v]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}

func TestServerFlagsAndMetrics(t *testing.T) {
	f := &serverFlags{readFlags([]string{"kube-apiserver", "--audit-log-path", "/log", "--audit-policy-file=/p", "--anonymous-auth=false", "--authorization-mode=Node,RBAC"})}
	if is, known := f.byRoles(); !f.audits() || !f.refusesAnonymous() || !is || !known || f.mayEncrypt() {
		t.Errorf("flags %v", f.values)
	}
	if f := (&serverFlags{readFlags([]string{"kube-apiserver", "--audit-log-path=/log"})}); f.audits() {
		t.Error("a log without a policy logs nothing")
	}
	forged := `{metadata: {name: kube-apiserver-n1, namespace: kube-system, labels: {component: kube-apiserver}}, spec: {nodeName: n1, containers: [{name: kube-apiserver, command: [kube-apiserver, --audit-log-path=/l]}]}}`
	if readServer(parsed[apiPod](t, forged)) != nil {
		t.Error("a Pod that anybody may make speaks for the API server")
	}
	const head = "apiserver_request_total 1\n"
	plain := head + `apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix=""} 1` + "\n"
	if m, err := parseMetrics([]byte(plain)); err != nil || m.plain != 1 {
		t.Errorf("%+v, %v; want Secrets in plain form", m, err)
	}
	for _, text := range []string{"", "<html>", "null", "x 1\n", head + "x{a=\"b\n", head + "apiserver_request_total x"} {
		if _, err := parseMetrics([]byte(text)); err == nil {
			t.Errorf("%q was taken for metrics", text)
		}
	}
}

func TestTheManifestHoldsWhatTheKindsNeed(t *testing.T) {
	for _, kinds := range [][]string{{"grant"}, {"workload"}, {"secret"}, New().Info().Kinds} {
		m := Connector{}.Manifest(kinds)
		dec, docs := yaml.NewDecoder(strings.NewReader(m.Text)), 0
		for {
			var o object
			if dec.Decode(&o) != nil {
				break
			}
			docs++
			if o["kind"] != "ClusterRole" {
				continue
			}
			b, _ := json.Marshal(o["rules"])
			pods := slices.Contains(kinds, "workload")
			if strings.Contains(string(b), "secrets") || strings.Contains(string(b), "pods") != pods {
				t.Errorf("%v: rules %s", kinds, b)
			}
		}
		if docs != 4 {
			t.Errorf("%v: %d objects, want 4", kinds, docs)
		}
	}
}

func FuzzPod(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"a","namespace":"b"},"spec":{"containers":[{"name":"c","image":"d"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p apiPod
		if json.Unmarshal(b, &p) != nil {
			return
		}
		if got, err := readPod(p); err == nil && (got.owner.kind == "" && len(p.Meta.Owners) == 0 || got.privileged && !got.escalation) {
			t.Errorf("%s: %+v", b, got)
		}
	})
}

func FuzzMetrics(f *testing.F) {
	f.Add([]byte(fakeMetrics))
	f.Add([]byte("apiserver_request_total{a=\"\\\"}\"} 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMetrics(b); err == nil && (m.audited < 0 || m.encrypted < 0 || m.requestCount <= 0) {
			t.Errorf("%q: %+v", b, m)
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p page[apiBinding]
		if (connector.Reply{Body: b}).Decode(&p) != nil || p.check() != nil {
			return
		}
		if !p.Items.said || p.Metadata.Version == "" {
			t.Errorf("%q passed for a list", b)
		}
		for _, x := range p.Items.all {
			for _, s := range x.Subjects {
				if who, ok := subjectOf(s, "ns"); ok && (who.kind == "" || who.name == "") {
					t.Errorf("%+v has no name", s)
				}
			}
		}
	})
}
