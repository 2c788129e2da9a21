package kubernetes

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

// TestRealKubernetes is one story: break, see, mend.
func TestRealKubernetes(t *testing.T) {
	w := newWorld(t, testkit.KubernetesConfig{Audit: true, Encrypt: true})
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"as it begins", w.begins},
		{"least privilege", w.leastPrivilege},
		{"a new administrator", w.administrator},
		{"a role grows", w.roleGrows},
		{"a Pod that takes its machine", w.takesMachine},
		{"an owner above the owner", w.owners},
		{"a namespace is closed and opened", w.closed},
		{"an ingress without a certificate", w.ingress},
		{"everybody is let in", w.everybody},
		{"Secrets by name and date", w.secretAges},
		{"refused", w.refused},
		{"a client certificate", w.certificate},
		{"more than a page", w.pages},
	} {
		t.Run(part.name, func(t *testing.T) {
			w.t = t
			w.look() // what earlier parts left is not news
			part.run(t)
		})
	}
}

func (w *world) want(id string, m *connector.Memory, factID string, want check.Outcome) {
	w.t.Helper()
	if got := w.says(id, m, w.id(factID)); got != want {
		w.t.Errorf("%s of %s: %s, want %s", id, factID, got, want)
	}
}

func (w *world) id(s string) string {
	if s == "" {
		return "kubernetes/test"
	}
	return "kubernetes/test/" + s
}

func (w *world) begins(t *testing.T) {
	w.apply("{apiVersion: v1, kind: Secret, metadata: {name: one, namespace: shop}, stringData: {password: correct-horse-7}}")
	m := w.whole()
	for _, id := range []string{"cluster-refuses-anonymous", "cluster-gives-rights-by-role", "cluster-keeps-audit-log", "cluster-secrets-encrypted", "cluster-release-supported"} {
		w.want(id, m, "", check.Pass)
	}
	for _, f := range m.Facts() {
		if f.Kind != "grant" {
			continue
		}
		g := data[fact.Grant](t, m, f.ID)
		name, _ := g.Name.Get()
		if came, _ := g.Builtin.Get(); came == (name == "prumo-reader") {
			t.Errorf("grant %s came with the system: %v", f.ID, came)
		}
		if got := w.says("grant-of-administration-is-listed", m, f.ID); got == check.Fail || got == check.Unknown {
			t.Errorf("%s on a new cluster: %s", f.ID, got)
		}
	}
	if again := w.look(); len(again) != 0 {
		t.Errorf("nothing changed, and yet the tripwire saw %v", again)
	}
	if text, err := os.ReadFile(w.Audit); err != nil || !strings.Contains(string(text), "prumo-reader") {
		t.Errorf("the server's own audit log holds none of our requests: %v", err)
	}
}

// leastPrivilege holds the manifest to what the server says that it allows.
func (w *world) leastPrivilege(t *testing.T) {
	id, err := Connector{}.Identify(t.Context(), w.run())
	if err != nil {
		t.Fatal(err)
	}
	if only, known := id.ReadOnly.Get(); !only || !known || len(id.Missing) != 0 || len(id.Excess) != 0 || id.Name != "system:serviceaccount:prumo:prumo-reader" {
		t.Errorf("the manifest's credential: %+v", id)
	}
	r, err := newReader(w.run(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"secrets", "configmaps", "pods", "pods/exec", "nodes/proxy", "serviceaccounts/token", "clusterrolebindings"} {
		for _, verb := range []string{"get", "list", "create", "update", "patch", "delete", "bind", "escalate", "impersonate"} {
			group := ""
			if resource == "clusterrolebindings" {
				group = groupRBAC
			}
			got, err := r.may(t.Context(), object{"verb": verb, "group": group, "resource": resource})
			if err != nil {
				t.Fatal(err)
			}
			if want := verb == "list" && (resource == "pods" || resource == "clusterrolebindings"); got.Status.Allowed != want {
				t.Errorf("%s %s: allowed %v, want %v", verb, resource, got.Status.Allowed, want)
			}
		}
	}
	w.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: strong, namespace: lab}}")
	w.bind("strong", "cluster-admin", "{kind: ServiceAccount, name: strong, namespace: lab}")
	id, err = Connector{}.Identify(t.Context(), w.runWith(w.settings(w.TokenOf("lab", "strong"))))
	if only, known := id.ReadOnly.Get(); err != nil || only || !known || !slices.Contains(id.Excess, "* *.*") {
		t.Errorf("an administrator's credential: %+v, %v", id, err)
	}
	w.unbind("strong")
	id, err = Connector{}.Identify(t.Context(), w.runWith(w.settings(w.TokenOf("lab", "strong"))))
	if err != nil || !slices.Contains(id.Missing, "list pods") || !slices.Contains(id.Missing, "get /metrics") {
		t.Errorf("a credential without rights: %+v, %v", id, err)
	}
}

