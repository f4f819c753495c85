package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/process"
	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// retained measures what ended jobs cost that can still be read.
func retained(ctx context.Context, r *run) error {
	n := r.retained
	if n == 0 {
		n = pick(r, 5000, 1_000_000)
	}
	return r.on(ctx, 64, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "retained", nil)
		if err != nil {
			return err
		}
		if err := runJobs(ctx, c, 500); err != nil { // so that all is there that the first jobs make
			return err
		}
		empty, rows, err := r.keepMore(ctx, s, c, n)
		if err != nil {
			return err
		}
		first := s.Gateway().Ready
		if err := s.StopGateway(); err != nil {
			return err
		}
		if err := s.StartGateway(ctx); err != nil {
			return err
		}
		again := s.Gateway().Ready
		row, full, err := r.store(ctx, s, "after a restart", n, &empty)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		begin := time.Now()
		if _, err := c.Run(ctx, map[string]any{"ms": 0}, nil); err != nil {
			return err
		}
		r.say("Jobs of the model sleep with an input of 8 bytes, by 64 callers who wait for their answers. Memory is read after 40 quiet " +
			"seconds; a job's is what the gateway (with its broker and Redis) has more than before the first.")
		r.table([]string{"retained jobs", "resident", "of it a job", "Go heap in use", "of it a job", "files", "of them a job", "jobs/s"}, rows)
		r.table([]string{"start to ready", ""}, [][]string{
			{"nothing kept", fmt.Sprintf("%.2f s", first.Seconds())},
			{fmt.Sprintf("%d jobs kept", n), fmt.Sprintf("%.2f s", again.Seconds())},
			{"the first answer after that", fmt.Sprintf("%.3f s", time.Since(begin).Seconds())},
		})
		r.say("After the restart, a retained job takes %.0f bytes resident.", float64(full.resident-empty.resident)/float64(n))
		return nil
	})
}

func runJobs(ctx context.Context, c *stack.Client, n int) error {
	return spread(ctx, n, 64, func(ctx context.Context, _ int) error {
		_, err := c.Run(ctx, map[string]any{"ms": 0}, nil)
		return err
	})
}

// storage is what the gateway takes.
type storage struct {
	footprint
	files int64
}

// keepMore has jobs done until n are kept, and looks at the gateway on the way.
func (r *run) keepMore(ctx context.Context, s *stack.Stack, c *stack.Client, n int) (empty storage, rows [][]string, err error) {
	row, empty, err := r.store(ctx, s, "none", 0, nil)
	if err != nil {
		return empty, nil, err
	}
	rows = append(rows, row)
	done := 0
	for _, upTo := range []int{n / 4, n / 2, n} {
		begin := time.Now()
		if err := runJobs(ctx, c, upTo-done); err != nil {
			return empty, nil, err
		}
		rate := float64(upTo-done) / time.Since(begin).Seconds()
		done = upTo
		row, _, err := r.store(ctx, s, strconv.Itoa(upTo), upTo, &empty)
		if err != nil {
			return empty, nil, err
		}
		row[len(row)-1] = fmt.Sprintf("%.0f", rate)
		rows = append(rows, row)
		r.note("retained: %v", row)
	}
	return empty, rows, nil
}

// store looks at a gateway that keeps n jobs; empty is what it was without any.
func (r *run) store(ctx context.Context, s *stack.Stack, name string, n int, empty *storage) (row []string, k storage, err error) {
	var e1, e2 error
	k.footprint, e1 = look(ctx, s.Gateway(), pick(r, 2*time.Second, 40*time.Second))
	k.files, e2 = process.Disk(filepath.Join(s.Data(), "nats"))
	if err := errors.Join(e1, e2); err != nil {
		return nil, k, err
	}
	each := func(now, before float64) string { return fmt.Sprintf("%.0f B", (now-before)/float64(n)) }
	row = []string{name, mib(k.resident), "", mib(int64(k.heap)), "", mib(k.files), "", ""}
	if n > 0 {
		row[2] = each(float64(k.resident), float64(empty.resident))
		row[4] = each(k.heap, empty.heap)
		row[6] = each(float64(k.files), float64(empty.files))
	}
	return row, k, nil
}
