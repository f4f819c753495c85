package limits_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway/internal/limits"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

func bounded(t *testing.T, queued, inFlight int64) *tenant.Principal {
	t.Helper()
	return principal(t, func(tn *tenant.Tenant) { tn.MaxQueued, tn.MaxInFlight = queued, inFlight })
}

func TestAPlaceEndsWithTheStartOrTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := bounded(t, 2, 10)
		c := newClock()
		reader := start(t, open(), p, limits.Config{Now: c.now})
		admit := func(l *limits.Limiter, id string) fault.Code {
			_, err := l.Admit(t.Context(), p, id, c.now().Add(time.Hour))
			if f := fault.From(err); err != nil {
				assert.Equal(t, time.Second, f.RetryAfter)
			}
			return fault.CodeOf(err)
		}
		usage := func(queued, inFlight int64) {
			t.Helper()
			u, err := reader.Usage(t.Context(), p)
			require.NoError(t, err)
			assert.Equal(t, queued, *u.Queued)
			assert.Equal(t, inFlight, *u.InFlight)
			assert.EqualValues(t, 2, *u.MaxQueued)
		}
		one := start(t, open(), p, limits.Config{Now: c.now})
		require.Empty(t, admit(one, "a"))
		require.Empty(t, admit(one, "b"))
		require.Equal(t, fault.QueueFull, admit(reader, "c"))
		usage(2, 2)
		one.Began(t.Context(), "t1", "a", false)
		one.Began(t.Context(), "t1", "a", true) // outputs of a stream
		one.Began(t.Context(), "t1", "x", true) // of a job from elsewhere
		settled(t, one)
		usage(1, 2)

		two := start(t, open(), p, limits.Config{Now: c.now})
		require.Empty(t, admit(two, "c"))
		require.Equal(t, fault.QueueFull, admit(two, "d"))
		two.Ended(t.Context(), "t1", "a", "") // began before: frees no place
		two.Ended(t.Context(), "t1", "b", "") // a quick one
		settled(t, two)
		usage(1, 1)

		three := start(t, open(), p, limits.Config{Now: c.now})
		three.Began(t.Context(), "t1", "c", false) // admitted by a gateway that is gone
		settled(t, three)
		usage(0, 1)
	})
}

func TestAStartThatWentUnheardIsToldByAnOutput(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := bounded(t, 2, 0)
		l := start(t, open(), p, limits.Config{})
		_, err := l.Admit(t.Context(), p, "a", time.Now().Add(time.Hour))
		require.NoError(t, err)
		l.Began(t.Context(), "t1", "a", true)
		settled(t, l)
		left, err := open().Queued(t.Context(), "t1", 10)
		require.NoError(t, err)
		assert.Empty(t, left)
	})
}

// Many callers at two gateways get as many places as there are, together.
func TestPlacesAreExactOverGateways(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		const bound, callers = 8, 40
		p := bounded(t, bound, 0)
		gateways := [2]*limits.Limiter{start(t, open(), p, limits.Config{}), start(t, open(), p, limits.Config{})}
		admit := func(i int) bool {
			_, err := gateways[i%2].Admit(context.Background(), p, "job"+strconv.Itoa(i), time.Now().Add(time.Hour))
			if err != nil {
				assert.Equal(t, fault.QueueFull, fault.CodeOf(err))
			}
			return err == nil
		}
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				if admit(i) {
					admitted.Add(1)
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, admitted.Load(), int64(bound))
		for i := range bound { // those that came at the same moment may all have been refused
			if admit(callers + i) {
				admitted.Add(1)
			}
		}
		assert.Equal(t, int64(bound), admitted.Load())
	})
}

func TestPlacesAreExactWhileJobsBeginAndEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		const bound, callers, calls = 8, 16, 25
		p := bounded(t, bound, 0)
		gateways := [2]*limits.Limiter{start(t, open(), p, limits.Config{}), start(t, open(), p, limits.Config{})}
		var waiting, most, admitted atomic.Int64
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				l := gateways[i%2]
				for n := range calls {
					id := strconv.Itoa(i) + "_" + strconv.Itoa(n)
					if _, err := l.Admit(context.Background(), p, id, time.Now().Add(time.Hour)); err != nil {
						assert.Equal(t, fault.QueueFull, fault.CodeOf(err))
						continue
					}
					admitted.Add(1)
					now := waiting.Add(1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					waiting.Add(-1) // before the counters hear of it: they never say less than there is
					if n%2 == 0 {
						l.Began(context.Background(), "t1", id, false)
					}
					l.Ended(context.Background(), "t1", id, "")
				}
			})
		}
		wg.Wait()
		assert.LessOrEqual(t, most.Load(), int64(bound))
		assert.GreaterOrEqual(t, admitted.Load(), int64(bound))
		for _, l := range gateways {
			settled(t, l)
		}
		left, err := open().Queued(t.Context(), "t1", 1000)
		require.NoError(t, err)
		assert.Empty(t, left, "nothing is left over")
	})
}

