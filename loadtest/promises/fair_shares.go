package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// group are tenants that do the same: each has so many jobs unfinished at any time.
type group struct {
	name       string
	n          int
	unfinished int
	weight     float64        // 0 for the default of 1
	opts       map[string]any // of each job
}

// crowd is what the tenants of groups got beside each other.
type crowd struct {
	got  [][]sample // by group and tenant
	used float64    // part of the slots' time
}

// seconds are the run times of a group's tenants.
func (c *crowd) seconds(i int) (out []float64) {
	for _, s := range c.got[i] {
		out = append(out, s.seconds())
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / max(1, float64(len(x)))
}

// beside has groups of tenants keep a new stack busy, and measures what each tenant gets after a warm-up.
func (r *run) beside(ctx context.Context, slots int, each, warm, d time.Duration, groups ...group) (c *crowd, err error) {
	s, err := r.start(ctx, slots)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	clients := make([][]*stack.Client, len(groups))
	for i, g := range groups {
		if clients[i], err = manyTenants(ctx, s, g.name, g.n, map[string]any{"weight": max(1, g.weight)}); err != nil {
			return nil, err
		}
	}
	calls, l := newLoad(ctx)
	defer func() { err = errors.Join(err, l.end(calls)) }()
	tallies := make([][]*tally, len(groups))
	for i, g := range groups {
		for _, one := range clients[i] {
			t := &tally{}
			tallies[i] = append(tallies[i], t)
			l.keep(calls, one, g.unfinished, each, g.opts, t)
		}
	}
	from, to, used, err := measured(calls, s, slots, warm, d)
	if err != nil {
		return nil, err
	}
	if err := l.end(calls); err != nil {
		return nil, err
	}
	// A job that started in time and had not ended is missing; as many are at the beginning whose start was before.
	c = &crowd{used: used, got: make([][]sample, len(groups))}
	for i := range groups {
		for _, t := range tallies[i] {
			c.got[i] = append(c.got[i], t.between(from, to.Add(-each)))
		}
	}
	return c, nil
}

// equals has a hundred tenants ask for the same.
func equals(ctx context.Context, r *run) error {
	n, d, unfinished := pick(r, 40, 100), pick(r, 8*time.Second, 64*time.Second), 12
	const slots = 16
	c, err := r.beside(ctx, slots, oneJob, pick(r, 2*time.Second, 8*time.Second), d, group{name: "even", n: n, unfinished: unfinished})
	if err != nil {
		return err
	}
	got := c.seconds(0)
	index := jain(got)
	least, jobs := math.Inf(1), 0
	var all sample
	for i, s := range c.got[0] {
		least = min(least, got[i])
		jobs += len(s)
		all = append(all, s...)
	}
	r.say("Each of %d tenants has %d jobs of 20 ms unfinished at any time; one worker with %d slots, over %s.", n, unfinished, slots, d)
	r.table([]string{"Jain of run time", "least / mean", "jobs", "wait p50", "p99", "utilisation"}, [][]string{
		{ratio(index), ratio(least / mean(got)), number(jobs), msOf(all.wait(0.5)), msOf(all.wait(0.99)), percent(c.used)},
	})
	r.bound("Jain's index is 0.99 or more", index >= 0.99)
	return nil
}

// weights has tenants of three weights ask for more than there is.
func weights(ctx context.Context, r *run) error {
	const slots, unfinished = 16, 60
	d := pick(r, 5*time.Second, 40*time.Second)
	groups := []group{{name: "one", n: 1, unfinished: unfinished, weight: 1}, {name: "two", n: 1, unfinished: unfinished, weight: 2}, {name: "four", n: 1, unfinished: unfinished, weight: 4}}
	c, err := r.beside(ctx, slots, oneJob, pick(r, 2*time.Second, 5*time.Second), d, groups...)
	if err != nil {
		return err
	}
	unit, rows, ok := c.seconds(0)[0], [][]string(nil), true
	total := 0.0
	for i := range groups {
		total += c.seconds(i)[0]
	}
	for i, g := range groups {
		got := c.seconds(i)[0]
		part := got / total / (g.weight / 7)
		ok = ok && math.Abs(part-1) <= 0.05
		rows = append(rows, []string{strconv.Itoa(int(g.weight)), number(len(c.got[i][0])), ratio(got / unit), ratio(part)})
	}
	r.say("Three tenants with %d jobs of 20 ms unfinished each; one worker with %d slots, over %s. The slots were in use %s of the time.",
		unfinished, slots, d, percent(c.used))
	r.table([]string{"weight", "jobs", "run time over that of weight 1", "got / due"}, rows)
	r.bound("each gets its share within 5 %", ok)
	return nil
}

// fillers has tenants that always fill the express bound beside a backlogged one.
func fillers(ctx context.Context, r *run) error {
	const slots = 4
	d := pick(r, 6*time.Second, 40*time.Second)
	var rows [][]string
	sizes := []int{1, 10}
	fits := make([]bool, len(sizes))
	for i, n := range sizes {
		c, err := r.beside(ctx, slots, oneJob, pick(r, 2*time.Second, 10*time.Second), d,
			group{name: "filler", n: n, unfinished: 8}, group{name: "backlogged", n: 1, unfinished: 100})
		if err != nil {
			return err
		}
		share := mean(c.seconds(0)) / mean(c.seconds(1))
		all := append(c.seconds(0), c.seconds(1)...)
		rows = append(rows, []string{strconv.Itoa(n), "1", ratio(share), ratio(jain(all)), percent(c.used)})
		fits[i] = math.Abs(share-1) <= 0.1
	}
	r.say("A filler has 8 jobs of 20 ms unfinished at any time, a backlogged tenant 100; one worker with %d slots, over %s. Share: what a "+
		"filler got over what the backlogged tenant got.", slots, d)
	r.table([]string{"fillers", "backlogged", "share", "Jain over all", "utilisation"}, rows)
	for i, ok := range fits {
		r.bound(fmt.Sprintf("%d beside one: a filler gets what the backlogged tenant gets, within 10 %%", sizes[i]), ok)
	}
	return nil
}
