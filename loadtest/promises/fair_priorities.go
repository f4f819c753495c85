package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// priorities has urgent jobs come while there is always other work.
func priorities(ctx context.Context, r *run) error {
	const slots = 16
	capacity := slots / oneJob.Seconds()
	d := pick(r, 5*time.Second, 40*time.Second)
	var rows [][]string
	urgent := func(backlog, more int) (fast, slow sample, used float64, err error) {
		s, err := r.start(ctx, slots)
		if err != nil {
			return nil, nil, 0, err
		}
		defer func() { err = errors.Join(err, s.Kill()) }()
		people, err := manyTenants(ctx, s, "urgent", 50, nil)
		if err != nil {
			return nil, nil, 0, err
		}
		bulk, err := manyTenants(ctx, s, "bulk", 4, nil)
		if err != nil {
			return nil, nil, 0, err
		}
		calls, l := newLoad(ctx)
		defer func() { err = errors.Join(err, l.end(calls)) }()
		ti, tb := &tally{}, &tally{}
		for i, c := range bulk { // jobs that run equally long end in waves, and all slots come free at once
			l.keep(calls, c, backlog, time.Duration(15+3*i)*time.Millisecond, map[string]any{"priority": "batch"}, tb)
		}
		interactive := map[string]any{"priority": "interactive"}
		if more > 0 {
			for _, c := range people {
				l.keep(calls, c, more, oneJob, interactive, ti)
			}
		} else {
			l.arrive(calls, people, capacity/2, oneJob, interactive, ti)
		}
		from, to, used, err := measured(calls, s, slots, pick(r, 2*time.Second, 5*time.Second), d)
		if err != nil {
			return nil, nil, 0, err
		}
		to = to.Add(-oneJob)
		err = l.end(calls)
		return ti.between(from, to), tb.between(from, to), used, err
	}
	row := func(what string, fast, slow sample, used float64) (share float64) {
		share = slow.seconds() / (slow.seconds() + fast.seconds())
		rows = append(rows, []string{
			what, number(len(fast)), msOf(fast.wait(0.5)), msOf(fast.wait(0.99)), number(len(slow)), percent(share), percent(used),
		})
		return share
	}
	alone, none, used, err := urgent(0, 0)
	if err != nil {
		return err
	}
	row("half of the capacity at random times, no batch", alone, none, used)
	fast, slow, used, err := urgent(60, 0)
	if err != nil {
		return err
	}
	row("half of the capacity at random times, beside batch", fast, slow, used)
	always, floor, used, err := urgent(60, 4)
	if err != nil {
		return err
	}
	share := row("200 unfinished at any time, beside batch", always, floor, used)
	r.say("Interactive jobs of 50 tenants, of 20 ms; beside them, four tenants have 60 batch jobs of 15, 18, 21 and 24 ms unfinished "+
		"each. One worker with %d slots, over %s each.", slots, d)
	r.table([]string{"interactive", "jobs", "wait p50", "p99", "batch jobs", "batch's share", "utilisation"}, rows)
	most := alone.wait(0.99)*3/2 + 24*time.Millisecond
	r.bound(fmt.Sprintf("interactive p99 beside batch, %s, is at most 1.5 × without plus the longest job's run, %s", msOf(fast.wait(0.99)), msOf(most)),
		len(fast) > 0 && fast.wait(0.99) <= most)
	r.bound("batch gets 4 to 7 % while interactive never ends (its floor is 5 %)", share >= 0.04 && share <= 0.07)
	return nil
}
