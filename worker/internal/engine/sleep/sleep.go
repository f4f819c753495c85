// Package sleep is the engine for trying the rest out: it waits, fails, echoes, streams and crashes as it is told, and
// costs next to nothing otherwise. All its requests share one heap of due times and one timer.
package sleep

import (
	"container/heap"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// DefaultSlots is how many requests sleep at once.
const DefaultSlots = 16

// Engine is an engine.Generator.
type Engine struct {
	slots   int
	crash   func()   // ends the process at once, as a killed one ends
	effects *Effects // nil for none

	mu     sync.Mutex
	last   engine.SeqID
	active map[engine.SeqID]*sequence
	due    dueHeap

	wake  chan struct{} // holds one token when something was admitted
	timer *time.Timer   // of Step
}

// sequence is one request asleep.
type sequence struct {
	id    engine.SeqID
	job   string
	in    input
	try   int
	start time.Time
	sent  int       // deltas
	next  time.Time // when its next delta or its end is due
	index int       // in the heap
}

// New makes an engine with that many slots, DefaultSlots when it is 0. crash must end the process, by a signal that it
// can't catch.
func New(slots int, crash func()) *Engine {
	if slots <= 0 {
		slots = DefaultSlots
	}
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Engine{
		slots: slots, crash: crash, active: map[engine.SeqID]*sequence{},
		wake: make(chan struct{}, 1), timer: t,
	}
}

// Record has each run that is complete added to the file, before its result is told: the effect that a run may have
// outside. A run that cannot be added has failed. The engine closes the file.
func (e *Engine) Record(effects *Effects) { e.effects = effects }

// Slots is how many requests sleep at once.
func (e *Engine) Slots() int { return e.slots }

// Admit takes a request in, or says engine.ErrBusy when all slots are taken. Bad input is an invalid_input fault.
func (e *Engine) Admit(_ context.Context, r engine.Request) (engine.SeqID, error) {
	in, err := parse(r.Input)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	e.mu.Lock()
	if len(e.active) >= e.slots {
		e.mu.Unlock()
		return 0, engine.ErrBusy
	}
	e.last++
	s := &sequence{id: e.last, job: r.JobID, in: in, try: r.Attempt, start: now}
	s.next = s.when()
	e.active[s.id] = s
	heap.Push(&e.due, s)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return s.id, nil
}

// Step gives what is due: deltas and ends. It waits for the first when nothing is.
func (e *Engine) Step(ctx context.Context) ([]engine.Event, error) {
	for {
		events, next := e.collect(time.Now())
		if len(events) > 0 {
			return events, nil
		}
		if err := e.sleep(ctx, next); err != nil {
			return nil, err
		}
	}
}

// sleep waits until next, an admission, or the end of ctx. A zero next never comes.
func (e *Engine) sleep(ctx context.Context, next time.Time) error {
	var fire <-chan time.Time
	if !next.IsZero() {
		e.timer.Reset(time.Until(next))
		defer e.timer.Stop()
		fire = e.timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-e.wake:
	case <-fire:
	}
	return nil
}

// collect takes what is due out of the heap, and says when the next is.
func (e *Engine) collect(now time.Time) ([]engine.Event, time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var events []engine.Event
	for len(e.due) > 0 {
		s := e.due[0]
		if s.next.After(now) {
			return events, s.next
		}
		events = e.advance(s, now, events)
	}
	return events, time.Time{}
}

// advance gives all of one sequence that is due.
func (e *Engine) advance(s *sequence, now time.Time, events []engine.Event) []engine.Event {
	for s.sent < s.in.tokens && !s.next.After(now) {
		s.sent++
		events = append(events, engine.Event{Seq: s.id, Delta: delta(s.sent)})
		s.next = s.when()
	}
	if s.next.After(now) {
		heap.Fix(&e.due, s.index)
		return events
	}
	heap.Remove(&e.due, s.index)
	delete(e.active, s.id)
	return append(events, e.finish(s))
}

func (e *Engine) finish(s *sequence) engine.Event {
	if s.in.crash {
		e.crash()
	}
	if int64(s.try) <= s.in.failAttempts {
		err := fault.New(fault.Internal, "attempt %d of %d that were asked to fail", s.try, s.in.failAttempts)
		return engine.Event{Seq: s.id, Done: true, Err: err}
	}
	if e.effects != nil {
		if err := e.effects.Add(s.job, s.try); err != nil {
			return engine.Event{Seq: s.id, Done: true, Err: fault.Wrap(fault.Internal, err, "the effect could not be written")}
		}
	}
	out := append(make([]byte, 0, len(s.in.echo)+32), `{"echo":`...)
	out = append(out, s.in.echo...)
	out = append(out, `,"attempt":`...)
	out = strconv.AppendInt(out, int64(s.try), 10)
	out = append(out, '}')
	return engine.Event{Seq: s.id, Done: true, Result: engine.Result{
		Output: out, BatchSize: 1, OutputTokens: s.in.tokens,
	}}
}

// when is the time of the next delta, the last one at the very end, or of the end itself.
func (s *sequence) when() time.Time {
	if s.sent >= s.in.tokens {
		return s.start.Add(s.in.wait)
	}
	share := float64(s.sent+1) / float64(s.in.tokens)
	return s.start.Add(time.Duration(float64(s.in.wait) * share))
}

func delta(n int) []byte {
	out := append(make([]byte, 0, 24), `{"text":"word`...)
	out = strconv.AppendInt(out, int64(n), 10)
	return append(out, ` "}`...)
}

// Cancel drops a sequence.
func (e *Engine) Cancel(id engine.SeqID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.active[id]; s != nil {
		heap.Remove(&e.due, s.index)
		delete(e.active, id)
	}
}

// Close closes the file of effects, if there is one.
func (e *Engine) Close() error {
	if e.effects == nil {
		return nil
	}
	return e.effects.Close()
}

// dueHeap has the sequence that is due first at its top.
type dueHeap []*sequence

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if !h[i].next.Equal(h[j].next) {
		return h[i].next.Before(h[j].next)
	}
	return h[i].id < h[j].id
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap's.
func (h *dueHeap) Push(x any) {
	s := x.(*sequence) //nolint:errcheck,forcetypeassert // heap.Push is only called with one
	s.index = len(*h)
	*h = append(*h, s)
}

// Pop is heap's.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return s
}
