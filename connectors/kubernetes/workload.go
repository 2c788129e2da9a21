package kubernetes

import (
	"cmp"
	"context"
	"slices"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// A workload is the Pods that one thing made.
type workload struct {
	namespace string
	owner     owner
	live      int
	pods      []pod
}

// workloads emits one fact for everything that made Pods.
func (r *reader) workloads(ctx context.Context, y *connector.Tally) error {
	pods, err := r.listPods(ctx, y)
	if err != nil {
		return nil //nolint:nilerr // the tally holds it; half a list would say too little of each workload
	}
	for _, w := range group(pods) {
		id := r.id("workload", w.namespace, w.owner.kind, w.owner.name)
		if err := r.put(y, scopeWorkloads, id, r.describe(w)); err != nil {
			return err
		}
	}
	return nil
}

// group sorts Pods by what made them. Finished ones count only where none runs:
// they show how the thing is defined, but not how it was mended since.
func group(pods []pod) []workload {
	type key struct {
		namespace string
		owner     owner
	}
	by := map[key]*workload{}
	for _, p := range pods {
		k := key{p.namespace, p.owner}
		w := by[k]
		if w == nil {
			w = &workload{namespace: p.namespace, owner: p.owner}
			by[k] = w
		}
		if p.live {
			w.live++
		}
		w.pods = append(w.pods, p)
	}
	var out []workload
	for _, w := range by {
		if w.live > 0 {
			w.pods = slices.DeleteFunc(w.pods, func(p pod) bool { return !p.live })
		}
		out = append(out, *w)
	}
	slices.SortFunc(out, func(a, b workload) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.owner.kind, b.owner.kind), cmp.Compare(a.owner.name, b.owner.name))
	})
	return out
}

func (r *reader) describe(w workload) fact.Workload {
	any := func(f func(pod) bool) fact.Opt[bool] { return fact.Some(slices.ContainsFunc(w.pods, f)) }
	every := func(f func(pod) bool) fact.Opt[bool] {
		return fact.Some(!slices.ContainsFunc(w.pods, func(p pod) bool { return !f(p) }))
	}
	all := func(f func(pod) []string) []string {
		var out []string
		for _, p := range w.pods {
			out = append(out, f(p)...)
		}
		return unique(out)
	}
	images := all(func(p pod) []string { return p.images })
	d := fact.Workload{
		Name: fact.Some(w.namespace + "/" + w.owner.name), Type: fact.Some(w.owner.kind), Cluster: r.ref(),
		Namespace: r.ref("namespace", w.namespace), System: fact.Some(r.isSystem(w.namespace)), Replicas: fact.Some(int64(w.live)),
		Images: fact.Some(images), ImagesPinned: fact.Some(!slices.ContainsFunc(images, func(i string) bool { return !pinned(i) })),
		LatestTags:  fact.Some(slices.DeleteFunc(slices.Clone(images), func(i string) bool { return !movingTag(i) })),
		Privileged:  any(func(p pod) bool { return p.privileged }),
		HostNetwork: any(func(p pod) bool { return p.network }), HostPID: any(func(p pod) bool { return p.pid }), HostIPC: any(func(p pod) bool { return p.ipc }),
		HostPaths:      fact.Some(all(func(p pod) []string { return p.paths })),
		Capabilities:   fact.Some(all(func(p pod) []string { return p.capabilities })),
		LiteralSecrets: fact.Some(all(func(p pod) []string { return p.literals })),
		ServiceAccount: fact.Some(w.namespace + "/" + w.pods[0].account),
		TokenMounted:   any(func(p pod) bool { return p.token }),
		Limits:         every(func(p pod) bool { return p.limits }),
	}
	if !slices.ContainsFunc(w.pods, func(p pod) bool { return p.windows }) { // these are Linux' alone
		d.RunsAsRoot = any(func(p pod) bool { return p.root })
		d.PrivilegeEscalation = any(func(p pod) bool { return p.escalation })
		d.Seccomp = every(func(p pod) bool { return p.seccomp })
		d.ReadOnlyRoot = every(func(p pod) bool { return p.readOnly })
	}
	return d
}
