package queue_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*ipQueue[...]).pop"))
}

func newJob() *job.Job {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return &job.Job{
		ID: job.NewID(now), Tenant: "acme", Model: "m.1/x", Class: job.Standard, CreatedAt: now, MaxAttempts: 3,
		Metadata: map[string]string{"k": "v"}, Input: []byte(`{"text":"a\nb"}`),
	}
}

func end(j *job.Job, s job.Status) *job.Event {
	return &job.Event{Kind: job.End, Attempt: 1, At: time.Now().UTC().Truncate(time.Microsecond), Status: s, Job: j, Body: []byte(`"out"`)}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pull opens a lane and returns what arrives.
func pull(t *testing.T, q *queue.Queue, model string) (*queue.Puller, <-chan *queue.Delivery) {
	t.Helper()
	got := make(chan *queue.Delivery, 64)
	p, err := q.Pull(t.Context(), queue.Lane{Model: model, Class: job.Standard, Kind: queue.Express},
		func(d *queue.Delivery) { got <- d }, func(bool, int) {})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(context.Background()) })
	return p, got
}

func receive(t *testing.T, from <-chan *queue.Delivery) *queue.Delivery {
	t.Helper()
	select {
	case d := <-from:
		return d
	case <-time.After(10 * time.Second):
		require.Fail(t, "nothing was delivered")
		return nil
	}
}

func TestAJobIsFoundDeliveredAndGone(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	ctx := within(t, 20*time.Second)
	j := newJob()
	require.NoError(t, gw.Publish(ctx, j))

	found, seq, err := gw.Find(ctx, "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, j, found)
	assert.NotZero(t, seq)
	_, _, err = gw.Find(ctx, "other", j.ID)
	require.ErrorIs(t, err, queue.ErrNotFound)

	p, got := pull(t, wk, j.Model)
	p.Ask(1)
	d := receive(t, got)
	assert.Equal(t, j, d.Job)
	assert.Equal(t, 1, d.Count)
	assert.False(t, d.Fresh, "it was stored before the consumer was made")
	assert.Zero(t, p.Asked())
	require.NoError(t, d.Ack())
	require.Eventually(t, func() bool {
		_, _, err := gw.Find(ctx, "acme", j.ID)
		return err != nil
	}, 5*time.Second, 5*time.Millisecond)

	j2 := newJob()
	require.NoError(t, gw.Publish(ctx, j2))
	p.Ask(1)
	d = receive(t, got)
	assert.True(t, d.Fresh)
	require.NoError(t, d.Nak(0))
	p.Ask(1)
	d = receive(t, got)
	assert.Equal(t, 2, d.Count)
	assert.False(t, d.Fresh)
	require.NoError(t, d.Term())
}

func TestALeaseThatIsNotRenewedRunsOut(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{AckWait: 500 * time.Millisecond})
	ctx := within(t, 20*time.Second)
	p, got := pull(t, wk, "m.1/x")
	p.Ask(2)
	require.NoError(t, gw.Publish(ctx, newJob()))
	first := receive(t, got)
	second := receive(t, got)
	assert.Equal(t, first.Job.ID, second.Job.ID)
	assert.Equal(t, 2, second.Count)
	require.NoError(t, second.Ack())
}

