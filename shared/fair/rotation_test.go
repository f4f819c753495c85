package fair

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func randomRing(r *rand.Rand, tenants, heaviest int) (*ring, []*backlog) {
	x := &ring{}
	var all []*backlog
	for i := range tenants {
		b := &backlog{source: Source{Tenant: fmt.Sprint("t", i)}, weight: float64(1 + r.IntN(heaviest))}
		x.add(b)
		all = append(all, b)
	}
	return x, all
}

// The window never holds more than it may, its shares add up to the whole, and over one round each tenant gets exactly
// what its weight says.
func TestARoundServesByWeight(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 3))
		most := 4 + r.IntN(40)
		x, all := randomRing(r, 1+r.IntN(200), []int{1, 4, 9}[r.IntN(3)])
		parts, _ := partOf(time.Unix(0, 0), time.Second, x.total/float64(most-1))
		round := time.Duration(parts) * time.Second
		const steps = 4096
		got := map[*backlog]float64{}
		for i := range steps {
			x.turn(time.Unix(0, int64(round)/steps*int64(i)), time.Second, most)
			require.LessOrEqual(t, len(x.window), most)
			sum := 0.0
			for _, b := range x.window {
				require.Positive(t, b.next)
				got[b] += b.next / steps
				sum += b.next
			}
			require.InDelta(t, x.total, sum, 1e-6*x.total)
		}
		for _, b := range all {
			require.InEpsilon(t, b.weight, got[b], 0.05, "seed %d, %d tenants, %d at once", seed, len(all), most)
		}
	}
}

func TestFewTenantsAreAllInTheWindow(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 4))
	x, all := randomRing(r, 32, 9)
	x.turn(time.Unix(5, 0), time.Second, 32)
	require.Len(t, x.window, 32)
	for _, b := range all {
		assert.InDelta(t, b.weight, b.next, 1e-9)
	}
}

// Workers that know of slightly different tenants, with clocks slightly off, open nearly the same ones.
func TestWorkersAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		a, _ := randomRing(r, 600, 1)
		b, all := randomRing(r, 600, 1)
		for _, i := range r.Perm(600)[:6] { // one in a hundred
			b.remove(all[i])
		}
		now := time.Unix(1_700_000_000, r.Int64N(1e12))
		a.turn(now, time.Second, 32)
		b.turn(now.Add(50*time.Millisecond), time.Second, 32)
		union := map[string]bool{}
		for _, x := range append(a.window, b.window...) {
			union[x.source.Tenant] = true
		}
		assert.LessOrEqual(t, len(union), 48)
	}
}

// Of two workers that know of just more, and just fewer, tenants than would cut the ring once more, one opens a part of what the
// other does.
func TestWorkersAgreeWhereTheRingIsCutOnceMore(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 8))
	a, _ := randomRing(r, 1000, 1)
	b, all := randomRing(r, 1000, 1)
	for _, i := range r.Perm(1000)[:15] {
		b.remove(all[i])
	}
	for i := range 500 {
		now := time.Unix(0, int64(i)*int64(time.Second)/3)
		a.turn(now, time.Second, 32)
		b.turn(now, time.Second, 32)
		require.Greater(t, len(b.window), len(a.window))
		union := map[string]bool{}
		for _, x := range append(a.window, b.window...) {
			union[x.source.Tenant] = true
		}
		require.LessOrEqual(t, len(union), 40, "turn %d", i)
	}
}

func TestARingForgets(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 6))
	x, all := randomRing(r, 100, 50)
	for _, i := range r.Perm(len(all)) {
		x.remove(all[i])
	}
	assert.Empty(t, x.arcs)
	assert.Zero(t, x.total)
	assert.Empty(t, func() []*backlog { x.turn(time.Unix(1, 0), time.Second, 8); return x.window }())
}

func TestHowManyTenantsFillTheLane(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 20, 100, 1000} {
		r := rand.New(rand.NewPCG(uint64(n), 7))
		accounts := make([]*account, n)
		for i := range accounts {
			accounts[i] = &account{weight: 2}
		}
		var x express
		config := Config{Slots: 4, ExpressBound: 8}
		for i := range 2000 {
			x.charge(accounts[r.IntN(n)], 1, float64(i)/float64(n), 1, config)
		}
		assert.InEpsilon(t, 2*float64(n), x.weight(8), 0.35, "%d tenants", n)
	}
}

func TestWhichClass(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		can  [classes]bool
		owed [classes]float64
		want int
	}{
		{[classes]bool{}, [classes]float64{}, -1},
		{[classes]bool{true, true, true}, [classes]float64{}, 0},
		{[classes]bool{false, true, true}, [classes]float64{}, 1},
		{[classes]bool{false, false, true}, [classes]float64{0, 0, -5}, 2},
		{[classes]bool{true, true, true}, [classes]float64{0, 0, 0.1}, 2},
		{[classes]bool{true, true, true}, [classes]float64{0, 0.1, 0.1}, 2},
		{[classes]bool{true, true, true}, [classes]float64{0, 0.1, -1}, 1},
		{[classes]bool{true, false, false}, [classes]float64{0, 9, 9}, 0},
	} {
		assert.Equal(t, c.want, pickClass(c.can, c.owed), "%+v", c)
	}
}

func TestAccountsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCosts()
	often := c.of("often")
	c.learn(often, 3)
	for i := range 10 * accounts {
		c.of(strconv.Itoa(i))
		require.Same(t, often, c.of("often"))
	}
	assert.LessOrEqual(t, len(c.young)+len(c.old), 2*accounts+1)
	assert.InDelta(t, 3, c.estimate(often), 1e-9)
	assert.InDelta(t, 3, c.estimate(c.of("new")), 1e-9) // the model's average
}
