package web

import (
	"slices"
	"strings"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/framework"
	"prumo.dev/prumo/internal/monitor"
	"prumo.dev/prumo/internal/web/ui"
)

// A Catalogue is what is known without reading the database: the checks in
// force, the controls with their frameworks, and the connectors.
type Catalogue struct {
	Checks     func() *check.Set
	Library    *framework.Library
	Connectors []connector.Info
	Manifest   func(connector string) connector.Manifest // least grant in the system's own language; nil or an empty text: none
}

// Title returns the title of a check, or its id where it is no longer there.
func (c Catalogue) Title(id, lang string) string {
	if d, ok := c.Checks().ByID(id); ok {
		return d.Title.In(lang)
	}
	return id
}

// Severity returns how bad a failure of a check is; 0 where the check is gone.
func (c Catalogue) Severity(id string) check.Severity {
	if d, ok := c.Checks().ByID(id); ok {
		return d.Severity
	}
	return 0
}

// ManifestOf returns what a system must be told to grant, or an empty manifest.
func (c Catalogue) ManifestOf(id string) connector.Manifest {
	if c.Manifest == nil {
		return connector.Manifest{}
	}
	return c.Manifest(id)
}

// Connector returns what is known of a connector.
func (c Catalogue) Connector(id string) (connector.Info, bool) {
	i := slices.IndexFunc(c.Connectors, func(info connector.Info) bool { return info.ID == id })
	if i < 0 {
		return connector.Info{}, false
	}
	return c.Connectors[i], true
}

// System returns the name of the system that a connector reads.
func (c Catalogue) System(id string) string {
	if info, ok := c.Connector(id); ok {
		return info.Title
	}
	return id
}

// ChecksOf returns the checks that prove a control.
func (c Catalogue) ChecksOf(control string) []*check.Check {
	return framework.ProofsOf(c.Checks().All())[control]
}

// Controls folds counts by check into the statuses of all controls.
func (c Catalogue) Controls(byCheck []monitor.CheckCount) map[string]framework.ControlStatus {
	return c.Library.FoldControls(c.Checks().All(), byCheck)
}

// Statuses are the statuses alone.
func Statuses(controls map[string]framework.ControlStatus) map[string]framework.Status {
	out := map[string]framework.Status{}
	for id, s := range controls {
		out[id] = s.Status
	}
	return out
}

// Shown is the status of counts, as a sign shows it.
func Shown(c monitor.Counts) monitor.Status { return monitor.Status(framework.CountsOf(c).Status()) }

// KindOptions are all kinds of facts, as a filter offers them.
func KindOptions(e *ui.Env) []ui.Option {
	var out []ui.Option
	for _, k := range fact.Kinds() {
		out = append(out, ui.Option{Value: k.Name, Text: ui.Cap(KindName(e, k.Name, 1))})
	}
	return out
}

// KindName is the name of n facts of a kind in the reader's language.
func KindName(e *ui.Env, kind string, n int64) string {
	if _, ok := fact.KindNamed(kind); !ok {
		return kind
	}
	return e.N("kind."+kind, n)
}

// SeverityOptions are the severities, worst first.
func SeverityOptions(e *ui.Env) []ui.Option {
	var out []ui.Option
	for s := check.Critical; s >= check.Low; s-- {
		out = append(out, ui.Option{Value: s.String(), Text: e.T("severity." + s.String())})
	}
	return out
}

// Severities reads severities from an address; what is none is left out.
func Severities(names []string) []check.Severity {
	var out []check.Severity
	for _, n := range names {
		for s := check.Low; s <= check.Critical; s++ {
			if s.String() == n {
				out = append(out, s)
			}
		}
	}
	return out
}

// StatusOptions are the statuses, as a filter offers them.
func StatusOptions(e *ui.Env) []ui.Option {
	var out []ui.Option
	for _, s := range ui.Statuses() {
		out = append(out, ui.Option{Value: string(s), Text: e.T("status." + string(s))})
	}
	return out
}

// StatusesIn reads statuses from an address; what is none is left out.
func StatusesIn(names []string) []monitor.Status {
	var out []monitor.Status
	for _, n := range names {
		if s := monitor.Status(n); slices.Contains(ui.Statuses(), s) {
			out = append(out, s)
		}
	}
	return out
}

// SourceOptions are the sources, as a filter offers them.
func SourceOptions(sources []monitor.Source) []ui.Option {
	var out []ui.Option
	for _, s := range sources {
		out = append(out, ui.Option{Value: s.Name, Text: s.Name})
	}
	return out
}

// Sort returns the order that the address asks for if it is one of those that
// the list knows, and otherwise the first; the page then says so.
func Sort(e *ui.Env, known ...string) string {
	asked := e.Query.Get("sort")
	if asked == "" {
		return known[0]
	}
	var names []string
	for _, k := range known {
		if asked == k || asked == "-"+k {
			return asked
		}
		if name := strings.TrimPrefix(k, "-"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	e.Notice(monitor.StatusUnknown, e.T("list.sort.unknown", "Asked", Cut(asked, 60), "Known", strings.Join(names, ", ")))
	return known[0]
}

// Cut shortens a text that a person sees in a list; the whole stands in its title.
func Cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
