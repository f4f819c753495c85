package uninlu_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// fourHints is the request that the project's figures are about: 24 characters and four questions.
func fourHints() engine.Request {
	return request("3月5日，谷爱凌在北京获得自由式滑雪金牌。", `{"人物":null,"地理位置":null,"时间":null,"组织机构":null}`)
}

// BenchmarkBare is the bare session loop: no queue, no batcher; requests a second at each batch size.
func BenchmarkBare(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	for _, instances := range []int{1, 2} {
		e := open(b, rt, instances)
		for _, batch := range []int{1, 2, 4, 8, 16} {
			b.Run(fmt.Sprintf("instances=%d/batch=%d", instances, batch), func(b *testing.B) {
				var rate float64
				for b.Loop() {
					if rate, err = e.Measure(b.Context(), []engine.Request{fourHints()}, batch, instances, 500*time.Millisecond); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(rate, "requests/s")
				b.ReportMetric(0, "ns/op")
			})
		}
		require.NoError(b, e.Close())
	}
	require.NoError(b, rt.Close())
}

// BenchmarkPrepare is the work outside the batch.
func BenchmarkPrepare(b *testing.B) {
	rt, err := onnx.Open(onnxlib.Find(b))
	require.NoError(b, err)
	e := open(b, rt, 1)
	r := fourHints()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Prepare(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, e.Close())
	require.NoError(b, rt.Close())
}
