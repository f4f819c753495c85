package httpapi

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

func TestARepeatAsksForTheSame(t *testing.T) {
	t.Parallel()
	a := start(t, Config{PredictModel: "sleep"})
	const body = `{"model":"sleep","input":1,"not_before":"2030-01-02T03:04:05.5+01:00"}`
	require.Equal(t, 202, a.call(t, "POST", "/v1/jobs", goodToken, body, "Idempotency-Key", "k 1").status)
	first := a.jobs.last(t)
	require.Equal(t, "k 1", first.Key)
	require.Equal(t, "POST /v1/jobs", first.Route)
	require.True(t, first.NotBefore.Equal(time.Date(2030, 1, 2, 2, 4, 5, 500_000_000, time.UTC)))
	a.call(t, "POST", "/v1/jobs", goodToken, body, "Idempotency-Key", "k 1", "Prefer", "wait=1")
	require.Equal(t, first.Fingerprint, a.jobs.last(t).Fingerprint, "Prefer is no part of it")
	a.call(t, "POST", "/v1/jobs", goodToken, `{"model":"sleep","input":2}`, "Idempotency-Key", "k 1")
	require.NotEqual(t, first.Fingerprint, a.jobs.last(t).Fingerprint)
	a.call(t, "POST", "/v1/jobs", goodToken, body, "Idempotency-Key", "k 1", "X-Model-Version", "1")
	require.NotEqual(t, first.Fingerprint, a.jobs.last(t).Fingerprint)
	a.call(t, "POST", "/api/predict", goodToken, `{"text":"a","schema":{}}`, "Idempotency-Key", "k 1")
	require.Equal(t, "POST /api/predict", a.jobs.last(t).Route)
	a.call(t, "PUT", "/v1/jobs/order-7", goodToken, body)
	put := a.jobs.last(t)
	require.Equal(t, "order-7", put.ID)
	require.Equal(t, "PUT /v1/jobs/:id", put.Route)
	require.NotEmpty(t, put.Fingerprint)
}

func TestAReplayIsToldAsOne(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	status := job.Succeeded
	a.jobs.submit = func(context.Context, job.Request) (job.Submission, error) {
		return job.Submission{State: stateOf(someJob, status, "1"), Replayed: true}, nil
	}
	const body = `{"model":"sleep","input":1}`
	got := a.call(t, "POST", "/v1/jobs", goodToken, body, "Idempotency-Key", "k")
	require.Equal(t, 200, got.status, "as its state asks")
	require.Equal(t, "true", got.header.Get("Idempotent-Replayed"))
	status = job.Running
	got = a.call(t, "POST", "/v1/jobs", goodToken, body, "Idempotency-Key", "k")
	require.Equal(t, 202, got.status)
	require.Equal(t, "true", got.header.Get("Idempotent-Replayed"))
}

func TestRetriesAndDeadLetters(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	got := a.call(t, "POST", "/v1/jobs/"+someJob+"/retry", goodToken, "")
	require.Equal(t, 202, got.status, got.body)
	require.Equal(t, "/v1/jobs/"+someJob, got.header.Get("Location"))
	const path = "/admin/v1/dead-letters"
	got = a.call(t, "GET", path+"?model=sleep&limit=2", adminToken, "")
	require.Equal(t, 200, got.status, got.body)
	require.Contains(t, got.body, `"job_id":"`+someJob+`"`)
	require.Contains(t, got.body, `"next_cursor":"dl_2"`)
	got = a.call(t, "GET", path+"?model=none", adminToken, "")
	require.JSONEq(t, `{"data":[],"next_cursor":null}`, got.body)
	got = a.call(t, "POST", path+"/dl_1/retry", adminToken, "")
	require.Equal(t, 202, got.status, got.body)
	require.Equal(t, 204, a.call(t, "POST", path+"/dl_1/discard", adminToken, "").status)
	got = a.call(t, "POST", path+"/retry?model=sleep", adminToken, "")
	require.JSONEq(t, `{"done":1,"refused":1,"more":false}`, got.body)
	got = a.call(t, "POST", path+"/discard?tenant=tenant-001", adminToken, "")
	require.JSONEq(t, `{"done":2,"refused":0,"more":false}`, got.body)
}
