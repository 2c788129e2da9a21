package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"prumo.dev/prumo/internal/collect"
	"prumo.dev/prumo/internal/config"
	"prumo.dev/prumo/internal/connector"
)

// A sourceRow is a source as kept: sealed, since its settings hold secrets.
type sourceRow struct {
	Name      string         `json:"name"`
	Connector string         `json:"connector"`
	Every     time.Duration  `json:"every"`
	Owner     string         `json:"owner"`
	Disabled  bool           `json:"disabled"`
	FromFile  bool           `json:"from_file"`
	Settings  map[string]any `json:"settings"`
}

// A maker turns kept sources into ones that can be read.
type maker struct {
	connectors map[string]connector.Connector
	limits     connector.ClientConfig
	allow      []netip.Prefix
	now        func() time.Time
	log        *slog.Logger
	onCall     func(source string, c connector.Call)
}

// memoBytes bounds what a connector remembers of one source between readings.
const memoBytes = 32 << 20

func byID(cs []connector.Connector) map[string]connector.Connector {
	out := map[string]connector.Connector{}
	for _, c := range cs {
		out[c.Info().ID] = c
	}
	return out
}

// source checks a row against its connector and gives it its client and dialler.
func (m *maker) source(r sourceRow) (collect.Source, error) {
	kind, ok := m.connectors[r.Connector]
	if !ok {
		return collect.Source{}, fmt.Errorf("source %s: connector %q does not exist; `prumo serve` lists them under /sources/new", r.Name, r.Connector)
	}
	info := kind.Info()
	where := connector.FromConsole
	if r.FromFile {
		where = connector.FromFile
	}
	s, err := connector.Check(info, r.Settings, where)
	if err != nil {
		return collect.Source{}, fmt.Errorf("source %s: %w", r.Name, err)
	}
	out := collect.Source{
		Name: r.Name, Connector: kind, Every: r.Every, Enabled: !r.Disabled, Settings: s, Memo: connector.NewMemo(memoBytes, m.now),
	}
	if out.Every == 0 {
		out.Every = info.Every
	}
	out.Dial = connector.NewDialer(connector.NetworkPolicy{AllowAll: r.FromFile, Allow: m.allow})
	cfg := m.limits
	if n := s.Int("requests_per_second"); n > 0 && cfg.Rate == 0 {
		cfg.Rate, cfg.Burst = float64(n), int(min(n, 100))
	}
	cfg.Hosts, cfg.Dial, cfg.Secrets = connector.HostsOf(info, s), out.Dial, connector.SecretsOf(info, s)
	if cfg.TLS, err = connector.TLSOf(info, s); err != nil {
		return collect.Source{}, fmt.Errorf("source %s: %w", r.Name, err)
	}
	cfg.Version, cfg.Log, cfg.Now = Version, m.log.With("source", r.Name), m.now
	cfg.OnCall = func(call connector.Call) { m.onCall(r.Name, call) }
	out.HTTP = connector.NewClient(cfg)
	return out, nil
}

// defaults are the sources that are there from the first start: this machine,
// the Git checkout that it was started in, and Prumo itself.
func defaults(dir string, isRepository func(string) bool) []sourceRow {
	rows := []sourceRow{
		{Name: "host", Connector: "host", FromFile: true},
		{Name: "self", Connector: "self", FromFile: true},
	}
	if isRepository(dir) {
		rows = append(rows, sourceRow{Name: "git", Connector: "git", FromFile: true, Settings: map[string]any{"path": dir}})
	}
	return rows
}

// fromFile turns the sources of a prumo.yaml into rows. Paths are relative to the file.
func fromFile(cfg *config.Config, connectors map[string]connector.Connector) ([]sourceRow, []config.Problem) {
	var rows []sourceRow
	var problems []config.Problem
	for _, s := range cfg.Sources {
		r := sourceRow{Name: s.Name, Connector: s.Connector, Every: s.Every, Owner: s.Owner, FromFile: true, Settings: s.Settings}
		c, ok := connectors[s.Connector]
		if !ok {
			problems = append(problems, config.Problem{File: cfg.File, Line: s.Line, What: fmt.Sprintf("connector %q does not exist", s.Connector), Do: "use one of those that the documentation lists"})
			continue
		}
		absolute(c.Info(), r.Settings, filepath.Dir(cfg.File))
		if _, err := connector.Check(c.Info(), r.Settings, connector.FromFile); err != nil {
			problems = append(problems, config.Problem{File: cfg.File, Line: s.Line, What: "source " + s.Name + ": " + oneLine(err), Do: "correct its settings"})
			continue
		}
		rows = append(rows, r)
	}
	return rows, problems
}

// absolute makes paths absolute: those of the file are relative to its folder,
// also the one that a setting falls back to. A program that is named without a
// slash is looked for where the system keeps its own; - is standard input.
func absolute(info connector.Info, settings map[string]any, dir string) {
	whole := func(p string) string {
		if abs, err := filepath.Abs(filepath.Join(dir, p)); err == nil && !filepath.IsAbs(p) {
			return abs
		}
		return p
	}
	for _, f := range info.Fields {
		v := settings[f.Name]
		if v == nil && f.Type == connector.FieldPath {
			v = f.Default
		}
		switch v := v.(type) {
		case string:
			program := f.Type == connector.FieldCommand && strings.Contains(v, "/")
			if program || f.Type == connector.FieldPath && v != "" && v != "-" {
				settings[f.Name] = whole(v)
			}
		case []any:
			if first, ok := first(v).(string); ok && f.Type == connector.FieldCommand && strings.Contains(first, "/") {
				settings[f.Name] = append([]any{whole(first)}, v[1:]...)
			}
		}
	}
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// merge lays the three origins of sources over each other: a name of the file
// wins over the same name of the defaults, and the console's over neither.
func merge(file, console, def []sourceRow) []sourceRow {
	seen := map[string]bool{}
	var out []sourceRow
	for _, rows := range [][]sourceRow{file, def, console} {
		for _, r := range rows {
			if !seen[r.Name] {
				seen[r.Name] = true
				out = append(out, r)
			}
		}
	}
	return out
}

// fingerprint tells whether a source's row changed.
func (r sourceRow) fingerprint() string {
	b, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	return string(b)
}

// A settingsStore keeps sealed settings by area and name. Version rises with
// every change, by whichever process.
type settingsStore interface {
	List(ctx context.Context, area string) (map[string][]byte, error)
	Put(ctx context.Context, area, name string, body []byte) error
	Delete(ctx context.Context, area, name string) error
	Version(ctx context.Context) (int64, error)
}
