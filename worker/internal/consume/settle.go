package consume

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// kind names an attempt's outcome.
type kind int

const (
	undecided kind = iota
	complete       // it succeeded
	retry          // it failed and will be tried again
	reject         // it failed for good: the input, not the worker, is at fault
	exhausted      // it failed and was the last attempt
	expire         // it waited too long to be started
	release        // it is given back unharmed: the worker stops, or the model could not even begin
	later          // the broker could not be asked: the lease runs out, or the job is handed out again
	ended          // the log holds the end already
	lost           // another attempt owns the job, and its message with it: this one leaves no trace
)

// outcome is an attempt's fate, as a value: decided in process.go, carried out here.
type outcome struct {
	kind   kind
	result engine.Result
	err    error
	delay  time.Duration
	queued time.Duration
}

// settleTimeout bounds how long the broker may be away before an end is given up: the lease then runs out, and the job
// runs again.
const settleTimeout = 30 * time.Second

// settle is the one place where a delivery ends. The order is: store what happened, then ack, and the reply goes out
// with the store. A fence means that somebody else has written: see again.
func (c *Consumer) settle(h *held, o outcome) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	err := c.carryOut(ctx, h, o)
	if errors.Is(err, queue.ErrFenced) {
		err = c.again(ctx, h, o)
	}
	c.metrics.settled(h.d.Job, o, err)
	if err != nil {
		c.log.Error("attempt is not settled", "job_id", h.d.Job.ID, "attempt", h.attempt, "error", err)
	}
}

// carryOut is called with h.mu held.
func (c *Consumer) carryOut(ctx context.Context, h *held, o outcome) error {
	switch o.kind {
	case complete:
		e := c.end(h, o, job.Succeeded)
		e.Body, e.Streamed = o.result.Output, h.streamed
		return c.finish(ctx, h, e)
	case retry:
		err := h.append(ctx, &job.Event{Kind: job.Retrying, Attempt: h.attempt, At: now(), Worker: h.worker, Error: job.ErrorOf(o.err)})
		if err != nil {
			return err
		}
		return h.d.Nak(o.delay)
	case reject:
		e := c.end(h, o, job.Failed)
		e.Error, e.Body = job.ErrorOf(o.err), h.d.Job.Input
		return c.finish(ctx, h, e)
	case exhausted:
		return c.bury(ctx, h, o)
	case expire:
		e := c.end(h, o, job.Expired)
		e.Attempt, e.StartedAt = h.attempt-1, nil
		e.Error = &job.Error{Code: fault.DeadlineExceeded, Message: "the job was not started within its ttl"}
		return c.finish(ctx, h, e)
	case release:
		err := h.append(ctx, &job.Event{Kind: job.Released, Attempt: h.attempt, At: now(), Worker: h.worker})
		if err != nil {
			return err
		}
		return h.d.Nak(o.delay)
	case later:
		return errors.Join(o.err, h.d.Nak(time.Second))
	case ended:
		return h.d.Ack()
	case lost:
		return c.checkLost(ctx, h)
	case undecided:
	}
	return errors.New("consume: attempt without an outcome")
}

// finish stores the end and acks.
func (c *Consumer) finish(ctx context.Context, h *held, e *job.Event) error {
	if err := h.append(ctx, e); err != nil {
		return err
	}
	err := h.d.Ack()
	if e.Status != job.Failed {
		c.forget(ctx, h.d.Job)
	}
	return err
}

// bury ends a job out of attempts and keeps it as a dead letter. The letter comes first, and counts once the end is there:
// who sees the end finds the letter.
func (c *Consumer) bury(ctx context.Context, h *held, o outcome) error {
	e := c.end(h, o, job.Failed)
	e.Error = &job.Error{Code: fault.AttemptsExhausted, Message: "the last attempt failed: " + fault.From(o.err).Detail}
	e.Body = h.d.Job.Input
	if err := c.queue.Bury(ctx, queue.NewDeadLetter(h.d.Job, e)); err != nil {
		return err
	}
	if err := h.append(ctx, e); err != nil {
		return err
	}
	return h.d.Term()
}

// again decides after a fence. If the job has ended, the delivery is done with. If not, an attempt before this one left events that this one did not know of (the broker forgot the delivery count in a
// restart): this attempt claims the log with a start of its own, and its outcome counts.
func (c *Consumer) again(ctx context.Context, h *held, o outcome) error {
	last, err := c.queue.Last(ctx, h.d.Job.Tenant, h.d.Job.ID)
	if errors.Is(err, queue.ErrNotFound) && h.last > 0 {
		return c.forgotten(ctx, h, o)
	}
	if err != nil {
		return err
	}
	if last.Outlives(h.d.Job) {
		return h.d.Ack()
	}
	if h.shown {
		return nil // this attempt had its place in the log and lost it to a newer one, which has the job's message too
	}
	h.last, h.attempt = last.Seq, min(last.Attempt+1, h.d.Job.MaxAttempts)
	if err := h.tellStarted(ctx); err != nil {
		return err
	}
	return c.carryOut(ctx, h, o)
}

// forgotten decides for an attempt whose log is gone: it forgets by age, also what is told of a job that has not ended. Its
// message tells whether it has.
func (c *Consumer) forgotten(ctx context.Context, h *held, o outcome) error {
	_, _, err := c.queue.Find(ctx, h.d.Job.Tenant, h.d.Job.ID)
	if errors.Is(err, queue.ErrNotFound) {
		return h.d.Ack()
	}
	if err != nil {
		return err
	}
	h.last = 0
	return c.carryOut(ctx, h, o)
}

// checkLost acks for an attempt that was told to go when what outran it was the job's end.
func (c *Consumer) checkLost(ctx context.Context, h *held) error {
	last, err := c.queue.Last(ctx, h.d.Job.Tenant, h.d.Job.ID)
	if err != nil || !last.Outlives(h.d.Job) {
		return err
	}
	return h.d.Ack()
}

// end prepares the job's last event. It is called with h.mu held.
func (c *Consumer) end(h *held, o outcome, s job.Status) *job.Event {
	e := &job.Event{
		Kind: job.End, Status: s, Attempt: h.attempt, At: now(), Worker: h.worker, Version: h.version, Job: h.d.Job,
		Usage: &job.Usage{
			QueueMS: job.Milliseconds(o.queued), BatchSize: o.result.BatchSize,
			InputTokens: o.result.InputTokens, OutputTokens: o.result.OutputTokens,
		},
	}
	if !h.startedAt.IsZero() {
		started := h.startedAt
		e.StartedAt = &started
		e.Usage.RunMS = job.Milliseconds(e.At.Sub(started))
	}
	if o.result.Version != "" {
		e.Version = o.result.Version
	}
	return e
}

// backoff doubles with each attempt and takes a random half away, so that jobs which failed together do not return
// together.
func (c *Consumer) backoff(attempt int) time.Duration {
	d := min(c.cfg.RetryDelay<<min(attempt-1, 20), c.cfg.MaxDelay)
	return d/2 + rand.N(d/2+1) //nolint:gosec // spreading load needs no secrecy
}

func now() time.Time { return job.Stamp(time.Now()) }
