package jobs

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

func (d *desk) put(tenantID, mediaType string, size int) string {
	d.t.Helper()
	blob, err := d.PutBlob(d.t.Context(), tenantID, mediaType, bytes.NewReader(make([]byte, size)))
	require.NoError(d.t, err)
	return string(job.RefTo(blob.Ref))
}

func TestReferencesAreCheckedBeforeAnythingIsCounted(t *testing.T) {
	t.Parallel()
	d := open(t)
	mine, foreign := d.put("acme", "text/plain", 3), d.put("other", "text/plain", 3)
	image, text := d.put("acme", "image/png", 25<<20), d.put("acme", "text/plain", 33<<20)
	stored, err := d.queue.Inputs().Put(t.Context(), "acme", "application/json", strings.NewReader(`{}`))
	require.NoError(t, err)
	for input, path := range map[string]string{
		`{"a":` + mine + `,"image":` + foreign + `}`: "image",
		foreign: "",
		`{"m":[` + string(job.RefTo("blob_x")) + `]}`:                       "m[0]",
		`{"m":` + string(job.RefTo(stored.Ref)) + `}`:                       "m",
		string(job.RefTo(stored.Ref)):                                       "",
		`{"m":[` + image + `,` + image + `]}`:                               "m[1]", // 50 MiB are 67 as base64
		`{"m":[` + text + `,` + text + `]}`:                                 "m[1]",
		`{"m":[` + strings.Repeat(mine+",", job.MaxRefs) + `` + mine + `]}`: "m[64]",
	} {
		r := request()
		r.Input = []byte(input)
		_, err := d.Submit(t.Context(), anyone(), r)
		f := fault.From(err)
		assert.Equal(t, fault.InvalidInput, f.Code, path)
		assert.Equal(t, path, f.Field)
	}
	late := request()
	late.Input, late.NotBefore = []byte(`{"m":`+mine+`}`), time.Now().Add(25*time.Hour)
	_, err = d.Submit(t.Context(), anyone(), late)
	assert.Equal(t, "m", fault.From(err).Field)
	assert.True(t, d.limits.free())

	good := request()
	good.Input = []byte(`{"m":[` + image + `,` + mine + `]}`)
	sub, err := d.Submit(t.Context(), anyone(), good)
	require.NoError(t, err)
	found, _, err := d.queue.Find(t.Context(), "acme", sub.State.Job.ID)
	require.NoError(t, err)
	assert.Equal(t, good.Input, found.Input, "references stay what they are in the queue")
}

// A large input is beside its message wherever the job goes, and goes when the job has ended for good.
func TestALargeInputIsKeptBesideItsMessage(t *testing.T) {
	t.Parallel()
	d := open(t)
	large := request()
	large.Input = []byte(`{"a":"` + strings.Repeat("x", job.InlineMost) + `"}`)
	scheduled := large
	scheduled.NotBefore = time.Now().Add(time.Hour)
	kept := func(j *job.Job) string {
		name, ok := job.RefOf(j.Input)
		require.True(t, ok)
		_, input, err := d.queue.Inputs().Read(t.Context(), "acme", name, job.ResolvedMost)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(large.Input, input))
		return name
	}
	for _, r := range []job.Request{large, scheduled} {
		sub, err := d.Submit(t.Context(), anyone(), r)
		require.NoError(t, err)
		var j *job.Job
		if r.NotBefore.IsZero() {
			j, _, err = d.wk.Find(t.Context(), "acme", sub.State.Job.ID)
		} else {
			j, err = d.queue.Scheduled(t.Context(), "acme", sub.State.Job.ID)
		}
		require.NoError(t, err)
		name := kept(j)
		_, err = d.Cancel(t.Context(), "acme", j.ID)
		require.NoError(t, err)
		_, err = d.queue.Inputs().Stat(t.Context(), "acme", name)
		require.ErrorIs(t, err, queue.ErrNotFound)
	}

	small := request()
	small.Input = []byte(`{"a":"` + strings.Repeat("x", job.InlineMost-8) + `"}`)
	sub, err := d.Submit(t.Context(), anyone(), small)
	require.NoError(t, err)
	j, _, err := d.wk.Find(t.Context(), "acme", sub.State.Job.ID)
	require.NoError(t, err)
	assert.Len(t, j.Input, job.InlineMost)
}

func TestAFailedJobIsTriedAgainWithItsLargeInput(t *testing.T) {
	t.Parallel()
	d := open(t)
	r := request()
	r.Input = []byte(`{"a":"` + strings.Repeat("x", job.InlineMost) + `"}`)
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	j, _, err := d.wk.Find(t.Context(), "acme", sub.State.Job.ID)
	require.NoError(t, err)
	d.append(j, &job.Event{
		Kind: job.End, Status: job.Failed, Attempt: 1, At: time.Now().UTC(), Body: j.Input,
		Error: &job.Error{Code: fault.Internal, Message: "it broke"},
	}, 0)
	_, err = d.Retry(t.Context(), anyone(), j.ID) // although the worker has not settled the message yet
	require.NoError(t, err)
	again, _, err := d.wk.Find(t.Context(), "acme", j.ID)
	require.NoError(t, err)
	assert.Equal(t, 1, again.Before)
	assert.Equal(t, j.Input, again.Input)
	name, _ := job.RefOf(again.Input)
	_, err = d.queue.Inputs().Stat(t.Context(), "acme", name)
	require.NoError(t, err)
}

func TestBlobsHaveFaultsOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := open(t)
	blob, err := d.PutBlob(t.Context(), "acme", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	_, _, err = d.OpenBlob(t.Context(), "other", blob.Ref)
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
	assert.Equal(t, fault.NotFound, fault.CodeOf(d.DeleteBlob(t.Context(), "other", blob.Ref)))
	require.NoError(t, d.DeleteBlob(t.Context(), "acme", blob.Ref))
	assert.Equal(t, fault.NotFound, fault.CodeOf(d.DeleteBlob(t.Context(), "acme", blob.Ref)))
	assert.Equal(t, fault.Overloaded, fault.CodeOf(blobFault(queue.ErrFull)))
}
