package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

// scenario is a question, and the runs that answer it.
type scenario struct {
	name, title string
	run         func(short bool) report
}

// report is what a scenario found.
type report struct {
	text   string // what was simulated
	heads  []string
	rows   [][]string
	checks []check
	g      *gateway // whose waits are drawn; nil: none
}

// check is a bound that must hold.
type check struct {
	what string
	ok   bool
}

func (r *report) row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		switch v := c.(type) {
		case time.Duration:
			row[i] = fmt.Sprintf("%.1f ms", float64(v.Microseconds())/1000)
		case float64:
			row[i] = fmt.Sprintf("%.4f", v)
		default:
			row[i] = fmt.Sprint(v)
		}
	}
	r.rows = append(r.rows, row)
}

func (r *report) check(ok bool, format string, args ...any) {
	r.checks = append(r.checks, check{fmt.Sprintf(format, args...), ok})
}

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func (g *gateway) pullsPerJob() string {
	return fmt.Sprintf("%.2f", float64(g.b.pulls)/float64(max(1, g.count.all)))
}

func pick[T any](short bool, a, b T) T {
	if short {
		return a
	}
	return b
}

func scenarios() []scenario {
	return []scenario{
		{"quiet", "A quiet tenant behind 100,000 jobs of a noisy one", quiet},
		{"equal", "A hundred equally loaded tenants at twice the capacity", equal},
		{"weights", "Weights 1 : 2 : 4", weights},
		{"bound", "Tenants that always fill the express bound, beside backlogged ones", bound},
		{"rotation", "A thousand tenants backlogged at once", rotation},
		{"priorities", "Priorities", priorities},
		{"batches", "Jobs that run in batches", batches},
		{"fleet", "Ten thousand tenants, a thousand workers of mixed speed, heavy-tailed jobs", fleet},
		{"fleet-batches", "The same fleet with jobs in batches", fleetBatches},
	}
}

// fleetOf is workers, slots of each, and how long a job runs.
type fleetOf struct {
	workers, slots int
	size           time.Duration
}

func (f fleetOf) String() string {
	return fmt.Sprintf("%d × %d slots, %v", f.workers, f.slots, f.size)
}

// rate is how many jobs a second it can do.
func (f fleetOf) rate() float64 { return float64(f.workers*f.slots) / f.size.Seconds() }

func quiet(short bool) report {
	r := report{
		text: "A quiet tenant sends jobs one at a time, at a fiftieth of the capacity; from 5 s on, a noisy one has " +
			"100,000 jobs waiting. Alone: the same run without the noisy one. Bound: p99 at most 1.5 × alone, plus one job's run.",
		heads: []string{"workers, job", "alone p50", "alone p99", "beside p50", "beside p99", "noisy p50", "utilisation", "pulls per job"},
	}
	fleets := []fleetOf{{1, 16, 20 * time.Millisecond}, {1, 1, 20 * time.Millisecond}, {20, 4, 50 * time.Millisecond}, {10, 1, 500 * time.Millisecond}, {50, 2, 2 * time.Second}}
	for i, f := range pick(short, fleets[:3], fleets) {
		s := setup{seed: 1, workers: f.workers, slots: f.slots, from: 6 * time.Second, until: pick(short, 20*time.Second, 60*time.Second)}
		rate := f.rate() / 50
		if f.size > 100*time.Millisecond {
			s.until *= 10
		}
		s.load = func(g *gateway) {
			g.poisson(g.add("quiet", 0, 1, job.Standard, always(f.size)), rate, 0)
		}
		alone := s.run()
		s.picture = i == 0
		s.load = func(g *gateway) {
			g.poisson(g.add("quiet", 0, 1, job.Standard, always(f.size)), rate, 0)
			g.dump(g.add("noisy", 0, 1, job.Standard, always(f.size)), 100_000, 5*time.Second)
		}
		beside := s.run()
		if i == 0 {
			r.g = beside
		}
		a, b := alone.count.wait("quiet", 0.99), beside.count.wait("quiet", 0.99)
		r.row(f, alone.count.wait("quiet", 0.5), a, beside.count.wait("quiet", 0.5), b, beside.count.wait("noisy", 0.5),
			percent(beside.count.utilisation()), beside.pullsPerJob())
		r.check(b <= a*3/2+f.size, "%v: quiet p99 %v ≤ 1.5 × %v + %v", f, b, a, f.size)
		r.check(beside.count.utilisation() > 0.9, "%v: utilisation %s > 90 %%", f, percent(beside.count.utilisation()))
	}
	return r
}

