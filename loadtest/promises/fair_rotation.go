package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// rotation has a thousand tenants submit all their jobs at once, and counts what each gets in a whole round.
func rotation(ctx context.Context, r *run) (err error) {
	const slots = 8
	n, each := pick(r, 100, 1_000), pick(r, 70, 80)
	// A round over a thousand backlogs takes 64 s, over a hundred 8 s.
	round := pick(r, 8*time.Second, 64*time.Second)
	s, err := r.start(ctx, slots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	clients, err := manyTenants(ctx, s, "tenant", n, map[string]any{"max_in_flight": 1_000_000})
	if err != nil {
		return err
	}
	begin := time.Now()
	input := sleepFor(oneJob)
	err = spread(ctx, n*each, atOnce, func(ctx context.Context, i int) error {
		_, err := clients[i%n].Submit(ctx, input, nil)
		return err
	})
	if err != nil {
		return err
	}
	submitted := time.Since(begin)
	r.note("rotation: %d jobs submitted in %s", n*each, submitted.Round(time.Millisecond))
	before, err := firstEnded(ctx, clients)
	if err != nil {
		return err
	}
	u, err := startUse(ctx, s)
	if err != nil {
		return err
	}
	if err := wait(ctx, round); err != nil {
		return err
	}
	used, err := u.since(ctx, s, slots)
	if err != nil {
		return err
	}
	after, err := finished(ctx, clients)
	if err != nil {
		return err
	}
	got, served, dry, least, total := make([]float64, n), 0, 0, math.Inf(1), 0.0
	for i := range got {
		got[i] = float64(after[i] - before[i])
		total += got[i]
		least = min(least, got[i])
		if got[i] > 0 {
			served++
		}
		if after[i] >= int64(each) {
			dry++
		}
	}
	index := jain(got)
	r.say("Each of %d tenants submits %d jobs of 20 ms, all in %s; then, once those on the "+
		"express lane have ended, over %s, a round of the rotation. One worker with %d slots.",
		n, each, submitted.Round(100*time.Millisecond), round, slots)
	r.table([]string{"Jain", "least / mean", "tenants served", "ran dry", "jobs", "utilisation"}, [][]string{
		{ratio(index), ratio(least / mean(got)), fmt.Sprintf("%d of %d", served, n), number(dry), fmt.Sprintf("%.0f", total), percent(used)},
	})
	r.bound("Jain's index is 0.98 or more", index >= 0.98)
	r.bound("every tenant is served, and none has run out of jobs", served == n && dry == 0)
	return nil
}

// firstEnded waits until the jobs that every tenant has on the express lane have ended, and returns how many have ended
// of each: while they are in between, the window goes round without serving whom it covers.
func firstEnded(ctx context.Context, clients []*stack.Client) ([]int64, error) {
	const express = 8
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		done, err := finished(ctx, clients)
		if err != nil || slices.Min(done) >= express {
			return done, err
		}
		if err := wait(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}
