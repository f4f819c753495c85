package generate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
)

// demo opens the demo model.
func demo(tb testing.TB, change func(*model.Generate)) *generate.Engine {
	tb.Helper()
	rt := runtime(tb)
	dir := filepath.Join(onnxlib.Root(tb), "worker", "models", "chat-tiny", "1")
	m, err := model.Read(dir)
	require.NoError(tb, err)
	require.NoError(tb, m.Verify(dir))
	if m.Generate == nil {
		m.Generate = &model.Generate{}
	}
	if change != nil {
		change(m.Generate)
	}
	e, err := generate.New(rt, dir, m, generate.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, e.Close())
		require.NoError(tb, rt.Close())
	})
	return e
}

func withoutPrefixes(g *model.Generate) { g.PrefixCache = new(bool) }

// lasting is what a request must say for an answer that no token ends.
func lasting(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(onnxlib.Root(tb), "worker", "models", "chat-tiny", "1", "generation_config.json"))
	require.NoError(tb, err)
	var c struct {
		EOS []int32 `json:"eos_token_id"`
	}
	require.NoError(tb, json.Unmarshal(b, &c))
	bias := map[int32]int{}
	for _, id := range c.EOS {
		bias[id] = -100
	}
	b, err = json.Marshal(bias)
	require.NoError(tb, err)
	return `,"temperature":0,"logit_bias":` + string(b)
}

// steady is a request whose answer has just so many tokens.
func steady(tb testing.TB, k, tokens int) []byte {
	tb.Helper()
	return ask(fmt.Sprintf("%d what is the capital of France? ", k)+strings.Repeat("tell me more. ", 3), tokens, lasting(tb))
}

// BenchmarkFirstToken is the time from Admit to the first delta of an engine that is idle.
func BenchmarkFirstToken(b *testing.B) {
	e := demo(b, withoutPrefixes)
	for b.Loop() {
		id, err := admit(b, e, steady(b, b.N, 64))
		require.NoError(b, err)
		for {
			events, err := e.Step(b.Context())
			require.NoError(b, err)
			if len(events) > 0 {
				break
			}
		}
		e.Cancel(id)
	}
}

// BenchmarkDecode is the tokens that come out a second of so many sequences at once.
func BenchmarkDecode(b *testing.B) {
	for _, rows := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			e := demo(b, withoutPrefixes)
			tokens := 0
			for b.Loop() {
				var ids []engine.SeqID
				for k := range rows {
					id, err := admit(b, e, steady(b, k, 100))
					require.NoError(b, err)
					ids = append(ids, id)
				}
				for _, a := range drive(b, e, ids...) {
					tokens += a.result.OutputTokens
				}
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkStep is one decode step of so many sequences with so long a cache: the cache is not copied by us.
func BenchmarkStep(b *testing.B) {
	for _, length := range []int{32, 256} {
		b.Run(fmt.Sprintf("rows=8/tokens=%d", length), func(b *testing.B) {
			e := demo(b, withoutPrefixes)
			const steps = 100
			for b.Loop() {
				b.StopTimer()
				var ids []engine.SeqID
				for k := range 8 {
					id, err := admit(b, e, ask(strings.Repeat(strconv.Itoa(k), length), 200, lasting(b)))
					require.NoError(b, err)
					ids = append(ids, id)
				}
				step(b, e, 8*(length/64+1)*2) // the prompts
				b.StartTimer()
				step(b, e, steps)
				b.StopTimer()
				for _, id := range ids {
					e.Cancel(id)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*steps), "µs/step")
		})
	}
}

// step takes so many steps.
func step(b *testing.B, e *generate.Engine, n int) {
	b.Helper()
	for range n {
		_, err := e.Step(b.Context())
		require.NoError(b, err)
	}
}

// BenchmarkSharedPrompt is the time to the first token of a prompt most of which another request has had.
func BenchmarkSharedPrompt(b *testing.B) {
	system := strings.Repeat("You are a helpful assistant. ", 12)
	for _, on := range []bool{false, true} {
		b.Run(fmt.Sprintf("prefix_cache=%t", on), func(b *testing.B) {
			e := demo(b, func(g *model.Generate) { g.PrefixCache = &on })
			single(b, e, ask(system+"hello", 4, ""))
			k := 0
			for b.Loop() {
				k++
				single(b, e, ask(fmt.Sprintf("%squestion %d", system, k), 1, ""))
			}
		})
	}
}

// BenchmarkFormat is what a token costs with and without a response_format.
func BenchmarkFormat(b *testing.B) {
	const schema = `{"type":"object","properties":{"a":{"type":"array","minItems":12,"maxItems":12,"items":{"type":"object",` +
		`"properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer"}},"required":["name","age"]}}},"required":["a"]}`
	for name, format := range map[string]string{
		"none": "", "json": `,"response_format":{"type":"json_object"}`,
		"schema": `,"response_format":{"type":"json_schema","json_schema":{"schema":` + schema + `}}`,
	} {
		b.Run(name, func(b *testing.B) {
			e := demo(b, withoutPrefixes)
			tokens := 0
			run := func() {
				a := single(b, e, ask("a person as JSON: ", 150, lasting(b)+format))
				tokens += a.result.OutputTokens
			}
			run()
			tokens = 0
			for b.Loop() {
				run()
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(tokens), "µs/token")
		})
	}
}

// BenchmarkCancel is the time from Cancel until the next sequence is in.
func BenchmarkCancel(b *testing.B) {
	e := demo(b, func(g *model.Generate) { g.MaxSequences = 1 })
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			e.Step(ctx) //nolint:errcheck // it ends with ctx
		}
	}()
	id, err := admit(b, e, steady(b, 0, 400))
	require.NoError(b, err)
	for b.Loop() {
		e.Cancel(id)
		id, err = admit(b, e, steady(b, 0, 400))
		require.NoError(b, err)
	}
	stop()
	<-stopped
}
