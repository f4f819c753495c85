package batch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/batch"
)

func TestRanksGoFirstAndPassNobodyForEver(t *testing.T) {
	t.Parallel()
	b := batch.New[string](batch.Config{MaxSize: 2, Patience: time.Second})
	at := time.Unix(0, 0)
	b.Add("backlog 1", "k", 1, 1, at)
	b.Add("backlog 2", "k", 1, 1, at)
	b.Add("batch", "k", 1, 5, at)
	b.Add("express", "k", 1, 0, at.Add(time.Millisecond))
	b.Add("backlog 3", "k", 1, 1, at.Add(time.Millisecond))
	got, ok := b.Next(at.Add(2*time.Millisecond), true)
	require.True(t, ok)
	assert.Equal(t, []string{"express", "backlog 1"}, got.Items)

	b.Add("late", "k", 1, 0, at.Add(2*time.Second)) // those before it have waited too long to be passed
	got, _ = b.Next(at.Add(2*time.Second), true)
	assert.Equal(t, []string{"backlog 2", "backlog 3"}, got.Items)
	got, _ = b.Next(at.Add(2*time.Second), true)
	assert.Equal(t, []string{"batch", "late"}, got.Items)
}

func TestTheKeyOfTheLeastRankGoesFirst(t *testing.T) {
	t.Parallel()
	b := batch.New[string](batch.Config{MaxSize: 4, MaxDelay: 10 * time.Millisecond, Patience: time.Second})
	at := time.Unix(0, 0)
	b.Add("old", "a", 1, 1, at)
	b.Add("urgent", "b", 1, 0, at.Add(5*time.Millisecond))
	got, ok := b.Next(at.Add(5*time.Millisecond), true)
	require.True(t, ok)
	assert.Equal(t, "b", got.Key)

	b.Add("urgent", "b", 1, 0, at.Add(900*time.Millisecond))
	got, ok = b.Next(at.Add(1100*time.Millisecond), true)
	require.True(t, ok)
	assert.Equal(t, "a", got.Key, "it has waited long enough")
	assert.Equal(t, batch.Delay, got.Reason)
}

func TestTheOldestSaysWhenABatchIsDue(t *testing.T) {
	t.Parallel()
	b := batch.New[string](batch.Config{MaxSize: 4, MaxDelay: 10 * time.Millisecond})
	at := time.Unix(0, 0)
	b.Add("old", "a", 1, 1, at)
	b.Add("urgent", "a", 1, 0, at.Add(5*time.Millisecond))
	d, ok := b.UntilNext(at.Add(5 * time.Millisecond))
	require.True(t, ok)
	assert.Equal(t, 5*time.Millisecond, d)
	_, ok = b.Next(at.Add(10*time.Millisecond), false)
	assert.True(t, ok)
}
