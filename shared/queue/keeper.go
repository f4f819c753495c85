package queue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
)

// keeper has one message in JOBS that nobody takes. The broker's file store gives a stream whose last message was
// acked a new file and removes the old one; with one caller that happens after each job, costs a fifth of the gateway's
// time, and makes the next job wait. A file that holds one message more is not empty. It must be the file that is
// being written, so that the message is renewed now and then.
type keeper struct {
	stored atomic.Int64 // bytes of jobs since the start

	mu   sync.Mutex
	last uint64 // guarded by mu: the message's sequence; 0 for none
}

const (
	keeperSubject = "jobs.keep" // no lane's: a job's has six tokens
	keeperEvery   = 1 << 20     // bytes; the broker's files are several times as large
)

// count renews the message when enough was stored since the last time. A failure costs time, not jobs.
func (k *keeper) count(ctx context.Context, q *Queue, n int) {
	after := k.stored.Add(int64(n))
	if after/keeperEvery != (after-int64(n))/keeperEvery {
		_ = k.renew(ctx, q)
	}
}

func (k *keeper) renew(ctx context.Context, q *Queue) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.last
	ack, err := q.js.Publish(ctx, keeperSubject, nil)
	if err != nil {
		return err
	}
	k.last = ack.Sequence
	if before == 0 { // those of earlier processes; another gateway's is renewed soon
		return q.jobs.Purge(ctx, jetstream.WithPurgeSubject(keeperSubject), jetstream.WithPurgeKeep(1))
	}
	return q.Remove(ctx, before)
}
