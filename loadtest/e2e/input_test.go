package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Nothing of this reaches the worker: its count of attempts stays.
func TestBadInputIsRefusedWithItsPath(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		path, body  string
		status      int
		code, field string
	}{
		{"/api/predict", `{"text":"a","schema":{"人物":3}}`, 422, "invalid_input", "schema.人物"},
		{"/api/predict", `{"text":"a","schema":{"人物":{"地点":[]}}}`, 422, "invalid_input", "schema.人物.地点"},
		{"/api/predict", `{"text":"a","schema":{}}`, 422, "invalid_input", "schema"},
		{"/api/predict", `{"text":"a","schema":"{"}`, 422, "invalid_input", "schema"},
		{"/api/predict", `{"text":3,"schema":{"人物":null}}`, 422, "invalid_input", "text"},
		{"/api/predict", `{"schema":{"人物":null}}`, 422, "invalid_input", "text"},
		{"/api/predict", `{"text":"a"}`, 422, "invalid_input", "schema"},
		{"/api/predict", `{"text":"a","schema":{"人物":null},"x":1}`, 422, "invalid_input", "x"},
		{"/api/predict", `{`, 400, "bad_request", ""},
		{"/api/predict", ``, 400, "bad_request", ""},
		{"/api/predict", `[]`, 422, "invalid_input", ""},
		{"/v1/jobs", `{"model":"uninlu-tiny","input":{"text":"a","schema":{"人物":3}}}`, 422, "invalid_input", "input.schema.人物"},
		{"/v1/jobs", `{"model":"sleep","input":{"ms":-1}}`, 422, "invalid_input", "input.ms"},
		{"/v1/jobs", `{"model":"nobody","input":{}}`, 404, "model_not_found", "model"},
		{"/v1/jobs", `{"input":{}}`, 422, "invalid_input", "model"},
		{"/v1/jobs", `{"model":"sleep"}`, 422, "invalid_input", "input"},
		{"/v1/jobs", `{"model":"sleep","input":{},"priority":"now"}`, 422, "invalid_input", "priority"},
		{"/v1/jobs", `{"model":"sleep","input":{},"timeout":-1}`, 422, "invalid_input", "timeout"},
		{"/v1/jobs", `{"model":"sleep","input":{},"max_attempts":0}`, 422, "invalid_input", "max_attempts"},
		{"/v1/jobs", `{"model":"sleep","input":{},"webhook":{"url":"http://192.0.2.1/"}}`, 422, "invalid_input", "webhook.url"},
	} {
		a := s.post(c.path, c.body)
		if c.code == "bad_request" {
			a.want(c.status)
			assert.Contains(t, string(a.body), `"code":"bad_request"`)
			continue
		}
		a.problem(c.status, c.code, c.field)
	}
	s.post("/v1/jobs", sleepJob(map[string]any{}), header("X-Model-Version", "9")).problem(http.StatusNotFound, "model_not_found", "version")
	s.post("/v1/jobs", `x`, header("Content-Type", "text/plain")).problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
	s.post("/v1/jobs", `{"model":"sleep","input":{"echo":"`+strings.Repeat("x", 2<<20)+`"}}`).want(http.StatusRequestEntityTooLarge)
	s.get("/v1/nothing").problem(http.StatusNotFound, "not_found", "")
	s.call(http.MethodDelete, "/v1/jobs", nil).want(http.StatusMethodNotAllowed)
	s.get("/v1/jobs/a.b").problem(http.StatusNotFound, "not_found", "")
	var list struct{ Data []view }
	s.get("/v1/jobs").json(&list)
	assert.Empty(t, list.Data, "nothing was stored")
}
