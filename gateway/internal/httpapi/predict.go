package httpapi

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// predict is POST /api/predict: the body is the input, the answer the output, as SiameseUniNLU's own server has it.
func (k *call) predict() error {
	prefer, err := k.prefer()
	if err != nil {
		return err
	}
	body, err := k.jsonBody()
	if err != nil {
		return err
	}
	r := job.Request{Model: k.s.cfg.PredictModel, Input: body, Wait: k.s.cfg.PredictWait}
	if err := k.jobHeaders(&r, body); err != nil {
		return err
	}
	async := !prefer.hasWait && prefer.async
	switch {
	case prefer.hasWait:
		r.Wait = prefer.wait
	case async:
		r.Wait = 0
	}
	if r.Wait > 0 && !r.Detach {
		r.Within = r.Wait
	}
	sub, err := k.submit(r)
	if err != nil {
		return err
	}
	if async || prefer.hasWait && !sub.State.Status.Ended() {
		return k.submitted(&sub, preference{})
	}
	return k.predicted(&sub.State, r.Detach)
}

// predicted turns an ended job into the route's answer.
func (k *call) predicted(st *job.State, detach bool) error {
	switch st.Status {
	case job.Succeeded:
		if name, ok := job.RefOf(st.Output); ok { // an output too large for the queue is a blob
			blob, r, err := k.s.deps.Blobs.OpenBlob(k.context(), k.tenant, name)
			if err != nil {
				return err
			}
			k.sendBlob(&blob, r)
			return nil
		}
		return k.json(fiber.StatusOK, st.Output)
	case job.Failed:
		if st.Error == nil {
			return fault.New(fault.Internal, "the job failed")
		}
		f := fault.New(st.Error.Code, "%s", st.Error.Message)
		f.Field = st.Error.Field
		return f
	case job.Canceled:
		return fault.New(fault.Conflict, "the job was canceled")
	case job.Expired:
		return fault.New(fault.DeadlineExceeded, "the job was not started in time")
	case job.Scheduled, job.Queued, job.Running:
	}
	if !detach { // nobody waits for it any more
		ctx, cancel := context.WithTimeout(context.WithoutCancel(k.context()), 2*time.Second)
		defer cancel()
		_, _ = k.s.deps.Jobs.Cancel(ctx, k.tenant, st.Job.ID)
	}
	return fault.New(fault.DeadlineExceeded, "the answer did not come within %s seconds",
		strconv.FormatFloat(k.s.cfg.PredictWait.Seconds(), 'f', -1, 64))
}
