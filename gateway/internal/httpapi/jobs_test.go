package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const sleepJob = `{"model":"sleep","input":{"ms": 0}}`

func TestSubmitSaysHowItWasTaken(t *testing.T) {
	t.Parallel()
	a := start(t, Config{MaxWait: 5 * time.Second})
	for _, tc := range []struct {
		prefer          string
		status          int
		applied         string
		wait            time.Duration
		location, retry bool
	}{
		{"", 202, "respond-async", 0, true, true},
		{"respond-async", 202, "respond-async", 0, true, true},
		{"wait=2", 200, "wait=2", 2 * time.Second, false, false},
		{"wait=0.5", 200, "wait=0.5", 500 * time.Millisecond, false, false},
		{"respond-async, wait=2", 200, "wait=2", 2 * time.Second, false, false},
		{`foo; a=b, Wait="2"`, 200, "wait=2", 2 * time.Second, false, false},
		{"wait=9999", 200, "wait=5", 5 * time.Second, false, false},
		{"wait=0", 202, "respond-async", 0, true, true},
		{"return=minimal", 202, "respond-async", 0, true, true},
	} {
		got := a.call(t, "POST", "/v1/jobs", goodToken, sleepJob, "Prefer", tc.prefer)
		require.Equal(t, tc.status, got.status, tc.prefer+got.body)
		require.Equal(t, tc.applied, got.header.Get("Preference-Applied"), tc.prefer)
		require.Equal(t, someJob, got.header.Get("X-Job-Id"))
		require.Equal(t, "1", got.header.Get("X-Model-Version"))
		require.Equal(t, `"tenant";q=60;w=60`, got.header.Get("RateLimit-Policy"))
		require.Equal(t, `"tenant";r=59;t=2`, got.header.Get("RateLimit"))
		require.Equal(t, tc.location, got.header.Get("Location") == "/v1/jobs/"+someJob)
		require.Equal(t, tc.retry, got.header.Get("Retry-After") == "1")
		require.Equal(t, tc.wait, a.jobs.last(t).Wait, tc.prefer)
		var j struct {
			ID string `json:"id"`
		}
		require.NoError(t, json.Unmarshal([]byte(got.body), &j))
		require.Equal(t, someJob, j.ID)
	}
}

func TestSubmitPassesEverythingOn(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	got := a.call(t, "POST", "/v1/jobs", goodToken, ` {"model":"a.b-c_1","input": [1, {"x":"é"}] ,"version":"2","priority":"batch",
		"ttl":1.5,"timeout":60,"max_attempts":5,"metadata":{"k":"v","\u006c":""}} `, "X-Detach", "true", "X-Model-Version", "2",
		"Content-Type", "application/vnd.x+json; charset=UTF-8")
	require.Equal(t, 202, got.status, got.body)
	require.Equal(t, job.Request{
		Model: "a.b-c_1", Version: "2", Class: job.Batch, Input: []byte(`[1, {"x":"é"}]`), MaxAttempts: 5, TTL: 1.5, Timeout: 60,
		Metadata: map[string]string{"k": "v", "l": ""}, Detach: true, Scopes: []string{"jobs"},
	}, a.jobs.last(t))
}