func TestOnlyPlacesThatMayBeFreeAreLookedThrough(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := bounded(t, 10, 0)
		gone, here := start(t, open(), p, limits.Config{}), start(t, open(), p, limits.Config{})
		for id, l := range map[string]*limits.Limiter{"a": gone, "b": here} {
			_, err := l.Admit(t.Context(), p, id, time.Now().Add(time.Hour))
			require.NoError(t, err)
		}
		unsure := func() []string {
			ids, err := here.Queued(t.Context(), "t1", 10)
			require.NoError(t, err)
			return ids
		}
		assert.Equal(t, []string{"a"}, unsure())
		here.Missed() // its connection to the broker was cut
		assert.ElementsMatch(t, []string{"a", "b"}, unsure())
		here.Began(t.Context(), "t1", "b", false)
		settled(t, here)
		assert.Equal(t, []string{"a"}, unsure())
	})
}

func TestPlacesOfADeadGatewayEndByThemselves(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := bounded(t, 1, 0)
		c := newClock()
		l := start(t, open(), p, limits.Config{Now: c.now})
		_, err := l.Admit(t.Context(), p, "a", c.now().Add(time.Minute))
		require.NoError(t, err)
		_, err = l.Admit(t.Context(), p, "b", c.now().Add(time.Minute))
		assert.Equal(t, fault.QueueFull, fault.CodeOf(err))
		c.advance(time.Minute + time.Second)
		_, err = l.Admit(t.Context(), p, "c", c.now().Add(time.Minute))
		require.NoError(t, err)
	})
}

func TestAQueueWithoutCountersKeepsItsShare(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := bounded(t, 10, 0)
		c := newClock()
		f := &fickle{Counters: open()}
		l := start(t, f, p, limits.Config{Now: c.now, Gateways: 2, AloneFor: time.Hour})
		admit := func(id string) fault.Code {
			_, err := l.Admit(t.Context(), p, id, c.now().Add(time.Hour))
			return fault.CodeOf(err)
		}
		for i := range 4 {
			require.Empty(t, admit("before"+strconv.Itoa(i)))
		}
		f.gone.Store(true)
		for i := range 3 { // half of the six left
			require.Empty(t, admit("alone"+strconv.Itoa(i)))
		}
		require.Equal(t, fault.QueueFull, admit("over"))
		l.Began(t.Context(), "t1", "alone0", false)
		require.Empty(t, admit("alone3"), "as one began")
		l.Began(t.Context(), "t1", "before0", false)
		l.Ended(t.Context(), "t1", "before0", "") // is one place, not two
		l.Ended(t.Context(), "t1", "before1", "")
		require.Empty(t, admit("alone4"), "half of eight")
		require.Equal(t, fault.QueueFull, admit("over"))
		f.gone.Store(false)
		c.advance(time.Second)
		require.Empty(t, admit("back"))
		settled(t, l)
		left, err := open().Queued(t.Context(), "t1", 100)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"before2", "before3", "alone1", "alone2", "alone3", "alone4", "back"}, left)
	})
}

// asked is counters that tell what they were asked for.
type asked struct {
	limits.Counters
	mu      sync.Mutex
	asks    []limits.Ask    // guarded by mu
	changes []limits.Change // guarded by mu
}

func (a *asked) Take(ctx context.Context, ask limits.Ask) (limits.Count, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asks = append(a.asks, ask)
	return a.Counters.Take(ctx, ask)
}

func (a *asked) Apply(ctx context.Context, c []limits.Change) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes = append(a.changes, c...)
	return a.Counters.Apply(ctx, c)
}

func TestAQueueWithoutBoundCostsNothing(t *testing.T) {
	t.Parallel()
	for name, inFlight := range map[string]int64{"no bound": 0, "in flight": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, open func() *redisdb.DB) {
				t.Helper()
				p := bounded(t, 0, inFlight)
				a := &asked{Counters: open()}
				l := start(t, a, p, limits.Config{})
				_, err := l.Admit(t.Context(), p, "a", time.Now().Add(time.Hour))
				require.NoError(t, err)
				l.Began(t.Context(), "t1", "a", false)
				l.Ended(t.Context(), "t1", "a", "")
				settled(t, l)
				require.Len(t, a.asks, 1)
				assert.Zero(t, a.asks[0].Queued)
				if inFlight == 0 {
					assert.Empty(t, a.asks[0].Job)
					assert.Empty(t, a.changes)
				} else {
					assert.Equal(t, []limits.Change{{Tenant: "t1", Job: "a", Held: true}}, a.changes)
				}
			})
		})
	}
}