func (w *world) bind(name, role, subject string) {
	w.t.Helper()
	w.apply(fmt.Sprintf("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: %s}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}, subjects: [%s]}", name, role, subject))
}

func (w *world) unbind(name string) {
	w.t.Helper()
	w.Must("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/"+name, nil)
}

func (w *world) administrator(t *testing.T) {
	start := time.Now()
	w.bind("ops", "cluster-admin", "{apiGroup: rbac.authorization.k8s.io, kind: User, name: eve@acme.test}")
	m := w.noticed()
	took := time.Since(start)
	w.want("grant-of-administration-is-listed", m, "grant/cluster/ops/user/eve@acme.test", check.Fail)
	w.want("grant-to-read-secrets-is-listed", m, "grant/cluster/ops/user/eve@acme.test", check.Fail)
	a := data[fact.Account](t, m, w.id("user/eve@acme.test"))
	if admin, _ := a.Admin.Get(); !admin {
		t.Error("the account of the new administrator is none")
	}
	if _, known := a.MFA.Get(); known {
		t.Error("Kubernetes says nothing of second factors")
	}
	t.Logf("seen and judged %s after it was made, of which the tripwire waits up to 30 s", took.Round(time.Millisecond))
	w.unbind("ops")
	m = w.noticed()
	if slices.ContainsFunc(m.Facts(), func(f fact.Fact) bool { return strings.Contains(f.ID, "eve@acme.test") }) {
		t.Error("a right that was taken back is still there")
	}
	if s := scope(t, m, scopeGrants); s.Reading != fact.Complete {
		t.Errorf("grants are %s, so that nothing would be gone", s.Reading)
	}
}

// roleGrows widens a role that is already given: no binding changes.
func (w *world) roleGrows(_ *testing.T) {
	w.apply("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: helper}, rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}")
	w.bind("helper", "helper", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: devs}")
	id := "grant/cluster/helper/group/devs"
	w.want("grant-of-administration-is-listed", w.noticed(), id, check.Pass)
	w.Must("PATCH", "/apis/rbac.authorization.k8s.io/v1/clusterroles/helper", object{"rules": []object{{"apiGroups": []string{"*"}, "resources": []string{"*"}, "verbs": []string{"*"}}}})
	m := w.noticed()
	for _, c := range []string{"grant-of-administration-is-listed", "grant-has-no-wildcard", "grant-to-read-secrets-is-listed"} {
		w.want(c, m, id, check.Fail)
	}
	w.unbind("helper")
}

func (w *world) pod(namespace, name, meta, spec string) {
	w.t.Helper()
	w.apply(fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s%s}, spec: {%s}}", name, namespace, meta, spec))
}

const goodPod = `securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, automountServiceAccountToken: false,
  containers: [{name: web, image: "acme/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", resources: {limits: {memory: 64Mi}}, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true}}]`

var podChecks = []string{"workload-cannot-take-its-machine", "workload-is-not-root", "workload-has-seccomp", "workload-holds-no-secret", "workload-images-are-fixed"}

func (w *world) takesMachine(t *testing.T) {
	w.pod("shop", "good", "", goodPod)
	w.pod("shop", "bad", "", `hostPID: true, volumes: [{name: root, hostPath: {path: /}}],
  initContainers: [{name: setup, image: busybox, securityContext: {privileged: true}}],
  containers: [{name: web, image: "acme/web:1", env: [{name: DB_PASSWORD, value: correct-horse-7}], volumeMounts: [{name: root, mountPath: /host}]}]`)
	m := w.noticed()
	for _, c := range podChecks {
		w.want(c, m, "workload/shop/Pod/good", check.Pass)
		w.want(c, m, "workload/shop/Pod/bad", check.Fail)
	}
	for name, want := range map[string]bool{"good": false, "bad": true} {
		d := data[fact.Workload](t, m, w.id("workload/shop/Pod/"+name))
		token, _ := d.TokenMounted.Get()
		limits, _ := d.Limits.Get()
		ro, _ := d.ReadOnlyRoot.Get()
		if token != want || limits == want || ro == want {
			t.Errorf("%s: token %v, limits %v, read-only %v", name, token, limits, ro)
		}
	}
	w.Must("PATCH", "/api/v1/namespaces/shop/pods/good/ephemeralcontainers", object{"spec": object{"ephemeralContainers": []object{
		{"name": "debug", "image": "busybox:1", "securityContext": object{"privileged": true}},
	}}})
	w.want("workload-cannot-take-its-machine", w.noticed(), "workload/shop/Pod/good", check.Fail)
	for _, name := range []string{"good", "bad"} {
		w.Must("DELETE", "/api/v1/namespaces/shop/pods/"+name+"?gracePeriodSeconds=0", nil)
	}
	if m = w.noticed(); len(m.Facts()) != 0 && scope(t, m, scopeWorkloads).Detail.Seen != 0 {
		t.Error("Pods that were deleted are still there")
	}
}

