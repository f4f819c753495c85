package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sentence = "2月8日上午北京冬奥会自由式滑雪女子大跳台决赛中中国选手谷爱凌以188.25分获得金牌！"

type predicted struct {
	Output [][]struct {
		Type   string `json:"type"`
		Span   string `json:"span"`
		Offset [2]int `json:"offset"`
	} `json:"output"`
}

func spans(p predicted) (out []string) {
	for _, path := range p.Output {
		last := path[len(path)-1]
		out = append(out, last.Type+"="+last.Span)
	}
	return out
}

func TestPredict(t *testing.T) {
	t.Parallel()
	s := start(t)
	var p predicted
	a := s.post("/api/predict", `{"text":"`+sentence+`","schema":{"人物":null,"地理位置":null}}`).want(http.StatusOK).json(&p)
	assert.Contains(t, spans(p), "人物=谷爱凌")
	assert.Contains(t, spans(p), "地理位置=北京")
	assert.True(t, strings.HasPrefix(a.header.Get("X-Job-Id"), "job_"))
	for _, path := range p.Output {
		o := path[0].Offset
		assert.Equal(t, path[0].Span, string([]rune(sentence)[o[0]:o[1]]))
	}
	s.post("/api/predict", map[string]string{"text": sentence, "schema": `{"人物":null}`}).want(http.StatusOK).json(&p)
	assert.Equal(t, []string{"人物=谷爱凌"}, spans(p))

	assert.Contains(t, s.log.String(), `"task":"ner"`)
	assert.NotContains(t, s.log.String(), "谷爱凌", "the audit tells neither text nor answer")
	assert.NotContains(t, s.log.String(), s.creds.Token)
}

func TestSubmitThenPoll(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := map[string]any{
		"model": "uninlu-tiny", "input": map[string]any{"text": sentence, "schema": map[string]any{"人物": nil}},
		"metadata": map[string]string{"order": "7"},
	}
	var v view
	a := s.post("/v1/jobs", job).want(http.StatusAccepted).json(&v)
	assert.Equal(t, "/v1/jobs/"+v.ID, a.header.Get("Location"))
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	assert.Equal(t, "queued", v.Status)
	done := s.ended(v.ID)
	assert.Equal(t, "succeeded", done.Status)
	assert.Equal(t, "1", done.Version)
	assert.Equal(t, 1, done.Attempt)
	assert.Equal(t, map[string]string{"order": "7"}, done.Metadata)
	assert.Contains(t, string(done.Output), "谷爱凌")

	a = s.post("/v1/jobs", job, header("Prefer", "wait=20")).want(http.StatusOK).json(&v)
	assert.Equal(t, "succeeded", v.Status)
	assert.Equal(t, "wait=20", a.header.Get("Preference-Applied"))

	begin := time.Now()
	s.post("/v1/jobs", sleepJob(map[string]any{"ms": 5000}), header("Prefer", "wait=0.3")).want(http.StatusAccepted).json(&v)
	assert.Less(t, time.Since(begin), 4*time.Second)
	assert.Contains(t, []string{"queued", "running"}, v.Status)
	s.post("/v1/jobs/"+v.ID+"/cancel", nil).want(http.StatusOK)
}

func TestAStreamIsTheSameWheneverItIsRead(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := sleepJob(map[string]any{"ms": 300, "tokens": 5, "echo": "x"})
	req := s.request(http.MethodPost, "/v1/jobs", body, header("Accept", "text/event-stream"))
	live, raw := s.stream(req)
	assert.Equal(t, []string{"status", "status", "output", "output", "output", "output", "output", "done"}, names(live))
	for i, e := range live {
		assert.Equal(t, string(rune('1'+i)), e.id)
	}
	var v view
	require.NoError(t, json.Unmarshal([]byte(live[7].data), &v))
	assert.Equal(t, "succeeded", v.Status)

	path := "/v1/jobs/" + v.ID + "/events"
	_, again := s.stream(s.request(http.MethodGet, path, nil))
	assert.Equal(t, raw, again)
	rest, _ := s.stream(s.request(http.MethodGet, path, nil, header("Last-Event-ID", "4")))
	assert.Equal(t, live[4:], rest)
	rest, _ = s.stream(s.request(http.MethodGet, path+"?starting_after=6", nil))
	assert.Equal(t, live[6:], rest)
}

func TestAStreamFollowsAJobSubmittedBefore(t *testing.T) {
	t.Parallel()
	s := start(t)
	v := s.submit(sleepJob(map[string]any{"ms": 400, "echo": "x"}))
	events, _ := s.stream(s.request(http.MethodGet, "/v1/jobs/"+v.ID+"/events", nil))
	assert.Equal(t, []string{"status", "status", "output", "done"}, names(events))
	assert.JSONEq(t, `{"echo":"x","attempt":1}`, events[2].data)
}

func TestARetryIsToldInTheStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	req := s.request(http.MethodPost, "/v1/jobs", sleepJob(map[string]any{"ms": 1, "fail_attempts": 1}), header("Accept", "text/event-stream"))
	events, _ := s.stream(req)
	assert.Equal(t, []string{"status", "status", "status", "restart", "status", "output", "done"}, names(events))
	assert.JSONEq(t, `{"attempt":2}`, events[3].data)
}

func TestAJobOutOfAttemptsFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := sleepJob(map[string]any{"fail_attempts": 9})
	body["max_attempts"] = 2
	v := s.ended(s.submit(body).ID)
	assert.Equal(t, "failed", v.Status)
	assert.EqualValues(t, "attempts_exhausted", v.Error.Code)
	assert.Equal(t, 2, v.Attempt)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := start(t)
	running := s.submit(sleepJob(map[string]any{"ms": 60_000}))
	require.Eventually(t, func() bool {
		var v view
		s.get("/v1/jobs/" + running.ID).json(&v)
		return v.Status == "running"
	}, 10*time.Second, 20*time.Millisecond)
	var v view
	s.post("/v1/jobs/"+running.ID+"/cancel", nil).want(http.StatusOK).json(&v)
	assert.Equal(t, "canceled", v.Status)
	assert.Equal(t, "canceled", s.ended(running.ID).Status)
	s.post("/v1/jobs/"+running.ID+"/cancel", nil).problem(http.StatusConflict, "conflict", "")
	s.post("/v1/jobs/job_00000000000000000000000000/cancel", nil).problem(http.StatusNotFound, "not_found", "")
}

func TestACallerThatHangsUpCancelsItsJob(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, detach := range []bool{false, true} {
		ctx, hangUp := testContext(t)
		req := s.request(http.MethodPost, "/v1/jobs", sleepJob(map[string]any{"ms": 2500}), header("Prefer", "wait=30"))
		if detach {
			req.Header.Set("X-Detach", "true")
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			res, err := s.client.Do(req.WithContext(ctx))
			if err == nil {
				_ = res.Body.Close()
			}
		}()
		var list struct{ Data []view }
		require.Eventually(t, func() bool {
			s.get("/v1/jobs?status=running&limit=1").json(&list)
			return len(list.Data) == 1
		}, 10*time.Second, 20*time.Millisecond)
		hangUp()
		<-gone
		want := "canceled"
		if detach {
			want = "succeeded"
		}
		assert.Equal(t, want, s.ended(list.Data[0].ID).Status)
	}
}

func TestAnotherTenantSeesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := s.newTenant(map[string]any{"id": "other", "scopes": []string{"*"}})
	v := s.submit(sleepJob(map[string]any{"ms": 1}))
	s.ended(v.ID)
	for _, path := range []string{"", "/events", "?wait=1"} {
		s.get("/v1/jobs/"+v.ID+path, bearer(other)).problem(http.StatusNotFound, "not_found", "")
	}
	s.post("/v1/jobs/"+v.ID+"/cancel", nil, bearer(other)).problem(http.StatusNotFound, "not_found", "")
	var list struct{ Data []view }
	s.get("/v1/jobs", bearer(other)).want(http.StatusOK).json(&list)
	assert.Empty(t, list.Data)
}

func TestList(t *testing.T) {
	t.Parallel()
	s := start(t)
	var ids []string
	for range 7 {
		ids = append([]string{s.submit(sleepJob(map[string]any{"ms": 1})).ID}, ids...)
	}
	for _, id := range ids {
		s.ended(id)
	}
	var got []string
	cursor := ""
	for {
		var page struct {
			Data       []view
			NextCursor *string `json:"next_cursor"`
		}
		s.get("/v1/jobs?limit=3&status=succeeded&model=sleep&cursor=" + cursor).want(http.StatusOK).json(&page)
		for _, v := range page.Data {
			got = append(got, v.ID)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	assert.Equal(t, ids, got)
	s.get("/v1/jobs?status=failed").want(http.StatusOK)
	s.get("/v1/jobs?cursor=%21%21").problem(http.StatusBadRequest, "bad_request", "cursor")
	s.get("/v1/jobs?status=done").problem(http.StatusBadRequest, "bad_request", "status")
	s.get("/v1/jobs?limit=0").problem(http.StatusBadRequest, "bad_request", "limit")
}
