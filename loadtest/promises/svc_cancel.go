package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// cancelStep is the time between two deltas of a running job that is canceled.
const cancelStep = 100 * time.Millisecond

// cancels measures how long it takes to be rid of a job.
func cancels(ctx context.Context, r *run) error {
	n := pick(r, 20, 200)
	return r.on(ctx, 16, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "cancels", nil)
		if err != nil {
			return err
		}
		running, ends, freed, err := cancelRunning(ctx, s, c, n)
		if err != nil {
			return err
		}
		queued, err := cancelQueued(ctx, c, n)
		if err != nil {
			return err
		}
		r.say("%d jobs that wait behind 16 long ones, canceled one after the other; and %d that run, with a delta each %v, of which "+
			"four run at a time, each followed by a stream. Freed: until all slots are free again after the last of four was canceled.", n, n, cancelStep)
		r.table([]string{"jobs", "until", "p50", "p99", "most"}, [][]string{
			{"queued", "the answer", queued.ms(0.5), queued.ms(0.99), queued.ms(1)},
			{"running", "the answer", running.ms(0.5), running.ms(0.99), running.ms(1)},
			{"running", "`done` in the stream", ends.ms(0.5), ends.ms(0.99), ends.ms(1)},
			{"running", "slots are free", freed.ms(0.5), freed.ms(0.99), freed.ms(1)},
		})
		limit := cancelStep + 20*time.Millisecond
		r.bound("queued: p50 "+queued.ms(0.5)+" ≤ 10 ms", queued.quantile(0.5) <= 10)
		r.bound(fmt.Sprintf("running: p50 until `done` %s ≤ %v", ends.ms(0.5), limit), ends.quantile(0.5) <= millis(limit))
		r.bound(fmt.Sprintf("running: p50 until the slots are free %s ≤ %v", freed.ms(0.5), limit), freed.quantile(0.5) <= millis(limit))
		return nil
	})
}

func cancelJob(ctx context.Context, c *stack.Client, id string) error {
	status, _, answer, err := c.Do(ctx, http.MethodPost, "/v1/jobs/"+id+"/cancel", nil, nil)
	if err == nil && status != http.StatusOK {
		err = &stack.StatusError{Status: status, Body: string(answer)}
	}
	return err
}

func cancelQueued(ctx context.Context, c *stack.Client, n int) (took figures, err error) {
	var long, ids []string
	for range 16 {
		id, err := c.Submit(ctx, map[string]any{"ms": 600_000}, nil)
		if err != nil {
			return nil, err
		}
		long = append(long, id)
	}
	for range n {
		id, err := c.Submit(ctx, map[string]any{"ms": 1}, nil)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return nil, err
	}
	for _, id := range ids {
		begin := time.Now()
		if err := cancelJob(ctx, c, id); err != nil {
			return nil, err
		}
		took = append(took, millis(time.Since(begin)))
	}
	for _, id := range long {
		if err := cancelJob(ctx, c, id); err != nil {
			return nil, err
		}
	}
	return took, nil
}

func cancelRunning(ctx context.Context, s *stack.Stack, c *stack.Client, n int) (answers, ends, freed figures, err error) {
	const together = 4
	worker := s.Workers()[0]
	settled := 0
	var mu sync.Mutex
	for range n / together {
		err := spread(ctx, together, together, func(ctx context.Context, _ int) error {
			answer, end, err := cancelOne(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			answers, ends = append(answers, answer), append(ends, end)
			return err
		})
		if err != nil {
			return nil, nil, nil, err
		}
		settled += together
		begin := time.Now()
		if err := awaitSettled(ctx, worker, settled); err != nil {
			return nil, nil, nil, err
		}
		freed = append(freed, millis(time.Since(begin)))
	}
	return answers, ends, freed, nil
}

// awaitSettled waits until a worker has settled so many attempts.
func awaitSettled(ctx context.Context, worker *stack.Process, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		m, err := worker.Metrics(ctx)
		if err != nil || int(m.Sum("penstock_worker_attempts_total")) >= n {
			return err
		}
		if pause(ctx, time.Millisecond) != nil {
			return fmt.Errorf("the worker has settled %v attempts of %d", m.Sum("penstock_worker_attempts_total"), n)
		}
	}
}

// cancelOne cancels a job that has begun to run, and returns when the answer came, and the stream's end.
func cancelOne(ctx context.Context, c *stack.Client) (answer, end float64, err error) {
	const whole = 5 * time.Second
	id, err := c.Submit(ctx, map[string]any{"ms": millis(whole), "tokens": int(whole / cancelStep)}, nil)
	if err != nil {
		return 0, 0, err
	}
	res, err := c.Stream(ctx, "/v1/jobs/"+id+"/events", "")
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	events := bufio.NewReader(res.Body)
	for e := (sse{}); e.name != "output"; {
		if e, err = readSSE(events); err != nil {
			return 0, 0, err
		}
	}
	begin := time.Now()
	ended := make(chan error, 1)
	go func() {
		var err error
		for e := (sse{}); e.name != "done" && err == nil; {
			e, err = readSSE(events)
		}
		end = millis(time.Since(begin))
		ended <- err
	}()
	if err := cancelJob(ctx, c, id); err != nil {
		return 0, 0, err
	}
	answer = millis(time.Since(begin))
	if err := <-ended; err != nil {
		return 0, 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return answer, end, err
}
