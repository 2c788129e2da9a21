package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// everyPod reports a selector that leaves nobody out.
func (s apiSelector) everyPod() bool { return len(s.Labels) == 0 && len(s.Expressions) == 0 }

// everything reports a rule that lets all traffic pass.
func (t apiTraffic) everything(in bool) bool {
	peers := t.To
	if in {
		peers = t.From
	}
	return len(peers) == 0 && len(t.Ports) == 0
}

// governs reports whether a policy limits a direction. The server fills the
// types in; without them a policy limits what comes in.
func (p apiPolicy) governs(in bool) bool {
	if len(p.Spec.Types) == 0 {
		return in || len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.Types, map[bool]string{true: "Ingress", false: "Egress"}[in])
}

func (p apiPolicy) traffic(in bool) []apiTraffic {
	if in {
		return p.Spec.Ingress
	}
	return p.Spec.Egress
}

// defaultDeny reports that a policy over every Pod of a namespace refuses what
// none allows, and that none allows everything to everybody.
func defaultDeny(policies []apiPolicy, in bool) bool {
	deny := false
	for _, p := range policies {
		if !p.governs(in) || !p.Spec.Pods.everyPod() {
			continue
		}
		deny = true
		if slices.ContainsFunc(p.traffic(in), func(t apiTraffic) bool { return t.everything(in) }) {
			return false
		}
	}
	return deny
}

const labelEnforce = "pod-security.kubernetes.io/enforce"

// spaces emits the namespaces.
func (r *reader) spaces(ctx context.Context, y *connector.Tally) error {
	spaces, err := r.listNamespaces(ctx, y)
	if err != nil {
		return nil //nolint:nilerr // the tally holds it
	}
	policies, errP := r.listPolicies(ctx, y)
	pods, errPods := r.listPods(ctx, y)
	if passing(errP) || passing(errPods) {
		return nil // they stay as they were last seen
	}
	by, running := map[string][]apiPolicy{}, map[string]int64{}
	for _, p := range policies {
		by[p.Meta.Namespace] = append(by[p.Meta.Namespace], p)
	}
	for _, p := range pods {
		if p.live {
			running[p.namespace]++
		}
	}
	for _, s := range spaces {
		name := s.Meta.Name
		n := fact.Namespace{
			Name: fact.Some(name), Cluster: r.ref(), System: fact.Some(r.isSystem(name)), Workloads: fact.SomeIf(running[name], errPods == nil),
			NetworkPolicies:    fact.SomeIf(int64(len(by[name])), errP == nil),
			DefaultDenyIngress: fact.SomeIf(defaultDeny(by[name], true), errP == nil),
			DefaultDenyEgress:  fact.SomeIf(defaultDeny(by[name], false), errP == nil),
		}
		level, said := s.Meta.Labels[labelEnforce]
		if !said {
			level = "none"
		}
		n.PodSecurity = fact.SomeIf(level, slices.Contains([]string{"none", "privileged", "baseline", "restricted"}, level))
		if err := r.put(y, scopeNamespaces, r.id("namespace", name), n); err != nil {
			return err
		}
	}
	return nil
}

