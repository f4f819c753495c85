package consume

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// The log forgets by age, whether a job has ended or not. A job that runs for longer ends all the same, and once.
func TestAJobMayRunLongerThanItsLogIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.broker.Gateway(queue.Options{Retention: 500 * time.Millisecond})
	runs := make(chan struct{}, 64)
	b.start(Config{}, &fakeRunner{slots: 1, run: func(ctx context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		runs <- struct{}{}
		assert.Eventually(t, func() bool {
			_, err := b.gw.Last(ctx, "acme", r.JobID)
			return errors.Is(err, queue.ErrNotFound)
		}, 10*time.Second, 10*time.Millisecond)
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	j := b.submit(func(j *job.Job) { j.TTL = 60 }) // its start is told at once
	e := b.end()
	require.Equal(t, job.Succeeded, e.Status)
	assert.Equal(t, 1, e.Attempt)
	b.gone(j)
	assert.Len(t, runs, 1)
}
