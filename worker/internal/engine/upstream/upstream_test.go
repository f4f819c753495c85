package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = `{"messages":[{"role":"user","content":"hi"}]}`

// serve is a model server; it answers GETs, which ask for its health, as long as well says so.
func serve(t *testing.T, well *atomic.Bool, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			answer(w, r)
		case well != nil && !well.Load():
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func start(t *testing.T, u model.Upstream) *upstream.Engine {
	t.Helper()
	e, err := upstream.New(&model.Manifest{Name: "m", Upstream: &u}, func(name string) string {
		return map[string]string{"KEY": "s3cret", "URLS": strings.Join(u.URLs, ", ")}[name]
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, e.Close()) })
	return e
}

// run asks once and gives the deltas and the end.
func run(t *testing.T, e *upstream.Engine, in string) ([]string, engine.Event) {
	t.Helper()
	id, err := e.Admit(t.Context(), engine.Request{Input: []byte(in)})
	if err != nil {
		return nil, engine.Event{Err: err}
	}
	return finish(t, e, id)
}

func finish(t *testing.T, e *upstream.Engine, id engine.SeqID) ([]string, engine.Event) {
	t.Helper()
	var deltas []string
	for {
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range events {
			require.Equal(t, id, ev.Seq)
			if ev.Done {
				return deltas, ev
			}
			deltas = append(deltas, string(ev.Delta))
		}
	}
}

func say(w io.Writer, events ...string) {
	for _, e := range events {
		_, _ = fmt.Fprintf(w, ": a comment\n\ndata: %s\n\n", e)
	}
}

func flush(t *testing.T, w http.ResponseWriter) {
	t.Helper()
	f, ok := w.(http.Flusher)
	assert.True(t, ok)
	f.Flush()
}

func read(t *testing.T, r *http.Request) map[string]any {
	t.Helper()
	var body map[string]any
	assert.NoError(t, json.NewDecoder(r.Body).Decode(&body))
	return body
}