// networkRules emits what the network policies let through: one fact for each
// rule and port.
func (r *reader) networkRules(ctx context.Context, y *connector.Tally) error {
	policies, err := r.listPolicies(ctx, y)
	if err != nil {
		return nil //nolint:nilerr // the tally holds it
	}
	for _, p := range policies {
		for _, in := range []bool{true, false} {
			if !p.governs(in) {
				continue
			}
			for i, t := range p.traffic(in) {
				if err := r.networkRule(y, p, t, in, i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *reader) networkRule(y *connector.Tally, p apiPolicy, t apiTraffic, in bool, number int) error {
	direction, peers := "out", t.To
	if in {
		direction, peers = "in", t.From
	}
	networks, anywhere := others(peers)
	ports := t.Ports
	if len(ports) == 0 {
		ports = []apiPort{{Protocol: "any"}}
	}
	for j, port := range ports {
		from, to, known := port.span()
		protocol := strings.ToLower(port.Protocol)
		if protocol == "" {
			protocol = "tcp"
		}
		f := fact.NetworkRule{
			Name: fact.Some(fmt.Sprintf("%s %s %d", p.Meta.full(), direction, number+1)), Group: fact.Some(p.Meta.full()), Direction: fact.Some(direction),
			Allow: fact.Some(true), Protocol: fact.Some(protocol), FromPort: fact.SomeIf(from, known), ToPort: fact.SomeIf(to, known),
			Networks: fact.Some(networks), Anywhere: fact.Some(anywhere),
		}
		id := r.id("networkpolicy", p.Meta.full(), direction, strconv.Itoa(number), strconv.Itoa(j))
		if err := r.put(y, scopeRules, id, f); err != nil {
			return err
		}
	}
	return nil
}

// others lists the other side of a rule: addresses, or Pods by namespace.
func others(peers []apiPeer) (networks []string, anywhere bool) {
	networks = []string{}
	for _, p := range peers {
		switch {
		case p.Block != nil:
			networks = append(networks, p.Block.CIDR)
			anywhere = anywhere || p.Block.CIDR == "0.0.0.0/0" || p.Block.CIDR == "::/0"
		case p.Namespaces != nil:
			networks = append(networks, "Pods of other namespaces")
		default:
			networks = append(networks, "Pods of the namespace")
		}
	}
	return unique(networks), anywhere || len(peers) == 0
}

// span is the range of ports; a port that is named is not known.
func (p apiPort) span() (from, to int64, known bool) {
	if len(p.Port) == 0 || string(p.Port) == "null" {
		return 0, 65535, true
	}
	var n int64
	if json.Unmarshal(p.Port, &n) != nil || n < 0 || n > 65535 {
		return 0, 0, false
	}
	return n, max(n, min(p.End, 65535)), true
}

// endpoints emits the hosts that ingresses serve. Whether they answer, and with
// which certificate, a look from outside tells (connector edge).
func (r *reader) endpoints(ctx context.Context, y *connector.Tally) error {
	all, err := r.listIngresses(ctx, y)
	if err != nil {
		return nil //nolint:nilerr // the tally holds it
	}
	for _, i := range all {
		for _, host := range i.hosts() {
			tls, known := i.encrypts(host)
			e := fact.Endpoint{Host: fact.Some(host), TLS: fact.SomeIf(tls, known), Web: fact.Some(true)}
			if known {
				e.Port = fact.Some(map[bool]int64{true: 443, false: 80}[tls])
			}
			if err := r.put(y, scopeIngresses, r.id("ingress", i.Meta.full(), host), e); err != nil {
				return err
			}
		}
	}
	return nil
}

// hosts are those of the rules; a rule without a host is for every host, "*".
func (i apiIngress) hosts() []string {
	var out []string
	for _, rule := range i.Spec.Rules {
		host := strings.ToLower(rule.Host)
		if host == "" {
			host = "*"
		}
		out = append(out, host)
	}
	if len(i.Spec.Default) > 0 && string(i.Spec.Default) != "null" || len(out) == 0 {
		out = append(out, "*")
	}
	return unique(out)
}

// encrypts reports whether the ingress has a certificate for a host. Some load
// balancers are given theirs by annotation, and the ingress then does not say.
func (i apiIngress) encrypts(host string) (tls, known bool) {
	for _, t := range i.Spec.TLS {
		if len(t.Hosts) == 0 {
			return true, true // for every host
		}
		for _, h := range t.Hosts {
			if covers(strings.ToLower(h), host) {
				return true, true
			}
		}
	}
	for k := range i.Meta.Annotations {
		if slices.Contains([]string{
			"alb.ingress.kubernetes.io/certificate-arn", "ingress.gcp.kubernetes.io/pre-shared-cert", "networking.gke.io/managed-certificates",
			"networking.gke.io/certmap", "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
		}, k) {
			return false, false
		}
	}
	return false, true
}

// covers follows RFC 6125: a star stands for one label, the first.
func covers(pattern, host string) bool {
	if pattern == host {
		return true
	}
	rest, star := strings.CutPrefix(pattern, "*.")
	_, parent, _ := strings.Cut(host, ".")
	return star && rest != "" && parent == rest && !strings.HasPrefix(host, "*")
}