func TestEventsAreFenced(t *testing.T) {
	t.Parallel()
	q := testenv.StartBroker(t).Gateway(queue.Options{})
	ctx := within(t, 20*time.Second)
	j := newJob()
	_, err := q.Last(ctx, "acme", j.ID)
	require.ErrorIs(t, err, queue.ErrNotFound)

	started := &job.Event{Kind: job.Started, Attempt: 1, At: time.Now().UTC()}
	require.NoError(t, q.Append(ctx, "acme", j.ID, started, 0))
	require.ErrorIs(t, q.Append(ctx, "acme", j.ID, end(j, job.Failed), 0), queue.ErrFenced)
	done := end(j, job.Succeeded)
	require.NoError(t, q.Append(ctx, "acme", j.ID, done, started.Seq))
	require.ErrorIs(t, q.Append(ctx, "acme", j.ID, end(j, job.Canceled), started.Seq), queue.ErrFenced)

	last, err := q.Last(ctx, "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Succeeded, last.Status)
	assert.JSONEq(t, `"out"`, string(last.Body))

	events, err := q.Read(ctx, "acme", j.ID, 0)
	require.NoError(t, err)
	require.Len(t, events, 2)
	assert.Equal(t, []job.Kind{job.Started, job.End}, []job.Kind{events[0].Kind, events[1].Kind})
	assert.Equal(t, events[0].Seq, events[1].Prev)
	events, err = q.Read(ctx, "acme", j.ID, done.Seq)
	require.NoError(t, err)
	assert.Empty(t, events)

	ids, err := q.Logged(ctx, "acme")
	require.NoError(t, err)
	assert.Equal(t, []string{j.ID}, ids)
}

func TestReadGivesManyEventsInPages(t *testing.T) {
	t.Parallel()
	q := testenv.StartBroker(t).Gateway(queue.Options{})
	ctx := within(t, 30*time.Second)
	const n = 600
	last := uint64(0)
	for i := range n {
		e := &job.Event{Kind: job.Output, Attempt: 1, Body: json.RawMessage(`{"text":"x"}`)}
		require.NoError(t, q.Append(ctx, "acme", "j", e, last), "event %d", i)
		last = e.Seq
	}
	seen, after := 0, uint64(0)
	for {
		events, err := q.Read(ctx, "acme", "j", after)
		require.NoError(t, err)
		if len(events) == 0 {
			break
		}
		seen += len(events)
		after = events[len(events)-1].Seq
	}
	assert.Equal(t, n, seen)
}

func TestRepliesReachTheGatewaysInbox(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	heard := make(chan *job.Event, 1)
	j := newJob()
	in, err := gw.OpenInbox(job.Mark(j.ID), func(tenant, id string, e *job.Event) {
		assert.Equal(t, "acme", tenant)
		assert.Equal(t, j.ID, id)
		heard <- e
	})
	require.NoError(t, err)
	defer in.Close()
	e := end(j, job.Succeeded)
	require.NoError(t, wk.Append(within(t, 5*time.Second), j.Tenant, j.ID, e, 0))
	select {
	case got := <-heard:
		assert.Equal(t, e.Seq, got.Seq)
		assert.Equal(t, job.Succeeded, got.Status)
	case <-within(t, 5*time.Second).Done():
		require.Fail(t, "no reply")
	}
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	b.Gateway(queue.Options{})
	c := b.URL()
	ctx := within(t, 5*time.Second)
	_, err := queue.Open(ctx, queue.Options{URL: c}, testenv.Logger(t))
	require.ErrorContains(t, err, "refuses these credentials")
	_, err = queue.Open(ctx, queue.Options{URL: c, User: "worker", Password: "guess"}, testenv.Logger(t))
	require.ErrorContains(t, err, "refuses these credentials")
}

func TestThePullerComesBackAfterABrokerRestart(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	wkGateway := b.Gateway(queue.Options{})
	wk := b.Worker(queue.Options{})
	p, got := pull(t, wk, "m.1/x")
	p.Ask(4)
	wkGateway.Close()
	b.Stop()
	b.Start()
	gw := b.Gateway(queue.Options{})
	j := newJob()
	require.NoError(t, gw.Publish(within(t, 10*time.Second), j))
	require.Eventually(t, func() bool {
		if p.Asked() == 0 {
			p.Ask(1)
		}
		return len(got) > 0
	}, 20*time.Second, 20*time.Millisecond)
	d := receive(t, got)
	assert.Equal(t, j.ID, d.Job.ID)
	require.NoError(t, d.Ack())
}

func TestHeartbeatsAreSeen(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	ctx := within(t, 10*time.Second)
	require.NoError(t, wk.Heartbeat(ctx, job.Worker{ID: "w.1", Models: []job.Offer{{Name: "m"}}}))
	seen := make(chan job.Worker, 8)
	require.NoError(t, gw.WatchWorkers(ctx, func(w job.Worker) { seen <- w }))
	assert.Equal(t, "w.1", (<-seen).ID)
	require.NoError(t, wk.Heartbeat(ctx, job.Worker{ID: "w.2"}))
	assert.Equal(t, "w.2", (<-seen).ID)
}

func TestWatchHearsWrites(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	woken := make(chan uint64, 8)
	stop, err := gw.Watch("acme", "j", func(seq uint64) { woken <- seq })
	require.NoError(t, err)
	defer stop()
	e := &job.Event{Kind: job.Started}
	require.NoError(t, wk.Append(within(t, 5*time.Second), "acme", "j", e, 0))
	select {
	case seq := <-woken:
		assert.Equal(t, e.Seq, seq)
	case <-within(t, 5*time.Second).Done():
		require.Fail(t, "not woken")
	}
}

func TestDeadLettersKeepTheInput(t *testing.T) {
	t.Parallel()
	q := testenv.StartBroker(t).Gateway(queue.Options{})
	ctx := within(t, 10*time.Second)
	j := newJob()
	list, err := q.DeadLetters(ctx, j.Model, j.Tenant, 0, 9)
	require.NoError(t, err)
	require.Empty(t, list)
	require.NoError(t, q.Bury(ctx, &queue.DeadLetter{Job: j, Reason: "attempts_exhausted", Attempts: 3, CreatedAt: j.CreatedAt}))
	list, err = q.DeadLetters(ctx, j.Model, j.Tenant, 0, 9)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, j, list[0].Job)
	assert.Equal(t, 3, list[0].Attempts)
}

