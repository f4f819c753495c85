package fair_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

// bench is a worker and a broker without latency, which checks what the scheduler says.
type bench struct {
	t       *testing.T
	r       *rand.Rand
	s       *fair.Sched
	slots   int
	now     time.Time
	lanes   map[fair.Source][]string // tenants of the jobs that wait
	parked  map[fair.Source]int
	asked   map[fair.Source]int // answered later
	open    map[fair.Source]bool
	running []running
	served  map[string]int
	log     []string
	early   bool // answers come before the next plan
	eager   bool // a plan is made after each thing heard, at times
}

type running struct {
	source fair.Source
	tenant string
	until  time.Time
	took   time.Duration
}

func newBench(t *testing.T, seed uint64, c fair.Config) *bench {
	t.Helper()
	return &bench{
		t: t, r: rand.New(rand.NewPCG(seed, 9)), s: fair.New(c), slots: c.Slots, now: start(), early: true,
		lanes: map[fair.Source][]string{}, parked: map[fair.Source]int{}, asked: map[fair.Source]int{},
		open: map[fair.Source]bool{}, served: map[string]int{},
	}
}

func express(c job.Class) fair.Source { return fair.Source{Class: c} }

func (b *bench) submit(src fair.Source, tenant string, n int) {
	for range n {
		b.lanes[src] = append(b.lanes[src], tenant)
	}
	if !src.Express() {
		b.s.Hint(b.now, src.Class, src.Tenant, 1)
	}
}

func (b *bench) inHand(src fair.Source) bool {
	return slices.ContainsFunc(b.running, func(x running) bool { return x.source == src })
}

// plan does what the scheduler says, and checks it.
func (b *bench) plan() {
	for _, a := range b.s.Plan(b.now) {
		b.log = append(b.log, fmt.Sprint(a))
		switch a.Op {
		case fair.Open:
			require.False(b.t, a.Source.Express())
			require.False(b.t, b.open[a.Source], "opened twice")
			b.open[a.Source] = true
		case fair.Close:
			require.True(b.t, b.open[a.Source], "closed without having been opened")
			require.Zero(b.t, b.asked[a.Source], "closed with credit out")
			require.Zero(b.t, b.parked[a.Source], "closed with credit waiting")
			require.False(b.t, b.inHand(a.Source), "closed with jobs in hand")
			delete(b.open, a.Source)
		case fair.Withdraw:
			require.Positive(b.t, b.parked[a.Source])
			b.parked[a.Source] = 0
		case fair.Ask:
			require.Positive(b.t, a.N)
			require.True(b.t, a.Source.Express() || b.open[a.Source])
			if a.Wait {
				b.parked[a.Source] += a.N
			} else {
				b.asked[a.Source] += a.N
			}
		}
	}
	promised := len(b.running)
	for _, n := range b.asked {
		promised += n
	}
	for _, n := range b.parked {
		promised += max(0, n-1)
	}
	// Beyond the slots: a standing credit a lane, and what it brought.
	require.LessOrEqual(b.t, promised, b.slots+len(job.Classes()), "more credit than slots")
}

func (b *bench) deliver(src fair.Source, waited bool, run func(tenant string) time.Duration) {
	tenant := b.lanes[src][0]
	took := run(tenant)
	b.lanes[src] = b.lanes[src][1:]
	b.running = append(b.running, running{src, tenant, b.now.Add(took), took})
	b.served[tenant]++
	b.s.Delivered(b.now, fair.Delivery{Source: src, Waited: waited, Tenant: tenant, Waiting: len(b.lanes[src])})
	b.maybePlan()
}

func (b *bench) maybePlan() {
	if b.eager && b.r.IntN(2) == 0 {
		b.plan()
	}
}

func (b *bench) sources() []fair.Source {
	var out []fair.Source
	for src := range b.lanes {
		out = append(out, src)
	}
	for src := range b.asked {
		if _, ok := b.lanes[src]; !ok {
			out = append(out, src)
		}
	}
	slices.SortFunc(out, func(x, y fair.Source) int {
		return slices.Compare([]string{string(x.Class), x.Tenant}, []string{string(y.Class), y.Tenant})
	})
	return out
}

// step lets a millisecond pass.
func (b *bench) step(took func(tenant string) time.Duration) {
	b.now = b.now.Add(time.Millisecond)
	for _, src := range b.sources() {
		if n := b.asked[src]; n > 0 && (b.early || b.r.IntN(2) == 0) {
			got := min(n, len(b.lanes[src]))
			for range got {
				b.asked[src]--
				b.deliver(src, false, took)
			}
			if n > got {
				b.asked[src] -= n - got
				b.s.Returned(b.now, src, false, n-got)
				b.maybePlan()
			}
		}
		for b.parked[src] > 0 && len(b.lanes[src]) > 0 {
			b.parked[src]--
			b.deliver(src, true, took)
		}
	}
	rest := b.running[:0]
	for _, x := range b.running {
		if b.now.Before(x.until) {
			rest = append(rest, x)
			continue
		}
		b.s.Ended(b.now, x.source, x.tenant, x.took)
	}
	b.running = rest
	b.plan()
}

