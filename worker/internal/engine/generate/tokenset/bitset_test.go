package tokenset_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// A set behaves like a map of ids, at sizes on and off a word's border.
func TestBitsetIsASet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 63, 64, 65, 128, 1000} {
		b, want := tokenset.New(size), map[int32]bool{}
		for range 4 * size {
			id := int32(r.IntN(size+20) - 10)
			if r.IntN(3) == 0 {
				b.Remove(id)
				delete(want, id)
			} else {
				b.Add(id)
				if id >= 0 && int(id) < size {
					want[id] = true
				}
			}
		}
		require.Equal(t, size, b.Len())
		require.Equal(t, len(want), b.Count())
		require.Equal(t, len(want) == 0, b.Empty())
		n := 0
		for id := b.Next(-5); id >= 0; id = b.Next(id + 1) {
			require.True(t, want[id])
			require.True(t, b.Has(id))
			n++
		}
		require.Equal(t, len(want), n)

		c := tokenset.New(size)
		c.CopyFrom(b)
		require.Equal(t, b, c)
		c.AndNot(b)
		require.True(t, c.Empty())
		c.Or(b)
		require.Equal(t, b, c)
		c.Clear()
		require.True(t, c.Empty())
	}
}
