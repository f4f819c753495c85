package main

import (
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	hintTick  = 10 * time.Millisecond // hints are sent together, this often
	hintLost  = 0.01                  // part of them that a worker does not get
	sweepTick = 5 * time.Second       // how often a worker looks for backlogs itself
)

// gateway accepts jobs: it counts a tenant's unfinished ones, chooses the lane and tells workers of backlogs.
type gateway struct {
	w       *world
	b       *broker
	bound   int // 0: fair.Bound
	slots   int // of all workers
	active  int // tenants with unfinished jobs
	workers []*worker
	tenants []*tenant
	hinter  *fair.Hinter
	hints   []fair.Hint // to be sent with the next tick
	count   *counts
	swept   time.Duration // when it was last looked who has a backlog
	found   []*tenant
}

// tenant submits jobs.
type tenant struct {
	name   string
	group  string
	weight float64
	class  job.Class
	size   func() time.Duration // of the next job
	again  func()               // called when a job of it has ended; nil: nothing follows

	express, backlog map[job.Class]int // unfinished jobs on each lane
}

func newGateway(w *world, s *setup) *gateway {
	g := &gateway{w: w, b: newBroker(w, s.from), bound: s.bound, hinter: fair.NewHinter(0), count: newCounts(s)}
	for i := range s.workers {
		x := newWorker(s, g, i)
		g.workers = append(g.workers, x)
		g.slots += x.slots
		g.count.slots += x.runs()
		w.after(time.Duration(w.rand.Int64N(int64(sweepTick))), func() { g.sweep(x) })
	}
	w.every(hintTick, g.sendHints)
	return g
}

func (g *gateway) add(group string, i int, weight float64, class job.Class, size func() time.Duration) *tenant {
	t := &tenant{
		name: group + "-" + strconv.Itoa(i), group: group, weight: weight, class: class, size: size,
		express: map[job.Class]int{}, backlog: map[job.Class]int{},
	}
	g.tenants = append(g.tenants, t)
	return t
}

func (g *gateway) submit(t *tenant) {
	m := &message{tenant: t, size: t.size(), submitted: g.w.now, source: fair.Source{Class: t.class}}
	if t.idle() {
		g.active++
	}
	if fair.LaneFor(t.express[t.class], t.backlog[t.class], g.expressBound()) == fair.Express {
		t.express[t.class]++
	} else {
		t.backlog[t.class]++
		m.source.Tenant = t.name
		h := fair.Hint{Model: "m", Class: t.class, Tenant: t.name, Weight: t.weight}
		if g.hinter.Published(h, t.backlog[t.class], clock(g.w.now)) {
			g.hints = append(g.hints, h)
		}
	}
	g.b.publish(m)
}

// idle tells that no job of the tenant is unfinished; all of them are of its class.
func (t *tenant) idle() bool { return t.express[t.class]+t.backlog[t.class] == 0 }

func (g *gateway) expressBound() int {
	if g.bound > 0 {
		return g.bound
	}
	return fair.Bound(g.slots, g.active)
}

func (g *gateway) sendHints() {
	hints := append(g.hints, g.hinter.Due(clock(g.w.now))...)
	g.hints = nil
	if len(hints) == 0 {
		return
	}
	for _, x := range g.workers {
		if g.w.rand.Float64() < hintLost {
			continue
		}
		x.down.send(func() {
			for _, h := range hints {
				x.hint(h.Class, h.Tenant, h.Weight)
			}
			x.plan()
		})
	}
}

// sweep tells a worker of every backlog, now and then, in case that hints were lost.
func (g *gateway) sweep(x *worker) {
	if g.w.now-g.swept > 50*time.Millisecond || g.swept == 0 {
		g.swept, g.found = g.w.now, g.found[:0]
		for _, t := range g.tenants {
			if t.backlog[t.class] == 0 {
				continue
			}
			if l := g.b.lanes[fair.Source{Class: t.class, Tenant: t.name}]; l != nil && l.len() > 0 {
				g.found = append(g.found, t)
			}
		}
	}
	for _, t := range g.found {
		x.hint(t.class, t.name, t.weight)
	}
	x.plan()
	g.w.after(sweepTick, func() { g.sweep(x) })
}

func (g *gateway) ended(m *message) {
	g.count.ended(g.w.now)
	t := m.tenant
	if m.source.Express() {
		t.express[m.source.Class]--
	} else {
		t.backlog[m.source.Class]--
	}
	if t.idle() {
		g.active--
	}
	if t.again != nil {
		t.again()
	}
}

// Ways to submit.

// dump submits n jobs at a time.
func (g *gateway) dump(t *tenant, n int, at time.Duration) {
	g.w.at(at, func() {
		for range n {
			g.submit(t)
		}
	})
}

// poisson submits at a rate, in jobs a second, from a time on.
func (g *gateway) poisson(t *tenant, rate float64, from time.Duration) {
	var next func()
	next = func() {
		g.submit(t)
		g.w.after(time.Duration(g.w.rand.ExpFloat64()/rate*float64(time.Second)), next)
	}
	g.w.at(from+time.Duration(g.w.rand.ExpFloat64()/rate*float64(time.Second)), next)
}

// keep holds n jobs unfinished, from a time on: each end brings the next job, after a caller's round trip.
func (g *gateway) keep(t *tenant, n int, from time.Duration) {
	t.again = func() { g.w.after(500*time.Microsecond, func() { g.submit(t) }) }
	g.w.at(from, func() {
		for range n {
			g.submit(t)
		}
	})
}
