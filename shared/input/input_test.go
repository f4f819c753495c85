package input_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/tensor"
)

const image = "data:image/png;base64,AA=="

func TestChat(t *testing.T) {
	t.Parallel()
	c, err := input.ParseChat([]byte(`{"messages":[{"role":"system","content":"be brief"},
		{"role":"user","content":[{"type":"text","text":"what "},{"type":"image_url","image_url":{"url":"` + image + `"}},{"type":"text","text":"is it?"}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"add","arguments":"{\"a\":1}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"2"}],
		"tools":[{"type":"function","function":{"name":"add","description":"adds","parameters":{"type":"object"}}}],
		"tool_choice":{"type":"function","function":{"name":"add"}},"think":false,"max_tokens":12,"stop":["a","b"],"n":2,
		"temperature":0.5,"top_k":3,"seed":-7,"logit_bias":{"5":-100},"logprobs":true,"top_logprobs":2,
		"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"}}},"chat_template_kwargs":{"a":1}}`))
	require.NoError(t, err)
	require.Len(t, c.Messages, 4)
	assert.Equal(t, "what is it?", c.Messages[1].Content)
	assert.Equal(t, image, c.Messages[1].Parts[1].ImageURL)
	assert.Equal(t, input.ToolCall{ID: "c1", Name: "add", Arguments: `{"a":1}`}, c.Messages[2].ToolCalls[0])
	assert.Equal(t, "add", c.ToolChoice)
	assert.Equal(t, "add", c.Tools[0].Name)
	assert.False(t, *c.Think)
	assert.Equal(t, []string{"a", "b"}, c.Stop)
	assert.Equal(t, 2, c.N)
	assert.InDelta(t, 0.5, *c.Sampling.Temperature, 0)
	assert.Equal(t, int64(-7), *c.Sampling.Seed)
	assert.InDelta(t, -100, c.Sampling.LogitBias[5], 0)
	assert.Equal(t, input.FormatSchema, c.Format.Kind)
	assert.JSONEq(t, `{"type":"object"}`, string(c.Format.Schema))

	c, err = input.ParseChat([]byte(`{"prompt":"once","stop":"."}`))
	require.NoError(t, err)
	assert.Equal(t, "once", *c.Prompt)
	assert.Equal(t, 1, c.N)
}

