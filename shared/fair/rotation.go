package fair

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"
)

// backlog is a worker's view of one tenant's backlog in one class.
type backlog struct {
	source Source
	weight float64
	a      *account

	asked, running int
	parked         int       // credit that waits there, though it was empty
	held           float64   // seconds charged for what runs
	waiting        int       // jobs that it held when last heard of; -1 when it was not
	hinted         time.Time // last hint
	recheck        time.Time // when a doubtful one is asked once more
	used           time.Time // last ask, delivery or end
	listed         bool      // on the ring: it is believed to hold jobs
	open           bool
	doubtful       bool // to be asked once more at recheck, though found empty

	share, next float64 // weight in the window now, and as it is being worked out; 0: outside
	v           float64 // virtual time, while in the window
	lead        float64 // seconds served beyond the share, while outside
	fresh       bool    // never been in the window since listed
}

// ready tells that the backlog may be asked for one more job.
func (b *backlog) ready() bool {
	return b.listed && b.share > 0 && (b.waiting < 0 || b.waiting > b.asked+b.parked)
}

// unknown tells that it may be empty by now, and that this will only be known when it is asked.
func (b *backlog) unknown() bool { return b.waiting < 0 && b.asked == 0 }

// lively tells that jobs are likely to come to a backlog that holds none: its tenant sends about as many as the slots.
func (b *backlog) lively(now time.Time, lately time.Duration) bool {
	return !b.listed && (b.running > 0 || now.Sub(b.used) < lately)
}

// arc is a piece of the ring.
type arc struct {
	at     uint64 // where on the ring; only the order counts
	length float64
	b      *backlog
}

const maxArcs = 64 // of one tenant

// ring holds a class's backlogs in an order that is the same for all workers.
type ring struct {
	arcs    []arc
	total   float64 // of their lengths
	tenants int
	window  []*backlog // those with a share
}

// add lays a backlog's arcs. A weight of n is n arcs of length 1, apart from each other, so that heavy tenants are
// served often and not long, and the window never covers more tenants than it is long.
func (r *ring) add(b *backlog) {
	n := arcsOf(b.weight)
	for i := range n {
		x := arc{hash(b.source.Tenant, uint64(i)), b.weight / float64(n), b}
		at, _ := slices.BinarySearchFunc(r.arcs, x, compareArcs)
		r.arcs = slices.Insert(r.arcs, at, x)
	}
	r.total += b.weight
	r.tenants++
}

func (r *ring) remove(b *backlog) {
	n := arcsOf(b.weight)
	for i := range n {
		x := arc{at: hash(b.source.Tenant, uint64(i)), b: b}
		at, ok := slices.BinarySearchFunc(r.arcs, x, compareArcs)
		if ok {
			r.arcs = slices.Delete(r.arcs, at, at+1)
		}
	}
	r.total -= b.weight
	r.tenants--
	if r.tenants == 0 {
		r.total = 0
	}
}

func arcsOf(weight float64) int { return min(max(int(weight), 1), maxArcs) }

func compareArcs(a, b arc) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.b.source.Tenant, b.b.source.Tenant))
}

// turn works out who is in the window at a time, with which share, when most tenants may be there. Shares add up to
// the weight of the whole ring, so that they stand in the right proportion to the express lane.
func (r *ring) turn(now time.Time, dwell time.Duration, most int) (before []*backlog) {
	before = r.window
	for _, b := range before {
		b.next = 0
	}
	r.window = nil
	if r.tenants <= most {
		for _, x := range r.arcs {
			r.cover(x.b, x.length)
		}
		return before
	}
	parts, part := partOf(now, dwell, r.total/float64(most-1)) // of which it covers two tenants' in part at its ends
	length := r.total / float64(parts)
	r.slice(float64(part)*length, float64(part+1)*length, float64(parts))
	return before
}

// slice covers what lies from start to end.
func (r *ring) slice(start, end, scale float64) {
	at := 0.0
	for _, x := range r.arcs {
		if covered := min(end, at+x.length) - max(start, at); covered > 0 {
			r.cover(x.b, covered*scale)
		}
		at += x.length
	}
}

func (r *ring) cover(b *backlog, share float64) {
	if b.next == 0 {
		r.window = append(r.window, b)
	}
	b.next += share
}

// partOf cuts the ring into parts, a power of two and at least so many, and says which of them has its turn. The turns go in
// the order of the reversed bits: so, of two workers one of which cuts the ring twice as often, as they know of
// slightly different tenants, the one's part always lies within the other's.
func partOf(now time.Time, dwell time.Duration, least float64) (parts, part uint64) {
	n := bits.Len64(uint64(max(1, math.Ceil(least))) - 1)
	turn := uint64(now.UnixNano() / int64(dwell)) //nolint:gosec // after 1970
	return 1 << n, bits.Reverse64(turn<<(64-n)) & (1<<n - 1)
}

// hash is the same everywhere (FNV-1a, finished so that near names lie far apart).
func hash(s string, salt uint64) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= salt * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
