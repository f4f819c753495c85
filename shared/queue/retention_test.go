package queue_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

// answered is a job whose caller waits for it, and that is kept for a second once it got the answer.
func answered() *job.Job {
	j := newJob()
	j.Sync, j.Keep, j.Wait = true, 1, 60
	return j
}

// forgotten waits until a job has no events.
func forgotten(t *testing.T, q *queue.Queue, j *job.Job) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := q.Last(t.Context(), j.Tenant, j.ID)
		return errors.Is(err, queue.ErrNotFound)
	}, 10*time.Second, 20*time.Millisecond)
}

func TestAnAnswerMayBeKeptForLess(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{EventTTL: true}), b.Worker(queue.Options{})
	ctx := within(t, 30*time.Second)
	sync, failed, other := answered(), answered(), newJob()
	require.NoError(t, wk.Append(ctx, "acme", sync.ID, end(sync, job.Succeeded), 0))
	require.NoError(t, wk.Append(ctx, "acme", failed.ID, end(failed, job.Failed), 0))
	require.NoError(t, wk.Append(ctx, "acme", other.ID, end(other, job.Succeeded), 0))
	got, err := gw.Last(ctx, "acme", sync.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Succeeded, got.Status)
	forgotten(t, gw, sync)
	for _, j := range []*job.Job{failed, other} {
		_, err := gw.Last(ctx, "acme", j.ID)
		require.NoError(t, err)
	}
}

// TestEndsMayBeBoundedLater: the bound can be switched on for a stream that is full of events, holds over a restart of
// the broker, and a gateway without it starts and works as before.
func TestEndsMayBeBoundedLater(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	ctx := within(t, 60*time.Second)
	before := newJob()
	q := b.Gateway(queue.Options{})
	require.NoError(t, q.Append(ctx, "acme", before.ID, end(before, job.Succeeded), 0))
	assert.False(t, allowsTTL(t, b))
	q.Close()

	q = b.Gateway(queue.Options{EventTTL: true})
	assert.True(t, allowsTTL(t, b))
	first, second := answered(), answered()
	second.Keep = 3
	require.NoError(t, q.Append(ctx, "acme", first.ID, end(first, job.Succeeded), 0))
	require.NoError(t, q.Append(ctx, "acme", second.ID, end(second, job.Succeeded), 0))
	forgotten(t, q, first)
	q.Close()
	b.Stop()
	b.Start()

	q = b.Gateway(queue.Options{})
	assert.True(t, allowsTTL(t, b), "the broker can't take it back")
	forgotten(t, q, second)
	got, err := q.Last(ctx, "acme", before.ID)
	require.NoError(t, err)
	assert.Equal(t, before.ID, got.Job.ID)
	late := newJob()
	require.NoError(t, q.Append(ctx, "acme", late.ID, end(late, job.Succeeded), 0))
}

func stream(t *testing.T, url, name string) *jetstream.StreamInfo {
	t.Helper()
	nc, err := nats.Connect(url)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	s, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	return s.CachedInfo()
}

func allowsTTL(t *testing.T, b *testenv.Broker) bool {
	t.Helper()
	return stream(t, b.GatewayURL(), "EVENTS").Config.AllowMsgTTL
}

// TestWhatIsFullRefusesAndForgetsNothing: no stream that a job's life hangs on makes room by itself. When the broker's
// store is full, it is the newest event that is refused; those of a job that has not ended are still there, as are the
// ended ones.
func TestWhatIsFullRefusesAndForgetsNothing(t *testing.T) {
	t.Parallel()
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 4 << 20,
		NoSigs: true, NoLog: true,
	})
	require.NoError(t, err)
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	require.True(t, ns.ReadyForConnections(10*time.Second))
	q, err := queue.Open(within(t, 20*time.Second), queue.Options{URL: ns.ClientURL()}, testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(q.Close)
	for _, name := range []string{"JOBS", "EVENTS", "LATER"} {
		c := stream(t, ns.ClientURL(), name).Config
		assert.EqualValues(t, -1, c.MaxBytes, name)
		assert.EqualValues(t, -1, c.MaxMsgs, name)
		assert.EqualValues(t, -1, c.MaxMsgsPerSubject, name)
		assert.Equal(t, name == "EVENTS", c.MaxAge > 0, "only events are forgotten, and only by their age: %s", name)
	}

	ctx := within(t, 30*time.Second)
	runs := newJob()
	require.NoError(t, q.Publish(ctx, runs))
	started := &job.Event{Kind: job.Started, Attempt: 1, At: time.Now().UTC(), Worker: "w"}
	require.NoError(t, q.Append(ctx, "acme", runs.ID, started, 0))
	var ended []*job.Job
	for err == nil && len(ended) < 1000 {
		j := newJob()
		e := end(j, job.Succeeded)
		e.Body = bytes.Repeat([]byte("7"), 100<<10)
		if err = q.Append(ctx, "acme", j.ID, e, 0); err == nil {
			ended = append(ended, j)
		}
	}
	require.ErrorIs(t, err, queue.ErrFull)
	require.NotEmpty(t, ended)
	got, err := q.Last(ctx, "acme", runs.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Started, got.Kind)
	for _, j := range ended {
		_, err := q.Last(ctx, "acme", j.ID)
		require.NoError(t, err)
	}
	_, _, err = q.Find(ctx, "acme", runs.ID)
	require.NoError(t, err)
}
