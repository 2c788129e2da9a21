// Package host reads the Linux machine that Prumo runs on: who may open it,
// what listens, whether its disks are encrypted and its updates installed. It
// asks files below /proc, /sys and /etc and a few programs with fixed
// arguments; it changes nothing and needs no setting.
//
// What the machine cannot say stays unknown. What its account may not read is
// named once, in the host's not_seen, with the one command that would let it.
//
// Start at Collect; each topic has a file of its own.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

// limit bounds one reading; a part that takes longer stays unknown.
const limit = 20 * time.Second

type host struct{ sys system }

// New returns the connector for the machine that the process runs on.
func New() connector.Connector { return host{sys: thisMachine()} }

// Info implements connector.Connector.
func (host) Info() connector.Info {
	return connector.Info{
		ID:    "host",
		Title: "Linux host",
		Summary: connector.Text{
			"en":    "Reads the Linux machine that Prumo runs on: disks, SSH, accounts, ports, firewall, updates, time and logs.",
			"pt-BR": "Lê a máquina Linux em que o Prumo roda: discos, SSH, contas, portas, firewall, atualizações, hora e registros.",
			"es":    "Lee la máquina Linux en la que corre Prumo: discos, SSH, cuentas, puertos, cortafuegos, actualizaciones, hora y registros.",
		},
		Origin: fact.OriginHost,
		Kinds:  []string{"host", "account"},
		Fields: []connector.Field{{
			Name:    "sudo",
			Type:    connector.FieldBool,
			Local:   true,
			Default: false,
			Label:   connector.Text{"en": "Use sudo", "pt-BR": "Usar sudo", "es": "Usar sudo"},
			Hint: connector.Text{
				"en":    "Runs what the account may not read through sudo without a password. The host's not_seen_command writes the sudo rule for exactly these commands.",
				"pt-BR": "Executa por sudo, sem senha, o que a conta não pode ler. O not_seen_command da máquina escreve a regra de sudo para exatamente esses comandos.",
				"es":    "Ejecuta con sudo, sin contraseña, lo que la cuenta no puede leer. El not_seen_command de la máquina escribe la regla de sudo para exactamente esos comandos.",
			},
		}},
		Every: 15 * time.Minute,
		Local: true,
	}
}

// Collect implements connector.Connector. The machine is one scope and its
// accounts are another. A part that was cut short makes its scope partial; one
// that the account may not read does not, since the fact names it.
func (h host) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	whole, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	l := &look{sys: h.sys, sudo: run.Settings.Bool("sudo"), now: run.Now, missed: map[string][]string{}}
	l.setting()
	if err := l.emitHost(whole, emit); err != nil {
		return err
	}
	if err := l.emitAccounts(whole, emit); err != nil {
		return err
	}
	return ctx.Err()
}

// A look is one reading of the machine. Its parts run beside each other; each
// part writes only fields of the host that no other part writes.
type look struct {
	sys  system
	sudo bool
	now  func() time.Time

	name      string // of the machine
	container bool
	virtual   bool
	systemd   bool // systemd is process 1
	procs     processes
	users     users
	grants    grants

	mu     sync.Mutex
	missed map[string][]string // guarded by mu: field → commands that would show it, if any would
	cut    []string            // guarded by mu: parts that ran out of time
}

func (l *look) id() string { return "host/" + l.name }

func (l *look) emitHost(ctx context.Context, emit connector.Emit) error {
	const scope = "host"
	if err := emit.Open(connector.Scope{Name: scope, Kinds: []string{"host"}}); err != nil {
		return fmt.Errorf("open scope %s: %w", scope, err)
	}
	if !l.sys.exists("/proc") {
		return emit.Close(scope, fact.Partial, connector.Detail{
			Why: "there is no /proc on this " + runtime.GOOS + " machine; this connector reads Linux",
		})
	}
	f := l.read(ctx)
	if err := emit.Fact(scope, l.id(), *f); err != nil {
		return fmt.Errorf("emit the host: %w", err)
	}
	reading, detail := l.outcome(ctx)
	return emit.Close(scope, reading, detail)
}

