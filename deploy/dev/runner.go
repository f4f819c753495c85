package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

const (
	readyWithin   = 2 * time.Minute
	backoffFirst  = 200 * time.Millisecond
	backoffMost   = 10 * time.Second
	backoffForget = 30 * time.Second // a worker that lived this long starts again at backoffFirst
	workerDrain   = 24 * time.Second // what the worker has to finish or release its jobs
	wholeStop     = 28 * time.Second // worker and gateway together
)

// errChildFailed ends the runner in silence: the child has told why on its own.
var errChildFailed = errors.New("a process ended before it was ready")

// errStopped means that the operator asked to stop before everything had started.
var errStopped = errors.New("stopped")

// runner holds the two processes. Its fields belong to the goroutine that calls run.
type runner struct {
	settings settings
	out, err io.Writer
	signals  <-chan os.Signal

	gateway, worker *child
	backoff         time.Duration
}

// run starts both processes and returns when they have ended: nil after a stop that was asked for.
func (r *runner) run(ctx context.Context) error {
	// A child is told when the thread that started it ends (Pdeathsig), so one thread starts them all and stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := r.startAll(ctx)
	if err == nil {
		err = r.supervise(ctx)
	}
	r.stopAll()
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

func (r *runner) startAll(ctx context.Context) error {
	begin := time.Now()
	var err error
	if r.gateway, err = start(r.settings.binDir, "gateway", r.out, r.err); err != nil {
		return err
	}
	gatewayAt, err := r.waitReady(ctx, r.gateway)
	if err != nil {
		return err
	}
	for {
		if r.worker, err = start(r.settings.binDir, "worker", r.out, r.err); err != nil {
			return err
		}
		_, err = r.waitReady(ctx, r.worker)
		if err == nil {
			break
		}
		if !errors.Is(err, errChildFailed) || r.worker.failed() {
			return err
		}
		// Killed from outside while it was starting.
		if err := r.pause(ctx, r.nextBackoff()); err != nil {
			return err
		}
	}
	r.announce(gatewayAt, time.Since(begin))
	return nil
}

// supervise keeps the worker alive until a signal comes.
func (r *runner) supervise(ctx context.Context) error {
	gatewayDone := r.gateway.done
	for {
		select {
		case <-r.signals:
			return errStopped
		case <-ctx.Done():
			return errStopped
		case <-gatewayDone:
			gatewayDone = nil
			r.say("the gateway has ended (%s); the worker waits for it. Start it again with: %s/gateway",
				r.gateway.state, r.settings.binDir)
		case <-r.worker.done:
			wait := r.nextBackoff()
			r.say("the worker has ended (%s); starting it again in %s", r.worker.state, wait)
			if err := r.pause(ctx, wait); err != nil {
				return err
			}
			worker, err := start(r.settings.binDir, "worker", r.out, r.err)
			if err != nil {
				return err
			}
			r.worker = worker
		}
	}
}

// nextBackoff says how long to wait before the worker, which has ended, is started again.
func (r *runner) nextBackoff() time.Duration {
	if time.Since(r.worker.started) >= backoffForget {
		r.backoff = 0
	}
	r.backoff = min(max(2*r.backoff, backoffFirst), backoffMost)
	return r.backoff
}

// pause waits for d, or gives errStopped as soon as a signal comes.
func (r *runner) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.signals:
		return errStopped
	case <-ctx.Done():
		return errStopped
	}
}

// waitReady returns when c has written that it is ready and its operations listener agrees.
func (r *runner) waitReady(ctx context.Context, c *child) (address, error) {
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.done:
			if !c.failed() {
				r.say("the %s has ended (%s) before it was ready", c.name, c.state)
			}
			return address{}, errChildFailed
		case <-r.signals:
			return address{}, errStopped
		case <-ctx.Done():
			return address{}, errStopped
		case <-deadline.C:
			return address{}, fmt.Errorf("the %s is not ready after %s", c.name, readyWithin)
		case <-tick.C:
			if at, ok := readAddress(r.settings.dataDir, c.name, c.pid()); ok && isReady(ctx, at.Ops) {
				return at, nil
			}
		}
	}
}

// stopAll ends the worker first, so that it can still settle what it holds, then the gateway. A second Ctrl-C kills.
func (r *runner) stopAll() {
	end := time.Now()
	hurry, finished := make(chan struct{}), make(chan struct{})
	defer close(finished)
	go func() {
		for {
			select {
			case s := <-r.signals:
				if s == syscall.SIGINT { // make passes SIGTERM on a second time by itself
					close(hurry)
					return
				}
			case <-finished:
				return
			}
		}
	}()
	for _, part := range []struct {
		c        *child
		deadline time.Time
	}{{r.worker, end.Add(workerDrain)}, {r.gateway, end.Add(wholeStop)}} {
		if part.c == nil || part.c.ended() {
			continue
		}
		r.say("stopping the %s", part.c.name)
		if part.c.stop(part.deadline, hurry) {
			r.say("the %s did not stop in time and was killed", part.c.name)
		}
	}
}

func (r *runner) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.err, "dev: "+format+"\n", args...)
}
