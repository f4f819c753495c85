package jobs

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is a Limiter that counts.
type counter struct {
	mu       sync.Mutex
	held     []string // guarded by mu
	refunded []string // guarded by mu
	begun    []string // guarded by mu: by the first event that says so
	again    []string // guarded by mu: by one that need not be the first
	refuse   error
}

func (c *counter) Admit(_ context.Context, _ *tenant.Principal, id string, _ time.Time) ([]job.LimitState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return nil, c.refuse
	}
	c.held = append(c.held, id)
	return nil, nil
}

func (c *counter) Ended(_ context.Context, _, id, refund string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = slices.DeleteFunc(c.held, func(h string) bool { return h == id })
	if refund != "" {
		c.refunded = append(c.refunded, refund)
	}
}

func (c *counter) Held(context.Context, string, int64) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.held), nil
}

// Queued lists what is held and has not begun.
func (c *counter) Queued(context.Context, string, int64) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.held), func(id string) bool { return slices.Contains(c.begun, id) }), nil
}

func (c *counter) Began(_ context.Context, _, id string, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if again {
		c.again = append(c.again, id)
	} else {
		c.begun = append(c.begun, id)
	}
}

func (c *counter) Missed() {}

func (c *counter) free() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) == 0
}

// desk is a service on a broker of its own, with one live worker's heartbeat; the test plays the worker.
type desk struct {
	*Service
	t      *testing.T
	broker *testenv.Broker
	wk     *queue.Queue
	limits *counter
}

func open(t *testing.T) *desk {
	t.Helper()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{})
	require.NoError(t, wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1", "2"}, Engine: "e", Slots: 4},
		{Name: "broken", Engine: "e", Error: "a file is missing"},
	}}))
	limits := &counter{}
	s, err := New(t.Context(), Config{}, gw, limits, map[string]Check{"e": func(in []byte, _ *job.About) (string, error) {
		if string(in) == `"bad"` {
			return "", fault.Invalid("text", "is wrong")
		}
		return "ner", nil
	}}, testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return &desk{Service: s, t: t, broker: b, wk: wk, limits: limits}
}

func anyone() *tenant.Principal {
	return &tenant.Principal{Tenant: tenant.Tenant{ID: "acme"}, Scopes: []string{"*"}}
}

func request() job.Request { return job.Request{Model: "m", Input: []byte(`{"a":1}`)} }

// append plays the worker: it writes an event and tells of it.
func (d *desk) append(j *job.Job, e *job.Event, last uint64) *job.Event {
	d.t.Helper()
	if e.Kind == job.End {
		e.Job = j
	}
	require.NoError(d.t, d.wk.Append(d.t.Context(), j.Tenant, j.ID, e, last))
	return e
}

func (d *desk) remove(j *job.Job) {
	d.t.Helper()
	_, seq, err := d.wk.Find(d.t.Context(), j.Tenant, j.ID)
	require.NoError(d.t, err)
	require.NoError(d.t, d.wk.Remove(d.t.Context(), seq))
}

func success(body string) *job.Event {
	return &job.Event{Kind: job.End, Status: job.Succeeded, Attempt: 1, At: time.Now().UTC(), Body: []byte(body)}
}

