package consume

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// A job retried by hand the moment it has failed comes back while its failure is still being settled: that delivery is
// of another message, which must not be terminated in place of the old one.
func TestARetryByHandOutlivesTheFailureBeingSettled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 8, run: func(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		if r.Attempt == 1 {
			return engine.Result{}, fault.New(fault.Internal, "it failed")
		}
		return engine.Result{Output: []byte(`1`), Version: "1"}, nil
	}})
	const jobs = 200
	for range jobs {
		b.submit(func(j *job.Job) { j.MaxAttempts = 1 })
		failed := b.end()
		require.Equal(t, job.Failed, failed.Status)
		again := *failed.Job
		again.Input, again.Before, again.MaxAttempts = []byte(`{}`), 1, 2
		requeued := &job.Event{Kind: job.Requeued, Attempt: 1, At: job.Stamp(time.Now()), Job: &again}
		require.NoError(t, b.gw.Append(b.ctx(), again.Tenant, again.ID, requeued, failed.Seq))
		require.Eventually(t, func() bool { return b.gw.PublishOnce(b.ctx(), &again) == nil }, 10*time.Second, time.Millisecond)
		e := b.end()
		assert.Equal(t, job.Succeeded, e.Status)
		assert.Equal(t, 2, e.Attempt)
	}
}
