package tensor_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/tensor"
)

func TestEveryHalfSurvivesTheWayThereAndBack(t *testing.T) {
	t.Parallel()
	for i := range 1 << 16 {
		h := uint16(i)
		if f := tensor.FromHalf(h); math.IsNaN(float64(f)) {
			require.True(t, math.IsNaN(float64(tensor.FromHalf(tensor.Half(f)))), "%#x", h)
		} else {
			require.Equal(t, h, tensor.Half(f), "%#x", h)
		}
		if f := tensor.FromBFloat(h); math.IsNaN(float64(f)) {
			require.True(t, math.IsNaN(float64(tensor.FromBFloat(tensor.BFloat(f)))), "%#x", h)
		} else {
			require.Equal(t, h, tensor.BFloat(f), "%#x", h)
		}
	}
}

func TestHalvesRoundToTheNearestEven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3c00},
		{-2, 0xc000},
		{65504, 0x7bff},
		{65519.996, 0x7bff},
		{65520, 0x7c00},
		{1e9, 0x7c00},
		{5.9604645e-8, 1},
		{2.9802322e-8, 0}, // half of the least: to even
		{2.9802326e-8, 1},
		{6.097555e-5, 0x3ff},
		{6.1035156e-5, 0x400},
		{1.00048828125, 0x3c00}, // between 1 and the next: to even
		{1.00146484375, 0x3c02},
	} {
		assert.Equal(t, c.want, tensor.Half(c.in), "%g", c.in)
	}
	assert.Equal(t, uint16(0x3f80), tensor.BFloat(1.00390625), "to even")
	assert.Equal(t, uint16(0x3f82), tensor.BFloat(1.01171875))
}
