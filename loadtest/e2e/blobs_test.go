package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
)

// upload stores a blob and returns its reference.
func (s *site) upload(mediaType string, data []byte, changes ...with) string {
	s.t.Helper()
	var v struct {
		Ref, SHA256 string
		Size        int
	}
	s.post("/v1/blobs", string(data), append([]with{header("Content-Type", mediaType)}, changes...)...).want(http.StatusCreated).json(&v)
	sum := sha256.Sum256(data)
	require.Equal(s.t, hex.EncodeToString(sum[:]), v.SHA256)
	require.Equal(s.t, len(data), v.Size)
	return v.Ref
}

func ref(name string) map[string]any { return map[string]any{"$ref": name} }

// refIn reads the reference that stands for a large output.
func refIn(t *testing.T, output json.RawMessage) string {
	t.Helper()
	var v map[string]string
	require.NoError(t, json.Unmarshal(output, &v))
	require.Len(t, v, 1)
	require.True(t, strings.HasPrefix(v["$ref"], "blob_"), "%s", output)
	return v["$ref"]
}

func TestBlobsGoThroughAJob(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := bytes.Repeat([]byte{0x89, 'P', 'N', 'G', 0}, 100)
	text, value, png := s.upload("text/plain; charset=utf-8", []byte("人 \"a\"")), s.upload("application/json", []byte(`{"x":[1]}`)), s.upload("image/png", image)
	a := s.get("/v1/blobs/" + png).want(http.StatusOK)
	assert.Equal(t, image, a.body)
	assert.Equal(t, "image/png", a.header.Get("Content-Type"))

	done := s.ended(s.submit(sleepJob(map[string]any{"echo": []any{ref(text), map[string]any{"v": ref(value)}, ref(png)}})).ID)
	want, err := json.Marshal([]any{"人 \"a\"", map[string]any{"v": map[string]any{"x": []int{1}}}, "data:image/png;base64," + base64.StdEncoding.EncodeToString(image)})
	require.NoError(t, err)
	require.Equal(t, "succeeded", done.Status, "%v", done.Error)
	assert.JSONEq(t, `{"attempt":1,"echo":`+string(want)+`}`, string(done.Output))

	whole := s.upload("application/json", []byte(`{"ms":1,"echo":"whole"}`))
	done = s.ended(s.submit(map[string]any{"model": "sleep", "input": ref(whole)}).ID)
	assert.JSONEq(t, `{"attempt":1,"echo":"whole"}`, string(done.Output))

	other := s.newTenant(map[string]any{"id": "other", "scopes": []string{"*"}})
	s.get("/v1/blobs/"+png, bearer(other)).problem(http.StatusNotFound, "not_found", "")
	s.call(http.MethodDelete, "/v1/blobs/"+png, nil, bearer(other)).problem(http.StatusNotFound, "not_found", "")
	for input, field := range map[string]any{"input.echo[1].image": map[string]any{"echo": []any{0, map[string]any{"image": ref(png)}}}, "input": ref(png)} {
		s.post("/v1/jobs", map[string]any{"model": "sleep", "input": field}, bearer(other)).problem(422, "invalid_input", input)
	}
	s.post("/v1/jobs", sleepJob(map[string]any{"echo": ref("in_" + strings.Repeat("a", 26))})).problem(422, "invalid_input", "input.echo")
	s.post("/v1/jobs", sleepJob(map[string]any{"echo": map[string]any{"$ref": png, "x": 1}})).problem(422, "invalid_input", "input.echo")
	var list struct{ Data []view }
	s.get("/v1/jobs", bearer(other)).json(&list)
	assert.Empty(t, list.Data, "nothing was stored")

	s.call(http.MethodDelete, "/v1/blobs/"+png, nil).want(http.StatusNoContent)
	s.post("/v1/jobs", sleepJob(map[string]any{"echo": ref(png)})).problem(422, "invalid_input", "input.echo")
	assert.NotContains(t, s.log.String(), "whole\"", "logs tell no content")
}

