package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func TestEventsTellTheLimitsThatAJobBegan(t *testing.T) {
	t.Parallel()
	d := open(t)
	sub, err := d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	j := sub.State.Job
	at := time.Now().UTC()
	last := d.append(j, &job.Event{Kind: job.Started, Attempt: 1, At: at}, 0)
	last = d.append(j, &job.Event{Kind: job.Output, Attempt: 1, Body: []byte(`{"text":"a"}`)}, last.Seq)
	last = d.append(j, &job.Event{Kind: job.Retrying, Attempt: 1, Error: &job.Error{Code: fault.Internal}}, last.Seq)
	last = d.append(j, &job.Event{Kind: job.Started, Attempt: 2, At: at}, last.Seq)
	d.append(j, success(`1`), last.Seq)
	require.Eventually(t, d.limits.free, 5*time.Second, time.Millisecond)
	d.limits.mu.Lock()
	defer d.limits.mu.Unlock()
	assert.Equal(t, []string{j.ID}, d.limits.begun)
	assert.Equal(t, []string{j.ID, j.ID, j.ID}, d.limits.again)
}

func TestPlacesOfBegunJobsAreFreedWhenAQueueIsFull(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := time.Now().Add(-time.Minute)
	var ids []string
	for range 4 {
		id := job.NewID(old)
		ids = append(ids, id)
		require.NoError(t, d.wk.Publish(t.Context(), &job.Job{ID: id, Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: old}))
	}
	waits, runs, again, ended := ids[0], ids[1], ids[2], ids[3]
	of := func(id string) *job.Job { return &job.Job{ID: id, Tenant: "acme", Model: "m"} }
	d.append(of(runs), &job.Event{Kind: job.Started, Attempt: 1, At: time.Now().UTC()}, 0)
	d.append(of(again), &job.Event{Kind: job.Retrying, Attempt: 1, Error: &job.Error{Code: fault.Internal}}, 0)
	d.append(of(ended), success(`1`), 0)
	d.limits.held = ids
	d.limits.refuse = &fault.Error{Code: fault.QueueFull, RetryAfter: time.Second}
	_, err := d.Submit(t.Context(), anyone(), request())
	assert.Equal(t, fault.QueueFull, fault.CodeOf(err))
	assert.Equal(t, []string{waits, runs, again}, d.limits.held, "only the last is in flight no more")
	assert.Equal(t, []string{runs, again}, d.limits.begun)
	left, err := d.limits.Queued(t.Context(), "acme", 10)
	require.NoError(t, err)
	assert.Equal(t, []string{waits}, left)
}

func TestAFullQueueTellsWhenItWillHaveDrained(t *testing.T) {
	t.Parallel()
	d := open(t)
	for range 40 {
		_, err := d.Submit(t.Context(), anyone(), request())
		require.NoError(t, err)
	}
	full := func() time.Duration {
		t.Helper()
		d.limits.refuse = &fault.Error{Code: fault.QueueFull, RetryAfter: time.Second}
		_, err := d.Submit(t.Context(), anyone(), request())
		require.Equal(t, fault.QueueFull, fault.CodeOf(err))
		return fault.From(err).RetryAfter
	}
	assert.Equal(t, time.Second, full(), "nobody knows what the workers get done")
	require.NoError(t, d.wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: 4, Capacity: 2},
	}}))
	require.Eventually(t, func() bool { return full() > 5*time.Second }, 5*time.Second, 10*time.Millisecond)
}
