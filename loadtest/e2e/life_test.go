package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAScheduledJobRunsAtItsTimeOverAKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw := s.gatewayProcess(t)
	s.process(t, "worker")
	s.ready()
	at := time.Now().Add(3 * time.Second)
	body := sleepJob(map[string]any{"echo": "later"})
	body["not_before"] = at.Format(time.RFC3339Nano)
	v := s.submit(body)
	assert.Equal(t, "scheduled", v.Status)
	canceled := s.submit(body)
	s.post("/v1/jobs/"+canceled.ID+"/cancel", nil).want(http.StatusOK)
	s.post("/v1/jobs/"+canceled.ID+"/cancel", nil).problem(http.StatusConflict, "conflict", "")
	gw.kill()
	s.gatewayProcess(t)
	var now view
	s.get("/v1/jobs/" + v.ID).json(&now)
	assert.Contains(t, []string{"scheduled", "queued", "running", "succeeded"}, now.Status)
	assert.Equal(t, "succeeded", s.ended(v.ID).Status)
	assert.False(t, time.Now().Before(at))
	assert.Equal(t, "canceled", s.ended(canceled.ID).Status)
	events, _ := s.stream(s.request(http.MethodGet, "/v1/jobs/"+v.ID+"/events", nil))
	assert.Equal(t, []string{"status", "status", "output", "done"}, names(events))
	assert.Contains(t, events[0].data, `"scheduled"`)
}

func TestATTLEndsAJobOnTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(nil)
	stop := s.startWorker(nil)
	s.ready()
	var busy []string
	for range 16 { // all that the model holds
		busy = append(busy, s.submit(sleepJob(map[string]any{"ms": 4000})).ID)
	}
	expires := func() {
		t.Helper()
		body := sleepJob(map[string]any{"ms": 1})
		body["ttl"] = 0.5
		begin := time.Now()
		v := s.submit(body)
		v = s.ended(v.ID)
		took := time.Since(begin)
		assert.Equal(t, "expired", v.Status)
		assert.EqualValues(t, "deadline_exceeded", v.Error.Code)
		assert.GreaterOrEqual(t, took, 500*time.Millisecond)
		t.Logf("a ttl of 0.5 s ended its job after %v", took.Round(time.Millisecond))
	}
	expires() // all slots are busy
	s.allEnd(busy)
	stop()
	expires() // nobody is alive
}

func TestIdempotencyHoldsOverAKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw := s.gatewayProcess(t)
	s.process(t, "worker")
	s.ready()
	body := sleepJob(map[string]any{"ms": 10, "echo": "once"})
	key := header("Idempotency-Key", "order 7")
	var first, again view
	s.post("/v1/jobs", body, key).want(http.StatusAccepted).json(&first)
	gw.kill()
	s.gatewayProcess(t)
	a := s.post("/v1/jobs", body, key, header("Prefer", "wait=20")).want(http.StatusOK).json(&again)
	assert.Equal(t, first.ID, again.ID)
	assert.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
	assert.JSONEq(t, `{"echo":"once","attempt":1}`, string(again.Output))
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 11}), key).problem(http.StatusUnprocessableEntity, "idempotency_mismatch", "")

	put := func() *answer { return s.call(http.MethodPut, "/v1/jobs/order-7", body, header("Prefer", "wait=20")) }
	put().want(http.StatusOK).json(&first)
	assert.Equal(t, "order-7", first.ID)
	a = put().want(http.StatusOK).json(&again)
	assert.Equal(t, "true", a.header.Get("Idempotent-Replayed"))
	s.call(http.MethodPut, "/v1/jobs/order-7", sleepJob(nil)).problem(http.StatusConflict, "conflict", "")
}

func TestARetryByHand(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := sleepJob(map[string]any{"fail_attempts": 3, "echo": "x"})
	body["max_attempts"] = 2
	v := s.submit(body)
	assert.Equal(t, "failed", s.ended(v.ID).Status)
	admin := bearer(s.creds.AdminToken)
	var list struct {
		Data []struct {
			ID    string `json:"id"`
			JobID string `json:"job_id"`
		}
	}
	s.get("/admin/v1/dead-letters?model=sleep", admin).want(http.StatusOK).json(&list)
	require.Len(t, list.Data, 1)
	assert.Equal(t, v.ID, list.Data[0].JobID)
	s.post("/v1/jobs/"+v.ID+"/retry", nil).want(http.StatusAccepted)
	v = s.ended(v.ID)
	assert.Equal(t, "succeeded", v.Status)
	assert.Equal(t, 4, v.Attempt)
	assert.JSONEq(t, `{"echo":"x","attempt":4}`, string(v.Output))
	s.post("/v1/jobs/"+v.ID+"/retry", nil).problem(http.StatusConflict, "conflict", "")
	s.get("/admin/v1/dead-letters?model=sleep", admin).json(&list)
	assert.Empty(t, list.Data)

	body["input"] = map[string]any{"fail_attempts": 9}
	v = s.submit(body)
	s.ended(v.ID)
	s.get("/admin/v1/dead-letters", admin).json(&list)
	require.Len(t, list.Data, 1)
	s.post("/admin/v1/dead-letters/"+list.Data[0].ID+"/retry", nil, admin).want(http.StatusAccepted)
	v = s.ended(v.ID)
	assert.Equal(t, "failed", v.Status)
	assert.Equal(t, 4, v.Attempt)
	s.post("/admin/v1/dead-letters/discard?model=sleep", nil, admin).want(http.StatusOK)
	s.get("/admin/v1/dead-letters", admin).json(&list)
	assert.Empty(t, list.Data)
	require.Eventually(t, func() bool {
		var usage struct{ Used int }
		s.get("/v1/usage").json(&usage)
		return usage.Used == 1
	}, 5*time.Second, 10*time.Millisecond, "each time that it failed gives its count back")
}
