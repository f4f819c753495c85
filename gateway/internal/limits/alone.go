package limits

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// state is what this gateway remembers of a tenant: what the counters last said, and what it admitted by itself since.
type state struct {
	holding  atomic.Bool // one of its jobs has had a hold, of either kind
	queueing atomic.Bool // one of its jobs has had a place in the queue

	mu    sync.Mutex
	day   string // of used; a new one needs its counter's end set
	used  int64  // jobs of that day, as last heard
	slot  int64  // window of rate and before
	rate  int64
	prior int64

	aloneDay string // of alone
	alone    int64  // jobs admitted without the counters
	held     pool
	queued   pool
	waiting  map[string]struct{} // jobs from here that have a place in the queue, as far as was heard
}

// pool is a tenant's holds of one kind, in flight or in the queue.
type pool struct {
	last  int64                // as last heard
	freed int64                // of those: ended while the counters were away
	alone map[string]time.Time // admitted without the counters, and when they end by themselves
}

// end takes a job off the pool.
func (p *pool) end(jobID string, away bool) {
	if _, ok := p.alone[jobID]; ok {
		delete(p.alone, jobID)
	} else if away {
		p.freed++
	}
}

// share is what one of n gateways may admit of a bound by itself.
func (p *pool) share(bound, n int64) int64 {
	return max(1, (bound-min(bound, max(0, p.last-p.freed)))/n)
}

func (p *pool) keep(jobID string, until time.Time) {
	if p.alone == nil {
		p.alone = make(map[string]time.Time)
	}
	p.alone[jobID] = until
}

func (p *pool) roll(now time.Time) {
	for id, until := range p.alone {
		if until.Before(now) {
			delete(p.alone, id)
		}
	}
}

func (l *Limiter) state(id string) *state {
	if v, ok := l.states.Load(id); ok {
		return v.(*state) //nolint:forcetypeassert,errcheck // only this function stores
	}
	v, _ := l.states.LoadOrStore(id, &state{})
	return v.(*state) //nolint:forcetypeassert,errcheck // only this function stores
}

// known is the state of a tenant that this gateway has admitted jobs of.
func (l *Limiter) known(id string) (*state, bool) {
	v, ok := l.states.Load(id)
	if !ok {
		return nil, false
	}
	return v.(*state), true //nolint:forcetypeassert,errcheck // only state stores
}

// expect notes which kinds of holds there are to be given back some time.
func (s *state) expect(a *Ask) {
	if a.Job != "" && !s.holding.Load() {
		s.holding.Store(true)
	}
	if a.Queued > 0 && !s.queueing.Load() {
		s.queueing.Store(true)
	}
}

// fresh tells whether this is the first job of the day from here.
func (s *state) fresh(day string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day == day {
		return false
	}
	s.day, s.used = day, 0
	return true
}

// forgetDay makes the next job the first of its day again, as that of this one may not have counted.
func (s *state) forgetDay() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == 0 {
		s.day = ""
	}
}

// saw keeps what the counters said, for the time without them.
func (s *state) saw(day string, c Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.day, s.used = day, c.Day
	s.held.last, s.held.freed = c.Held, 0
	s.queued.last, s.queued.freed = c.Queued, 0
}

// waits notes a job that has a place in the queue.
func (s *state) waits(a *Ask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(a)
}

// wait is called with mu held.
func (s *state) wait(a *Ask) {
	if int64(len(s.waiting)) > a.Queued || s.waiting == nil {
		s.waiting = make(map[string]struct{}) // nothing was heard of some of them; their starts and ends count all the same
	}
	s.waiting[a.Job] = struct{}{}
}

// began takes a job out of the queue, and tells whether it was known to be there.
func (s *state) began(jobID string, away bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leave(jobID, away)
}

// leave is called with mu held.
func (s *state) leave(jobID string, away bool) bool {
	_, ok := s.waiting[jobID]
	delete(s.waiting, jobID)
	s.queued.end(jobID, away && ok) // a start and an end are one
	return ok
}