func TestChatFaults(t *testing.T) {
	t.Parallel()
	user := func(rest string) string { return `{"messages":[{"role":"user","content":"hi"}]` + rest + `}` }
	for in, field := range map[string]string{
		`[]`:                                  "",
		`{}`:                                  "messages",
		`{"messages":[]}`:                     "messages",
		`{"messages":[3]}`:                    "messages[0]",
		`{"messages":[{"content":"x"}]}`:      "messages[0].role",
		`{"messages":[{"role":"king"}]}`:      "messages[0].role",
		`{"messages":[{"role":"user"}]}`:      "messages[0].content",
		`{"messages":[{"role":"assistant"}]}`: "messages[0].content",
		`{"messages":[{"role":"user","content":[{"type":"text"}]}]}`:                                            "messages[0].content[0].text",
		`{"messages":[{"role":"user","content":[{"type":"video","text":"x"}]}]}`:                                "messages[0].content[0].type",
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}`: "messages[0].content[0].image_url.url",
		`{"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{}"}}]}]}`:                    "messages[0].tool_calls[0].function.name",
		`{"prompt":"a","messages":[]}`:                                     "messages",
		`{"prompt":"a","messages":[{"role":"user","content":"x"}]}`:        "prompt",
		`{"prompt":"a","tools":[]}`:                                        "tools",
		user(`,"temperature":11`):                                          "temperature",
		user(`,"temperature":"hot"`):                                       "temperature",
		user(`,"top_p":1.5`):                                               "top_p",
		user(`,"max_tokens":0`):                                            "max_tokens",
		user(`,"n":17`):                                                    "n",
		user(`,"stop":[""]`):                                               "stop",
		user(`,"seed":1.5`):                                                "seed",
		user(`,"logit_bias":{"x":1}`):                                      "logit_bias.x",
		user(`,"logit_bias":{"3":1000}`):                                   "logit_bias.3",
		user(`,"top_logprobs":2`):                                          "top_logprobs",
		user(`,"response_format":{"type":"xml"}`):                          "response_format.type",
		user(`,"response_format":{"type":"json_schema"}`):                  "response_format.json_schema",
		user(`,"response_format":{"type":"json_schema","json_schema":{}}`): "response_format.json_schema.schema",
		user(`,"tool_choice":"required"`):                                  "tool_choice",
		user(`,"tool_choice":{"type":"function","function":{"name":"f"}}`): "tool_choice",
		user(`,"nonsense":1`):                                              "nonsense",
	} {
		_, err := input.ParseChat([]byte(in))
		f := fault.From(err)
		assert.Equal(t, fault.InvalidInput, f.Code, in)
		assert.Equal(t, field, f.Field, in)
	}
	_, err := input.ParseChat([]byte(`{"prompt":"a","prompt":"b"}`))
	assert.Equal(t, fault.BadRequest, fault.CodeOf(err))
}

func TestTheGatewayLetsReferencesPass(t *testing.T) {
	t.Parallel()
	ref := `{"$ref":"blob_00000000000000000000"}`
	for _, in := range []string{
		ref,
		`{"messages":` + ref + `}`,
		`{"messages":[` + ref + `]}`,
		`{"messages":[{"role":"user","content":` + ref + `}]}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":` + ref + `},{"type":"image_url","image_url":{"url":` + ref + `}}]}]}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"blob_00000000000000000000"}}]}]}`,
		`{"prompt":` + ref + `}`,
	} {
		if !job.IsRef([]byte(ref)) {
			t.Fatal("the test's reference is none")
		}
		_, err := input.CheckChat([]byte(in), &job.About{Images: true})
		require.NoError(t, err, in)
	}
	_, err := input.CheckEmbed([]byte(`{"input":[`+ref+`]}`), nil)
	require.NoError(t, err)
	_, err = input.CheckTensors([]byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":`+ref+`}]}`), nil)
	require.NoError(t, err)
}

