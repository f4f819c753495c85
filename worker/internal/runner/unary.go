package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/batch"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// defaultMaxSize is how many requests share a run where the manifest does not say.
const defaultMaxSize = 8

// unary batches requests for an engine.Unary. Each instance is one goroutine that takes the next batch when it is free.
type unary struct {
	engine    engine.Unary
	build     Build
	log       *slog.Logger
	metrics   *modelMetrics
	meter     *meter
	instances sync.WaitGroup
	cancel    context.CancelFunc // ends the instances and what they run

	wake chan struct{} // a token for each instance that may find something new

	mu      sync.Mutex
	batcher *batch.Batcher[*call]
	running int // groups that the instances run now
	closed  bool
}

// call is one request between Prepare and its outcome.
type call struct {
	unit  engine.Unit
	rank  int
	done  chan engine.Outcome // takes one without waiting
	group *group              // what runs it; nil while it waits; guarded by unary.mu
	gone  bool                // its caller has left; guarded by unary.mu
}

// group is the calls of one run.
type group struct {
	live   int // calls whose callers still wait; guarded by unary.mu
	cancel context.CancelFunc
}

func newUnary(e engine.Unary, b Build, log *slog.Logger, mm *modelMetrics, m *meter) *unary {
	ctx, cancel := context.WithCancel(context.Background())
	u := &unary{
		engine: e, build: b, log: log, metrics: mm, meter: m, cancel: cancel,
		wake:    make(chan struct{}, b.Instances),
		batcher: batch.New[*call](batchConfig(e, b.Manifest)),
	}
	for range b.Instances {
		u.instances.Go(func() { u.instance(ctx) })
	}
	return u
}

// batchConfig is the manifest's, with defaults. An engine may bring its own bound on tokens by a method MaxTokens.
func batchConfig(e engine.Unary, m *model.Manifest) batch.Config {
	c := batch.Config{MaxSize: m.Batch.MaxSize, MaxDelay: m.Batch.MaxDelay, MaxTokens: m.Batch.MaxTokens}
	if c.MaxSize <= 0 {
		c.MaxSize = defaultMaxSize
	}
	if t, ok := e.(interface{ MaxTokens() int }); ok && c.MaxTokens <= 0 {
		c.MaxTokens = t.MaxTokens()
	}
	return c
}

func (u *unary) slots() int {
	if n := u.build.Manifest.Slots; n > 0 {
		return n
	}
	return 2 * u.build.Instances * batchConfig(u.engine, u.build.Manifest).MaxSize
}

func (u *unary) run(ctx context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
	if err := ctx.Err(); err != nil {
		return engine.Result{}, err
	}
	unit, err := u.prepare(ctx, r)
	if err != nil {
		return engine.Result{}, err
	}
	c := &call{unit: unit, rank: r.Rank, done: make(chan engine.Outcome, 1)}
	if err := u.enqueue(c); err != nil {
		return engine.Result{}, err
	}
	select {
	case o := <-c.done:
		return o.Result, o.Err
	case <-ctx.Done():
		u.leave(c)
		return engine.Result{}, ctx.Err()
	}
}

func (u *unary) prepare(ctx context.Context, r engine.Request) (unit engine.Unit, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(u.log, u.metrics, r.Model, p, debug.Stack())
		}
	}()
	return u.engine.Prepare(ctx, r)
}

func (u *unary) enqueue(c *call) error {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return stopping()
	}
	u.batcher.Add(c, c.unit.Key(), c.unit.Cost(), c.rank, time.Now())
	u.mu.Unlock()
	u.wakeOne()
	return nil
}

// wakeOne lets an instance look again. When the channel is full, as many are about to look as there are.
func (u *unary) wakeOne() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// leave takes a call out whose caller has gone. The last one to leave a run ends it, and waits until it has ended, as
// its slot is not free before.
func (u *unary) leave(c *call) {
	u.mu.Lock()
	if u.batcher.Remove(c) {
		u.mu.Unlock()
		return
	}
	c.gone = true
	g := c.group
	last := false
	if g != nil {
		g.live--
		last = g.live == 0
	}
	u.mu.Unlock()
	if last {
		g.cancel()
		<-c.done
	}
}

// instance runs batches until the loop is stopped.
func (u *unary) instance(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		calls, run, g := u.next(ctx, timer)
		if g == nil {
			return
		}
		u.runGroup(ctx, run, g, calls)
	}
}

