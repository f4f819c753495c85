package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// at once: tenants made, jobs submitted, counters read.
const atOnce = 16

// manyTenants makes n tenants, PREFIX-1 to PREFIX-n.
func manyTenants(ctx context.Context, s *stack.Stack, prefix string, n int, fields map[string]any) ([]*stack.Client, error) {
	out := make([]*stack.Client, n)
	err := spread(ctx, n, atOnce, func(ctx context.Context, i int) (err error) {
		out[i], err = s.Tenant(ctx, fmt.Sprintf("%s-%d", prefix, i+1), fields)
		return err
	})
	return out, err
}

// sleepFor is the input of a job that takes that long.
func sleepFor(d time.Duration) map[string]any {
	return map[string]any{"ms": float64(d.Microseconds()) / 1000}
}

// ended is one job's end, as its answer tells.
type ended struct {
	started   time.Time
	wait, run time.Duration
}

// tally is what became of a group's jobs. It is safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	jobs []ended // guarded by mu
}

func (t *tally) add(j *stack.Job) {
	e := ended{
		wait: time.Duration(j.Usage.QueueMillis * float64(time.Millisecond)),
		run:  time.Duration(j.Usage.RunMillis * float64(time.Millisecond)),
	}
	if j.StartedAt != nil {
		e.started = *j.StartedAt
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jobs = append(t.jobs, e)
}

// between are the jobs that started between two moments.
func (t *tally) between(from, to time.Time) sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s sample
	for _, e := range t.jobs {
		if !e.started.Before(from) && e.started.Before(to) {
			s = append(s, e)
		}
	}
	return s
}

// sample is some jobs.
type sample []ended

// seconds is the run time that they got.
func (s sample) seconds() (sum float64) {
	for _, e := range s {
		sum += e.run.Seconds()
	}
	return sum
}

// wait is a percentile of the waits until they started: the least that the part p of them does not exceed.
func (s sample) wait(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	waits := make([]time.Duration, len(s))
	for i, e := range s {
		waits[i] = e.wait
	}
	slices.Sort(waits)
	return waits[min(max(int(math.Ceil(p*float64(len(waits))))-1, 0), len(waits)-1)]
}

// load is callers that go on until they are told to stop. Its methods are for one goroutine.
type load struct {
	stop   context.CancelCauseFunc
	ending atomic.Bool
	all    sync.WaitGroup
}

// newLoad gives the context that all calls of the load are made in.
func newLoad(ctx context.Context) (context.Context, *load) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &load{stop: cancel}
}

// failed stops the load with the first error that comes before its end.
func (l *load) failed(err error) {
	if !l.ending.Load() {
		l.stop(err)
	}
}

// end hangs up on all callers, and returns the first error that came before. A second time it does nothing.
func (l *load) end(ctx context.Context) error {
	if l.ending.Swap(true) {
		return nil
	}
	err := context.Cause(ctx)
	l.stop(nil)
	l.all.Wait()
	return err
}

// keep has callers that each wait for one job after the other: so many of the tenant's jobs are unfinished at any time.
func (l *load) keep(ctx context.Context, c *stack.Client, callers int, each time.Duration, opts map[string]any, t *tally) {
	input := sleepFor(each)
	for range callers {
		l.all.Go(func() {
			for ctx.Err() == nil {
				j, err := c.Run(ctx, input, opts)
				if err != nil {
					l.failed(fmt.Errorf("%s: %w", c.Tenant, err))
					return
				}
				t.add(j)
			}
		})
	}
}

// arrive has jobs come at random times, perSecond on average, each of one of the tenants.
func (l *load) arrive(ctx context.Context, clients []*stack.Client, perSecond float64, each time.Duration, opts map[string]any, t *tally) {
	input := sleepFor(each)
	l.all.Go(func() {
		for due := time.Now(); ; {
			due = due.Add(time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second))) //nolint:gosec // no secret
			if wait(ctx, time.Until(due)) != nil {
				return
			}
			c := clients[rand.IntN(len(clients))] //nolint:gosec // no secret
			l.all.Go(func() {
				j, err := c.Run(ctx, input, opts)
				if err != nil {
					l.failed(fmt.Errorf("%s: %w", c.Tenant, err))
					return
				}
				t.add(j)
			})
		}
	})
}

// wait waits for d or for ctx, whose cause it returns.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// measured waits until the warm-up is over and then for the measuring time, and returns when that was and what part of
// the slots' time jobs ran for.
func measured(ctx context.Context, s *stack.Stack, slots int, warm, d time.Duration) (from, to time.Time, used float64, err error) {
	if err := wait(ctx, warm); err != nil {
		return from, to, 0, err
	}
	u, err := startUse(ctx, s)
	if err != nil {
		return from, to, 0, err
	}
	if err := wait(ctx, d); err != nil {
		return from, to, 0, err
	}
	used, err = u.since(ctx, s, slots)
	return u.at, time.Now(), used, err
}

// use is how long jobs had run at some moment, in all workers.
type use struct {
	at  time.Time
	run float64
}

func startUse(ctx context.Context, s *stack.Stack) (u use, err error) {
	u.at = time.Now()
	for _, w := range s.Workers() {
		m, err := w.Metrics(ctx)
		if err != nil {
			return u, err
		}
		u.run += m.Sum("penstock_worker_run_seconds_sum")
	}
	return u, nil
}

// since is the part of the slots' time that jobs ran for. A job counts where it ends.
func (u use) since(ctx context.Context, s *stack.Stack, slots int) (float64, error) {
	now, err := startUse(ctx, s)
	return (now.run - u.run) / (float64(slots) * now.at.Sub(u.at).Seconds()), err
}

// counter is what a tenant has accepted and unfinished.
type counter struct {
	Used     int64  `json:"used"`
	InFlight *int64 `json:"in_flight"`
}

// finished is how many jobs of each tenant have ended so far. Such tenants need a max_in_flight, which has them counted.
func finished(ctx context.Context, clients []*stack.Client) ([]int64, error) {
	out := make([]int64, len(clients))
	err := spread(ctx, len(clients), atOnce, func(ctx context.Context, i int) error {
		status, _, body, err := clients[i].Do(ctx, http.MethodGet, "/v1/usage", nil, nil)
		if err != nil {
			return err
		}
		var c counter
		if status != http.StatusOK || json.Unmarshal(body, &c) != nil || c.InFlight == nil {
			return fmt.Errorf("usage of %s: status %d: %s", clients[i].Tenant, status, body)
		}
		out[i] = c.Used - *c.InFlight
		return nil
	})
	return out, err
}

// jain is Jain's index of what tenants got: 1 when all got the same.
func jain(got []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range got {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(got)) * squares)
}

func median(figures []float64) float64 {
	if len(figures) == 0 {
		return 0
	}
	f := slices.Sorted(slices.Values(figures))
	return (f[len(f)/2] + f[(len(f)-1)/2]) / 2
}

func msOf(d time.Duration) string      { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
func percent(part float64) string      { return fmt.Sprintf("%.1f %%", 100*part) }
func perSecond(rate float64) string    { return fmt.Sprintf("%.0f/s", rate) }
func ratio(x float64) string           { return fmt.Sprintf("%.4f", x) }
func number[T int | int64](n T) string { return fmt.Sprintf("%d", n) }
