package consume

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRunner runs jobs by a function.
type fakeRunner struct {
	slots int
	run   func(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error)
}

func (f *fakeRunner) Run(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error) {
	return f.run(ctx, r, emit)
}

func (f *fakeRunner) Offers() []job.Offer {
	return []job.Offer{{Name: "m", Versions: []string{"1"}, Slots: f.slots}}
}

func succeed(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
	return engine.Result{Output: r.Input, Version: "1", BatchSize: 1}, nil
}

// bench is a broker, a gateway's connection, and consumers.
type bench struct {
	t      *testing.T
	broker *testenv.Broker
	gw     *queue.Queue
	ids    *job.IDs
	ends   chan *job.Event

	ackWait time.Duration // of the consumers; the queue's own where it is 0
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, broker: testenv.StartBroker(t), ids: job.NewIDs(), ends: make(chan *job.Event, 1024)}
	b.gw = b.broker.Gateway(queue.Options{})
	in, err := b.gw.OpenInbox(b.ids.Mark(), func(_, _ string, e *job.Event) {
		if e.Kind == job.End {
			b.ends <- e
		}
	})
	require.NoError(t, err)
	t.Cleanup(in.Close)
	return b
}

// start runs a consumer until the returned function is called, or the test ends.
func (b *bench) start(cfg Config, r Runner) (stop func()) {
	b.t.Helper()
	if cfg.WorkerID == "" {
		cfg.WorkerID = "w1"
	}
	if cfg.RetryDelay == 0 {
		cfg.RetryDelay = 10 * time.Millisecond
	}
	c := New(cfg, b.broker.Worker(queue.Options{AckWait: b.ackWait}), r, prometheus.NewRegistry(), testenv.Logger(b.t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(b.t, <-done) //nolint:testifylint // also from a clean-up
		assert.Zero(b.t, c.InHand())
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *bench) submit(change func(*job.Job)) *job.Job {
	b.t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	j := &job.Job{
		ID: b.ids.Next(now), Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: now, MaxAttempts: 3, Input: []byte(`{"a":1}`),
	}
	if change != nil {
		change(j)
	}
	require.NoError(b.t, b.gw.Publish(b.ctx(), j))
	return j
}

func (b *bench) end() *job.Event {
	b.t.Helper()
	select {
	case e := <-b.ends:
		return e
	case <-b.ctx().Done():
		require.Fail(b.t, "the job did not end")
		return nil
	}
}

func (b *bench) log(j *job.Job) []*job.Event {
	b.t.Helper()
	events, err := b.gw.Read(b.ctx(), j.Tenant, j.ID, 0)
	require.NoError(b.t, err)
	return events
}

func (b *bench) gone(j *job.Job) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		_, _, err := b.gw.Find(b.ctx(), j.Tenant, j.ID)
		return errors.Is(err, queue.ErrNotFound)
	}, 10*time.Second, 5*time.Millisecond, "the job's message stays in the queue")
}

func kinds(events []*job.Event) (out []job.Kind) {
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

func TestAQuickJobHasOneEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: succeed})
	j := b.submit(nil)
	e := b.end()
	assert.Equal(t, job.Succeeded, e.Status)
	assert.Equal(t, 1, e.Attempt)
	assert.Equal(t, "1", e.Version)
	assert.JSONEq(t, `{"a":1}`, string(e.Body))
	assert.Equal(t, j.ID, e.Job.ID)
	assert.Equal(t, []job.Kind{job.End}, kinds(b.log(j)))
	b.gone(j)
}

func TestEveryClassIsServed(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 16} {
		b := newBench(t)
		b.start(Config{}, &fakeRunner{slots: slots, run: succeed})
		for _, c := range job.Classes() {
			for range 5 {
				b.submit(func(j *job.Job) { j.Class = c })
			}
		}
		for range 15 {
			assert.Equal(t, job.Succeeded, b.end().Status)
		}
	}
}

func TestAStreamTellsItsStartAndItsDeltas(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(_ context.Context, _ engine.Request, emit func([]byte) error) (engine.Result, error) {
		for _, s := range []string{`{"text":"a"}`, `{"text":"b"}`} {
			if err := emit([]byte(s)); err != nil {
				return engine.Result{}, err
			}
		}
		return engine.Result{Output: []byte(`"ab"`)}, nil
	}})
	j := b.submit(func(j *job.Job) { j.Stream = true })
	assert.True(t, b.end().Streamed)
	events := b.log(j)
	assert.Equal(t, []job.Kind{job.Started, job.Output, job.Output, job.End}, kinds(events))
	for i := 1; i < len(events); i++ {
		assert.Equal(t, events[i-1].Seq, events[i].Prev)
	}
}

