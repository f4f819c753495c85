package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Get returns where a job stands. A job of another tenant is not found, always.
func (s *Service) Get(ctx context.Context, tenantID, id string) (job.State, error) {
	st, _, at, err := s.locate(ctx, tenantID, id)
	if err == nil && at > 0 {
		s.forecast.place(ctx, &st, at)
	}
	return st, err
}

// look finds a job and the sequence of its newest event.
func (s *Service) look(ctx context.Context, tenantID, id string) (job.State, uint64, error) {
	st, last, _, err := s.locate(ctx, tenantID, id)
	return st, last, err
}

// locate is look with the job's place in JOBS, 0 when it is not there. Most jobs that are asked for have ended or are
// queued, so these two looks come first. A job that neither finds may have moved between them. It moves from LATER to
// JOBS to its end, and is for a moment at both places: looked for in that order, it can't slip by.
func (s *Service) locate(ctx context.Context, tenantID, id string) (st job.State, newest, at uint64, err error) {
	if !job.ValidID(id) {
		return st, 0, 0, notFound()
	}
	last, err := s.lastEvent(ctx, tenantID, id)
	if err != nil {
		return st, 0, 0, err
	}
	if ended(last) {
		return stateOf(last.Job, last), last.Seq, 0, nil
	}
	j, at, err := s.find(ctx, tenantID, id)
	if err != nil {
		return st, 0, 0, err
	}
	if j != nil {
		st := stateOf(j, last)
		if last == nil {
			st.Status = job.Queued // also one that was scheduled, and whose log has been forgotten while it waited
		}
		return st, seqOf(last), at, nil
	}
	j, err = s.queue.Scheduled(ctx, tenantID, id)
	if err != nil && !errors.Is(err, queue.ErrNotFound) {
		return st, 0, 0, unavailable(err)
	}
	if err != nil {
		if j, at, err = s.find(ctx, tenantID, id); err != nil {
			return st, 0, 0, err
		}
	}
	if last, err = s.lastEvent(ctx, tenantID, id); err != nil {
		return st, 0, 0, err
	}
	switch {
	case ended(last):
		return stateOf(last.Job, last), last.Seq, 0, nil
	case j != nil:
		return stateOf(j, last), seqOf(last), at, nil
	}
	return st, 0, 0, s.missing(id)
}

func ended(last *job.Event) bool { return last != nil && last.Kind == job.End }

// find returns a queued job and its place in JOBS; no job and no error when it is not there.
func (s *Service) find(ctx context.Context, tenantID, id string) (*job.Job, uint64, error) {
	j, at, err := s.queue.Find(ctx, tenantID, id)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, unavailable(err)
	}
	return j, at, nil
}

func (s *Service) lastEvent(ctx context.Context, tenantID, id string) (*job.Event, error) {
	e, err := s.queue.Last(ctx, tenantID, id)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, nil //nolint:nilnil // no event is an answer
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return e, nil
}

// stateOf is the state that the newest event alone leaves: each tells the attempt it is about. A delta means running.
func stateOf(j *job.Job, last *job.Event) job.State {
	st := job.Accepted(j)
	if last == nil {
		return st
	}
	if last.Kind == job.Output {
		st.Status, st.Attempt, st.Version = job.Running, last.Attempt, last.Version
		if last.StartedAt != nil {
			st.StartedAt = *last.StartedAt
		}
		return st
	}
	st.Apply(last)
	return st
}

func seqOf(e *job.Event) uint64 {
	if e == nil {
		return 0
	}
	return e.Seq
}

// missing tells a job that was from one that never was: our own ids tell their age, and so nothing about tenants.
func (s *Service) missing(id string) error {
	kept := s.queue.Retention()
	if d := s.cfg.SyncRetention; d > 0 {
		kept = min(kept, d)
	}
	if made, ok := job.IDTime(id); ok && made.Before(time.Now().Add(-kept)) && made.After(epoch()) {
		return fault.New(fault.Gone, "the job is no longer kept")
	}
	return notFound()
}

// epoch is before the first job of any deployment.
func epoch() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }

func notFound() error { return fault.New(fault.NotFound, "there is no such job") }

func unavailable(err error) error {
	return &fault.Error{Code: fault.Overloaded, Detail: "the queue does not answer", RetryAfter: time.Second, Cause: err}
}

// Wait returns when the job has ended, or with its latest state when ctx's deadline passes.
func (s *Service) Wait(ctx context.Context, tenantID, id string) (job.State, error) {
	w, err := s.watch(tenantID, id)
	if err != nil {
		return job.State{}, err
	}
	defer w.stop()
	for {
		st, seq, err := s.look(context.WithoutCancel(ctx), tenantID, id)
		if err != nil || st.Status.Ended() {
			return st, err
		}
		select {
		case <-w.wake(seq):
		case <-time.After(unheard):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return st, nil
			}
			return st, ctx.Err()
		}
	}
}
