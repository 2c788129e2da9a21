package kubernetes

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/connector"
)

// What Kubernetes says of Pods, as far as it is read.
type (
	apiProfile struct {
		Type string `json:"type"`
	}
	apiSecurity struct {
		Privileged   *bool       `json:"privileged"`
		User         *int64      `json:"runAsUser"`
		NonRoot      *bool       `json:"runAsNonRoot"`
		Escalation   *bool       `json:"allowPrivilegeEscalation"`
		ReadOnly     *bool       `json:"readOnlyRootFilesystem"`
		Seccomp      *apiProfile `json:"seccompProfile"`
		Capabilities *struct {
			Add []string `json:"add"`
		} `json:"capabilities"`
	}
	apiResources struct {
		Limits map[string]any `json:"limits"`
	}
	apiContainer struct {
		Name     string       `json:"name"`
		Image    string       `json:"image"`
		Command  []string     `json:"command"`
		Args     []string     `json:"args"`
		Security *apiSecurity `json:"securityContext"`
		Env      []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"env"`
		Mounts []struct {
			Name string `json:"name"`
		} `json:"volumeMounts"`
		Resources apiResources `json:"resources"`
	}
	apiVolume struct {
		Name     string `json:"name"`
		HostPath *struct {
			Path string `json:"path"`
		} `json:"hostPath"`
		Projected *struct {
			Sources []struct {
				Token *struct {
					Audience string `json:"audience"`
				} `json:"serviceAccountToken"`
			} `json:"sources"`
		} `json:"projected"`
	}
	apiPod struct {
		Meta apiMeta `json:"metadata"`
		Spec struct {
			Node       string         `json:"nodeName"`
			Account    string         `json:"serviceAccountName"`
			Network    bool           `json:"hostNetwork"`
			PID        bool           `json:"hostPID"`
			IPC        bool           `json:"hostIPC"`
			Security   *apiSecurity   `json:"securityContext"`
			Init       []apiContainer `json:"initContainers"`
			Containers []apiContainer `json:"containers"`
			Ephemeral  []apiContainer `json:"ephemeralContainers"`
			Volumes    []apiVolume    `json:"volumes"`
			Resources  apiResources   `json:"resources"`
			OS         *struct {
				Name string `json:"name"`
			} `json:"os"`
		} `json:"spec"`
		Status struct {
			Phase string `json:"phase"`
		} `json:"status"`
	}
)

// A pod is what matters of a Pod. It holds no value of its environment.
type pod struct {
	namespace string
	owner     owner
	live      bool
	account   string
	token     bool

	privileged, root, escalation bool
	network, pid, ipc            bool
	seccomp, readOnly, limits    bool
	windows                      bool

	images, paths, capabilities, literals []string

	server *serverFlags // of an API server's own Pod
}

// An owner is what made a Pod, as far up as its own names lead.
type owner struct{ kind, name string }

// readPod sums a Pod up.
func readPod(a apiPod) (pod, error) {
	if err := a.Meta.check(true); err != nil {
		return pod{}, err
	}
	if len(a.Spec.Containers) == 0 {
		return pod{}, errNoContainer
	}
	p := pod{
		namespace: a.Meta.Namespace, owner: topOwner(a), live: a.Status.Phase != "Succeeded" && a.Status.Phase != "Failed",
		network: a.Spec.Network, pid: a.Spec.PID, ipc: a.Spec.IPC, seccomp: true, readOnly: true, limits: true,
		windows: a.Spec.OS != nil && a.Spec.OS.Name == "windows", account: a.Spec.Account, server: readServer(a),
	}
	if p.account == "" {
		p.account = "default"
	}
	tokens := map[string]bool{}
	for _, v := range a.Spec.Volumes {
		if v.HostPath != nil {
			p.paths = append(p.paths, v.HostPath.Path)
		}
		tokens[v.Name] = v.holdsToken()
	}
	whole := limited(a.Spec.Resources)
	for _, c := range slices.Concat(a.Spec.Init, a.Spec.Containers) {
		p.add(c, a.Spec.Security, tokens)
		p.limits = p.limits && (whole || limited(c.Resources))
	}
	for _, c := range a.Spec.Ephemeral { // these can have no limits
		p.add(c, a.Spec.Security, tokens)
	}
	return p, nil
}

func limited(r apiResources) bool { _, ok := r.Limits["memory"]; return ok }

// holdsToken reports a token that the API server itself takes.
func (v apiVolume) holdsToken() bool {
	if v.Projected == nil {
		return false
	}
	for _, s := range v.Projected.Sources {
		if s.Token != nil && s.Token.Audience == "" {
			return true
		}
	}
	return false
}

// add takes a container in: one is enough to weaken the Pod.
func (p *pod) add(c apiContainer, whole *apiSecurity, tokens map[string]bool) {
	s := effective(c.Security, whole)
	privileged := is(s.Privileged, false)
	p.privileged = p.privileged || privileged
	p.root = p.root || mayBeRoot(s)
	p.escalation = p.escalation || privileged || is(s.Escalation, true) || slices.ContainsFunc(s.added(), func(c string) bool { return c == "SYS_ADMIN" || c == "ALL" })
	p.seccomp = p.seccomp && !privileged && s.Seccomp != nil && (s.Seccomp.Type == "RuntimeDefault" || s.Seccomp.Type == "Localhost")
	p.readOnly = p.readOnly && is(s.ReadOnly, false)
	p.capabilities = append(p.capabilities, s.added()...)
	p.images = append(p.images, c.Image)
	for _, e := range c.Env {
		if looksSecret(e.Name, e.Value) {
			p.literals = append(p.literals, c.Name+"/"+e.Name)
		}
	}
	for _, m := range c.Mounts {
		p.token = p.token || tokens[m.Name]
	}
}

func is(b *bool, otherwise bool) bool {
	if b == nil {
		return otherwise
	}
	return *b
}

// effective lays a container's settings over those of its Pod. Only these three
// exist for a Pod as a whole; the others are a container's alone.
func effective(c, whole *apiSecurity) apiSecurity {
	var s apiSecurity
	if c != nil {
		s = *c
	}
	if whole == nil {
		return s
	}
	if s.User == nil {
		s.User = whole.User
	}
	if s.NonRoot == nil {
		s.NonRoot = whole.NonRoot
	}
	if s.Seccomp == nil {
		s.Seccomp = whole.Seccomp
	}
	return s
}

// mayBeRoot reports that nothing keeps a container from running as root: its
// image decides, and the image may say root.
func mayBeRoot(s apiSecurity) bool {
	if s.User != nil {
		return *s.User == 0
	}
	return !is(s.NonRoot, false)
}

func (s apiSecurity) added() []string {
	if s.Capabilities == nil {
		return nil
	}
	var out []string
	for _, c := range s.Capabilities.Add {
		out = append(out, strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	return out
}

var cronRun = regexp.MustCompile(`-[0-9]{8,10}$`)

// topOwner names what made a Pod without asking for it: a ReplicaSet of a
// Deployment has the Deployment's name and the hash that its Pods are labelled
// with; a Job of a CronJob has its name and a minute. A static Pod bears its
// machine's name, and stands for the same on every machine.
func topOwner(a apiPod) owner {
	for _, o := range a.Meta.Owners {
		if !o.Controller {
			continue
		}
		hash := a.Meta.Labels["pod-template-hash"]
		switch {
		case o.Kind == "ReplicaSet" && hash != "" && strings.HasSuffix(o.Name, "-"+hash):
			return owner{"Deployment", strings.TrimSuffix(o.Name, "-"+hash)}
		case o.Kind == "Job" && cronRun.MatchString(o.Name):
			return owner{"CronJob", cronRun.ReplaceAllString(o.Name, "")}
		case o.Kind == "Node" && a.static():
			return owner{"StaticPod", strings.TrimSuffix(a.Meta.Name, "-"+a.Spec.Node)}
		default:
			return owner{o.Kind, o.Name}
		}
	}
	if a.static() {
		return owner{"StaticPod", strings.TrimSuffix(a.Meta.Name, "-"+a.Spec.Node)}
	}
	return owner{"Pod", a.Meta.Name}
}

// static reports a Pod that a machine runs from a file of its own.
func (a apiPod) static() bool {
	return a.Meta.Annotations["kubernetes.io/config.mirror"] != "" && a.Spec.Node != ""
}

var (
	secretName  = regexp.MustCompile(`(?i)(^|[_.-]|[a-z])(password|passwd|passphrase|pwd|secret|token|(?:api|private|access|secret|signing|encryption|master|license)[_-]?key|credentials?)$`)
	secretURL   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@`)
	reference   = regexp.MustCompile(`^\$\([A-Za-z0-9_.-]+\)$`)
	filePath    = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+){2,}/?$`)
	plainAnswer = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|none|null|[0-9]{1,5})$`)
)

