// Command prumo keeps an organisation's security controls true, and proves it.
// It holds signals and exit status only; internal/app does the work.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"prumo.dev/prumo/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Main(ctx, app.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv,
	})
	stop()
	os.Exit(code)
}