func TestWhatTheGatewayKnowsOfAModel(t *testing.T) {
	t.Parallel()
	about := &job.About{Context: 100, TokenBytes: 8}
	long := `{"messages":[{"role":"user","content":"` + strings.Repeat("a", 800) + `"}]}`
	_, err := input.CheckChat([]byte(long), about)
	f := fault.From(err)
	assert.Equal(t, "messages", f.Field)
	assert.Contains(t, f.Detail, "at least 100 tokens")
	assert.Contains(t, f.Detail, "context is 100")
	_, err = input.CheckChat([]byte(`{"prompt":"x","max_tokens":101}`), about)
	assert.Equal(t, "max_tokens", fault.From(err).Field)
	_, err = input.CheckChat([]byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"`+image+`"}]}]}`), about)
	assert.Equal(t, "messages[0].content[0]", fault.From(err).Field)
	task, err := input.CheckChat([]byte(`{"prompt":"x"}`), about)
	require.NoError(t, err)
	assert.Equal(t, input.TaskCompletion, task)
	_, err = input.CheckEmbed([]byte(`{"input":"x","dimensions":65}`), &job.About{Dimensions: 64})
	assert.Equal(t, "dimensions", fault.From(err).Field)
}

func TestEmbed(t *testing.T) {
	t.Parallel()
	e, err := input.ParseEmbed([]byte(`{"input":["a","b"],"dimensions":8,"normalize":false,"encoding_format":"base64","truncate":true}`))
	require.NoError(t, err)
	assert.Equal(t, &input.Embed{Texts: []string{"a", "b"}, Dimensions: 8, Normalize: new(bool), Truncate: true, Base64: true}, e)
	for in, field := range map[string]string{
		`{}`: "input", `{"input":[]}`: "input", `{"input":[3]}`: "input[0]", `{"input":"a","dimensions":0}`: "dimensions",
		`{"input":"a","encoding_format":"hex"}`: "encoding_format", `{"input":"a","x":1}`: "x",
	} {
		_, err := input.ParseEmbed([]byte(in))
		assert.Equal(t, field, fault.From(err).Field, in)
	}
}

func one(datatype, shape, rest string) []byte {
	return []byte(`{"inputs":[{"name":"x","datatype":"` + datatype + `","shape":` + shape + `,` + rest + `}]}`)
}

func TestTensors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []byte
		want input.Tensor
	}{
		{one("INT8", "[2,2]", `"data":[[1,-1],[2,3]]`), input.Tensor{DType: tensor.Int8, Shape: []int64{2, 2}, Data: []byte{1, 255, 2, 3}}},
		{one("UINT16", "[1,2]", `"data":[1,258]`), input.Tensor{DType: tensor.Uint16, Shape: []int64{1, 2}, Data: []byte{1, 0, 2, 1}}},
		{one("FP32", "[1]", `"data":[1.5]`), input.Tensor{DType: tensor.Float32, Shape: []int64{1}, Data: []byte{0, 0, 0xc0, 0x3f}}},
		{one("FP16", "[1]", `"data":[1]`), input.Tensor{DType: tensor.Float16, Shape: []int64{1}, Data: []byte{0, 0x3c}}},
		{one("BF16", "[]", `"data":1`), input.Tensor{DType: tensor.BFloat16, Shape: []int64{}, Data: []byte{0x80, 0x3f}}},
		{one("BOOL", "[3]", `"data":[true,false,1]`), input.Tensor{DType: tensor.Bool, Shape: []int64{3}, Data: []byte{1, 0, 1}}},
		{one("INT64", "[0,5]", `"data":[]`), input.Tensor{DType: tensor.Int64, Shape: []int64{0, 5}, Data: []byte{}}},
		{one("BYTES", "[2]", `"data":["a\u0000b",""]`), input.Tensor{DType: tensor.String, Shape: []int64{2}, Strings: []string{"a\x00b", ""}}},
		{one("INT16", "[1]", `"raw":"AQI="`), input.Tensor{DType: tensor.Int16, Shape: []int64{1}, Data: []byte{1, 2}}},
		{
			one("BYTES", "[1]", `"raw":"`+base64.StdEncoding.EncodeToString([]byte("\x02\x00\x00\x00hi"))+`"`),
			input.Tensor{DType: tensor.String, Shape: []int64{1}, Strings: []string{"hi"}},
		},
	} {
		c.want.Name = "x"
		got, err := input.ParseTensors(c.in)
		require.NoError(t, err, string(c.in))
		assert.Equal(t, c.want, got.Inputs[0], string(c.in))
	}
}

func TestTensorFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    []byte
		field string
	}{
		{one("FP12", "[1]", `"data":[1]`), "inputs[0].datatype"},
		{one("INT4", "[1]", `"data":[1]`), "inputs[0].datatype"},
		{one("INT8", "[-1]", `"data":[1]`), "inputs[0].shape"},
		{one("INT8", "[4,4611686018427387905]", `"data":[1,2,3,4]`), "inputs[0].shape"},
		{one("INT8", "[1099511627776]", `"data":[]`), "inputs[0].shape"},
		{one("INT8", "[1.5]", `"data":[1]`), "inputs[0].shape"},
		{one("INT8", "[2]", `"data":[1]`), "inputs[0].data"},
		{one("INT8", "[2]", `"data":[1,2,3]`), "inputs[0].data"},
		{one("INT8", "[2,2]", `"data":[[1,2],[3]]`), "inputs[0].data[1]"},
		{one("INT8", "[2,2]", `"data":[[1,2],[3,"x"]]`), "inputs[0].data[1][1]"},
		{one("INT8", "[1]", `"data":[128]`), "inputs[0].data[0]"},
		{one("UINT8", "[1]", `"data":[-1]`), "inputs[0].data[0]"},
		{one("FP16", "[1]", `"data":[70000]`), "inputs[0].data[0]"},
		{one("FP32", "[1]", `"data":[1e39]`), "inputs[0].data[0]"},
		{one("FP32", "[1]", `"data":["NaN"]`), "inputs[0].data[0]"},
		{one("INT8", "[1]", `"raw":"AQI="`), "inputs[0].raw"},
		{one("INT8", "[1]", `"raw":"?"`), "inputs[0].raw"},
		{one("BOOL", "[1]", `"raw":"Ag=="`), "inputs[0].raw"},
		{one("BYTES", "[1]", `"raw":"/////w=="`), "inputs[0].raw"},
		{one("INT8", "[1]", `"raw":"AQ==","data":[1]`), "inputs[0].data"},
		{[]byte(`{"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]}`), "outputs[1].name"},
		{[]byte(`{}`), "inputs"},
	} {
		_, err := input.ParseTensors(c.in)
		assert.Equal(t, fault.InvalidInput, fault.CodeOf(err), string(c.in))
		assert.Equal(t, c.field, fault.From(err).Field, string(c.in))
	}
}