func TestSubmitRefusesBeforeAnythingIsCounted(t *testing.T) {
	t.Parallel()
	d := open(t)
	scoped := &tenant.Principal{Tenant: tenant.Tenant{ID: "acme"}, Scopes: []string{"nli", "model:other"}}
	change := func(f func(*job.Request)) job.Request {
		r := request()
		f(&r)
		return r
	}
	for name, c := range map[string]struct {
		p     *tenant.Principal
		r     job.Request
		code  fault.Code
		field string
	}{
		"model":    {anyone(), change(func(r *job.Request) { r.Model = "nobody" }), fault.ModelNotFound, "model"},
		"version":  {anyone(), change(func(r *job.Request) { r.Version = "3" }), fault.ModelNotFound, "version"},
		"broken":   {anyone(), change(func(r *job.Request) { r.Model = "broken" }), fault.NoWorkers, ""},
		"input":    {anyone(), change(func(r *job.Request) { r.Input = []byte(`"bad"`) }), fault.InvalidInput, "text"},
		"scope":    {scoped, request(), fault.ScopeMissing, ""},
		"route":    {scoped, change(func(r *job.Request) { r.Scopes = []string{"jobs"} }), fault.ScopeMissing, ""},
		"priority": {anyone(), change(func(r *job.Request) { r.Class = "now" }), fault.InvalidInput, "priority"},
		"ttl":      {anyone(), change(func(r *job.Request) { r.TTL = -1 }), fault.InvalidInput, "ttl"},
		"timeout":  {anyone(), change(func(r *job.Request) { r.Timeout = 1e9 }), fault.InvalidInput, "timeout"},
		"attempts": {anyone(), change(func(r *job.Request) { r.MaxAttempts = 99 }), fault.InvalidInput, "max_attempts"},
	} {
		_, err := d.Submit(t.Context(), c.p, c.r)
		f := fault.From(err)
		assert.Equal(t, c.code, f.Code, name)
		assert.Equal(t, c.field, f.Field, name)
	}
	assert.True(t, d.limits.free())
	ids, err := d.queue.Queued(t.Context(), "acme")
	require.NoError(t, err)
	assert.Empty(t, ids)

	d.limits.refuse = fault.New(fault.QuotaExceeded, "enough")
	_, err = d.Submit(t.Context(), anyone(), request())
	assert.Equal(t, fault.QuotaExceeded, fault.CodeOf(err))
}

func TestOneScopeOpensAModel(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, scopes := range [][]string{{"ner"}, {"model:m"}, {"*"}} {
		p := &tenant.Principal{Tenant: tenant.Tenant{ID: "acme"}, Scopes: scopes}
		_, err := d.Submit(t.Context(), p, request())
		assert.NoError(t, err, scopes)
	}
}

func TestTheWaitIsAnsweredByTheReply(t *testing.T) {
	t.Parallel()
	d := open(t)
	var played sync.WaitGroup
	played.Go(func() {
		var ids []string
		for len(ids) == 0 {
			ids, _ = d.wk.Queued(t.Context(), "acme")
		}
		j, _, err := d.wk.Find(t.Context(), "acme", ids[0])
		if assert.NoError(t, err) {
			d.append(j, success(`"out"`), 0)
		}
	})
	r := request()
	r.Wait = 20 * time.Second
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	played.Wait()
	assert.Equal(t, job.Succeeded, sub.State.Status)
	assert.JSONEq(t, `"out"`, string(sub.State.Output))
	require.Eventually(t, d.limits.free, 5*time.Second, time.Millisecond, "the hold is freed")
	assert.Zero(t, d.Waiting())
}

func TestAWaitThatRunsOutLeavesTheJob(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := request()
	r.Wait = 10 * time.Millisecond
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	assert.Equal(t, job.Queued, sub.State.Status)
	st, err := d.Get(t.Context(), "acme", sub.State.Job.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Queued, st.Status)
}

func TestACallerThatHangsUpCancels(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, detach := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(job.ErrCallerGone) })
		r := request()
		r.Wait, r.Detach = time.Minute, detach
		sub, err := d.Submit(ctx, anyone(), r)
		require.ErrorIs(t, err, context.Canceled)
		st, err := d.Get(t.Context(), "acme", sub.State.Job.ID)
		require.NoError(t, err)
		assert.Equal(t, detach, st.Status == job.Queued, st.Status)
	}
}

func TestWaitFollowsTheLog(t *testing.T) {
	t.Parallel()
	d := open(t)
	sub, err := d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	j := sub.State.Job
	got := make(chan job.State, 1)
	go func() {
		st, err := d.Wait(t.Context(), "acme", j.ID)
		assert.NoError(t, err)
		got <- st
	}()
	started := d.append(j, &job.Event{Kind: job.Started, Attempt: 1, At: time.Now().UTC()}, 0)
	d.append(j, success(`1`), started.Seq)
	assert.Equal(t, job.Succeeded, (<-got).Status)

	sub, err = d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	st, err := d.Wait(ctx, "acme", sub.State.Job.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Queued, st.Status)
}

func drain(t *testing.T, s *Stream) (out []job.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		m, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, m)
	}
}

