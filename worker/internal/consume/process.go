package consume

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// longestRetryAfter bounds what a model server may ask for.
const longestRetryAfter = 10 * time.Minute

var (
	errCanceled = errors.New("consume: the job was canceled")
	errFenced   = errors.New("consume: another attempt owns the job")
	errTimeout  = errors.New("consume: the attempt took too long")
)

// process takes one delivery from hand-over to settlement.
func (c *Consumer) process(ctx context.Context, in *intake, h *held) {
	freed := false
	begun := time.Now()
	free := func() {
		if !freed {
			freed = true
			in.ended(h.d.Job, time.Since(begun))
		}
	}
	defer free()
	queued := time.Since(h.d.Job.CreatedAt)
	o := c.prepare(ctx, h)
	if o.kind == undecided {
		o = c.attempt(ctx, h)
	}
	free() // the slot is free before the end is stored: the next job may come while this one is settled
	o.queued = queued
	c.settle(h, o) //nolint:contextcheck // an outcome is stored also when the run was canceled
}

// prepare settles what needs no run: a job that has ended, is out of attempts, or waited too long.
func (c *Consumer) prepare(ctx context.Context, h *held) outcome {
	j := h.d.Job
	err := h.begin(ctx)
	switch {
	case errors.Is(err, errEnded):
		return outcome{kind: ended}
	case err != nil && ctx.Err() != nil:
		return outcome{kind: release}
	case err != nil:
		return outcome{kind: later, err: err}
	}
	if n := h.number(); n > j.MaxAttempts {
		h.mu.Lock()
		h.attempt = j.MaxAttempts
		h.mu.Unlock()
		return outcome{kind: exhausted, err: fault.New(fault.Internal, "the worker died while it ran the job")}
	}
	if at := j.ExpiresAt(); !at.IsZero() && time.Now().After(at) {
		return outcome{kind: expire}
	}
	return outcome{}
}

// attempt runs the job on its model.
func (c *Consumer) attempt(ctx context.Context, h *held) outcome {
	j := h.d.Job
	err := h.start(ctx, j.Version, time.Now())
	if err != nil {
		return c.failed(ctx, h, err)
	}
	bound := c.cfg.Timeout
	if j.Timeout > 0 {
		bound = job.Seconds(j.Timeout)
	}
	h.boundBy(time.Now().Add(bound))
	input, err := c.input(ctx, j)
	if err != nil {
		return c.failed(ctx, h, err)
	}
	res, err := c.runner.Run(ctx, engine.Request{
		JobID: j.ID, Model: j.Model, Version: j.Version, Attempt: h.number(), Input: input, Stream: j.Stream, Rank: rankOf(j),
	}, func(delta []byte) error { return h.emit(ctx, delta) })
	if err == nil {
		err = h.flush(ctx)
	}
	if err == nil {
		err = c.output(ctx, j, &res)
	}
	if err != nil {
		return c.failed(ctx, h, err)
	}
	return outcome{kind: complete, result: res}
}

// rankOf orders jobs that are in hand and wait for a batch: by class, and within one by whether the tenant has a backlog.
func rankOf(j *job.Job) int {
	rank := 2 * slices.Index(job.Classes(), j.Class)
	if !sourceOf(j).Express() {
		rank++
	}
	return rank
}

// longestAbsence bounds the pause between two looks at a model that can't begin. A job is handed out a bounded number of
// times, so that this also says how long a model may be away before its jobs end as dead letters: well over an hour.
const longestAbsence = time.Minute

// absence is how long a job is left alone that could not begin: what was asked for, and twice as long each time.
func (c *Consumer) absence(deliveries int, asked time.Duration) time.Duration {
	return min(max(asked, c.cfg.RetryDelay)<<min(max(deliveries-1, 0), 10), longestAbsence)
}

// failed turns an error into the job's fate.
func (c *Consumer) failed(ctx context.Context, h *held, err error) outcome {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errCanceled):
		return outcome{kind: ended}
	case errors.Is(cause, errFenced):
		return outcome{kind: lost}
	case errors.Is(cause, errTimeout):
		return outcome{kind: reject, err: fault.Wrap(fault.DeadlineExceeded, err, "the job ran longer than its timeout")}
	case cause != nil:
		return outcome{kind: release}
	case fault.CodeOf(err) == fault.NoWorkers: // it did not run at all, which is no attempt
		return outcome{kind: release, delay: c.absence(h.d.Count, fault.From(err).RetryAfter)}
	case !retryable(err):
		return outcome{kind: reject, err: err}
	case h.number() >= h.d.Job.MaxAttempts:
		return outcome{kind: exhausted, err: err}
	}
	return outcome{kind: retry, err: err, delay: max(c.backoff(h.number()), min(fault.From(err).RetryAfter, longestRetryAfter))}
}

// retryable tells our own troubles from the caller's.
func retryable(err error) bool {
	code := fault.CodeOf(err)
	return code == fault.Internal || code == fault.Overloaded
}
