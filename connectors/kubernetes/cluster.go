package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A plane is what was learnt of the control plane.
type plane struct {
	version   string
	servers   []*serverFlags // of the API servers that show themselves
	metrics   metrics
	anonymous fact.Opt[bool]
	rbac      fact.Opt[bool]
	bindings  []right
	allBinds  bool
	nodes     []apiNode
	nodesRead bool
}

// cluster emits the cluster and its audit log.
func (r *reader) cluster(ctx context.Context, y *connector.Tally) error {
	p, whole := r.plane(ctx, y)
	if !whole {
		return nil // it stays as it was last seen
	}
	is, end := supported(p.version, r.run.Now())
	c := fact.Cluster{
		Name: fact.Some(r.name), Engine: fact.Some(system), Version: fact.SomeIf(strings.TrimPrefix(p.version, "v"), p.version != ""),
		Supported: is, SupportEndsAt: end, AnonymousAccess: p.anonymous, RBAC: p.rbac, AuditLog: p.audits(), SecretsEncrypted: p.encrypts(),
	}
	if p.nodesRead {
		c.Nodes, c.OutdatedNodes = fact.Some(int64(len(p.nodes))), outdated(p.nodes, p.version, r.run.Now())
	}
	if err := r.put(y, scopeCluster, r.id(), c); err != nil {
		return err
	}
	l := fact.LogSource{Name: fact.Some("audit log of " + r.name), System: fact.Some(system), Enabled: p.audits()}
	if on, _ := l.Enabled.Get(); on {
		l.KeptDays = p.keptDays()
	}
	return r.put(y, scopeCluster, r.id("audit-log"), l)
}

// plane asks for everything about the control plane. It is whole unless something
// failed for a passing reason.
func (r *reader) plane(ctx context.Context, y *connector.Tally) (plane, bool) {
	var p plane
	whole := true
	note := func(err error, permission string) {
		y.Missing(err, permission)
		whole = whole && !passing(err)
	}
	var v struct {
		Git string `json:"gitVersion"`
	}
	err := r.api.get(ctx, "/version", &v)
	if err == nil && v.Git == "" {
		err = fmt.Errorf("version: %w", connector.ErrFormat)
	}
	note(err, "get /version")
	p.version = v.Git
	p.nodes, err = r.listNodes(ctx, y)
	p.nodesRead = err == nil
	whole = whole && !passing(err)
	pods, err := r.listPods(ctx, y)
	whole = whole && !passing(err)
	for _, pod := range pods {
		if pod.server != nil && pod.live {
			p.servers = append(p.servers, pod.server)
		}
	}
	reply, err := r.api.fetch(ctx, pathMetrics, "text/plain")
	if err == nil {
		p.metrics, err = parseMetrics(reply.Body)
	}
	note(err, "get "+pathMetrics)
	p.bindings, p.allBinds = r.rights(ctx, y)
	whole = whole && !r.rightsPassing()
	p.anonymous, err = r.anonymous(ctx, p)
	note(err, "")
	p.rbac, err = r.byRoles(ctx, p)
	note(err, "create selfsubjectaccessreviews.authorization.k8s.io")
	return p, whole
}

// audits says whether requests are logged: every API server that shows itself
// was told to, or this one counts what it logged.
func (p plane) audits() fact.Opt[bool] {
	if len(p.servers) > 0 {
		return fact.Some(!slices.ContainsFunc(p.servers, func(f *serverFlags) bool { return !f.audits() }))
	}
	return fact.SomeIf(true, p.metrics.audited > 0)
}

