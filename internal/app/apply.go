package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/connectors"
	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/config"
	"prumo.dev/prumo/internal/connector"
)

// A fileConfig is a prumo.yaml in force: with secrets in place, so it is kept sealed.
type fileConfig struct {
	File          string                    `json:"file"`
	Organisation  config.Organisation       `json:"organisation"`
	Checks        []string                  `json:"checks"`
	Sources       []sourceRow               `json:"sources"`
	Routes        []string                  `json:"routes"` // each as YAML, with secrets in place
	AllowNetworks []netip.Prefix            `json:"allow_networks"`
	Owners        []config.Owner            `json:"owners"`
	Params        map[string]map[string]any `json:"params"`
}

type applyCmd struct {
	File string `arg:"" help:"The prumo.yaml to put into force." type:"path"`
}

// Run puts a prumo.yaml into force; a running instance follows within seconds.
func (c applyCmd) Run(ctx context.Context, p Process) (err error) {
	in, err := openInstance(ctx, p, quiet(p))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	changed, bad, err := in.apply(ctx, p, c.File)
	if err != nil {
		return err
	}
	word := "unchanged"
	if changed {
		word = "in force"
	}
	if bad > 0 {
		word += ", without what is wrong above"
	}
	if _, err := fmt.Fprintf(p.Stdout, "%s: %s\n", c.File, word); err != nil {
		return err
	}
	if bad > 0 {
		return exitError(exitMisuse)
	}
	return nil
}

// apply reads a prumo.yaml, prints its problems, and keeps what is good.
func (in *instance) apply(ctx context.Context, p Process, path string) (changed bool, bad int, err error) {
	fc, problems, err := readFile(path, p, in.connectorInfos())
	if err != nil {
		return false, 0, err
	}
	for _, pr := range problems {
		if _, err := fmt.Fprintln(p.Stderr, pr); err != nil {
			return false, 0, err
		}
	}
	var old fileConfig
	had, err := in.get(ctx, areaFile, "config", &old)
	if err != nil {
		return false, 0, err
	}
	if had && same(old, fc) {
		return false, len(problems), nil
	}
	return true, len(problems), in.put(ctx, areaFile, "config", fc)
}

func same(a, b fileConfig) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (in *instance) connectorInfos() map[string]connector.Connector { return byID(allConnectors(nil)) }

func readFile(path string, p Process, known map[string]connector.Connector) (fileConfig, []error, error) {
	cfg, problems, err := config.Load(path, p.getenv)
	if err != nil {
		return fileConfig{}, nil, err
	}
	rows, more := fromFile(cfg, known)
	fc := fileConfig{
		Organisation: cfg.Organisation, Sources: rows, AllowNetworks: cfg.AllowNetworks, Owners: cfg.Owners, Params: cfg.Params,
	}
	if fc.File, err = filepath.Abs(path); err != nil {
		return fc, nil, err
	}
	for _, dir := range cfg.Checks {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return fc, nil, err
		}
		fc.Checks = append(fc.Checks, abs)
	}
	var errs []error
	for _, pr := range append(problems, more...) {
		errs = append(errs, pr)
	}
	routes, bad := readRoutes(cfg, p)
	fc.Routes = routes
	return fc, append(errs, bad...), nil
}

// readRoutes checks each route and puts its secrets in place.
func readRoutes(cfg *config.Config, p Process) (texts []string, problems []error) {
	channels, err := alert.Channels(alert.ChannelConfig{})
	if err != nil {
		return nil, []error{err}
	}
	parser := alert.Parser{Channels: channels, Secret: alert.PlainSecret}
	for _, n := range cfg.Routes {
		problem := config.ResolveSecrets(n.YAML, cfg.File, p.getenv)
		b, err := yaml.Marshal(n.YAML)
		if err == nil && problem == nil {
			_, err = parser.Parse(b)
		}
		switch {
		case problem != nil:
			problems = append(problems, *problem)
		case err != nil:
			problems = append(problems, fmt.Errorf("%s:%d: %s; correct the route", cfg.File, n.Line, oneLine(err)))
		default:
			texts = append(texts, string(b))
		}
	}
	return texts, problems
}

// allConnectors are those of the list and the instance's own.
func allConnectors(own connector.Connector) []connector.Connector {
	all := connectors.All()
	if own != nil {
		all = append(all, own)
	}
	return all
}

func quiet(p Process) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}
