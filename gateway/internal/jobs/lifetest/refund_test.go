package lifetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway/internal/jobs"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

// refunds notes what is given back.
type refunds struct {
	everyone
	mu    sync.Mutex
	ended []string // guarded by mu: the refund of each job that ended
}

func (r *refunds) Ended(_ context.Context, _, _, refund string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, refund)
}

// A job canceled while it streams has been started: it costs its count, and tells when it was.
func TestAStreamCanceledHalfwayCosts(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	require.NoError(t, wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: 1},
	}}))
	limits := &refunds{}
	svc, err := jobs.New(t.Context(), jobs.Config{}, gw, limits, nil, testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(svc.Close)
	p := &tenant.Principal{Tenant: tenant.Tenant{ID: tenantID}, Scopes: []string{"*"}}
	sub, err := svc.Submit(t.Context(), p, job.Request{Model: "m", Input: []byte(`{}`)})
	require.NoError(t, err)
	j := sub.State.Job
	started := &job.Event{Kind: job.Started, Attempt: 1, At: job.Stamp(time.Now()), Worker: "w"}
	require.NoError(t, wk.Append(t.Context(), tenantID, j.ID, started, 0))
	delta := &job.Event{Kind: job.Output, Attempt: 1, At: job.Stamp(time.Now()), StartedAt: &started.At, Body: []byte(`{"text":"x"}`)}
	require.NoError(t, wk.Append(t.Context(), tenantID, j.ID, delta, started.Seq))
	st, err := svc.Get(t.Context(), tenantID, j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Running, st.Status)
	assert.False(t, st.StartedAt.IsZero(), "a running job has been started")
	_, err = svc.Cancel(t.Context(), tenantID, j.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		limits.mu.Lock()
		defer limits.mu.Unlock()
		return len(limits.ended) == 1
	}, 10*time.Second, 5*time.Millisecond)
	assert.Equal(t, []string{""}, limits.ended, "nothing is given back")
}
