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
