package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/process"
)

// memoryReport is what both processes take, in bytes and seconds. Index 0 is the gateway, 1 the worker.
type memoryReport struct {
	jobs      int
	start     [2]time.Duration // on an empty data folder
	again     [2]time.Duration // with the jobs retained
	idle      [2]int64         // resident, after the start and ten quiet seconds
	after     [2]int64         // resident, after the jobs and ten quiet seconds
	restarted [2]int64         // resident, after a restart on the jobs
	live      [2]float64       // the Go heap that is in use: after the jobs, less what it was before
	idleCPU   [2]float64       // of one core
	files     int64            // that the broker's files grew by
}

// quiet is how long a process is left alone before its memory and its idling are looked at.
const quiet = 10 * time.Second

// measureMemory starts both anew, leaves them alone, gives them jobs, and starts them again on what was kept.
func (b *bencher) measureMemory(ctx context.Context) (m *memoryReport, err error) {
	b.say("memory and start-up")
	data := filepath.Join(b.dir, "memory", "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	m = &memoryReport{}
	if b.stack, err = startStack(ctx, b.o, data); err != nil {
		return nil, err
	}
	m.start = b.startTimes()
	err = b.fill(ctx, m)
	if err := errors.Join(err, b.stack.stop()); err != nil {
		return nil, err
	}
	if b.stack, err = startStack(ctx, b.o, data); err != nil {
		return nil, err
	}
	m.again = b.startTimes()
	m.restarted, err = b.resident(ctx)
	return m, errors.Join(err, b.stack.stop())
}

// fill measures the two idle, has them do the jobs, and measures again.
func (b *bencher) fill(ctx context.Context, m *memoryReport) (err error) {
	before := measureCPU(b.processes())
	if m.idle, err = b.resident(ctx); err != nil {
		return err
	}
	_, shares := measureCPU(b.processes()).since(before, quiet)
	m.idleCPU = [2]float64{shares["gateway"], shares["worker"]}
	heap, err := b.heap(ctx)
	if err != nil {
		return err
	}
	nats := filepath.Join(b.stack.data, "nats")
	files, err := process.Disk(nats)
	if err != nil {
		return err
	}
	err = b.load(ctx, "fill", "sync-sleep", many, "-n", strconv.Itoa(b.o.jobs), "-warm", "0s", "-d", maxDuration.String())
	if err != nil {
		return err
	}
	runs := b.runs["fill"]
	m.jobs = runs[len(runs)-1].OK
	if m.after, err = b.resident(ctx); err != nil {
		return err
	}
	now, err := b.heap(ctx)
	if err != nil {
		return err
	}
	m.live = [2]float64{now[0] - heap[0], now[1] - heap[1]}
	m.files, err = process.Disk(nats)
	m.files -= files
	return err
}

func (b *bencher) startTimes() [2]time.Duration {
	return [2]time.Duration{b.stack.gateway.Ready, b.stack.worker.Ready}
}

func (b *bencher) processes() []watched {
	return []watched{{"gateway", b.stack.gateway.PID()}, {"worker", b.stack.worker.PID()}}
}

// resident leaves the two alone for a while and reads their memory.
func (b *bencher) resident(ctx context.Context) (r [2]int64, err error) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-timer.C:
	}
	for i, c := range []*process.Process{b.stack.gateway, b.stack.worker} {
		if r[i], err = process.RSS(c.PID()); err != nil {
			return r, err
		}
	}
	return r, nil
}

// heap reads what the Go heaps held after their last collection or hold since.
func (b *bencher) heap(ctx context.Context) (h [2]float64, err error) {
	for i, c := range []*process.Process{b.stack.gateway, b.stack.worker} {
		text, err := c.Metrics(ctx)
		if err != nil {
			return h, err
		}
		h[i] = text.Sum("go_memstats_heap_alloc_bytes")
	}
	return h, nil
}
