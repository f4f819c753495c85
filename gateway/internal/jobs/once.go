package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

const (
	// claimGrace is how long a claim may stand before its job does: the claimer may be on its way, or dead.
	claimGrace = 3 * time.Second
	claimLook  = 20 * time.Millisecond
)

// once submits a request that may be repeated: under an idempotency key, or with an id of the client's choice. The claim
// comes first, so that of concurrent repeats one makes the job and the others attach to it. A repeat that finds no job
// behind an old claim, as its maker died, makes that very job.
func (s *Service) once(ctx context.Context, p *tenant.Principal, r job.Request) (job.Submission, error) {
	now := time.Now()
	key, id := r.Key, s.ids.Next(now)
	if r.ID != "" {
		key, id = r.ID, r.ID
		if sub, found, err := s.attach(ctx, p.Tenant.ID, &r, id); found || err != nil {
			return sub, err
		}
	}
	mine := queue.Claim{JobID: id, Fingerprint: r.Fingerprint, At: job.Stamp(now)}
	first, won, err := s.queue.Claim(ctx, p.Tenant.ID, r.Route, key, mine)
	if err != nil {
		return job.Submission{}, unavailable(err)
	}
	if !won {
		if first.Fingerprint != r.Fingerprint {
			return job.Submission{}, mismatch(&r)
		}
		for {
			sub, found, err := s.attach(ctx, p.Tenant.ID, &r, first.JobID)
			if found || err != nil {
				return sub, err
			}
			if time.Since(first.At) > claimGrace {
				break
			}
			if err := pause(ctx, claimLook); err != nil {
				return job.Submission{}, err
			}
		}
	}
	sub, stored, err := s.submit(ctx, p, r, first.JobID)
	if !stored {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
		defer cancel()
		if uerr := s.queue.Unclaim(release, p.Tenant.ID, r.Route, key); uerr != nil {
			s.log.WarnContext(ctx, "a refused request's claim stays", "job_id", first.JobID, "error", uerr)
		}
	}
	return sub, err
}

// attach answers with a job that is there already, after the wait that the request asks for.
func (s *Service) attach(ctx context.Context, tenantID string, r *job.Request, id string) (sub job.Submission, found bool, err error) {
	st, err := s.Get(ctx, tenantID, id)
	if fault.CodeOf(err) == fault.NotFound {
		return sub, false, nil
	}
	if err != nil {
		return sub, false, err
	}
	if r.ID != "" && st.Job.Fingerprint != r.Fingerprint {
		return sub, false, mismatch(r)
	}
	if r.Wait > 0 && !st.Status.Ended() {
		wait, cancel := context.WithTimeout(ctx, r.Wait)
		defer cancel()
		if st, err = s.Wait(wait, tenantID, id); err != nil {
			return sub, false, err
		}
	}
	return job.Submission{State: st, Replayed: true}, true, nil
}

func mismatch(r *job.Request) error {
	if r.ID != "" {
		return fault.New(fault.Conflict, "there is a job of that id, and it was asked for something else")
	}
	return fault.New(fault.IdempotencyMismatch, "another request was made with this key")
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), context.Cause(ctx))
	}
}
