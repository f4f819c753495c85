package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// problem is what every refusal must look like.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	Field     string `json:"field"`
	RequestID string `json:"request_id"`
}

func problemOf(t *testing.T, a answer) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var p problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
	require.Equal(t, a.status, p.Status)
	require.Equal(t, "urn:penstock:problem:"+p.Code, p.Type)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	require.Equal(t, a.header.Get("X-Request-Id"), p.RequestID)
	require.NotEmpty(t, p.RequestID)
	return p
}

func TestRoutesAnswer(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	for _, tc := range []struct {
		method, path, token, body string
		status                    int
		contains                  string
	}{
		{"GET", "/healthz", "", "", 200, `{"status":"ok"}`},
		{"HEAD", "/healthz", "", "", 200, ``},
		{"GET", "/readyz", "", "", 200, `{"status":"ready"}`},
		{"GET", "/openapi.json", "", "", 200, `{`},
		{"GET", "/.well-known/jwks.json", "", "", 200, `{"keys":[]}`},
		{"POST", "/v1/jobs", goodToken, `{"model":"sleep","input":{}}`, 202, `"status":"queued"`},
		{"GET", "/v1/jobs", goodToken, "", 200, `"next_cursor":"abc"`},
		{"GET", "/v1/jobs?cursor=abc", goodToken, "", 200, `{"data":[],"next_cursor":null}`},
		{"GET", "/v1/jobs?status=queued&model=sleep&limit=5", goodToken, "", 200, `{"data":[{`},
		{"GET", "/v1/jobs/" + someJob, goodToken, "", 200, `"status":"running"`},
		{"HEAD", "/v1/jobs/" + someJob, goodToken, "", 200, ``},
		{"GET", "/v1/jobs/" + someJob + "?wait=0.5", goodToken, "", 200, `"status":"running"`},
		{"POST", "/v1/jobs/" + someJob + "/cancel", goodToken, "", 200, `"status":"canceled"`},
		{"POST", "/api/predict", goodToken, `{"text":"a","schema":{"b":null}}`, 200, `{"echo":1,"attempt":1}`},
		{"GET", "/v1/models", goodToken, "", 200, `{"object":"list","data":[{"id":"sleep","object":"model"`},
		{"GET", "/v1/models/sleep", goodToken, "", 200, `"status":"ready"`},
		{
			"GET", "/v1/models/digits", goodToken, "", 200, `"capabilities":["chat","images","tools","thinking","embedding"],"context":512,"dimensions":64,` +
				`"inputs":[{"name":"x","datatype":"FP32","shape":[-1,28]}],"outputs":[{"name":"y","datatype":"BYTES","shape":null}],"input_schema":{"$schema"`,
		},
		{"GET", "/v1/models/broken", goodToken, "", 200, `"status":"unavailable","error":"the file's hash differs"`},
		{"GET", "/v1/usage", goodToken, "", 200, `"tenant":"tenant-001"`},
		{"POST", "/v1/auth/token", goodToken, "", 200, `"token_type":"Bearer"`},
		{"POST", "/v1/auth/token", goodToken, `{"expires_in":60,"scope":"ner jobs"}`, 200, `"expires_in":60`},
		{"POST", "/v1/auth/refresh", "", `{"refresh_token":"r"}`, 200, `"access_token":"b"`},
		{"POST", "/v1/auth/revoke", goodToken, `{"token":"a"}`, 204, ``},
		{"POST", "/admin/v1/tenants", adminToken, `{"id":"tenant-002"}`, 201, `"id":"tenant-002"`},
		{"GET", "/admin/v1/tenants", adminToken, "", 200, `"next_cursor":null`},
		{"GET", "/admin/v1/tenants/tenant-001", adminToken, "", 200, `"enabled":true`},
		{"PATCH", "/admin/v1/tenants/tenant-001", adminToken, `{"enabled":false}`, 200, `"id"`},
		{"DELETE", "/admin/v1/tenants/tenant-001", adminToken, "", 204, ``},
		{"POST", "/admin/v1/tenants/tenant-001/keys", adminToken, "", 201, `"key":"psk_abc_x"`},
		{"GET", "/admin/v1/tenants/tenant-001/keys", adminToken, "", 200, `"data":[]`},
		{"DELETE", "/admin/v1/tenants/tenant-001/keys/abc", adminToken, "", 204, ``},
		{"GET", "/admin/v1/workers", adminToken, "", 200, `{"data":[],"next_cursor":null}`},
	} {
		got := a.call(t, tc.method, tc.path, tc.token, tc.body)
		name := tc.method + " " + tc.path
		require.Equal(t, tc.status, got.status, name+" "+got.body)
		require.Contains(t, got.body, tc.contains, name)
		require.NotEmpty(t, got.header.Get("X-Request-Id"), name)
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"), name)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := start(t, Config{MaxBody: 4096})
	const jobs = "/v1/jobs"
	post := func(body string) []string { return []string{"POST", jobs, goodToken, body} }
	for _, tc := range []struct {
		req     []string // method, path, token, body
		headers []string
		status  int
		code    string
		field   string
	}{
		{[]string{"GET", "/", "", ""}, nil, 404, "not_found", ""},
		{[]string{"GET", "/v1/jobs/", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", "/V1/jobs", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", "/v1//jobs", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", "/v1/jobs/../models", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"PUT", jobs, goodToken, "{}"}, nil, 405, "method_not_allowed", ""},
		{[]string{"OPTIONS", jobs, "", ""}, nil, 405, "method_not_allowed", ""},
		{[]string{"DELETE", "/healthz", "", ""}, nil, 405, "method_not_allowed", ""},
		{[]string{"BREW", jobs, "", ""}, nil, 405, "method_not_allowed", ""},
		{[]string{"GET", jobs, "", ""}, nil, 401, "unauthenticated", ""},
		{[]string{"GET", jobs, "wrong", ""}, nil, 401, "unauthenticated", ""},
		{[]string{"GET", jobs, "", ""}, []string{"Authorization", "Basic abc"}, 401, "unauthenticated", ""},
		{[]string{"GET", jobs, "", ""}, []string{"Authorization", "Bearer"}, 401, "unauthenticated", ""},
		{[]string{"GET", jobs, "disabled-token", ""}, nil, 403, "tenant_disabled", ""},
		{[]string{"GET", jobs, bareToken, ""}, nil, 403, "scope_missing", ""},
		{[]string{"GET", "/admin/v1/tenants", goodToken, ""}, nil, 403, "scope_missing", ""},
		{[]string{"GET", jobs, "panic-token", ""}, nil, 500, "internal", ""},
		{[]string{"GET", jobs + "/job_x", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", jobs + "/job_gone", goodToken, ""}, nil, 410, "gone", ""},
		{[]string{"GET", jobs + "/%6aob", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", jobs + "/..", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"POST", jobs + "/job_x/cancel", goodToken, ""}, nil, 409, "conflict", ""},
		{[]string{"GET", jobs + "?colour=red", goodToken, ""}, nil, 400, "bad_request", "colour"},
		{[]string{"GET", jobs + "?limit=5&limit=6", goodToken, ""}, nil, 400, "bad_request", "limit"},
		{[]string{"GET", jobs + "?limit=0", goodToken, ""}, nil, 400, "bad_request", "limit"},
		{[]string{"GET", jobs + "?limit=101", goodToken, ""}, nil, 400, "bad_request", "limit"},
		{[]string{"GET", jobs + "?limit=", goodToken, ""}, nil, 400, "bad_request", "limit"},
		{[]string{"GET", jobs + "?limit=%2b5", goodToken, ""}, nil, 400, "bad_request", "limit"},
		{[]string{"GET", jobs + "?status=done", goodToken, ""}, nil, 400, "bad_request", "status"},
		{[]string{"GET", jobs + "?model=a%20b", goodToken, ""}, nil, 400, "bad_request", "model"},
		{[]string{"GET", jobs + "?cursor=%00", goodToken, ""}, nil, 400, "bad_request", "cursor"},
		{[]string{"GET", jobs + "/" + someJob + "?wait=soon", goodToken, ""}, nil, 400, "bad_request", "wait"},
		{[]string{"GET", jobs + "/" + someJob + "?wait=-1", goodToken, ""}, nil, 400, "bad_request", "wait"},
		{[]string{"GET", jobs + "/" + someJob + "?wait=NaN", goodToken, ""}, nil, 400, "bad_request", "wait"},
		{[]string{"GET", jobs + "/" + someJob + "/events?starting_after=x", goodToken, ""}, nil, 400, "bad_request", "starting_after"},
		{[]string{"GET", jobs + "/" + someJob + "/events", goodToken, ""}, []string{"Last-Event-ID", "-1"}, 400, "bad_request", "Last-Event-ID"},
		{[]string{"GET", jobs + "/job_x/events", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"HEAD", jobs + "/job_x/events", goodToken, ""}, nil, 404, "", ""},
		{[]string{"GET", "/v1/models/none", goodToken, ""}, nil, 404, "model_not_found", ""},
		{[]string{"POST", jobs, goodToken, ""}, nil, 415, "unsupported_media_type", ""},
		{[]string{"POST", jobs, goodToken, ""}, []string{"Content-Type", "application/json"}, 400, "bad_request", ""},
		{post(`{}`), []string{"Content-Type", "text/plain"}, 415, "unsupported_media_type", ""},
		{post(`{}`), []string{"Content-Type", "application/json; charset=latin1"}, 415, "unsupported_media_type", ""},
		{post(`{}`), []string{"Content-Type", "application/json;;"}, 415, "unsupported_media_type", ""},
		{post(`{}`), []string{"Content-Encoding", "gzip"}, 415, "unsupported_media_type", ""},
		{post(`{}`), []string{"Idempotency-Key", "k"}, 422, "invalid_input", "model"},
		{post(`{"model":"sleep","input":1}`), []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "bad_request", "Idempotency-Key"},
		{post(`{"model":"sleep","input":1}`), []string{"Idempotency-Key", "名"}, 400, "bad_request", "Idempotency-Key"},
		{[]string{"PUT", jobs + "/mine", goodToken, `{"model":"sleep","input":1}`}, []string{"Idempotency-Key", "k"}, 400, "bad_request", "Idempotency-Key"},
		{[]string{"PUT", jobs + "/job_x", goodToken, `{"model":"sleep","input":1}`}, nil, 422, "invalid_input", "id"},
		{[]string{"PUT", jobs + "/a.b", goodToken, `{"model":"sleep","input":1}`}, nil, 422, "invalid_input", "id"},
		{[]string{"PUT", jobs + "/*", goodToken, `{"model":"sleep","input":1}`}, nil, 422, "invalid_input", "id"},
		{[]string{"PUT", jobs + "/a%20b", goodToken, `{"model":"sleep","input":1}`}, nil, 422, "invalid_input", "id"},
		{[]string{"PUT", jobs + "/" + strings.Repeat("a", 300), goodToken, `{"model":"sleep","input":1}`}, nil, 422, "invalid_input", "id"},
		{[]string{"POST", jobs + "/job_x/retry", goodToken, ""}, nil, 409, "conflict", ""},
		{[]string{"POST", jobs + "/a.b/retry", goodToken, ""}, nil, 404, "not_found", ""},
		{[]string{"GET", "/admin/v1/dead-letters?model=a%20b", adminToken, ""}, nil, 400, "bad_request", "model"},
		{[]string{"GET", "/admin/v1/dead-letters?tenant=a%20b", adminToken, ""}, nil, 400, "bad_request", "tenant"},
		{[]string{"GET", "/admin/v1/dead-letters", goodToken, ""}, nil, 403, "scope_missing", ""},
		{[]string{"POST", "/admin/v1/dead-letters/retry", adminToken, ""}, nil, 400, "bad_request", "model"},
		{[]string{"POST", "/admin/v1/dead-letters/dl_9/discard", adminToken, ""}, nil, 404, "not_found", ""},
		{[]string{"POST", "/admin/v1/dead-letters/dl_2/retry", adminToken, ""}, nil, 429, "quota_exceeded", ""},
		{post(`{"model":"sleep","input":1}`), []string{"X-Detach", "maybe"}, 400, "bad_request", "X-Detach"},
		{post(`{"model":"sleep","input":1}`), []string{"X-Model-Version", "a b"}, 400, "bad_request", "X-Model-Version"},
		{post(`{"model":"sleep","input":1,"version":"1"}`), []string{"X-Model-Version", "2"}, 400, "bad_request", "X-Model-Version"},
		{post(`{"model":"sleep","input":1}`), []string{"Prefer", "wait=x"}, 400, "bad_request", "Prefer"},
		{post(`{"model":"sleep","input":1}`), []string{"Prefer", "wait=-1"}, 400, "bad_request", "Prefer"},
		{post(strings.Repeat(" ", 4097)), nil, 413, "payload_too_large", ""},
		{post(`[]`), nil, 422, "invalid_input", ""},
		{post(`{"model":"sleep","input":1`), nil, 400, "bad_request", ""},
		{post(`{"model":"sleep","model":"b","input":1}`), nil, 400, "bad_request", "model"},
		{post(`{"model":"sleep","input":{"a":{"b":1,"b":2}}}`), nil, 400, "bad_request", "input.a.b"},
		{post("{\"model\":\"\xff\",\"input\":1}"), nil, 400, "bad_request", "model"},
		{post(`{"model":"sleep","input":1} {}`), nil, 400, "bad_request", ""},
		{post(`{"model":"sleep","input":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`), nil, 400, "bad_request", ""},
		{post(`{"input":1}`), nil, 422, "invalid_input", "model"},
		{post(`{"model":"sleep"}`), nil, 422, "invalid_input", "input"},
		{post(`{"model":5,"input":1}`), nil, 422, "invalid_input", "model"},
		{post(`{"model":"","input":1}`), nil, 422, "invalid_input", "model"},
		{post(`{"model":"jobs.>","input":1}`), nil, 404, "model_not_found", "model"},
		{post(`{"Model":"sleep","input":1}`), nil, 422, "invalid_input", "Model"},
		{post(`{"model":"sleep","input":1,"priority":"now"}`), nil, 422, "invalid_input", "priority"},
		{post(`{"model":"sleep","input":1,"ttl":0}`), nil, 422, "invalid_input", "ttl"},
		{post(`{"model":"sleep","input":1,"ttl":"5"}`), nil, 422, "invalid_input", "ttl"},
		{post(`{"model":"sleep","input":1,"timeout":1e999}`), nil, 422, "invalid_input", "timeout"},
		{post(`{"model":"sleep","input":1,"max_attempts":1.5}`), nil, 422, "invalid_input", "max_attempts"},
		{post(`{"model":"sleep","input":1,"max_attempts":0}`), nil, 422, "invalid_input", "max_attempts"},
		{post(`{"model":"sleep","input":1,"version":""}`), nil, 422, "invalid_input", "version"},
		{post(`{"model":"sleep","input":1,"metadata":[]}`), nil, 422, "invalid_input", "metadata"},
		{post(`{"model":"sleep","input":1,"metadata":{"a":1}}`), nil, 422, "invalid_input", "metadata.a"},
		{post(`{"model":"sleep","input":1,"not_before":"tomorrow"}`), nil, 422, "invalid_input", "not_before"},
		{post(`{"model":"sleep","input":1,"webhook":"https://x"}`), nil, 422, "invalid_input", "webhook"},
		{post(`{"model":"sleep","input":1,"webhook":{"secret":"x"}}`), nil, 422, "invalid_input", "webhook.url"},
		{post(`{"model":"sleep","input":1,"webhook":{"url":7}}`), nil, 422, "invalid_input", "webhook.url"},
		{post(`{"model":"sleep","input":1,"webhook":{"url":"https://x","secret":["a",1]}}`), nil, 422, "invalid_input", "webhook.secret[1]"},
		{post(`{"model":"sleep","input":1,"webhook":{"url":"https://x","events":"done"}}`), nil, 422, "invalid_input", "webhook.events"},
		{post(`{"model":"sleep","input":1,"webhook":{"url":"https://x","events":["done", null]}}`), nil, 422, "invalid_input", "webhook.events[1]"},
		{post(`{"model":"sleep","input":1,"webhook":{"url":"https://x","retries":3}}`), nil, 422, "invalid_input", "webhook.retries"},
		{[]string{"POST", "/v1/auth/token", goodToken, `{"expires_in":-1}`}, nil, 422, "invalid_input", "expires_in"},
		{[]string{"POST", "/v1/auth/token", goodToken, `{"scopes":"x"}`}, nil, 422, "invalid_input", "scopes"},
		{[]string{"POST", "/v1/auth/refresh", "", `{"refresh_token":"old"}`}, nil, 401, "unauthenticated", ""},
		{[]string{"POST", "/v1/auth/refresh", "", `{}`}, nil, 422, "invalid_input", "refresh_token"},
		{[]string{"POST", "/admin/v1/tenants", adminToken, `{"id":"taken"}`}, nil, 409, "conflict", ""},
		{[]string{"GET", "/admin/v1/tenants?limit=9999", adminToken, ""}, nil, 400, "bad_request", "limit"},
	} {
		name := strings.Join(tc.req, " ") + strings.Join(tc.headers, " ")
		got := a.call(t, tc.req[0], tc.req[1], tc.req[2], tc.req[3], tc.headers...)
		require.Equal(t, tc.status, got.status, name+" "+got.body)
		if tc.req[0] == "HEAD" {
			continue
		}
		p := problemOf(t, got)
		require.Equal(t, tc.code, p.Code, name)
		require.Equal(t, tc.field, p.Field, name+" "+got.body)
		switch tc.status {
		case 401:
			require.Contains(t, got.header.Get("WWW-Authenticate"), "Bearer", name)
		case 405:
			require.NotEmpty(t, got.header.Get("Allow"), name)
		}
	}
	require.Contains(t, a.log.String(), "a bug")
	require.NotContains(t, a.audit.String(), goodToken)
}