func equal(short bool) report {
	r := report{
		text:  "Each of 100 tenants sends at random times, all together twice what the workers can do.",
		heads: []string{"workers, job", "Jain", "p50", "p99", "utilisation", "pulls per job", "consumers at most"},
	}
	fleets := []fleetOf{{1, 16, 20 * time.Millisecond}, {20, 4, 50 * time.Millisecond}, {50, 8, 400 * time.Millisecond}}
	for _, f := range pick(short, fleets[:2], fleets) {
		s := setup{seed: 2, workers: f.workers, slots: f.slots, from: 10 * time.Second, until: pick(short, 42*time.Second, 138*time.Second)}
		s.load = func(g *gateway) {
			for i := range 100 {
				g.poisson(g.add("equal", i, 1, job.Standard, always(f.size)), 2*f.rate()/100, 0)
			}
		}
		g := s.run()
		jain := g.count.jain(g.tenants, "equal")
		r.row(f, jain, g.count.wait("equal", 0.5), g.count.wait("equal", 0.99), percent(g.count.utilisation()), g.pullsPerJob(), g.b.most)
		r.check(jain >= 0.99, "%v: Jain's index %.4f ≥ 0.99", f, jain)
	}
	return r
}

func weights(short bool) report {
	r := report{
		text:  "Equal numbers of tenants of weight 1, 2 and 4, all with 30 jobs unfinished at any time. The shares are over that of weight 1.",
		heads: []string{"workers, job", "tenants", "weight 2", "weight 4", "Jain over weights", "utilisation", "pulls per job", "consumers at most"},
	}
	type run struct {
		fleetOf
		tenants int
	}
	runs := []run{
		{fleetOf{1, 16, 20 * time.Millisecond}, 3},
		{fleetOf{20, 4, 50 * time.Millisecond}, 30},
		{fleetOf{20, 4, 50 * time.Millisecond}, 150},
		{fleetOf{100, 1, 200 * time.Millisecond}, 30},
		{fleetOf{100, 4, 200 * time.Millisecond}, 300},
	}
	for _, f := range pick(short, runs[:2], runs) {
		s := setup{seed: 3, workers: f.workers, slots: f.slots, from: 10 * time.Second, until: pick(short, 42*time.Second, 138*time.Second)}
		s.load = func(g *gateway) {
			for i := range f.tenants {
				w := []int{1, 2, 4}[i%3]
				g.keep(g.add(strconv.Itoa(w), i, float64(w), job.Standard, always(f.size)), 30, 0)
			}
		}
		g := s.run()
		one := g.count.share(g.tenants, "1")
		two, four := g.count.share(g.tenants, "2")/one, g.count.share(g.tenants, "4")/one
		r.row(f.fleetOf, f.tenants, two, four, g.count.jain(g.tenants, "1", "2", "4"), percent(g.count.utilisation()), g.pullsPerJob(), g.b.most)
		r.check(two > 1.9 && two < 2.1 && four > 3.8 && four < 4.2, "%v, %d tenants: 1 : %.3f : %.3f within 5 %%", f.fleetOf, f.tenants, two, four)
	}
	return r
}

