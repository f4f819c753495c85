package fair

import (
	"slices"
	"time"
)

// Plan says what to do now, in order. It is called after anything was heard, and at least every Next; what it returns is
// valid until the next call. It takes for granted that what it says is done.
func (s *Sched) Plan(now time.Time) []Action {
	s.out, s.gathered = s.out[:0], false
	s.tries = min(s.tries+triesRate*now.Sub(s.tried).Seconds(), mostTries)
	s.tried = now
	s.turn(now)
	s.withdraw(now)
	s.deal(now)
	s.park(now)
	s.closeIdle(now)
	return s.out
}

// slow tells that slots come free so seldom that a job should not be bound to a worker without a free one.
func (s *Sched) slow() bool { return s.gap() > s.config.Patience }

// gap is how long it takes, on average, until a slot of a full worker is free.
func (s *Sched) gap() time.Duration {
	return time.Duration(s.costs.mean() / float64(s.config.Slots) * float64(time.Second))
}

// room is how many slots are neither taken nor promised. One waiting credit a lane is not counted.
func (s *Sched) room() int {
	room := s.config.Slots - s.used
	for _, c := range s.class {
		room -= c.express.asked + max(0, c.express.parked-1)
	}
	for _, b := range s.opened {
		room -= b.asked + b.parked
	}
	return room
}

// withdraw takes back credit that should not stand any more: all of a full worker whose slots come free slowly; that of
// the batch lane of any worker that stays full; what stands idle at one lane while another is known to hold jobs and there
// is no room to ask for them, or while jobs come to another; and what stands at the backlog of a tenant that sends nothing
// more.
func (s *Sched) withdraw(now time.Time) {
	full := s.used >= s.config.Slots
	long := full && now.Sub(s.full) > fullGrace
	crowded := !full && s.crowded()
	wanted := !full && s.room() <= 0 && slices.ContainsFunc(s.opened, func(b *backlog) bool {
		return b.parked == 0 && b.lively(now, s.config.Dwell)
	})
	for k, c := range s.class {
		x := &c.express
		if x.parked == 0 {
			continue
		}
		if full && s.slow() || long && k == classes-1 || x.parked > 1 &&
			(crowded && x.known() == 0 || wanted && !x.lively(now, s.config.Dwell)) {
			x.parked, x.heard = 0, now // credit that stood there unused says that the lane is empty
			s.out = append(s.out, Action{Op: Withdraw, Source: Source{Class: c.name}})
		}
	}
	for _, b := range s.opened {
		if b.parked > 0 && (full && s.slow() || crowded || !b.listed && !b.lively(now, s.config.Dwell)) {
			b.parked = 0
			s.out = append(s.out, Action{Op: Withdraw, Source: b.source})
		}
	}
}

// crowded tells that a lane holds jobs that are not asked for, as all free slots are promised to others.
func (s *Sched) crowded() bool {
	if s.room() > 0 {
		return false
	}
	for _, c := range s.class {
		if x := &c.express; x.known() > 0 && x.asked == 0 && x.parked == 0 {
			return true
		}
		for _, b := range c.ring.window {
			if s.may(b) && b.asked == 0 {
				return true
			}
		}
	}
	return false
}

// gathers tells that it is better to wait until more slots are free, so that several quick jobs come for one request. Slots
// that are promised to idle lanes don't come free by themselves, nor do those of jobs that run longer than others did: it
// waits for no more than a few times as long as slots have taken to come free.
func (s *Sched) gathers(room int, now time.Time) bool {
	if s.gap() >= s.config.Quick || room >= s.config.Slots/4 || now.Sub(s.freed) >= gatherGrace {
		return false
	}
	s.gathered = s.coming() >= s.config.Slots/2
	return s.gathered
}

// coming is how many slots are taken, or will be unless the lanes that were asked have run empty.
func (s *Sched) coming() int {
	n := s.used
	for _, c := range s.class {
		n += c.express.asked
	}
	for _, b := range s.opened {
		n += b.asked
	}
	return n
}

// known tells that an express lane holds jobs for which no credit was given.
func (s *Sched) known() bool {
	return s.class[0].express.known() > 0 || s.class[1].express.known() > 0 || s.class[2].express.known() > 0
}

// choice is where the next credit of a class goes: its express lane, or a backlog.
type choice struct {
	b *backlog
	n int // how many at most; 0: nowhere
}

