package tensor_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/tensor"
)

func TestNamesAndNumbersLeadBackToTheType(t *testing.T) {
	t.Parallel()
	for d := tensor.Bool; d <= tensor.Int4; d++ {
		assert.Equal(t, d, tensor.Parse(d.String()), d.String())
		assert.Equal(t, d, tensor.FromONNX(d.ONNX()), d.String())
		if d != tensor.String {
			assert.Positive(t, d.Bits(), d.String())
		}
	}
	assert.Equal(t, tensor.Invalid, tensor.Parse("FP12"))
	assert.Equal(t, tensor.Invalid, tensor.FromONNX(0))
	assert.Equal(t, tensor.Float32, tensor.Parse("fp32"))
}

func TestElements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape []int64
		want  int64
		bad   bool
	}{
		{nil, 1, false},
		{[]int64{0}, 0, false},
		{[]int64{2, 3, 4}, 24, false},
		{[]int64{math.MaxInt64}, math.MaxInt64, false},
		{[]int64{4, 1<<62 + 1}, 0, true}, // wraps round to 4
		{[]int64{1 << 32, 1 << 31}, 0, true},
		{[]int64{1 << 32, 1 << 32}, 0, true},
		{[]int64{0, 1 << 40, 1 << 40}, 0, true},
		{[]int64{-1, 3}, 0, true},
		{[]int64{0, -1}, 0, true},
		{make([]int64, tensor.MaxRank+1), 0, true},
	} {
		n, err := tensor.Elements(c.shape)
		assert.Equal(t, c.bad, err != nil, "%v", c.shape)
		assert.Equal(t, c.want, n, "%v", c.shape)
	}
}

func TestBytesAgainstWhatWasSent(t *testing.T) {
	t.Parallel()
	require.NoError(t, tensor.Check(tensor.Float32, []int64{2, 3}, 24))
	require.NoError(t, tensor.Check(tensor.Int4, []int64{3}, 2))
	require.NoError(t, tensor.Check(tensor.Float16, nil, 2))
	require.Error(t, tensor.Check(tensor.Float32, []int64{2, 3}, 23))
	require.Error(t, tensor.Check(tensor.Float32, []int64{1 << 61}, 0))
	require.Error(t, tensor.Check(tensor.Float64, []int64{1 << 60}, math.MaxInt64))
	require.Error(t, tensor.Check(tensor.String, []int64{1}, 1))
}

func TestFits(t *testing.T) {
	t.Parallel()
	assert.True(t, tensor.Fits([]int64{2, 5}, []int64{-1, 5}))
	assert.False(t, tensor.Fits([]int64{2, 4}, []int64{-1, 5}))
	assert.False(t, tensor.Fits([]int64{2}, []int64{-1, 5}))
}
