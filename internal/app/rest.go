package app

import (
	"context"
	"errors"
	"runtime/debug"
	"time"
)

const (
	restEvery = 20 * time.Second
	restBelow = 20 // writing transactions between two looks: more is no rest
)

// rest gives memory back to the machine while little is written: the pages that
// the embedded database holds, what starting or a large reading left behind, and
// the parts of the program's file that are not in use.
func (e *engine) rest(ctx context.Context) {
	before := e.in.db.Commits()
	for sleep(ctx, restEvery) {
		now := e.in.db.Commits()
		quiet := now-before < restBelow
		before = now
		if !quiet {
			continue
		}
		err := e.in.db.Shrink(ctx)
		debug.FreeOSMemory()
		if err = errors.Join(err, releaseProgram()); err != nil && ctx.Err() == nil {
			e.log.Warn("give memory back", "error", err)
		}
	}
}
