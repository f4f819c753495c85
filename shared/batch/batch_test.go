package batch_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/batch"
)

func start() time.Time { return time.Unix(1_000_000, 0) }

func TestAFullBatchIsDueAtOnce(t *testing.T) {
	t.Parallel()
	b := batch.New[int](batch.Config{MaxSize: 3, MaxDelay: time.Second})
	now := start()
	for i := range 4 {
		_, ok := b.Next(now, false)
		require.Equal(t, i == 3, ok)
		if ok {
			break
		}
		b.Add(i, "a", 1, 0, now)
	}
	b.Add(3, "a", 1, 0, now)
	for i := range 3 {
		b.Add(10+i, "a", 1, 0, now)
	}
	got, ok := b.Next(now, false)
	require.True(t, ok)
	assert.Equal(t, batch.Size, got.Reason)
	assert.Equal(t, "a", got.Key)
	assert.Len(t, got.Items, 3)
	assert.Len(t, got.Since, 3)
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config batch.Config
		costs  []int
		after  time.Duration
		idle   bool
		items  int
		reason batch.Reason
	}{
		{"idle takes what there is", batch.Config{MaxSize: 8, MaxDelay: time.Second}, []int{1, 1}, 0, true, 2, batch.Idle},
		{"busy waits", batch.Config{MaxSize: 8, MaxDelay: time.Second}, []int{1, 1}, 999 * time.Millisecond, false, 0, ""},
		{"until the delay", batch.Config{MaxSize: 8, MaxDelay: time.Second}, []int{1, 1}, time.Second, false, 2, batch.Delay},
		{"no delay never waits", batch.Config{MaxSize: 8}, []int{1}, 0, false, 1, batch.Idle},
		{"size", batch.Config{MaxSize: 2, MaxDelay: time.Second}, []int{1, 1, 1}, 0, false, 2, batch.Size},
		{"exactly the tokens", batch.Config{MaxSize: 8, MaxDelay: time.Second, MaxTokens: 10}, []int{5, 5}, 0, false, 2, batch.Tokens},
		{"one would pass the tokens", batch.Config{MaxSize: 8, MaxDelay: time.Second, MaxTokens: 10}, []int{4, 4, 4}, 0, false, 2, batch.Tokens},
		{"a dear one runs alone", batch.Config{MaxSize: 8, MaxDelay: time.Second, MaxTokens: 10}, []int{50, 1}, 0, false, 1, batch.Tokens},
		{"no size means one", batch.Config{}, []int{1, 1}, 0, false, 1, batch.Size},
	} {
		b := batch.New[int](c.config)
		for i, cost := range c.costs {
			b.Add(i, "a", cost, 0, start())
		}
		got, ok := b.Next(start().Add(c.after), c.idle)
		assert.Equal(t, c.items > 0, ok, c.name)
		assert.Len(t, got.Items, c.items, c.name)
		assert.Equal(t, c.reason, got.Reason, c.name)
		assert.Equal(t, len(c.costs)-c.items, b.Len(), c.name)
	}
}

func TestTheOldestKeyGoesFirst(t *testing.T) {
	t.Parallel()
	b := batch.New[string](batch.Config{MaxSize: 2})
	now := start()
	for i, key := range []string{"b", "a", "b", "c", "b"} {
		b.Add(fmt.Sprint(key, i), key, 1, 0, now)
	}
	var order [][]string
	for {
		got, ok := b.Next(now, true)
		if !ok {
			break
		}
		order = append(order, got.Items)
	}
	assert.Equal(t, [][]string{{"b0", "b2"}, {"a1"}, {"c3"}, {"b4"}}, order)
}

func TestRemove(t *testing.T) {
	t.Parallel()
	b := batch.New[int](batch.Config{MaxSize: 8, MaxDelay: time.Second, MaxTokens: 10})
	b.Add(1, "a", 5, 0, start())
	b.Add(2, "a", 5, 0, start())
	require.True(t, b.Remove(1))
	require.False(t, b.Remove(1))
	_, ok := b.Next(start(), false)
	require.False(t, ok, "its cost went with it")
	require.True(t, b.Remove(2))
	require.Zero(t, b.Len())
	_, ok = b.UntilNext(start())
	assert.False(t, ok)
}

func TestUntilNext(t *testing.T) {
	t.Parallel()
	b := batch.New[int](batch.Config{MaxSize: 2, MaxDelay: time.Second})
	b.Add(1, "a", 1, 0, start())
	b.Add(2, "b", 1, 0, start().Add(300*time.Millisecond))
	d, ok := b.UntilNext(start().Add(400 * time.Millisecond))
	require.True(t, ok)
	assert.Equal(t, 600*time.Millisecond, d)
	d, _ = b.UntilNext(start().Add(time.Hour))
	assert.Zero(t, d)
	b.Add(3, "b", 1, 0, start().Add(400*time.Millisecond))
	d, _ = b.UntilNext(start().Add(400 * time.Millisecond))
	assert.Zero(t, d, "b is full")
}

// TestWhateverHappens drives a batcher at random and holds it against what it promises.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := batch.Config{
			MaxSize: 1 + rng.IntN(5), MaxDelay: time.Duration(rng.IntN(3)) * time.Second, MaxTokens: rng.IntN(2) * 20,
		}
		b := batch.New[int](c)
		type info struct {
			key   string
			cost  int
			since time.Time
		}
		waiting := map[int]info{}
		now := start()
		for i := range 300 {
			now = now.Add(time.Duration(rng.IntN(500)) * time.Millisecond)
			switch rng.IntN(4) {
			case 0, 1:
				in := info{strconv.Itoa(rng.IntN(3)), 1 + rng.IntN(25), now}
				waiting[i] = in
				b.Add(i, in.key, in.cost, 0, now)
			case 2:
				victim := rng.IntN(300)
				_, there := waiting[victim]
				require.Equal(t, there, b.Remove(victim))
				delete(waiting, victim)
			case 3:
				idle := rng.IntN(2) == 0
				d, some := b.UntilNext(now)
				got, ok := b.Next(now, idle)
				require.Equal(t, len(waiting) > 0, some)
				require.Equal(t, some && (idle || d == 0), ok, "UntilNext and Next agree")
				cost := 0
				for k, item := range got.Items {
					in := waiting[item]
					require.Equal(t, got.Key, in.key)
					require.Equal(t, in.since, got.Since[k])
					for other, o := range waiting {
						require.False(t, o.key == in.key && other < item, "first in, first out")
					}
					cost += in.cost
					delete(waiting, item)
				}
				require.LessOrEqual(t, len(got.Items), c.MaxSize)
				require.True(t, c.MaxTokens == 0 || cost <= c.MaxTokens || len(got.Items) == 1)
			}
			require.Equal(t, len(waiting), b.Len())
		}
	}
}

func BenchmarkAddNext(b *testing.B) {
	bt := batch.New[int](batch.Config{MaxSize: 8})
	now := start()
	for i := 0; b.Loop(); i++ {
		bt.Add(i, "32", 100, 0, now)
		if i%8 == 7 {
			bt.Next(now, true)
		}
	}
}
