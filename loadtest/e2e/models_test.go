package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/deploy/dev/parrot"
	"github.com/penstock-dev/penstock/worker"
)

// everyModel is a site with all demo models, a server of the parrot's, and a folder that holds no model.
func everyModel(t *testing.T) *site {
	t.Helper()
	dir := repository(t, "uninlu-tiny", "chat-tiny", "shapes-vl", "embed-tiny", "digits-tiny")
	server := httptest.NewServer(parrot.New())
	t.Cleanup(server.Close)
	for name, manifest := range map[string]string{
		"parrot": "engine: upstream\nupstream: {urls: [\"" + server.URL + "/v1\"]}\n",
		"broken": "engine: tensor\nfiles: {model.onnx: " + strings.Repeat("f", 64) + "}\n",
	} {
		folder := filepath.Join(dir, name, "1")
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "model.yaml"), []byte("name: "+name+"\nversion: \"1\"\n"+manifest), 0o644))
	}
	s := newSite(t)
	s.startGateway(nil)
	s.startWorker(func(c *worker.Config) { c.Worker.ModelsDir = dir })
	s.ready()
	return s
}

// redSquare is a picture with one shape on a white ground.
func redSquare(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 112, 112))
	for i := range 112 * 112 {
		x, y := i%112, i/112
		c := color.RGBA{0xff, 0xff, 0xff, 0xff}
		if x > 30 && x < 80 && y > 30 && y < 80 {
			c = color.RGBA{0xe0, 0x20, 0x20, 0xff}
		}
		img.Set(x, y, c)
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

func chatJob(model, text string, more ...string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return `{"model":"` + model + `","input":{"messages":[{"role":"user","content":` + string(quoted) + `}]` + strings.Join(more, "") + `}}`
}

// spoken runs a job as a stream, and gives its deltas' text and reasoning, its output and how many deltas came.
func (s *site) spoken(body string) (said string, output map[string]any, deltas int) {
	s.t.Helper()
	events, _ := s.stream(s.request(http.MethodPost, "/v1/jobs", body, header("Accept", "text/event-stream")))
	var told strings.Builder
	for _, e := range events {
		if e.name != "output" {
			continue
		}
		var d struct {
			Text      string `json:"text"`
			Reasoning string `json:"reasoning"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(e.data), &d))
		told.WriteString(d.Reasoning + d.Text)
		deltas++
	}
	var done view
	require.NoError(s.t, json.Unmarshal([]byte(events[len(events)-1].data), &done))
	require.Equal(s.t, "succeeded", done.Status, "%v", done.Error)
	require.NoError(s.t, json.Unmarshal(done.Output, &output))
	return told.String(), output, deltas
}

func whole(output map[string]any) string {
	reasoning, _ := output["reasoning"].(string)
	text, _ := output["text"].(string)
	return reasoning + text
}

// output waits for a job, which must succeed.
func (s *site) output(body any) map[string]any {
	s.t.Helper()
	done := s.ended(s.submit(body).ID)
	require.Equal(s.t, "succeeded", done.Status, "%v", done.Error)
	var out map[string]any
	require.NoError(s.t, json.Unmarshal(done.Output, &out))
	return out
}

func TestEveryKindOfModelAnswers(t *testing.T) {
	t.Parallel()
	s := everyModel(t)

	said, out, deltas := s.spoken(chatJob("chat-tiny", "What is the capital of France?", `,"temperature":0,"think":false,"max_tokens":40`))
	assert.Equal(t, whole(out), said, "the deltas are the answer")
	assert.Positive(t, deltas) // a model so quick outruns its reader, and its pieces are merged
	assert.Contains(t, said, "Paris")
	_, again, _ := s.spoken(chatJob("chat-tiny", "What is the capital of France?", `,"temperature":0,"think":false,"max_tokens":40`))
	assert.Equal(t, out, again)

	out = s.output(chatJob("chat-tiny", "Say hello", `,"n":2,"seed":7,"temperature":0.8,"max_tokens":8,"logprobs":true,"top_logprobs":2`))
	assert.Len(t, out["choices"], 2)
	out = s.output(chatJob("chat-tiny", "Who are you?", `,"temperature":0,"think":false,"max_tokens":60,"response_format":{"type":"json_schema",
		"json_schema":{"schema":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}}}`))
	text, _ := out["text"].(string)
	assert.Regexp(t, `^\s*\{\s*"ok"\s*:\s*(true|false)\s*\}\s*$`, text)

	said, out, deltas = s.spoken(chatJob("parrot", "one two three"))
	assert.Equal(t, 3, deltas)
	assert.Equal(t, "one two three", said)
	assert.Equal(t, "stop", out["finish_reason"])

	photo := s.upload("image/png", redSquare(t))
	for _, url := range []string{photo, "data:image/png;base64," + base64.StdEncoding.EncodeToString(redSquare(t))} {
		_, out, _ = s.spoken(`{"model":"shapes-vl","input":{"temperature":0,"messages":[{"role":"user","content":[
			{"type":"image_url","image_url":{"url":"` + url + `"}},{"type":"text","text":"What color is the square?"}]}]}}`)
		assert.Equal(t, "stop", out["finish_reason"])
		assert.Contains(t, strings.ToLower(whole(out)), "red")
	}

	out = s.output(`{"model":"embed-tiny","input":{"input":["How do I reset my password?","I forgot my password"],"dimensions":32}}`)
	vectors, _ := out["embeddings"].([]any)
	require.Len(t, vectors, 2)
	assert.Len(t, vectors[0], 32)

	pixels := strings.Repeat("0,", 28*28-1) + "0"
	out = s.output(`{"model":"digits-tiny","input":{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,1,28,28],"data":[` + pixels + `]}]}}`)
	assert.NotEmpty(t, out["outputs"])
}

func TestModelsTellWhatTheyTake(t *testing.T) {
	t.Parallel()
	s := everyModel(t)
	type about struct {
		Status, Error string
		Capabilities  []string
		Context       int
		Dimensions    int
		Inputs        []map[string]any
		Schema        map[string]any `json:"input_schema"`
	}
	read := func(name string) (a about) {
		s.get("/v1/models/" + name).want(http.StatusOK).json(&a)
		return a
	}
	chat := read("chat-tiny")
	assert.Positive(t, chat.Context)
	assert.Subset(t, chat.Capabilities, []string{"chat", "tools", "thinking"})
	assert.Contains(t, chat.Schema["properties"], "messages")
	assert.Contains(t, read("shapes-vl").Capabilities, "images")
	assert.Positive(t, read("embed-tiny").Dimensions)
	assert.Equal(t, "pixels", read("digits-tiny").Inputs[0]["name"])
	broken := read("broken")
	assert.Equal(t, "unavailable", broken.Status)
	assert.Contains(t, broken.Error, "model.onnx")
	s.post("/v1/jobs", `{"model":"broken","input":{"inputs":[]}}`).want(http.StatusServiceUnavailable)

	// What the gateway knows it refuses before anything is queued.
	long := strings.Repeat("word ", 200_000)
	quoted, err := json.Marshal(long[:900_000])
	require.NoError(t, err)
	for body, field := range map[string]string{
		`{"model":"chat-tiny","input":{"messages":[{"role":"user","content":` + string(quoted) + `}]}}`:                                         "input.messages",
		`{"model":"chat-tiny","input":{"messages":[]}}`:                                                                                         "input.messages",
		`{"model":"chat-tiny","input":{"prompt":"a","temperature":-1}}`:                                                                         "input.temperature",
		`{"model":"chat-tiny","input":{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"blob_00000000000000000000"}]}]}}`: "input.messages[0].content[0]",
		`{"model":"shapes-vl","input":{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://example.com/a.png"}]}]}}`: "input.messages[0].content[0].image_url",
		`{"model":"shapes-vl","input":{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"blob_00000000000000000000"}]}]}}`: "input.messages[0].content[0].image_url",
		`{"model":"embed-tiny","input":{"input":"a","dimensions":4096}}`:                                                                        "input.dimensions",
		`{"model":"digits-tiny","input":{"inputs":[{"name":"pixels","datatype":"FP32","shape":[1,1,28,27],"data":[]}]}}`:                        "input.inputs[0].data",
		`{"model":"digits-tiny","input":{"inputs":[{"name":"pixels","datatype":"FP32","shape":[0,1,28,27],"data":[]}]}}`:                        "input.inputs[0].shape",
		`{"model":"digits-tiny","input":{"inputs":[{"name":"pixels","datatype":"FP32","shape":[4,4611686018427387905],"data":[]}]}}`:            "input.inputs[0].shape",
		`{"model":"digits-tiny","input":{"inputs":[{"name":"nothing","datatype":"FP32","shape":[0,1,28,28],"data":[]}]}}`:                       "input.inputs[0].name",
	} {
		s.post("/v1/jobs", body).problem(422, "invalid_input", field)
	}
	var list struct{ Data []view }
	s.get("/v1/jobs").json(&list)
	assert.Empty(t, list.Data, "nothing was stored")

	// What only the model can tell ends the job, at its field.
	for body, field := range map[string]string{
		`{"model":"chat-tiny","input":{"messages":[{"role":"user","content":"` + strings.Repeat("字 x ", 1500) + `"}]}}`:                          "messages",
		`{"model":"shapes-vl","input":{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,AAAA"}]}]}}`: "messages[0].content[0].image_url",
		`{"model":"embed-tiny","input":{"input":"` + strings.Repeat("word ", 3000) + `"}}`:                                                       "input",
	} {
		done := s.ended(s.submit(body).ID)
		require.Equal(t, "failed", done.Status, "%.80s", body)
		assert.Equal(t, "invalid_input", string(done.Error.Code))
		assert.Contains(t, done.Error.Field, field)
		assert.Equal(t, 1, done.Attempt)
	}
}

func TestAnAnswerIsCanceledWhileItIsMade(t *testing.T) {
	t.Parallel()
	s := everyModel(t)
	j := s.submit(chatJob("chat-tiny", "Count for me", `,"max_tokens":400,"temperature":1,"logit_bias":{"0":-100},"stop":["\u0000never"]`))
	require.Eventually(t, func() bool {
		var v view
		s.get("/v1/jobs/" + j.ID).json(&v)
		return v.Status != "queued"
	}, 20*time.Second, time.Millisecond)
	s.post("/v1/jobs/"+j.ID+"/cancel", nil)
	done := s.ended(j.ID)
	assert.Contains(t, []string{"canceled", "succeeded"}, done.Status, "it may have ended before")
	_, out, _ := s.spoken(chatJob("chat-tiny", "Hello", `,"max_tokens":4`))
	assert.NotEmpty(t, out["finish_reason"], "its slot is free")
}