func (w *world) owners(t *testing.T) {
	w.pod("shop", "web-5d4f-a", `, labels: {pod-template-hash: 5d4f}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f, uid: u1, controller: true}]`, goodPod)
	w.pod("shop", "web-5d4f-b", `, labels: {pod-template-hash: 5d4f}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f, uid: u1, controller: true}]`, goodPod)
	w.pod("shop", "mail-29384756-x", `, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: mail-29384756, uid: u2, controller: true}]`, goodPod)
	w.pod("kube-system", "kube-proxy-a", `, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: kube-proxy, uid: u3, controller: true}]`, `containers: [{name: p, image: "kube-proxy:v1", securityContext: {privileged: true}}]`)
	w.pod("kube-system", "miner", "", `containers: [{name: p, image: "miner:v1", securityContext: {privileged: true}}]`)
	m := w.noticed()
	if n, _ := data[fact.Workload](t, m, w.id("workload/shop/Deployment/web")).Replicas.Get(); n != 2 {
		t.Errorf("%d Pods of the Deployment, want 2", n)
	}
	data[fact.Workload](t, m, w.id("workload/shop/CronJob/mail"))
	w.want("workload-cannot-take-its-machine", m, "workload/kube-system/DaemonSet/kube-proxy", check.NotApplicable)
	w.want("workload-cannot-take-its-machine", m, "workload/kube-system/Pod/miner", check.Fail)
}

func (w *world) closed(t *testing.T) {
	policies := "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/"
	w.want("cluster-namespace-refuses-by-default", w.whole(), "namespace/shop", check.Fail)
	w.apply("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress]}}")
	w.want("cluster-namespace-refuses-by-default", w.noticed(), "namespace/shop", check.Pass)
	w.apply("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: all, namespace: shop}, spec: {podSelector: {}, ingress: [{}]}}")
	m := w.noticed()
	w.want("cluster-namespace-refuses-by-default", m, "namespace/shop", check.Fail)
	if any, _ := data[fact.NetworkRule](t, m, w.id("networkpolicy/shop/all/in/0/0")).Anywhere.Get(); !any {
		t.Error("a rule for everybody is not for everybody")
	}
	w.Must("DELETE", policies+"all", nil)
	w.want("cluster-namespace-refuses-by-default", w.noticed(), "namespace/shop", check.Pass)
	w.want("cluster-namespace-limits-its-pods", w.whole(), "namespace/shop", check.Fail)
	w.Must("PATCH", "/api/v1/namespaces/shop", object{"metadata": object{"labels": object{labelEnforce: "restricted"}}})
	w.want("cluster-namespace-limits-its-pods", w.noticed(), "namespace/shop", check.Pass)
	w.want("cluster-namespace-refuses-by-default", w.whole(), "namespace/kube-system", check.NotApplicable)
}

