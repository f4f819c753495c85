package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// leases runs many jobs that take longer than a lease, and looks for any that was handed out twice.
func leases(ctx context.Context, r *run) error {
	const (
		lease = time.Second
		takes = 3 * time.Second
	)
	n, slots := pick(r, 100, 10_000), pick(r, 50, 2000)
	return r.on(ctx, slots, []string{"PENSTOCK_WORKER_LEASE=" + lease.String()}, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "leases", nil)
		if err != nil {
			return err
		}
		begin := time.Now()
		ids := make([]string, n)
		err = spread(ctx, n, 16, func(ctx context.Context, i int) (err error) {
			ids[i], err = c.Submit(ctx, map[string]any{"ms": millis(takes)}, nil)
			return err
		})
		if err != nil {
			return err
		}
		var again, failed atomic.Int64
		var last sync.Mutex
		var finished time.Time
		err = spread(ctx, n, 16, func(ctx context.Context, i int) error {
			j, err := awaitEnd(ctx, c, ids[i])
			if err != nil {
				return err
			}
			if j.Attempt != 1 {
				again.Add(1)
			}
			if j.Status != "succeeded" {
				failed.Add(1)
			}
			last.Lock()
			defer last.Unlock()
			if j.FinishedAt != nil && j.FinishedAt.After(finished) {
				finished = *j.FinishedAt
			}
			return nil
		})
		if err != nil {
			return err
		}
		m, err := s.Workers()[0].Metrics(ctx)
		if err != nil {
			return err
		}
		r.say("%d jobs of %v on one worker with %d slots, whose leases last %v.", n, takes, slots, lease)
		r.table([]string{"jobs", "succeeded", "on a later attempt than the first", "attempts that the worker settled", "took", "at least"}, [][]string{{
			strconv.Itoa(n), strconv.Itoa(n - int(failed.Load())), strconv.FormatInt(again.Load(), 10), fmt.Sprint(m.Sum("penstock_worker_attempts_total")),
			fmt.Sprintf("%.1f s", finished.Sub(begin).Seconds()), fmt.Sprintf("%.1f s", takes.Seconds()*float64((n+slots-1)/slots)),
		}})
		r.bound(fmt.Sprintf("%d jobs on a second attempt, %d not succeeded, both 0", again.Load(), failed.Load()), again.Load()+failed.Load() == 0)
		return nil
	})
}