func (p plane) keptDays() fact.Opt[int64] {
	least := int64(0)
	for _, f := range p.servers {
		n := f.keptDays()
		if n == 0 {
			return fact.Opt[int64]{}
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return fact.SomeIf(least, least > 0)
}

// encrypts says whether Secrets are stored encrypted. A flag that is not there
// proves that they are not; that they are, only what the server counts does.
func (p plane) encrypts() fact.Opt[bool] {
	switch {
	case slices.ContainsFunc(p.servers, func(f *serverFlags) bool { return !f.mayEncrypt() }), p.metrics.plain > 0:
		return fact.Some(false)
	default:
		return fact.SomeIf(true, p.metrics.encrypted > 0)
	}
}

// public is what a binding may give to everybody without it counting: versions,
// health, and the ConfigMap that tells a new machine where the cluster is.
func public(x right) bool {
	return builtin(x) && x.binding.Role.Name == "system:public-info-viewer" ||
		x.binding.Meta.Namespace == "kube-public" && x.binding.Role.Name == "kubeadm:bootstrap-signer-clusterinfo" && !x.powers.admin && !x.powers.secrets && !x.powers.wildcard
}

// anonymous says whether somebody without a credential may do more than see
// versions and health. He is asked for the namespaces; whether he may do
// anything else, the bindings tell.
func (r *reader) anonymous(ctx context.Context, p plane) (fact.Opt[bool], error) {
	var none fact.Opt[bool]
	given := slices.ContainsFunc(p.bindings, func(x right) bool {
		return (x.subject.name == "system:anonymous" || x.subject.name == "system:unauthenticated") && x.subject.kind == "everybody" && !public(x)
	})
	refused := len(p.servers) > 0 && !slices.ContainsFunc(p.servers, func(f *serverFlags) bool { return !f.refusesAnonymous() })
	if refused {
		return fact.Some(false), nil
	}
	if r.run.Settings.Text(connector.ClientCertificate) != "" { // every request of this client bears it
		return fact.SomeIf(given, given), nil
	}
	nobody := api{http: r.api.http, base: r.api.base}
	_, err := fetchPage(ctx, nobody, listing[apiObject, apiObject]{path: "/api/v1/namespaces", accept: asMetadata, limit: 1}, "")
	var se *connector.StatusError
	switch {
	case err == nil:
		return fact.Some(true), nil
	case !errors.As(err, &se) || se.Status != http.StatusUnauthorized && se.Status != http.StatusForbidden:
		return none, fmt.Errorf("without a credential: %w", err)
	case se.Status == http.StatusUnauthorized:
		return fact.Some(false), nil
	default:
		return fact.SomeIf(given, given || p.allBinds), nil
	}
}

type apiReview struct {
	Status struct {
		Allowed bool   `json:"allowed"`
		Denied  bool   `json:"denied"`
		Reason  string `json:"reason"`
	} `json:"status"`
	Kind string `json:"kind"`
}

// may asks the API server whether our own credential may do something.
func (r *reader) may(ctx context.Context, attributes map[string]any) (apiReview, error) {
	var out apiReview
	kind := "resourceAttributes"
	if _, path := attributes["path"]; path {
		kind = "nonResourceAttributes"
	}
	err := r.api.ask(ctx, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{kind: attributes},
	}, &out)
	if err == nil && out.Kind != "SelfSubjectAccessReview" {
		err = fmt.Errorf("our own rights: %w", connector.ErrFormat)
	}
	if err != nil {
		return out, fmt.Errorf("ask for our own rights: %w", err)
	}
	return out, nil
}

// byRoles says whether rights follow roles. An answer that a role allows us
// something, and another that nobody may do what no role names, prove it; flags
// say it where they are shown, and a count of what passed without a question.
func (r *reader) byRoles(ctx context.Context, p plane) (fact.Opt[bool], error) {
	if p.metrics.alwaysAllow > 0 {
		return fact.Some(false), nil
	}
	for _, f := range p.servers {
		if is, known := f.byRoles(); known && !is {
			return fact.Some(false), nil
		}
	}
	ours, err := r.may(ctx, map[string]any{"verb": "list", "group": groupRBAC, "resource": "clusterrolebindings"})
	if err != nil {
		return fact.Opt[bool]{}, err
	}
	none, err := r.may(ctx, map[string]any{"verb": "prumo-may-not", "group": "prumo.dev", "resource": "nothing"})
	if err != nil {
		return fact.Opt[bool]{}, err
	}
	proven := ours.Status.Allowed && strings.HasPrefix(ours.Status.Reason, "RBAC: allowed by") && !none.Status.Allowed
	known := len(p.servers) > 0 && !slices.ContainsFunc(p.servers, func(f *serverFlags) bool { _, k := f.byRoles(); return !k })
	return fact.SomeIf(true, proven || known), nil
}
