package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// killed measures how long jobs take that run on a worker which is killed.
func killed(ctx context.Context, r *run) error {
	const (
		slots = 8
		takes = 500 * time.Millisecond
		limit = 5 * time.Second
	)
	kills := pick(r, 3, 30)
	return r.on(ctx, slots, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "kills", nil)
		if err != nil {
			return err
		}
		if _, err := s.StartWorker(ctx); err != nil {
			return err
		}
		var ends, starts figures
		lost, twice := 0, 0
		for i := range kills {
			js, at, err := killOne(ctx, s, c, slots, takes)
			if err != nil {
				return fmt.Errorf("kill %d: %w", i+1, err)
			}
			if _, err := s.StartWorker(ctx); err != nil {
				return err
			}
			for _, j := range js {
				switch {
				case j.Status != "succeeded":
					lost++
				case j.Attempt > 1:
					ends = append(ends, millis(j.FinishedAt.Sub(at)))
					starts = append(starts, millis(j.StartedAt.Sub(at)))
				}
				if j.Attempt > 2 {
					twice++
				}
			}
			r.note("kill9: %d of %d, %d run again, p50 %s", i+1, kills, len(ends), ends.ms(0.5))
		}
		r.say("Two workers with %d slots each, default leases, and %d jobs of %v in their slots when one of the workers is killed with "+
			"-9; another is started when all have ended. From the kill, of the jobs that had to run again:", slots, slots, takes)
		r.table([]string{"kills", "jobs run again", "until the next start p50", "p99", "until the end p50", "p99", "most", "not succeeded", "on a third attempt"}, [][]string{{
			strconv.Itoa(kills), strconv.Itoa(len(ends)), starts.ms(0.5), starts.ms(0.99), ends.ms(0.5), ends.ms(0.99), ends.ms(1), strconv.Itoa(lost), strconv.Itoa(twice),
		}})
		r.bound(fmt.Sprintf("p99 %s ≤ %v and the job's own %v", ends.ms(0.99), limit, takes), len(ends) > 0 && ends.quantile(0.99) <= millis(limit+takes))
		r.bound("all jobs succeeded", lost == 0)
		return nil
	})
}

// killOne kills one of the workers while jobs run on it, and returns the jobs when all have ended.
func killOne(ctx context.Context, s *stack.Stack, c *stack.Client, n int, takes time.Duration) (js []*stack.Job, at time.Time, err error) {
	ids := make([]string, n)
	err = spread(ctx, n, n, func(ctx context.Context, i int) (err error) {
		ids[i], err = c.Submit(ctx, map[string]any{"ms": millis(takes)}, nil)
		return err
	})
	if err != nil {
		return nil, at, err
	}
	if err := pause(ctx, takes/10+time.Duration(rand.Int64N(int64(takes/2)))); err != nil { //nolint:gosec // no secret
		return nil, at, err
	}
	ws := s.Workers()
	at = time.Now()
	ws[rand.IntN(len(ws))].Kill() //nolint:gosec // no secret
	js = make([]*stack.Job, n)
	err = spread(ctx, n, n, func(ctx context.Context, i int) (err error) {
		js[i], err = awaitEnd(ctx, c, ids[i])
		return err
	})
	return js, at, err
}
