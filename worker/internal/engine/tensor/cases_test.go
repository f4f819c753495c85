package tensor_test

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// value is a tensor as testdata/cases.json has it, and as an answer does.
type value struct {
	Name     string         `json:"name"`
	Datatype string         `json:"datatype"`
	Shape    []int64        `json:"shape"`
	Data     jsontext.Value `json:"data,omitzero"`
	Raw      *string        `json:"raw,omitzero"`
}

// read makes elements of it by the rules of requests.
func (v value) read(t *testing.T) input.Tensor {
	t.Helper()
	b, err := json.Marshal(map[string]any{"inputs": []value{v}})
	require.NoError(t, err)
	in, err := input.ParseTensors(b)
	require.NoError(t, err, string(b))
	return in.Inputs[0]
}

// form leaves data or raw of what has both.
func (v value) form(raw bool) value {
	if raw && v.Raw != nil {
		v.Data = nil
	} else if v.Data != nil {
		v.Raw = nil
	}
	return v
}

// ofTestdata opens a graph of testdata.
func ofTestdata(t *testing.T, rt *onnx.Runtime, graph string, batch bool) (*tensor.Engine, error) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", graph+".onnx"))
	require.NoError(t, err)
	dir, m := manifest(t, b, &model.Tensor{Batch: batch})
	return tensor.New(rt, dir, m, tensor.Options{})
}

// cases are graphs of every kind, whose outputs Python's ONNX Runtime has written down.
func cases(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "cases.json"))
	require.NoError(t, err)
	var all []struct {
		Graph   string  `json:"graph"`
		Inputs  []value `json:"inputs"`
		Outputs []value `json:"outputs"`
	}
	require.NoError(t, json.Unmarshal(b, &all))
	require.Greater(t, len(all), 30)
	for _, c := range all {
		e, err := ofTestdata(t, rt, c.Graph, false)
		require.NoError(t, err, c.Graph)
		for _, raw := range []bool{false, true} {
			ask := map[string]any{}
			var in []value
			var wanted []map[string]any
			for _, v := range c.Inputs {
				in = append(in, v.form(raw))
			}
			for _, v := range c.Outputs {
				wanted = append(wanted, map[string]any{"name": v.Name, "raw": raw})
			}
			ask["inputs"], ask["outputs"] = in, wanted
			b, err := json.Marshal(ask)
			require.NoError(t, err)
			got, err := try(t, e, string(b))
			if c.Graph == "default_input" && len(in) == 2 { // what has a default keeps it
				assert.Equal(t, "inputs[1].name", fault.From(err).Field)
				continue
			}
			require.NoError(t, err, c.Graph)
			var a struct {
				Outputs []value `json:"outputs"`
			}
			require.NoError(t, json.Unmarshal([]byte(got), &a))
			require.Len(t, a.Outputs, len(c.Outputs), c.Graph)
			for i, want := range c.Outputs {
				have := a.Outputs[i]
				assert.Equal(t, raw, have.Raw != nil, c.Graph)
				assert.Equal(t, want.form(true).read(t), have.read(t), "%s %s", c.Graph, got)
				if want.Raw != nil && raw {
					assert.Equal(t, *want.Raw, *have.Raw, c.Graph)
				}
			}
		}
		require.NoError(t, e.Close())
	}
}

// odd are the graphs of testdata that are refused, or fail.
func odd(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	for graph, says := range map[string]string{"sequence": "no outputs that are tensors", "float8": "FP8E4M3FN"} {
		_, err := ofTestdata(t, rt, graph, false)
		require.ErrorContains(t, err, says, graph)
	}
	for graph, says := range map[string]string{
		"reduce": `output "total"`, "mixed_batch": `input "w"`, "several": `input "factor"`, "fixed": `input "x"`, "nonzero": `output "where"`,
	} {
		_, err := ofTestdata(t, rt, graph, true)
		require.ErrorContains(t, err, says, graph)
	}
	e, err := ofTestdata(t, rt, "lookup", true)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	good, err := prepare(e, `{"inputs":[{"name":"i","datatype":"INT64","shape":[1,1],"data":[3]}]}`)
	require.NoError(t, err)
	bad, err := prepare(e, `{"inputs":[{"name":"i","datatype":"INT64","shape":[1,1],"data":[4]}]}`)
	require.NoError(t, err)
	_, err = e.RunBatch(t.Context(), []engine.Unit{good, bad})
	f := fault.From(err)
	assert.Equal(t, fault.InvalidInput, f.Code)
	assert.Contains(t, f.Detail, "operator Gather failed: indices element out of data bounds")
	out, err := e.RunBatch(t.Context(), []engine.Unit{good})
	require.NoError(t, err)
	assert.Contains(t, string(out[0].Result.Output), `"data":[30,31]`)
}

// slow is ended within a run of minutes.
func slow(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	e, err := ofTestdata(t, rt, "slow", false)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	x := base64.StdEncoding.EncodeToString(make([]byte, 64*64*4))
	u, err := prepare(e, strings.ReplaceAll(`{"inputs":[{"name":"turns","datatype":"INT64","shape":[],"data":9000000000},{"name":"x","datatype":"FP32","shape":[64,64],"raw":"X"}]}`, "X", x))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = e.RunBatch(ctx, []engine.Unit{u})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
