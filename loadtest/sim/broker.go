package main

import (
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

// What the broker takes for a backlog's consumer, as measured on the real one, and when it drops one by itself.
const (
	makeConsumer  = time.Millisecond
	dropConsumer  = 400 * time.Microsecond
	inactiveAfter = time.Second
	creditExpires = 30 * time.Second
)

// message is a job on its way.
type message struct {
	tenant    *tenant
	source    fair.Source
	size      time.Duration // how long it runs at speed 1
	submitted time.Duration
}

// broker holds the lanes of one model.
type broker struct {
	w     *world
	from  time.Duration // since when asked counts
	lanes map[fair.Source]*lane
	open  []*lane // backlogs with a consumer

	pulls, makes, drops, returned, withdrawn int
	most                                     int // consumers at one time
	asked                                    int // those of them that were pulled from within a second, once what is measured had begun
	batch, passed                            int // batch jobs handed out; and those while an interactive one had waited
}

// lane is a queue in order, with the consumer that hands it out.
type lane struct {
	source   fair.Source
	jobs     []*message // from head on
	head     int
	waiters  []*credit // credit that waits, oldest first
	consumer bool
	pulled   time.Duration // last time
	unacked  int
}

// credit is one worker's request that waits.
type credit struct {
	to *worker
	n  int
}

func newBroker(w *world, from time.Duration) *broker {
	b := &broker{w: w, from: from, lanes: map[fair.Source]*lane{}}
	w.every(time.Second/4, b.dropIdle)
	return b
}

func (b *broker) lane(s fair.Source) *lane {
	l := b.lanes[s]
	if l == nil {
		l = &lane{source: s}
		b.lanes[s] = l
	}
	return l
}

func (l *lane) len() int { return len(l.jobs) - l.head }

func (l *lane) pop() *message {
	m := l.jobs[l.head]
	l.jobs[l.head] = nil
	l.head++
	if l.head > 1024 && l.head*2 > len(l.jobs) {
		l.jobs = append([]*message(nil), l.jobs[l.head:]...)
		l.head = 0
	}
	return m
}

// publish stores a job, and hands it to the credit that waits longest.
func (b *broker) publish(m *message) {
	l := b.lane(m.source)
	l.jobs = append(l.jobs, m)
	for len(l.waiters) > 0 {
		c := l.waiters[0]
		if c.n > 0 {
			c.n--
			b.hand(l, c.to, true)
			return
		}
		l.waiters[0] = nil
		l.waiters = l.waiters[1:]
	}
}

func (b *broker) hand(l *lane, to *worker, waited bool) {
	m := l.pop()
	l.unacked++
	b.passes(m)
	waiting := l.len()
	to.down.send(func() { to.take(m, waited, waiting) })
}

// passes counts batch jobs that are handed out while an interactive job on the express lane has waited for longer than
// a worker takes to hear of it.
func (b *broker) passes(m *message) {
	if m.source.Class != job.Batch {
		return
	}
	b.batch++
	if l := b.lane(fair.Source{Class: job.Interactive}); l.len() > 0 && b.w.now-l.jobs[l.head].submitted > 2*time.Millisecond {
		b.passed++
	}
}

// ask gives credit, as it arrives.
func (b *broker) ask(from *worker, s fair.Source, n int, wait bool) {
	b.pulls++
	l := b.lane(s)
	l.pulled = b.w.now
	if !s.Express() && !l.consumer {
		l.consumer = true
		b.makes++
		b.open = append(b.open, l)
		b.most = max(b.most, len(b.open))
		b.w.after(makeConsumer, func() { b.serve(l, from, n, wait) })
		return
	}
	b.serve(l, from, n, wait)
}

func (b *broker) serve(l *lane, to *worker, n int, wait bool) {
	for n > 0 && l.len() > 0 {
		n--
		b.hand(l, to, wait)
	}
	if n == 0 {
		return
	}
	if !wait {
		b.returned++
		to.down.send(func() { to.returned(l.source, false, n) })
		return
	}
	c := &credit{to, n}
	l.waiters = append(l.waiters, c)
	to.parked[l.source] = append(to.parked[l.source], c)
	b.w.after(creditExpires, func() {
		if left := c.n; left > 0 {
			c.n = 0
			to.down.send(func() { to.returned(l.source, true, left) })
		}
	})
}

func (b *broker) withdraw(from *worker, src fair.Source) {
	b.withdrawn++
	for _, c := range from.parked[src] {
		c.n = 0
	}
	from.parked[src] = from.parked[src][:0]
}

func (b *broker) ack(m *message) { b.lane(m.source).unacked-- }

// dropIdle drops consumers that nobody has pulled from for a while and that have nothing in hand, as the server does.
func (b *broker) dropIdle() {
	rest := b.open[:0]
	asked := 0
	for _, l := range b.open {
		if b.w.now-l.pulled < inactiveAfter {
			asked++
		}
		if l.unacked > 0 || b.w.now-l.pulled < inactiveAfter {
			rest = append(rest, l)
			continue
		}
		l.consumer = false
		b.drops++
	}
	b.open = rest
	if b.w.now >= b.from {
		b.asked = max(b.asked, asked)
	}
}
