package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// clock runs the desk's clock until the test ends.
func (d *desk) clock() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.RunClock(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		assert.NoError(d.t, <-done)
	})
}

// until waits until a job's state is as wanted.
func (d *desk) until(id string, want job.Status) job.State {
	d.t.Helper()
	var st job.State
	require.Eventually(d.t, func() bool {
		var err error
		st, err = d.Get(d.t.Context(), "acme", id)
		return err == nil && st.Status == want
	}, 10*time.Second, 5*time.Millisecond)
	return st
}

func TestAScheduledJobIsQueuedAtItsTime(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	r := request()
	r.NotBefore = time.Now().Add(700 * time.Millisecond)
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	assert.Equal(t, job.Scheduled, sub.State.Status)
	id := sub.State.Job.ID
	st, err := d.Get(t.Context(), "acme", id)
	require.NoError(t, err)
	assert.Equal(t, job.Scheduled, st.Status)
	page, err := d.List(t.Context(), "acme", job.Filter{Status: job.Scheduled})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 1)
	_, _, err = d.wk.Find(t.Context(), "acme", id)
	require.ErrorIs(t, err, queue.ErrNotFound, "no worker can get it yet")
	st = d.until(id, job.Queued)
	assert.False(t, time.Now().Before(r.NotBefore))
	_, _, err = d.wk.Find(t.Context(), "acme", id)
	require.NoError(t, err)
	last, err := d.wk.Last(t.Context(), "acme", id)
	require.NoError(t, err)
	d.append(st.Job, success(`1`), last.Seq)
	s, err := d.Events(t.Context(), "acme", id, 0)
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []string{"status scheduled", "status queued", "output", "done"}, tell(t, s))
}

// tell reads a stream to its end: names, and of a status its text.
func tell(t *testing.T, s *Stream) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out []string
	for i := 1; ; i++ {
		m, err := s.Next(ctx)
		if err == io.EOF { //nolint:errorlint // as io says
			return out
		}
		require.NoError(t, err)
		require.Equal(t, i, m.ID)
		var v struct {
			Status string `json:"status"`
		}
		if m.Name == "status" {
			require.NoError(t, json.Unmarshal(m.Data, &v))
			m.Name += " " + v.Status
		}
		out = append(out, m.Name)
	}
}

func TestAScheduledJobCanBeCanceled(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	r := request()
	r.NotBefore = time.Now().Add(600 * time.Millisecond)
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	id := sub.State.Job.ID
	st, err := d.Cancel(t.Context(), "acme", id)
	require.NoError(t, err)
	assert.Equal(t, job.Canceled, st.Status)
	_, err = d.Cancel(t.Context(), "acme", id)
	assert.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.Eventually(t, func() bool { return time.Now().After(r.NotBefore.Add(500 * time.Millisecond)) }, 5*time.Second, 50*time.Millisecond)
	_, _, err = d.wk.Find(t.Context(), "acme", id)
	require.ErrorIs(t, err, queue.ErrNotFound, "it was never queued")
	require.Eventually(t, d.limits.free, 5*time.Second, 5*time.Millisecond)
	assert.Equal(t, []string{id}, d.limits.refunded)
}

func TestAQueuedJobExpiresWithoutAnyWorker(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	r := request()
	r.TTL, r.Wait = 0.5, 10*time.Second
	begin := time.Now()
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	assert.Equal(t, job.Expired, sub.State.Status)
	assert.Equal(t, fault.DeadlineExceeded, sub.State.Error.Code)
	assert.GreaterOrEqual(t, time.Since(begin), 500*time.Millisecond)
	require.Eventually(t, func() bool {
		_, _, err := d.wk.Find(t.Context(), "acme", sub.State.Job.ID)
		return errors.Is(err, queue.ErrNotFound)
	}, 5*time.Second, 5*time.Millisecond)
	require.Eventually(t, d.limits.free, 5*time.Second, 5*time.Millisecond)
}

