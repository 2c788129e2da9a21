package testkit

import "testing"

func TestKubernetes(t *testing.T) {
	k := Kubernetes(t, KubernetesConfig{NoAnonymous: true})
	if out := k.Must("GET", "/version", nil); out["gitVersion"] != "v1.37.2" {
		t.Errorf("version %v, want the one of tools/kube-apiserver", out["gitVersion"])
	}
	if status, _ := k.As("", "GET", "/version", nil); status != 401 {
		t.Errorf("without a credential: status %d, want 401", status)
	}
	if status, _ := k.As("another", "GET", "/api/v1/namespaces", nil); status != 401 {
		t.Errorf("with a token that is none: status %d, want 401", status)
	}
}
