package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// RunClock queues scheduled jobs at their time, and ends those that have been queued for too long, until ctx ends. The
// gateways share the work; it needs no worker.
func (s *Service) RunClock(ctx context.Context) error {
	return s.queue.RunClock(ctx, queue.Clock{Start: s.launch, Expire: s.expire})
}

// launch queues a job that was kept until now. The log is told first, fenced, so that a job canceled meanwhile is not
// queued; and whoever repeats this after a death in the middle sees there how far it had come.
func (s *Service) launch(ctx context.Context, j *job.Job) error {
	for {
		last, err := s.lastEvent(ctx, j.Tenant, j.ID)
		if err != nil {
			return err
		}
		e := due(j, last)
		switch {
		case e != nil:
			err = s.queue.Append(ctx, j.Tenant, j.ID, e, seqOf(last))
			if errors.Is(err, queue.ErrFenced) {
				continue // something happened just now: look again
			}
			if err != nil {
				return err
			}
		case last.Kind != job.Due && last.Kind != job.Requeued:
			return nil // it has gone on from there, or was canceled
		}
		if !s.ours(j) { // its gateway is another, or was: this one keeps count of it from here on
			j.Mark = s.ids.Mark()
			if err := s.listen(j); err != nil {
				return err
			}
		}
		return s.publish(ctx, j, true)
	}
}

// due is the event that queues a job after the newest event of its log, or nil where none does.
func due(j *job.Job, last *job.Event) *job.Event {
	now := job.Stamp(time.Now())
	switch {
	case j.Before > 0 && (last == nil || last.Kind == job.End && last.Status == job.Failed && last.Attempt == j.Before):
		return &job.Event{Kind: job.Requeued, Attempt: j.Before, Before: j.Before, At: now, Job: j}
	case j.Before == 0 && last == nil:
		return &job.Event{Kind: job.Due, At: now}
	}
	return nil
}

// expire ends a job that is still queued.
func (s *Service) expire(ctx context.Context, tenantID, id string) error {
	_, _, err := s.end(ctx, tenantID, id, expiredEnd)
	if code := fault.CodeOf(err); code == fault.NotFound || code == fault.Gone {
		return nil
	}
	return err
}

// expiredEnd is nil for an attempt that runs, which may end, and for a retry by hand, which has all the time.
func expiredEnd(st *job.State, now time.Time) *job.Event {
	if st.Status != job.Queued && st.Status != job.Scheduled || st.Job.Before > 0 {
		return nil
	}
	return &job.Event{
		Kind: job.End, Status: job.Expired, Attempt: st.Attempt, At: job.Stamp(now), Job: st.Job,
		Error: &job.Error{Code: fault.DeadlineExceeded, Message: "the job was not started within its ttl"},
		Usage: &job.Usage{QueueMS: job.Milliseconds(now.Sub(st.Job.CreatedAt))},
	}
}
