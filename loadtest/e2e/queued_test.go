package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
)

// queueing is what a tenant sees of its queue.
type queueing struct {
	Queued    *int64 `json:"queued"`
	MaxQueued *int64 `json:"max_queued"`
	Used      int    `json:"used"`
}

// bounded makes the development tenant's queue take so many, and waits until that holds.
func (s *site) bounded(n int64) {
	s.t.Helper()
	s.call(http.MethodPatch, "/admin/v1/tenants/"+s.creds.Tenant, map[string]any{"max_queued": n}, bearer(s.creds.AdminToken)).want(http.StatusOK)
	require.Eventually(s.t, func() bool {
		u := s.queueing()
		return u.MaxQueued != nil && *u.MaxQueued == n
	}, 5*time.Second, 10*time.Millisecond)
}

func (s *site) queueing() (u queueing) {
	s.t.Helper()
	s.get("/v1/usage").want(http.StatusOK).json(&u)
	return u
}

// queuedAre waits until so many jobs count as queued.
func (s *site) queuedAre(n int64) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return *s.queueing().Queued == n }, 10*time.Second, 10*time.Millisecond)
}

func TestAQueueTakesSoManyJobsThatHaveNotBegun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(nil)
	stop := s.startWorker(nil)
	s.ready()
	assert.Nil(t, s.queueing().MaxQueued)
	s.bounded(5)
	stop() // for a while nobody begins anything, and the model is still expected back

	var mu sync.Mutex
	var ids []string
	var wg sync.WaitGroup
	refused := 0
	for range 12 {
		wg.Go(func() {
			body := sleepJob(map[string]any{"ms": 300})
			body["max_attempts"] = 1
			a := s.post("/v1/jobs", body)
			mu.Lock()
			defer mu.Unlock()
			if a.status == http.StatusAccepted {
				var v view
				a.json(&v)
				ids = append(ids, v.ID)
				return
			}
			refused++
			a.problem(http.StatusTooManyRequests, "queue_full", "")
			assert.Regexp(t, "^[1-9][0-9]*$", a.header.Get("Retry-After"))
		})
	}
	wg.Wait()
	assert.LessOrEqual(t, len(ids), 5)
	for len(ids) < 5 { // callers that raced for the last place may all have lost it
		ids = append(ids, s.submit(sleepJob(map[string]any{"ms": 300})).ID)
	}
	u := s.queueing()
	assert.EqualValues(t, 5, *u.Queued)
	assert.Equal(t, 5, u.Used, "what was refused counts for no quota")
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 1})).problem(http.StatusTooManyRequests, "queue_full", "")

	s.post("/v1/jobs/"+ids[0]+"/cancel", nil).want(http.StatusOK)
	s.queuedAre(4)
	later := sleepJob(map[string]any{"ms": 1})
	later["not_before"] = time.Now().Add(time.Hour).Format(time.RFC3339)
	scheduled := s.submit(later)
	assert.Equal(t, "scheduled", scheduled.Status)
	s.post("/v1/jobs", later).problem(http.StatusTooManyRequests, "queue_full", "")

	s.startWorker(nil)
	s.allEnd(ids[1:])
	s.queuedAre(1) // the scheduled one
	s.post("/v1/jobs/"+scheduled.ID+"/cancel", nil).want(http.StatusOK)
	s.queuedAre(0)
}

func TestARunningJobHasNoPlaceInTheQueue(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.bounded(1)
	long := s.submit(sleepJob(map[string]any{"ms": 60_000}))
	s.queuedAre(0) // it shows that it runs after a moment
	again := sleepJob(map[string]any{"ms": 1, "fail_attempts": 3})
	again["max_attempts"] = 4
	failing := s.submit(again)
	s.queuedAre(0)
	assert.Equal(t, "succeeded", s.ended(failing.ID).Status)
	s.submit(sleepJob(map[string]any{"ms": 1}))
	s.post("/v1/jobs/"+long.ID+"/cancel", nil).want(http.StatusOK)
	s.queuedAre(0)
}

// A gateway keeps count of the jobs that it accepted. What it can't hear of as it is gone, a refusal finds out.
func TestPlacesOfAGatewayThatIsGoneAreFreed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stopGateway := s.startGateway(nil)
	stopWorker := s.startWorker(nil)
	s.ready()
	s.bounded(2)
	stopWorker()
	ids := []string{s.submit(sleepJob(map[string]any{"ms": 1})).ID, s.submit(sleepJob(map[string]any{"ms": 1})).ID}
	stopGateway()
	s.startGateway(nil)
	s.startWorker(nil)
	s.ready()
	s.allEnd(ids)
	assert.EqualValues(t, 2, *s.queueing().Queued, "nobody heard of the ends")
	begin := time.Now()
	require.Eventually(t, func() bool { // a place that is young might be of a job on its way
		return s.post("/v1/jobs", sleepJob(map[string]any{"ms": 1})).status == http.StatusAccepted
	}, 40*time.Second, 200*time.Millisecond)
	t.Logf("a place came free %v after the ends", time.Since(begin).Round(time.Millisecond))
	s.queuedAre(0)
}

func TestAPlanCapsThePriority(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(func(c *gateway.Config) { c.Plans = []string{"free=batch"} })
	s.startWorker(nil)
	s.ready()
	body := sleepJob(map[string]any{"ms": 1})
	body["priority"] = "interactive"
	s.submit(body)
	s.call(http.MethodPatch, "/admin/v1/tenants/"+s.creds.Tenant, map[string]any{"plan": "free"}, bearer(s.creds.AdminToken)).want(http.StatusOK)
	require.Eventually(t, func() bool { return s.post("/v1/jobs", body).status == http.StatusForbidden }, 5*time.Second, 10*time.Millisecond)
	s.post("/v1/jobs", body).problem(http.StatusForbidden, "forbidden", "priority")
	delete(body, "priority")
	var v struct{ Priority string }
	s.post("/v1/jobs", body).want(http.StatusAccepted).json(&v)
	assert.Equal(t, "batch", v.Priority)
}
