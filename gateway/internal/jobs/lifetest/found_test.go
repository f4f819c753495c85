package lifetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
)

// A scheduled job moves from LATER to JOBS at its time. Whoever looks meanwhile finds it in one or the other.
func TestAScheduledJobIsFoundWhileItIsQueued(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var clock sync.WaitGroup
	clock.Go(func() { assert.NoError(t, w.svc.RunClock(ctx)) })
	defer clock.Wait()
	defer cancel()
	p := &tenant.Principal{Tenant: tenant.Tenant{ID: tenantID}, Scopes: []string{"*"}}
	var all sync.WaitGroup
	for range 40 {
		sub, err := w.svc.Submit(t.Context(), p, job.Request{Model: "m", Input: []byte(`{}`), NotBefore: time.Now().Add(50 * time.Millisecond)})
		require.NoError(t, err)
		all.Go(func() {
			for {
				st, err := w.svc.Get(t.Context(), tenantID, sub.State.Job.ID)
				if !assert.NoError(t, err) || st.Status != job.Scheduled {
					return
				}
			}
		})
	}
	all.Wait()
}
