package kubernetes

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/connector"
)

const fakeToken = "eyJhbGciOiJ.fake-token-0123456789"

var testNow = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// A fakeServer answers like an API server, as real_test.go holds it to. Its
// pages hold two things, so that everything is paged.
type fakeServer struct {
	lists   map[string][]object
	metrics string

	mu    sync.Mutex // guards what follows
	gone  int        // how many times the second page is answered with 410
	moves int        // how many times the second page has another version
	asked []string
}

const fakeMetrics = `# HELP apiserver_request_total Counter of requests
apiserver_request_total{code="200",verb="LIST"} 12
apiserver_audit_event_total 7
apiserver_authorization_decisions_total{decision="allowed",name="rbac",type="RBAC"} 9
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:aescbc:v1:one:"} 3
`

// things are what the fake holds, by path.
const things = `
/api/v1/namespaces:
  - metadata: {name: default}
  - metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}
  - metadata: {name: kube-system}
/api/v1/nodes:
  - {metadata: {name: n1}, status: {nodeInfo: {kubeletVersion: v1.37.2}}}
  - {metadata: {name: n2}, status: {nodeInfo: {kubeletVersion: v1.33.1}}}
/api/v1/serviceaccounts:
  - metadata: {name: default, namespace: shop}
  - metadata: {name: deployer, namespace: shop}
  - metadata: {name: default, namespace: kube-system}
/api/v1/pods:
  - metadata: {name: web-7d4-x1, namespace: shop, labels: {pod-template-hash: 7d4}, generation: 1, ownerReferences: [{kind: ReplicaSet, name: web-7d4, controller: true}]}
    spec: {containers: [{name: web, image: "acme/web:1.2"}]}
    status: {phase: Running}
  - metadata: {name: web-7d4-x2, namespace: shop, labels: {pod-template-hash: 7d4}, generation: 1, ownerReferences: [{kind: ReplicaSet, name: web-7d4, controller: true}]}
    spec: {containers: [{name: web, image: "acme/web:1.2", env: [{name: DB_PASSWORD, value: hunter2}]}]}
    status: {phase: Running}
  - metadata: {name: kube-apiserver-n1, namespace: kube-system, labels: {component: kube-apiserver}, annotations: {kubernetes.io/config.mirror: x}, ownerReferences: [{kind: Node, name: n1, controller: true}]}
    spec: {nodeName: n1, hostNetwork: true, containers: [{name: kube-apiserver, image: "registry.k8s.io/kube-apiserver:v1.37.2", command: [kube-apiserver, "--authorization-mode=Node,RBAC", --audit-policy-file=/p, --audit-log-path=/l, --audit-log-maxage=30, --encryption-provider-config=/e]}]}
    status: {phase: Running}
/apis/rbac.authorization.k8s.io/v1/clusterroles:
  - {metadata: {name: cluster-admin}, rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]}
  - {metadata: {name: view}, rules: [{verbs: [get, list], apiGroups: [""], resources: [pods]}]}
  - {metadata: {name: reader}, rules: [{verbs: [get], apiGroups: [""], resources: [secrets]}]}
/apis/rbac.authorization.k8s.io/v1/clusterrolebindings:
  - {metadata: {name: cluster-admin, labels: {kubernetes.io/bootstrapping: rbac-defaults}}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: Group, name: "system:masters"}]}
  - {metadata: {name: ops}, roleRef: {kind: ClusterRole, name: cluster-admin}, subjects: [{kind: User, name: ana@acme.test}, {kind: ServiceAccount, name: deployer, namespace: shop}]}
  - {metadata: {name: lost}, roleRef: {kind: ClusterRole, name: gone}, subjects: [{kind: User, name: bob}]}
/apis/rbac.authorization.k8s.io/v1/roles:
  - {metadata: {name: r1, namespace: shop}, rules: [{verbs: ["*"], apiGroups: [apps], resources: [deployments]}]}
  - {metadata: {name: r2, namespace: shop}, rules: []}
  - {metadata: {name: r3, namespace: shop}, rules: []}
/apis/rbac.authorization.k8s.io/v1/rolebindings:
  - {metadata: {name: b1, namespace: shop}, roleRef: {kind: Role, name: r1}, subjects: [{kind: ServiceAccount, name: deployer}]}
  - {metadata: {name: b2, namespace: shop}, roleRef: {kind: ClusterRole, name: reader}, subjects: [{kind: Group, name: devs}]}
  - {metadata: {name: b3, namespace: shop}, roleRef: {kind: Role, name: r3}, subjects: []}
/apis/networking.k8s.io/v1/networkpolicies:
  - {metadata: {name: deny, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress]}}
  - {metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{protocol: TCP, port: 443}]}]}}
  - {metadata: {name: out, namespace: shop}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}}
/apis/networking.k8s.io/v1/ingresses:
  - {metadata: {name: web, namespace: shop}, spec: {tls: [{hosts: [shop.acme.test]}], rules: [{host: shop.acme.test}, {host: old.acme.test}]}}
  - {metadata: {name: b, namespace: shop}, spec: {rules: [{host: b.acme.test}]}}
  - {metadata: {name: c, namespace: shop}, spec: {rules: [{host: c.acme.test}]}}
/api/v1/secrets:
  - {metadata: {name: s1, namespace: shop}}
  - {metadata: {name: s2, namespace: shop}}
  - {metadata: {name: s3, namespace: shop}}
`

