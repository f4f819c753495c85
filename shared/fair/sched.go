package fair

import (
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

const classes = 3

// Sched decides what one worker asks for, of one model. It is for one goroutine, or behind the caller's lock.
type Sched struct {
	config   Config
	costs    *costs
	used     int       // jobs in hand
	full     time.Time // since when all slots are taken; zero: they are not
	freed    time.Time // when a slot last came free
	gathered bool      // the last plan left slots free, to wait for more
	class    [classes]*class
	opened   []*backlog
	// doubtful are backlogs found empty just when a hint came.
	doubtful []*backlog
	out      []Action
	turned   time.Time // when the windows were last worked out
	dirty    bool      // a ring changed since
	draws    uint64
	tries    float64   // how many more backlogs of unknown length may be asked
	tried    time.Time // when that was worked out
}

// class is one class's sources, and its standing with the others.
type class struct {
	name    job.Class
	floor   float64
	owed    float64 // seconds of run time due by its floor; negative: it had more
	debt    float64 // how far that goes
	v       float64 // virtual time
	epoch   int     // counts the times that backlogs appeared
	express express
	ring    ring
	tenants map[string]*backlog
}

// New makes a scheduler that knows of no backlog, with all slots free.
func New(c Config) *Sched {
	c = c.withDefaults()
	s := &Sched{config: c, costs: newCosts(), draws: hash(c.Worker, 1), tries: mostTries}
	floors := [classes]float64{0, c.Standard, c.Batch}
	for i, name := range job.Classes() {
		debt := floorDebt * floors[i] * float64(c.Slots)
		s.class[i] = &class{name: name, floor: floors[i], debt: debt, owed: -debt, tenants: map[string]*backlog{}}
	}
	return s
}

func indexOf(c job.Class) int {
	switch c {
	case job.Interactive:
		return 0
	case job.Batch:
		return 2
	case job.Standard:
	}
	return 1
}

// contended tells that a backlog is believed to hold jobs.
func (c *class) contended() bool { return c.ring.tenants > 0 }

func (s *Sched) contended() bool {
	return s.class[0].contended() || s.class[1].contended() || s.class[2].contended()
}

// Used is how many jobs are in hand.
func (s *Sched) Used() int { return s.used }

// Hint hears that a tenant has a backlog.
func (s *Sched) Hint(now time.Time, name job.Class, tenant string, weight float64) {
	c := s.class[indexOf(name)]
	b := c.tenants[tenant]
	if b != nil && b.listed && b.weight == weight {
		b.hinted = now
		return
	}
	a := s.costs.of(tenant)
	if weight > 0 {
		a.weight = weight
	}
	if b == nil {
		b = &backlog{source: Source{c.name, tenant}, a: a, weight: a.weight, waiting: -1}
		c.tenants[tenant] = b
	}
	b.hinted = now
	if !b.listed {
		b.waiting = -1
		s.list(c, b)
	} else if b.weight != a.weight {
		c.ring.remove(b)
		b.weight = a.weight
		c.ring.add(b)
		s.dirty = true
	}
}

func (s *Sched) list(c *class, b *backlog) {
	if !c.contended() {
		c.epoch++ // what was served without contention is not held against anybody
		c.express.v, c.express.seen, c.express.tenants = c.v, 0, 0
	}
	b.listed, b.weight = true, b.a.weight
	c.ring.add(b)
	s.dirty = true
}

// empty hears that a backlog holds nothing more. A hint that may have crossed with that has it asked once more.
func (s *Sched) empty(c *class, b *backlog, now time.Time) {
	b.waiting = 0
	if !b.listed {
		return
	}
	b.listed = false
	c.ring.remove(b)
	s.dirty = true
	if again := b.hinted.Add(hintGrace); now.Before(again) {
		b.recheck = again
		if !b.doubtful {
			b.doubtful = true
			s.doubtful = append(s.doubtful, b)
		}
	} else if !b.open {
		delete(c.tenants, b.source.Tenant)
	}
}

// Delivered hears that a job came.
func (s *Sched) Delivered(now time.Time, d Delivery) {
	s.used++
	if s.used >= s.config.Slots && s.full.IsZero() {
		s.full = now
	}
	k := indexOf(d.Source.Class)
	c := s.class[k]
	a := s.costs.of(d.Tenant)
	if d.Weight > 0 {
		a.weight = d.Weight
	}
	run := s.costs.estimate(a)
	if d.Source.Express() {
		c.express.delivered(d.Waited, d.Waiting, now)
		c.chargeExpress(k, a, run, s.costs.mean(), s.config)
	} else if b := c.tenants[d.Source.Tenant]; b != nil {
		if d.Waited {
			b.parked = max(0, b.parked-1)
		} else {
			b.asked = max(0, b.asked-1)
		}
		b.running++
		s.tries = min(s.tries+1, mostTries)
		b.held += run
		b.used = now
		b.waiting = d.Waiting
		b.charge(run)
		if d.Waiting == 0 {
			s.empty(c, b, now)
		} else if !b.listed {
			s.list(c, b)
		}
	}
	s.chargeClass(k, run, s.hungry(now))
}

// charge adds run time, which may be negative.
func (b *backlog) charge(run float64) {
	if b.share > 0 {
		b.v += run / b.share
	} else {
		b.lead += run
	}
}

// chargeExpress charges the lane with a job, unless its tenant is well within its share. A tenant may save up its share
// for as many jobs as it may have on the lane, since they may come one after the other, and is well within while it has
// half of that left; a worker that sees few of a tenant's jobs needs that much to tell chance from quiet. The first job
// that is seen of a tenant is free.
func (c *class) chargeExpress(k int, a *account, run, mean float64, config Config) {
	if !c.contended() {
		return
	}
	if a.epoch[k] != c.epoch {
		a.epoch[k], a.ahead[k] = c.epoch, c.v+run/a.weight
		return
	}
	saved := float64(config.ExpressBound) * run / a.weight
	if a.ahead[k] > c.v-saved/2 {
		c.express.charge(a, run, c.v, mean, config)
	}
	a.ahead[k] = max(a.ahead[k], c.v-saved) + run/a.weight
}

// Ended hears that a job that was delivered is no longer in hand, and how long it ran.
func (s *Sched) Ended(now time.Time, src Source, tenant string, took time.Duration) {
	s.used, s.freed = max(0, s.used-1), now
	if s.used < s.config.Slots {
		s.full = time.Time{}
	}
	a := s.costs.of(tenant)
	if took > 0 {
		s.costs.learn(a, took.Seconds())
	}
	if src.Express() {
		return
	}
	b := s.class[indexOf(src.Class)].tenants[src.Tenant]
	if b == nil || b.running == 0 {
		return
	}
	charged := b.held / float64(b.running)
	b.running--
	b.held -= charged
	b.used = now
	b.charge(took.Seconds() - charged)
}

// Returned hears that credit came back unused: what did not wait, because the lane held nothing more, or what waited,
// because it ran out.
func (s *Sched) Returned(now time.Time, src Source, waited bool, n int) {
	c := s.class[indexOf(src.Class)]
	switch {
	case !src.Express():
		switch b := c.tenants[src.Tenant]; {
		case b == nil:
		case waited:
			b.parked = max(0, b.parked-n)
		default:
			b.asked = max(0, b.asked-n)
			b.used = now
			s.empty(c, b, now)
		}
	case waited:
		c.express.parked = max(0, c.express.parked-n)
	default:
		c.express.asked = max(0, c.express.asked-n)
		c.express.waiting, c.express.heard = 0, now
		c.express.empties++
	}
}

// Next is how soon Plan should be called again if nothing happens before.
func (s *Sched) Next() time.Duration {
	if s.gathered {
		return gatherGrace
	}
	if s.contended() {
		return s.config.Dwell / 16
	}
	return s.config.Dwell / 4
}
