package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

// runClock runs a clock until the test ends.
func runClock(t *testing.T, q *queue.Queue, c queue.Clock) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.RunClock(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
}

func TestWhatIsScheduledIsDueAtItsTime(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw := b.Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	due, expired := make(chan *job.Job, 4), make(chan string, 4)
	tries := 0
	runClock(t, gw, queue.Clock{
		Start: func(_ context.Context, j *job.Job) error {
			if tries++; tries == 1 {
				return assert.AnError
			}
			due <- j
			return nil
		},
		Expire: func(_ context.Context, tenant, id string) error { expired <- tenant + "." + id; return nil },
	})
	j, never := newJob(), newJob()
	at := time.Now().Add(400 * time.Millisecond)
	require.NoError(t, gw.Schedule(ctx, j, at))
	require.NoError(t, gw.Schedule(ctx, j, at), "again, as after a lost answer")
	require.NoError(t, gw.Schedule(ctx, never, at))
	require.NoError(t, gw.ExpireAt(ctx, j.Tenant, j.ID, at))
	got, err := gw.Scheduled(ctx, j.Tenant, j.ID)
	require.NoError(t, err)
	assert.Equal(t, j.Input, got.Input)
	ids, err := gw.ScheduledIDs(ctx, j.Tenant)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{j.ID, never.ID}, ids)
	require.NoError(t, gw.Unschedule(ctx, never.Tenant, never.ID))
	select {
	case got = <-due:
		assert.False(t, time.Now().Before(at), "not before its time")
		assert.Equal(t, j.ID, got.ID)
		assert.Equal(t, j.Input, got.Input)
	case <-ctx.Done():
		require.Fail(t, "nothing is due")
	}
	assert.Equal(t, j.Tenant+"."+j.ID, <-expired)
	require.Eventually(t, func() bool {
		ids, err := gw.ScheduledIDs(ctx, j.Tenant)
		return err == nil && len(ids) == 0
	}, 10*time.Second, 20*time.Millisecond)
	assert.Empty(t, due)
}

func TestOneClaimWins(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw := b.Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	won := make(chan string, 16)
	for i := range 16 {
		go func() {
			me := queue.Claim{JobID: string(rune('a' + i)), Fingerprint: "f"}
			first, mine, err := gw.Claim(ctx, "acme", "POST /v1/jobs", "k 名", me)
			if !assert.NoError(t, err) {
				won <- "error"
				return
			}
			if mine {
				assert.Equal(t, me.JobID, first.JobID)
			}
			won <- first.JobID
		}()
	}
	first := <-won
	for range 15 {
		assert.Equal(t, first, <-won)
	}
	_, mine, err := gw.Claim(ctx, "other", "POST /v1/jobs", "k 名", queue.Claim{JobID: "x"})
	require.NoError(t, err)
	assert.True(t, mine, "another tenant's key is another key")
	require.NoError(t, gw.Unclaim(ctx, "acme", "POST /v1/jobs", "k 名"))
	_, mine, err = gw.Claim(ctx, "acme", "POST /v1/jobs", "k 名", queue.Claim{JobID: "y"})
	require.NoError(t, err)
	assert.True(t, mine)
}

func TestPublishOnceStoresOneCopy(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw := b.Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	j := newJob()
	for range 3 {
		require.NoError(t, gw.PublishOnce(ctx, j))
	}
	j.Backlog = true // another gateway chose another lane
	require.NoError(t, gw.PublishOnce(ctx, j))
	lanes, err := gw.Backlogs(ctx)
	require.NoError(t, err)
	assert.Empty(t, lanes)
	d, err := gw.Depth(ctx, queue.Lane{Model: j.Model, Class: j.Class, Kind: queue.Express})
	require.NoError(t, err)
	assert.Zero(t, d.Waiting, "nobody has pulled from the lane yet")
	p, got := pull(t, gw, j.Model)
	p.Ask(3)
	require.NoError(t, receive(t, got).Ack())
	d, err = gw.Depth(ctx, queue.Lane{Model: j.Model, Class: j.Class, Kind: queue.Express})
	require.NoError(t, err)
	assert.Zero(t, d.Waiting)
	assert.Empty(t, got)
}

func TestPositionsLieEvenlyInTheLane(t *testing.T) {
	t.Parallel()
	d := queue.Depth{Waiting: 10, Delivered: 100, Last: 200}
	for place, want := range map[uint64]int{50: 0, 100: 0, 101: 1, 150: 5, 199: 10, 200: 10, 900: 10} {
		assert.Equal(t, want, d.Position(place), "%d", place)
	}
	assert.Zero(t, queue.Depth{Delivered: 1, Last: 9}.Position(5))
}

func TestARetryIsNotTakenForItsLastAttempt(t *testing.T) {
	t.Parallel()
	gw := testenv.StartBroker(t).Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	j := newJob()
	require.NoError(t, gw.Publish(ctx, j)) // its end is stored, and its worker has not settled it yet
	again := *j
	again.Before = 1
	for range 2 {
		require.NoError(t, gw.PublishOnce(ctx, &again))
		found, _, err := gw.Find(ctx, j.Tenant, j.ID)
		require.NoError(t, err)
		assert.Equal(t, 1, found.Before)
	}
}
