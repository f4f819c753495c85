package uninlu

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// Measure is the floor for everything around the engine: it runs the requests in a loop, batch of them at a time, on as
// many goroutines as lanes says, with no queue, no batcher and no other goroutines, and gives requests a second over at
// least d. Preparing them counts. Requests of different keys should not be mixed, as a batch would pad them all.
func (e *Engine) Measure(ctx context.Context, requests []engine.Request, batch, lanes int, d time.Duration) (float64, error) {
	var done atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, lanes)
	begin := time.Now()
	for lane := range lanes {
		all.Go(func() {
			next := lane * batch
			for first := true; errs[lane] == nil && (first || time.Since(begin) < d); first = false {
				errs[lane] = e.measureOne(ctx, requests, next, batch)
				next += batch
				done.Add(int64(batch))
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}

// measureOne prepares and runs one batch, of the requests from first on, in a circle.
func (e *Engine) measureOne(ctx context.Context, requests []engine.Request, first, batch int) error {
	units := make([]engine.Unit, batch)
	for i := range units {
		u, err := e.Prepare(ctx, requests[(first+i)%len(requests)])
		if err != nil {
			return err
		}
		units[i] = u
	}
	outcomes, err := e.RunBatch(ctx, units)
	for i := range outcomes {
		err = errors.Join(err, outcomes[i].Err)
	}
	return err
}
