package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Cancel ends a job as canceled.
func (s *Service) Cancel(ctx context.Context, tenantID, id string) (job.State, error) {
	st, done, err := s.end(ctx, tenantID, id, canceledEnd)
	if err == nil && !done {
		err = fault.New(fault.Conflict, "the job has ended as %s", st.Status)
	}
	return st, err
}

// end ends a job from outside, unless it has ended or how says that it should not. The end is written first, fenced by the
// newest event, so that it either stands before the worker's own end or loses to it; only then the message is taken out and
// the worker told to stop.
func (s *Service) end(ctx context.Context, tenantID, id string, how func(*job.State, time.Time) *job.Event) (st job.State, done bool, err error) {
	for {
		var last uint64
		if st, last, err = s.look(ctx, tenantID, id); err != nil || st.Status.Ended() {
			return st, false, err
		}
		end := how(&st, time.Now())
		if end == nil {
			return st, false, nil
		}
		err = s.queue.Append(ctx, st.Job.Tenant, st.Job.ID, end, last)
		if errors.Is(err, queue.ErrFenced) {
			continue // something happened between look and write: look again
		}
		if err != nil {
			return st, false, unavailable(err)
		}
		st.Apply(end)
		s.stop(ctx, tenantID, id)
		s.forget(ctx, st.Job)
		return st, true, nil
	}
}

func canceledEnd(st *job.State, now time.Time) *job.Event {
	e := &job.Event{
		Kind: job.End, Status: job.Canceled, Attempt: st.Attempt, At: job.Stamp(now),
		Version: st.Version, Job: st.Job, Usage: &job.Usage{QueueMS: job.Milliseconds(now.Sub(st.Job.CreatedAt))},
	}
	if !st.StartedAt.IsZero() {
		started := st.StartedAt
		e.StartedAt = &started
		e.Usage = &job.Usage{QueueMS: job.Milliseconds(started.Sub(st.Job.CreatedAt)), RunMS: job.Milliseconds(now.Sub(started))}
	}
	return e
}

// stop frees what the ended job holds. The end stands, so a failure here costs only time: a worker that gets the
// message finds the end and drops it.
func (s *Service) stop(ctx context.Context, tenantID, id string) {
	err := s.queue.Cancel(tenantID, id)
	j, seq, findErr := s.queue.Find(ctx, tenantID, id)
	if findErr == nil {
		err = errors.Join(err, s.queue.Remove(ctx, seq))
	}
	if findErr != nil || j.TTL > 0 { // it may be scheduled, or is to expire
		err = errors.Join(err, s.queue.Unschedule(ctx, tenantID, id))
	}
	if err != nil {
		s.log.WarnContext(ctx, "ended job is not cleared away", "job_id", id, "error", err)
	}
}
