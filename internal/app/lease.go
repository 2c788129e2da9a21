package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/store"
)

// Times of the lease. A holder that dies is replaced after leaseLife and a look;
// one that cannot lengthen it stops by itself before that.
const (
	leaseLife  = 10 * time.Second
	leaseKeep  = 2500 * time.Millisecond
	leaseLook  = time.Second
	leaseSure  = 8 * time.Second // without an answer after this, we count ourselves out
	recoverGap = 15 * time.Second
)

// replicas is what this process knows of its part among several.
type replicas struct {
	epoch atomic.Int64  // of the lease that we hold; 0: none
	first int64         // of the lease that was taken at the start
	lease chan struct{} // the lease may be free
	file  chan struct{} // settings changed
	todo  chan struct{} // an errand waits
}

func newReplicas() *replicas {
	return &replicas{lease: make(chan struct{}, 1), file: make(chan struct{}, 1), todo: make(chan struct{}, 1)}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is told already
	}
}

// leads says whether this process is the one that reads sources.
func (e *engine) leads() bool { return !e.in.db.Shared() || e.among.epoch.Load() != 0 }

// marked is ctx as work of the lease, where we hold it.
func (e *engine) marked(ctx context.Context) context.Context {
	if epoch := e.among.epoch.Load(); epoch != 0 {
		return store.Fenced(ctx, epoch)
	}
	return ctx
}

// join makes this process one of the replicas, and takes the lease if it is
// free, so that a server that is alone works from its first moment.
func (e *engine) join(ctx context.Context) error {
	if !e.in.db.Shared() {
		return nil
	}
	if err := e.in.db.Beat(ctx, e.name(), leaseLife); err != nil {
		return err
	}
	epoch, err := e.in.db.TakeLease(ctx, leaseLife)
	if err != nil || epoch == 0 {
		return err
	}
	e.among.first = epoch
	e.among.epoch.Store(epoch)
	return e.mon.Lead(e.marked(ctx))
}

// name is what people recognise this process by.
func (e *engine) name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + " " + e.in.env.Addr
}

// compete takes the lease whenever it is free, and works while it holds.
func (e *engine) compete(ctx context.Context) {
	if !e.in.db.Shared() {
		e.hold(ctx)
		return
	}
	epoch := e.among.first
	for ctx.Err() == nil {
		if epoch != 0 {
			e.reign(ctx, epoch)
		}
		look := time.NewTimer(leaseLook)
		select {
		case <-ctx.Done():
		case <-e.among.lease:
		case <-look.C:
		}
		look.Stop()
		ask, cancel := context.WithTimeout(ctx, leaseLife)
		var err error
		if epoch, err = e.in.db.TakeLease(ask, leaseLife); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "lease", "error", err)
		}
		cancel()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseKeep)
	defer cancel()
	if err := errors.Join(e.giveBack(end, epoch), e.in.db.Leave(end)); err != nil {
		e.log.WarnContext(ctx, "leave the replicas", "error", err)
	}
}

func (e *engine) giveBack(ctx context.Context, epoch int64) error {
	if epoch == 0 {
		return nil
	}
	return e.in.db.GiveLease(ctx, epoch)
}

// reign is one time of holding the lease: it returns when the lease is lost or
// ctx ends, and everything that worked under it has ended.
func (e *engine) reign(ctx context.Context, epoch int64) {
	e.among.epoch.Store(epoch)
	held, lose := context.WithCancel(store.Fenced(ctx, epoch))
	defer lose()
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { e.keep(keep, epoch, lose) })
	if err := e.gain(held); err != nil {
		if held.Err() == nil {
			e.log.ErrorContext(ctx, "take over", "error", err)
		}
	} else {
		e.log.InfoContext(ctx, "this replica reads the sources", "epoch", epoch)
		e.hold(held)
		e.log.InfoContext(ctx, "this replica reads no sources any more", "epoch", epoch)
	}
	e.among.epoch.Store(0)
	e.lag.Store(0)
	e.mon.Follow()
	stop()
	wg.Wait()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseKeep)
	defer cancel()
	if err := e.giveBack(end, epoch); err != nil {
		e.log.WarnContext(ctx, "lease", "error", err)
	}
}

