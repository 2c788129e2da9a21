package kubernetes

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/connectortest"
	"prumo.dev/prumo/internal/fact"
)

func TestExam(t *testing.T) {
	connectortest.Run(t, New(), connectortest.Case{
		Upstream: func() http.Handler { return newFake() },
		Settings: testSettings,
		Targets:  []string{scopeGrants, scopeWorkloads},
		Now:      func() time.Time { return testNow },
	})
}

func TestAListThatMovesIsReadAgainOnce(t *testing.T) {
	for name, c := range map[string]struct {
		gone, moves int
		want        fact.Reading
		facts       int
	}{
		"expired once": {gone: 1, want: fact.Complete, facts: 4}, "expired twice": {gone: 2, want: fact.Partial},
		"moved once": {moves: 1, want: fact.Complete, facts: 4}, "moved twice": {moves: 2, want: fact.Partial},
	} {
		f := newFake()
		f.gone, f.moves = c.gone, c.moves
		m := connector.Record()
		if err := (Connector{}).Reread(t.Context(), testRun(t, f, nil), []string{scopeIngresses}, m); err != nil {
			t.Fatal(err)
		}
		s := scope(t, m, scopeIngresses)
		if s.Reading != c.want || s.Detail.Seen != c.facts || s.Reading != fact.Complete && s.Detail.Why == "" {
			t.Errorf("%s: %s with %d facts (%q), want %s with %d", name, s.Reading, s.Detail.Seen, s.Detail.Why, c.want, c.facts)
		}
	}
}

func TestWhatIsRefusedIsUnknown(t *testing.T) {
	f := newFake()
	delete(f.lists, "/apis/"+groupRBAC+"/v1/clusterroles")
	delete(f.lists, "/apis/"+groupNetwork+"/v1/networkpolicies")
	m := collect(t, testRun(t, f, nil))
	g := data[fact.Grant](t, m, "kubernetes/test/grant/cluster/ops/user/ana@acme.test")
	if _, known := g.Admin.Get(); known {
		t.Error("a grant of a role that could not be read says whether it administers")
	}
	n := data[fact.Namespace](t, m, "kubernetes/test/namespace/shop")
	if _, known := n.DefaultDenyIngress.Get(); known {
		t.Error("a namespace whose policies could not be read says whether it denies by default")
	}
	for _, name := range []string{scopeGrants, scopeNamespaces, scopeRules, scopeCluster} {
		if s := scope(t, m, name); s.Reading != fact.Forbidden || s.Detail.Permission == "" {
			t.Errorf("scope %s is %s, missing %q; want it forbidden, with the right", name, s.Reading, s.Detail.Permission)
		}
	}
}

func TestWhatTheFakeSays(t *testing.T) {
	m := collect(t, testRun(t, newFake(), nil))
	c := data[fact.Cluster](t, m, "kubernetes/test")
	for name, b := range map[string]fact.Opt[bool]{"rbac": c.RBAC, "audit_log": c.AuditLog, "secrets_encrypted": c.SecretsEncrypted, "supported": c.Supported} {
		if v, known := b.Get(); !v || !known {
			t.Errorf("%s: %v (known %v), want true", name, v, known)
		}
	}
	if v, known := c.AnonymousAccess.Get(); v || !known {
		t.Errorf("anonymous access %v (known %v), want false", v, known)
	}
	if v, _ := c.OutdatedNodes.Get(); !slices.Equal(v, []string{"n2"}) {
		t.Errorf("outdated %v, want n2", v)
	}
	l := data[fact.LogSource](t, m, "kubernetes/test/audit-log")
	if v, _ := l.KeptDays.Get(); v != 30 {
		t.Errorf("the audit log is kept %d days, want 30", v)
	}
	w := data[fact.Workload](t, m, "kubernetes/test/workload/shop/Deployment/web")
	if n, _ := w.Replicas.Get(); n != 2 {
		t.Errorf("%d Pods in shop/web, want 2", n)
	}
	if v, _ := w.LiteralSecrets.Get(); !slices.Equal(v, []string{"web/DB_PASSWORD"}) {
		t.Errorf("literal secrets %v", v)
	}
	for _, f := range m.Facts() {
		if strings.Contains(string(f.Data), "hunter2") {
			t.Errorf("%s holds a secret: %s", f.ID, f.Data)
		}
	}
	lost := data[fact.Grant](t, m, "kubernetes/test/grant/cluster/lost/user/bob")
	if v, known := lost.Admin.Get(); v || !known {
		t.Errorf("a role that is not there gives admin %v (known %v), want false", v, known)
	}
	n := data[fact.Namespace](t, m, "kubernetes/test/namespace/shop")
	in, _ := n.DefaultDenyIngress.Get()
	out, _ := n.DefaultDenyEgress.Get()
	if !in || out {
		t.Errorf("shop denies in %v and out %v, want only what comes in", in, out)
	}
	old := data[fact.Endpoint](t, m, "kubernetes/test/ingress/shop/web/old.acme.test")
	if v, known := old.TLS.Get(); v || !known {
		t.Errorf("a host without a certificate: tls %v (known %v)", v, known)
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	for _, s := range []connector.Settings{{}, {"url": "https://k.test"}, {"token": "x"}} {
		run := testRun(t, newFake(), nil)
		run.Settings = s
		if err := New().Collect(t.Context(), run, connector.Record()); err == nil {
			t.Errorf("%v: no error", s)
		}
	}
}
