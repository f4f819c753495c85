package consume

import (
	"context"
	"sync"

	"github.com/penstock-dev/penstock/shared/queue"
)

// intake is one model's slots and the credit that its lanes hold against them: what runs and what was asked for never
// exceed the slots together, save that each lane keeps one credit so that an idle class is heard of at all.
type intake struct {
	model string
	slots int

	mu      sync.Mutex
	used    int             // guarded by mu: slots taken by deliveries
	lanes   []*queue.Puller // guarded by mu; most urgent first
	busy    []bool          // guarded by mu: the lane held more at its last delivery
	stopped bool            // guarded by mu
}

func newIntake(model string, slots int) *intake { return &intake{model: model, slots: slots} }

func (in *intake) add(p *queue.Puller) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lanes = append(in.lanes, p)
	in.busy = append(in.busy, false)
}

// taken counts a delivery in; waiting is how many more its lane holds.
func (in *intake) taken(lane, waiting int) {
	in.mu.Lock()
	in.used++
	if lane < len(in.busy) {
		in.busy[lane] = waiting > 0
	}
	in.mu.Unlock()
}

// release gives a slot back and asks for what it can hold.
func (in *intake) release() {
	in.mu.Lock()
	in.used--
	in.mu.Unlock()
	in.refill()
}

// refill asks for as many jobs as there is room for.
func (in *intake) refill() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stopped || len(in.lanes) == 0 {
		return
	}
	asked := make([]int, len(in.lanes))
	for i, p := range in.lanes {
		asked[i] = p.Asked()
	}
	for i, n := range share(in.slots, in.used, asked, in.busy) {
		in.lanes[i].Ask(n)
	}
}

// share decides how much credit each lane gets now, most urgent lane first. Every lane keeps one credit, so that its
// next job is heard of; the rest goes to the first lane known to hold more, or else to the middle one, where jobs come
// unless they say otherwise. Small top-ups wait until a quarter of the slots has gathered, so that a busy worker sends
// one request for several jobs.
func share(slots, used int, asked []int, busy []bool) []int {
	give := make([]int, len(asked))
	room := slots - used
	for i, n := range asked {
		room -= n
		if n == 0 {
			give[i] = 1
			room--
		}
	}
	if room < max(1, slots/4) {
		return give
	}
	to := len(asked) / 2
	for i, b := range busy {
		if b {
			to = i
			break
		}
	}
	give[to] += room
	return give
}

// stop asks for nothing more; what is on its way is still delivered before it returns.
func (in *intake) stop(ctx context.Context) {
	in.mu.Lock()
	in.stopped = true
	lanes := in.lanes
	in.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range lanes {
		wg.Go(func() { p.Stop(ctx) })
	}
	wg.Wait()
}