func (w *world) ingress(t *testing.T) {
	w.apply(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {tls: [{hosts: ["*.acme.test"], secretName: x}], rules: [
  {host: shop.acme.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}},
  {host: a.b.acme.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}`)
	m := w.noticed()
	for host, want := range map[string]bool{"shop.acme.test": true, "a.b.acme.test": false} {
		if tls, known := data[fact.Endpoint](t, m, w.id("ingress/shop/web/"+host)).TLS.Get(); tls != want || !known {
			t.Errorf("%s: tls %v (known %v), want %v", host, tls, known, want)
		}
	}
}

func (w *world) everybody(_ *testing.T) {
	w.bind("open", "view", "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:unauthenticated'}")
	m := w.noticed()
	w.want("cluster-refuses-anonymous", m, "", check.Fail)
	w.want("grant-to-everybody-is-harmless", m, "grant/cluster/open/everybody/system:unauthenticated", check.Fail)
	w.unbind("open")
	w.want("cluster-refuses-anonymous", w.noticed(), "", check.Pass)
}

func (w *world) secretAges(t *testing.T) {
	raw := w.settings(w.Token)
	raw["secrets"] = true
	w.apply("{apiVersion: v1, kind: Secret, metadata: {name: deploy, namespace: shop, annotations: {kubernetes.io/service-account.name: default}}, type: kubernetes.io/service-account-token}")
	m := w.collect(w.runWith(raw))
	s := data[fact.Secret](t, m, w.id("secret/shop/one"))
	if at, known := s.CreatedAt.Get(); !known || time.Since(at) > time.Hour {
		t.Errorf("made at %v (known %v)", at, known)
	}
	if v, _ := data[fact.Secret](t, m, w.id("secret/shop/deploy")).NeverEnds.Get(); !v {
		t.Error("a token of a ServiceAccount in a Secret ends never")
	}
	for _, f := range m.Facts() {
		if strings.Contains(string(f.Data), "correct-horse") {
			t.Errorf("%s holds a value", f.ID)
		}
	}
	raw = w.settings("")
	raw["secrets"] = true
	if got := scope(t, w.collect(w.runWith(raw)), scopeSecrets); got.Reading != fact.Forbidden || got.Detail.Permission != "list secrets" {
		t.Errorf("without the right the Secrets are %s, missing %q", got.Reading, got.Detail.Permission)
	}
}

func (w *world) refused(t *testing.T) {
	m := w.collect(w.runWith(w.settings("expired")))
	for _, s := range m.Scopes() {
		if s.Reading != fact.Forbidden || s.Detail.Status != 401 {
			t.Errorf("with a token that is none, scope %s is %s with status %d", s.Scope.Name, s.Reading, s.Detail.Status)
		}
	}
	if _, err := (Connector{}).Identify(t.Context(), w.runWith(w.settings("expired"))); err == nil {
		t.Error("a token that is none has an identity")
	}
	m = w.collect(w.runWith(w.settings(w.TokenOf("lab", "default"))))
	for _, s := range m.Scopes() {
		if s.Reading != fact.Forbidden || s.Detail.Permission == "" {
			t.Errorf("without rights, scope %s is %s, missing %q", s.Scope.Name, s.Reading, s.Detail.Permission)
		}
	}
	raw := w.settings("")
	delete(raw, "ca")
	for _, s := range w.collect(w.runWith(raw)).Scopes() {
		if s.Reading != fact.Partial || s.Detail.Why != "the certificate of the system was not accepted" {
			t.Errorf("without its authority, scope %s is %s: %s", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

func (w *world) certificate(t *testing.T) {
	cert, key := w.Certificate("prumo", "system:masters")
	raw := w.settings("")
	delete(raw, "token")
	raw["client_certificate"], raw["client_key"] = cert, key
	for _, s := range w.collect(w.runWith(raw)).Scopes() {
		if s.Reading != fact.Complete {
			t.Errorf("scope %s is %s: %s", s.Scope.Name, s.Reading, s.Detail.Why)
		}
	}
}

// pages makes more Pods than a page holds, and measures a look of the tripwire.
func (w *world) pages(t *testing.T) {
	const n = 2*podPage + 10
	w.Must("PATCH", "/api/v1/namespaces/lab", object{"metadata": object{"labels": object{"x": "y"}}})
	for i := range n {
		w.pod("lab", fmt.Sprintf("p%d", i), "", goodPod)
	}
	calls := 0
	run := w.run()
	start := time.Now()
	if _, err := (Connector{}).Tripwire(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	t.Logf("a look over %d Pods took %s", n, time.Since(start).Round(time.Millisecond))
	start = time.Now()
	m := w.collect(run)
	for _, f := range m.Facts() {
		if strings.HasPrefix(f.ID, w.id("workload/lab/Pod/p")) {
			calls++
		}
	}
	t.Logf("a reading took %s", time.Since(start).Round(time.Millisecond))
	if calls != n {
		t.Errorf("%d of %d Pods were read", calls, n)
	}
}

func TestRealKubernetesBadlyStarted(t *testing.T) {
	w := newWorld(t, testkit.KubernetesConfig{AlwaysAllow: true})
	m := w.whole()
	w.want("cluster-gives-rights-by-role", m, "", check.Fail)
	w.want("cluster-refuses-anonymous", m, "", check.Pass) // the server then refuses who has no credential by itself
	w.want("cluster-keeps-audit-log", m, "", check.Unknown)
	w.want("cluster-secrets-encrypted", m, "", check.Unknown)
	w.pod("kube-system", "kube-apiserver-n1", `, labels: {component: kube-apiserver}, annotations: {kubernetes.io/config.mirror: x}, ownerReferences: [{apiVersion: v1, kind: Node, name: n1, uid: u1, controller: true}]`,
		`nodeName: n1, hostNetwork: true, containers: [{name: kube-apiserver, image: "kube-apiserver:v1", command: [kube-apiserver, --authorization-mode=AlwaysAllow]}]`)
	m = w.whole()
	w.want("cluster-keeps-audit-log", m, "", check.Fail)
	w.want("cluster-secrets-encrypted", m, "", check.Fail)
}
