package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// maxAsked is in how many namespaces we ask what we may do; maxExcess is how many
// needless rights are named.
const (
	maxAsked  = 100
	maxExcess = 20
)

// Identify implements connector.Identifier. The API server says itself who we
// are and what we may do, namespace by namespace.
func (Connector) Identify(ctx context.Context, run connector.Run) (connector.Identity, error) {
	r, err := newReader(run, nil)
	if err != nil {
		return connector.Identity{}, err
	}
	var id connector.Identity
	var v struct {
		Git string `json:"gitVersion"`
	}
	if err := r.api.get(ctx, "/version", &v); err != nil {
		return id, fmt.Errorf("version: %w", err)
	}
	id.System = "Kubernetes " + strings.TrimPrefix(v.Git, "v")
	if id.Name, err = r.whoami(ctx); err != nil {
		return id, err
	}
	secrets := run.Settings.Bool("secrets")
	for _, w := range wants() {
		if w.resource == "secrets" && !secrets {
			continue
		}
		attributes := map[string]any{"verb": "list", "group": w.group, "resource": w.resource}
		if w.path != "" {
			attributes = map[string]any{"verb": "get", "path": w.path}
		}
		answer, err := r.may(ctx, attributes)
		if err != nil {
			return id, err
		}
		if !answer.Status.Allowed {
			id.Missing = append(id.Missing, w.name())
		}
	}
	rules, whole, err := r.ourRules(ctx)
	if err != nil {
		return id, err
	}
	only := true
	for _, rule := range rules {
		only = only && rule.readsOnly()
		id.Excess = append(id.Excess, rule.excess(secrets)...)
	}
	id.ReadOnly = fact.SomeIf(only, whole || !only)
	if id.Excess = unique(id.Excess); len(id.Excess) > maxExcess {
		id.Excess = append(id.Excess[:maxExcess], fmt.Sprintf("and %d more", len(id.Excess)-maxExcess))
	}
	if len(id.Excess) == 0 {
		id.Excess = nil
	}
	return id, nil
}

// whoami is our own name. Servers before 1.28 do not tell.
func (r *reader) whoami(ctx context.Context) (string, error) {
	var out struct {
		Status struct {
			User struct {
				Name string `json:"username"`
			} `json:"userInfo"`
		} `json:"status"`
	}
	err := r.api.ask(ctx, "/apis/authentication.k8s.io/v1/selfsubjectreviews", map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
	}, &out)
	if err != nil && (passing(err) || refusedCredential(err)) {
		return "", fmt.Errorf("whose credential it is: %w", err)
	}
	return out.Status.User.Name, nil
}

// refusedCredential tells a credential that is none from one that may not ask.
func refusedCredential(err error) bool {
	_, d := connector.Honest(err)
	return d.Status == 401
}

// ourRules asks what we may do in each namespace. It is whole if the API server
// knew all of it and no namespace was left out.
func (r *reader) ourRules(ctx context.Context) ([]apiRule, bool, error) {
	names := []string{"default", "kube-system"}
	var y connector.Tally
	spaces, err := r.listNamespaces(ctx, &y)
	whole := err == nil
	for _, s := range spaces {
		names = append(names, s.Meta.Name)
	}
	if names = unique(names); len(names) > maxAsked {
		names, whole = names[:maxAsked], false
	}
	var all []apiRule
	for _, name := range names {
		var out struct {
			Kind   string `json:"kind"`
			Status struct {
				Resources    []apiRule `json:"resourceRules"`
				NonResources []struct {
					Verbs []string `json:"verbs"`
					Paths []string `json:"nonResourceURLs"`
				} `json:"nonResourceRules"`
				Incomplete bool `json:"incomplete"`
			} `json:"status"`
		}
		err := r.api.ask(ctx, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", map[string]any{
			"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": map[string]any{"namespace": name},
		}, &out)
		if err == nil && out.Kind != "SelfSubjectRulesReview" {
			err = wrapFormat("rules of another kind")
		}
		if err != nil {
			return all, false, fmt.Errorf("ask for our own rules: %w", err)
		}
		whole = whole && !out.Status.Incomplete
		all = append(all, out.Status.Resources...)
		for _, n := range out.Status.NonResources {
			all = append(all, apiRule{Verbs: n.Verbs, Paths: n.Paths})
		}
	}
	return all, whole, nil
}

// aboutOurselves are the questions that everybody who signed in may ask.
func aboutOurselves(resource string) bool {
	return slices.Contains([]string{"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}, resource)
}

// readsOnly reports that a rule lets nothing be changed. Some subresources act
// when they are read: a shell in a container is opened with a GET.
func (r apiRule) readsOnly() bool {
	acts := slices.ContainsFunc(r.Resources, func(s string) bool {
		_, sub, _ := strings.Cut(s, "/")
		return slices.Contains([]string{"exec", "attach", "portforward", "proxy", "*"}, sub) || s == "*"
	})
	about := len(r.Resources) > 0 && !slices.ContainsFunc(r.Resources, func(s string) bool { return !aboutOurselves(s) })
	reads := !slices.ContainsFunc(r.Verbs, func(v string) bool {
		return !slices.Contains([]string{"get", "list", "watch", "head"}, v)
	})
	return about || reads && !acts
}

// excess names what a rule allows beyond what a reading needs.
func (r apiRule) excess(secrets bool) []string {
	var out []string
	for _, v := range r.Verbs {
		for _, p := range r.Paths {
			if v != "get" && v != "head" {
				out = append(out, v+" "+p)
			}
		}
		for _, g := range r.Groups {
			for _, res := range r.Resources {
				if !needed(v, g, res, secrets) {
					out = append(out, strings.TrimSuffix(v+" "+res+"."+g, "."))
				}
			}
		}
	}
	return out
}

func needed(verb, group, resource string, secrets bool) bool {
	if aboutOurselves(resource) || resource == "clustertrustbundles" && slices.Contains([]string{"get", "list", "watch"}, verb) {
		return true // every account has these
	}
	return slices.ContainsFunc(wants(), func(w want) bool {
		return verb == "list" && w.group == group && w.resource == resource && (resource != "secrets" || secrets)
	})
}
