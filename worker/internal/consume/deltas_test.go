package consume

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

func TestAJobThatNobodyReadsAlongTellsItsDeltasNowAndThen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	step := make(chan string)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(ctx context.Context, _ engine.Request, emit func([]byte) error) (engine.Result, error) {
		for s := range step {
			if err := emit([]byte(`{"text":"` + s + `"}`)); err != nil {
				return engine.Result{}, err
			}
		}
		return engine.Result{Output: []byte(`"all"`)}, ctx.Err()
	}})
	j := b.submit(nil)
	step <- "a"
	step <- "b"
	require.Eventually(t, func() bool { // a delta goes out with what waits once enough time has passed
		select {
		case step <- "c":
		case <-time.After(time.Second):
		}
		return slices.Contains(kinds(b.log(j)), job.Output)
	}, 10*time.Second, 20*time.Millisecond)
	step <- "d"
	close(step)
	assert.True(t, b.end().Streamed)
	var told strings.Builder
	events := b.log(j)
	for _, e := range events {
		if e.Kind == job.Output {
			told.WriteString(textOf(string(e.Body)))
		}
	}
	text := told.String()
	assert.Regexp(t, `^abc+d$`, text, "nothing is lost, and all is in order")
	assert.Less(t, len(events), len(text), "deltas are merged")
}

func textOf(delta string) string { return delta[len(`{"text":"`) : len(delta)-len(`"}`)] }

func TestAQuickJobThatNobodyReadsAlongTellsItsWholeOutputAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(_ context.Context, _ engine.Request, emit func([]byte) error) (engine.Result, error) {
		return engine.Result{Output: []byte(`"a"`)}, emit([]byte(`{"text":"a"}`))
	}})
	j := b.submit(nil)
	assert.False(t, b.end().Streamed)
	assert.Equal(t, []job.Kind{job.End}, kinds(b.log(j)))
}

func TestWhatCouldNotRunAtAllSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var tries atomic.Int32
	b.start(Config{}, &fakeRunner{slots: 4, run: func(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error) {
		if tries.Add(1) <= 4 {
			return engine.Result{}, &fault.Error{Code: fault.NoWorkers, Detail: "no server answers", RetryAfter: 20 * time.Millisecond}
		}
		return succeed(ctx, r, emit)
	}})
	b.submit(func(j *job.Job) { j.MaxAttempts = 1 })
	end := b.end()
	assert.Equal(t, job.Succeeded, end.Status)
	assert.Equal(t, 1, end.Attempt)
	assert.Equal(t, int32(5), tries.Load())
}

func TestARetryWaitsAsLongAsTheModelAsks(t *testing.T) {
	t.Parallel()
	c := &Consumer{cfg: Config{RetryDelay: time.Millisecond, MaxDelay: time.Second}}
	h := &held{d: &queue.Delivery{Job: &job.Job{MaxAttempts: 3}}, attempt: 1}
	busy := func(d time.Duration) error { return &fault.Error{Code: fault.Overloaded, RetryAfter: d} }
	assert.Equal(t, 7*time.Second, c.failed(t.Context(), h, busy(7*time.Second)).delay)
	assert.Equal(t, longestRetryAfter, c.failed(t.Context(), h, busy(time.Hour)).delay)
	assert.LessOrEqual(t, c.failed(t.Context(), h, busy(0)).delay, time.Millisecond)
	gone := &fault.Error{Code: fault.NoWorkers, RetryAfter: 2 * time.Second}
	for count, want := range map[int]time.Duration{0: 2 * time.Second, 1: 2 * time.Second, 3: 8 * time.Second, 99: longestAbsence} {
		h.d.Count = count
		assert.Equal(t, outcome{kind: release, delay: want}, c.failed(t.Context(), h, gone))
	}
}
