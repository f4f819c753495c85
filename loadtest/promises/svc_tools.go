package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// figures are values that quantiles are taken of, milliseconds mostly.
type figures []float64

// quantile is the value that a part q of the figures is not above; 0 of none.
func (f figures) quantile(q float64) float64 {
	if len(f) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// ms writes a quantile of milliseconds.
func (f figures) ms(q float64) string {
	if len(f) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", f.quantile(q))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// on runs f on a stack of its own.
func (r *run) on(ctx context.Context, slots int, env []string, f func(s *stack.Stack) error) error {
	s, err := r.start(ctx, slots, env...)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Kill())
}

// pause waits for d or for ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// spread does f(0) to f(n-1) by so many callers at once. The first error ends it.
func spread(ctx context.Context, n, callers int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, callers) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// awaitEnd reads a job until it has ended.
func awaitEnd(ctx context.Context, c *stack.Client, id string) (*stack.Job, error) {
	for {
		j, err := c.Get(ctx, id+"?wait=60")
		if err != nil {
			return nil, err
		}
		switch j.Status {
		case "scheduled", "queued", "running":
		default:
			return j, nil
		}
	}
}

// sse is one server-sent event.
type sse struct {
	id   int
	name string
	text string // all of it, as it came
}

// readSSE reads the next event, passing over comments.
func readSSE(r *bufio.Reader) (e sse, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return e, err
		}
		e.text += line
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); {
		case strings.HasPrefix(line, ":"):
			e.text = strings.TrimSuffix(e.text, line)
		case field == "id":
			if e.id, err = strconv.Atoi(value); err != nil {
				return e, err
			}
		case field == "event":
			e.name = value
		case line != "\n":
		case e.text == "\n": // after a comment
			e = sse{}
		default:
			return e, nil
		}
	}
}