// deal gives the room to those that are known to have jobs, or have not been heard of for long, one by one.
func (s *Sched) deal(now time.Time) {
	room := s.room()
	if room <= 0 {
		return
	}
	contended := s.contended()
	if s.gathers(room, now) {
		return
	}
	hungry := s.hungry(now)
	owed := s.expected(hungry)
	var asks [classes]int // of express, in this plan
	for tried := false; room > 0; {
		var best [classes]choice
		var can [classes]bool
		for k, c := range s.class {
			best[k] = s.choose(c, asks[k], now)
			can[k] = best[k].n > 0
		}
		k := pickClass(can, owed)
		if k < 0 {
			if s.dirty && contended && !tried {
				tried = true
				s.turnNow(now) // the window may have run empty
				continue
			}
			break
		}
		if b := best[k].b; b != nil {
			if b.unknown() {
				s.tries--
			}
			b.asked++
			b.used = now
			s.ask(b)
			s.expect(&owed, k, s.costs.estimate(b.a), hungry)
		} else {
			x := &s.class[k].express
			if !contended && x.waiting == 0 {
				room++ // it will be a standing credit
			}
			asks[k]++
			x.asked++
			s.expect(&owed, k, s.costs.mean(), hungry)
		}
		room--
	}
	for k, c := range s.class {
		if asks[k] > 0 {
			s.say(c, asks[k], !contended)
		}
	}
}

// say asks an express lane for what deal gave it. Without contention the credit may as well wait.
func (s *Sched) say(c *class, n int, wait bool) {
	if wait {
		c.express.asked -= n
		c.express.parked += n
	}
	s.out = append(s.out, Action{Op: Ask, Source: Source{Class: c.name}, N: n, Wait: wait})
}

// may tells that a backlog may be asked for one more job.
func (s *Sched) may(b *backlog) bool { return b.ready() && (!b.unknown() || s.tries >= 1) }

// choose finds who goes first in a class.
func (s *Sched) choose(c *class, asked int, now time.Time) choice {
	var first *backlog
	least := 0.0
	for _, b := range c.ring.window {
		if !s.may(b) {
			continue
		}
		if v := b.v + float64(b.asked+b.parked)*s.costs.estimate(b.a)/b.share; first == nil || v < least {
			first, least = b, v
		}
	}
	if first != nil {
		c.v = max(c.v, least)
	}
	x := &c.express
	n := x.known()
	if n == 0 && asked == 0 {
		fresh := freshIdle
		if s.contended() && s.slow() {
			run := s.gap() * time.Duration(s.config.Slots)
			fresh = max(freshProbe, min(freshProbe*time.Duration(x.empties), run/4))
		}
		if x.unheard(now, fresh) {
			n = 1
		}
	}
	if n > 0 && s.expressV(c) <= c.v {
		return choice{nil, n}
	}
	if first == nil {
		first = s.stray(c, now)
	}
	if first != nil {
		return choice{first, 1}
	}
	return choice{nil, n}
}

// stray finds a backlog outside the window, for a slot that nobody in it can use: one that was asked lately and held more.
func (s *Sched) stray(c *class, now time.Time) (first *backlog) {
	if c.ring.tenants <= len(c.ring.window) {
		return nil
	}
	for _, x := range c.ring.arcs {
		b := x.b
		if b.share == 0 && b.waiting > b.asked+b.parked && now.Sub(b.used) < s.config.Dwell && (first == nil || b.lead < first.lead) {
			first = b
		}
	}
	return first
}

// expressV is the lane's virtual time once the credit that is out has been used.
func (s *Sched) expressV(c *class) float64 {
	x := &c.express
	if x.asked == 0 || x.v <= c.v {
		return x.v
	}
	return x.v + float64(x.asked)*s.costs.mean()/x.weight(s.config.ExpressBound)
}

// park lets one credit stand at each idle express lane, so that a job there is heard of at once; and without contention
// shares the room that is left among the lanes where jobs came lately, or gives it to the one where jobs come unless they
// say otherwise.
func (s *Sched) park(now time.Time) {
	contended := s.contended()
	room := s.room()
	for k, c := range s.class {
		x := &c.express
		switch {
		case x.asked > 0 || x.parked > 0 || x.known() > 0:
		case s.coming() >= s.config.Slots && (s.slow() || k == classes-1 || s.used > s.config.Slots+s.config.Over):
		case c.contended() && x.v > c.v:
		default:
			s.stand(&x.parked, Source{Class: c.name}, 1)
		}
	}
	if contended || s.known() || s.gathers(room, now) {
		return
	}
	for _, c := range s.class {
		room -= min(1, c.express.parked) // all credit together is then for the free slots and no more
	}
	lively := 0
	for _, c := range s.class {
		if c.express.lively(now, s.config.Dwell) {
			lively++
		}
	}
	few := len(s.opened) <= s.config.MaxOpen
	for _, b := range s.opened {
		if few && b.lively(now, s.config.Dwell) {
			lively++
		}
	}
	middle := s.class[1]
	if lively == 0 {
		s.stand(&middle.express.parked, Source{Class: middle.name}, room)
		return
	}
	share := max(1, (s.config.Slots-s.used)/lively)
	for _, c := range s.class {
		if c.express.lively(now, s.config.Dwell) {
			room -= s.stand(&c.express.parked, Source{Class: c.name}, min(room, share-c.express.parked))
		}
	}
	for _, b := range s.opened {
		if few && b.lively(now, s.config.Dwell) {
			room -= s.stand(&b.parked, b.source, min(room, share-b.parked))
		}
	}
}

