package sleep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/sleep"
)

var _ engine.Generator = (*sleep.Engine)(nil)

func never() { panic("the process would have ended") }

func request(attempt int, input string) engine.Request {
	return engine.Request{Model: "sleep", Attempt: attempt, Input: []byte(input)}
}

// drain steps until n sequences have ended, and returns every event with when it came.
func drain(t *testing.T, e *sleep.Engine, n int) (events []engine.Event, at []time.Duration) {
	t.Helper()
	begin := time.Now()
	for n > 0 {
		some, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range some {
			events, at = append(events, ev), append(at, time.Since(begin))
			if ev.Done {
				n--
			}
		}
	}
	return events, at
}

func TestSleepsAndEchoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := sleep.New(0, never)
		for _, in := range []string{
			`{"ms":300,"echo":{"b": [1, 2],"a":"中<&>"}}`, `{}`, `{"ms":100,"echo":null}`, ` {"ms":0.5} `,
		} {
			_, err := e.Admit(t.Context(), request(2, in))
			require.NoError(t, err)
		}
		events, at := drain(t, e, 4)
		var got []string
		for i, ev := range events {
			require.NoError(t, ev.Err)
			got = append(got, fmt.Sprintf("%d %v %s", ev.Seq, at[i], ev.Result.Output))
		}
		assert.Equal(t, []string{
			`2 0s {"echo":null,"attempt":2}`,
			`4 500µs {"echo":null,"attempt":2}`,
			`3 100ms {"echo":null,"attempt":2}`,
			`1 300ms {"echo":{"b":[1,2],"a":"中<&>"},"attempt":2}`,
		}, got)
	})
}

func TestRunsThatAreCompleteLeaveAnEffect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "effects")
	for _, worker := range []string{"w_1", "w_2"} {
		effects, err := sleep.OpenEffects(file, worker)
		require.NoError(t, err)
		e := sleep.New(0, never)
		e.Record(effects)
		for attempt := 1; attempt <= 2; attempt++ {
			r := request(attempt, `{"fail_attempts":1}`)
			r.JobID = "job_a"
			_, err = e.Admit(t.Context(), r)
			require.NoError(t, err)
			drain(t, e, 1)
		}
		r := request(1, `{"ms":60000}`)
		r.JobID = "job_b"
		id, err := e.Admit(t.Context(), r)
		require.NoError(t, err)
		e.Cancel(id)
		require.NoError(t, e.Close())
		_, err = e.Admit(t.Context(), request(1, `{}`))
		require.NoError(t, err)
		events, _ := drain(t, e, 1)
		assert.Equal(t, fault.Internal, fault.CodeOf(events[0].Err), "without its effect it has failed, and is tried again")
	}
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "job_a 2 w_1\njob_a 2 w_2\n", string(b))
}

func TestFailsItsFirstAttempts(t *testing.T) {
	t.Parallel()
	e := sleep.New(0, never)
	for attempt := 1; attempt <= 3; attempt++ {
		_, err := e.Admit(t.Context(), request(attempt, `{"fail_attempts":2}`))
		require.NoError(t, err)
		events, _ := drain(t, e, 1)
		if attempt <= 2 {
			assert.Equal(t, fault.Internal, fault.CodeOf(events[0].Err), "retryable")
		} else {
			assert.NoError(t, events[0].Err)
		}
	}
}

func TestStreamsItsTokensOverTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := sleep.New(0, never)
		_, err := e.Admit(t.Context(), request(1, `{"ms":1000,"tokens":4}`))
		require.NoError(t, err)
		events, at := drain(t, e, 1)
		require.Len(t, events, 5)
		for i := range 4 {
			assert.JSONEq(t, fmt.Sprintf(`{"text":"word%d "}`, i+1), string(events[i].Delta))
			assert.Equal(t, time.Duration(i+1)*250*time.Millisecond, at[i])
		}
		assert.Equal(t, time.Second, at[4])
		assert.Equal(t, 4, events[4].Result.OutputTokens)
	})
}