func TestAJobThatRunsDoesNotExpire(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	r := request()
	r.TTL = 0.5
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	j := sub.State.Job
	started := d.append(j, &job.Event{Kind: job.Started, Attempt: 1, At: time.Now()}, 0)
	passed := time.Now().Add(1200 * time.Millisecond)
	require.Eventually(t, func() bool { return time.Now().After(passed) }, 5*time.Second, 50*time.Millisecond)
	d.append(j, success(`1`), started.Seq)
	d.until(j.ID, job.Succeeded)
}

func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	d := open(t)
	for field, change := range map[string]func(*job.Request){
		"ttl":        func(r *job.Request) { r.TTL, r.NotBefore = 5, time.Now().Add(time.Minute) },
		"not_before": func(r *job.Request) { r.NotBefore = time.Now().Add(1000 * time.Hour) },
		"id":         func(r *job.Request) { r.ID = "job_mine" },
	} {
		r := request()
		change(&r)
		_, err := d.Submit(t.Context(), anyone(), r)
		assert.Equal(t, fault.InvalidInput, fault.CodeOf(err), field)
		assert.Equal(t, field, fault.From(err).Field)
	}
	assert.Empty(t, d.limits.held)
}

func keyed(key, fingerprint string) job.Request {
	r := request()
	r.Key, r.Route, r.Fingerprint = key, "POST /v1/jobs", fingerprint
	return r
}

func TestConcurrentRepeatsMakeOneJob(t *testing.T) {
	t.Parallel()
	d := open(t)
	ids := make(chan string, 32)
	replays := make(chan bool, 32)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			sub, err := d.Submit(t.Context(), anyone(), keyed("k", "f"))
			if assert.NoError(t, err) {
				ids <- sub.State.Job.ID
				replays <- sub.Replayed
			}
		})
	}
	all.Wait()
	first, fresh := <-ids, 0
	for range 31 {
		assert.Equal(t, first, <-ids)
	}
	for range 32 {
		if !<-replays {
			fresh++
		}
	}
	assert.Equal(t, 1, fresh)
	assert.Equal(t, []string{first}, d.limits.held, "repeats cost nothing")
	_, err := d.Submit(t.Context(), anyone(), keyed("k", "other"))
	assert.Equal(t, fault.IdempotencyMismatch, fault.CodeOf(err))
	sub, err := d.Submit(t.Context(), anyone(), keyed("k2", "f"))
	require.NoError(t, err)
	assert.NotEqual(t, first, sub.State.Job.ID)
}

func TestARefusedRequestLeavesItsKeyFree(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.limits.refuse = fault.New(fault.QuotaExceeded, "no more today")
	_, err := d.Submit(t.Context(), anyone(), keyed("k", "f"))
	require.Equal(t, fault.QuotaExceeded, fault.CodeOf(err))
	d.limits.refuse = nil
	sub, err := d.Submit(t.Context(), anyone(), keyed("k", "f"))
	require.NoError(t, err)
	assert.False(t, sub.Replayed)
}

func TestARepeatFinishesWhatADeadGatewayBegan(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := job.NewID(time.Now())
	_, won, err := d.queue.Claim(t.Context(), "acme", "POST /v1/jobs", "k",
		queue.Claim{JobID: old, Fingerprint: "f", At: time.Now().Add(-time.Minute)})
	require.NoError(t, err)
	require.True(t, won)
	sub, err := d.Submit(t.Context(), anyone(), keyed("k", "f"))
	require.NoError(t, err)
	assert.Equal(t, old, sub.State.Job.ID)
	_, _, err = d.wk.Find(t.Context(), "acme", old)
	require.NoError(t, err)
	d.append(sub.State.Job, success(`1`), 0)
	require.Eventually(t, d.limits.free, 5*time.Second, 5*time.Millisecond, "its end is heard though its id is another's")
}

func chosen(fingerprint string) job.Request {
	r := request()
	r.ID, r.Route, r.Fingerprint = "order-7", "PUT /v1/jobs", fingerprint
	return r
}

