package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// game is a gateway whose power is cut again and again.
type game struct {
	o          options
	s          *stack.Stack
	c          *stack.Client
	rng        *rand.Rand
	nats       string // the broker's files, as the gateway sees them
	live, kept string // the two folders of the disk
	progress   io.Writer
	r          *report
}

// play cuts the power as often as was asked for, and checks what is left.
func play(ctx context.Context, o options, progress io.Writer) (r *report, err error) {
	s, err := stack.Start(ctx, stack.Options{
		Bin: o.bin, NoWorker: true, SleepSlots: 16,
		Env: []string{"PENSTOCK_QUEUE_PROFILE=" + o.profile, "PENSTOCK_WORKER_LEASE=2s"},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	g := &game{
		o: o, s: s, rng: rand.New(rand.NewPCG(o.seed, 0)), progress: progress, r: &report{o: o}, //nolint:gosec // no secret
		nats: filepath.Join(s.Data(), "nats"), live: filepath.Join(s.Dir(), "live"), kept: filepath.Join(s.Dir(), "kept"),
	}
	// Tenants and keys are Redis's, which may lose its last second by design, and whose files are not on the disk.
	if g.c, err = s.Tenant(ctx, "powercut", nil); err != nil {
		return nil, err
	}
	if err := s.StopGateway(); err != nil {
		return nil, err
	}
	// The first round starts on an empty disk, so that the streams themselves have to last.
	if err := errors.Join(os.RemoveAll(g.nats), os.Mkdir(g.kept, 0o700)); err != nil {
		return nil, err
	}
	for n := range o.rounds {
		if err := g.round(ctx, n+1); err != nil {
			return nil, fmt.Errorf("round %d: %w", n+1, err)
		}
	}
	if err := os.CopyFS(g.nats, os.DirFS(g.kept)); err != nil {
		return nil, err
	}
	if err := g.up(ctx); err != nil {
		return nil, fmt.Errorf("after the last cut: %w", err)
	}
	return g.r, g.check(ctx)
}

func (g *game) up(ctx context.Context) error {
	if err := g.s.StartGateway(ctx); err != nil {
		return err
	}
	_, err := g.s.StartWorker(ctx)
	return err
}

// round starts everything on what the last cut left, and cuts the power.
func (g *game) round(ctx context.Context, n int) (err error) {
	if err := os.RemoveAll(g.live); err != nil {
		return err
	}
	if err := os.CopyFS(g.live, os.DirFS(g.kept)); err != nil {
		return err
	}
	if err := os.MkdirAll(g.nats, 0o700); err != nil {
		return err
	}
	d := newDisk(g.live, g.kept)
	unmount, err := mount(d, g.nats)
	if err != nil {
		return err
	}
	dead := sync.OnceFunc(d.dead)
	defer func() {
		dead()
		g.killAll()
		err = errors.Join(err, unmount(), os.Remove(g.nats))
	}()
	if err := g.up(ctx); err != nil {
		return err
	}
	load, end := context.WithCancel(ctx)
	defer end()
	var clients sync.WaitGroup
	for i := range g.o.clients {
		rng := rand.New(rand.NewPCG(g.o.seed, uint64(n*1000+i))) //nolint:gosec // no secret
		clients.Go(func() { g.client(load, n, rng) })
	}
	err = wait(ctx, 500*time.Millisecond+time.Duration(g.rng.Int64N(int64(1500*time.Millisecond))))
	// Every other cut comes just when something is to be synced; the rest at whatever is asked.
	blow := &strike{after: g.rng.IntN(20), sync: n%2 == 1, luck: luck((n - 1) % luckKinds), rng: g.rng}
	d.prepare(blow)
	late := time.NewTimer(time.Second)
	defer late.Stop()
	select {
	case <-blow.done:
	case <-late.C: // nobody writes
	}
	what, failed := d.cutNow()
	// What was asked of the disk stays without an answer until nobody can hear it.
	g.signalAll()
	dead()
	end()
	clients.Wait()
	g.r.cut(what, d.syncs())
	say(g.progress, "cut %d: %d accepted so far; %d bytes and %d changes of names dropped\n", n, g.r.accepted(), what.bytes, what.names)
	return errors.Join(err, failed)
}

// signalAll kills without waiting.
func (g *game) signalAll() {
	for _, p := range append(g.s.Workers(), g.s.Gateway()) {
		_ = syscall.Kill(p.PID(), syscall.SIGKILL) // it may have ended
	}
}

func (g *game) killAll() {
	for _, p := range append(g.s.Workers(), g.s.Gateway()) {
		p.Kill()
	}
}

// wait lets a time pass.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
