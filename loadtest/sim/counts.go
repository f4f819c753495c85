package main

import (
	"math"
	"slices"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/picture"
	"github.com/penstock-dev/penstock/shared/job"
)

// counts is what happened between two moments.
type counts struct {
	from, to time.Duration
	slots    int
	jobs     int // ended between them
	all      int // ended ever
	busyFor  time.Duration
	waits    map[string][]time.Duration // by group
	work     map[*tenant]time.Duration  // run time
	classes  map[job.Class]time.Duration
	points   []picture.Point
	keep     bool
}

func newCounts(s *setup) *counts {
	return &counts{
		from: s.from, to: s.until, waits: map[string][]time.Duration{},
		work: map[*tenant]time.Duration{}, classes: map[job.Class]time.Duration{}, keep: s.picture,
	}
}

func (c *counts) in(t time.Duration) bool { return t >= c.from && t < c.to }

func (c *counts) started(now time.Duration, m *message) {
	wait := now - m.submitted
	if c.keep {
		c.points = append(c.points, picture.Point{At: now, Wait: wait, Group: m.tenant.group})
	}
	if c.in(now) {
		c.waits[m.tenant.group] = append(c.waits[m.tenant.group], wait)
	}
}

func (c *counts) ended(now time.Duration) {
	c.all++
	if c.in(now) {
		c.jobs++
	}
}

// busy counts a slot that a job held from one moment to another.
func (c *counts) busy(m *message, from, to time.Duration) {
	d := max(0, min(to, c.to)-max(from, c.from))
	c.busyFor += d
	c.work[m.tenant] += d
	c.classes[m.source.Class] += d
}

func (c *counts) utilisation() float64 {
	return c.busyFor.Seconds() / (float64(c.slots) * (c.to - c.from).Seconds())
}

// wait is a percentile of a group's waits.
func (c *counts) wait(group string, p float64) time.Duration {
	w := slices.Clone(c.waits[group])
	if len(w) == 0 {
		return 0
	}
	slices.Sort(w)
	return w[min(max(int(math.Ceil(p*float64(len(w))))-1, 0), len(w)-1)]
}

// jain is Jain's index of what the tenants of some groups got, over their weights: 1 when all got the same.
func (c *counts) jain(tenants []*tenant, groups ...string) float64 {
	sum, squares, n := 0.0, 0.0, 0.0
	for _, t := range tenants {
		if slices.Contains(groups, t.group) {
			x := c.work[t].Seconds() / t.weight
			sum += x
			squares += x * x
			n++
		}
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (n * squares)
}

// share is what a tenant of a group got on average, in seconds of run time.
func (c *counts) share(tenants []*tenant, group string) float64 {
	sum, n := 0.0, 0.0
	for _, t := range tenants {
		if t.group == group {
			sum += c.work[t].Seconds()
			n++
		}
	}
	return sum / max(n, 1)
}
