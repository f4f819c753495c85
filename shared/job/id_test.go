package job

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestIDsSortByAgeAndTellIt(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_800_000_000_123)
	a, b := NewID(at), NewID(at.Add(time.Millisecond))
	assert.Less(t, a, b)
	assert.Len(t, a, 30)
	assert.True(t, ValidID(a))
	got, ok := IDTime(a)
	assert.True(t, ok)
	assert.True(t, at.Equal(got), "%v", got)
	again := NewID(at)
	assert.NotEqual(t, a, again)
}

func TestIDTimeRefusesForeignIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "job_", "job_short", "mine", "job_uuuuuuuuuuuuuuuuuuuuuuuuuu"} {
		_, ok := IDTime(id)
		assert.False(t, ok, id)
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "A-b_9": true, "": false, "a.b": false, "a*": false, "a b": false, ">": false, "é": false,
	} {
		assert.Equal(t, want, ValidID(id), id)
	}
}

func TestIDsOfOneMillisecondKeepTheirOrder(t *testing.T) {
	t.Parallel()
	g := NewIDs()
	at := time.UnixMilli(1_800_000_000_123)
	last := ""
	for i := range 10_000 {
		id := g.Next(at.Add(-time.Duration(i%3) * time.Second))
		assert.Less(t, last, id)
		assert.Equal(t, g.Mark(), Mark(id))
		last = id
	}
}
