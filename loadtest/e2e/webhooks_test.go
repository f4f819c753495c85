package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
)

// hookKey is what the tests' webhooks are signed with.
const hookKey = "0123456789abcdef0123456789abcdef"

func hookSecret() string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(hookKey)) }

// delivery is one request that a receiver got, its signature found good.
type delivery struct {
	id   string
	body string
}

// receiver is a webhook's, which answers the nth request as told; a status of 0 hangs until the caller is gone.
func receiver(t *testing.T, answer func(n int) int) (url string, got <-chan delivery) {
	t.Helper()
	all := make(chan delivery, 64)
	count := make(chan int, 1)
	count <- 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		mac := hmac.New(sha256.New, []byte(hookKey))
		mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
		assert.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), r.Header.Get("webhook-signature"))
		at, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		assert.NoError(t, err)
		assert.WithinDuration(t, time.Now(), time.Unix(at, 0), 5*time.Minute)
		n := <-count + 1
		count <- n
		all <- delivery{r.Header.Get("webhook-id"), string(body)}
		status := answer(n)
		if status == 0 {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/hook", all
}

func next(t *testing.T, got <-chan delivery) delivery {
	t.Helper()
	select {
	case d := <-got:
		return d
	case <-time.After(60 * time.Second):
		require.Fail(t, "no delivery came")
		return delivery{}
	}
}

func hooked(url string, input map[string]any) map[string]any {
	body := sleepJob(input)
	body["webhook"] = map[string]any{"url": url, "secret": hookSecret()}
	return body
}

type hookLog struct {
	Data []struct {
		ID, Type, URL, Status string
		Attempts              []struct {
			Status int
			Error  string
		}
	}
}

// settled waits until a job's only delivery is no longer pending.
func (s *site) settled(id string) (log hookLog) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		log = hookLog{}
		s.get("/v1/jobs/" + id + "/webhooks").want(http.StatusOK).json(&log)
		return len(log.Data) == 1 && log.Data[0].Status != "pending"
	}, 30*time.Second, 20*time.Millisecond)
	return log
}

func TestAWebhookIsDeliveredSignedAfterTwoFailures(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(func(c *gateway.Config) { c.Webhooks.Backoff = 0.01 })
	s.startWorker(nil)
	s.ready()
	url, got := receiver(t, func(n int) int { return []int{503, 302, 200, 204}[min(n, 4)-1] })
	j := s.submit(hooked(url, map[string]any{"echo": "told"}))
	first := next(t, got)
	for range 2 {
		assert.Equal(t, first, next(t, got), "the same id, and the same bytes")
	}
	var told struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      view      `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(first.body), &told))
	assert.Equal(t, "job.done", told.Type)
	assert.Equal(t, j.ID, told.Data.ID)
	assert.Equal(t, "succeeded", told.Data.Status)
	assert.Contains(t, first.body, `"data":`+strings.TrimSpace(string(s.get("/v1/jobs/"+j.ID).body))+"}", "as GET shows it")

	log := s.settled(j.ID)
	assert.Equal(t, "delivered", log.Data[0].Status)
	assert.Equal(t, first.id, log.Data[0].ID)
	assert.Len(t, log.Data[0].Attempts, 3)
	assert.Equal(t, 503, log.Data[0].Attempts[0].Status)
	assert.Contains(t, log.Data[0].Attempts[1].Error, "redirects")
	assert.Equal(t, 200, log.Data[0].Attempts[2].Status)

	s.post("/v1/jobs/"+j.ID+"/webhooks/redeliver", nil).want(http.StatusAccepted)
	assert.Equal(t, first, next(t, got))
	assert.Len(t, s.settled(j.ID).Data[0].Attempts, 4)

	plain := s.submit(sleepJob(map[string]any{}))
	s.ended(plain.ID)
	log = hookLog{}
	s.get("/v1/jobs/" + plain.ID + "/webhooks").want(http.StatusOK).json(&log)
	assert.Empty(t, log.Data)
	s.post("/v1/jobs/"+plain.ID+"/webhooks/redeliver", nil).problem(http.StatusConflict, "conflict", "")
	s.get("/v1/jobs/none/webhooks").problem(http.StatusNotFound, "not_found", "")
	assert.NotContains(t, s.log.String(), hookSecret()[6:])
	select {
	case d := <-got:
		assert.Fail(t, "once too often", "%v", d)
	default:
	}
}

func TestAWebhookThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for url, field := range map[string]string{
		"https://10.0.0.1/x": "webhook.url", "https://169.254.169.254/latest": "webhook.url", "https://[::ffff:10.0.0.1]/": "webhook.url",
		"http://example.com/": "webhook.url", "ftp://example.com/": "webhook.url", "https://me:you@example.com/": "webhook.url",
		"https://example.com/#a": "webhook.url", "https://example.com:25/": "webhook.url", "https://2130706433/": "webhook.url",
	} {
		s.post("/v1/jobs", hooked(url, map[string]any{})).problem(http.StatusUnprocessableEntity, "invalid_input", field)
	}
	body := hooked("https://example.com/", map[string]any{})
	body["webhook"] = map[string]any{"url": "https://example.com/", "secret": hookSecret(), "events": []string{"done", "sometimes"}}
	s.post("/v1/jobs", body).problem(http.StatusUnprocessableEntity, "invalid_input", "webhook.events[1]")
	body["webhook"] = map[string]any{"url": "https://example.com/", "secret": "whsec_c2hvcnQ="}
	s.post("/v1/jobs", body).problem(http.StatusUnprocessableEntity, "invalid_input", "webhook.secret")
	body["webhook"] = map[string]any{"url": "https://example.com/"}
	s.post("/v1/jobs", body).problem(http.StatusUnprocessableEntity, "invalid_input", "webhook.secret")
	var list struct{ Data []view }
	s.get("/v1/jobs").want(http.StatusOK).json(&list)
	assert.Empty(t, list.Data, "nothing is stored")
}

func TestAKilledGatewaysWebhooksAreDelivered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw := s.gatewayProcess(t)
	s.process(t, "worker")
	s.ready()
	// One whose delivery is under way at the kill, and one whose job ends while there is no gateway.
	hangs, hung := receiver(t, func(n int) int { return 200 * min(1, n-1) })
	takes, taken := receiver(t, func(int) int { return 200 })
	quick := s.submit(hooked(hangs, map[string]any{}))
	slow := s.submit(hooked(takes, map[string]any{"ms": 1500}))
	first := next(t, hung)
	gw.kill()
	killed := time.Now()
	s.gatewayProcess(t)
	assert.Contains(t, next(t, taken).body, slow.ID)
	t.Logf("the webhook of a job that ended without a gateway came %v after the kill", time.Since(killed).Round(time.Millisecond))
	assert.Equal(t, first, next(t, hung), "again, as nobody knows what came of the first")
	t.Logf("the one that was under way came again %v after the kill", time.Since(killed).Round(time.Millisecond))
	for _, id := range []string{quick.ID, slow.ID} {
		log := s.settled(id)
		assert.Equal(t, "delivered", log.Data[0].Status)
		assert.Len(t, log.Data[0].Attempts, 1)
	}
}