// keep lengthens the lease until it is lost, which it tells by lose, or ctx
// ends. One that the database did not answer for in time counts as lost.
func (e *engine) keep(ctx context.Context, epoch int64, lose func()) {
	last := time.Now()
	for sleep(ctx, leaseKeep) {
		ask, cancel := context.WithTimeout(ctx, leaseKeep)
		asked := time.Now()
		held, err := e.in.db.KeepLease(ask, epoch, leaseLife)
		cancel()
		switch {
		case err == nil && held:
			last = asked
		case err == nil, time.Since(last) > leaseSure:
			e.log.WarnContext(ctx, "the lease is lost", "epoch", epoch)
			lose()
			return
		}
	}
}

// gain takes over what the last holder did.
func (e *engine) gain(ctx context.Context) error {
	if err := e.mon.Lead(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	e.seen = -1 // what only the holder puts into force is put into force again
	e.mu.Unlock()
	if err := e.reload(ctx); err != nil {
		return fmt.Errorf("put the settings into force: %w", err)
	}
	return nil
}

// hold does what one process does for all, until ctx ends.
func (e *engine) hold(ctx context.Context) {
	e.col.Start(ctx)
	works := []func(context.Context){e.timer, e.alertTimer, e.nightly}
	if e.in.db.Shared() {
		works = append(works, e.errands, e.sweep)
	}
	var wg sync.WaitGroup
	for _, f := range works {
		wg.Go(func() { f(ctx) })
	}
	<-ctx.Done()
	wg.Wait()
	e.col.Wait()
}

// sweep ends, from time to time, what replicas that died left open.
func (e *engine) sweep(ctx context.Context) {
	for sleep(ctx, recoverGap) {
		if err := e.mon.Recover(ctx); err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "end what a replica left open", "error", err)
		}
	}
}

// beat tells the other replicas that this one serves.
func (e *engine) beat(ctx context.Context) {
	for sleep(ctx, leaseKeep) {
		ask, cancel := context.WithTimeout(ctx, leaseKeep)
		if err := e.in.db.Beat(ask, e.name(), leaseLife); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "replica", "error", err)
		}
		cancel()
	}
}

// listen acts on what other replicas tell.
func (e *engine) listen(ctx context.Context) {
	e.in.db.Listen(ctx, func(t store.Topic) {
		all := t == store.TopicMissed
		if all || t == store.TopicSettings {
			poke(e.among.file)
		}
		if all || t == store.TopicErrand {
			poke(e.among.todo)
		}
		if all || t == store.TopicLease {
			poke(e.among.lease)
		}
		if all || t == store.TopicTurned {
			e.live.turned(nil)
		}
	})
}

// An errand is what another replica was asked and the holder of the lease does.
type errand struct {
	Read    bool      `json:"read,omitempty"` // the whole source
	Targets []string  `json:"targets,omitempty"`
	Actor   string    `json:"actor,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Arrived time.Time `json:"arrived,omitzero"`
}

// entrust hands an errand to the holder of the lease.
func (e *engine) entrust(ctx context.Context, source string, x errand) error {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("write an errand for source %s: %w", source, err)
	}
	return e.in.db.PutErrand(ctx, store.Errand{ID: rand.Text(), Source: source, Body: string(b)})
}

// ask lets a source be read, here or where sources are read.
func (e *engine) ask(ctx context.Context, name string) error {
	if e.leads() || !e.col.Has(name) {
		return e.col.Ask(name)
	}
	return e.entrust(ctx, name, errand{Read: true})
}

// announce lets what an event touches be read, here or where sources are read.
func (e *engine) announce(ctx context.Context, name string, ev connector.Event) error {
	now := e.in.now()
	if e.leads() {
		return e.col.Announce(name, ev, now)
	}
	if len(ev.Targets) == 0 {
		return nil
	}
	return e.entrust(ctx, name, errand{Targets: ev.Targets, Actor: ev.Actor, At: ev.At, Arrived: now})
}

// errands does what other replicas were asked.
func (e *engine) errands(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := e.in.db.TakeErrands(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "errands", "error", err)
		}
		for _, f := range found {
			if err := e.runErrand(f); err != nil {
				e.log.WarnContext(ctx, "errand", "source", f.Source, "error", err)
			}
		}
		look := time.NewTimer(leaseLook)
		select {
		case <-ctx.Done():
		case <-e.among.todo:
		case <-look.C:
		}
		look.Stop()
	}
}

func (e *engine) runErrand(f store.Errand) error {
	var x errand
	if err := json.Unmarshal([]byte(f.Body), &x); err != nil {
		return fmt.Errorf("read an errand: %w", err)
	}
	if x.Read {
		return e.col.Ask(f.Source)
	}
	return e.col.Announce(f.Source, connector.Event{Targets: x.Targets, Actor: x.Actor, At: x.At}, x.Arrived)
}
