package runner

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// ends are the times when requests end, as a heap.
type ends []time.Time

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].Before(e[j]) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(time.Time)) } //nolint:errcheck // only this test pushes
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// play has a meter of 16 slots see rounds of 16 requests, each of which begins where another ends, or all at once every
// period when that is given.
func play(m *meter, rounds int, period time.Duration, takes func() time.Duration) time.Time {
	const slots = 16
	m.holds(slots)
	now := time.Unix(0, 0)
	var running ends
	begin := func(at time.Time) {
		m.begin(at)
		heap.Push(&running, at.Add(takes()))
	}
	finish := func() time.Time {
		at := heap.Pop(&running).(time.Time) //nolint:errcheck // only times are pushed
		m.end(at)
		return at
	}
	for i := range rounds {
		if i == 0 || period > 0 {
			for range slots {
				begin(now)
			}
		}
		for range slots {
			at := finish()
			if period == 0 {
				begin(at)
			}
		}
		now = now.Add(period)
	}
	for len(running) > 0 {
		now = finish()
	}
	return now
}

func TestCapacityOfRequestsThatEndTogetherOrNot(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	mixed := func() time.Duration { return time.Duration(5+rng.IntN(46)) * time.Millisecond }
	even := func() time.Duration { return 50 * time.Millisecond }
	for name, c := range map[string]struct {
		period time.Duration
		takes  func() time.Duration
		want   float64
	}{
		"one begins as one ends":        {0, mixed, 16 / 0.0275},
		"all together, again and again": {52 * time.Millisecond, even, 16 / 0.050},
		"now and then, all together":    {time.Second, even, 16 / 0.050},
		"now and then":                  {time.Second, mixed, 16 / 0.0275},
	} {
		m := &meter{}
		now := play(m, 60, c.period, c.takes)
		assert.InEpsilon(t, c.want, m.capacity(now), 0.08, name)
	}
}
