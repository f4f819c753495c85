// Command bare runs a uninlu model in a bare loop: no queue, no batcher, no other goroutines. It is the floor under the
// figures of /api/predict. It prints one line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/uninlu"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// options are the flags.
type options struct {
	dir, library, requests string
	batch                  float64
	lanes                  int
	duration               time.Duration
}

// report is what is printed.
type report struct {
	Batch   float64 `json:"batch"`
	Lanes   int     `json:"lanes"`
	Buckets int     `json:"buckets"` // groups of requests that may share a batch
	PerSec  float64 `json:"per_s"`
}

func main() {
	var o options
	flag.StringVar(&o.dir, "model", "worker/models/uninlu-tiny/1", "the model's version folder")
	flag.StringVar(&o.library, "onnxruntime", "", "ONNX Runtime's library or its folder; by default data/onnxruntime")
	flag.StringVar(&o.requests, "requests", "", "file with one input on each line")
	flag.Float64Var(&o.batch, "batch", 16, "requests in a batch; between two whole numbers, something between their rates")
	flag.IntVar(&o.lanes, "lanes", 2, "loops at once, each with an instance of its own and one thread")
	flag.DurationVar(&o.duration, "d", 5*time.Second, "how long to measure")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.batch < 1 || o.batch > 1024 || o.lanes < 1 || o.lanes > 64 || o.duration <= 0 || o.duration > 10*time.Minute {
		return errors.New("-batch is 1 to 1024, -lanes 1 to 64, -d up to 10m")
	}
	library, err := onnx.Locate(o.library, "data")
	if err != nil {
		return err
	}
	rt, err := onnx.Open(library)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	m, err := model.Read(o.dir)
	if err != nil {
		return err
	}
	e, err := uninlu.New(rt, o.dir, m, uninlu.Options{Instances: o.lanes, Threads: 1, Device: m.Device}) //nolint:contextcheck // loading is not canceled
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	buckets, n, err := load(ctx, e, o.requests)
	if err != nil {
		return err
	}
	var seconds float64 // for all requests once, were each bucket run at its own rate
	for _, requests := range buckets {
		part := float64(len(requests)) / float64(n)
		rate, err := measure(ctx, e, requests, o, time.Duration(part*float64(o.duration)))
		if err != nil {
			return err
		}
		seconds += float64(len(requests)) / rate
	}
	return json.NewEncoder(os.Stdout).Encode(report{
		Batch: o.batch, Lanes: o.lanes, Buckets: len(buckets), PerSec: float64(n) / seconds,
	})
}

// measure gives the requests a second at a batch size that may lie between two whole numbers: the time of a run is
// taken to be straight between them.
func measure(ctx context.Context, e *uninlu.Engine, requests []engine.Request, o options, d time.Duration) (float64, error) {
	low := math.Floor(o.batch)
	part := o.batch - low
	if part < 0.02 {
		return e.Measure(ctx, requests, int(low), o.lanes, d)
	}
	a, err := e.Measure(ctx, requests, int(low), o.lanes, d/2)
	if err != nil {
		return 0, err
	}
	b, err := e.Measure(ctx, requests, int(low)+1, o.lanes, d/2)
	if err != nil {
		return 0, err
	}
	return o.batch / ((1-part)*low/a + part*(low+1)/b), nil
}

// load reads the inputs and groups them by what may share a batch.
func load(ctx context.Context, e *uninlu.Engine, path string) (buckets map[string][]engine.Request, n int, err error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, 0, fmt.Errorf("-requests: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	buckets = map[string][]engine.Request{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		r := engine.Request{Attempt: 1, Input: append([]byte(nil), lines.Bytes()...)}
		u, err := e.Prepare(ctx, r)
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", n+1, err)
		}
		buckets[u.Key()] = append(buckets[u.Key()], r)
	}
	if n == 0 && lines.Err() == nil {
		return nil, 0, fmt.Errorf("%s holds no inputs", path)
	}
	return buckets, n, lines.Err()
}
