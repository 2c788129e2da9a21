package app

import (
	"fmt"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/connector/mapping"
)

type sourcesTestCmd struct {
	Config string `help:"The prumo.yaml whose sources are checked." type:"path" required:""`
}

// Run exits 0 only if every source of the file can be read as it is written
// and every example of its maps holds. It asks no system.
func (c sourcesTestCmd) Run(p Process) error {
	all := byID(allConnectors(nil))
	fc, problems, err := readFile(c.Config, p, all)
	if err != nil {
		return err
	}
	for _, pr := range problems {
		if _, err := fmt.Fprintln(p.Stdout, pr); err != nil {
			return err
		}
	}
	for _, r := range fc.Sources {
		if err := tellExamples(p, r, all[r.Connector].Info()); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return exit(exitFailed)
	}
	return nil
}

// tellExamples writes a line for each map; its settings were checked before.
func tellExamples(p Process, r sourceRow, info connector.Info) error {
	s, err := connector.Check(info, r.Settings, connector.FromFile)
	if err != nil {
		return fmt.Errorf("source %s: %w", r.Name, err)
	}
	said := false
	for _, f := range info.Fields {
		if f.Type != connector.FieldDocument || s.Text(f.Name) == "" {
			continue
		}
		for _, m := range mapping.Summary(s.Text(f.Name)) {
			said = true
			holds := "examples hold"
			if m.Examples == 1 {
				holds = "example holds"
			}
			if _, err := fmt.Fprintf(p.Stdout, "%s: %s: %d %s\n", r.Name, m.Scope, m.Examples, holds); err != nil {
				return err
			}
		}
	}
	if !said {
		_, err = fmt.Fprintf(p.Stdout, "%s: settings hold\n", r.Name)
	}
	return err
}