func TestPredictTakesItsTextByReference(t *testing.T) {
	t.Parallel()
	s := start(t)
	var p predicted
	text := s.upload("text/plain", []byte(sentence))
	s.post("/api/predict", map[string]any{"text": ref(text), "schema": map[string]any{"人物": nil}}).want(http.StatusOK).json(&p)
	assert.Contains(t, spans(p), "人物=谷爱凌")
	schema := s.upload("application/json", []byte(`{"人物":null}`))
	s.post("/api/predict", map[string]any{"text": ref(text), "schema": ref(schema)}).want(http.StatusOK).json(&p)
	assert.Contains(t, spans(p), "人物=谷爱凌")

	narrow := s.newTenant(map[string]any{"id": "narrow", "scopes": []string{"ner", "jobs"}})
	text = s.upload("text/plain", []byte("a,b|"+sentence), bearer(narrow))
	s.post("/api/predict", map[string]any{"text": ref(text), "schema": map[string]any{"人物": nil}}, bearer(narrow)).
		problem(http.StatusForbidden, "scope_missing", "")
	s.post("/api/predict", map[string]any{"text": ref(text), "schema": map[string]any{"人物": nil, "地理位置": nil}}, bearer(narrow)).want(http.StatusOK)
}

// Inputs and outputs over 256 KiB travel beside the messages, whichever way they came.
func TestLargeInputsAndOutputs(t *testing.T) {
	t.Parallel()
	s := start(t)
	large := strings.Repeat("x", 600<<10)
	var v view
	s.post("/v1/jobs", sleepJob(map[string]any{"echo": large}), header("Prefer", "wait=20")).want(http.StatusOK).json(&v)
	require.Equal(t, "succeeded", v.Status, "%v", v.Error)
	output := s.get("/v1/blobs/" + refIn(t, v.Output)).want(http.StatusOK)
	assert.Equal(t, "application/json", output.header.Get("Content-Type"))
	assert.JSONEq(t, `{"attempt":1,"echo":"`+large+`"}`, string(output.body))
	again := s.ended(v.ID)
	assert.Equal(t, string(v.Output), string(again.Output))
	assert.Equal(t, output.body, s.get("/v1/blobs/"+refIn(t, again.Output)).body)

	// A retry by hand has the input still; a cancelled one drops it.
	failing := sleepJob(map[string]any{"echo": large, "fail_attempts": 1})
	failing["max_attempts"] = 1
	failed := s.ended(s.submit(failing).ID)
	require.Equal(t, "failed", failed.Status)
	s.post("/v1/jobs/"+failed.ID+"/retry", nil).want(http.StatusAccepted)
	done := s.ended(failed.ID)
	require.Equal(t, "succeeded", done.Status, "%v", done.Error)
	refIn(t, done.Output)

	scheduled := sleepJob(map[string]any{"echo": large})
	scheduled["not_before"] = time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)
	done = s.ended(s.submit(scheduled).ID)
	require.Equal(t, "succeeded", done.Status, "%v", done.Error)
	refIn(t, done.Output)

	blob := s.upload("text/plain", []byte(strings.Repeat("y", 8<<20)))
	done = s.ended(s.submit(sleepJob(map[string]any{"echo": ref(blob)})).ID)
	require.Equal(t, "succeeded", done.Status, "%v", done.Error)
	assert.Len(t, s.get("/v1/blobs/"+refIn(t, done.Output)).want(http.StatusOK).body, 8<<20+len(`{"echo":"","attempt":1}`))

	events, _ := s.stream(s.request(http.MethodGet, "/v1/jobs/"+v.ID+"/events", nil))
	assert.Equal(t, string(v.Output), events[len(events)-2].data)
}

func TestAnUploadHasItsBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startGateway(func(c *gateway.Config) { c.Blobs.MaxBytes, c.Blobs.MaxStored = 4<<20, 8<<20 })
	mb := bytes.Repeat([]byte("x"), 1<<20)
	s.post("/v1/blobs", strings.Repeat("x", 4<<20+1)).want(http.StatusRequestEntityTooLarge)
	s.post("/v1/blobs", string(mb), header("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":")).
		problem(422, "invalid_input", "Content-Digest")

	// One that breaks off leaves nothing behind, so that all of the room is there for others.
	for range 4 {
		r, w := io.Pipe()
		req := s.request(http.MethodPost, "/v1/blobs", nil)
		req.Body = r
		go func() {
			_, _ = w.Write(append(mb, mb...))
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		res, err := s.client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			assert.GreaterOrEqual(t, res.StatusCode, 400)
		}
	}
	require.Eventually(t, func() bool {
		a, err := s.try(http.MethodPost, "/v1/blobs", string(bytes.Repeat(mb, 3)))
		return err == nil && a.status == http.StatusCreated
	}, 10*time.Second, 100*time.Millisecond)
	s.post("/v1/blobs", string(bytes.Repeat(mb, 3))).want(http.StatusCreated)
	full := s.post("/v1/blobs", string(bytes.Repeat(mb, 3)))
	full.problem(http.StatusServiceUnavailable, "overloaded", "")
	assert.NotEmpty(t, full.header.Get("Retry-After"))
}