// read asks everything about the machine itself.
func (l *look) read(ctx context.Context) *fact.Host {
	f := &fact.Host{Name: fact.Some(l.name)}
	l.users = l.readUsers(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, part := range []func(context.Context, *fact.Host){
		l.release, l.disks, l.sshd, l.listeners, l.firewall, l.sudoers, l.updates, l.automatic, l.clock, l.logs, l.restart,
	} {
		g.Go(func() error { part(ctx, f); return nil })
	}
	_ = g.Wait() // the parts return no error: what they could not see is in l.missed and l.cut
	l.rootAndEmpty(f)
	l.notSeen(f)
	return f
}

func (l *look) rootAndEmpty(f *fact.Host) {
	if !l.users.known {
		return
	}
	root, empty := []string{}, []string{}
	for _, u := range l.users.list {
		if u.uid == 0 {
			root = append(root, u.name)
		}
		if u.password.Known() && u.password.Or("") == "" {
			empty = append(empty, u.name)
		}
	}
	f.RootAccounts = fact.Some(root)
	f.EmptyPasswords = fact.SomeIf(empty, l.users.shadow)
}

// outcome closes the machine's scope: a part that ran out of time makes it partial.
func (l *look) outcome(ctx context.Context) (fact.Reading, connector.Detail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := connector.Detail{Forbidden: len(l.missed)}
	switch {
	case len(l.cut) > 0:
		slices.Sort(l.cut)
		d.Why = "no answer in time about: " + strings.Join(l.cut, ", ")
		return fact.Partial, d
	case ctx.Err() != nil:
		d.Why = "the reading was cut short"
		return fact.Partial, d
	case len(l.missed) > 0:
		d.Why = "this account may not see " + strings.Join(slices.Sorted(maps.Keys(l.missed)), ", ") + "; the host's not_seen_command lets it"
	}
	return fact.Complete, d
}

// notSeen writes the one line about everything that the account may not read.
func (l *look) notSeen(f *fact.Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fields := slices.Sorted(maps.Keys(l.missed))
	f.NotSeen = fact.Some(append([]string{}, fields...))
	var commands []string
	for _, field := range fields {
		for _, c := range l.missed[field] {
			if !slices.Contains(commands, c) {
				commands = append(commands, c)
			}
		}
	}
	if len(commands) == 0 {
		return
	}
	rule := l.sys.account() + " ALL=(root) NOPASSWD: " + strings.Join(commands, ", ")
	f.NotSeenCommand = fact.Some("echo '" + rule + "' | sudo EDITOR='tee' visudo -f /etc/sudoers.d/prumo  # then set sudo: true for this source")
}

// miss notes a field that the account may not see, and the command that would show it.
func (l *look) miss(field string, argv ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sys.account() == "root" {
		l.missed[field] = nil // what root may not do here, no sudo rule gives
		return
	}
	l.missed[field] = append(l.missed[field], strings.Join(argv, " "))
}

// late notes a part that ran out of time.
func (l *look) late(part string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.cut, part) {
		l.cut = append(l.cut, part)
	}
}

// file reads a file for a field. Where the account may not read it, it asks
// sudo if the source is set so, and notes the field as not seen otherwise.
func (l *look) file(ctx context.Context, field, path string) ([]byte, error) {
	b, err := l.sys.read(path)
	if !errors.Is(err, fs.ErrPermission) {
		return b, err
	}
	if l.sudo {
		if b, err := l.sys.run(ctx, 3*time.Second, "sudo", "-n", "/usr/bin/cat", path); err == nil {
			return b, nil
		}
	}
	l.miss(field, "/usr/bin/cat", path)
	return nil, err
}

// command runs a program for a field, with the same care.
func (l *look) command(ctx context.Context, field string, wait time.Duration, argv ...string) ([]byte, error) {
	out, err := l.sys.run(ctx, wait, argv...)
	if errors.Is(err, errDenied) && l.sudo {
		if path := l.sys.program(argv[0]); path != "" {
			out, err = l.sys.run(ctx, wait, append([]string{"sudo", "-n", path}, argv[1:]...)...)
		}
	}
	switch {
	case errors.Is(err, errDenied):
		l.miss(field, append([]string{l.sys.program(argv[0])}, argv[1:]...)...)
	case errors.Is(err, context.DeadlineExceeded):
		l.late(field)
	}
	return out, err
}