func bound(short bool) report {
	r := report{
		text: "A filler has 8 jobs unfinished at any time, which all go to the express lane; a backlogged tenant has 100. " +
			"Share: what a filler got over what a backlogged tenant got.",
		heads: []string{"workers, job", "fillers", "backlogged", "share", "Jain over all", "utilisation", "pulls per job"},
	}
	type run struct {
		fleetOf
		fillers, backlogged int
	}
	small, wide := fleetOf{1, 16, 20 * time.Millisecond}, fleetOf{20, 4, 50 * time.Millisecond}
	runs := []run{
		{small, 1, 10},
		{small, 20, 1},
		{wide, 20, 1},
		{fleetOf{1, 4, 20 * time.Millisecond}, 1, 1},
		{small, 20, 20},
		{wide, 50, 50},
		{wide, 200, 10},
		{wide, 1, 40},
	}
	for _, f := range pick(short, runs[:3], runs) {
		s := setup{seed: 4, workers: f.workers, slots: f.slots, bound: 8, from: 10 * time.Second, until: pick(short, 42*time.Second, 138*time.Second)}
		s.load = func(g *gateway) {
			for i := range f.fillers {
				g.keep(g.add("filler", i, 1, job.Standard, always(f.size)), 8, 0)
			}
			for i := range f.backlogged {
				g.keep(g.add("backlogged", i, 1, job.Standard, always(f.size)), 100, time.Second)
			}
		}
		g := s.run()
		share := g.count.share(g.tenants, "filler") / g.count.share(g.tenants, "backlogged")
		jain := g.count.jain(g.tenants, "filler", "backlogged")
		r.row(f.fleetOf, f.fillers, f.backlogged, share, jain, percent(g.count.utilisation()), g.pullsPerJob())
		r.check(share > 0.9 && share < 1.1, "%v, %d fillers, %d backlogged: share %.3f within 10 %%", f.fleetOf, f.fillers, f.backlogged, share)
	}
	return r
}

func rotation(short bool) report {
	r := report{
		text:  "Each of 1,000 tenants has 60 jobs unfinished at any time; measured over whole rounds of the rotation (64 s).",
		heads: []string{"workers, job", "over", "Jain", "least / mean", "utilisation", "pulls per job", "consumers at most", "made per s", "broker time for them"},
	}
	fleets := []fleetOf{{20, 16, 100 * time.Millisecond}, {1, 16, 20 * time.Millisecond}, {200, 4, 200 * time.Millisecond}}
	for _, f := range pick(short, fleets[:1], fleets) {
		s := setup{seed: 5, workers: f.workers, slots: f.slots, from: 16 * time.Second, until: pick(short, 80*time.Second, 144*time.Second)}
		s.load = func(g *gateway) {
			for i := range 1000 {
				g.keep(g.add("t", i, 1, job.Standard, always(f.size)), 60, 0)
			}
		}
		g := s.run()
		jain := g.count.jain(g.tenants, "t")
		least := g.count.share(g.tenants, "t")
		for _, t := range g.tenants {
			least = min(least, g.count.work[t].Seconds())
		}
		made := float64(g.b.makes) / s.until.Seconds()
		cost := (float64(g.b.makes)*makeConsumer.Seconds() + float64(g.b.drops)*dropConsumer.Seconds()) / s.until.Seconds()
		r.row(f, s.until-s.from, jain, least/g.count.share(g.tenants, "t"), percent(g.count.utilisation()), g.pullsPerJob(), g.b.most, made, percent(cost))
		r.check(jain >= 0.98, "%v: Jain's index %.4f ≥ 0.98 over %v", f, jain, s.until-s.from)
		r.check(g.b.most <= 128, "%v: %d consumers at most, ≤ 128", f, g.b.most)
	}
	return r
}

