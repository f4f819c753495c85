package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

func TestJain(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1, jain([]float64{3, 3, 3}), 1e-9)
	require.InDelta(t, 0.5, jain([]float64{2, 0}), 1e-9)
	require.Zero(t, jain([]float64{0, 0}))
	require.Zero(t, jain(nil))
}

func TestSample(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var jobs tally
	for i := range 100 {
		at := begin.Add(time.Duration(i) * time.Second)
		j := &stack.Job{StartedAt: &at}
		j.Usage.QueueMillis, j.Usage.RunMillis = float64(i+1), 20
		jobs.add(j)
	}
	all := jobs.between(begin, begin.Add(time.Hour))
	require.Len(t, all, 100)
	require.InDelta(t, 2, all.seconds(), 1e-9)
	require.Equal(t, 50*time.Millisecond, all.wait(0.5))
	require.Equal(t, 99*time.Millisecond, all.wait(0.99))
	require.Equal(t, 100*time.Millisecond, all.wait(1))
	require.Len(t, jobs.between(begin.Add(10*time.Second), begin.Add(20*time.Second)), 10, "the end is not in it")
	require.Zero(t, sample(nil).wait(0.5))
}

func TestInterleaved(t *testing.T) {
	t.Parallel()
	var order []int
	paces := [2]float64{10, 20}
	both := [2]func() (pace, error){}
	for i := range both {
		both[i] = func() (pace, error) {
			order = append(order, i)
			paces[i]++
			return pace{perSecond: paces[i], cpu: 1}, nil
		}
	}
	got, err := interleaved(3, both)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 1, 0, 0, 1}, order)
	require.Equal(t, [2]pace{{12, 1}, {22, 1}}, got)
	both[1] = func() (pace, error) { return pace{}, io.EOF }
	_, err = interleaved(3, both)
	require.ErrorIs(t, err, io.EOF)
}

func TestSpreadEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	err := spread(t.Context(), 1000, 4, func(_ context.Context, i int) error {
		if i == 7 {
			return io.EOF
		}
		return nil
	})
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, spread(t.Context(), 10, 4, func(context.Context, int) error { return nil }))
}

func TestLoadTellsItsFirstError(t *testing.T) {
	t.Parallel()
	ctx, l := newLoad(t.Context())
	l.failed(io.EOF)
	l.failed(errors.New("later"))
	require.ErrorIs(t, l.end(ctx), io.EOF)
	require.NoError(t, l.end(ctx))

	ctx, l = newLoad(t.Context())
	require.NoError(t, l.end(ctx))
	l.failed(errors.New("as its calls were hung up on"))
	require.NoError(t, l.end(ctx))
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := &run{progress: io.Discard}
	r.say("Some %s.", "words")
	r.table([]string{"a", "b"}, [][]string{{"1", "2"}})
	r.bound("this", true)
	r.bound("that", false)
	r.say("More.")
	require.Equal(t, "Some words.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- this: holds\n- that: does NOT hold\n\nMore.\n\n", r.text.String())
	require.True(t, r.broken)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, start(t.Context(), []string{"-list"}, &out, io.Discard))
	require.Equal(t, len(scenarios()), strings.Count(out.String(), "\n"))
	names := map[string]bool{}
	for _, s := range scenarios() {
		require.False(t, names[s.name], s.name)
		names[s.name] = true
	}
	require.Error(t, start(t.Context(), []string{"-only", "nonsense"}, &out, io.Discard))
	require.Error(t, start(t.Context(), []string{"quiet"}, &out, io.Discard))
}