func TestAStreamTellsTheSameLiveAndLater(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := request()
	r.Stream = true
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	j := sub.State.Job
	live, err := d.Events(t.Context(), "acme", j.ID, 0)
	require.NoError(t, err)
	defer live.Close()
	watching, err := d.Events(t.Context(), "acme", j.ID, 0) // a second reader, as on another gateway
	require.NoError(t, err)
	defer watching.Close()

	last := d.append(j, &job.Event{Kind: job.Started, Attempt: 1, At: time.Now().UTC()}, 0)
	last = d.append(j, &job.Event{Kind: job.Output, Attempt: 1, Body: []byte(`{"text":"a"}`)}, last.Seq)
	last = d.append(j, &job.Event{Kind: job.Retrying, Attempt: 1, Error: &job.Error{Code: fault.Internal, Message: "x"}}, last.Seq)
	last = d.append(j, &job.Event{Kind: job.Started, Attempt: 2, At: time.Now().UTC()}, last.Seq)
	// Its reply gets lost: the reader must find it in the log.
	lost := &job.Event{Kind: job.Output, Attempt: 2, Body: []byte(`{"text":"b"}`)}
	require.NoError(t, d.wk.Append(t.Context(), j.Tenant, j.ID, lost, last.Seq))
	end := success(`"b"`)
	end.Streamed, end.Attempt = true, 2
	d.append(j, end, lost.Seq)

	got := drain(t, live)
	var names []string
	for i, m := range got {
		assert.Equal(t, i+1, m.ID)
		names = append(names, m.Name)
	}
	assert.Equal(t, []string{"status", "status", "output", "status", "restart", "status", "output", "done"}, names)
	assert.Equal(t, got, drain(t, watching))

	for after := range got {
		later, err := d.Events(t.Context(), "acme", j.ID, after)
		require.NoError(t, err)
		assert.Equal(t, got[after:], drain(t, later))
		later.Close()
	}
}

func TestASlowStreamReadsTheLogInstead(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := request()
	r.Stream = true
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	j := sub.State.Job
	s, err := d.Events(t.Context(), "acme", j.ID, 0)
	require.NoError(t, err)
	defer s.Close()
	last := uint64(0)
	for range streamRoom + 50 {
		last = d.append(j, &job.Event{Kind: job.Output, Attempt: 1, Body: []byte(`{"text":"x"}`)}, last).Seq
	}
	d.append(j, success(`1`), last)
	assert.Len(t, drain(t, s), streamRoom+50+3)
}

func TestCancelWinsOrLosesWhole(t *testing.T) {
	t.Parallel()
	d := open(t)
	sub, err := d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	j := sub.State.Job
	st, err := d.Cancel(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Canceled, st.Status)
	require.ErrorIs(t, d.wk.Append(t.Context(), j.Tenant, j.ID, success(`1`), 0), queue.ErrFenced, "the worker lost")
	_, _, err = d.wk.Find(t.Context(), "acme", j.ID)
	require.ErrorIs(t, err, queue.ErrNotFound)
	_, err = d.Cancel(t.Context(), "acme", j.ID)
	assert.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.Eventually(t, d.limits.free, 5*time.Second, time.Millisecond)
	assert.Equal(t, []string{j.ID}, d.limits.refunded, "a job canceled before its start costs nothing")

	_, err = d.Cancel(t.Context(), "other", j.ID)
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestOldIDsAreGoneAndUnknownOnesNotFound(t *testing.T) {
	t.Parallel()
	d := open(t)
	for id, want := range map[string]fault.Code{
		job.NewID(time.Now().Add(-48 * time.Hour)): fault.Gone,
		job.NewID(time.Now()):                      fault.NotFound,
		"mine":                                     fault.NotFound,
		"a.b":                                      fault.NotFound,
		"*":                                        fault.NotFound,
	} {
		_, err := d.Get(t.Context(), "acme", id)
		assert.Equal(t, want, fault.CodeOf(err), id)
	}
}

func TestTheListIsStableWhileJobsCome(t *testing.T) {
	t.Parallel()
	d := open(t)
	var want []string
	for i := range 9 {
		sub, err := d.Submit(t.Context(), anyone(), request())
		require.NoError(t, err)
		want = append([]string{sub.State.Job.ID}, want...)
		if i%2 == 0 {
			d.append(sub.State.Job, success(`1`), 0)
			d.remove(sub.State.Job)
		}
	}
	var got []string
	f := job.Filter{Limit: 2}
	for {
		page, err := d.List(t.Context(), "acme", f)
		require.NoError(t, err)
		for _, st := range page.Jobs {
			got = append(got, st.Job.ID)
		}
		if page.Next == "" {
			break
		}
		f.Cursor = page.Next
		_, err = d.Submit(t.Context(), anyone(), request()) // newer than the cursor: not seen
		require.NoError(t, err)
	}
	assert.Equal(t, want, got)
	page, err := d.List(t.Context(), "acme", job.Filter{Status: job.Succeeded, Limit: 100})
	require.NoError(t, err)
	assert.Len(t, page.Jobs, 5)
	_, err = d.List(t.Context(), "acme", job.Filter{Cursor: "%%"})
	assert.Equal(t, fault.BadRequest, fault.CodeOf(err))
}

func TestHoldsOfEndedJobsAreFreedWhenATenantIsRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := time.Now().Add(-time.Minute)
	ended, queued := job.NewID(old), job.NewID(old)
	for _, id := range []string{ended, queued} {
		require.NoError(t, d.wk.Publish(t.Context(), &job.Job{ID: id, Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: old}))
	}
	d.append(&job.Job{ID: ended, Tenant: "acme", Model: "m"}, success(`1`), 0)
	young := job.NewID(time.Now())
	d.limits.held = []string{ended, queued, young, job.NewID(old)} // the last was never stored
	d.limits.refuse = fault.New(fault.TooManyInFlight, "enough")
	_, err := d.Submit(t.Context(), anyone(), request())
	assert.Equal(t, fault.TooManyInFlight, fault.CodeOf(err))
	assert.Equal(t, []string{queued, young}, d.limits.held)
}

