package sleep

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in    string
		code  fault.Code
		field string
	}{
		{`{}`, "", ""},
		{` {"ms":0} `, "", ""},
		{`{"ms":3600000,"fail_attempts":1000,"echo":{"a":[1,null,"x"]},"tokens":100000,"crash":false}`, "", ""},
		{`{"echo":null}`, "", ""},
		{`{"$ref":"blob_a"}`, "", ""},
		{`{"ms":{"$ref":"blob_a"},"crash":{"$ref":"blob_a"},"echo":[{"$ref":"blob_a"}]}`, "", ""},
		{`{"ms":{"$ref":"blob_a","x":1}}`, fault.InvalidInput, "ms"},
		{`{"x":{"$ref":"blob_a"}}`, fault.InvalidInput, "x"},
		{`{"ms":3600001}`, fault.InvalidInput, "ms"},
		{`{"ms":-1}`, fault.InvalidInput, "ms"},
		{`{"ms":1.5}`, fault.InvalidInput, "ms"},
		{`{"ms":"1"}`, fault.InvalidInput, "ms"},
		{`{"ms":null}`, fault.InvalidInput, "ms"},
		{`{"ms":1e999}`, fault.InvalidInput, "ms"},
		{`{"ms":99999999999999999999}`, fault.InvalidInput, "ms"},
		{`{"fail_attempts":1001}`, fault.InvalidInput, "fail_attempts"},
		{`{"tokens":100001}`, fault.InvalidInput, "tokens"},
		{`{"crash":1}`, fault.InvalidInput, "crash"},
		{`{"Ms":1}`, fault.InvalidInput, "Ms"},
		{`{"ms":1,"ms":2}`, fault.BadRequest, "ms"},
		{`[]`, fault.InvalidInput, ""},
		{`"x"`, fault.InvalidInput, ""},
		{`{"ms":1`, fault.BadRequest, ""},
		{``, fault.BadRequest, ""},
	} {
		task, err := Check([]byte(tc.in))
		require.Equal(t, tc.code, fault.CodeOf(err), tc.in)
		if err == nil {
			require.Equal(t, Task, task)
			continue
		}
		require.Equal(t, tc.field, fault.From(err).Field, tc.in)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"ms":1,"echo":["\"",{"a":1}],"crash":true}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := Check(in); err != nil {
			return
		}
		var v struct {
			MS     int `json:"ms"`
			Tokens int `json:"tokens"`
		}
		require.NoError(t, json.Unmarshal(in, &v))
		require.LessOrEqual(t, v.MS, MaxMS)
	})
}

func BenchmarkCheck(b *testing.B) {
	in := []byte(`{"ms":0,"echo":{"hello":"world"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(in); err != nil {
			b.Fatal(err)
		}
	}
}