// looksSecret reports a variable that holds a secret in the definition: by its
// name, unless its value is plainly none (a path, a switch, another variable),
// or by an address with a password in it.
func looksSecret(name, value string) bool {
	if m := secretURL.FindStringSubmatch(value); m != nil && !reference.MatchString(m[1]) {
		return true
	}
	if value == "" || !secretName.MatchString(name) {
		return false
	}
	return !reference.MatchString(value) && !filePath.MatchString(value) && !plainAnswer.MatchString(value)
}

// movingTag reports an image named by a tag that moves. A digest does not move,
// whatever tag stands before it.
func movingTag(image string) bool {
	if pinned(image) {
		return false
	}
	_, last, found := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return !found || last == "latest"
}

var digest = regexp.MustCompile(`@[a-z0-9+._-]+:[0-9a-f]{32,}$`)

func pinned(image string) bool { return digest.MatchString(image) }

func unique(all []string) []string {
	set := map[string]bool{}
	for _, s := range all {
		set[s] = true
	}
	out := slices.Sorted(maps.Keys(set))
	if out == nil {
		out = []string{}
	}
	return out
}

var errNoContainer = wrapFormat("a Pod without containers")

func wrapFormat(what string) error { return formatError{what} }

// A formatError is an answer that is not as documented.
type formatError struct{ what string }

func (e formatError) Error() string { return e.what }
func (e formatError) Unwrap() error { return connector.ErrFormat }
