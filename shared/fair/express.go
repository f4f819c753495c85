package fair

import "time"

// express is a worker's view of one class's express lane.
type express struct {
	asked   int       // credit that does not wait
	parked  int       // credit that waits
	waiting int       // jobs that the lane held when last heard of
	heard   time.Time // when that was
	v       float64   // virtual time: how far the lane is served beyond its tenants' shares

	recent [256]*account // of the last deliveries, a ring
	seen   int           // deliveries ever
}

// known is how many jobs wait there for which no credit was given.
func (x *express) known() int { return max(0, x.waiting-x.asked-x.parked) }

// unheard tells that jobs may have come since the lane was heard of.
func (x *express) unheard(now time.Time, fresh time.Duration) bool {
	return x.asked == 0 && x.parked == 0 && x.waiting == 0 && now.Sub(x.heard) > fresh
}

func (x *express) delivered(waited bool, waiting int, a *account, now time.Time) {
	if waited {
		x.parked = max(0, x.parked-1)
	} else {
		x.asked = max(0, x.asked-1)
	}
	x.waiting, x.heard = waiting, now
	x.recent[x.seen%len(x.recent)] = a
	x.seen++
}

// weight estimates the sum of the weights of the distinct tenants that wait in the lane. The last deliveries are a
// sample of it. A tenant has at most bound jobs there, which bounds the number of tenants from below, and so does the
// number seen. Where the sample is smaller than the lane, pairs of the same tenant in it say how many there are: of n
// equal tenants, every n-th pair is one.
func (x *express) weight(bound int) float64 {
	m := min(x.seen, x.waiting+1, len(x.recent))
	if m == 0 {
		return 1
	}
	counts := map[*account]int{}
	sum := 0.0
	for i := range m {
		a := x.recent[(x.seen-1-i)%len(x.recent)]
		counts[a]++
		if counts[a] == 1 {
			sum += a.weight
		}
	}
	tenants := float64(len(counts))
	mean := sum / tenants
	pairs := 0
	for _, n := range counts {
		pairs += n * (n - 1) / 2
	}
	if m <= x.waiting && pairs > 0 {
		tenants = max(tenants, float64(m*(m-1)/2)/float64(pairs))
	}
	tenants = max(tenants, float64(x.waiting+1)/float64(bound))
	return mean * min(tenants, float64(x.waiting+1))
}
