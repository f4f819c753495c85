package job

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDeltasMergeOnlyWhereNothingIsLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b, want string
	}{
		{`{"text":"a"}`, `{"text":"b"}`, `{"text":"ab"}`},
		{`{"text":"a\\"}`, `{"text":"\"b"}`, `{"text":"a\\\"b"}`},
		{`{"text":""}`, `{"text":"é"}`, `{"text":"é"}`},
		{`{"reasoning":"a"}`, `{"reasoning":"b"}`, `{"reasoning":"ab"}`},
		{`{"reasoning":"a"}`, `{"text":"b"}`, ""},
		{`{"text":"a","logprobs":[]}`, `{"text":"b"}`, ""},
		{`{"text":"a"}`, `{"text":"b","x":"y"}`, ""},
		{`{"index":1,"text":"a"}`, `{"index":1,"text":"b"}`, ""},
		{`{"text":"a`, `{"text":"b"}`, ""},
		{`{"text":"a\"}`, `{"text":"b"}`, ""},
	} {
		got, ok := MergeDelta([]byte(c.a), []byte(c.b))
		assert.Equal(t, c.want != "", ok, c.a)
		if ok {
			assert.Equal(t, c.want, string(got))
		} else {
			assert.Equal(t, c.a, string(got))
		}
	}
}
