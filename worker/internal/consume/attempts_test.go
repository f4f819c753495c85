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

// After a broker's restart two attempts may run that know nothing of each other. The one that takes its place in the log
// at its end is still none too many.
func TestAnAttemptThatClaimsTheLogIsNoneTooMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var j *job.Job
	ready := make(chan struct{})
	b.start(Config{}, &fakeRunner{slots: 1, run: func(ctx context.Context, _ engine.Request, _ func([]byte) error) (engine.Result, error) {
		<-ready
		other := &job.Event{Kind: job.Started, Attempt: 1, At: job.Stamp(time.Now()), Worker: "w2"}
		if err := b.gw.Append(ctx, j.Tenant, j.ID, other, 0); err != nil {
			return engine.Result{}, err
		}
		return engine.Result{}, fault.New(fault.Internal, "it failed")
	}})
	j = b.submit(func(j *job.Job) { j.MaxAttempts = 1 })
	close(ready)
	e := b.end()
	require.Equal(t, job.Failed, e.Status)
	assert.Equal(t, 1, e.Attempt)
	b.gone(j)
}

// The message of a failed job may be handed out once more when the job has been retried by hand: it must not spend the new
// life's attempts.
func TestAnOldMessageOfARetriedJobIsDropped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	runs := make(chan int, 9)
	run := func(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		runs <- r.Attempt
		return engine.Result{Output: []byte(`1`)}, nil
	}
	j := b.submit(nil)
	again := *j
	again.Before, again.MaxAttempts = 1, 4
	seq := uint64(0)
	for _, e := range []*job.Event{
		{Kind: job.End, Status: job.Failed, Attempt: 1, Job: j, Error: &job.Error{Code: fault.InvalidInput}},
		{Kind: job.Requeued, Attempt: 1, Before: 1, Job: &again},
		{Kind: job.Started, Attempt: 2, Before: 1, Worker: "w2"},
	} {
		e.At = job.Stamp(time.Now())
		require.NoError(t, b.gw.Append(b.ctx(), j.Tenant, j.ID, e, seq))
		seq = e.Seq
	}
	b.start(Config{}, &fakeRunner{slots: 1, run: run})
	b.gone(j)
	assert.Len(t, b.log(j), 3)
	assert.LessOrEqual(t, len(runs), 1, "a first delivery looks at the log when it ends")
}
