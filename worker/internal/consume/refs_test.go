package consume

import (
	"bytes"
	"context"
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

func (b *bench) blob(mediaType, text string) string {
	b.t.Helper()
	put, err := b.gw.Blobs().Put(b.ctx(), "acme", mediaType, strings.NewReader(text))
	require.NoError(b.t, err)
	return put.Ref
}

func ref(name string) string { return string(job.RefTo(name)) }

func TestReferencesAreResolvedForTheEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: succeed})
	text := b.blob("text/plain; charset=utf-8", "a \"quoted\"\nline, 人")
	value := b.blob("application/json", ` { "x": [1, 2] } `)
	image := b.blob("image/png", "\x89PNG\x00")
	other := b.blob("", "ab")
	b.submit(func(j *job.Job) {
		j.Input = []byte(`{"t":` + ref(text) + `,"v":[0,` + ref(value) + `],"i":{"url":` + ref(image) + `},"o":` + ref(other) +
			`,"schema":{"$ref":"#/x"},"again":` + ref(text) + `}`)
	})
	e := b.end()
	require.Equal(t, job.Succeeded, e.Status, "%v", e.Error)
	assert.JSONEq(t, `{"t":"a \"quoted\"\nline, 人","v":[0,{"x":[1,2]}],"i":{"url":"data:image/png;base64,iVBORwA="},
		"o":"data:application/octet-stream;base64,YWI=","schema":{"$ref":"#/x"},"again":"a \"quoted\"\nline, 人"}`, string(e.Body))

	b.submit(func(j *job.Job) { j.Input = job.RefTo(value) })
	assert.JSONEq(t, `{"x":[1,2]}`, string(b.end().Body))
}

func TestAReferenceThatCannotBeResolvedIsTheCallersFault(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var runs atomic.Int32
	b.start(Config{}, &fakeRunner{slots: 4, run: func(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error) {
		runs.Add(1)
		return succeed(ctx, r, emit)
	}})
	foreign, err := b.gw.Blobs().Put(b.ctx(), "other", "text/plain", strings.NewReader("a secret"))
	require.NoError(t, err)
	large, err := b.gw.Blobs().Put(b.ctx(), "acme", "image/png", bytes.NewReader(make([]byte, 52<<20)))
	require.NoError(t, err)
	for _, name := range []string{
		foreign.Ref, large.Ref, "blob_" + strings.Repeat("a", 26),
		b.blob("text/plain", "\xff\xfe"), b.blob("application/json", `{"a":1,"a":2}`), b.blob("application/json", `{`),
	} {
		b.submit(func(j *job.Job) { j.Input = []byte(`{"a":[` + ref(name) + `]}`) })
		e := b.end()
		require.Equal(t, job.Failed, e.Status)
		assert.Equal(t, fault.InvalidInput, e.Error.Code)
		assert.Equal(t, "a[0]", e.Error.Field)
		assert.Equal(t, 1, e.Attempt, "it is not tried again")
		assert.NotContains(t, e.Error.Message, "secret")
	}
	assert.Zero(t, runs.Load())
}

func TestALargeInputIsFetchedAndForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	input := `{"fail":false,"pad":"` + strings.Repeat("x", 300<<10) + `","t":` + ref(b.blob("text/plain", "hello")) + `}`
	b.start(Config{}, &fakeRunner{slots: 4, run: func(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		if bytes.Contains(r.Input, []byte(`"fail":true`)) {
			return engine.Result{}, fault.Invalid("fail", "as asked")
		}
		assert.Contains(t, string(r.Input), `"t":"hello"`)
		assert.Greater(t, len(r.Input), 300<<10)
		return engine.Result{Output: []byte(`1`)}, nil
	}})
	for _, fails := range []bool{false, true} {
		in := input
		if fails {
			in = strings.Replace(in, `"fail":false`, `"fail":true`, 1)
		}
		put, err := b.gw.Inputs().Put(b.ctx(), "acme", "application/json", strings.NewReader(in))
		require.NoError(t, err)
		j := b.submit(func(j *job.Job) { j.Input = job.RefTo(put.Ref) })
		e := b.end()
		b.gone(j)
		if fails {
			assert.Equal(t, string(job.RefTo(put.Ref)), string(e.Body), "to be tried again")
			_, err = b.gw.Inputs().Stat(b.ctx(), "acme", put.Ref)
			require.NoError(t, err)
			continue
		}
		require.Equal(t, job.Succeeded, e.Status, "%v", e.Error)
		require.Eventually(t, func() bool {
			_, err := b.gw.Inputs().Stat(b.ctx(), "acme", put.Ref)
			return err != nil
		}, 10*time.Second, 10*time.Millisecond, "the input is left over")
		require.NotEmpty(t, b.log(j))
	}
	j := b.submit(func(j *job.Job) { j.Input = job.RefTo("in_" + strings.Repeat("a", 26)) })
	e := b.end()
	assert.Equal(t, fault.Gone, e.Error.Code)
	b.gone(j)
}

func TestALargeOutputIsStoredBesideItsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.start(Config{}, &fakeRunner{slots: 4, run: func(_ context.Context, r engine.Request, _ func([]byte) error) (engine.Result, error) {
		n := 256<<10 - 2
		if bytes.Contains(r.Input, []byte("large")) {
			n++
		}
		return engine.Result{Output: []byte(`"` + strings.Repeat("x", n) + `"`)}, nil
	}})
	b.submit(nil)
	assert.Len(t, b.end().Body, 256<<10)
	b.submit(func(j *job.Job) { j.Input = []byte(`"large"`) })
	name, ok := job.RefOf(b.end().Body)
	require.True(t, ok)
	blob, data, err := b.gw.Blobs().Read(b.ctx(), "acme", name, 1<<20)
	require.NoError(t, err)
	assert.Equal(t, "application/json", blob.ContentType)
	assert.Len(t, data, 256<<10+1)
	_, err = b.gw.Blobs().Stat(b.ctx(), "other", name)
	require.ErrorIs(t, err, queue.ErrNotFound)
}
