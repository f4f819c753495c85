package consume

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// intake does for one model what its scheduler says: it asks the express lanes and the backlogs for jobs, by credit.
type intake struct {
	model  string
	open   func(in *intake, src fair.Source) (*queue.Puller, error)
	quit   func(p *queue.Puller) // stops one, in a bounded time
	unhear func()                // ends the hints

	mu      sync.Mutex
	slots   int
	eager   bool                  // a job without a slot is started too: it waits for its batch, in which its rank counts
	running int                   // guarded by mu: jobs in a slot
	staged  []func()              // guarded by mu: starts of jobs in hand without a slot, in the order they came
	sched   *fair.Sched           // guarded by mu
	lanes   map[fair.Source]*lane // guarded by mu
	timer   *time.Timer           // guarded by mu: when the scheduler wants to be asked again
	stopped bool                  // guarded by mu
	opening sync.WaitGroup
}

// lane is one source of jobs. Without a puller it is being opened, and what is asked of it waits.
type lane struct {
	puller *queue.Puller
	owed   []fair.Action
	closed bool
}

func newIntake(o *job.Offer, worker string) *intake {
	over := 0
	if o.Batches {
		over = o.Slots / 8
	}
	return &intake{
		model: o.Name, slots: o.Slots, eager: o.Batches, lanes: map[fair.Source]*lane{},
		sched: fair.New(fair.Config{Slots: o.Slots, Over: over, Worker: worker}),
	}
}

// laneOf is where a source's jobs wait.
func laneOf(model string, src fair.Source) queue.Lane {
	l := queue.Lane{Model: model, Class: src.Class, Kind: queue.Express, Tenant: src.Tenant}
	if !src.Express() {
		l.Kind = queue.Backlog
	}
	return l
}

// sourceOf is where a delivery came from.
func sourceOf(j *job.Job) fair.Source {
	src := fair.Source{Class: j.Class}
	if j.Backlog {
		src.Tenant = j.Tenant
	}
	return src
}

// begin starts asking; the express lanes are open.
func (in *intake) begin(express map[fair.Source]*queue.Puller) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for src, p := range express {
		in.lanes[src] = &lane{puller: p}
	}
	in.timer = time.AfterFunc(time.Hour, in.plan)
	in.do()
}

// plan asks the scheduler, as time has passed.
func (in *intake) plan() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.do()
}

// delivered counts a delivery in, and starts its job as soon as there is a slot. A job without one is still queued: the
// credit that stands at a lane, so that it is heard of, may bring one more than there are slots. Where jobs run in batches it
// starts all the same, as it then gets into the next one.
func (in *intake) delivered(d *queue.Delivery, start func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.eager || in.running < in.slots {
		in.running++
		start()
	} else {
		in.staged = append(in.staged, start)
	}
	in.sched.Delivered(time.Now(), deliveryOf(d))
	in.do()
}

func deliveryOf(d *queue.Delivery) fair.Delivery {
	return fair.Delivery{
		Source: sourceOf(d.Job), Waited: d.Waited, Tenant: d.Job.Tenant, Weight: d.Job.Weight, Waiting: d.Waiting,
	}
}

// again hears of a delivery of a job that is in hand already: it took credit, and takes no slot.
func (in *intake) again(d *queue.Delivery) {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	in.sched.Delivered(now, deliveryOf(d))
	in.sched.Ended(now, sourceOf(d.Job), d.Job.Tenant, 0)
	in.do()
}

// ended gives a slot back.
func (in *intake) ended(j *job.Job, took time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.staged) > 0 {
		in.staged[0]()
		in.staged[0] = nil
		in.staged = in.staged[1:]
	} else {
		in.running--
	}
	in.sched.Ended(time.Now(), sourceOf(j), j.Tenant, took)
	in.do()
}

// returned hears of credit that came back unused.
func (in *intake) returned(src fair.Source, waited bool, n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.sched.Returned(time.Now(), src, waited, n)
	in.do()
}

// hint hears that a tenant has a backlog.
func (in *intake) hint(h queue.Hint) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.sched.Hint(time.Now(), h.Lane.Class, h.Lane.Tenant, h.Weight)
	in.do()
}

// do carries out the scheduler's plan. The caller holds mu, so that what is said is done in order.
func (in *intake) do() {
	if in.stopped || in.timer == nil {
		return
	}
	for _, a := range in.sched.Plan(time.Now()) {
		in.act(a)
	}
	in.timer.Reset(max(in.sched.Next(), time.Millisecond))
}

func (in *intake) act(a fair.Action) {
	l := in.lanes[a.Source]
	if l == nil {
		if a.Op != fair.Open && a.Op != fair.Ask {
			return
		}
		l = &lane{}
		in.lanes[a.Source] = l
		in.opening.Go(func() { in.openLane(a.Source, l) })
	}
	switch {
	case a.Op == fair.Close:
		l.closed = true
		delete(in.lanes, a.Source)
		if l.puller != nil {
			in.opening.Go(func() { in.quit(l.puller) })
		}
	case a.Op == fair.Open:
	case l.puller == nil:
		l.owed = append(l.owed, a)
	default:
		l.ask(a)
	}
}

func (l *lane) ask(a fair.Action) {
	switch {
	case a.Op == fair.Withdraw:
		l.puller.Withdraw()
	case a.Wait:
		l.puller.Ask(a.N)
	default:
		l.puller.AskNow(a.N)
	}
}

// openLane makes a backlog's consumer, or finds the one that others made, and asks what was asked meanwhile.
func (in *intake) openLane(src fair.Source, l *lane) {
	p, err := in.open(in, src)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		if in.lanes[src] == l {
			delete(in.lanes, src)
		}
		for _, a := range l.owed {
			in.sched.Returned(time.Now(), src, a.Wait, a.N)
		}
		return // the scheduler asks again
	}
	if l.closed || in.stopped {
		in.opening.Go(func() { in.quit(p) })
		return
	}
	l.puller = p
	for _, a := range l.owed {
		l.ask(a)
	}
	l.owed = nil
}

// stop asks for nothing more; what is on its way is still delivered before it returns.
func (in *intake) stop(ctx context.Context) {
	in.mu.Lock()
	in.stopped = true
	if in.timer != nil {
		in.timer.Stop()
	}
	lanes := in.lanes
	in.lanes = map[fair.Source]*lane{}
	in.mu.Unlock()
	if in.unhear != nil {
		in.unhear()
	}
	in.opening.Wait()
	var wg sync.WaitGroup
	for _, l := range lanes {
		if l.puller != nil {
			wg.Go(func() { l.puller.Stop(ctx) })
		}
	}
	wg.Wait()
}