func TestOpenAI(t *testing.T) {
	t.Parallel()
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body := read(t, r)
		assert.Equal(t, "/v1/chat/completions", r.URL.Path)
		assert.Equal(t, "Bearer s3cret", r.Header.Get("Authorization"))
		assert.Equal(t, "big", body["model"])
		assert.Equal(t, true, body["stream"])
		assert.InDelta(t, 0.5, body["temperature"], 0)
		assert.Equal(t, map[string]any{"enable_thinking": true}, body["chat_template_kwargs"])
		assert.Equal(t, "auto", body["tool_choice"])
		assert.NotContains(t, body, "top_p", "what was not asked for is the server's")
		say(
			w, `{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"hm"},"finish_reason":null}]}`,
			`{"choices":[{"index":0,"delta":{"content":"he"},"logprobs":{"content":[{"token":"he","bytes":[104,101],"logprob":-0.1,"top_logprobs":[]}]}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"llo"}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"add","arguments":"{\"a\""}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
			`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5}}`, "[DONE]",
		)
	})
	e := start(t, model.Upstream{URLs: []string{url + "/v1/"}, Model: "big", KeyEnv: "KEY"})
	deltas, end := run(t, e, `{"messages":[{"role":"user","content":"hi"}],"temperature":0.5,"think":true,"logprobs":true,
		"tools":[{"type":"function","function":{"name":"add"}}],"tool_choice":"auto"}`)
	require.NoError(t, end.Err)
	assert.Equal(t, []string{
		`{"reasoning":"hm"}`,
		`{"text":"he","logprobs":[{"token":"he","bytes":[104,101],"logprob":-0.1,"top_logprobs":[]}]}`,
		`{"text":"llo"}`,
		`{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"add","arguments":"{\"a\""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`,
	}, deltas)
	assert.JSONEq(t, `{"text":"hello","reasoning":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}],
		"finish_reason":"tool_calls","logprobs":[{"token":"he","bytes":[104,101],"logprob":-0.1,"top_logprobs":[]}]}`, string(end.Result.Output))
	assert.Equal(t, 7, end.Result.InputTokens)
	assert.Equal(t, 5, end.Result.OutputTokens)
}

func TestOpenAICompletionsAndChoices(t *testing.T) {
	t.Parallel()
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body := read(t, r)
		assert.Equal(t, "/completions", r.URL.Path)
		assert.Equal(t, "once", body["prompt"])
		assert.InDelta(t, 2, body["n"], 0)
		say(
			w, `{"choices":[{"index":1,"text":"b","finish_reason":null}]}`, `{"choices":[{"index":0,"text":"a","finish_reason":"length"}]}`,
			`{"choices":[{"index":1,"text":"","finish_reason":"stop"}]}`, "[DONE]",
		)
	})
	e := start(t, model.Upstream{URLsEnv: "URLS", URLs: []string{url}})
	deltas, end := run(t, e, `{"prompt":"once","n":2}`)
	require.NoError(t, end.Err)
	assert.Equal(t, []string{`{"index":1,"text":"b"}`, `{"index":0,"text":"a"}`}, deltas)
	assert.JSONEq(t, `{"choices":[{"index":0,"text":"a","finish_reason":"length"},{"index":1,"text":"b","finish_reason":"stop"}]}`, string(end.Result.Output))
}

func TestOllama(t *testing.T) {
	t.Parallel()
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body := read(t, r)
		assert.Equal(t, "/api/chat", r.URL.Path)
		assert.Equal(t, map[string]any{"num_predict": 9.0, "seed": 3.0}, body["options"])
		assert.Equal(t, map[string]any{"type": "object"}, body["format"])
		messages, ok := body["messages"].([]any)
		assert.True(t, ok)
		assert.Equal(t, map[string]any{"role": "user", "content": "what?", "images": []any{"AA=="}}, messages[0])
		assert.Equal(t, map[string]any{"role": "tool", "content": "4", "tool_name": "add"}, messages[2])
		_, _ = io.WriteString(w, `{"message":{"role":"assistant","thinking":"hm","content":""},"done":false}
{"message":{"role":"assistant","content":"yes"},"done":false}
{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"add","arguments":{"a":1}}}]},"done":false}
{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":4,"eval_count":2}
`)
	})
	e := start(t, model.Upstream{URLs: []string{url}, API: "ollama"})
	_, end := run(t, e, `{"messages":[{"role":"user","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":"data:image/png;base64,AA=="}]},
		{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"add","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"x","content":"4"}],
		"max_tokens":9,"seed":3,"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}`)
	require.NoError(t, end.Err)
	assert.JSONEq(t, `{"text":"yes","reasoning":"hm","tool_calls":[{"id":"call_0","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}],
		"finish_reason":"tool_calls"}`, string(end.Result.Output))
	assert.Equal(t, 4, end.Result.InputTokens)

	_, end = run(t, e, `{"prompt":"x","n":2}`)
	assert.Equal(t, "n", fault.From(end.Err).Field)
}

func TestWhatAServerRefusesAndHow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		code   fault.Code
		says   string
	}{
		"the request":   {400, `{"error":{"message":"too long"}}`, fault.InvalidInput, "too long"},
		"its form":      {422, `{"detail":"no such thing"}`, fault.InvalidInput, "no such thing"},
		"for now":       {429, `{}`, fault.Overloaded, "busy"},
		"while loading": {503, `loading`, fault.Overloaded, "busy"},
		"by failing":    {500, `<html>`, fault.Overloaded, "failed"},
		"the key":       {401, `{"error":"who are you, s3cret?"}`, fault.Internal, "does not take"},
		"by moving":     {302, ``, fault.Internal, "does not take"},
		"breaking off":  {200, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\"}}]}\n\n", fault.Overloaded, "broke"},
		"in riddles":    {200, "data: {{\n\n", fault.Internal, "form"},
		"half way":      {200, "data: {\"error\":{\"message\":\"out of memory\"}}\n\n", fault.Overloaded, "out of memory"},
		"miscounting":   {200, "data: {\"choices\":[{\"index\":7,\"delta\":{\"content\":\"h\"}}]}\n\n", fault.Internal, "more often"},
		"without end":   {200, "data: [DONE]\n\n", fault.Overloaded, "broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, end := run(t, start(t, model.Upstream{URLs: []string{url}, KeyEnv: "KEY"}), hello)
			f := fault.From(end.Err)
			assert.Equal(t, c.code, f.Code)
			assert.Contains(t, f.Detail, c.says)
			assert.NotContains(t, f.Detail, "s3cret")
			if c.status == 429 {
				assert.Equal(t, 7*time.Second, f.RetryAfter)
			}
		})
	}
}

