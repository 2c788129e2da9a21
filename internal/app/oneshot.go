package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"prumo.dev/prumo/checks"
	"prumo.dev/prumo/internal/api"
	"prumo.dev/prumo/internal/check"
	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
	"prumo.dev/prumo/internal/oneshot"
)

type kindsCmd struct{}

// Run prints one JSON object: kind → JSON Schema of its data.
func (kindsCmd) Run(_ context.Context, p Process) error {
	e := json.NewEncoder(p.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(api.KindSchemas())
}

type checksCmd struct {
	Test checksTestCmd `cmd:"" help:"Load every check of a folder and run its examples."`
}

type checksTestCmd struct {
	Dir string `arg:"" help:"Folder of check files." type:"existingdir"`
}

// Run exits 0 only if there is no problem at all.
func (c checksTestCmd) Run(_ context.Context, p Process) error {
	return exit(oneshot.TestChecks(os.DirFS(c.Dir), c.Dir, p.Stdout))
}

func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return exitError(code)
}

type checkCmd struct {
	Facts        string   `help:"A file of fact lines; - is standard input." placeholder:"FILE"`
	Source       []string `help:"Read this source of --config now, and judge what it says. May be repeated; without it, every source of the file is read." placeholder:"NAME"`
	Config       string   `help:"A prumo.yaml with sources, checks and parameters." type:"path" placeholder:"FILE"`
	Checks       []string `help:"A folder of check files instead of Prumo's own. May be repeated." type:"existingdir" placeholder:"DIR"`
	Format       string   `help:"table, jsonl, json, sarif, junit or oscal." default:"table" enum:"table,jsonl,json,sarif,junit,oscal"`
	UnknownFails bool     `help:"Exit with 1 also where something is unknown."`
	Failures     bool     `help:"Write failures only."`
}

// Run judges once. Exit status: 0 nothing failed, 1 something failed, 2
// something was refused or could not run.
func (c checkCmd) Run(ctx context.Context, p Process) error {
	if (c.Facts == "") == (c.Config == "") {
		return errors.New("give --facts FILE, or --config FILE with its sources")
	}
	now := time.Now().UTC()
	o := oneshot.Options{
		Now: now, Format: c.Format, UnknownFails: c.UnknownFails, FailuresOnly: c.Failures, Version: Version, Name: c.Facts,
	}
	if c.Facts != "" {
		f, err := openFacts(p, c.Facts)
		if err != nil {
			return err
		}
		defer f.Close()
		set, bad := c.load(p, nil)
		o.Facts, o.Checks = f, set
		return c.finish(oneshot.Run(ctx, o, p.Stdout, p.Stderr), bad)
	}
	fc, problems, err := readFile(c.Config, p, byID(allConnectors(nil)))
	if err != nil {
		return err
	}
	for _, pr := range problems {
		if _, err := fmt.Fprintln(p.Stderr, pr); err != nil {
			return err
		}
	}
	set, bad := c.load(p, fc.Checks)
	lines, incomplete, err := c.read(ctx, p, fc, now)
	if err != nil {
		return err
	}
	o.Facts, o.Checks, o.Params, o.Name = lines, set, fc.Params, c.Config
	o.Incomplete, o.Sources = incomplete, true
	return c.finish(oneshot.Run(ctx, o, p.Stdout, p.Stderr), bad || len(problems) > 0 || len(incomplete) > 0)
}

func (c checkCmd) finish(code int, bad bool) error {
	if bad {
		code = exitMisuse
	}
	return exit(code)
}

func openFacts(p Process, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(p.Stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	return f, nil
}

// load reads the folders asked for, or our checks and those of the file.
func (c checkCmd) load(p Process, more []string) (*check.Set, bool) {
	var folders []check.NamedFS
	if len(c.Checks) == 0 {
		folders = append(folders, check.NamedFS{Name: "checks", FS: checks.Files()})
	}
	for _, dir := range append(slices.Clone(c.Checks), more...) {
		folders = append(folders, check.NamedFS{Name: dir, FS: os.DirFS(dir)})
	}
	set, problems := check.LoadAll(folders...)
	for _, pr := range problems {
		_, _ = fmt.Fprintln(p.Stderr, pr.Error()) // nobody reads: nothing to do about it
	}
	return set, len(problems) > 0
}

// read reads the sources asked for and returns their facts as lines, and the
// kinds that were not read completely, with the reason.
func (c checkCmd) read(ctx context.Context, p Process, fc fileConfig, now time.Time) (io.ReadSeeker, map[string]string, error) {
	var buf bytes.Buffer
	incomplete := map[string]string{}
	m := &maker{
		connectors: byID(allConnectors(nil)), limits: p.Limits, allow: fc.AllowNetworks, now: func() time.Time { return time.Now().UTC() },
		log: slog.New(slog.DiscardHandler), onCall: func(string, connector.Call) {},
	}
	for _, name := range c.Source {
		if !slices.ContainsFunc(fc.Sources, func(r sourceRow) bool { return r.Name == name }) {
			return nil, nil, fmt.Errorf("%s has no source %s", filepath.Base(c.Config), name)
		}
	}
	for _, r := range fc.Sources {
		if len(c.Source) > 0 && !slices.Contains(c.Source, r.Name) || r.Connector == "push" {
			continue
		}
		s, err := m.source(r)
		if err != nil {
			return nil, nil, err
		}
		if err := readOnce(ctx, p, s, now, &buf, incomplete); err != nil {
			return nil, nil, err
		}
	}
	return bytes.NewReader(buf.Bytes()), incomplete, nil
}

// readOnce reads one source into fact lines.
func readOnce(ctx context.Context, p Process, s collect.Source, now time.Time, buf *bytes.Buffer, incomplete map[string]string) error {
	rec := connector.Record()
	run := connector.Run{Source: s.Name, Settings: s.Settings, HTTP: s.HTTP, Dial: s.Dial, Now: func() time.Time { return time.Now().UTC() }, Log: slog.New(slog.DiscardHandler), Stdin: p.Stdin}
	info := s.Connector.Info()
	if err := s.Connector.Collect(ctx, run, rec); err != nil {
		_, _ = fmt.Fprintf(p.Stderr, "%s: %s\n", s.Name, oneLine(err))
		for _, k := range info.Kinds {
			incomplete[k] = "source " + s.Name + " could not be read"
		}
	}
	for _, sc := range rec.Scopes() {
		if sc.Reading == fact.Complete {
			continue
		}
		_, _ = fmt.Fprintf(p.Stderr, "%s: %s: %s: %s\n", s.Name, sc.Scope.Name, sc.Reading, sc.Detail.Why)
		for _, k := range sc.Scope.Kinds {
			incomplete[k] = "source " + s.Name + " was not read completely"
		}
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	for _, f := range rec.Facts() {
		line := struct {
			Kind       string          `json:"kind"`
			ID         string          `json:"id"`
			Source     string          `json:"source"`
			ObservedAt time.Time       `json:"observed_at"`
			Data       json.RawMessage `json:"data"`
		}{f.Kind, f.ID, s.Name, now, f.Data}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("write fact %s: %w", f.ID, err)
		}
	}
	return nil
}
