package runner

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// defaultSlots is how many requests a generator holds where neither it nor the manifest says.
const defaultSlots = 16

// afterFailure is the pause after a step that failed, so that an engine that only fails does not take a core.
const afterFailure = 50 * time.Millisecond

// generator steps an engine.Generator in one goroutine and hands its events to the callers.
type generator struct {
	engine  engine.Generator
	build   Build
	log     *slog.Logger
	metrics *modelMetrics
	meter   *meter
	stepper sync.WaitGroup
	cancel  context.CancelFunc // ends the stepper

	mu      sync.Mutex
	active  map[engine.SeqID]*stream
	waiting []*stream // no room yet, oldest first
	closed  bool
}

// stream is one request and what it has not yet heard.
type stream struct {
	request engine.Request
	since   time.Time
	notify  chan struct{} // holds a token when there is something new

	// Guarded by generator.mu.
	id     engine.SeqID // 0 before it is admitted
	start  time.Time
	events []engine.Event
}

func newGenerator(e engine.Generator, b Build, log *slog.Logger, mm *modelMetrics, m *meter) *generator {
	ctx, cancel := context.WithCancel(context.Background())
	g := &generator{
		engine: e, build: b, log: log, metrics: mm, meter: m, cancel: cancel, active: map[engine.SeqID]*stream{},
	}
	g.stepper.Go(func() { g.steps(ctx) })
	return g
}

func (g *generator) slots() int {
	if n := g.build.Manifest.Slots; n > 0 {
		return n
	}
	if s, ok := g.engine.(interface{ Slots() int }); ok {
		return s.Slots()
	}
	return defaultSlots
}

func (g *generator) run(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error) {
	if err := ctx.Err(); err != nil {
		return engine.Result{}, err
	}
	if err := g.prepare(ctx, &r); err != nil {
		return engine.Result{}, err
	}
	s := &stream{request: r, since: time.Now(), notify: make(chan struct{}, 1)}
	if err := g.enter(ctx, s); err != nil {
		return engine.Result{}, err
	}
	var batch []engine.Event
	for {
		select {
		case <-s.notify:
		case <-ctx.Done():
			g.leave(ctx, s)
			return engine.Result{}, ctx.Err()
		}
		batch = g.take(s, batch)
		if len(batch) >= manyUnheard {
			batch = mergeDeltas(batch)
		}
		for i := range batch {
			e := &batch[i]
			if e.Delta != nil && emit != nil {
				if err := emit(e.Delta); err != nil {
					g.leave(ctx, s)
					return engine.Result{}, err
				}
			}
			if e.Done {
				return e.Result, e.Err
			}
		}
	}
}

// prepare lets the engine do what it can before the request is admitted, outside the lock and beside the steps.
func (g *generator) prepare(ctx context.Context, r *engine.Request) (err error) {
	p, ok := g.engine.(engine.Preparer)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = recovered(g.log, g.metrics, g.build.Manifest.Name, p, debug.Stack())
		}
	}()
	r.Prepared, err = p.Prepare(ctx, *r)
	return err
}

// manyUnheard is how many events are left unheard where telling them takes longer than making them: deltas are then merged,
// so that who reads along falls behind no further.
const manyUnheard = 8