func TestWhatNoWorkerSettlesIsBuried(t *testing.T) {
	t.Parallel()
	d := open(t)
	sub, err := d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	j, seq, err := d.wk.Find(t.Context(), "acme", sub.State.Job.ID)
	require.NoError(t, err)
	require.NoError(t, d.buryOne(t.Context(), j, seq))
	st, err := d.Get(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Failed, st.Status)
	assert.Equal(t, fault.AttemptsExhausted, st.Error.Code)
	list, err := d.wk.DeadLetters(t.Context(), j.Model, j.Tenant, 0, 9)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.JSONEq(t, `{"a":1}`, string(list[0].Job.Input))
}

func TestASilentWorkerIsForgottenOnceItIsReplaced(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	c := newCatalog(time.Minute)
	c.seen(job.Worker{ID: "old", SeenAt: long, Models: []job.Offer{{Name: "m"}}})
	c.seen(job.Worker{ID: "alone", SeenAt: long, Models: []job.Offer{{Name: "m"}, {Name: "n"}}})
	c.seen(job.Worker{ID: "new", SeenAt: time.Now(), Models: []job.Offer{{Name: "m"}}})
	var ids []string
	for _, w := range c.list() {
		ids = append(ids, w.ID)
	}
	assert.Equal(t, []string{"new", "alone"}, ids)
}

// Lanes ask for slots under a lock that they take when they hear of a new worker.
func TestWhoHearsOfANewWorkerMayAskForSlots(t *testing.T) {
	t.Parallel()
	c := newCatalog(time.Minute)
	heard := make(chan int, 2)
	c.joined = func() { heard <- c.slots("m") }
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2 {
			c.seen(job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{{Name: "m", Slots: 3}}})
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		require.Fail(t, "locked up")
	}
	require.Len(t, heard, 1, "the second time it is known")
	assert.Equal(t, 3, <-heard)
}

func TestTheCatalogKnowsWhoIsLive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newCatalog(time.Minute)
	offer := job.Offer{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: 2, Free: 1}
	c.seen(job.Worker{ID: "a", SeenAt: now, Models: []job.Offer{offer}})
	c.seen(job.Worker{ID: "b", SeenAt: now.Add(-30 * time.Second), Models: []job.Offer{offer}})
	models := c.models(now)
	require.Len(t, models, 1)
	assert.Equal(t, 1, models[0].Workers, "b is silent")
	assert.Equal(t, 2, models[0].Slots)

	_, _, err := c.find("m", "1", now.Add(30*time.Second))
	require.NoError(t, err, "a is expected back")
	_, _, err = c.find("m", "1", now.Add(2*time.Minute))
	assert.Equal(t, fault.NoWorkers, fault.CodeOf(err))
	assert.Positive(t, fault.From(err).RetryAfter)
	assert.Equal(t, "no worker serves it now", c.models(now.Add(2 * time.Minute))[0].Error)
}
