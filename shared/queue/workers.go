package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// Heartbeat tells the gateways who this worker is and what it offers. It is to be called every second or so.
func (q *Queue) Heartbeat(ctx context.Context, w job.Worker) error {
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("queue: heartbeat: %w", err)
	}
	if _, err := q.workers.Put(ctx, name(w.ID), b); err != nil {
		return fmt.Errorf("queue: heartbeat: %w", err)
	}
	return nil
}

// WatchWorkers calls seen for each heartbeat until ctx ends. It returns after everything known at the call was told,
// which may be minutes old: a worker that died is remembered for a while, because it is expected back.
func (q *Queue) WatchWorkers(ctx context.Context, seen func(job.Worker)) error {
	w, err := q.workers.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("queue: watch workers: %w", err)
	}
	known := make(chan struct{})
	go func() {
		open := known
		for e := range w.Updates() {
			switch {
			case e == nil:
				if open != nil {
					close(open)
					open = nil
				}
			case e.Operation() == jetstream.KeyValuePut:
				var b job.Worker
				if err := json.Unmarshal(e.Value(), &b); err != nil {
					q.log.ErrorContext(ctx, "heartbeat cannot be read", "worker", e.Key(), "error", err)
					continue
				}
				seen(b)
			}
		}
	}()
	select {
	case <-known:
		return nil
	case <-time.After(5 * time.Second):
		_ = w.Stop()
		return fmt.Errorf("queue: watch workers: %w", ErrUnavailable)
	case <-ctx.Done():
		_ = w.Stop()
		return ctx.Err()
	}
}
