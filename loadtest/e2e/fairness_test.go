package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker"
)

// tenant makes one, and returns what authorises its calls.
func (s *site) tenant(id string, fields map[string]any) with {
	s.t.Helper()
	body := map[string]any{"id": id, "scopes": []string{"*"}}
	for k, v := range fields {
		body[k] = v
	}
	s.post("/admin/v1/tenants", body, bearer(s.creds.AdminToken)).want(http.StatusCreated)
	var key struct{ Key string }
	s.post("/admin/v1/tenants/"+id+"/keys", map[string]any{}, bearer(s.creds.AdminToken)).want(http.StatusCreated).json(&key)
	return bearer(key.Key)
}

// A tenant with far more jobs than the workers have slots does not hold up others; and its backlog outlives a restart of
// the gateway, which then knows nothing of it, and a worker that comes after the last job did.
func TestABacklogHoldsNobodyUpAndOutlivesRestarts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stopGateway := s.startGateway(nil)
	few := func(c *worker.Config) { c.Worker.SleepSlots = 2 }
	stopWorker := s.startWorker(few)
	s.ready()
	noisy, quiet := s.tenant("noisy", nil), s.tenant("quiet", nil)
	var ids []string
	for range 150 {
		ids = append(ids, s.submit(sleepJob(map[string]any{"ms": 20}), noisy).ID)
	}
	var v view
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 1}), quiet, header("Prefer", "wait=20")).want(http.StatusOK).json(&v)
	assert.Equal(t, "succeeded", v.Status)
	unfinished := 0
	for _, id := range ids {
		s.get("/v1/jobs/"+id, noisy).json(&v)
		if v.Status != "succeeded" {
			unfinished++
		}
	}
	assert.Positive(t, unfinished, "the quiet tenant went first")

	stopWorker()
	stopGateway()
	s.startGateway(nil)
	s.startWorker(few)
	s.ready()
	for _, id := range ids {
		s.get("/v1/jobs/"+id+"?wait=30", noisy).want(http.StatusOK).json(&v)
		require.Equal(t, "succeeded", v.Status)
	}
}

// A job of a backlog that fails is tried again, though the lane is empty by then.
func TestAJobOfABacklogIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(nil)
	s.startWorker(func(c *worker.Config) { c.Worker.SleepSlots = 1 })
	s.ready()
	var last string
	for range 20 {
		last = s.submit(sleepJob(map[string]any{"ms": 1, "fail_attempts": 1})).ID
	}
	v := s.ended(last)
	assert.Equal(t, "succeeded", v.Status)
	assert.Equal(t, 2, v.Attempt)
	var place struct {
		Position int   `json:"queue_position"`
		ETA      int64 `json:"eta_ms"`
	}
	for range 30 {
		s.submit(sleepJob(map[string]any{"ms": 30}))
	}
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 30}), header("Prefer", "respond-async")).want(http.StatusAccepted).json(&place)
	assert.InDelta(t, 25, place.Position, 12)
	require.Eventually(t, func() bool {
		s.get("/v1/jobs/" + s.submit(sleepJob(map[string]any{"ms": 1})).ID).json(&place)
		return place.ETA > 0
	}, 10*time.Second, 50*time.Millisecond)
}
