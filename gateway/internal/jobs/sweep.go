package jobs

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	sweepEvery = time.Second      // for one tenant, at most
	sweepAfter = 10 * time.Second // a younger hold may belong to a job that is being submitted
	sweepMost  = 1000
)

// sweep frees the holds of jobs that have ended while the gateway that should have heard of it was dead. It runs when a
// tenant is refused for its jobs in flight, so that the next try counts only what really is.
func (s *Service) sweep(ctx context.Context, tenantID string, now time.Time) {
	s.mu.Lock()
	due := now.Sub(s.swept[tenantID]) >= sweepEvery
	if due {
		s.swept[tenantID] = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	held, err := s.limits.Held(ctx, tenantID, sweepMost)
	if err != nil {
		s.log.WarnContext(ctx, "holds cannot be looked through", "tenant", tenantID, "error", err)
		return
	}
	for _, id := range held {
		if made, ok := job.IDTime(id); !ok || now.Sub(made) < sweepAfter {
			continue
		}
		st, err := s.Get(ctx, tenantID, id)
		code := fault.CodeOf(err)
		if err == nil && st.Status.Ended() || code == fault.NotFound || code == fault.Gone {
			s.limits.Ended(ctx, tenantID, id, "")
		}
	}
}