func (b *bench) waiting() int {
	n := 0
	for _, l := range b.lanes {
		n += len(l)
	}
	return n
}

func fixed(d time.Duration) func(string) time.Duration {
	return func(string) time.Duration { return d }
}

// Whatever is submitted, credit stays within the slots, sources are opened before they are asked and closed with empty
// hands, and every job is served in the end.
func TestEveryJobIsServedWithinTheSlots(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 10))
		b := newBench(t, seed, fair.Config{Slots: 1 + r.IntN(20), MaxOpen: 6, Worker: strconv.FormatUint(seed, 10)})
		b.early, b.eager = seed%2 == 0, seed%3 > 0
		b.plan()
		longest := []int{200, 1_000, 5_000, 300_000}[r.IntN(4)]
		took := func(string) time.Duration { return time.Duration(100+r.IntN(longest)) * time.Microsecond }
		for range 400 {
			if r.IntN(4) == 0 {
				class := job.Classes()[r.IntN(3)]
				tenant := fmt.Sprint("t", r.IntN(15))
				src := fair.Source{Class: class}
				if seed%5 > 1 && r.IntN(2) == 0 {
					src.Tenant = tenant
				}
				b.submit(src, tenant, 1+r.IntN(5))
			}
			b.step(took)
		}
		for range 200_000 {
			if b.waiting() == 0 {
				break
			}
			b.step(took)
		}
		require.Zero(t, b.waiting(), "seed %d: jobs wait for ever", seed)
		for range 3000 {
			b.step(took)
		}
		require.Empty(t, b.open, "seed %d: left open", seed)
	}
}

func TestTheSameIsSaidAgain(t *testing.T) {
	t.Parallel()
	say := func() []string {
		b := newBench(t, 1, fair.Config{Slots: 4, Worker: "w"})
		for i := range 300 {
			b.submit(fair.Source{Class: job.Standard, Tenant: fmt.Sprint("t", i%50)}, fmt.Sprint("t", i%50), 2)
			b.step(fixed(7 * time.Millisecond))
		}
		return b.log
	}
	first := say()
	assert.Equal(t, first, say())
}

func TestAnIdleWorkerHasAllItsSlotsAtTheExpressLanes(t *testing.T) {
	t.Parallel()
	for slots, middle := range map[int]int{1: 1, 2: 2, 16: 16} {
		s := fair.New(fair.Config{Slots: slots})
		got := map[job.Class]int{}
		for _, a := range s.Plan(start()) {
			assert.Equal(t, fair.Ask, a.Op)
			assert.True(t, a.Wait)
			got[a.Source.Class] += a.N
		}
		assert.Equal(t, 1, got[job.Interactive], "%d slots", slots)
		assert.Equal(t, 1, got[job.Batch], "%d slots", slots)
		assert.LessOrEqual(t, got[job.Standard], middle+1, "%d slots", slots)
		assert.GreaterOrEqual(t, got[job.Standard], max(1, middle-2), "%d slots", slots)
		assert.Empty(t, s.Plan(start().Add(time.Millisecond)))
	}
}

func TestABacklogTakesBackIdleCredit(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 8})
	b.plan()
	noisy := fair.Source{Class: job.Standard, Tenant: "noisy"}
	b.submit(noisy, "noisy", 100)
	b.plan()
	assert.Equal(t, 3, b.asked[noisy], "the room that was left")
	b.step(fixed(time.Minute))
	assert.Equal(t, 1, b.parked[express(job.Standard)])
	b.step(fixed(time.Minute))
	assert.Equal(t, 8, b.served["noisy"])
}

// A tenant that has about as many jobs unfinished as there are slots empties its backlog again and again: credit waits
// there too, so that its next job needs no hint.
func TestCreditWaitsAtABacklogThatIsEmptyForNow(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 8})
	src := fair.Source{Class: job.Standard, Tenant: "a"}
	b.plan()
	b.submit(src, "a", 3)
	for range 10 {
		b.step(fixed(2 * time.Millisecond))
	}
	require.Equal(t, 3, b.served["a"])
	require.Positive(t, b.parked[src])
	b.lanes[src] = []string{"a"} // nobody tells
	b.step(fixed(2 * time.Millisecond))
	assert.Equal(t, 4, b.served["a"])
	for range 3000 {
		b.step(fixed(2 * time.Millisecond))
	}
	assert.Zero(t, b.parked[src])
	assert.Empty(t, b.open)
}

func TestSharesOfTwoBacklogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		weight       float64
		took1, took2 time.Duration
		want         float64 // jobs of the second for each of the first
	}{
		{1, 10 * time.Millisecond, 10 * time.Millisecond, 1},
		{3, 10 * time.Millisecond, 10 * time.Millisecond, 3},
		{1, 5 * time.Millisecond, 20 * time.Millisecond, 0.25}, // by run time, not by jobs
		{4, 5 * time.Millisecond, 20 * time.Millisecond, 1},
	} {
		b := newBench(t, 1, fair.Config{Slots: 4})
		one, two := fair.Source{Class: job.Standard, Tenant: "one"}, fair.Source{Class: job.Standard, Tenant: "two"}
		b.submit(one, "one", 20_000)
		b.submit(two, "two", 20_000)
		b.s.Hint(b.now, job.Standard, "two", c.weight)
		took := map[string]time.Duration{"one": c.took1, "two": c.took2}
		for range 20_000 {
			b.step(func(tenant string) time.Duration { return took[tenant] })
		}
		assert.InEpsilon(t, c.want, float64(b.served["two"])/float64(b.served["one"]), 0.03, "%+v", c)
	}
}

func TestAQuietTenantGoesFirst(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 4, 16} {
		for _, took := range []time.Duration{10 * time.Millisecond, 400 * time.Millisecond} {
			b := newBench(t, 1, fair.Config{Slots: slots})
			b.plan()
			for i := range 4 {
				noisy := fmt.Sprint("noisy", i)
				b.submit(fair.Source{Class: job.Standard, Tenant: noisy}, noisy, 10_000)
			}
			worst := time.Duration(0)
			for i := range 10 { // within its share, which is a fifth
				for range 6*int(took.Milliseconds())/slots + 77*i {
					b.step(fixed(took))
				}
				began := b.now
				b.submit(express(job.Standard), "quiet", 1)
				for len(b.lanes[express(job.Standard)]) > 0 {
					b.step(fixed(took))
				}
				worst = max(worst, b.now.Sub(began))
			}
			assert.LessOrEqual(t, worst, took+5*time.Millisecond, "%d slots, %v", slots, took)
		}
	}
}

func TestInteractiveIsNotHeldUpAndBatchKeepsItsFloor(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 8})
	b.submit(fair.Source{Class: job.Batch, Tenant: "b"}, "b", 100_000)
	for range 2000 {
		b.step(fixed(10 * time.Millisecond))
	}
	before := b.served["b"]
	b.submit(express(job.Interactive), "i", 100) // a burst, of 125 ms
	for len(b.lanes[express(job.Interactive)]) > 0 {
		b.step(fixed(10 * time.Millisecond))
	}
	assert.LessOrEqual(t, b.served["b"]-before, 8, "more than was asked for before the burst")
	b.submit(fair.Source{Class: job.Interactive, Tenant: "i"}, "i", 100_000)
	b.served = map[string]int{}
	for range 30_000 {
		b.step(fixed(10 * time.Millisecond))
	}
	assert.InDelta(t, 0.05, float64(b.served["b"])/float64(b.served["b"]+b.served["i"]), 0.01)
}

func TestCreditThatRanOutIsGivenAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 4})
	b.plan()
	for src, n := range b.parked {
		b.parked[src] = 0
		b.s.Returned(b.now, src, true, n)
	}
	b.plan()
	for _, c := range job.Classes() {
		assert.Positive(t, b.parked[express(c)], c)
	}
}

func TestAHintThatCrossesWithEmptyIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 2})
	src := fair.Source{Class: job.Standard, Tenant: "a"}
	b.plan()
	b.s.Hint(b.now, job.Standard, "a", 1)
	b.plan()
	require.Positive(t, b.asked[src])
	n := b.asked[src]
	b.asked[src] = 0
	b.s.Returned(b.now, src, false, n) // the broker's word is older than the job that the hint is about
	b.lanes[src] = []string{"a"}
	for range 100 {
		b.step(fixed(time.Millisecond))
	}
	assert.Equal(t, 1, b.served["a"])
}

// Of a thousand workers that hear of a backlog, one finds it. The others' requests are bounded in number, and a backlog that
// holds jobs is asked all the same.
func TestFewBacklogsAreAskedInVain(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, fair.Config{Slots: 16})
	vain := 0
	for i := range 20_000 {
		if i%10 == 0 {
			for k := range 200 {
				b.s.Hint(b.now, job.Standard, strconv.Itoa(k), 1)
			}
		}
		if i == 5000 {
			b.submit(fair.Source{Class: job.Standard, Tenant: "full"}, "full", 2000)
		}
		for src, n := range b.asked {
			if n > 0 && !src.Express() && len(b.lanes[src]) == 0 {
				vain++
			}
		}
		b.step(fixed(20 * time.Millisecond))
	}
	assert.Greater(t, b.served["full"], 1900)
	assert.Greater(t, vain, 100)
	assert.Less(t, vain, 64+20*50+b.served["full"]+100)
}
