package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
	"github.com/penstock-dev/penstock/shared/testenv"
	"github.com/penstock-dev/penstock/shared/testenv/redistest"
	"github.com/penstock-dev/penstock/worker"
)

// twoGateways run on a broker and a Redis that neither embeds, as in production.
func twoGateways(t *testing.T) (a, b *site) {
	t.Helper()
	broker := testenv.StartBroker(t)
	a, b = newSite(t), newSite(t)
	keys := filepath.Join(a.dir, "keys")
	redis, version, ok := redistest.Start(t)
	t.Logf("redis-server: %v %s", ok, version)
	external := func(c *gateway.Config) {
		c.Mode, c.NATSURL, c.RedisURL, c.Auth.KeyDir = gateway.Development, broker.GatewayURL(), redis, keys
	}
	a.startGateway(external) // without a redis-server it embeds one, which b then uses
	if redis == "" {
		var run struct{ Redis string }
		a.runFile(&run)
		redis = "redis://" + run.Redis
	}
	b.startGateway(external)
	a.startWorker(func(c *worker.Config) { c.NATSURL = broker.GatewayURL() })
	a.ready()
	b.ready()
	b.creds.Token, b.creds.AdminToken = a.creds.Token, a.creds.AdminToken
	return a, b
}

func TestAStreamGoesOnAtAnotherGateway(t *testing.T) {
	t.Parallel()
	a, b := twoGateways(t)
	req := a.request(http.MethodPost, "/v1/jobs", sleepJob(map[string]any{"ms": 400, "tokens": 6}), header("Accept", "text/event-stream"))
	live, raw := a.stream(req)
	var v view
	require.NoError(t, json.Unmarshal([]byte(live[len(live)-1].data), &v))
	path := "/v1/jobs/" + v.ID + "/events"
	_, other := b.stream(b.request(http.MethodGet, path, nil))
	assert.Equal(t, raw, other, "the same bytes")
	rest, _ := b.stream(b.request(http.MethodGet, path, nil, header("Last-Event-ID", "3")))
	assert.Equal(t, live[3:], rest)

	running := a.submit(sleepJob(map[string]any{"ms": 500, "tokens": 5}))
	events, _ := b.stream(b.request(http.MethodGet, "/v1/jobs/"+running.ID+"/events", nil))
	assert.Equal(t, "done", events[len(events)-1].name)
	assert.Equal(t, "succeeded", b.ended(running.ID).Status)
	long := a.submit(sleepJob(map[string]any{"ms": 60_000}))
	b.post("/v1/jobs/"+long.ID+"/cancel", nil).want(http.StatusOK)
	assert.Equal(t, "canceled", a.ended(long.ID).Status)
}

func TestAChangeHoldsOnEveryGateway(t *testing.T) {
	t.Parallel()
	a, b := twoGateways(t)
	key := a.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}, "daily_quota": 4})
	admitted := 0
	for i := range 6 {
		s := []*site{a, b}[i%2]
		if s.post("/v1/jobs", sleepJob(map[string]any{"ms": 0}), bearer(key)).status == http.StatusAccepted {
			admitted++
		}
	}
	assert.Equal(t, 4, admitted, "one quota for both")
	b.call(http.MethodPatch, "/admin/v1/tenants/acme", map[string]any{"enabled": false}, bearer(b.creds.AdminToken)).want(http.StatusOK)
	require.Eventually(t, func() bool {
		return a.get("/v1/usage", bearer(key)).status == http.StatusForbidden
	}, 5*time.Second, 20*time.Millisecond)
}
