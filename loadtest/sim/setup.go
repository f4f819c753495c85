package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// setup is one run of the simulation.
type setup struct {
	seed    uint64
	workers int
	slots   int
	mixed   bool // workers of 1, 2, 4 or 8 slots and of speed 1/2, 1 or 2; slots is not used
	bound   int  // express bound; 0: the product's, which goes by the slots and the tenants
	batch   int  // jobs in one run, by the batcher; 0: each runs alone in a slot. Slots are then two batches for each instance
	from    time.Duration
	until   time.Duration // figures are of what happened between from and until
	picture bool
	load    func(g *gateway)
}

func (s setup) run() *gateway {
	w := newWorld(s.seed)
	g := newGateway(w, &s)
	s.load(g)
	w.run(s.until)
	for _, x := range g.workers {
		x.stop()
	}
	return g
}

// capacity is how many seconds of work at speed 1 all workers do in a second.
func (g *gateway) capacity() float64 {
	sum := 0.0
	for _, x := range g.workers {
		sum += x.does() * x.speed
	}
	return sum
}

// alone is the part of a batch's run time that it takes however few jobs are in it. A full batch of 8 does as much as five
// runs of one job.
const alone = 0.55

// batchTime is how long jobs run together, the longest of which takes longest, in batches of at most size.
func batchTime(longest time.Duration, jobs, size int) time.Duration {
	return time.Duration(float64(longest) * (alone + (1-alone)*float64(jobs)/float64(size)) * fullBatch)
}

// fullBatch is how long a full batch runs, as a multiple of one of its jobs by itself.
const fullBatch = 1.6

// always is a job of one length.
func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// heavy draws lengths from a bounded Pareto distribution with tail index 1.3: most are short, few are very long.
func heavy(r *rand.Rand, least, most time.Duration) func() time.Duration {
	const tail = 1.3
	l, h := math.Pow(least.Seconds(), tail), math.Pow(most.Seconds(), tail)
	return func() time.Duration {
		u := r.Float64()
		x := math.Pow(-(u*h-u*l-h)/(h*l), -1/tail)
		return time.Duration(x * float64(time.Second))
	}
}

// heavyMean is the mean of that.
func heavyMean(least, most time.Duration) float64 {
	const a = 1.3
	l, h := least.Seconds(), most.Seconds()
	return math.Pow(l, a) / (1 - math.Pow(l/h, a)) * a / (a - 1) * (1/math.Pow(l, a-1) - 1/math.Pow(h, a-1))
}