func TestALongJobIsShownAsRunningAndKeepsItsLease(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var runs atomic.Int32
	release := make(chan struct{})
	b.start(Config{ShowRunning: 50 * time.Millisecond}, &fakeRunner{slots: 4, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		runs.Add(1)
		<-release
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	j := b.submit(nil)
	require.Eventually(t, func() bool { return len(b.log(j)) == 1 }, 5*time.Second, 10*time.Millisecond)
	assert.Equal(t, job.Started, b.log(j)[0].Kind)
	<-time.After(2500 * time.Millisecond) // two and a half leases
	close(release)
	assert.Equal(t, job.Succeeded, b.end().Status)
	assert.Equal(t, int32(1), runs.Load())
	assert.Equal(t, []job.Kind{job.Started, job.End}, kinds(b.log(j)))
}

func TestAJobLongerThanItsLeaseRunsOnceWhileItsWorkerLives(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ackWait = time.Second
	var runs atomic.Int32
	run := func(ctx context.Context, _ engine.Request, _ func([]byte) error) (engine.Result, error) {
		runs.Add(1)
		select {
		case <-time.After(3500 * time.Millisecond): // three and a half leases
		case <-ctx.Done():
		}
		return engine.Result{Output: []byte(`1`)}, ctx.Err()
	}
	b.start(Config{WorkerID: "w1"}, &fakeRunner{slots: 4, run: run})
	b.start(Config{WorkerID: "w2"}, &fakeRunner{slots: 4, run: run})
	var jobs []*job.Job
	for range 6 {
		jobs = append(jobs, b.submit(nil))
	}
	for range jobs {
		assert.Equal(t, job.Succeeded, b.end().Status)
	}
	assert.EqualValues(t, len(jobs), runs.Load(), "none was handed to the other worker")
}

func TestAFailedAttemptIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		if r.Attempt < 3 {
			return engine.Result{}, fault.New(fault.Internal, "try %d", r.Attempt)
		}
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	j := b.submit(nil)
	e := b.end()
	assert.Equal(t, job.Succeeded, e.Status)
	assert.Equal(t, 3, e.Attempt)
	assert.Equal(t, []job.Kind{job.Retrying, job.Started, job.Retrying, job.Started, job.End}, kinds(b.log(j)))
	b.gone(j)
}

func TestTheLastAttemptLeavesADeadLetter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		return engine.Result{}, errors.New("broken")
	}})
	j := b.submit(func(j *job.Job) { j.MaxAttempts = 2 })
	e := b.end()
	assert.Equal(t, job.Failed, e.Status)
	assert.Equal(t, fault.AttemptsExhausted, e.Error.Code)
	assert.Equal(t, 2, e.Attempt)
	list, err := b.gw.DeadLetters(b.ctx(), j.Model, j.Tenant, 0, 9)
	require.NoError(t, err)
	require.Len(t, list, 1, "who sees the end finds the letter")
	assert.Equal(t, 2, list[0].Attempts)
	assert.JSONEq(t, `{"a":1}`, string(list[0].Job.Input))
	b.gone(j)
}

func TestABadInputIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		return engine.Result{}, fault.Invalid("schema.x", "is wrong")
	}})
	j := b.submit(nil)
	e := b.end()
	assert.Equal(t, job.Failed, e.Status)
	assert.Equal(t, &job.Error{Code: fault.InvalidInput, Message: "is wrong", Field: "schema.x"}, e.Error)
	assert.Equal(t, []job.Kind{job.End}, kinds(b.log(j)))
	b.gone(j)
}

func TestATimeoutEndsARunningJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(ctx context.Context, _ engine.Request, _ func([]byte) error) (engine.Result, error) {
		<-ctx.Done()
		return engine.Result{}, ctx.Err()
	}})
	b.submit(func(j *job.Job) { j.Timeout = 0.05 })
	e := b.end()
	assert.Equal(t, job.Failed, e.Status)
	assert.Equal(t, fault.DeadlineExceeded, e.Error.Code)
}

func TestAJobPastItsTTLIsNotRun(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var runs atomic.Int32
	b.submit(func(j *job.Job) { j.TTL = 0.001 })
	<-time.After(5 * time.Millisecond)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		runs.Add(1)
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	e := b.end()
	assert.Equal(t, job.Expired, e.Status)
	assert.Zero(t, runs.Load())
}

func TestACancelStopsTheRunAndFreesTheSlot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	running, stopped := make(chan struct{}), make(chan struct{})
	b.start(Config{}, &fakeRunner{slots: 1, run: func(ctx context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		if string(r.Input) != `"long"` {
			return engine.Result{Output: []byte(`1`)}, nil
		}
		close(running)
		<-ctx.Done()
		close(stopped)
		return engine.Result{}, ctx.Err()
	}})
	j := b.submit(func(j *job.Job) { j.Input = []byte(`"long"`) })
	<-running
	end := &job.Event{Kind: job.End, Status: job.Canceled, Job: j, At: now()}
	require.NoError(t, b.gw.Append(b.ctx(), j.Tenant, j.ID, end, 0))
	assert.Equal(t, job.Canceled, b.end().Status)
	require.NoError(t, b.gw.Cancel(j.Tenant, j.ID))
	<-stopped
	b.gone(j)
	assert.Equal(t, []job.Kind{job.End}, kinds(b.log(j)))
	b.submit(nil)
	assert.Equal(t, job.Succeeded, b.end().Status)
}

func TestAnAttemptThatLostTheJobWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	running, release := make(chan struct{}), make(chan struct{})
	b.start(Config{ShowRunning: time.Hour}, &fakeRunner{slots: 1, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		close(running)
		<-release
		return engine.Result{Output: []byte(`"late"`)}, nil
	}})
	j := b.submit(nil)
	<-running
	other := &job.Event{Kind: job.End, Status: job.Succeeded, Attempt: 2, Job: j, At: now(), Body: []byte(`"other"`)}
	require.NoError(t, b.gw.Append(b.ctx(), j.Tenant, j.ID, other, 0))
	close(release)
	b.gone(j)
	events := b.log(j)
	require.Len(t, events, 1)
	assert.JSONEq(t, `"other"`, string(events[0].Body))
}

func TestAShutdownGivesJobsBackUncounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	running := make(chan struct{}, 4)
	stop := b.start(Config{Grace: 50 * time.Millisecond}, &fakeRunner{slots: 1, run: func(ctx context.Context, _ engine.Request, _ func([]byte) error) (engine.Result, error) {
		running <- struct{}{}
		<-ctx.Done()
		return engine.Result{}, ctx.Err()
	}})
	j := b.submit(func(j *job.Job) { j.MaxAttempts = 1 })
	<-running
	stop()
	assert.Equal(t, job.Released, b.log(j)[len(b.log(j))-1].Kind)
	b.start(Config{WorkerID: "w2"}, &fakeRunner{slots: 1, run: succeed})
	e := b.end()
	assert.Equal(t, job.Succeeded, e.Status)
	assert.Equal(t, 1, e.Attempt)
}

func TestADrainFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	running, release := make(chan struct{}), make(chan struct{})
	stop := b.start(Config{}, &fakeRunner{slots: 1, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		close(running)
		<-release
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	b.submit(nil)
	<-running
	go func() { close(release) }()
	stop()
	assert.Equal(t, job.Succeeded, b.end().Status)
}

func TestABrokerRestartNeitherLosesNorRepeatsARunningJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var runs atomic.Int32
	running, release := make(chan struct{}), make(chan struct{})
	b.start(Config{}, &fakeRunner{slots: 4, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		if runs.Add(1) == 1 {
			close(running)
		}
		<-release
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	j := b.submit(nil)
	<-running
	b.gw.Close()
	b.broker.Stop()
	b.broker.Start()
	b.gw = b.broker.Gateway(queue.Options{})
	j2 := b.submit(nil) // its run tells that the consumer is back, and with it the first job's second delivery
	require.Eventually(t, func() bool { return runs.Load() == 2 }, 20*time.Second, 10*time.Millisecond)
	<-time.After(1500 * time.Millisecond) // past a lease
	close(release)
	b.gone(j)
	b.gone(j2)
	assert.Equal(t, int32(2), runs.Load(), "one run a job")
}

func TestNoMoreJobsAreInHandThanSlots(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const slots, jobs = 8, 200
	var now, most atomic.Int32
	for range jobs {
		b.submit(nil)
	}
	b.start(Config{}, &fakeRunner{slots: slots, run: func(context.Context, engine.Request, func([]byte) error) (engine.Result, error) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-time.After(time.Millisecond)
		now.Add(-1)
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	for range jobs {
		assert.Equal(t, job.Succeeded, b.end().Status)
	}
	assert.LessOrEqual(t, most.Load(), int32(slots))
	assert.Positive(t, most.Load())
}

func TestABacklogIsServedBesideTheExpressLane(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	backlog := func(tenant string, n int) {
		for range n {
			b.submit(func(j *job.Job) { j.Tenant, j.Backlog = tenant, true })
		}
	}
	backlog("noisy", 40) // before any worker runs: nobody hears the hint
	var mu sync.Mutex
	var order []string
	b.start(Config{}, &fakeRunner{slots: 2, run: func(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error) {
		mu.Lock()
		order = append(order, string(r.Input))
		mu.Unlock()
		<-time.After(5 * time.Millisecond)
		return succeed(ctx, r, emit)
	}})
	require.Eventually(t, func() bool {
		require.NoError(t, b.gw.Hint(queue.Hint{Lane: queue.Lane{Model: "m", Class: job.Standard, Tenant: "noisy"}, Weight: 1}))
		return len(b.ends) > 0
	}, 10*time.Second, 20*time.Millisecond)
	quiet := b.submit(func(j *job.Job) { j.Tenant, j.Input = "quiet", []byte(`"quiet"`) })
	for range 41 {
		b.end()
	}
	at := slices.Index(order, `"quiet"`)
	t.Logf("the quiet tenant's job ran as number %d of 41", at+1)
	assert.Less(t, at, 30, "it does not wait behind the backlog")
	b.gone(quiet)
}
