package kubernetes

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/testkit"
)

type object = map[string]any

// A world is a real API server with things in it, read with the credential that
// our own manifest makes.
type world struct {
	*testkit.KubernetesServer
	t      *testing.T
	set    *check.Set
	token  string
	before map[string]string // hashes of the tripwire
}

func newWorld(t *testing.T, cfg testkit.KubernetesConfig) *world {
	t.Helper()
	w := &world{KubernetesServer: testkit.Kubernetes(t, cfg), t: t}
	var problems []check.Problem
	if w.set, problems = check.LoadAll(check.NamedFS{Name: "checks", FS: checks.Files()}); problems != nil {
		t.Fatal(problems)
	}
	w.apply(New().(connector.Manifester).Manifest(New().Info().Kinds).Text)
	w.token = w.TokenOf("prumo", "prumo-reader")
	for _, ns := range []string{"shop", "lab"} {
		w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + ns + "}}")
		w.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: " + ns + "}}")
	}
	w.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: kube-system}}")
	return w
}

// home is where objects of a kind live.
func home(t *testing.T, o object) string {
	t.Helper()
	api, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	meta, _ := o["metadata"].(object)
	base := "/api/" + api
	if strings.Contains(api, "/") {
		base = "/apis/" + api
	}
	if ns, ok := meta["namespace"].(string); ok {
		base += "/namespaces/" + ns
	}
	plural := strings.ToLower(kind) + "s"
	switch kind {
	case "NetworkPolicy":
		plural = "networkpolicies"
	case "Ingress":
		plural = "ingresses"
	}
	return base + "/" + plural
}

// apply makes the objects of a YAML text.
func (w *world) apply(text string) {
	w.t.Helper()
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.t.Fatal(err)
		}
		w.Must("POST", home(w.t, o), o)
	}
}

// settings are the source's; token "" is the manifest's.
func (w *world) settings(token string) map[string]any {
	if token == "" {
		token = w.token
	}
	return map[string]any{"url": w.URL, "ca": w.CA, "token": token, "cluster": "test"}
}

func (w *world) runWith(raw map[string]any) connector.Run {
	w.t.Helper()
	info := New().Info()
	s, err := connector.Check(info, raw, connector.FromConsole)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg, err := connector.TLSOf(info, s)
	if err != nil {
		w.t.Fatal(err)
	}
	dial := connector.NewDialer(connector.NetworkPolicy{AllowAll: true})
	c := connector.NewClient(connector.ClientConfig{
		Hosts: connector.HostsOf(info, s), Dial: dial, TLS: cfg, Rate: -1, Attempts: 1, Attempt: 20 * time.Second, Secrets: connector.SecretsOf(info, s),
	})
	w.t.Cleanup(c.CloseIdleConnections)
	return connector.Run{Source: "k8s", Settings: s, HTTP: c, Dial: dial, Now: time.Now, Memo: connector.NewMemo(1<<20, time.Now)}
}

func (w *world) run() connector.Run { return w.runWith(w.settings("")) }

func (w *world) collect(run connector.Run) *connector.Memory {
	w.t.Helper()
	m := connector.Record()
	m.Source, m.Origin, m.At = "k8s", fact.OriginAPI, time.Now()
	if err := New().Collect(w.t.Context(), run, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// whole reads everything and demands that every scope be complete.
func (w *world) whole() *connector.Memory {
	w.t.Helper()
	m := w.collect(w.run())
	for _, s := range m.Scopes() {
		if s.Reading != fact.Complete {
			w.t.Errorf("scope %s is %s: %s (%s)", s.Scope.Name, s.Reading, s.Detail.Why, s.Detail.Permission)
		}
	}
	return m
}

// look returns the targets that the tripwire sees changed since the last look.
func (w *world) look() []string {
	w.t.Helper()
	now, err := Connector{}.Tripwire(w.t.Context(), w.run())
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for k, v := range now {
		if w.before != nil && w.before[k] != v {
			out = append(out, k)
		}
	}
	w.before = now
	slices.Sort(out)
	return out
}

// noticed reads again what the tripwire saw, as the product does.
func (w *world) noticed() *connector.Memory {
	w.t.Helper()
	targets := w.look()
	if len(targets) == 0 {
		w.t.Fatal("the tripwire saw nothing")
	}
	m := connector.Record()
	m.Source, m.Origin, m.At = "k8s", fact.OriginAPI, time.Now()
	if err := (Connector{}).Reread(w.t.Context(), w.run(), targets, m); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// says judges a fact as the engine would.
func (w *world) says(id string, m *connector.Memory, factID string) check.Outcome {
	w.t.Helper()
	c, ok := w.set.ByID(id)
	if !ok {
		w.t.Fatalf("no check %s", id)
	}
	for _, f := range m.Facts() {
		if f.ID == factID && f.Kind == c.Kind {
			lookup := func(kind string, ref fact.Ref, _ string) (*fact.Fact, bool) {
				for _, g := range m.Facts() {
					if g.Kind == kind && g.ID == string(ref) {
						return &g, true
					}
				}
				return nil, false
			}
			return c.Judge(check.Input{Fact: &f, Now: time.Now(), Lookup: lookup}).Outcome
		}
	}
	w.t.Fatalf("%s was not read", factID)
	return check.Unknown
}

func data[T any](t *testing.T, m *connector.Memory, id string) T {
	t.Helper()
	var v T
	for _, f := range m.Facts() {
		if d, ok := any(v).(fact.Data); f.ID == id && ok && d.Kind() == f.Kind {
			if err := json.Unmarshal(f.Data, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("%s was not read", id)
	return v
}