func priorities(short bool) report {
	r := report{
		text: "Four tenants have 200 batch jobs unfinished each, ten fill the express lane of batch, one of standard too in " +
			"the last row; interactive jobs come from 50 tenants at random times, at a part of the capacity. Passed: handed out while " +
			"an interactive job had waited on the express lane for 2 ms.",
		heads: []string{"workers, job", "interactive load", "interactive p50", "p99", "its share", "standard share", "batch share", "batch jobs that passed", "utilisation", "pulls per job"},
	}
	type run struct {
		fleetOf
		load     float64
		standard bool
	}
	small, wide := fleetOf{1, 16, 20 * time.Millisecond}, fleetOf{20, 4, 50 * time.Millisecond}
	runs := []run{{small, 0.5, false}, {small, 2, false}, {wide, 0.5, false}, {wide, 0.8, false}, {wide, 2, false}, {wide, 2, true}}
	for _, f := range pick(short, runs[:2], runs) {
		s := setup{seed: 6, workers: f.workers, slots: f.slots, from: 10 * time.Second, until: pick(short, 40*time.Second, 130*time.Second)}
		s.load = func(g *gateway) {
			for i := range 50 {
				g.poisson(g.add("interactive", i, 1, job.Interactive, always(f.size)), f.load*f.rate()/50, 5*time.Second)
			}
			for i := range 4 {
				g.keep(g.add("batch", i, 1, job.Batch, always(f.size)), 200, 0)
			}
			for i := range 10 {
				g.keep(g.add("batch-express", i, 1, job.Batch, always(f.size)), 8, 0)
			}
			if f.standard {
				g.keep(g.add("standard", 0, 1, job.Standard, always(f.size)), 200, 0)
			}
		}
		g := s.run()
		total := 0.0
		for _, d := range g.count.classes {
			total += d.Seconds()
		}
		part := func(c job.Class) float64 { return g.count.classes[c].Seconds() / total }
		p99 := g.count.wait("interactive", 0.99)
		r.row(f.fleetOf, f.load, g.count.wait("interactive", 0.5), p99, percent(part(job.Interactive)), percent(part(job.Standard)), percent(part(job.Batch)),
			fmt.Sprintf("%d of %d", g.b.passed, g.b.batch), percent(g.count.utilisation()), g.pullsPerJob())
		if f.load < 1 {
			r.check(p99 <= f.size*5/4, "%v, load %.1f: interactive p99 %v within one job's run of a worker full of batch", f.fleetOf, f.load, p99)
		} else {
			r.check(part(job.Batch) > 0.04 && part(job.Batch) < 0.1, "%v, load %.1f: batch has %s", f.fleetOf, f.load, percent(part(job.Batch)))
		}
	}
	return r
}

// fleetRun is one fleet: how many tenants and workers, the load over the capacity, and the longest job.
type fleetRun struct {
	tenants, workers int
	load             float64
	longest          time.Duration
	batch            int // jobs in one run; 0: each alone
}

func fleet(short bool) report {
	if short {
		return fleetWith(short, fleetRun{300, 50, 2, 5 * time.Second, 0})
	}
	return fleetWith(short,
		fleetRun{1000, 100, 2, 5 * time.Second, 0},
		fleetRun{1000, 100, 2, 5 * time.Minute, 0},
		fleetRun{10_000, 1000, 0.8, 5 * time.Minute, 0},
		fleetRun{10_000, 1000, 2, 5 * time.Minute, 0},
	)
}

// fleetBatches has jobs of one length: engines put those of about equal length into a batch, as it runs as long as the
// longest.
func fleetBatches(short bool) report {
	runs := []fleetRun{{1000, 100, 2, 500 * time.Millisecond, batchSize}, {10_000, 1000, 2, 500 * time.Millisecond, batchSize}}
	if short {
		runs = []fleetRun{{300, 20, 2, 500 * time.Millisecond, batchSize}}
	}
	r := fleetWith(short, runs...)
	r.text = "As above, but each worker has as many instances as it had slots, which run batches of up to 8 jobs of 500 ms each. Bound: a " +
		"quiet p99 of 1.5 times that of the quiet tenants alone, plus one full batch on the slowest worker."
	return r
}

const shortestJob = 200 * time.Millisecond

