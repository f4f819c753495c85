package jobs

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// Hooks keeps the webhooks of jobs.
type Hooks interface {
	// Check refuses a webhook that could never be delivered to.
	Check(w *job.Webhook) error
	// Expect stores the webhook of a job that is about to be stored; forget takes that back.
	Expect(ctx context.Context, j *job.Job, w *job.Webhook) (forget func(context.Context), err error)
}

func (s *Service) checkHook(w *job.Webhook) error {
	switch {
	case w == nil:
		return nil
	case s.cfg.Hooks == nil:
		return fault.Invalid("webhook", "is not supported here")
	}
	return s.cfg.Hooks.Check(w)
}

// acceptHooked is accept of a job that may have a webhook: that is stored before the job, so that no accepted job's is
// forgotten. Where it stays open whether the job was stored, its webhook stays.
func (s *Service) acceptHooked(ctx context.Context, j *job.Job, w *job.Webhook, once bool) error {
	if w == nil {
		return s.accept(ctx, j, once)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout+5*time.Second)
	defer cancel()
	forget, err := s.cfg.Hooks.Expect(ctx, j, w)
	if err != nil {
		return unavailable(err)
	}
	err = s.accept(ctx, j, once)
	if err != nil && fault.CodeOf(err) != fault.Overloaded {
		forget(ctx)
	}
	return err
}
