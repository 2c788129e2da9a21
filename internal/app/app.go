// Package app puts the parts together: commands, wiring and lifecycle. It is
// the only package that imports everything, and it decides nothing that an
// area could decide.
//
// Start at Main; `prumo serve` is serve.go.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"prumo.dev/prumo/internal/connector"
)

// Version is the release; the build may set it.
const Version = "0.1.0"

// A Process is what the operating system gives a command.
type Process struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(string) (string, bool)
	// Limits bound the calls to sources: rate, deadlines and attempts. Their
	// zero values are the product's.
	Limits connector.ClientConfig
}

func (p Process) getenv(name string) string {
	v, _ := p.LookupEnv(name)
	return v
}

// Exit statuses of every command.
const (
	exitOK     = 0
	exitFailed = 1
	exitMisuse = 2
)

// exitError carries an exit status; its text, if any, was already printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run Prumo: read the sources, judge, alert, show the pages."`
	Apply     applyCmd     `cmd:"" help:"Put a prumo.yaml into force; doing it twice changes nothing."`
	Check     checkCmd     `cmd:"" help:"Judge once and exit: a file of facts, or sources of a prumo.yaml."`
	Checks    checksCmd    `cmd:"" help:"Work on check files."`
	Sources   sourcesCmd   `cmd:"" help:"Work on sources."`
	Kinds     kindsCmd     `cmd:"" help:"Print the fact kinds with the JSON Schema of their data."`
	Token     tokenCmd     `cmd:"" help:"Make tokens for programs."`
	LoginLink loginLinkCmd `cmd:"" help:"Print a fresh one-time sign-in link."`
	Demo      demoCmd      `cmd:"" help:"Run an instance with an invented organisation, marked as a drill."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// Main runs one command and returns its exit status.
func Main(ctx context.Context, p Process) (code int) {
	var c commands
	exited := false
	k, err := kong.New(&c, kong.Name("prumo"), kong.Description("Prumo keeps security controls true, and proves it."),
		kong.Writers(p.Stdout, p.Stderr), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(n int) { exited, code = true, n }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(p))
	if err != nil {
		_, _ = fmt.Fprintln(p.Stderr, "prumo:", err)
		return exitMisuse
	}
	kctx, err := k.Parse(p.Args)
	if exited { // help was asked for
		return code
	}
	if err != nil {
		_, _ = fmt.Fprintf(p.Stderr, "prumo: %v\nrun `prumo --help` for the commands\n", err)
		return exitMisuse
	}
	return status(p, kctx.Run())
}

func status(p Process, err error) int {
	var e exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return int(e)
	}
	_, _ = fmt.Fprintln(p.Stderr, "prumo:", strings.TrimSpace(err.Error()))
	return exitMisuse
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(p Process) error {
	_, err := fmt.Fprintln(p.Stdout, "prumo", Version)
	return err
}
