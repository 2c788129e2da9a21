package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/config"
	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/seal"
	"prumo.dev/prumo/internal/store"
	"prumo.dev/prumo/internal/store/accessstore"
	"prumo.dev/prumo/internal/store/settingstore"
)

// Areas of the settings store.
const (
	areaInstance = "instance" // what the instance is: its birth, whether it is a drill
	areaFile     = "file"     // the prumo.yaml in force
	areaSource   = "source"   // sources made in the console
)

// An instance is an open database with its key and its settings: what every
// command that works on an instance needs.
type instance struct {
	env      config.Env
	log      *slog.Logger
	db       *store.DB
	box      *seal.Box
	settings settingsStore
	keeper   access.Keeper
	now      func() time.Time
	limits   connector.ClientConfig    // of the calls to sources
	still    atomic.Pointer[time.Time] // where the clock stands while a demo is written; nil: it runs
}

// stand stops the clock at an instant; the zero time lets it run again.
func (in *instance) stand(at time.Time) {
	if at.IsZero() {
		in.still.Store(nil)
		return
	}
	in.still.Store(&at)
}

func openInstance(ctx context.Context, p Process, log *slog.Logger) (*instance, error) {
	env, err := config.FromEnv(p.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(env.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s cannot be made; set PRUMO_DATA to a folder that you may write: %w", env.Data, err)
	}
	key := env.KeyFile
	if key == "" {
		key = filepath.Join(env.Data, "prumo.key")
	}
	box, err := seal.Open(key)
	if err != nil {
		return nil, err
	}
	in := &instance{env: env, log: log, box: box, limits: p.Limits}
	in.now = func() time.Time {
		if at := in.still.Load(); at != nil {
			return at.UTC().Round(time.Microsecond)
		}
		return time.Now().Add(env.ClockOffset).UTC().Round(time.Microsecond)
	}
	if in.db, err = store.Open(ctx, store.Config{URL: env.DatabaseURL, Dir: env.Data, Now: in.now, Log: log}); err != nil {
		return nil, err
	}
	in.settings = settingstore.New(in.db)
	in.keeper = access.Keeper{Store: accessstore.New(in.db), Now: in.now}
	if err := in.mayTurn(ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// mayTurn refuses a turned clock to every command on an instance that was not
// born a drill.
func (in *instance) mayTurn(ctx context.Context) error {
	var b birth
	ok, err := in.get(ctx, areaInstance, "birth", &b)
	if err == nil && ok && in.env.Drill && !b.Drill {
		err = errTurned
	}
	return err
}

func (in *instance) close() error { return in.db.Close() }

var errTurned = errors.New("PRUMO_CLOCK_OFFSET is set, but this instance is no drill: a clock that can be turned proves nothing; unset it, or start a new instance in another PRUMO_DATA")

// A birth is what an instance's first start fixed for ever.
type birth struct {
	At    time.Time `json:"at"`
	Drill bool      `json:"drill"`
}

// born reads, or at the first start writes, what the instance is. A clock that
// can be turned proves nothing, so an instance that was not born a drill
// refuses to start with one.
func (in *instance) born(ctx context.Context) (birth, error) {
	var b birth
	ok, err := in.get(ctx, areaInstance, "birth", &b)
	if err != nil {
		return b, err
	}
	if !ok {
		b = birth{At: in.now(), Drill: in.env.Drill}
		return b, in.put(ctx, areaInstance, "birth", b)
	}
	return b, nil
}

// get opens a sealed setting into v; ok is false where there is none.
func (in *instance) get(ctx context.Context, area, name string, v any) (ok bool, err error) {
	all, err := in.settings.List(ctx, area)
	if err != nil {
		return false, err
	}
	body, ok := all[name]
	if !ok {
		return false, nil
	}
	return true, in.unseal(area, name, body, v)
}

func (in *instance) unseal(area, name string, body []byte, v any) error {
	plain, err := in.box.Open(body, area+"/"+name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("read setting %s/%s: %w", area, name, err)
	}
	return nil
}

// put seals a setting and keeps it.
func (in *instance) put(ctx context.Context, area, name string, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write setting %s/%s: %w", area, name, err)
	}
	body, err := in.box.Seal(plain, area+"/"+name)
	if err != nil {
		return err
	}
	return in.settings.Put(ctx, area, name, body)
}

// consoleSources are the sources made in the console.
func (in *instance) consoleSources(ctx context.Context) ([]sourceRow, error) {
	all, err := in.settings.List(ctx, areaSource)
	if err != nil {
		return nil, err
	}
	var rows []sourceRow
	for name, body := range all {
		var r sourceRow
		if err := in.unseal(areaSource, name, body, &r); err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}
