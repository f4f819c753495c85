package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// tokens measures what it costs to bring a model's tokens to those who read along.
func tokens(ctx context.Context, r *run) error {
	const streams = 64
	each, every := pick(r, 100, 1000), 20*time.Millisecond
	return r.on(ctx, streams, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "tokens", nil)
		if err != nil {
			return err
		}
		input := map[string]any{"ms": int64(each) * every.Milliseconds(), "tokens": each}
		gateway, worker := s.Gateway().CPU(), s.Workers()[0].CPU()
		var heard atomic.Int64
		begin := time.Now()
		err = spread(ctx, streams, streams, func(ctx context.Context, _ int) error {
			n, err := readTokens(ctx, c, input)
			heard.Add(int64(n))
			return err
		})
		if err != nil {
			return err
		}
		took := time.Since(begin)
		n := float64(heard.Load())
		gateway, worker = s.Gateway().CPU()-gateway, s.Workers()[0].CPU()-worker
		micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / n }
		r.say("%d streams at once, each of a job that tells a token every %v, %d in all; through TLS, durable queue and event log.", streams, every, each)
		r.table([]string{"tokens", "a second", "gateway with broker, CPU a token", "worker, CPU a token", "took, over the job's own time"}, [][]string{{
			strconv.FormatInt(heard.Load(), 10), fmt.Sprintf("%.0f", n/took.Seconds()), fmt.Sprintf("%.0f µs", micros(gateway)), fmt.Sprintf("%.0f µs", micros(worker)),
			fmt.Sprintf("%.2f", took.Seconds()/(float64(each)*every.Seconds())),
		}})
		r.bound(fmt.Sprintf("gateway: %.0f µs a token ≤ 100 µs", micros(gateway)), micros(gateway) <= 100)
		return nil
	})
}

// readTokens runs one job as a stream and counts what its deltas say.
func readTokens(ctx context.Context, c *stack.Client, input any) (n int, err error) {
	_, res, err := c.SubmitStream(ctx, input, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	events := bufio.NewReader(res.Body)
	for {
		e, err := readSSE(events)
		if err != nil {
			return n, err
		}
		switch e.name {
		case "output":
			n++
		case "done":
			return n, nil
		}
	}
}