func newFake() *fakeServer {
	f := &fakeServer{metrics: fakeMetrics}
	if err := yaml.Unmarshal([]byte(things), &f.lists); err != nil {
		panic(err)
	}
	for path, list := range f.lists {
		for i, o := range list {
			m, _ := o["metadata"].(object)
			m["uid"], m["resourceVersion"], m["creationTimestamp"] = path+strconv.Itoa(i), strconv.Itoa(100+i), testNow.AddDate(0, -1, 0).Format(time.RFC3339)
		}
	}
	return f
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI())
	known := r.Header.Get("Authorization") == "Bearer "+fakeToken
	switch {
	case r.URL.Path == "/version":
		answer(w, 200, object{"gitVersion": "v1.37.2"})
	case !known:
		answer(w, 403, object{"kind": "Status", "code": 403})
	case r.URL.Path == "/metrics":
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(f.metrics))
	case r.Method == http.MethodPost:
		f.review(w, r)
	default:
		f.list(w, r)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fakeServer) review(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Kind string `json:"kind"`
		Spec struct {
			Resource struct{ Verb string } `json:"resourceAttributes"`
		} `json:"spec"`
	}
	_ = json.NewDecoder(r.Body).Decode(&q)
	status := object{"allowed": false}
	if q.Spec.Resource.Verb == "list" {
		status = object{"allowed": true, "reason": `RBAC: allowed by ClusterRoleBinding "x"`}
	}
	answer(w, 201, object{"kind": q.Kind, "status": status})
}

func (f *fakeServer) list(w http.ResponseWriter, r *http.Request) {
	all, ok := f.lists[r.URL.Path]
	if !ok {
		answer(w, 404, object{"kind": "Status", "code": 404})
		return
	}
	if strings.Contains(r.URL.RawQuery, "fieldSelector") {
		all = all[:1]
		if !strings.Contains(r.URL.RawQuery, "tls") {
			all = nil
		}
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	meta, version := object{}, "500"
	if from > 0 && f.gone > 0 {
		f.gone--
		answer(w, 410, object{"kind": "Status", "code": 410, "reason": "Expired"})
		return
	}
	if from > 0 && f.moves > 0 {
		f.moves--
		version = "501"
	}
	meta["resourceVersion"] = version
	to := min(from+2, len(all))
	if to < len(all) {
		meta["continue"], meta["remainingItemCount"] = strconv.Itoa(to), len(all)-to
	}
	answer(w, 200, object{"kind": "List", "apiVersion": "v1", "metadata": meta, "items": all[min(from, len(all)):to]})
}

func testSettings(address string) connector.Settings {
	return connector.Settings{"url": address, "token": fakeToken, "cluster": "test", "secrets": true}
}

func testRun(t *testing.T, f http.Handler, change func(connector.Settings)) connector.Run {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	s := testSettings(srv.URL)
	if change != nil {
		change(s)
	}
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	now := func() time.Time { return testNow }
	c := connector.NewClient(connector.ClientConfig{Hosts: []string{srv.URL}, Dial: dial, Rate: -1, Attempts: 1, Now: now, Secrets: []string{fakeToken}})
	return connector.Run{Source: "k8s", Settings: s, HTTP: c, Dial: dial, Now: now}
}

func collect(t *testing.T, run connector.Run) *connector.Memory {
	t.Helper()
	m := connector.Record()
	if err := New().Collect(t.Context(), run, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func scope(t *testing.T, m *connector.Memory, name string) connector.ScopeResult {
	t.Helper()
	i := slices.IndexFunc(m.Scopes(), func(s connector.ScopeResult) bool { return s.Scope.Name == name })
	if i < 0 {
		t.Fatalf("no scope %s", name)
	}
	return m.Scopes()[i]
}