func TestAServerThatIsGoneIsLeftOutUntilItAnswers(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	var bad, good atomic.Int64
	ill := serve(t, &well, func(w http.ResponseWriter, _ *http.Request) {
		if bad.Add(1); !well.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		say(w, `{"choices":[{"index":0,"delta":{"content":"back"},"finish_reason":"stop"}]}`, "[DONE]")
	})
	fine := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		good.Add(1)
		say(w, `{"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":"stop"}]}`, "[DONE]")
	})
	e := start(t, model.Upstream{URLs: []string{"http://127.0.0.1:1", ill, fine}, HealthInterval: 20 * time.Millisecond})
	for range 10 {
		deltas, end := run(t, e, hello)
		require.NoError(t, end.Err, "another server answers")
		assert.Equal(t, []string{`{"text":"ok"}`}, deltas)
	}
	assert.LessOrEqual(t, bad.Load(), int64(3))
	assert.Equal(t, int64(10), good.Load())

	well.Store(true)
	require.Eventually(t, func() bool {
		deltas, end := run(t, e, hello)
		return end.Err == nil && deltas[0] == `{"text":"back"}`
	}, 5*time.Second, 10*time.Millisecond)

	none := start(t, model.Upstream{URLs: []string{"http://127.0.0.1:1"}, HealthInterval: time.Hour})
	_, end := run(t, none, hello)
	assert.Equal(t, fault.Overloaded, fault.CodeOf(end.Err))
	_, end = run(t, none, hello)
	assert.Equal(t, fault.NoWorkers, fault.CodeOf(end.Err), "known to be gone")
}

func TestCancelClosesTheCall(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		say(w, `{"choices":[{"index":0,"delta":{"content":"slow"}}]}`)
		flush(t, w)
		<-r.Context().Done()
		close(closed)
	})
	e := start(t, model.Upstream{URLs: []string{url}, Concurrency: 1})
	id, err := e.Admit(t.Context(), engine.Request{Input: []byte(hello)})
	require.NoError(t, err)
	events, err := e.Step(t.Context())
	require.NoError(t, err)
	assert.JSONEq(t, `{"text":"slow"}`, string(events[0].Delta))
	_, err = e.Admit(t.Context(), engine.Request{Input: []byte(hello)})
	require.ErrorIs(t, err, engine.ErrBusy)
	e.Cancel(id)
	<-closed
	require.Eventually(t, func() bool {
		id, err = e.Admit(t.Context(), engine.Request{Input: []byte(`{}`)})
		return err == nil
	}, 5*time.Second, time.Millisecond, "its place is free")
	_, end := finish(t, e, id)
	assert.Equal(t, fault.InvalidInput, fault.CodeOf(end.Err))
}

func TestCallsGoToWhereTheFewestAre(t *testing.T) {
	t.Parallel()
	var calls [2]atomic.Int64
	release := make(chan struct{})
	var urls []string
	for i := range calls {
		urls = append(urls, serve(t, nil, func(w http.ResponseWriter, _ *http.Request) {
			calls[i].Add(1)
			<-release
			say(w, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, "[DONE]")
		}))
	}
	e := start(t, model.Upstream{URLs: urls, Concurrency: 4})
	for range 8 {
		_, err := e.Admit(t.Context(), engine.Request{Input: []byte(hello)})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return calls[0].Load() == 4 && calls[1].Load() == 4 }, 5*time.Second, time.Millisecond)
	close(release)
	for done := 0; done < 8; {
		events, err := e.Step(t.Context())
		require.NoError(t, err)
		for _, ev := range events {
			require.NoError(t, ev.Err)
			done++
		}
	}
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	url := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		flush(t, w)
		<-r.Context().Done()
	})
	_, end := run(t, start(t, model.Upstream{URLs: []string{url}, IdleTimeout: 30 * time.Millisecond}), hello)
	assert.Equal(t, fault.Overloaded, fault.CodeOf(end.Err))
	assert.Contains(t, fault.From(end.Err).Detail, "said nothing")
}

func TestManifestsThatCannotBe(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for says, u := range map[string]*model.Upstream{
		"no section upstream":              nil,
		"0 servers":                        {},
		"neither openai nor ollama":        {API: "soap", URLs: []string{"http://a"}},
		"not a plain http or https URL":    {URLs: []string{"http://user:s3cret@a"}},
		"NOT_SET is not set":               {URLsEnv: "NOT_SET"},
		"upstream.key_env: the variable":   {URLs: []string{"http://a"}, KeyEnv: "NOT_SET"},
		"upstream.key_file: the file is e": {URLs: []string{"http://a"}, KeyFile: empty},
		"both set":                         {URLs: []string{"http://a"}, KeyFile: empty, KeyEnv: "KEY"},
	} {
		_, err := upstream.New(&model.Manifest{Name: "m", Upstream: u}, func(string) string { return "" })
		require.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

func TestStepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := start(t, model.Upstream{URLs: []string{"http://127.0.0.1:1"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Step(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
