package jobs

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Bury ends the jobs that the broker gives up on, because no worker ever settled one, until ctx ends. Workers bury what
// is out of attempts themselves; this catches what never gets that far.
func (s *Service) Bury(ctx context.Context) error {
	return s.queue.Undelivered(ctx, s.buryOne)
}

func (s *Service) buryOne(ctx context.Context, j *job.Job, seq uint64) error {
	last, err := s.lastEvent(ctx, j.Tenant, j.ID)
	if err != nil {
		return err
	}
	if last != nil && last.Outlives(j) {
		return s.queue.Remove(ctx, seq)
	}
	e := &job.Event{
		Kind: job.End, Status: job.Failed, Attempt: j.MaxAttempts, At: job.Stamp(time.Now()), Job: j,
		Error: &job.Error{Code: fault.AttemptsExhausted, Message: "no worker could settle the job"},
		Usage: &job.Usage{QueueMS: job.Milliseconds(time.Since(j.CreatedAt))}, Body: j.Input,
	}
	if err := s.queue.Bury(ctx, queue.NewDeadLetter(j, e)); err != nil { // it counts once the end is there
		return err
	}
	if err := s.queue.Append(ctx, j.Tenant, j.ID, e, seqOf(last)); err != nil {
		return err // fenced, as something happened just now: the advisory comes again
	}
	return s.queue.Remove(ctx, seq)
}
