package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// retryNet is when the clock takes up a retry whose gateway died in the middle.
const retryNet = 3 * time.Second

// Retry runs a failed job again: same id, next attempt, as many more as it had at first. It counts as a job accepted
// anew. A dead letter of the job leaves the list.
func (s *Service) Retry(ctx context.Context, p *tenant.Principal, id string) (job.Submission, error) {
	if !job.ValidID(id) {
		return job.Submission{}, notFound()
	}
	end, err := s.lastEvent(ctx, p.Tenant.ID, id)
	if err != nil {
		return job.Submission{}, err
	}
	if end == nil || end.Kind != job.End || end.Status != job.Failed {
		st, err := s.Get(ctx, p.Tenant.ID, id)
		if err != nil {
			return job.Submission{}, err
		}
		return job.Submission{State: st}, fault.New(fault.Conflict, "the job is %s: only a failed one is retried", st.Status)
	}
	again := *end.Job
	again.Input = end.Body
	return s.again(ctx, p, &again, end.Attempt)
}

// again queues a failed job for its next attempt.
func (s *Service) again(ctx context.Context, p *tenant.Principal, j *job.Job, attempts int) (job.Submission, error) {
	if len(j.Input) == 0 {
		return job.Submission{}, fault.New(fault.Conflict, "the job's input is no longer kept")
	}
	now := time.Now()
	if err := s.room(); err != nil {
		return job.Submission{}, err
	}
	if _, _, err := s.catalog.find(j.Model, j.Version, now); err != nil {
		return job.Submission{}, err
	}
	j.MaxAttempts += attempts - j.Before
	j.Before = attempts
	j.NotBefore, j.TTL, j.Sync, j.Keep, j.Wait = time.Time{}, 0, false, 0, 0
	j.Mark = s.ids.Mark()
	j.Class = s.allowed(p, j.Class) // the plan may be another by now
	sub := job.Submission{State: job.State{Job: j, Status: job.Queued, Attempt: attempts}}
	var err error
	sub.Limits, err = s.limits.Admit(ctx, p, j.ID, now.Add(s.cfg.MaxTimeout))
	if err != nil {
		return sub, s.refused(ctx, &sub.State, now, err)
	}
	if err := s.queue.Schedule(ctx, j, now.Add(retryNet)); err != nil {
		s.limits.Ended(ctx, j.Tenant, j.ID, countOf(j))
		return sub, unavailable(err)
	}
	// From here on the clock does it, should this gateway not.
	err = s.listen(j)
	if err == nil {
		err = s.launch(ctx, j)
	}
	if err == nil {
		err = errors.Join(s.queue.Discard(ctx, j), s.queue.Unschedule(ctx, j.Tenant, j.ID))
	}
	if err != nil {
		s.log.WarnContext(ctx, "a retry is left to the clock", "job_id", j.ID, "error", err)
	}
	return sub, nil
}

// listen hears a job's events whose id does not end in this gateway's mark.
func (s *Service) listen(j *job.Job) error {
	if j.Mark == "" || job.Mark(j.ID) == j.Mark {
		return nil
	}
	return s.inbox.Add(j.Tenant, j.ID)
}

const letterPrefix = "dl_"

func letterOf(l *queue.DeadLetter) job.DeadLetter {
	return job.DeadLetter{
		ID: letterPrefix + strconv.FormatUint(l.Seq, 10), JobID: l.Job.ID, Model: l.Job.Model, Tenant: l.Job.Tenant,
		Reason: l.Reason, Attempts: l.Attempts, LastError: l.LastError, CreatedAt: l.CreatedAt,
	}
}

// DeadLetters lists up to limit letters, oldest first, of a model and a tenant or of all where these are empty. An empty
// next ends the list.
func (s *Service) DeadLetters(ctx context.Context, model, tenantID, cursor string, limit int) (list []job.DeadLetter, next string, err error) {
	var after uint64
	if cursor != "" {
		if after, err = letterSeq(cursor); err != nil {
			return nil, "", &fault.Error{Code: fault.BadRequest, Field: "cursor", Detail: "is not a cursor of ours"}
		}
	}
	for list = []job.DeadLetter{}; ; {
		letters, err := s.queue.DeadLetters(ctx, model, tenantID, after, limit+1-len(list))
		if err != nil {
			return nil, "", unavailable(err)
		}
		if len(letters) == 0 {
			return list, "", nil
		}
		for _, l := range letters {
			after = l.Seq
			switch stands, err := s.stands(ctx, l); {
			case err != nil:
				return nil, "", err
			case !stands:
			case len(list) == limit:
				return list, list[limit-1].ID, nil
			default:
				list = append(list, letterOf(l))
			}
		}
	}
}

// stands tells whether a letter's job is dead. Letters are written just before their jobs' ends, so one may be there whose
// job then ended otherwise, as it was canceled: that one is dropped.
func (s *Service) stands(ctx context.Context, l *queue.DeadLetter) (bool, error) {
	last, err := s.lastEvent(ctx, l.Job.Tenant, l.Job.ID)
	switch {
	case err != nil:
		return false, err
	case last == nil: // the log has been forgotten since, or the job has none yet
		j, _, err := s.find(ctx, l.Job.Tenant, l.Job.ID)
		return j == nil, err
	case last.Kind != job.End:
		return false, nil
	case last.Status == job.Failed:
		return true, nil
	}
	if err := s.queue.Discard(ctx, l.Job); err != nil {
		return false, unavailable(err)
	}
	return false, nil
}

// DeadLetter returns one letter.
func (s *Service) DeadLetter(ctx context.Context, id string) (job.DeadLetter, error) {
	l, err := s.letter(ctx, id)
	if err != nil {
		return job.DeadLetter{}, err
	}
	return letterOf(l), nil
}

func (s *Service) letter(ctx context.Context, id string) (*queue.DeadLetter, error) {
	seq, err := letterSeq(id)
	if err != nil {
		return nil, noLetter()
	}
	l, err := s.queue.DeadAt(ctx, seq)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, noLetter()
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return l, nil
}

func noLetter() error { return fault.New(fault.NotFound, "there is no such dead letter") }

func letterSeq(id string) (uint64, error) {
	n, ok := strings.CutPrefix(id, letterPrefix)
	if !ok {
		return 0, fmt.Errorf("jobs: %q is no letter's id", id)
	}
	return strconv.ParseUint(n, 10, 64)
}

// Redrive runs a dead letter's job again, in its tenant's name; the letter leaves the list. It works also when the job's
// own log has been forgotten.
func (s *Service) Redrive(ctx context.Context, p *tenant.Principal, id string) (job.Submission, error) {
	l, err := s.letter(ctx, id)
	if err != nil {
		return job.Submission{}, err
	}
	stands, err := s.stands(ctx, l)
	if err != nil {
		return job.Submission{}, err
	}
	if !stands {
		return job.Submission{}, fault.New(fault.Conflict, "the job was retried already")
	}
	return s.again(ctx, p, l.Job, l.Attempts)
}

// Discard takes a dead letter off the list; the job stays failed.
func (s *Service) Discard(ctx context.Context, id string) error {
	l, err := s.letter(ctx, id)
	if err != nil {
		return err
	}
	if err := s.queue.Discard(ctx, l.Job); err != nil {
		return unavailable(err)
	}
	return nil
}
