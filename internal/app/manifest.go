package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/connector"
)

type sourcesCmd struct {
	Manifest manifestCmd    `cmd:"" help:"Print the least that each system must grant for the checks in force."`
	Test     sourcesTestCmd `cmd:"" help:"Check the sources of a prumo.yaml and run the examples of their maps, without asking any system."`
}

type manifestCmd struct {
	Connector string `arg:"" optional:"" help:"Only this connector, such as github."`
	Config    string `help:"The prumo.yaml whose sources and checks count; without it: every connector and the checks that come with Prumo." type:"path"`
	Lang      string `help:"Language of the explanations." enum:"en,pt-BR,es" default:"en"`
}

// Run prints one manifest a connector.
func (c manifestCmd) Run(p Process) error {
	all := byID(allConnectors(nil))
	names := slices.Sorted(maps.Keys(all))
	var folders []string
	if c.Config != "" {
		fc, problems, err := readFile(c.Config, p, all)
		if err != nil {
			return err
		}
		if len(problems) > 0 {
			return problems[0]
		}
		names = nil
		for _, s := range fc.Sources {
			names = append(names, s.Connector)
		}
		slices.Sort(names)
		names, folders = slices.Compact(names), fc.Checks
	}
	if c.Connector != "" {
		if _, ok := all[c.Connector]; !ok {
			return fmt.Errorf("connector %q does not exist; there are %s", c.Connector, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		names = []string{c.Connector}
	}
	set, bad := checkCmd{}.load(p, folders)
	kinds := judgedKinds(set)
	for _, name := range names {
		if err := printManifest(p, all[name], kinds, c.Lang, c.Connector != ""); err != nil {
			return err
		}
	}
	if bad {
		return exit(exitMisuse)
	}
	return nil
}

// judgedKinds are the kinds that a check judges or reads through a name.
func judgedKinds(set *check.Set) []string {
	var kinds []string
	for _, c := range set.All() {
		kinds = append(kinds, c.Kind)
		kinds = append(kinds, set.RefKinds(c.Kind)...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// printManifest writes a manifest. One that was asked for by name stands alone
// on the output, so that it can be handed to psql or kubectl as it is; what to
// do with it is said beside.
func printManifest(p Process, c connector.Connector, kinds []string, lang string, alone bool) error {
	info := c.Info()
	m := connector.ManifestOf(c, kinds)
	about, text := p.Stdout, m.Text
	if alone {
		about = p.Stderr
	}
	if m.Text == "" {
		_, err := fmt.Fprintf(about, "# %s: no credential and no permission\n\n", info.Title)
		return err
	}
	if _, err := fmt.Fprintf(about, "# %s: %s\n# %s\n", info.Title, m.File, m.How.In(lang)); err != nil {
		return err
	}
	if !alone {
		text += "\n"
	}
	_, err := fmt.Fprint(p.Stdout, text)
	return err
}

// manifest is the least that a system must grant for the checks in force, where
// the connector writes it in the system's own language.
func (e *engine) manifest(name string) connector.Manifest {
	c, ok := e.connectors[name].(interface {
		connector.Connector
		connector.Manifester
	})
	if !ok {
		return connector.Manifest{}
	}
	return connector.ManifestOf(c, judgedKinds(e.checks.Load()))
}
