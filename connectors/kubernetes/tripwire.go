package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// A trip is a list whose hash tells whether scopes are to be read again.
type trip struct {
	path    string
	targets []string
	mark    func(apiMeta) string
}

// version changes with every change of a thing.
func version(m apiMeta) string { return m.UID + " " + m.Version }

// trips lists what is looked at. A Pod's version changes with its every breath,
// its generation only with what it is to be.
func trips() []trip {
	rbac, network := "/apis/"+groupRBAC+"/v1/", "/apis/"+groupNetwork+"/v1/"
	rights := []string{scopeGrants, scopeAccounts, scopeCluster}
	return []trip{
		{path: rbac + "clusterrolebindings", targets: rights, mark: version},
		{path: rbac + "rolebindings", targets: rights, mark: version},
		{path: rbac + "clusterroles", targets: rights, mark: version},
		{path: rbac + "roles", targets: rights, mark: version},
		{path: "/api/v1/serviceaccounts", targets: []string{scopeAccounts}, mark: version},
		{path: "/api/v1/namespaces", targets: []string{scopeNamespaces}, mark: version},
		{path: network + "networkpolicies", targets: []string{scopeNamespaces, scopeRules}, mark: version},
		{path: network + "ingresses", targets: []string{scopeIngresses}, mark: version},
		{path: "/api/v1/pods", targets: []string{scopeWorkloads}, mark: func(m apiMeta) string {
			return fmt.Sprintf("%s %d", m.UID, m.Generation)
		}},
	}
}

// Tripwire implements connector.Tripwirer. Each call lists names and versions of
// what can change the facts and hashes them, list by list: a target differs if
// one of its lists does. The cluster's own version of everything, which comes
// with each list, changes several times a second and says nothing.
func (Connector) Tripwire(ctx context.Context, run connector.Run) (map[string]string, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return nil, err
	}
	marks, lost := map[string][]string{}, map[string]bool{}
	var firstErr error
	answered := false
	for _, t := range trips() {
		all, err := list(ctx, r.api, listing[apiObject, string]{path: t.path, accept: asMetadata, take: func(o apiObject) (string, error) {
			return t.mark(o.Meta), o.Meta.check(false)
		}})
		answered = answered || err == nil
		if err != nil && firstErr == nil {
			firstErr = err
		}
		slices.Sort(all)
		for _, target := range t.targets {
			lost[target] = lost[target] || err != nil
			marks[target] = append(marks[target], t.path+" "+strings.Join(all, ","))
		}
	}
	if !answered {
		return nil, firstErr
	}
	hashes := map[string]string{}
	for target, m := range marks {
		if !lost[target] {
			sum := sha256.Sum256([]byte(strings.Join(m, "\n")))
			hashes[target] = hex.EncodeToString(sum[:8])
		}
	}
	return hashes, ctx.Err()
}