func TestFaultsOfJobs(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	var next error
	a.jobs.submit = func(context.Context, job.Request) (job.Submission, error) {
		return job.Submission{Limits: []job.LimitState{
			{Name: "tenant", Limit: 1, Window: time.Second},
			{Name: "daily", Limit: 5, Window: 24 * time.Hour, Remaining: -1, Reset: time.Hour},
		}}, next
	}
	for _, tc := range []struct {
		err    error
		status int
		code   string
		field  string
		retry  string
	}{
		{fault.Invalid("schema.人物", "must be null"), 422, "invalid_input", "input.schema.人物", ""},
		{fault.Invalid("", "must be an object"), 422, "invalid_input", "input", ""},
		{fault.Invalid("ttl", "is too long here"), 422, "invalid_input", "ttl", ""},
		{fault.New(fault.ModelNotFound, "none"), 404, "model_not_found", "", ""},
		{fault.New(fault.ScopeMissing, "no"), 403, "scope_missing", "", ""},
		{&fault.Error{Code: fault.RateLimited, Detail: "slow", RetryAfter: 1200 * time.Millisecond}, 429, "rate_limited", "", "2"},
		{fault.New(fault.QuotaExceeded, "used"), 429, "quota_exceeded", "", "1"},
		{fault.New(fault.TooManyInFlight, "many"), 429, "too_many_in_flight", "", "1"},
		{fault.New(fault.QueueFull, "full"), 429, "queue_full", "", "1"},
		{&fault.Error{Code: fault.NoWorkers, Detail: "none", RetryAfter: time.Minute}, 503, "no_workers", "", "60"},
		{fault.New(fault.Overloaded, "busy"), 503, "overloaded", "", "1"},
		{fault.New(fault.DeadlineExceeded, "late"), 504, "deadline_exceeded", "", ""},
		{io.ErrUnexpectedEOF, 500, "internal", "", ""},
		{fault.New("unheard_of", "what"), 500, "unheard_of", "", ""},
	} {
		next = tc.err
		got := a.call(t, "POST", "/v1/jobs", goodToken, sleepJob)
		require.Equal(t, tc.status, got.status, got.body)
		p := problemOf(t, got)
		require.Equal(t, tc.code, p.Code)
		require.Equal(t, tc.field, p.Field)
		require.Equal(t, tc.retry, got.header.Get("Retry-After"))
		require.Equal(t, `"tenant";r=0;t=0, "daily";r=0;t=3600`, got.header.Get("RateLimit"))
		require.NotContains(t, got.body, "EOF")
	}
	require.Contains(t, a.log.String(), "unexpected EOF")
}

func TestPredictMapsEnds(t *testing.T) {
	t.Parallel()
	a := start(t, Config{PredictWait: 3 * time.Second, PredictModel: "tiny"})
	var st job.State
	a.jobs.submit = func(context.Context, job.Request) (job.Submission, error) { return job.Submission{State: st}, nil }
	failed := func(code fault.Code, field string) job.State {
		s := stateOf(someJob, job.Failed, "")
		s.Error = &job.Error{Code: code, Message: "it failed", Field: field}
		return s
	}
	for _, tc := range []struct {
		st     job.State
		status int
		code   string
		field  string
	}{
		{failed(fault.InvalidInput, "schema.x"), 422, "invalid_input", "schema.x"},
		{failed(fault.AttemptsExhausted, ""), 500, "attempts_exhausted", ""},
		{failed(fault.DeadlineExceeded, ""), 504, "deadline_exceeded", ""},
		{failed(fault.NoWorkers, ""), 503, "no_workers", ""},
		{stateOf(someJob, job.Failed, ""), 500, "internal", ""},
		{stateOf(someJob, job.Canceled, ""), 409, "conflict", ""},
		{stateOf(someJob, job.Expired, ""), 504, "deadline_exceeded", ""},
		{stateOf(someJob, job.Running, ""), 504, "deadline_exceeded", ""},
	} {
		st = tc.st
		got := a.call(t, "POST", "/api/predict", goodToken, `{"text":"a"}`)
		require.Equal(t, tc.status, got.status, got.body)
		p := problemOf(t, got)
		require.Equal(t, tc.code, p.Code)
		require.Equal(t, tc.field, p.Field)
		require.Equal(t, someJob, got.header.Get("X-Job-Id"))
	}
	require.Equal(t, []string{someJob}, a.jobs.canceledIDs(), "a job nobody waits for is canceled")
	r := a.jobs.last(t)
	require.Equal(t, job.Request{Model: "tiny", Input: []byte(`{"text":"a"}`), Within: 3 * time.Second, Wait: 3 * time.Second}, r)

	st = stateOf(someJob, job.Queued, "")
	got := a.call(t, "POST", "/api/predict", goodToken, `{"text":"a"}`, "Prefer", "respond-async")
	require.Equal(t, 202, got.status)
	require.Equal(t, time.Duration(0), a.jobs.last(t).Wait)
	require.Equal(t, "/v1/jobs/"+someJob, got.header.Get("Location"))
}