// mergeDeltas puts neighboring pieces of the same text together.
func mergeDeltas(events []engine.Event) []engine.Event {
	out := events[:1]
	for _, e := range events[1:] {
		last := &out[len(out)-1]
		if last.Delta != nil && e.Delta != nil && !last.Done && !e.Done {
			var merged bool
			if last.Delta, merged = job.MergeDelta(slices.Clip(last.Delta), e.Delta); merged {
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// take swaps the stream's unheard events for memory to put the next ones in.
func (g *generator) take(s *stream, spare []engine.Event) []engine.Event {
	clear(spare)
	g.mu.Lock()
	defer g.mu.Unlock()
	events := s.events
	s.events = spare[:0]
	return events
}

// enter admits a stream at once when nobody waits before it, and else puts it in line.
func (g *generator) enter(ctx context.Context, s *stream) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return stopping()
	}
	if len(g.waiting) == 0 {
		err := g.admit(ctx, s)
		if !errors.Is(err, engine.ErrBusy) {
			return err
		}
	}
	g.waiting = append(g.waiting, s)
	return nil
}

// admit hands a stream to the engine. The caller holds mu, so that no event of it is dealt with before it is known.
func (g *generator) admit(ctx context.Context, s *stream) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(g.log, g.metrics, g.build.Manifest.Name, p, debug.Stack())
		}
	}()
	id, err := g.engine.Admit(ctx, s.request)
	if err != nil {
		return err
	}
	s.id, s.start = id, time.Now()
	g.active[id] = s
	g.metrics.wait.Observe(s.start.Sub(s.since).Seconds())
	return nil
}

// leave takes a stream out whose caller has gone.
func (g *generator) leave(ctx context.Context, s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.id == 0 {
		for i, w := range g.waiting {
			if w == s {
				g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
				break
			}
		}
		return
	}
	if g.active[s.id] == s {
		g.engine.Cancel(s.id)
		delete(g.active, s.id)
		g.admitWaiting(context.WithoutCancel(ctx))
	}
}

// admitWaiting lets in who waits while there is room. The caller holds mu.
func (g *generator) admitWaiting(ctx context.Context) {
	for len(g.waiting) > 0 {
		s := g.waiting[0]
		err := g.admit(ctx, s)
		if errors.Is(err, engine.ErrBusy) {
			return
		}
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		if err != nil {
			s.give(engine.Event{Done: true, Err: err})
		}
	}
}

// give leaves an event for the stream's caller. The generator's mu is held.
func (s *stream) give(e engine.Event) {
	s.events = append(s.events, e)
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// steps runs the engine until ctx ends.
func (g *generator) steps(ctx context.Context) {
	for ctx.Err() == nil {
		events, err := g.step(ctx)
		if ctx.Err() != nil {
			return
		}
		g.mu.Lock()
		if err != nil {
			g.failAll(err)
		}
		for i := range events {
			g.deal(&events[i])
		}
		g.admitWaiting(ctx)
		g.mu.Unlock()
		if err != nil {
			rest(ctx, afterFailure)
		}
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (g *generator) step(ctx context.Context) (events []engine.Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = recovered(g.log, g.metrics, g.build.Manifest.Name, p, debug.Stack())
		}
	}()
	return g.engine.Step(ctx)
}

// deal hands one event to its stream. The caller holds mu.
func (g *generator) deal(e *engine.Event) {
	s := g.active[e.Seq]
	if s == nil {
		return // its caller has left
	}
	if e.Done {
		delete(g.active, e.Seq)
		g.metrics.run.Observe(time.Since(s.start).Seconds())
	}
	s.give(*e)
}

// failAll ends every admitted stream, as a step that failed leaves none of them in a known state. The caller holds mu.
func (g *generator) failAll(err error) {
	if f := (*fault.Error)(nil); !errors.As(err, &f) {
		err = fault.Wrap(fault.Internal, err, "the model failed")
	}
	g.log.Error("a step failed", "model", g.build.Manifest.Name, "sequences", len(g.active), "error", err.Error())
	for id, s := range g.active {
		g.engine.Cancel(id)
		delete(g.active, id)
		s.give(engine.Event{Done: true, Err: err})
	}
}

func (g *generator) stop() {
	g.mu.Lock()
	g.closed = true
	for id, s := range g.active {
		g.engine.Cancel(id)
		delete(g.active, id)
		s.give(engine.Event{Done: true, Err: stopping()})
	}
	for _, s := range g.waiting {
		s.give(engine.Event{Done: true, Err: stopping()})
	}
	g.waiting = nil
	g.mu.Unlock()
	g.cancel()
	g.stepper.Wait()
}

func (g *generator) batches() bool { return false }

func (g *generator) about() job.About { return aboutOf(g.engine) }

func (g *generator) close() error { return g.engine.Close() }