func fleetWith(short bool, runs ...fleetRun) report {
	r := report{
		text: "Workers of 1, 2, 4 or 8 slots and of speed 1/2, 1 or 2, each with a clock up to 50 ms off; 1 in 100 hints is lost. " +
			"Jobs run 200 ms to 5 s or 5 min (bounded Pareto, tail 1.3) at speed 1. Nine tenants in ten are quiet and send together " +
			"a third of the capacity, evenly; the others, the noisy ones, send the rest of the load. Bound: a quiet p99 of the mean run of a job.",
		heads: []string{"tenants / workers", "load", "jobs up to", "quiet p50", "p99", "noisy p50", "p99", "Jain of noisy", "utilisation", "pulls per job", "consumers pulled from", "all", "made per s"},
	}
	for i, f := range runs {
		s := setup{seed: 7, picture: i == len(runs)-1, workers: f.workers, batch: f.batch, mixed: true, from: pick(short, 20*time.Second, 84*time.Second)}
		s.until = s.from + 64*time.Second // a round of the rotation
		mean := heavyMean(shortestJob, f.longest)
		if f.batch > 0 {
			mean = f.longest.Seconds()
		}
		load := func(g *gateway, noise float64) {
			size := heavy(g.w.rand, shortestJob, f.longest)
			if f.batch > 0 {
				size = always(f.longest)
			}
			rate := g.capacity() / mean
			noisy := f.tenants / 10
			for i := range f.tenants - noisy {
				g.poisson(g.add("quiet", i, 1, job.Standard, size), rate/3/float64(f.tenants-noisy), 0)
			}
			for i := range noisy {
				if t := g.add("noisy", i, 1, job.Standard, size); noise > 0 {
					g.poisson(t, noise*rate/float64(noisy), 0)
				}
			}
		}
		bound := mean
		if f.batch > 0 { // quiet tenants wait for batches among themselves, too
			s.load = func(g *gateway) { load(g, 0) }
			alone := s.run().count.wait("quiet", 0.99)
			bound = 1.5*alone.Seconds() + 2*batchTime(f.longest, f.batch, f.batch).Seconds()
		}
		s.load = func(g *gateway) { load(g, f.load-1.0/3) }
		g := s.run()
		jain, p99 := g.count.jain(g.tenants, "noisy"), g.count.wait("quiet", 0.99)
		what := fmt.Sprintf("%d / %d, load %.1f, jobs up to %v", f.tenants, f.workers, f.load, f.longest)
		kind := fmt.Sprintf("%d / %d", f.tenants, f.workers)
		if f.batch > 0 {
			what += fmt.Sprintf(", batches of %d", f.batch)
			kind += fmt.Sprintf(", batches of %d", f.batch)
		}
		r.row(kind, fmt.Sprint(f.load), f.longest.String(), g.count.wait("quiet", 0.5), p99,
			g.count.wait("noisy", 0.5), g.count.wait("noisy", 0.99), jain, percent(g.count.utilisation()), g.pullsPerJob(), g.b.asked, g.b.most,
			fmt.Sprintf("%.1f", float64(g.b.makes)/s.until.Seconds()))
		r.g = g
		// Heavy tails do not average out in a minute: half of a load of 0.8 is in jobs longer than 3 s.
		r.check(g.count.utilisation() > min(f.load, 1)*0.85, "%s: utilisation %s", what, percent(g.count.utilisation()))
		r.check(p99.Seconds() <= bound, "%s: quiet p99 %v ≤ %.0f ms", what, p99, 1000*bound)
		r.check(g.b.asked <= 2*fair.MaxOpen, "%s: %d backlogs pulled from within a second, in which two turns fall, ≤ %d", what, g.b.asked, 2*fair.MaxOpen)
		if f.load > 1 && f.longest < time.Minute {
			r.check(jain >= 0.98, "%s: Jain's index %.4f ≥ 0.98 over %v", what, jain, s.until-s.from)
		}
	}
	return r
}
