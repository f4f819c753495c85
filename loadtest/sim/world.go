package main

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// world is simulated time: what happens next, in order.
type world struct {
	now    time.Duration
	events events
	serial uint64
	rand   *rand.Rand
}

type event struct {
	at     time.Duration
	serial uint64 // settles the order of what happens at the same time
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push is for container/heap.
func (e *events) Push(x any) {
	if v, ok := x.(event); ok {
		*e = append(*e, v)
	}
}

// Pop is for container/heap.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}

func newWorld(seed uint64) *world {
	return &world{rand: rand.New(rand.NewPCG(seed, 2))} //nolint:gosec // a simulation is repeatable
}

func (w *world) at(t time.Duration, do func()) {
	w.serial++
	heap.Push(&w.events, event{max(t, w.now), w.serial, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now+d, do) }

// every does something at regular times, first after the first of them.
func (w *world) every(d time.Duration, do func()) {
	w.after(d, func() {
		do()
		w.every(d, do)
	})
}

func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= until {
		e, _ := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// clock is the time of day that the scheduler is told.
func clock(t time.Duration) time.Time { return time.Unix(1_700_000_000, 0).Add(t) }

// link carries what one end sends in order, each with a latency of its own.
type link struct {
	w    *world
	base time.Duration
	last time.Duration
}

func (l *link) send(do func()) {
	t := l.w.now + l.base + time.Duration(l.w.rand.ExpFloat64()*float64(l.base)/4)
	l.last = max(l.last, t)
	l.w.at(l.last, do)
}