func TestAFullQueueRefuses(t *testing.T) {
	t.Parallel()
	q := testenv.StartBroker(t).Gateway(queue.Options{MaxBytes: 64 << 10})
	ctx := within(t, 20*time.Second)
	var err error
	for range 64 {
		j := newJob()
		j.Input = []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
		if err = q.Publish(ctx, j); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, queue.ErrFull)
}

func TestCreditThatDoesNotWaitComesBack(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	ctx := within(t, 20*time.Second)
	lane := queue.Lane{Model: "m.1/x", Class: job.Standard, Kind: queue.Backlog, Tenant: "acme"}
	got, back := make(chan *queue.Delivery, 8), make(chan int, 8)
	p, err := wk.Pull(t.Context(), lane, func(d *queue.Delivery) { got <- d }, func(waited bool, n int) {
		assert.False(t, waited)
		back <- n
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(context.Background()) })
	p.AskNow(3)
	assert.Equal(t, 3, <-back, "nothing is there")
	for range 2 {
		j := newJob()
		j.Backlog = true
		require.NoError(t, gw.Publish(ctx, j))
	}
	other := newJob()
	other.Tenant, other.Backlog = "other", true
	require.NoError(t, gw.Publish(ctx, other))
	p.AskNow(5)
	for range 2 {
		d := receive(t, got)
		assert.Equal(t, "acme", d.Job.Tenant)
		assert.False(t, d.Waited)
		require.NoError(t, d.Ack())
	}
	assert.Equal(t, 3, <-back, "what was there did not take")
	assert.Zero(t, p.Asked())
	var lanes []queue.Lane
	require.Eventually(t, func() bool { // the acks are on their way
		lanes, err = gw.Backlogs(ctx)
		return err == nil && len(lanes) == 1
	}, 10*time.Second, 5*time.Millisecond)
	assert.Equal(t, []queue.Lane{{Model: "m.1/x", Class: job.Standard, Kind: queue.Backlog, Tenant: "other"}}, lanes)
	has, err := gw.HasBacklog(ctx, lane)
	require.NoError(t, err)
	assert.False(t, has)
	has, err = gw.HasBacklog(ctx, lanes[0])
	require.NoError(t, err)
	assert.True(t, has)
}

func TestCreditThatIsWithdrawnBringsNothing(t *testing.T) {
	t.Parallel()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	p, got := pull(t, wk, "m.1/x")
	p.Ask(2)
	p.Withdraw()
	assert.Zero(t, p.Asked())
	require.NoError(t, gw.Publish(within(t, 10*time.Second), newJob()))
	require.Never(t, func() bool { return len(got) > 0 }, 300*time.Millisecond, 10*time.Millisecond)
	p.Ask(1)
	assert.True(t, receive(t, got).Waited)
}

// Results beyond the bound in bytes make room, the oldest first; what has not ended stays.
func TestOldResultsMakeRoom(t *testing.T) {
	t.Parallel()
	q := testenv.StartBroker(t).Gateway(queue.Options{EventBytes: 64 << 10})
	ctx := within(t, 20*time.Second)
	waiting := newJob()
	require.NoError(t, q.Publish(ctx, waiting))
	var jobs []*job.Job
	for range 40 {
		j := newJob()
		e := &job.Event{Kind: job.End, Status: job.Succeeded, Attempt: 1, At: job.Stamp(time.Now()), Job: j, Body: []byte(`"` + strings.Repeat("x", 4<<10) + `"`)}
		require.NoError(t, q.Append(ctx, j.Tenant, j.ID, e, 0))
		jobs = append(jobs, j)
	}
	_, err := q.Last(ctx, jobs[0].Tenant, jobs[0].ID)
	require.ErrorIs(t, err, queue.ErrNotFound)
	newest := jobs[len(jobs)-1]
	_, err = q.Last(ctx, newest.Tenant, newest.ID)
	require.NoError(t, err)
	_, _, err = q.Find(ctx, waiting.Tenant, waiting.ID)
	require.NoError(t, err)
}
