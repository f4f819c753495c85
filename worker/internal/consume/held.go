package consume

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// held is a delivery in hand and this attempt's place in the job's log.
type held struct {
	queue  *queue.Queue
	d      *queue.Delivery
	cancel context.CancelCauseFunc
	worker string

	mu        sync.Mutex
	last      uint64    // guarded by mu: sequence of the newest event, the condition of the next
	attempt   int       // guarded by mu
	version   string    // guarded by mu
	startedAt time.Time // guarded by mu; zero until the attempt runs
	shown     bool      // guarded by mu: the log tells that the attempt started
	closed    bool      // guarded by mu: the attempt has been settled
	streamed  bool      // guarded by mu: deltas went out
	told      time.Time // guarded by mu: when the last delta went out, or the attempt began
	pending   [][]byte  // guarded by mu: deltas that wait, of a job that nobody reads along

	deadline atomic.Int64 // Unix nanoseconds when the attempt has run too long; 0 before it runs
}

func newHeld(q *queue.Queue, d *queue.Delivery, cancel context.CancelCauseFunc, worker string) *held {
	return &held{queue: q, d: d, cancel: cancel, worker: worker}
}

// boundBy sets when the attempt has run too long. The lease's keeper looks, so that no job costs a timer.
func (h *held) boundBy(t time.Time) { h.deadline.Store(t.UnixNano()) }

func (h *held) overdue(now time.Time) bool {
	d := h.deadline.Load()
	return d != 0 && now.UnixNano() > d
}

// errEnded says that the log holds the job's end already: nothing is left to do but to ack.
var errEnded = errors.New("consume: the job has ended")

// begin decides which attempt this is. A fresh delivery of a job that was never anything but queued is the first. Any
// other asks the log: a quick attempt that died left no trace there, so a job without one is on its second.
func (h *held) begin(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.d.Job
	h.attempt = 1
	if h.d.Fresh && j.NotBefore.IsZero() && j.Before == 0 {
		return nil
	}
	last, err := h.queue.Last(ctx, j.Tenant, j.ID)
	if errors.Is(err, queue.ErrNotFound) {
		if h.d.Count > 1 {
			h.attempt = 2
		}
		return nil
	}
	if err != nil {
		return err
	}
	if last.Outlives(j) {
		return errEnded
	}
	h.last = last.Seq
	switch last.Kind {
	case job.End: // is no more than said
	case job.Released:
		h.attempt = max(1, last.Attempt)
	case job.Started, job.Output, job.Retrying:
		h.attempt = last.Attempt + 1
	case job.Due, job.Requeued: // a quick attempt may have died here, too
		h.attempt = last.Attempt + 1
		if h.d.Count > 1 {
			h.attempt++
		}
	}
	return nil
}

// number is the attempt's.
func (h *held) number() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.attempt
}

// start marks the attempt as running. It is told in the log at once when the caller reads along, an earlier attempt is
// there to be told from, or the job expires while it is queued; a quick first one is told by its end alone.
func (h *held) start(ctx context.Context, version string, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.version, h.startedAt, h.told = version, job.Stamp(now), now
	if h.attempt == 1 && !h.d.Job.Stream && h.d.Job.TTL == 0 {
		return nil
	}
	return h.tellStarted(ctx)
}

// tellStarted is called with mu held.
func (h *held) tellStarted(ctx context.Context) error {
	err := h.append(ctx, &job.Event{Kind: job.Started, Attempt: h.attempt, At: h.startedAt, Worker: h.worker, Version: h.version})
	h.shown = err == nil
	if h.shown && h.d.Job.Hooked(job.HookStarted) {
		h.queue.RouseHook(h.d.Job.Tenant, h.d.Job.ID)
	}
	return err
}

// append is called with mu held.
func (h *held) append(ctx context.Context, e *job.Event) error {
	e.Before = h.d.Job.Before
	if err := h.queue.Append(ctx, h.d.Job.Tenant, h.d.Job.ID, e, h.last); err != nil {
		return err
	}
	h.last = e.Seq
	return nil
}

// showable tells whether the attempt has been running unseen for a while.
func (h *held) showable(now time.Time, after time.Duration) bool {
	if !h.mu.TryLock() {
		return false // it is writing just now
	}
	defer h.mu.Unlock()
	return !h.shown && !h.closed && !h.startedAt.IsZero() && now.Sub(h.startedAt) >= after
}

// show tells the log that the attempt runs. A fence means that it should not: the job has ended, or another runs it.
func (h *held) show(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shown || h.closed {
		return
	}
	if err := h.tellStarted(ctx); errors.Is(err, queue.ErrFenced) {
		h.cancel(errFenced)
	}
}

// tellEvery is how often a job tells its deltas that nobody reads along; whoever comes later still finds them all.
const tellEvery = 100 * time.Millisecond

// emit takes a delta of a streaming model: it is written at once when the caller reads along, and else every tellEvery,
// merged with what came since.
func (h *held) emit(ctx context.Context, delta []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.d.Job.Stream {
		return h.tellDelta(ctx, delta)
	}
	merged := false
	if n := len(h.pending); n > 0 {
		h.pending[n-1], merged = job.MergeDelta(h.pending[n-1], delta)
	}
	if !merged {
		h.pending = append(h.pending, bytes.Clone(delta))
	}
	if time.Since(h.told) < tellEvery {
		return nil
	}
	return h.tellPending(ctx)
}

// flush writes the deltas that wait, unless the whole output, which comes next, tells as much.
func (h *held) flush(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.streamed {
		return nil
	}
	return h.tellPending(ctx)
}

// tellPending is called with mu held.
func (h *held) tellPending(ctx context.Context) error {
	for _, delta := range h.pending {
		if err := h.tellDelta(ctx, delta); err != nil {
			return err
		}
	}
	clear(h.pending)
	h.pending, h.told = h.pending[:0], time.Now()
	return nil
}

// tellDelta is called with mu held.
func (h *held) tellDelta(ctx context.Context, delta []byte) error {
	h.streamed = true
	started := h.startedAt // told again, for who reads the newest event alone
	err := h.append(ctx, &job.Event{Kind: job.Output, Attempt: h.attempt, At: now(), StartedAt: &started, Body: delta})
	if errors.Is(err, queue.ErrFenced) {
		h.cancel(errFenced)
	}
	return err
}
