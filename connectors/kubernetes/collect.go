package kubernetes

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// Names of scopes, which are also the targets of the tripwire.
const (
	scopeCluster    = "cluster"
	scopeNamespaces = "namespaces"
	scopeWorkloads  = "workloads"
	scopeGrants     = "grants"
	scopeAccounts   = "accounts"
	scopeRules      = "network rules"
	scopeIngresses  = "ingresses"
	scopeSecrets    = "secrets"
)

// A reader is one reading: it asks each thing once.
type reader struct {
	run     connector.Run
	emit    connector.Emit
	api     api
	name    string // of the cluster
	systems []string
	seen    map[string]bool // facts emitted, by kind and id

	namespaces     once[apiObject]
	nodes          once[apiNode]
	pods           once[pod]
	accounts       once[apiObject]
	policies       once[apiPolicy]
	ingresses      once[apiIngress]
	clusterRoles   once[apiRole]
	roles          once[apiRole]
	clusterBinds   once[apiBinding]
	namespaceBinds once[apiBinding]
}

func newReader(run connector.Run, emit connector.Emit) (*reader, error) {
	u, err := url.Parse(run.Settings.Text("url"))
	if err != nil || u.Host == "" || run.HTTP == nil {
		return nil, fmt.Errorf("%w: url is missing; set the address of the API server", connector.ErrSettings)
	}
	if run.Settings.Text("token") == "" && run.Settings.Text(connector.ClientCertificate) == "" {
		return nil, fmt.Errorf("%w: token is missing; set it, or a client certificate with its key", connector.ErrSettings)
	}
	name := run.Settings.Text("cluster")
	if name == "" {
		name = u.Hostname()
	}
	return &reader{
		run: run, emit: emit, api: newAPI(run), name: name, seen: map[string]bool{},
		systems: append([]string{"kube-system", "kube-public", "kube-node-lease"}, run.Settings.List("system_namespaces")...),
	}, nil
}

// A part is a scope with what fills it.
type part struct {
	name  string
	kinds []string
	fill  func(context.Context, *connector.Tally) error
}

func (r *reader) parts() []part {
	all := []part{
		{scopeGrants, []string{"grant"}, r.grants},
		{scopeAccounts, []string{"account"}, r.people},
		{scopeWorkloads, []string{"workload"}, r.workloads},
		{scopeNamespaces, []string{"cluster_namespace"}, r.spaces},
		{scopeRules, []string{"network_rule"}, r.networkRules},
		{scopeIngresses, []string{"endpoint"}, r.endpoints},
		{scopeCluster, []string{"cluster", "log_source"}, r.cluster},
	}
	if r.run.Settings.Bool("secrets") {
		all = append(all, part{scopeSecrets, []string{"secret"}, r.secrets})
	}
	return all
}

// Collect implements connector.Connector.
func (Connector) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	return r.read(ctx, r.parts())
}

// Reread implements connector.Rereader. A target is a scope, which is read again
// as a whole: a list costs the same whether one of its things changed or all.
func (Connector) Reread(ctx context.Context, run connector.Run, targets []string, emit connector.Emit) error {
	r, err := newReader(run, emit)
	if err != nil {
		return err
	}
	return r.read(ctx, slices.DeleteFunc(r.parts(), func(p part) bool { return !slices.Contains(targets, p.name) }))
}

