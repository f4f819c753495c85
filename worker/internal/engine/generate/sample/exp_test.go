package sample

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// exp32 stays within four ten-millionths of math.Exp where it is not cut off, and never leaves 0 to 1.
func TestExp32(t *testing.T) {
	t.Parallel()
	for x := float32(0); x > -87; x -= 0.0007 {
		want := math.Exp(float64(x))
		if math.Abs(float64(exp32(x))-want) > 4e-7*want {
			require.InEpsilon(t, want, exp32(x), 4e-7, "e^%g", x)
		}
	}
	require.InDelta(t, 1, exp32(0), 0)
	for _, x := range []float32{-87, -1e30, float32(math.Inf(-1))} {
		require.Zero(t, exp32(x))
	}
}
