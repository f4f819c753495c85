package tensor_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// FuzzRequest sends anything: it ends with JSON or with a fault of the caller's, and never takes the process along.
func FuzzRequest(f *testing.F) {
	for _, in := range []string{
		ofSums(1, 2, 3, 4, ""), ofSums(2, 1, 3, 4, `,"outputs":[{"name":"sum","raw":true}]`),
		`{"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"data":[1,2]},{"name":"b","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}`,
		`{"inputs":[{"name":"a","datatype":"FP32","shape":[0,2],"data":[]},{"name":"b","datatype":"FP32","shape":[0,1],"raw":""}]}`,
		`{"inputs":[{"name":"a","datatype":"FP32","shape":[9223372036854775807,2],"data":[]}]}`, `{}`, `[`,
	} {
		f.Add([]byte(in))
	}
	rt, err := onnx.Open(onnxlib.Find(f))
	require.NoError(f, err)
	dir, mf := manifest(f, sums(), &model.Tensor{Batch: true})
	e, err := tensor.New(rt, dir, mf, tensor.Options{})
	require.NoError(f, err)
	f.Cleanup(func() {
		require.NoError(f, e.Close())
		require.NoError(f, rt.Close())
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		u, err := e.Prepare(t.Context(), engine.Request{Attempt: 1, Input: in})
		if err == nil {
			var out []engine.Outcome
			if out, err = e.RunBatch(t.Context(), []engine.Unit{u}); err == nil {
				err = out[0].Err
				if err == nil && !jsontext.Value(out[0].Result.Output).IsValid() {
					t.Fatalf("no JSON: %s", out[0].Result.Output)
				}
			}
		}
		if err != nil && fault.From(err).Code != fault.InvalidInput && fault.From(err).Code != fault.BadRequest {
			t.Fatal(err)
		}
	})
}
