package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestAWebhooksRecordIsFencedAndGoesAfterItsTime(t *testing.T) {
	t.Parallel()
	gw := testenv.StartBroker(t).Gateway(queue.Options{})
	ctx := t.Context()
	_, _, err := gw.Hook(ctx, "acme", "job_1")
	require.ErrorIs(t, err, queue.ErrNotFound)
	first, err := gw.PutHook(ctx, "acme", "job_1", []byte("a"), 0, 0)
	require.NoError(t, err)
	_, err = gw.PutHook(ctx, "acme", "job_1", []byte("other"), 0, 0)
	require.ErrorIs(t, err, queue.ErrFenced)
	second, err := gw.PutHook(ctx, "acme", "job_1", []byte("b"), first, 0)
	require.NoError(t, err)
	_, err = gw.PutHook(ctx, "acme", "job_1", []byte("late"), first, 0)
	require.ErrorIs(t, err, queue.ErrFenced)
	b, seq, err := gw.Hook(ctx, "acme", "job_1")
	require.NoError(t, err)
	assert.Equal(t, "b", string(b))
	assert.Equal(t, second, seq)

	_, err = gw.PutHook(ctx, "acme", "job_1", []byte("c"), second, time.Second)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, _, err := gw.Hook(ctx, "acme", "job_1")
		return err != nil
	}, 20*time.Second, 50*time.Millisecond)
	_, _, err = gw.Hook(ctx, "acme", "job_1")
	require.ErrorIs(t, err, queue.ErrNotFound)
	_, err = gw.PutHook(ctx, "acme", "job_1", []byte("again"), 0, 0)
	require.NoError(t, err)
	require.NoError(t, gw.DropHook(ctx, "acme", "job_1"))
	_, _, err = gw.Hook(ctx, "acme", "job_1")
	require.ErrorIs(t, err, queue.ErrNotFound)
}

func TestAWebhookIsRousedByTheEndAndByTheClock(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := gw.PullHooks(ctx, 2*time.Second)
	require.NoError(t, err)
	defer p.Stop()
	next := func(id string) *queue.DueHook {
		t.Helper()
		d, err := p.Next(ctx)
		require.NoError(t, err)
		assert.Equal(t, "acme", d.Tenant)
		assert.Equal(t, id, d.ID)
		return d
	}
	plain := &job.Job{ID: "job_plain", Tenant: "acme"}
	hooked := &job.Job{ID: "job_hooked", Tenant: "acme", Hooks: "done"}
	for _, j := range []*job.Job{plain, hooked} {
		require.NoError(t, wk.Append(ctx, j.Tenant, j.ID, &job.Event{Kind: job.End, Status: job.Succeeded, At: time.Now(), Job: j}, 0))
	}
	next(hooked.ID) // and nothing of the plain one; nobody says what became of it
	d := next(hooked.ID)
	require.NoError(t, d.Again(0))
	require.NoError(t, next(hooked.ID).Done())

	require.NoError(t, gw.WakeHook(ctx, "acme", "job_late", time.Now().Add(time.Hour)))
	require.NoError(t, gw.WakeHook(ctx, "acme", "job_late", time.Now().Add(300*time.Millisecond)))
	require.NoError(t, gw.WakeHook(ctx, "acme", "job_now", time.Now()))
	require.NoError(t, next("job_now").Done())
	require.NoError(t, next("job_late").Done())
}

func TestAWorkerReadsNoWebhook(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw := b.Gateway(queue.Options{})
	_, err := gw.PutHook(t.Context(), "acme", "job_1", []byte("secret"), 0, 0)
	require.NoError(t, err)
	for url, allowed := range map[string]bool{b.WorkerURL(): false, b.GatewayURL(): true} {
		nc, err := nats.Connect(url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		require.NoError(t, err)
		defer nc.Close()
		m, err := nc.Request("$JS.API.STREAM.MSG.GET.HOOKS", []byte(`{"last_by_subj":"hook.acme.job_1"}`), 500*time.Millisecond)
		assert.Equal(t, allowed, err == nil)
		if allowed {
			assert.NotContains(t, string(m.Data), "error")
		}
	}
}
