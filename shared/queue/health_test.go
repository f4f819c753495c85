package queue_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

// A server that could not write is replaced by another on the same files, port and connections.
func TestAnEmbeddedBrokerThatCannotWriteIsStartedAgain(t *testing.T) {
	t.Parallel()
	ctx := within(t, 60*time.Second)
	dir := t.TempDir()
	log := testenv.Logger(t)
	e, err := queue.StartEmbedded(ctx, queue.EmbeddedConfig{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "nats")}, filepath.Join(dir, "nats.json"), log)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	gateway, err := queue.Open(ctx, queue.Options{Embedded: e}, log)
	require.NoError(t, err)
	t.Cleanup(gateway.Close)
	creds, err := queue.ReadCredentials(filepath.Join(dir, "nats.json"))
	require.NoError(t, err)
	worker, err := queue.Open(ctx, queue.Options{Join: true, URL: creds.URL, User: creds.User, Password: creds.Password}, log)
	require.NoError(t, err)
	t.Cleanup(worker.Close)
	before := newJob()
	require.NoError(t, gateway.Publish(ctx, before))

	back := make(chan struct{}, 16)
	for _, q := range []*queue.Queue{gateway, worker} {
		q.OnReconnect(func() { back <- struct{}{} })
	}
	e.FailWrite()
	for range 2 {
		select {
		case <-back:
		case <-ctx.Done():
			require.NoError(t, ctx.Err())
		}
	}
	after := newJob()
	require.NoError(t, gateway.Publish(ctx, after))
	for _, j := range []string{before.ID, after.ID} {
		_, _, err := worker.Find(ctx, before.Tenant, j)
		assert.NoError(t, err, j)
	}
}

func TestAFullDiskRefusesUntilItHasRoom(t *testing.T) {
	t.Parallel()
	ctx := within(t, 20*time.Second)
	dir := t.TempDir()
	e, err := queue.StartEmbedded(ctx, queue.EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, filepath.Join(dir, "nats.json"), testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(e.Close)
	q, err := queue.Open(ctx, queue.Options{Embedded: e}, testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(q.Close)
	require.NoError(t, q.Room())
	e.Fill()
	assert.Eventually(t, func() bool { return q.Room() == nil }, 20*time.Second, 10*time.Millisecond, "it looks again")
	assert.ErrorIs(t, queue.ErrDiskFull, queue.ErrFull)
}

func TestABrokerThatCannotEvenBeStoppedEndsItsProcess(t *testing.T) {
	t.Parallel()
	ctx := within(t, 20*time.Second)
	dir := t.TempDir()
	e, err := queue.StartEmbedded(ctx, queue.EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, filepath.Join(dir, "nats.json"), testenv.Logger(t))
	require.NoError(t, err)
	free := e.Jam()
	e.FailWrite()
	require.ErrorContains(t, e.Watch(ctx), "does not stop")
	e.Close() // does not wait for it again
	free()
	e.AwaitStopped()
}
