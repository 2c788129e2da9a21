package kubernetes

import (
	"slices"
	"strconv"
	"strings"
)

// ServerFlags are the settings that an API server was started with, where it
// runs as a Pod that the cluster shows. Those of a managed cluster do not.
type serverFlags struct {
	values map[string]string
}

// readServer reads the flags of an API server's own Pod. Only a machine runs
// static Pods, so that nobody can have said this by making a Pod by that name.
func readServer(a apiPod) *serverFlags {
	if a.Meta.Namespace != "kube-system" || !a.static() || !ownedByNode(a) || a.Meta.Labels["component"] != "kube-apiserver" {
		return nil
	}
	for _, c := range a.Spec.Containers {
		words := slices.Concat(c.Command, c.Args)
		if c.Name == "kube-apiserver" && len(words) > 1 {
			return &serverFlags{values: readFlags(words)}
		}
	}
	return nil
}

func ownedByNode(a apiPod) bool {
	return slices.ContainsFunc(a.Meta.Owners, func(o apiOwner) bool { return o.Kind == "Node" && o.Name == a.Spec.Node })
}

// readFlags reads --name=value and --name value; a switch alone is true.
func readFlags(words []string) map[string]string {
	out := map[string]string{}
	for i, w := range words {
		name, ok := strings.CutPrefix(w, "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "--") {
				value = words[i+1]
			}
		}
		out[strings.ReplaceAll(name, "_", "-")] = value
	}
	return out
}

// audits reports that requests are logged: a policy says which, and without one
// none is, and there is somewhere to write them to.
func (f *serverFlags) audits() bool {
	return f.values["audit-policy-file"] != "" && (f.values["audit-log-path"] != "" || f.values["audit-webhook-config-file"] != "")
}

// keptDays is how long the log's files are kept; 0: it does not say.
func (f *serverFlags) keptDays() int64 {
	n, err := strconv.ParseInt(f.values["audit-log-maxage"], 10, 32)
	if err != nil || n < 0 || f.values["audit-log-path"] == "" {
		return 0
	}
	return n
}

// mayEncrypt reports that a file says how objects are stored; what the file says
// is not shown, so this alone proves nothing.
func (f *serverFlags) mayEncrypt() bool { return f.values["encryption-provider-config"] != "" }

func (f *serverFlags) refusesAnonymous() bool { return f.values["anonymous-auth"] == "false" }

// byRoles reports whether rights follow roles; known is false where a file that
// is not shown says it.
func (f *serverFlags) byRoles() (is, known bool) {
	if f.values["authorization-config"] != "" {
		return false, false
	}
	modes := strings.Split(f.values["authorization-mode"], ",")
	return slices.Contains(modes, "RBAC") && !slices.Contains(modes, "AlwaysAllow"), true
}
