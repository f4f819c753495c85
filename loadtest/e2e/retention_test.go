package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
)

func TestAnAnswerThatWentOutIsForgottenSooner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stop := s.startGateway(nil)
	body := sleepJob(map[string]any{"ms": 1})
	stopWorker := s.startWorker(nil)
	s.ready()
	before := s.submit(body)
	s.ended(before.ID)
	stopWorker()
	stop()

	s.startGateway(func(c *gateway.Config) { c.Results.SyncRetention = time.Second }) // over the streams that are there
	s.startWorker(nil)
	s.ready()
	wait := header("Prefer", "wait=20")
	var answered, keyed view
	s.post("/v1/jobs", body, wait).want(http.StatusOK).json(&answered)
	s.post("/v1/jobs", body, wait, header("Idempotency-Key", "k")).want(http.StatusOK).json(&keyed)
	left := s.submit(body)
	s.ended(left.ID)
	require.Eventually(t, func() bool {
		return s.get("/v1/jobs/"+answered.ID).status == http.StatusGone
	}, 10*time.Second, 50*time.Millisecond)
	for _, v := range []view{before, keyed, left} {
		s.get("/v1/jobs/" + v.ID).want(http.StatusOK)
	}
	s.post("/v1/jobs", body, wait, header("Idempotency-Key", "k")).want(http.StatusOK).json(&keyed)
}