func (r *reader) read(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if err := r.emit.Open(connector.Scope{Name: p.name, Kinds: p.kinds}); err != nil {
			return err
		}
		var y connector.Tally
		if err := p.fill(ctx, &y); err != nil {
			return err
		}
		reading, d := y.Result()
		if err := r.emit.Close(p.name, reading, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// put emits a fact. A name that no fact can have, and one that was said before,
// are the system's fault and leave the scope incomplete.
func (r *reader) put(y *connector.Tally, scope, id string, data fact.Data) error {
	key := data.Kind() + " " + id
	if r.seen[key] || fact.CheckID(id) != nil {
		y.Add(fmt.Errorf("a name that is none, or twice the same: %w", connector.ErrFormat))
		return nil
	}
	r.seen[key] = true
	return r.emit.Fact(scope, id, data)
}

// id is a fact's id: unique over clusters, since one Prumo may read several.
func (r *reader) id(parts ...string) string {
	s := system + "/" + r.name
	for _, p := range parts {
		s += "/" + p
	}
	return s
}

func (r *reader) ref(parts ...string) fact.Opt[fact.Ref] { return fact.Some(fact.Ref(r.id(parts...))) }

func (r *reader) isSystem(namespace string) bool { return slices.Contains(r.systems, namespace) }

// once is a list that is asked for when it is first needed.
type once[T any] struct {
	done  bool
	items []T
	err   error
}

// need returns a list, and notes in the tally what kept it from being read.
func need[T, U any](ctx context.Context, r *reader, o *once[U], y *connector.Tally, permission string, l listing[T, U]) ([]U, error) {
	if !o.done {
		o.items, o.err = list(ctx, r.api, l)
		o.done = true
	}
	y.Missing(o.err, permission)
	return o.items, o.err
}

func same[T any](check func(T) error) func(T) (T, error) {
	return func(v T) (T, error) { return v, check(v) }
}

func (r *reader) listNamespaces(ctx context.Context, y *connector.Tally) ([]apiObject, error) {
	return need(ctx, r, &r.namespaces, y, "list namespaces", listing[apiObject, apiObject]{
		path: "/api/v1/namespaces", accept: asMetadata, take: same(func(o apiObject) error { return o.Meta.check(false) }),
	})
}

func (r *reader) listNodes(ctx context.Context, y *connector.Tally) ([]apiNode, error) {
	return need(ctx, r, &r.nodes, y, "list nodes", listing[apiNode, apiNode]{
		path: "/api/v1/nodes", limit: 100, take: same(func(o apiNode) error { return o.Meta.check(false) }),
	})
}

func (r *reader) listPods(ctx context.Context, y *connector.Tally) ([]pod, error) {
	return need(ctx, r, &r.pods, y, "list pods", listing[apiPod, pod]{path: "/api/v1/pods", limit: podPage, take: readPod})
}

func (r *reader) listAccounts(ctx context.Context, y *connector.Tally) ([]apiObject, error) {
	return need(ctx, r, &r.accounts, y, "list serviceaccounts", listing[apiObject, apiObject]{
		path: "/api/v1/serviceaccounts", accept: asMetadata, take: same(func(o apiObject) error { return o.Meta.check(true) }),
	})
}

func (r *reader) listPolicies(ctx context.Context, y *connector.Tally) ([]apiPolicy, error) {
	return need(ctx, r, &r.policies, y, "list networkpolicies."+groupNetwork, listing[apiPolicy, apiPolicy]{
		path: "/apis/" + groupNetwork + "/v1/networkpolicies", take: same(func(o apiPolicy) error { return o.Meta.check(true) }),
	})
}

func (r *reader) listIngresses(ctx context.Context, y *connector.Tally) ([]apiIngress, error) {
	return need(ctx, r, &r.ingresses, y, "list ingresses."+groupNetwork, listing[apiIngress, apiIngress]{
		path: "/apis/" + groupNetwork + "/v1/ingresses", take: same(func(o apiIngress) error { return o.Meta.check(true) }),
	})
}

func (r *reader) listRoles(ctx context.Context, y *connector.Tally, o *once[apiRole], resource string) ([]apiRole, error) {
	return need(ctx, r, o, y, "list "+resource+"."+groupRBAC, listing[apiRole, apiRole]{
		path: "/apis/" + groupRBAC + "/v1/" + resource, take: same(func(v apiRole) error { return v.Meta.check(resource == "roles") }),
	})
}

func (r *reader) listBindings(ctx context.Context, y *connector.Tally, o *once[apiBinding], resource string) ([]apiBinding, error) {
	return need(ctx, r, o, y, "list "+resource+"."+groupRBAC, listing[apiBinding, apiBinding]{
		path: "/apis/" + groupRBAC + "/v1/" + resource, take: same(func(v apiBinding) error { return v.Meta.check(resource == "rolebindings") }),
	})
}