// next waits for a batch that is due. A nil group means that the loop was stopped.
func (u *unary) next(ctx context.Context, timer *time.Timer) ([]*call, context.Context, *group) {
	for {
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			return nil, nil, nil
		}
		now := time.Now()
		if b, ok := u.batcher.Next(now, u.running == 0); ok {
			run, g := u.start(ctx, b.Items)
			more := u.batcher.Len() > 0
			u.mu.Unlock()
			if more {
				u.wakeOne()
			}
			u.observe(&b, now)
			return b.Items, run, g
		}
		var fire <-chan time.Time
		if d, ok := u.batcher.UntilNext(now); ok {
			timer.Reset(d)
			fire = timer.C
		}
		u.mu.Unlock()
		select {
		case <-u.wake:
		case <-fire:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (u *unary) observe(b *batch.Batch[*call], now time.Time) {
	u.metrics.batchSize(b.Reason).Observe(float64(len(b.Items)))
	for _, since := range b.Since {
		u.metrics.wait.Observe(now.Sub(since).Seconds())
	}
}

// start makes a group of calls. The caller holds mu.
func (u *unary) start(ctx context.Context, calls []*call) (context.Context, *group) {
	run, cancel := context.WithCancel(ctx)
	g := &group{cancel: cancel}
	for _, c := range calls {
		c.group = g
		if !c.gone {
			g.live++
		}
	}
	u.running++
	return run, g
}

// end takes a group off the running ones.
func (u *unary) end(g *group) {
	g.cancel()
	u.mu.Lock()
	u.running--
	u.mu.Unlock()
}

// runGroup runs a batch under the context run and hands out its outcomes; a batch that fails as a whole is run again one
// by one.
func (u *unary) runGroup(ctx, run context.Context, g *group, calls []*call) {
	outcomes, err := u.runBatch(run, calls)
	canceled := run.Err() != nil // every caller has left, or the loop stops
	u.end(g)
	switch {
	case err == nil:
		for i, c := range calls {
			c.done <- outcomes[i]
		}
	case len(calls) == 1 || canceled:
		for _, c := range calls {
			c.done <- engine.Outcome{Err: final(ctx, err)}
		}
	default:
		u.log.WarnContext(ctx, "a batch failed; its requests run again one by one",
			"model", u.build.Manifest.Name, "batch_size", len(calls), "error", err.Error())
		for _, c := range calls {
			u.runAlone(ctx, c)
		}
	}
}

// runAlone runs one call of a batch that failed.
func (u *unary) runAlone(ctx context.Context, c *call) {
	u.mu.Lock()
	if c.gone || u.closed {
		u.mu.Unlock()
		c.done <- engine.Outcome{Err: stopping()}
		return
	}
	run, g := u.start(ctx, []*call{c})
	u.mu.Unlock()
	outcomes, err := u.runBatch(run, []*call{c})
	u.end(g)
	if err != nil {
		c.done <- engine.Outcome{Err: final(ctx, err)}
		return
	}
	c.done <- outcomes[0]
}

// final makes a batch's error one request's: a run that a stopping worker ended is none of the model's fault.
func final(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return stopping()
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Internal, err, "the model failed on this input")
}

func (u *unary) runBatch(ctx context.Context, calls []*call) (outcomes []engine.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(u.log, u.metrics, u.build.Manifest.Name, p, debug.Stack())
		}
	}()
	units := make([]engine.Unit, len(calls))
	for i, c := range calls {
		units[i] = c.unit
	}
	begin := time.Now()
	outcomes, err = u.engine.RunBatch(ctx, units)
	u.metrics.run.Observe(time.Since(begin).Seconds())
	if err == nil && len(outcomes) != len(calls) {
		err = fault.New(fault.Internal, "the model failed on this input")
		u.log.ErrorContext(ctx, "an engine gave back another number of outcomes than units",
			"model", u.build.Manifest.Name, "detail", fmt.Sprintf("%d for %d", len(outcomes), len(calls)))
	}
	return outcomes, err
}

func (u *unary) stop() {
	u.mu.Lock()
	u.closed = true
	for {
		b, ok := u.batcher.Next(time.Now(), true)
		if !ok {
			break
		}
		for _, c := range b.Items {
			c.done <- engine.Outcome{Err: stopping()}
		}
	}
	u.mu.Unlock()
	u.cancel()
	u.instances.Wait()
}

func (u *unary) batches() bool { return true }

func (u *unary) about() job.About { return aboutOf(u.engine) }

func (u *unary) close() error { return u.engine.Close() }