func TestTensorsFitAModel(t *testing.T) {
	t.Parallel()
	in := []job.Spec{{Name: "x", Datatype: "INT8", Shape: []int64{-1, 2}}}
	out := []job.Spec{{Name: "y"}}
	for _, c := range []struct{ in, field string }{
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"y"}]}`, ""},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1,3],"data":[1,2,3]}]}`, "inputs[0].shape"},
		{`{"inputs":[{"name":"x","datatype":"INT16","shape":[1,2],"data":[1,2]}]}`, "inputs[0].datatype"},
		{`{"inputs":[{"name":"z","datatype":"INT8","shape":[1,2],"data":[1,2]}]}`, "inputs[0].name"},
		{`{"inputs":[]}`, "inputs"},
		{`{"inputs":[{"name":"x","datatype":"INT8","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"q"}]}`, "outputs[0].name"},
	} {
		_, err := input.CheckTensors([]byte(c.in), &job.About{Inputs: in, Outputs: out})
		if c.field == "" {
			require.NoError(t, err)
			continue
		}
		assert.Equal(t, c.field, fault.From(err).Field, c.in)
	}
}

func TestEachEngineHasASchemaThatNamesItsMembers(t *testing.T) {
	t.Parallel()
	parse := map[string]func([]byte) error{
		"generate": func(b []byte) error { _, err := input.ParseChat(b); return err },
		"embed":    func(b []byte) error { _, err := input.ParseEmbed(b); return err },
		"tensor":   func(b []byte) error { _, err := input.ParseTensors(b); return err },
		"uninlu":   nil,
		"sleep":    nil,
		"vision":   nil,
		"upstream": nil,
	}
	for engine, f := range parse {
		var schema struct {
			Properties map[string]any `json:"properties"`
		}
		require.NoError(t, json.Unmarshal(input.Schema(engine), &schema), engine)
		require.NotEmpty(t, schema.Properties, engine)
		for name := range schema.Properties {
			if f == nil {
				continue
			}
			if err := f([]byte(`{"` + name + `":true}`)); err != nil {
				assert.NotContains(t, err.Error(), "is not a member", "%s: %s", engine, name)
			}
		}
	}
	assert.Nil(t, input.Schema("nothing"))
}

func FuzzInputs(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"stop":["x"],"logit_bias":{"1":2}}`))
	f.Add([]byte(`{"input":["a"],"dimensions":3}`))
	f.Add([]byte(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[[1,2]]}],"outputs":[{"name":"y","raw":true}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range []error{
			func() error { _, err := input.ParseChat(b); return err }(),
			func() error { _, err := input.ParseEmbed(b); return err }(),
			func() error { _, err := input.ParseTensors(b); return err }(),
		} {
			if code := fault.CodeOf(err); err != nil && code != fault.InvalidInput && code != fault.BadRequest {
				t.Fatalf("%v", err)
			}
		}
	})
}