func TestTheClientsOwnID(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := chosen("f")
	r.Wait = 10 * time.Second
	got := make(chan job.Submission, 1)
	go func() {
		sub, err := d.Submit(t.Context(), anyone(), r)
		assert.NoError(t, err)
		got <- sub
	}()
	var j *job.Job
	require.Eventually(t, func() bool {
		var err error
		j, _, err = d.wk.Find(t.Context(), "acme", "order-7")
		return err == nil
	}, 5*time.Second, 2*time.Millisecond)
	again, err := d.Submit(t.Context(), anyone(), chosen("f"))
	require.NoError(t, err)
	assert.True(t, again.Replayed)
	assert.Equal(t, job.Queued, again.State.Status)
	d.append(j, success(`"done"`), 0)
	d.remove(j)
	sub := <-got
	assert.Equal(t, job.Succeeded, sub.State.Status, "the submitter hears of it")
	again, err = d.Submit(t.Context(), anyone(), chosen("f"))
	require.NoError(t, err)
	assert.Equal(t, job.Succeeded, again.State.Status)
	_, err = d.Submit(t.Context(), anyone(), chosen("other"))
	assert.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.Eventually(t, d.limits.free, 5*time.Second, 5*time.Millisecond)
}

func TestAFailedJobIsRetriedUnderItsID(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	sub, err := d.Submit(t.Context(), anyone(), request())
	require.NoError(t, err)
	j := sub.State.Job
	_, err = d.Retry(t.Context(), anyone(), j.ID)
	assert.Equal(t, fault.Conflict, fault.CodeOf(err), "it has not failed")
	end := d.append(j, &job.Event{
		Kind: job.End, Status: job.Failed, Attempt: 3, At: time.Now().UTC(), Body: j.Input,
		Error: &job.Error{Code: fault.AttemptsExhausted, Message: "the last attempt failed: x"},
	}, 0)
	require.NoError(t, d.queue.Bury(t.Context(), queue.NewDeadLetter(j, end)))
	d.remove(j)
	letters, next, err := d.DeadLetters(t.Context(), "m", "", "", 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	assert.Empty(t, next)
	assert.Equal(t, j.ID, letters[0].JobID)

	sub, err = d.Retry(t.Context(), anyone(), j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Queued, sub.State.Status)
	st := d.until(j.ID, job.Queued)
	assert.Equal(t, 3, st.Attempt)
	assert.Equal(t, 6, st.Job.MaxAttempts)
	again, _, err := d.wk.Find(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, j.Input, again.Input)
	require.NoError(t, d.queue.Bury(t.Context(), queue.NewDeadLetter(j, end))) // by a worker that is slow to settle
	letters, _, err = d.DeadLetters(t.Context(), "", "acme", "", 10)
	require.NoError(t, err)
	assert.Empty(t, letters)
	last, err := d.wk.Last(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	done := success(`1`)
	done.Attempt = 4
	d.append(again, done, last.Seq)
	d.remove(again)
	d.until(j.ID, job.Succeeded)
	s, err := d.Events(t.Context(), "acme", j.ID, 0)
	require.NoError(t, err)
	defer s.Close()
	assert.Equal(t, []string{"status queued", "error", "status queued", "output", "done"}, tell(t, s))
}

func TestADeadLetterIsRedrivenOrDiscarded(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.clock()
	var ids []string
	for range 3 {
		j := &job.Job{ID: job.NewID(time.Now()), Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: time.Now(), MaxAttempts: 3, Input: []byte(`1`)}
		require.NoError(t, d.queue.Bury(t.Context(), &queue.DeadLetter{Job: j, Reason: "attempts_exhausted", Attempts: 3, CreatedAt: time.Now()}))
		ids = append(ids, j.ID)
	}
	first, next, err := d.DeadLetters(t.Context(), "", "", "", 2)
	require.NoError(t, err)
	require.Len(t, first, 2)
	rest, end, err := d.DeadLetters(t.Context(), "", "", next, 2)
	require.NoError(t, err)
	require.Len(t, rest, 1)
	assert.Empty(t, end)
	sub, err := d.Redrive(t.Context(), anyone(), first[0].ID)
	require.NoError(t, err, "also when nothing else is known of the job")
	assert.Equal(t, ids[0], sub.State.Job.ID)
	d.until(ids[0], job.Queued)
	require.NoError(t, d.Discard(t.Context(), first[1].ID))
	left, _, err := d.DeadLetters(t.Context(), "", "", "", 10)
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.Equal(t, ids[2], left[0].JobID)
	for _, id := range []string{first[1].ID, "dl_x", "7"} {
		assert.Equal(t, fault.NotFound, fault.CodeOf(d.Discard(t.Context(), id)), id)
	}
}

func TestWhatIsDueGoesOnFromWhereItsLogStands(t *testing.T) {
	t.Parallel()
	d := open(t)
	due := func(before int) *job.Job {
		return &job.Job{
			ID: job.NewID(time.Now()), Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: time.Now().UTC(), MaxAttempts: 3 + before,
			NotBefore: time.Now(), Before: before, Input: []byte(`1`),
		}
	}
	queued := func(j *job.Job) bool {
		_, _, err := d.wk.Find(t.Context(), "acme", j.ID)
		return err == nil
	}
	canceled := due(0)
	d.append(canceled, &job.Event{Kind: job.End, Status: job.Canceled, At: time.Now()}, 0)
	require.NoError(t, d.launch(t.Context(), canceled))
	assert.False(t, queued(canceled), "it was canceled in time")

	halfway := due(0) // a gateway died between the log and the queue
	d.append(halfway, &job.Event{Kind: job.Due, At: time.Now()}, 0)
	require.NoError(t, d.launch(t.Context(), halfway))
	assert.True(t, queued(halfway))
	require.NoError(t, d.launch(t.Context(), halfway), "and once more, as its word was lost")
	ids, err := d.queue.Queued(t.Context(), "acme")
	require.NoError(t, err)
	assert.Equal(t, []string{halfway.ID}, ids)

	running := due(0)
	e := d.append(running, &job.Event{Kind: job.Due, At: time.Now()}, 0)
	d.append(running, &job.Event{Kind: job.Started, Attempt: 1, At: time.Now()}, e.Seq)
	require.NoError(t, d.launch(t.Context(), running))
	assert.False(t, queued(running), "it has gone on")

	retried := due(2)
	e = d.append(retried, &job.Event{Kind: job.End, Status: job.Failed, Attempt: 2, At: time.Now(), Error: &job.Error{Code: fault.Internal}}, 0)
	require.NoError(t, d.launch(t.Context(), retried))
	assert.True(t, queued(retried))
	last, err := d.wk.Last(t.Context(), "acme", retried.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Requeued, last.Kind)
	assert.Equal(t, e.Seq, last.Prev)
}

// The gateway that queues a scheduled job counts it from then on, whoever took it in: so many due at once are a backlog.
func TestWhoQueuesAJobCountsIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	var all []*job.Job
	for range 20 {
		j := &job.Job{
			ID: job.NewID(time.Now()), Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: time.Now().UTC(), MaxAttempts: 3,
			NotBefore: time.Now(), Input: []byte(`1`),
		}
		require.NoError(t, d.launch(t.Context(), j))
		found, _, err := d.wk.Find(t.Context(), "acme", j.ID)
		require.NoError(t, err)
		all = append(all, found)
	}
	assert.Equal(t, 8, d.lanes.Held("m", job.Standard), "with four slots, twelve are express")
	for _, j := range all {
		last, err := d.wk.Last(t.Context(), "acme", j.ID)
		require.NoError(t, err)
		d.append(j, success(`1`), last.Seq)
		d.remove(j)
	}
	require.Eventually(t, func() bool { return d.lanes.Held("m", job.Standard) == 0 }, 5*time.Second, 5*time.Millisecond)
}
