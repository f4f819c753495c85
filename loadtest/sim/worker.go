package main

import (
	"slices"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/shared/batch"
	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

// worker runs jobs in slots, as many at once, and asks for what its scheduler says.
type worker struct {
	w      *world
	b      *broker
	g      *gateway
	sched  *fair.Sched
	slots  int
	speed  float64
	skew   time.Duration // of its clock
	up     link
	down   link
	parked map[fair.Source][]*credit // as the broker sees it

	running map[*message]time.Duration // since when
	staged  []*message                 // in hand, without a slot, in the order they came
	batcher *batch.Batcher[*message]   // nil where each job runs alone
	size    int                        // of a batch
	busy    int                        // instances that run a batch
	all     int                        // instances
	ticking bool
}

func newWorker(s *setup, g *gateway, i int) *worker {
	w := g.w
	slots := s.slots
	speed := 1.0
	if s.mixed {
		slots = []int{1, 2, 4, 8}[w.rand.IntN(4)]
		speed = []float64{0.5, 1, 1, 2}[w.rand.IntN(4)]
	}
	over := 0
	if s.batch > 0 {
		slots *= 2 * s.batch // as many instances
		over = slots / 8
	}
	latency := 100*time.Microsecond + time.Duration(w.rand.IntN(200))*time.Microsecond
	x := &worker{
		w: w, b: g.b, g: g, slots: slots, speed: speed, parked: map[fair.Source][]*credit{},
		running: map[*message]time.Duration{},
		skew:    time.Duration(w.rand.IntN(100)-50) * time.Millisecond,
		up:      link{w: w, base: latency}, down: link{w: w, base: latency},
		sched: fair.New(fair.Config{Slots: slots, Over: over, Worker: strconv.Itoa(i), ExpressBound: s.bound}),
	}
	if s.batch > 0 {
		x.batcher, x.size, x.all = batch.New[*message](batch.Config{MaxSize: s.batch}), s.batch, slots/(2*s.batch)
	}
	w.after(time.Duration(w.rand.IntN(int(time.Millisecond))), x.plan)
	return x
}

func (x *worker) clock() time.Time { return clock(x.w.now + x.skew) }

// plan does what the scheduler says.
func (x *worker) plan() {
	for _, a := range x.sched.Plan(x.clock()) {
		switch a.Op {
		case fair.Ask:
			x.up.send(func() { x.b.ask(x, a.Source, a.N, a.Wait) })
		case fair.Withdraw:
			x.up.send(func() { x.b.withdraw(x, a.Source) })
		case fair.Open, fair.Close: // the broker makes what is asked, and drops what is not
		}
	}
	if !x.ticking {
		x.ticking = true
		x.w.after(x.sched.Next(), func() {
			x.ticking = false
			x.plan()
		})
	}
}

func (x *worker) take(m *message, waited bool, waiting int) {
	x.sched.Delivered(x.clock(), fair.Delivery{
		Source: m.source, Waited: waited, Tenant: m.tenant.name, Weight: m.tenant.weight, Waiting: waiting,
	})
	switch {
	case x.batcher != nil:
		x.batcher.Add(m, "", 1, rankOf(m), x.clock())
		x.runBatches()
	case len(x.running) < x.slots:
		x.start(m)
	default:
		x.staged = append(x.staged, m)
	}
	x.plan()
}

// rankOf is as the worker has it: by class, and within one by whether the tenant has a backlog.
func rankOf(m *message) int {
	rank := 2 * slices.Index(job.Classes(), m.source.Class)
	if !m.source.Express() {
		rank++
	}
	return rank
}

// runs is how many jobs run at once.
func (x *worker) runs() int {
	if x.batcher == nil {
		return x.slots
	}
	return x.all * x.size
}

// does is how many seconds of work at speed 1 the worker does in a second at speed 1.
func (x *worker) does() float64 {
	if x.batcher == nil {
		return float64(x.slots)
	}
	return float64(x.runs()) / fullBatch
}

// runBatches lets each idle instance take what waits.
func (x *worker) runBatches() {
	for x.busy < x.all {
		b, ok := x.batcher.Next(x.clock(), true)
		if !ok {
			return
		}
		x.busy++
		longest := time.Duration(0)
		for _, m := range b.Items {
			longest = max(longest, m.size)
			x.running[m] = x.w.now
			x.g.count.started(x.w.now, m)
		}
		took := time.Duration(float64(batchTime(longest, len(b.Items), x.size)) / x.speed)
		x.w.after(took, func() {
			x.busy--
			for _, m := range b.Items {
				x.end(m, took)
			}
			x.runBatches()
			x.plan()
		})
	}
}

// end tells of a job that has ended.
func (x *worker) end(m *message, took time.Duration) {
	delete(x.running, m)
	x.g.count.busy(m, x.w.now-took, x.w.now)
	x.up.send(func() { x.b.ack(m) })
	x.g.ended(m)
	x.sched.Ended(x.clock(), m.source, m.tenant.name, took)
}

func (x *worker) returned(s fair.Source, waited bool, n int) {
	x.sched.Returned(x.clock(), s, waited, n)
	x.plan()
}

func (x *worker) hint(class job.Class, tenant string, weight float64) {
	x.sched.Hint(x.clock(), class, tenant, weight)
}

func (x *worker) start(m *message) {
	x.running[m] = x.w.now
	took := time.Duration(float64(m.size) / x.speed)
	x.g.count.started(x.w.now, m)
	x.w.after(took, func() {
		x.end(m, took)
		if len(x.staged) > 0 {
			next := x.staged[0]
			x.staged = x.staged[1:]
			x.start(next)
		}
		x.plan()
	})
}

// stop counts the time of what still runs when the simulation ends.
func (x *worker) stop() {
	for m, since := range x.running {
		x.g.count.busy(m, since, x.w.now)
	}
}
