package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// newTenant makes a tenant and returns a key of its.
func (s *site) newTenant(about map[string]any) (key string) {
	s.t.Helper()
	s.post("/admin/v1/tenants", about, bearer(s.creds.AdminToken)).want(http.StatusCreated)
	var k struct{ ID, Key string }
	s.post(fmt.Sprintf("/admin/v1/tenants/%s/keys", about["id"]), map[string]any{}, bearer(s.creds.AdminToken)).want(http.StatusCreated).json(&k)
	require.True(s.t, strings.HasPrefix(k.Key, "psk_"))
	return k.Key
}

const ner = `{"text":"谷爱凌在北京获得金牌","schema":{"人物":null}}`

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"ner", "jobs"}})

	s.post("/api/predict", ner, bearer(key)).want(http.StatusOK)
	s.post("/api/predict", `{"text":"正向,负向|很好","schema":{"情感分类":null}}`, bearer(key)).problem(http.StatusForbidden, "scope_missing", "")
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 0}), bearer(key)).problem(http.StatusForbidden, "scope_missing", "")
	s.get("/admin/v1/tenants", bearer(key)).problem(http.StatusForbidden, "scope_missing", "")

	for _, b := range []string{"", "x", "psk_a_b", s.creds.Token + "x", "psk_" + strings.Repeat("a", 9000)} {
		a := s.post("/api/predict", ner, bearer(b))
		a.problem(http.StatusUnauthorized, "unauthenticated", "")
		assert.NotEmpty(t, a.header.Get("Www-Authenticate"))
	}

	var pair struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int    `json:"expires_in"`
	}
	s.post("/v1/auth/token", map[string]any{"expires_in": 60, "scope": "ner"}, bearer(key)).want(http.StatusOK).json(&pair)
	assert.Equal(t, 60, pair.ExpiresIn)
	s.post("/api/predict", ner, bearer(pair.AccessToken)).want(http.StatusOK)
	s.get("/v1/jobs", bearer(pair.AccessToken)).problem(http.StatusForbidden, "scope_missing", "")
	first := pair.RefreshToken
	refresh := map[string]any{"refresh_token": first}
	s.post("/v1/auth/refresh", refresh, bearer("")).want(http.StatusOK).json(&pair)
	s.post("/v1/auth/refresh", refresh, bearer("")).problem(http.StatusUnauthorized, "unauthenticated", "")
	require.Eventually(t, func() bool {
		return s.post("/api/predict", ner, bearer(pair.AccessToken)).status == http.StatusUnauthorized
	}, 5*time.Second, 50*time.Millisecond, "re-use ends the family's access tokens")

	var jwks struct{ Keys []map[string]any }
	s.get("/.well-known/jwks.json", bearer("")).want(http.StatusOK).json(&jwks)
	require.Len(t, jwks.Keys, 1)
	assert.Equal(t, "OKP", jwks.Keys[0]["kty"])
}

func TestATenantIsShutOutAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}})
	s.post("/api/predict", ner, bearer(key)).want(http.StatusOK)
	s.call(http.MethodPatch, "/admin/v1/tenants/acme", map[string]any{"enabled": false}, bearer(s.creds.AdminToken)).want(http.StatusOK)
	require.Eventually(t, func() bool {
		return s.post("/api/predict", ner, bearer(key)).status == http.StatusForbidden
	}, 5*time.Second, 20*time.Millisecond)
	s.post("/api/predict", ner, bearer(key)).problem(http.StatusForbidden, "tenant_disabled", "")
}

func TestTheDailyQuotaIsExact(t *testing.T) {
	t.Parallel()
	s := start(t)
	const quota, callers = 20, 60
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}, "daily_quota": quota})
	var admitted, refused atomic.Int32
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			a, err := s.try(http.MethodPost, "/v1/jobs", sleepJob(map[string]any{"ms": 0}), bearer(key), header("Prefer", "wait=20"))
			if err != nil {
				assert.Fail(t, err.Error())
				return
			}
			switch a.status {
			case http.StatusOK:
				admitted.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
				assert.Contains(t, string(a.body), "quota_exceeded")
				assert.NotEmpty(t, a.header.Get("Retry-After"))
			default:
				assert.Fail(t, "unexpected", "%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int32(quota), admitted.Load())
	assert.Equal(t, int32(callers-quota), refused.Load())
	var usage struct{ Used, Remaining int }
	s.get("/v1/usage", bearer(key)).want(http.StatusOK).json(&usage)
	assert.Equal(t, quota, usage.Used)
	assert.Zero(t, usage.Remaining)
}

func TestAFailedJobGivesItsCountBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}, "daily_quota": 5})
	body := sleepJob(map[string]any{"fail_attempts": 3})
	body["max_attempts"] = 1
	s.post("/v1/jobs", body, bearer(key), header("Prefer", "wait=20")).want(http.StatusOK)
	require.Eventually(t, func() bool {
		var usage struct{ Used int }
		s.get("/v1/usage", bearer(key)).json(&usage)
		return usage.Used == 0
	}, 5*time.Second, 20*time.Millisecond)
}

func TestRateHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}, "rate": map[string]any{"limit": 3, "window": "60s"}})
	var a *answer
	for range 3 {
		a = s.post("/v1/jobs", sleepJob(map[string]any{"ms": 0}), bearer(key)).want(http.StatusAccepted)
	}
	assert.Equal(t, `"tenant";q=3;w=60`, a.header.Get("Ratelimit-Policy"))
	assert.Contains(t, a.header.Get("Ratelimit"), `"tenant";r=0`)
	a = s.post("/v1/jobs", sleepJob(map[string]any{"ms": 0}), bearer(key))
	a.problem(http.StatusTooManyRequests, "rate_limited", "")
	assert.NotEmpty(t, a.header.Get("Retry-After"))
}

func TestEverythingIsKeptOverARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stopGateway := s.startGateway(nil)
	stopWorker := s.startWorker(nil)
	s.ready()
	key := s.newTenant(map[string]any{"id": "acme", "scopes": []string{"*"}, "daily_quota": 10})
	var v view
	s.post("/v1/jobs", sleepJob(map[string]any{"echo": "kept"}), bearer(key), header("Prefer", "wait=20")).want(http.StatusOK).json(&v)
	before := s.creds
	stopWorker()
	stopGateway()

	s.startGateway(nil)
	assert.Equal(t, before.APIKey, s.creds.APIKey, "the development key stays")
	assert.Equal(t, "succeeded", s.endedBy(v.ID, key).Status)
	var usage struct{ Used int }
	s.get("/v1/usage", bearer(key)).json(&usage)
	assert.Equal(t, 1, usage.Used)
	queued := s.submit(sleepJob(map[string]any{"echo": 1}), bearer(key)) // no worker runs, but one is expected back
	s.startWorker(nil)
	assert.Equal(t, "succeeded", s.endedBy(queued.ID, key).Status)
}

func (s *site) endedBy(id, key string) view {
	s.t.Helper()
	var v view
	s.get("/v1/jobs/"+id+"?wait=30", bearer(key)).want(http.StatusOK).json(&v)
	return v
}
