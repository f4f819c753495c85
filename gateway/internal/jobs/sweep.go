package jobs

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	sweepEvery = time.Second      // for one tenant, at most
	sweepAgain = 10 * time.Second // where a look found nothing: a queue that is full is full for a while
	sweepAfter = 10 * time.Second // a younger hold may belong to a job that is being submitted
	sweepMost  = 1000
)

// refused completes a refusal of the limits. One for jobs in flight or in the queue has the holds looked through, so that
// the next try counts only what really is; a full queue tells when what waits is predicted to have drained.
func (s *Service) refused(ctx context.Context, st *job.State, now time.Time, err error) error {
	f := fault.From(err)
	if f.Code == fault.TooManyInFlight {
		s.sweep(ctx, st.Job.Tenant, false, now)
	}
	if f.Code == fault.QueueFull {
		s.sweep(ctx, st.Job.Tenant, true, now)
		f.RetryAfter = max(f.RetryAfter, s.drain(ctx, st))
	}
	return err
}

// drain predicts when the last job of what waits before one that was refused will start; 0 when nothing is known.
func (s *Service) drain(ctx context.Context, st *job.State) time.Duration {
	j := *st.Job
	j.Backlog = s.lanes.Backlog(&j, false) != nil
	would := job.State{Job: &j, Status: st.Status}
	s.forecast.place(ctx, &would, 0)
	return would.ETA
}

// sweep frees the holds of jobs that have ended, or begun where queued says so, while the gateway that should have heard
// of it was dead.
func (s *Service) sweep(ctx context.Context, tenantID string, queued bool, now time.Time) {
	key, list := tenantID, s.limits.Held
	if queued {
		key, list = tenantID+" queued", s.limits.Queued
	}
	if !s.sweepDue(key, now) {
		return
	}
	held, err := list(ctx, tenantID, sweepMost)
	if err != nil {
		s.log.WarnContext(ctx, "holds cannot be looked through", "tenant", tenantID, "error", err)
		return
	}
	freed := 0
	for _, id := range held {
		if made, ok := job.IDTime(id); !ok || now.Sub(made) < sweepAfter {
			continue
		}
		st, err := s.Get(ctx, tenantID, id)
		code := fault.CodeOf(err)
		switch {
		case err == nil && st.Status.Ended(), code == fault.NotFound, code == fault.Gone:
			s.limits.Ended(ctx, tenantID, id, "")
			freed++
		case queued && err == nil && (st.Status == job.Running || st.Attempt > st.Job.Before):
			s.limits.Began(ctx, tenantID, id, false)
			freed++
		}
	}
	if queued && freed == 0 {
		s.mu.Lock()
		s.swept[key] = now.Add(sweepAgain)
		s.mu.Unlock()
	}
}

// sweepDue tells whether it is time for a look.
func (s *Service) sweepDue(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.swept[key]) {
		return false
	}
	s.swept[key] = now.Add(sweepEvery)
	return true
}
