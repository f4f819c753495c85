package fair

import (
	"cmp"
	"slices"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

// Lane is which of a tenant's two lanes a job goes to.
type Lane bool

// The two lanes.
const (
	Express Lane = false
	Backlog Lane = true
)

// LaneFor decides where a tenant's next job of a model and class goes. express and backlog are how many unfinished ones
// it has on each lane, without the new one. Express is for at most bound of them; and while any is in the backlog, the
// new one goes behind it, since an express job would overtake it, and the tenant would be served twice.
func LaneFor(express, backlog, bound int) Lane {
	return Lane(backlog > 0 || express >= bound)
}

// leastBound is how many unfinished jobs a tenant may have on the express lane beyond its even part, at least.
const leastBound = 8

// Bound is how many unfinished jobs of a model a tenant may have on the express lane: its even part of the workers' slots
// and some more, so that what waits elsewhere really waits. tenants are those with unfinished jobs. Fewer where there is a
// crowd were worse: many short backlogs then take turns of a second, where one line is quick.
func Bound(slots, tenants int) int {
	even := slots / max(1, tenants)
	return even + max(leastBound, even/4)
}

// Hint tells workers that a tenant has a backlog.
type Hint struct {
	Model  string
	Class  job.Class
	Tenant string
	Weight float64
}

// Hinter decides when a gateway sends hints: at once for the first job of a backlog, and then at most one in an
// interval, the last of them after the last job. The interval is longer for a long backlog, which no worker will find
// empty soon, and where many tenants have one, so that all hints together stay within some hundreds a second.
type Hinter struct {
	every, long time.Duration
	sent        map[hintKey]*hinted
	due         []hintKey // oldest first: jobs came since the last hint
}

type hintKey struct {
	model  string
	class  job.Class
	tenant string
}

type hinted struct {
	at      time.Time // of the last hint
	next    time.Time // when one may follow
	weight  float64
	waiting bool // in due
}

const (
	longBacklog = 256
	mostHints   = 500 // a second, save the first of each tenant
)

// NewHinter makes one; zero means 100 ms.
func NewHinter(every time.Duration) *Hinter {
	every = orDefault(every, 100*time.Millisecond)
	return &Hinter{every: every, long: 10 * every, sent: map[hintKey]*hinted{}}
}

// Published hears of a job put on a backlog lane, with the tenant's jobs there; it tells whether to send the hint now.
// Otherwise Due gives it later.
func (h *Hinter) Published(x Hint, backlog int, now time.Time) bool {
	k := hintKey{x.Model, x.Class, x.Tenant}
	s := h.sent[k]
	if s == nil {
		s = &hinted{}
		h.sent[k] = s
	}
	s.weight = x.Weight
	if now.Before(s.next) {
		if !s.waiting {
			s.waiting = true
			h.due = append(h.due, k)
		}
		return false
	}
	s.at, s.next = now, now.Add(h.interval(backlog))
	return true
}

// Waiting tells that Due will have something to give.
func (h *Hinter) Waiting() bool { return len(h.due) > 0 }

func (h *Hinter) interval(backlog int) time.Duration {
	many := time.Duration(len(h.sent)) * time.Second / mostHints
	if backlog > longBacklog {
		return max(h.long, many)
	}
	return max(h.every, many)
}

// Due gives the hints whose time has come, in order of model, class and tenant; call it every few tens of milliseconds.
// What was not heard of for a while is forgotten.
func (h *Hinter) Due(now time.Time) []Hint {
	var out []Hint
	rest := h.due[:0]
	for _, k := range h.due {
		s := h.sent[k]
		if now.Before(s.next) {
			rest = append(rest, k)
			continue
		}
		s.waiting, s.at, s.next = false, now, now.Add(h.interval(0))
		out = append(out, Hint{k.model, k.class, k.tenant, s.weight})
	}
	h.due = rest
	for k, s := range h.sent {
		if !s.waiting && now.Sub(s.next) > 10*h.long {
			delete(h.sent, k)
		}
	}
	slices.SortFunc(out, func(a, b Hint) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Tenant, b.Tenant))
	})
	return out
}
