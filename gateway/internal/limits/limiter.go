package limits

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// Names of the limits in the RateLimit headers.
const (
	rateName  = "tenant"
	quotaName = "daily"
)

const day = 24 * time.Hour

// Config tells how a limiter behaves.
type Config struct {
	// AloneFor is how long a gateway goes on by itself when the counters can't be reached; 5 minutes by default. After
	// it, and with a negative value at once, jobs are refused as overloaded.
	AloneFor time.Duration
	// Gateways is among how many gateways a tenant's limits are shared meanwhile; 1 by default.
	Gateways int
	// OnAlone hears of every decision made without the counters: "admitted", "refused" or "closed". Nil is fine.
	OnAlone func(decision string)
	// OnLost hears of corrections that were given up, because too many waited; nil is fine.
	OnLost func(n int)
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Limiter admits jobs. It is safe for concurrent use; Close ends its goroutine.
type Limiter struct {
	counters Counters
	cfg      Config
	settler  *settler
	states   sync.Map // tenant id → *state
	away     away
}

// New starts a limiter over the counters that all gateways share.
func New(counters Counters, tenants Tenants, cfg Config) *Limiter {
	if cfg.AloneFor == 0 {
		cfg.AloneFor = 5 * time.Minute
	}
	if cfg.Gateways < 1 {
		cfg.Gateways = 1
	}
	if cfg.OnAlone == nil {
		cfg.OnAlone = func(string) {}
	}
	if cfg.OnLost == nil {
		cfg.OnLost = func(int) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Limiter{counters: counters, cfg: cfg, settler: startSettler(counters, tenants, cfg.OnLost)}
}

// Close applies the corrections that wait, for as long as ctx lasts, and ends the limiter's goroutine.
func (l *Limiter) Close(ctx context.Context) error { return l.settler.close(ctx) }

// Admit counts one job of p's tenant and tells how its limits stand, or refuses: quota_exceeded, rate_limited,
// too_many_in_flight, queue_full, tenant_disabled; overloaded when the counters have been away for too long. A refusal
// has cost nothing when it returns. The job's place in the queue ends with Began, its hold in flight and whatever is left
// with Ended, or by themselves at until.
func (l *Limiter) Admit(ctx context.Context, p *tenant.Principal, jobID string, until time.Time) ([]job.LimitState, error) {
	t := &p.Tenant
	if !t.Enabled {
		return nil, fault.New(fault.TenantDisabled, "the tenant is disabled")
	}
	now := l.cfg.Now()
	st := l.state(t.ID)
	v := view(t, now)
	a := v.ask(jobID, until)
	st.expect(&a)
	if !l.away.try(now) {
		return l.alone(st, &v, a)
	}
	a.Fresh = st.fresh(a.Day)
	c, err := l.counters.Take(ctx, a)
	if err != nil {
		st.forgetDay()
		l.away.failed(now)
		return l.alone(st, &v, a)
	}
	if l.away.worked() {
		l.rejoin()
	}
	st.saw(a.Day, c)
	states, f := v.judge(c)
	if f == nil {
		if a.Queued > 0 {
			st.waits(&a)
		}
		return states, nil
	}
	back := Change{
		Tenant: t.ID, Day: a.Day, Jobs: -1, Window: a.Window, Slot: a.Slot, Requests: -1, Job: a.Job,
		Held: a.Max > 0, Queued: a.Queued > 0,
	}
	if a.Window == 0 {
		back.Requests = 0
	}
	if err := l.counters.Apply(ctx, []Change{back}); err != nil {
		l.settler.push(item{change: back})
	}
	return states, f
}

// Ended frees a job's holds. A refund names a count of the day's quota that is given back, once by that name; empty gives
// none back. It returns at once.
func (l *Limiter) Ended(_ context.Context, tenantID, jobID, refund string) {
	st, known := l.known(tenantID)
	if known && refund == "" && !st.holding.Load() {
		return // there is nothing to give back: the common end
	}
	if known {
		st.ended(jobID, l.away.since.Load() != 0)
	}
	c := Change{Tenant: tenantID, Job: jobID, Held: true, Queued: true}
	l.settler.push(item{change: c, ended: true, refund: refund, at: l.cfg.Now()})
}

// Began frees a job's place in the queue, as a worker has begun it. again tells that this may not be the first to say
// so: it then counts only for a job admitted here that is not known to have begun. It returns at once.
func (l *Limiter) Began(_ context.Context, tenantID, jobID string, again bool) {
	st, known := l.known(tenantID)
	if known && !st.queueing.Load() {
		return // its queue has no bound
	}
	here := known && st.began(jobID, l.away.since.Load() != 0)
	if again && !here {
		return
	}
	l.settler.push(item{change: Change{Tenant: tenantID, Job: jobID, Queued: true}, ended: true, at: l.cfg.Now()})
}

// Held lists up to n jobs that are counted as in flight: a gateway that died has left holds of jobs that have ended.
func (l *Limiter) Held(ctx context.Context, tenantID string, n int64) ([]string, error) {
	return l.counters.Held(ctx, tenantID, n)
}

// Queued lists jobs that are counted as not begun, for the same reason, out of the first n of them: all but those that
// were admitted here and whose start would have been told.
func (l *Limiter) Queued(ctx context.Context, tenantID string, n int64) ([]string, error) {
	ids, err := l.counters.Queued(ctx, tenantID, n)
	if st, known := l.known(tenantID); known && err == nil {
		ids = st.unsure(ids)
	}
	return ids, err
}

// Missed tells that starts and ends may have gone untold until now.
func (l *Limiter) Missed() {
	l.states.Range(func(_, v any) bool {
		v.(*state).missed() //nolint:forcetypeassert,errcheck // only state stores
		return true
	})
}

// Usage tells how much of its limits p's tenant has used.
func (l *Limiter) Usage(ctx context.Context, p *tenant.Principal) (Usage, error) {
	t := &p.Tenant
	now := l.cfg.Now()
	v := view(t, now)
	c, err := l.counters.Read(ctx, v.ask("usage", now))
	if err != nil {
		f := fault.Wrap(fault.Overloaded, err, "the counters can't be read at the moment")
		f.RetryAfter = time.Second
		return Usage{}, f
	}
	u := Usage{
		Tenant: t.ID, Date: v.day, TimeZone: t.Zone().String(), Used: c.Day, ResetsAt: now.Add(v.left).UTC().Truncate(time.Second),
		Rate: t.Rate,
	}
	if t.DailyQuota > 0 {
		left := max(0, t.DailyQuota-c.Day)
		u.DailyQuota, u.Remaining = &t.DailyQuota, &left
	}
	if t.MaxInFlight > 0 {
		u.InFlight, u.MaxInFlight = &c.Held, &t.MaxInFlight
	}
	if t.MaxQueued > 0 {
		u.Queued, u.MaxQueued = &c.Queued, &t.MaxQueued
	}
	return u, nil
}

// moment is a tenant's bounds at one time.
type moment struct {
	t      *tenant.Tenant
	now    time.Time
	day    string
	left   time.Duration // of the day
	window time.Duration
	slot   int64
	passed time.Duration // of the window
}

func view(t *tenant.Tenant, now time.Time) moment {
	v := moment{t: t, now: now, window: t.Window()}
	v.day, v.left = dayOf(now, t.Zone())
	if v.window > 0 {
		v.slot, v.passed = slotOf(now, v.window)
	}
	return v
}

func (v *moment) ask(jobID string, until time.Time) Ask {
	a := Ask{
		Tenant: v.t.ID, Day: v.day, Window: v.window, Slot: v.slot, Now: v.now, Max: v.t.MaxInFlight, Queued: v.t.MaxQueued,
	}
	if a.Max > 0 || a.Queued > 0 {
		a.Job, a.Until = jobID, until
	}
	return a
}

// judge compares the sums with the bounds. The states stand for what is left after a refusal, too.
func (v *moment) judge(c Count) ([]job.LimitState, *fault.Error) {
	var states []job.LimitState
	var refusal *fault.Error
	if q := v.t.DailyQuota; q > 0 {
		states = make([]job.LimitState, 0, 2)
		states = append(states, job.LimitState{
			Name: quotaName, Limit: q, Window: day, Remaining: max(0, q-c.Day), Reset: v.left,
		})
		if c.Day > q {
			refusal = fault.New(fault.QuotaExceeded, "the daily quota of %d jobs is used up", q)
			refusal.RetryAfter = v.left
		}
	}
	if v.window > 0 {
		limit := v.t.Rate.Limit
		used := weigh(c.Rate, c.Before, v.passed, v.window)
		states = append(states, job.LimitState{
			Name: rateName, Limit: limit, Window: v.window, Reset: v.window - v.passed,
			Remaining: max(0, int64(math.Floor(float64(limit)-used))),
		})
		if used > float64(limit) && refusal == nil {
			refusal = fault.New(fault.RateLimited, "more than %d requests in %s", limit, v.window)
			refusal.RetryAfter = max(time.Millisecond, room(min(c.Rate-1, limit), c.Before, limit, v.passed, v.window))
		}
	}
	if m := v.t.MaxInFlight; m > 0 && c.Held > m && refusal == nil {
		refusal = fault.New(fault.TooManyInFlight, "%d jobs are in flight, as many as may be", m)
		refusal.RetryAfter = time.Second
	}
	if m := v.t.MaxQueued; m > 0 && c.Queued > m && refusal == nil {
		refusal = fault.New(fault.QueueFull, "%d jobs wait to be started, as many as may", m)
		refusal.RetryAfter = time.Second
	}
	return states, refusal
}

// away is whether the counters can be reached. Times are Unix nanoseconds; 0 means never.
type away struct {
	since atomic.Int64 // when they were lost
	next  atomic.Int64 // nobody asks before
}

// probeEvery is how long after a failure the next caller asks again.
const probeEvery = 500 * time.Millisecond

// try tells whether this caller should ask the counters.
func (a *away) try(now time.Time) bool {
	next := a.next.Load()
	if next == 0 {
		return true
	}
	n := now.UnixNano()
	return n >= next && a.next.CompareAndSwap(next, n+int64(probeEvery))
}

func (a *away) failed(now time.Time) {
	n := now.UnixNano()
	a.since.CompareAndSwap(0, n)
	a.next.Store(n + int64(probeEvery))
}

// worked tells whether the counters were away until now.
func (a *away) worked() bool {
	if a.next.Load() == 0 {
		return false
	}
	a.next.Store(0)
	return a.since.Swap(0) != 0
}
