package fair

import "time"

// express is a worker's view of one class's express lane.
type express struct {
	asked   int       // credit that does not wait
	parked  int       // credit that waits
	waiting int       // jobs that the lane held when last heard of
	heard   time.Time // when that was
	came    time.Time // when a job last came
	empties int       // how often it was asked in vain since the last delivery
	v       float64   // virtual time: how far the lane is served beyond its tenants' shares

	recent [256]charged // the last deliveries that were charged, a ring
	seen   int          // how many were ever

	counted int     // seen when the next two were worked out
	tenants float64 // distinct ones that are beyond their shares
	mean    float64 // their mean weight
}

// charged is a delivery whose tenant was not well within its share.
type charged struct {
	a *account
	v float64 // the class's virtual time then
}

// known is how many jobs wait there for which no credit was given.
func (x *express) known() int { return max(0, x.waiting-x.asked-x.parked) }

// lively tells that a job came lately.
func (x *express) lively(now time.Time, lately time.Duration) bool { return now.Sub(x.came) < lately }

// unheard tells that jobs may have come since the lane was heard of.
func (x *express) unheard(now time.Time, fresh time.Duration) bool {
	return x.asked == 0 && x.parked == 0 && x.waiting == 0 && now.Sub(x.heard) > fresh
}

func (x *express) delivered(waited bool, waiting int, now time.Time) {
	if waited {
		x.parked = max(0, x.parked-1)
	} else {
		x.asked = max(0, x.asked-1)
	}
	x.waiting, x.heard, x.came, x.empties = waiting, now, now, 0
}

// charge adds a job to what the lane is served beyond its tenants' shares, as a part of what they all get together.
func (x *express) charge(a *account, run float64, v, mean float64, config Config) {
	x.recent[x.seen%len(x.recent)] = charged{a, v}
	x.seen++
	if m := min(x.seen, len(x.recent)); x.tenants == 0 || x.seen-x.counted > m/16 {
		x.count(v - float64(config.ExpressBound)*mean)
	}
	w := x.weight(config.ExpressBound)
	x.v = max(x.v, v-2*mean) + run/w
	x.v = min(x.v, v+float64(config.Slots)*mean/w)
}

// weight estimates the sum of the weights of the tenants that would take more of the lane than their shares. A tenant has
// at most bound jobs there, which bounds their number from below.
func (x *express) weight(bound int) float64 {
	if x.seen == 0 {
		return 1
	}
	return x.mean * max(x.tenants, float64(x.waiting+1)/float64(bound))
}

// count looks at the deliveries charged since a virtual time. There are at least as many tenants as were seen; and where
// there were more deliveries than are remembered, pairs of the same tenant tell how many: of n equal tenants, every
// n-th pair is one.
func (x *express) count(since float64) {
	x.counted = x.seen
	counts := map[*account]int{}
	sum, m := 0.0, 0
	for ; m < min(x.seen, len(x.recent)); m++ {
		d := x.recent[(x.seen-1-m)%len(x.recent)]
		if m > 0 && d.v < since {
			break
		}
		counts[d.a]++
		if counts[d.a] == 1 {
			sum += d.a.weight
		}
	}
	x.tenants = float64(len(counts))
	x.mean = sum / x.tenants
	pairs := 0
	for _, n := range counts {
		pairs += n * (n - 1) / 2
	}
	if m == len(x.recent) && pairs > 0 {
		x.tenants = max(x.tenants, float64(m*(m-1)/2)/float64(pairs))
	}
}
