package embed

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRowsThatShareARun(t *testing.T) {
	t.Parallel()
	of := func(lengths ...int) []row {
		rows := make([]row, len(lengths))
		for i, n := range lengths {
			rows[i].ids = make([]int32, n)
		}
		return rows
	}
	assert.Equal(t, 3, together(of(100, 99, 80, 79)))
	assert.Equal(t, 4, together(of(16, 9, 2, 1)), "short ones are not worth a run")
	assert.Equal(t, 1, together(of(maxRunTokens+1, maxRunTokens+1)))
	assert.Equal(t, 2, together(of(maxRunTokens/2, maxRunTokens/2, maxRunTokens/2)))
}

func TestBucket(t *testing.T) {
	t.Parallel()
	last := 0
	buckets := map[int]bool{}
	for n := 1; n <= 8192; n++ {
		b := bucket(n)
		assert.GreaterOrEqual(t, b, max(n, last))
		assert.LessOrEqual(t, float64(b), max(float64(n)*1.26, float64(n+7)))
		last = b
		buckets[b] = true
	}
	assert.Less(t, len(buckets), 40)
}