func TestWaitEndsInTime(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	a.jobs.wait = func(ctx context.Context, id string) (job.State, error) {
		<-ctx.Done()
		return stateOf(id, job.Running, ""), nil
	}
	got := a.call(t, "GET", "/v1/jobs/"+someJob+"?wait=0.05", goodToken, "")
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, `"running"`)
	require.Equal(t, "1", got.header.Get("Retry-After"))
}

// hangUp submits over a fresh connection and leaves once the handler waits.
func hangUp(t *testing.T, a *api, secure bool, raw string, waiting <-chan struct{}) {
	t.Helper()
	var c net.Conn
	var err error
	if secure {
		transport, ok := a.client.Transport.(*http.Transport)
		require.True(t, ok)
		d := tls.Dialer{Config: transport.TLSClientConfig}
		c, err = d.DialContext(t.Context(), "tcp", a.tls)
	} else {
		var d net.Dialer
		c, err = d.DialContext(t.Context(), "tcp", a.plain)
	}
	require.NoError(t, err)
	_, err = io.WriteString(c, raw)
	require.NoError(t, err)
	<-waiting
	require.NoError(t, c.Close())
}

func TestCallerThatHangsUpEndsItsWait(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		a := start(t, Config{})
		waiting, gone := make(chan struct{}), make(chan struct{})
		a.jobs.submit = func(ctx context.Context, _ job.Request) (job.Submission, error) {
			close(waiting)
			<-ctx.Done()
			close(gone)
			return job.Submission{}, ctx.Err()
		}
		hangUp(t, a, secure, "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nPrefer: wait=60\r\n"+auth+
			"Content-Length: 35\r\n\r\n"+sleepJob, waiting)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Fatal("the handler still waits for a caller that is gone")
		}
		require.Eventually(t, func() bool { return strings.Contains(a.audit.String(), "client_gone") }, 5*time.Second, time.Millisecond)
	}
}

