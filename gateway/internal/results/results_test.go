package results

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestEventsReachTheirReaderInOrder(t *testing.T) {
	t.Parallel()
	h := NewHub()
	a, b := h.Expect("t", "a", 4), h.Expect("t", "b", 4)
	h.Deliver("t", "a", &job.Event{Seq: 1})
	h.Deliver("u", "a", &job.Event{Seq: 2}) // another tenant's job of the same name
	h.Deliver("t", "a", &job.Event{Seq: 3})
	assert.Equal(t, uint64(1), (<-a.Events()).Seq)
	assert.Equal(t, uint64(3), (<-a.Events()).Seq)
	assert.Empty(t, b.Events())
	a.Close()
	h.Deliver("t", "a", &job.Event{Seq: 4})
	assert.Empty(t, a.Events())
	assert.Equal(t, 1, h.Len())
}

func TestASlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	h := NewHub()
	slow, other := h.Expect("t", "slow", 1), h.Expect("t", "other", 1)
	h.Deliver("t", "slow", &job.Event{Seq: 1})
	assert.False(t, closed(slow.Lagged()))
	h.Deliver("t", "slow", &job.Event{Seq: 2})
	assert.True(t, closed(slow.Lagged()))
	h.Deliver("t", "slow", &job.Event{Seq: 3})
	h.Deliver("t", "other", &job.Event{Seq: 4})
	assert.Equal(t, uint64(4), (<-other.Events()).Seq)
	slow.Close()
	assert.Equal(t, 1, h.Len())
}

func TestALostConnectionIsToldToAll(t *testing.T) {
	t.Parallel()
	h := NewHub()
	r := h.Expect("t", "a", 1)
	h.Drop()
	assert.True(t, closed(r.Lagged()))
	assert.Zero(t, h.Len())
	r.Close()
}

func TestAStreamsReaderIsTakenOnce(t *testing.T) {
	t.Parallel()
	h := NewHub()
	r := h.Expect("t", "a", 1)
	require.Same(t, r, h.Take("t", "a"))
	assert.Nil(t, h.Take("t", "a"))
	assert.Nil(t, h.Take("t", "b"))
}

func TestAnEndLeavesNoReaderBehind(t *testing.T) {
	t.Parallel()
	h := NewHub()
	r := h.Expect("t", "a", 1)
	h.Deliver("t", "a", &job.Event{Kind: job.End, Seq: 1})
	assert.Zero(t, h.Len())
	assert.Equal(t, uint64(1), (<-r.Events()).Seq)
	assert.Nil(t, h.Take("t", "a"))
}
