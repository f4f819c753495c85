package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func TestOnlyAJobWhoseCallerWaitsIsKeptForLess(t *testing.T) {
	t.Parallel()
	d := open(t)
	for name, tc := range map[string]struct {
		edit func(*job.Request)
		less bool
	}{
		"left":         {func(r *job.Request) { r.Wait = 0 }, false},
		"waited for":   {func(*job.Request) {}, true},
		"repeatable":   {func(r *job.Request) { r.Key = "k" }, false},
		"by its id":    {func(r *job.Request) { r.ID = "mine" }, false},
		"with webhook": {func(r *job.Request) { r.Webhook = &job.Webhook{} }, false},
		"detached":     {func(r *job.Request) { r.Detach = true }, false},
	} {
		r := request()
		r.Wait = time.Minute
		tc.edit(&r)
		now := time.Now()
		d.cfg.SyncRetention = 0
		j := d.newJob(anyone(), &r, "", job.NewID(now), now)
		assert.Zero(t, j.Keep, name)
		assert.Zero(t, j.Wait, name)
		d.cfg.SyncRetention = time.Hour
		j = d.newJob(anyone(), &r, "", job.NewID(now), now)
		if tc.less {
			assert.InEpsilon(t, 3600, j.Keep, 1e-9, name)
			assert.InEpsilon(t, 60, j.Wait, 1e-9, name)
		} else {
			assert.Zero(t, j.Keep, name)
		}
	}
}

func TestWhatIsForgottenSoonerIsGoneSooner(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := job.NewID(time.Now().Add(-time.Hour))
	_, err := d.Get(t.Context(), "acme", old)
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
	d.cfg.SyncRetention = time.Minute
	_, err = d.Get(t.Context(), "acme", old)
	assert.Equal(t, fault.Gone, fault.CodeOf(err))
}

func TestAJobInTheQueueIsQueuedWhateverItsLogForgot(t *testing.T) {
	t.Parallel()
	d := open(t)
	now := time.Now()
	j := &job.Job{
		ID: job.NewID(now), Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: job.Stamp(now), NotBefore: job.Stamp(now),
	}
	require.NoError(t, d.wk.Publish(t.Context(), j)) // its due event is so old that it is gone
	st, err := d.Get(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Queued, st.Status)
}