// unsure drops the ids of jobs that surely have not begun.
func (s *state) unsure(ids []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(ids, func(id string) bool {
		_, waits := s.waiting[id]
		return waits
	})
}

func (s *state) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = nil
}

// ended takes a job off both kinds of holds.
func (s *state) ended(jobID string, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.end(jobID, away)
	s.leave(jobID, away)
}

// alone decides without the counters, within this gateway's share of what was left when they were last heard.
func (l *Limiter) alone(st *state, v *moment, a Ask) ([]job.LimitState, error) {
	if lost := l.away.since.Load(); lost != 0 && v.now.UnixNano()-lost > int64(l.cfg.AloneFor) {
		l.cfg.OnAlone("closed")
		return nil, &fault.Error{
			Code: fault.Overloaded, Detail: "the limits can't be checked at the moment", RetryAfter: time.Second,
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	n := int64(l.cfg.Gateways)
	st.roll(v)
	c := Count{Day: st.alone + 1, Rate: st.rate + 1, Before: st.prior}
	share := *v
	bounds := *v.t
	share.t = &bounds
	if q := bounds.DailyQuota; q > 0 {
		left := q
		if st.day == v.day {
			left = q - min(q, st.used)
		}
		bounds.DailyQuota = max(1, left/n)
		if left == 0 {
			c.Day = bounds.DailyQuota + 1
		}
	}
	if bounds.Rate != nil {
		r := *bounds.Rate
		r.Limit = max(1, r.Limit/n)
		bounds.Rate = &r
	}
	if m := bounds.MaxInFlight; m > 0 {
		c.Held = int64(len(st.held.alone)) + 1
		bounds.MaxInFlight = st.held.share(m, n)
	}
	if m := bounds.MaxQueued; m > 0 {
		c.Queued = int64(len(st.queued.alone)) + 1
		bounds.MaxQueued = st.queued.share(m, n)
	}
	states, f := share.judge(c)
	if f != nil {
		l.cfg.OnAlone("refused")
		return states, f
	}
	l.cfg.OnAlone("admitted")
	st.alone, st.rate = st.alone+1, st.rate+1
	if a.Max > 0 {
		st.held.keep(a.Job, a.Until)
	}
	if a.Queued > 0 {
		st.queued.keep(a.Job, a.Until)
		st.wait(&a)
	}
	return states, nil
}

// roll begins a new day, and a new window, when they have come; and drops the holds that ended by themselves.
func (s *state) roll(v *moment) {
	if s.aloneDay != v.day {
		s.aloneDay, s.alone = v.day, 0
	}
	switch s.slot {
	case v.slot:
	case v.slot - 1:
		s.slot, s.rate, s.prior = v.slot, 0, s.rate
	default:
		s.slot, s.rate, s.prior = v.slot, 0, 0
	}
	s.held.roll(v.now)
	s.queued.roll(v.now)
}

// rejoin tells the counters what was admitted without them.
func (l *Limiter) rejoin() {
	l.states.Range(func(id, v any) bool {
		s := v.(*state)     //nolint:forcetypeassert,errcheck // only state stores
		name := id.(string) //nolint:forcetypeassert,errcheck // only state stores
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.alone > 0 {
			l.settler.push(item{change: Change{Tenant: name, Day: s.aloneDay, Jobs: s.alone}})
		}
		for jobID, until := range s.held.alone {
			l.settler.push(item{change: Change{Tenant: name, Job: jobID, Held: true, Until: until}})
		}
		for jobID, until := range s.queued.alone {
			l.settler.push(item{change: Change{Tenant: name, Job: jobID, Queued: true, Until: until}})
		}
		s.alone, s.rate, s.prior, s.held, s.queued = 0, 0, 0, pool{}, pool{}
		return true
	})
}