func TestManyTokensInNoTime(t *testing.T) {
	t.Parallel()
	e := sleep.New(0, never)
	_, err := e.Admit(t.Context(), request(1, `{"tokens":100000}`))
	require.NoError(t, err)
	events, _ := drain(t, e, 1)
	assert.Len(t, events, 100001)
}

func TestCrashesWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var crashed time.Time
		begin := time.Now()
		e := sleep.New(0, func() { crashed = time.Now() })
		_, err := e.Admit(t.Context(), request(1, `{"ms":20,"crash":true}`))
		require.NoError(t, err)
		drain(t, e, 1)
		assert.Equal(t, 20*time.Millisecond, crashed.Sub(begin))
	})
}

func TestSlotsAndCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := sleep.New(2, never)
		require.Equal(t, 2, e.Slots())
		first, err := e.Admit(t.Context(), request(1, `{"ms":1000}`))
		require.NoError(t, err)
		_, err = e.Admit(t.Context(), request(1, `{"ms":2000}`))
		require.NoError(t, err)
		_, err = e.Admit(t.Context(), request(1, `{}`))
		require.ErrorIs(t, err, engine.ErrBusy)
		e.Cancel(first)
		e.Cancel(first)
		third, err := e.Admit(t.Context(), request(1, `{"ms":500}`))
		require.NoError(t, err)
		events, at := drain(t, e, 2)
		assert.Equal(t, third, events[0].Seq)
		assert.Equal(t, []time.Duration{500 * time.Millisecond, 2 * time.Second}, at)
	})
}

func TestStepWaitsForWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := sleep.New(0, never)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := e.Step(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		go func() {
			_, err := e.Admit(context.Background(), request(1, `{"ms":10}`))
			assert.NoError(t, err)
		}()
		begin := time.Now()
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		assert.Len(t, events, 1)
		assert.Equal(t, 10*time.Millisecond, time.Since(begin))
	})
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	e := sleep.New(0, never)
	for in, field := range map[string]string{
		``:                       "",
		`null`:                   "",
		`[]`:                     "",
		`"x"`:                    "",
		`{`:                      "",
		`{"ms":1`:                "",
		`{"ms":1}x`:              "",
		`{"ms":1}{}`:             "",
		`{"ms":-1}`:              "ms",
		`{"ms":3600001}`:         "ms",
		`{"ms":1e999}`:           "ms",
		`{"ms":"5"}`:             "ms",
		`{"ms":null}`:            "ms",
		`{"ms":1,"ms":2}`:        "ms",
		`{"tokens":100001}`:      "tokens",
		`{"tokens":1.5}`:         "tokens",
		`{"fail_attempts":-1}`:   "fail_attempts",
		`{"fail_attempts":true}`: "fail_attempts",
		`{"crash":1}`:            "crash",
		`{"crash":null}`:         "crash",
		`{"minutes":1}`:          "minutes",
		`{"echo":{"a":1,"a":2}}`: "a",
		"{\"echo\":\"\xff\"}":    "",
		`{"echo":}`:              "",
	} {
		_, err := e.Admit(t.Context(), request(1, in))
		f := (*fault.Error)(nil)
		require.ErrorAs(t, err, &f, in)
		assert.Equal(t, fault.InvalidInput, f.Code, in)
		assert.Equal(t, field, f.Field, in)
	}
}

func FuzzAdmit(f *testing.F) {
	f.Add(`{"ms":1,"fail_attempts":2,"echo":[{}],"tokens":3,"crash":false}`)
	f.Fuzz(func(t *testing.T, in string) {
		e := sleep.New(1, func() {})
		_, err := e.Admit(t.Context(), request(1, in))
		if err != nil && fault.CodeOf(err) != fault.InvalidInput {
			t.Fatal(err)
		}
	})
}

func BenchmarkNothing(b *testing.B) {
	e := sleep.New(0, never)
	in := request(1, `{"ms":0}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Admit(b.Context(), in); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
