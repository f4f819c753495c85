package limits

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// state is what this gateway remembers of a tenant: what the counters last said, and what it admitted by itself since.
type state struct {
	holding atomic.Bool // one of its jobs has had a hold

	mu    sync.Mutex
	day   string // of used; a new one needs its counter's end set
	used  int64  // jobs of that day, as last heard
	held  int64  // holds, as last heard
	slot  int64  // window of rate and before
	rate  int64
	prior int64

	aloneDay string // of alone
	alone    int64  // jobs admitted without the counters
	freed    int64  // holds of before that ended meanwhile
	holds    map[string]time.Time
}

func (l *Limiter) state(id string) *state {
	if v, ok := l.states.Load(id); ok {
		return v.(*state) //nolint:forcetypeassert,errcheck // only this function stores
	}
	v, _ := l.states.LoadOrStore(id, &state{})
	return v.(*state) //nolint:forcetypeassert,errcheck // only this function stores
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
	s.day, s.used, s.held, s.freed = day, c.Day, c.Held, 0
}

// ended takes a job off the holds while the counters are away.
func (s *state) ended(jobID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.holds[jobID]; ok {
		delete(s.holds, jobID)
	} else {
		s.freed++
	}
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
		c.Held = int64(len(st.holds)) + 1
		bounds.MaxInFlight = max(1, (m-min(m, max(0, st.held-st.freed)))/n)
	}
	states, f := share.judge(c)
	if f != nil {
		l.cfg.OnAlone("refused")
		return states, f
	}
	l.cfg.OnAlone("admitted")
	st.alone, st.rate = st.alone+1, st.rate+1
	if a.Job != "" {
		if st.holds == nil {
			st.holds = make(map[string]time.Time)
		}
		st.holds[a.Job] = a.Until
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
	for id, until := range s.holds {
		if until.Before(v.now) {
			delete(s.holds, id)
		}
	}
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
		for jobID, until := range s.holds {
			l.settler.push(item{change: Change{Tenant: name, Job: jobID, Until: until}})
		}
		s.alone, s.rate, s.prior, s.freed, s.holds = 0, 0, 0, 0, nil
		return true
	})
}