// stand lets n credit, if it is any, wait at a lane.
func (s *Sched) stand(parked *int, src Source, n int) int {
	if n <= 0 {
		return 0
	}
	*parked += n
	s.out = append(s.out, Action{Op: Ask, Source: src, N: n, Wait: true})
	return n
}

// ask gives a backlog one more credit within this plan.
func (s *Sched) ask(b *backlog) {
	if !b.open {
		b.open = true
		s.opened = append(s.opened, b)
		s.out = append(s.out, Action{Op: Open, Source: b.source})
	}
	for i := range s.out {
		if s.out[i].Op == Ask && s.out[i].Source == b.source {
			s.out[i].N++
			return
		}
	}
	s.out = append(s.out, Action{Op: Ask, Source: b.source, N: 1})
}

// turn works the windows out again when it is time: an eighth of what a tenant stays in one, or sooner when the tenants
// are others.
func (s *Sched) turn(now time.Time) {
	s.recheck(now)
	since := now.Sub(s.turned)
	if since >= s.config.Dwell/8 || s.dirty && (since >= s.config.Dwell/32 || s.small()) {
		s.turnNow(now)
	}
}

// recheck lists those again that were found empty just when a hint came.
func (s *Sched) recheck(now time.Time) {
	s.doubtful = slices.DeleteFunc(s.doubtful, func(b *backlog) bool {
		if !b.listed && now.Before(b.recheck) {
			return false
		}
		if !b.listed {
			b.waiting = -1
			s.list(s.class[indexOf(b.source.Class)], b)
		}
		b.doubtful = false
		return true
	})
}

// small tells that no class needs a rotation, so that windows are cheap to work out.
func (s *Sched) small() bool {
	return s.class[0].ring.tenants+s.class[1].ring.tenants+s.class[2].ring.tenants <= s.config.MaxOpen
}

func (s *Sched) turnNow(now time.Time) {
	s.turned, s.dirty = now, false
	parts := 0
	for _, c := range s.class {
		if c.contended() {
			parts++
		}
	}
	for _, c := range s.class {
		before := c.ring.turn(now, s.config.Dwell, max(2, s.config.MaxOpen/max(parts, 1)))
		for _, b := range before {
			s.move(c, b)
		}
		for _, b := range c.ring.window {
			s.move(c, b)
		}
	}
}

// move gives a backlog its new share. What it is ahead of the class's virtual time is kept as run time, not as virtual
// time, which has another worth under another share. One that comes in for the first time starts anywhere within its
// first job, so that on the whole workers that serve few jobs of each tenant keep to the weights as well.
func (s *Sched) move(c *class, b *backlog) {
	if b.share == b.next {
		return
	}
	if b.share > 0 {
		b.lead = (b.v - c.v) * b.share
	}
	b.share = b.next
	if b.share == 0 {
		return
	}
	run := s.costs.estimate(b.a)
	if !b.fresh {
		b.fresh = true
		s.draws++
		b.lead = max(b.lead, run*float64(hash(b.source.Tenant, s.draws)>>11)/(1<<53))
	}
	b.v = c.v + max(b.lead, -run)/b.share
}

// closeIdle closes what has not been asked for a while and has nothing in hand. A tenant without jobs is forgotten.
func (s *Sched) closeIdle(now time.Time) {
	s.opened = slices.DeleteFunc(s.opened, func(b *backlog) bool {
		if b.asked > 0 || b.parked > 0 || b.running > 0 || b.listed && b.share > 0 || now.Sub(b.used) < s.config.Dwell/2 {
			return false
		}
		b.open = false
		s.out = append(s.out, Action{Op: Close, Source: b.source})
		if !b.listed && !b.doubtful {
			delete(s.class[indexOf(b.source.Class)].tenants, b.source.Tenant)
		}
		return true
	})
}
