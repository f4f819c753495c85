package main

import (
	"fmt"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

const batchSize = 8

// batches asks what batching does to the bounds: what is in hand and waits for its batch is past the scheduler.
func batches(short bool) report {
	r := report{
		text: fmt.Sprintf("Workers run jobs in batches of up to %d, put together by the batcher of the product; each holds two batches for "+
			"every instance. A batch takes %.1f runs of a job when it is full, and %.0f %% of that however few are in it. Four loads: a quiet "+
			"tenant, at a fiftieth of the capacity, behind 100,000 jobs of a noisy one (bound: p99 at most 1.5 × alone, plus one full batch); 100 "+
			"equal tenants at twice the capacity; weights 1, 2 and 4, 10 tenants each; 1,000 tenants backlogged at once.", batchSize, fullBatch, 100*alone),
		heads: []string{"workers × instances, job", "quiet alone p99", "beside p50", "p99", "batches over the bound", "Jain of equal", "weights", "Jain of 1,000", "utilisation", "pulls per job"},
	}
	fleets := []fleetOf{{1, 2, 20 * time.Millisecond}, {20, 1, 50 * time.Millisecond}, {10, 4, 200 * time.Millisecond}}
	for _, f := range pick(short, fleets[:1], fleets) {
		batchRow(&r, f, short)
	}
	return r
}

func batchRow(r *report, f fleetOf, short bool) {
	s := setup{seed: 8, workers: f.workers, slots: f.slots, batch: batchSize, from: 6 * time.Second, until: pick(short, 30*time.Second, 90*time.Second)}
	full := batchTime(f.size, batchSize, batchSize)
	rate := float64(f.workers*f.slots*batchSize) / full.Seconds()
	run := func(load func(g *gateway)) *gateway {
		s.load = load
		return s.run()
	}
	quietly := func(g *gateway) { g.poisson(g.add("quiet", 0, 1, job.Standard, always(f.size)), rate/50, 0) }
	a := run(quietly).count.wait("quiet", 0.99)
	beside := run(func(g *gateway) {
		quietly(g)
		g.dump(g.add("noisy", 0, 1, job.Standard, always(f.size)), 100_000, 5*time.Second)
	})
	b := beside.count.wait("quiet", 0.99)
	over := max(0, (b-a*3/2).Seconds()/full.Seconds())

	equal := run(func(g *gateway) {
		for i := range 100 {
			g.poisson(g.add("equal", i, 1, job.Standard, always(f.size)), 2*rate/100, 0)
		}
	})
	jain := equal.count.jain(equal.tenants, "equal")

	weighted := run(func(g *gateway) {
		for i := range 30 {
			w := []float64{1, 2, 4}[i%3]
			g.keep(g.add(fmt.Sprint(w), i, w, job.Standard, always(f.size)), 100, 0)
		}
	})
	one := weighted.count.share(weighted.tenants, "1")
	two, four := weighted.count.share(weighted.tenants, "2")/one, weighted.count.share(weighted.tenants, "4")/one

	s.from, s.until = 16*time.Second, 144*time.Second
	many := run(func(g *gateway) {
		for i := range 1000 {
			g.keep(g.add("t", i, 1, job.Standard, always(f.size)), 60, 0)
		}
	})
	rotated := many.count.jain(many.tenants, "t")

	r.row(f, a, beside.count.wait("quiet", 0.5), b, over, jain, fmt.Sprintf("1 : %.3f : %.3f", two, four), rotated,
		percent(beside.count.utilisation()), beside.pullsPerJob())
	r.check(over <= 1, "%v: quiet p99 %v ≤ 1.5 × %v + %v", f, b, a, full)
	r.check(jain >= 0.99, "%v: Jain's index of 100 equal ones %.4f ≥ 0.99", f, jain)
	r.check(two > 1.9 && two < 2.1 && four > 3.8 && four < 4.2, "%v: weights 1 : %.3f : %.3f within 5 %%", f, two, four)
	r.check(rotated >= 0.98, "%v: Jain's index of 1,000 backlogged ones %.4f ≥ 0.98", f, rotated)
}