func TestPipelinedRequestDuringAWait(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	waiting, goOn := make(chan struct{}, 1), make(chan struct{})
	a.jobs.submit = func(ctx context.Context, _ job.Request) (job.Submission, error) {
		waiting <- struct{}{}
		select {
		case <-goOn:
		case <-ctx.Done():
			return job.Submission{}, ctx.Err()
		}
		return job.Submission{State: stateOf(someJob, job.Succeeded, "1")}, nil
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", a.plain)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	br := bufio.NewReader(c)
	for range 3 { // the watch reads the second request's head, half of it at first
		_, err = io.WriteString(c, "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nPrefer: wait=60\r\n"+auth+
			"Content-Length: 35\r\n\r\n"+sleepJob)
		require.NoError(t, err)
		<-waiting
		timer := time.NewTimer(3 * watchAfter) // let the watch begin
		<-timer.C
		_, err = io.WriteString(c, "GET /healthz HT")
		require.NoError(t, err)
		goOn <- struct{}{}
		res, err := http.ReadResponse(br, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
		_, err = io.WriteString(c, "TP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		res, err = http.ReadResponse(br, nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 200, res.StatusCode)
	}
}

func TestEventsReplayAndResume(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	one, two := "id: 1\nevent: status\ndata: {\"status\":\"queued\"}\n\n", "id: 2\nevent: output\ndata: {\"text\":\"人\"}\n\n"
	three := "id: 3\nevent: done\ndata: {\"id\":\"" + someJob + "\"}\n\n"
	path := "/v1/jobs/" + someJob + "/events"
	got := a.call(t, "GET", path, goodToken, "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "text/event-stream", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, one+two+three, got.body)
	require.Equal(t, two+three, a.call(t, "GET", path+"?starting_after=1", goodToken, "").body)
	require.Equal(t, three, a.call(t, "GET", path, goodToken, "", "Last-Event-ID", "2").body)
	require.Empty(t, a.call(t, "GET", path+"?starting_after=3", goodToken, "").body)
	require.Empty(t, a.call(t, "HEAD", path, goodToken, "").body)

	got = a.call(t, "POST", "/v1/jobs", goodToken, sleepJob, "Accept", "application/json;q=0.1, text/event-stream")
	require.Equal(t, 200, got.status)
	require.Equal(t, one+two+three, got.body)
	require.Equal(t, someJob, got.header.Get("X-Job-Id"))
	require.True(t, a.jobs.last(t).Stream)
	require.Equal(t, 202, a.call(t, "POST", "/v1/jobs", goodToken, sleepJob, "Accept", "text/event-stream;q=0").status)
}

func TestSilentStreamBeats(t *testing.T) {
	t.Parallel()
	a := start(t, Config{Heartbeat: 10 * time.Millisecond, WriteTimeout: 200 * time.Millisecond})
	closed := make(chan struct{})
	a.jobs.events = func(context.Context, string, int) (Stream, error) {
		return &fakeStream{closed: closed, tail: func(ctx context.Context) (job.Message, error) {
			<-ctx.Done()
			return job.Message{}, ctx.Err()
		}}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+a.tls+"/v1/jobs/"+someJob+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+goodToken)
	res, err := a.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	br := bufio.NewReader(res.Body)
	for range 50 { // outlives the write time-out, as each flush has its own
		line, err := br.ReadString('\n')
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(line, ":"), line)
		_, err = br.ReadString('\n')
		require.NoError(t, err)
	}
	cancel()
	<-closed
	require.Empty(t, a.jobs.canceledIDs(), "a reader of events does not own the job")
}

func TestStreamsOwnerThatLeavesCancels(t *testing.T) {
	t.Parallel()
	for _, detach := range []string{"false", "true"} {
		a := start(t, Config{Heartbeat: time.Minute})
		waiting, closed := make(chan struct{}), make(chan struct{})
		a.jobs.events = func(context.Context, string, int) (Stream, error) {
			return &fakeStream{closed: closed, tail: func(ctx context.Context) (job.Message, error) {
				close(waiting)
				<-ctx.Done()
				return job.Message{}, ctx.Err()
			}}, nil
		}
		hangUp(t, a, true, "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"+
			"X-Detach: "+detach+"\r\n"+auth+"Content-Length: 35\r\n\r\n"+sleepJob, waiting)
		<-closed
		if detach == "true" {
			require.Eventually(t, func() bool { return strings.Contains(a.audit.String(), "client_gone") }, 5*time.Second, time.Millisecond)
			require.Empty(t, a.jobs.canceledIDs())
			continue
		}
		require.Eventually(t, func() bool { return len(a.jobs.canceledIDs()) == 1 }, 5*time.Second, time.Millisecond)
	}
}

func TestSlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	a := start(t, Config{WriteTimeout: 100 * time.Millisecond})
	closed := make(chan struct{})
	big := []byte(`"` + strings.Repeat("x", 256<<10) + `"`)
	a.jobs.events = func(context.Context, string, int) (Stream, error) {
		return &fakeStream{closed: closed, tail: func(context.Context) (job.Message, error) {
			return job.Message{ID: 1, Name: "output", Data: big}, nil
		}}, nil
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", a.plain)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET /v1/jobs/"+someJob+"/events HTTP/1.1\r\nHost: a\r\n"+auth+"\r\n")
	require.NoError(t, err)
	select {
	case <-closed: // it never read
	case <-time.After(20 * time.Second):
		t.Fatal("a reader that does not read is still served")
	}
}
