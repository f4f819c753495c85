package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/process"
)

// parts are what bench can measure, in the order of a round.
func parts() []string { return []string{"echo", "sync1", "sync64", "async", "predict", "memory"} }

const many = 64 // callers

// bencher holds what was measured. Everything runs one after another on its one goroutine.
type bencher struct {
	o        *benchOptions
	dir      string
	progress io.Writer
	self     string            // this binary, which is the generator too
	tools    map[string]string // the floors' binaries
	stack    *stack
	series   map[string][]float64
	runs     map[string][]report
	memory   *memoryReport
}

func bench(ctx context.Context, o benchOptions, out, progress io.Writer) (err error) {
	b := &bencher{
		o: &o, progress: progress, tools: map[string]string{}, series: map[string][]float64{}, runs: map[string][]report{},
	}
	if runtime.GOOS != "linux" {
		return errors.New("bench reads /proc, so that it needs Linux")
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "penstock-bench-"); err != nil {
		return err
	}
	if o.keep {
		b.say("everything is kept in %s", b.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	}
	if err := b.buildFloors(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(parts()[:5], func(p string) bool { return o.only[p] }) {
		if err := b.rounds(ctx); err != nil {
			return err
		}
	}
	if o.only["memory"] {
		if b.memory, err = b.measureMemory(ctx); err != nil {
			return err
		}
	}
	return b.write(out)
}

func (b *bencher) say(format string, args ...any) {
	fmt.Fprintf(b.progress, format+"\n", args...) //nolint:errcheck // progress nobody may be reading
}

// buildFloors builds the two floors, which are no part of the product's binaries.
func (b *bencher) buildFloors(ctx context.Context) error {
	for name, pkg := range map[string]string{"floor": "./shared/queue/floor", "bare": "./worker/internal/engine/uninlu/bare"} {
		b.tools[name] = filepath.Join(b.dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.tools[name], pkg) //nolint:gosec // constants
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s, in the repository's folder: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

// rounds measures everything in turn, so that a machine that changes its pace changes it for all.
func (b *bencher) rounds(ctx context.Context) (err error) {
	data := filepath.Join(b.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if b.stack, err = startStack(ctx, b.o, data); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stack.stop()) }()
	if err := b.writeInputs(); err != nil {
		return err
	}
	for round := range b.o.rounds {
		b.say("round %d of %d", round+1, b.o.rounds)
		if err := b.round(ctx); err != nil {
			return err
		}
	}
	if b.o.profiles != "" {
		return b.takeProfiles(ctx)
	}
	return nil
}

func (b *bencher) round(ctx context.Context) error {
	for _, step := range []struct {
		part string
		do   func(context.Context) error
	}{
		{"sync1", func(ctx context.Context) error { return b.floor(ctx, 1) }},
		{"sync1", func(ctx context.Context) error { return b.load(ctx, "sync1", "sync-sleep", 1) }},
		{"echo", func(ctx context.Context) error { return b.load(ctx, "echo1", "echo", 1) }},
		{"echo", func(ctx context.Context) error { return b.load(ctx, "echo64", "echo", many) }},
		{"sync64", func(ctx context.Context) error { return b.floor(ctx, many) }},
		{"sync64", func(ctx context.Context) error { return b.load(ctx, "sync64", "sync-sleep", many) }},
		{"async", func(ctx context.Context) error { return b.load(ctx, "async64", "async-sleep", many) }},
		{"predict", b.predict},
	} {
		if !b.o.only[step.part] {
			continue
		}
		if err := errors.Join(step.do(ctx), b.stack.settled(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// add notes one figure.
func (b *bencher) add(name string, v float64) { b.series[name] = append(b.series[name], v) }

// floor runs the bare queue.
func (b *bencher) floor(ctx context.Context, callers int) error {
	var r struct {
		PerSec float64 `json:"jobs_per_s"`
		P50    float64 `json:"p50_us"`
		P99    float64 `json:"p99_us"`
	}
	n := strconv.Itoa(callers)
	err := b.tool(ctx, &r, b.tools["floor"], "-c", n, "-d", b.o.duration.String(), "-dir", b.dir)
	b.add("floor"+n+".per_s", r.PerSec)
	b.add("floor"+n+".p50", r.P50)
	b.add("floor"+n+".p99", r.P99)
	b.say("  %-9s %7.0f/s  p50 %6.0f µs  p99 %6.0f µs", "floor"+n, r.PerSec, r.P50, r.P99)
	return err
}

// load runs a generator of its own process against the stack.
func (b *bencher) load(ctx context.Context, name, scenario string, callers int, more ...string) error {
	var r report
	before, err := b.stack.worker.Metrics(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	err = b.tool(ctx, &r, b.self, append([]string{
		"run", "-credentials", b.stack.credentials, "-scenario", scenario, "-c", strconv.Itoa(callers),
		"-d", b.o.duration.String(), "-watch", b.stack.watch(),
	}, more...)...)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := b.stack.worker.Metrics(ctx)
	if err != nil {
		return err
	}
	const ended = "penstock_worker_attempts_total"
	b.add(name+".ended", (after.Sum(ended)-before.Sum(ended))/took.Seconds())
	const size, of = "penstock_worker_batch_size", `model="uninlu-tiny"`
	if n := after.Sum(size+"_count", of) - before.Sum(size+"_count", of); n > 0 {
		b.add(name+".batch", (after.Sum(size+"_sum", of)-before.Sum(size+"_sum", of))/n)
	}
	b.runs[name] = append(b.runs[name], r)
	for key, v := range map[string]float64{
		"per_s": r.PerSec, "p50": r.P50, "p99": r.P99, "generator": r.CPU,
		"gateway": r.Others["gateway"], "worker": r.Others["worker"], rest: r.Others[rest],
	} {
		b.add(name+"."+key, v)
	}
	b.say("  %-9s %7.0f/s  p50 %6.0f µs  p99 %6.0f µs  cpu: gateway %.0f %%, worker %.0f %%, generator %.0f %%, rest %.0f %%  errors %v",
		name, r.PerSec, r.P50, r.P99, 100*r.Others["gateway"], 100*r.Others["worker"], 100*r.CPU, 100*r.Others[rest], r.Errors)
	return r.failed()
}

// watch names both processes for loadtest run.
func (s *stack) watch() string {
	return fmt.Sprintf("gateway=%d,worker=%d", s.gateway.PID(), s.worker.PID())
}

// predict loads the model, and then runs it bare at the mean size of the batches that formed.
func (b *bencher) predict(ctx context.Context) error {
	if err := b.load(ctx, "predict64", "predict", many); err != nil {
		return err
	}
	sizes := b.series["predict64.batch"]
	if len(sizes) == 0 {
		return errors.New("the worker's metrics tell of no batch of uninlu-tiny")
	}
	var r struct {
		PerSec float64 `json:"per_s"`
	}
	mean := sizes[len(sizes)-1]
	err := b.tool(ctx, &r, b.tools["bare"], "-model", filepath.Join(b.o.models, "uninlu-tiny", "1"),
		"-onnxruntime", b.o.library, "-requests", b.inputs(), "-batch", strconv.FormatFloat(mean, 'f', 2, 64),
		"-lanes", strconv.Itoa(runtime.NumCPU()), "-d", b.o.duration.String())
	b.add("bare.per_s", r.PerSec)
	b.say("  %-9s %7.0f/s  at batches of %.1f", "bare", r.PerSec, mean)
	return err
}

func (b *bencher) inputs() string { return filepath.Join(b.dir, "inputs.jsonl") }

// writeInputs gives the bare loop the very inputs that the generator sends.
func (b *bencher) writeInputs() error {
	return os.WriteFile(b.inputs(), append(bytes.Join(predictBodies(0), []byte("\n")), '\n'), 0o600)
}

// tool runs a program that prints one line of JSON.
func (b *bencher) tool(ctx context.Context, into any, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, maxDuration)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // ourselves and what we built
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, errs.String())
	}
	return json.Unmarshal(out.Bytes(), into)
}

// takeProfiles takes CPU profiles of both processes at once, under one synchronous caller and under many.
func (b *bencher) takeProfiles(ctx context.Context) error {
	if err := os.MkdirAll(b.o.profiles, 0o750); err != nil {
		return err
	}
	b.say("profiles")
	for _, callers := range []int{1, many} {
		if err := b.profile(ctx, callers); err != nil {
			return err
		}
	}
	return nil
}

func (b *bencher) profile(ctx context.Context, callers int) error {
	errs := make(chan error, 2)
	seconds := strconv.Itoa(max(1, int(b.o.duration.Seconds())))
	for _, c := range []*process.Process{b.stack.gateway, b.stack.worker} {
		go func() {
			text, err := c.Page(ctx, "/debug/pprof/profile?seconds="+seconds)
			if err == nil {
				name := fmt.Sprintf("%s%d.pprof", c.Name, callers)
				err = os.WriteFile(filepath.Join(b.o.profiles, name), text, 0o600)
			}
			errs <- err
		}()
	}
	err := b.load(ctx, "profiled", "sync-sleep", callers)
	return errors.Join(err, <-errs, <-errs)
}
